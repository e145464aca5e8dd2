// Package review reads what configures Traefik and the apps behind it (dynamic and static configurations, compose files,
// Kubernetes manifests, Helm values) and finds each mistake of a ptlauth middleware, and what is allowed and unwise. It
// opens no other file, and asks nobody.
package review

import (
	"cmp"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Finding is a mistake, or something unwise, and where it stands.
type Finding struct {
	File string `json:"file"`
	Line int    `json:"line"`
	// Kind is Mistake, or one of Unwise.
	Kind string `json:"kind"`
	// About is the middleware, the router or the service that it is about; empty: the file.
	About string `json:"about,omitempty"`
	// Text says what is wrong and what to do. It holds no secret.
	Text string `json:"text"`
}

// String is a finding on one line, as editors expect it.
func (f Finding) String() string {
	text := f.File + ":"
	if f.Line > 0 {
		text += strconv.Itoa(f.Line) + ":"
	}
	text += " " + f.Kind + ": "
	if f.About != "" {
		text += f.About + ": "
	}
	return text + f.Text
}

// Mistake is the kind of what does not work: the middleware answers 503, or Traefik drops it.
const Mistake = "mistake"

// NamedFile is the kind of what ptl finds in the files of this machine that ptl.yml names.
const NamedFile = "named-file"

// Unwise are the kinds of what works, or does not on this machine alone, with what they are about.
var Unwise = []struct{ Kind, About string }{
	{"inline-secret", "a secret stands in the configuration, which Traefik's API and its log at DEBUG show"},
	{"terminals-any", "every good token is admitted, and none ends by itself"},
	{"token-forward", "the app sees the token, and can use it elsewhere"},
	{"remark", "what the middleware itself remarks at its start"},
	{"plugin-failure", "Traefik starts without the plugin, and drops the routers that use it"},
	{"api-insecure", "Traefik's API, with the whole configuration, is open to everybody"},
	{"forwarded-headers", "clients may say themselves who and where they are"},
	{"kept-token", "a log or a trace keeps headers that hold tokens"},
	{"claimed-user", "the access log or a metric names whoever a client says it is"},
	{"other-provider", "a router names a middleware that another provider has than the one after the @"},
	{"unguarded-router", "a router leads to the same app as another one, without the middleware"},
	{"shadow", "a middleware in shadow mode protects nothing, and a router does not name it on both sides of one that decides"},
	{"published-port", "an app behind the middleware can be reached past Traefik"},
	{"unmounted-file", "the middleware reads a file that Traefik's container does not have"},
	{"single-file", "a file is mounted alone, so that Traefik goes on seeing the old one when it is replaced"},
	{NamedFile, "a file that ptl.yml names is missing on this machine, or not as it should be"},
}

// review is what was read so far.
type review struct {
	findings    []Finding
	statics     []*static
	middlewares []*middleware
	routers     []*router
	services    []*service
	mounts      []mount
	containers  []*container
}

// place is a line of a file.
type place struct {
	file string
	line int
}

func (r *review) add(p place, kind, about, text string) {
	r.findings = append(r.findings, Finding{File: p.file, Line: p.line, Kind: kind, About: about, Text: text})
}

// Paths are the files that are meant: those that are named, and of folders what may be a configuration.
func Paths(named []string) ([]string, error) {
	var paths []string
	for _, name := range named {
		info, err := os.Stat(name)
		if err != nil {
			return nil, err
		}
		if !info.IsDir() {
			paths = append(paths, name)
			continue
		}
		err = filepath.WalkDir(name, func(path string, entry fs.DirEntry, err error) error {
			if err != nil && path != name {
				return nil // somebody else's folder
			}
			if err != nil {
				return err
			}
			if entry.IsDir() && path != name && strings.HasPrefix(entry.Name(), ".") {
				return filepath.SkipDir
			}
			if slices.Contains([]string{".yml", ".yaml", ".toml"}, strings.ToLower(filepath.Ext(path))) && !entry.IsDir() {
				paths = append(paths, path)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return paths, nil
}

// maxFile bounds a file, in bytes.
const maxFile = 8 << 20

// Files reviews these files together: what one says counts for the others. The error is of a file that cannot be read.
func Files(paths []string) ([]Finding, error) {
	r, err := read(paths)
	if err != nil {
		return nil, err
	}
	r.judge()
	slices.SortStableFunc(r.findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(slices.Index(paths, a.File), slices.Index(paths, b.File)), cmp.Compare(a.Line, b.Line))
	})
	return slices.Compact(r.findings), nil
}

func read(paths []string) (*review, error) {
	r := &review{}
	var documents []document
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			return nil, err
		}
		if info.Size() > maxFile {
			return nil, fmt.Errorf("%s: is larger than 8 MiB", path)
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		documents = append(documents, r.documents(path, content)...)
	}
	// The plugin's name is in a static configuration, and all others need it.
	for _, d := range documents {
		r.readStatic(d)
	}
	for _, d := range documents {
		r.readDynamic(d)
	}
	return r, nil
}

func (r *review) judge() {
	for _, m := range r.middlewares {
		if m.options != nil {
			r.judgeOptions(m)
			r.judgeHeaders(m)
		}
	}
	r.judgeTwins()
	for _, s := range r.statics {
		r.judgeStatic(s)
	}
	r.judgeRouters()
	r.judgeRules()
	r.judgeMentions()
	r.judgeShadows()
	r.judgeNames()
	r.judgeServices()
	r.judgeMounts()
	r.judgeContainers()
}

func itoa(i int) string { return strconv.Itoa(i) }
