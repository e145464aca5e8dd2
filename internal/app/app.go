// Package app knows the apps that are installed on a Portal, from the app_meta.json of
// each.
package app

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/getportal/ptlauth/internal/access"
	"github.com/getportal/ptlauth/internal/journal"
	"github.com/getportal/ptlauth/internal/option"
	"github.com/getportal/ptlauth/internal/placeholder"
	"github.com/getportal/ptlauth/internal/source"
)

// Directory is the folder of installed apps: one folder for each, with its app_meta.json.
type Directory struct {
	path   string
	portal *placeholder.Portal
}

// App is an installed app.
type App struct {
	Name   string
	path   string
	source *source.Source
}

// Read reads the section `apps`; nil where there is none.
func Read(top *option.Section, portal *placeholder.Portal) *Directory {
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
	return &Directory{path: path, portal: portal}
}

// name is what an app may be called: nothing that leads out of the directory.
var name = regexp.MustCompile(`^[A-Za-z0-9_-]{1,63}$`)

// Of is the name of the app that a request's host asks for: its first label. It is
// empty where that cannot be an app's name.
func Of(host string) string {
	label, _, _ := strings.Cut(host, ".")
	if !name.MatchString(label) {
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
	a.source = source.File("app "+d.portal.ID+" "+d.portal.Domain, a.path, parser(a.path, d.portal))
	return a
}

// IsThere tells whether the directory itself can be found.
func IsThere(d *Directory) bool {
	info, err := os.Stat(d.path)
	return err == nil && info.IsDir()
}

// IsInstalled tells whether the app still has its file.
func IsInstalled(a *App) bool {
	_, err := os.Stat(a.path)
	return err == nil || !os.IsNotExist(err)
}

// Look brings the app's rules up to date; nil where its file could never be read.
func Look(a *App, refresh time.Duration) *Rules {
	source.Look(a.source, refresh)
	rules, _ := source.Value(a.source).(*Rules)
	return rules
}

// Rules are what one content of an app_meta.json says.
type Rules struct {
	Access access.Rules
}

// parser is a function of its own because closures made in one loop would share their
// variables under Yaegi.
func parser(path string, portal *placeholder.Portal) source.Parse {
	return func(content []byte) (interface{}, string) {
		return parse(content, path, portal)
	}
}

func parse(content []byte, path string, portal *placeholder.Portal) (interface{}, string) {
	var meta map[string]interface{}
	err := json.Unmarshal(content, &meta)
	if err != nil || meta == nil || !utf8.Valid(content) {
		return nil, "is not a JSON object"
	}
	paths, ok := meta["paths"].(map[string]interface{})
	if !ok {
		return nil, "has no `paths`"
	}
	var rules access.Rules
	var left, useless []string
	for _, prefix := range option.Names(paths) {
		rule, problems := ruleOf(prefix, paths[prefix], portal)
		if rule == nil {
			return nil, "has a path whose access is not public, private or peer: " + strconv.Quote(prefix)
		}
		rules = append(rules, rule)
		left = append(left, problems...)
		if problem := access.PrefixProblem(rule.Prefix); problem != "" {
			useless = append(useless, strconv.Quote(prefix)+" "+problem)
		}
	}
	say(path, " names headers that are left out: ", left)
	say(path+"\tpaths", " has paths that do not mean what they seem to: ", useless)
	return &Rules{Access: access.Sorted(rules)}, ""
}

// say logs what is wrong in a file whenever that changes; nothing is where problems is empty.
// The key is the file's path, and a tab with a word where there is more than one thing to say.
func say(key, what string, problems []string) {
	path, _, _ := strings.Cut(key, "\t")
	if len(problems) > 0 {
		journal.State(key, path+what+strings.Join(problems, "; "))
	} else {
		journal.State(key, "")
	}
}

// ruleOf is a function of its own because in a loop a failed assertion would leave the
// value of the path before under Yaegi.
func ruleOf(prefix string, value interface{}, portal *placeholder.Portal) (*access.Rule, []string) {
	fields, _ := value.(map[string]interface{})
	kind, _ := fields["access"].(string)
	headers, _ := fields["headers"].(map[string]interface{})
	return access.OfApp(prefix, kind, headers, portal)
}
