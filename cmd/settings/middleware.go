package settings

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"strings"

	"github.com/getportal/ptlauth/cmd/client"
	"github.com/getportal/ptlauth/cmd/command"
	"github.com/getportal/ptlauth/cmd/registry"
	"github.com/getportal/ptlauth/cmd/review"
	"github.com/getportal/ptlauth/cmd/store"
	"github.com/getportal/ptlauth/internal/key"
	"github.com/getportal/ptlauth/internal/option"
	"github.com/getportal/ptlauth/internal/policy"
)

// Middleware is a configured one, as ptl sees it: on this machine, and without what it reads elsewhere.
type Middleware struct {
	Name    string
	Options map[string]any
	Policy  *policy.Policy // not opened
	// Registry is its list of terminals; nil: it is in no file, and in no store that the settings name.
	Registry registry.Registry
}

// Find returns the middleware that the settings name. Its own mistakes are errors: what it would not accept, ptl does not
// guess.
func Find(site *Site) (*Middleware, error) {
	if store.Is(site.Registry) {
		return findStored(site)
	}
	if site.Dynamic == "" && site.ConfigFile == "" {
		return nil, command.Errorf(command.Usage, "it is not said which middleware it is, and there is no ptl.yml in %s: cd to the folder where it is, or write --configFile=PATH (ptl init makes one)", Searched())
	}
	if site.Dynamic == "" {
		return nil, command.Errorf(command.Usage, "it is not said which middleware it is: write `dynamic` into ptl.yml, the path of Traefik's file with its configuration (ptl init makes both)")
	}
	all, err := review.Middlewares(site.Dynamic)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		return nil, command.Errorf(command.Usage, "the middleware's configuration cannot be read: %s (dynamic in ptl.yml says where it is on this machine)", err)
	}
	if err != nil {
		return nil, command.Errorf(command.Usage, "%s", err)
	}
	chosen, err := choose(site, all)
	if err != nil {
		return nil, err
	}
	return read(site, chosen, nil)
}

// read reads the options of a middleware, whose list is in a store, or else in a file.
func read(site *Site, chosen *review.Configured, list registry.Registry) (*Middleware, error) {
	m := &Middleware{Name: chosen.Name, Options: here(site, chosen.Options)}
	report := &option.Report{}
	m.Policy = policy.Read(m.Options, report)
	if len(report.Problems()) > 0 {
		return nil, command.Errorf(command.Usage, "the middleware %s (%s) is misconfigured: %s", chosen.Name, place(chosen), report)
	}
	file := option.Open(&option.Report{}, "", m.Options).Section("terminals").Text("file", "")
	switch {
	case list != nil:
		m.Registry = list
	case file != "":
		m.Registry = &registry.File{Path: file}
	}
	return m, nil
}

// place is where a middleware's options stand, for a person.
func place(m *review.Configured) string {
	if m.Line == 0 {
		return m.File
	}
	return fmt.Sprintf("%s, line %d", m.File, m.Line)
}

func choose(site *Site, all []review.Configured) (*review.Configured, error) {
	var names []string
	wanted, _, _ := strings.Cut(site.Middleware, "@")
	for i := range all {
		if strings.EqualFold(all[i].Name, wanted) || site.Middleware == "" && len(all) == 1 {
			return &all[i], nil
		}
		names = append(names, all[i].Name)
	}
	switch {
	case len(all) == 0:
		return nil, command.Errorf(command.Usage, "%s has no middleware of ptlauth in it", site.Dynamic)
	case site.Middleware == "":
		return nil, command.Errorf(command.Usage, "%s has several middlewares: choose one with --middleware (%s)", site.Dynamic, strings.Join(names, ", "))
	}
	return nil, command.Errorf(command.Usage, "%s has no middleware %q: it has %s", site.Dynamic, site.Middleware, strings.Join(names, ", "))
}

