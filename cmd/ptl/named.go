package main

import (
	"cmp"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/getportal/ptlauth/cmd/command"
	"github.com/getportal/ptlauth/cmd/registry"
	"github.com/getportal/ptlauth/cmd/review"
	"github.com/getportal/ptlauth/cmd/settings"
	"github.com/getportal/ptlauth/cmd/store"
)

// namesFiles reports whether the settings say where anything is that can be checked.
func namesFiles(site *settings.Site) bool {
	return site.Dynamic != "" || site.SecretFile != "" || site.Registry != ""
}

// withDynamic are the files to review, with the middleware's own where it is there and not among them.
func withDynamic(paths []string, site *settings.Site) []string {
	isIt := func(path string) bool { return absolute(path) == absolute(site.Dynamic) }
	if _, err := os.Stat(site.Dynamic); err != nil || slices.ContainsFunc(paths, isIt) {
		return paths
	}
	return append(paths, near(site.Dynamic))
}

// named looks at the files that the settings name, and returns what is wrong with them, beside what the review has found in
// the middleware's own, and what was looked at.
func named(site *settings.Site, reviewed []review.Finding) (findings []review.Finding, looked []string) {
	add := func(err error) {
		file := near(cmp.Or(site.ConfigFile, site.Dynamic, fileOf(site), site.SecretFile))
		findings = append(findings, review.Finding{File: file, Kind: review.NamedFile, Text: err.Error()})
	}
	var list registry.Registry
	if path := fileOf(site); path != "" {
		list = &registry.File{Path: path}
	}
	if site.Dynamic != "" || store.Is(site.Registry) {
		m, err := settings.Find(site)
		switch {
		case err == nil && m.Signs():
			looked = append(looked, "the secret")
			if _, err := m.Key(); err != nil {
				add(err)
			}
		case err != nil && !hasMistake(reviewed, site.Dynamic):
			add(err)
		}
		if err == nil {
			list = m.Registry
		}
	}
	if list != nil {
		looked = append(looked, "the list of terminals")
		if _, err := list.Read(); err != nil {
			add(err)
		}
	}
	return findings, looked
}

// fileOf is the registry, where it is a file.
func fileOf(site *settings.Site) string {
	if store.Is(site.Registry) {
		return ""
	}
	return site.Registry
}

// hasMistake reports whether a mistake was found in that file.
func hasMistake(findings []review.Finding, path string) bool {
	return slices.ContainsFunc(findings, func(f review.Finding) bool {
		return f.Kind == review.Mistake && absolute(f.File) == absolute(path)
	})
}

func absolute(path string) string {
	whole, err := filepath.Abs(path)
	if err != nil {
		return path
	}
	return whole
}

// near is a path as a person would write it here.
func near(path string) string {
	here, err := os.Getwd()
	if err != nil {
		return path
	}
	short, err := filepath.Rel(here, absolute(path))
	if err != nil || strings.HasPrefix(short, "..") {
		return path
	}
	return short
}

// noteUnseen says what was not looked at for want of a ptl.yml.
func noteUnseen(c *command.Console) {
	c.Notef("The secret and the list of terminals were not looked at: ptl.yml says where they are, and there is none in %s.\n", settings.Searched())
}
