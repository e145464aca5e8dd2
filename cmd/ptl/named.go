package main

import (
	"cmp"
	"fmt"
	"net/url"
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
func named(site *settings.Site, paths []string, reviewed []review.Finding) (findings []review.Finding, looked []string) {
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
			if s := m.Policy.Pairing; s != nil && s.Domain != "" && !isBelow(site.URL, s.Domain) {
				add(fmt.Errorf("url is %s, and pairing.domain is %s, whose cookie browsers never send to that host: correct one of them", site.URL, s.Domain))
			}
		}
	}
	if list != nil {
		looked = append(looked, "the list of terminals")
		if _, err := list.Read(); err != nil {
			add(err)
		}
	}
	if namesFiles(site) {
		findings = append(findings, misread(site, paths)...)
	}
	return findings, looked
}

// misread are the files that Traefik reads and that are not on this machine where they should be, or are others than ptl's.
func misread(site *settings.Site, paths []string) (findings []review.Finding) {
	readings, err := review.Readings(paths)
	if err != nil {
		return nil // which the review has said
	}
	var list *review.Reading // of which none is ptl's
	isListed := false
	for i := range readings {
		one := &readings[i]
		switch {
		case isSame(one.Here, site.SecretFile) || isSame(one.Here, fileOf(site)): // which was looked at
			isListed = isListed || one.IsRegistry
		case one.IsMissing():
			findings = append(findings, review.Finding{File: one.File, Line: one.Line, Kind: review.NamedFile, About: one.About,
				Text: one.Path + " is " + near(one.Here) + " on this machine, and there is none: correct the path"})
		case one.IsRegistry:
			list = one
		}
	}
	if fileOf(site) != "" && list != nil && !isListed {
		findings = append(findings, review.Finding{File: list.File, Line: list.Line, Kind: review.NamedFile, About: list.About,
			Text: list.Path + " is " + near(list.Here) + " on this machine, and ptl writes " + near(fileOf(site)) + " (registry in ptl.yml): let both be the same"})
	}
	return findings
}

// isBelow reports whether an address is of that domain; one that is not said is taken for such a one.
func isBelow(address, domain string) bool {
	u, err := url.Parse(address)
	host := "."
	if err == nil {
		host += strings.ToLower(u.Hostname())
	}
	return address == "" || strings.HasSuffix(host, "."+strings.ToLower(domain))
}

// isSame reports whether two paths are of one file, or would be.
func isSame(a, b string) bool {
	if a == "" || b == "" {
		return false
	}
	first, err := os.Stat(a)
	second, otherErr := os.Stat(b)
	return absolute(a) == absolute(b) || err == nil && otherErr == nil && os.SameFile(first, second)
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