// here are the options with this machine's paths.
func here(site *Site, options map[string]any) map[string]any {
	options = maps.Clone(options)
	terminals, _ := options[nameOf(options, "terminals")].(map[string]any)
	if file := nameOf(terminals, "file"); site.Registry != "" && file != "" {
		terminals = maps.Clone(terminals)
		terminals[file] = site.Registry
		options[nameOf(options, "terminals")] = terminals
	}
	if site.SecretFile == "" {
		return options
	}
	if name := nameOf(options, "secretFile"); name != "" {
		options[name] = site.SecretFile
		return options
	}
	keys, isList := options[nameOf(options, "keys")].([]any)
	for i := range keys {
		entry, isMap := keys[i].(map[string]any)
		if !isMap {
			continue
		}
		for _, source := range []string{"secret", "secretFile", "secretEnv"} {
			if name := nameOf(entry, source); name != "" {
				entry = maps.Clone(entry)
				delete(entry, name)
				entry["secretFile"] = site.SecretFile
				keys = append([]any{}, keys...)
				keys[i] = entry
				options[nameOf(options, "keys")] = keys
				return options
			}
		}
	}
	if !isList {
		options["secretFile"] = site.SecretFile
	}
	return options
}

// nameOf is how an option is spelled there; empty: it is not there.
func nameOf(options map[string]any, name string) string {
	for given := range options {
		if strings.EqualFold(given, name) {
			return given
		}
	}
	return ""
}

// Carriers are the places where it looks for tokens.
func (m *Middleware) Carriers() client.Carriers {
	has := client.Carriers{Basic: m.Policy.Locations.Basic, Cookie: m.Policy.Locations.Cookie}
	for _, header := range m.Policy.Locations.Headers {
		if !header.IsBasic {
			has.Headers = append(has.Headers, header.Name)
		}
	}
	section, _ := m.Options[nameOf(m.Options, "token")].(map[string]any)
	has.HasSection = len(section) > 0
	if list, _ := section[nameOf(section, "header")].([]any); len(list) > 0 {
		_, has.HasGroups = list[0].(map[string]any)
	}
	return has
}

// Signs reports whether it has a secret to make tokens with.
func (m *Middleware) Signs() bool { return m.first() != nil }

// first is the entry of the first secret among its keys, to be changed as one likes; nil: it has none.
func (m *Middleware) first() map[string]any {
	top := option.Open(&option.Report{}, "", m.Options)
	if top.Has("secretFile") {
		return map[string]any{"secretFile": top.Text("secretFile", "")}
	}
	keys, _ := m.Options[nameOf(m.Options, "keys")].([]any)
	for _, one := range keys {
		entry, isMap := one.(map[string]any)
		if isMap && (nameOf(entry, "secret") != "" || nameOf(entry, "secretFile") != "" || nameOf(entry, "secretEnv") != "") {
			return maps.Clone(entry)
		}
	}
	return nil
}

// Key returns the secret that tokens are made with: the first one that the middleware has.
func (m *Middleware) Key() (*key.Key, error) {
	first := m.first()
	if first == nil {
		return nil, command.Errorf(command.Usage, "the middleware %s has no secret to make tokens with (public keys verify, and sign nothing): give it a secretFile", m.Name)
	}
	return open(first)
}

// open reads a secret as the middleware does.
func open(entry map[string]any) (*key.Key, error) {
	what := "the secret"
	if name := nameOf(entry, "secretFile"); name != "" {
		what = fmt.Sprint(entry[name])
		content, err := os.ReadFile(what)
		if err != nil {
			return nil, command.Errorf(command.Failed, "the secret cannot be read: %s (secretFile in ptl.yml says where it is on this machine)", err)
		}
		delete(entry, name)
		entry["secret"] = string(content)
	}
	report := &option.Report{}
	entries := key.Read(option.Open(report, "", map[string]any{"keys": []any{entry}}))
	key.Open(entries, report)
	keys, _ := key.Ready(entries)
	if len(report.Problems()) > 0 || len(keys) == 0 {
		text := "cannot be used"
		if len(report.Problems()) > 0 {
			text = report.Problems()[0].Text
		}
		return nil, command.Errorf(command.Usage, "%s %s", what, text)
	}
	return keys[0], nil
}
