// Package app knows the apps that are installed on a Portal, from the app_meta.json of
// each.
package app

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/getportal/ptlauth/internal/option"
	"github.com/getportal/ptlauth/internal/portal"
	"github.com/getportal/ptlauth/internal/source"
)

// Directory is the folder of installed apps: one folder for each, with its app_meta.json.
type Directory struct {
	path  string
	about *portal.Portal
}

// App is an installed app.
type App struct {
	Name   string
	path   string
	source *source.Source
}

// Read reads the section `apps`; nil where there is none.
func Read(top *option.Section, about *portal.Portal) *Directory {
	s := top.Section("apps")
	if !top.Has("apps") {
		return nil
	}
	path := strings.TrimSpace(s.Text("directory", ""))
	s.Unknown()
	if path == "" {
		s.Problem("directory", "is missing: write the path of the folder with the installed apps")
	}
	for _, name := range []string{"headers", "paths"} {
		if top.Has(name) {
			top.Problem(name, "does not go with `apps`: each app's app_meta.json says it")
		}
	}
	return &Directory{path: path, about: about}
}

// maxName is a label of a domain name, in bytes (RFC 1035 §2.3.4).
const maxName = 63

// name is what an app may be called: nothing that leads out of the directory, and no capital
// letters, which no browser sends. In a folder that minds no case, an app would have as many
// names as there are spellings, and take memory for each.
var name = regexp.MustCompile(`^[a-z0-9_-]+$`) // guard: an app has one name, however its host is spelled

// Of is the name of the app that a request's host asks for: its first label. It is
// empty where that cannot be an app's name.
func Of(host string) string {
	label, _, _ := strings.Cut(host, ".")
	if len(label) > maxName || !name.MatchString(label) {
		return ""
	}
	return label
}

// Find returns the installed app of that name, nil where there is none.
func Find(d *Directory, label string) *App {
	a := &App{Name: label, path: filepath.Join(d.path, label, "app_meta.json")}
	if !IsInstalled(a) {
		return nil
	}
	a.source = source.File("app "+d.about.ID+" "+d.about.Domain, a.path, parser(a.path, d.about))
	return a
}

// DirExists reports whether the directory itself can be found.
func DirExists(d *Directory) bool {
	info, err := os.Stat(d.path)
	return err == nil && info.IsDir()
}

// IsInstalled reports whether the app still has its file.
func IsInstalled(a *App) bool {
	_, err := os.Stat(a.path)
	return err == nil || !os.IsNotExist(err)
}

// Look brings the app's rules up to date; nil where its file could never be read.
func Look(a *App, refresh time.Duration) *Rules {
	source.LookAt(a.source, refresh)
	rules, _ := source.Value(a.source).(*Rules)
	return rules
}
