// Package corpustest is the conformance corpus: every promise about a request, as data in testdata/cases, and the one judge
// of them for all three runtimes. A runner puts a handler (native, interpreted, or a real Traefik) between the [Target]'s
// address and a [Recorder], and [Run] sends what the case says and checks what came of it on both sides.
//
// testdata/README.md describes the format.
package corpustest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// The runtimes that a case may name in "only".
const (
	Native      = "native"
	Interpreted = "interpreted"
	Traefik     = "traefik"
	// FastProxy is Traefik with experimental.fastProxy.
	FastProxy = "fastProxy"
)

// Runtimes are all of them.
var Runtimes = []string{Native, Interpreted, Traefik, FastProxy}

// Corpus is all cases, in the order of their files' names.
type Corpus struct {
	Cases []*Case
	Ring  *Keyring
}

// Case is one promise: a configuration, a request (or several steps), and what must come of it.
type Case struct {
	// ID is the file's name and the case's number in it; it also is the value of the Corpus-Case header that every
	// request of the case carries, so that one proxy can route each case to its own middleware.
	ID string `json:"-"`
	// File is where the case stands.
	File string `json:"-"`
	// Middleware is the plugin's configuration, complete and expanded, as Traefik's dynamic configuration spells it.
	Middleware map[string]any `json:"-"`

	Name    string              `json:"name"`
	Line    string              `json:"line"`
	Why     string              `json:"why"`
	Only    []string            `json:"only"`
	Because string              `json:"because"`
	Config  map[string]any      `json:"config"`
	With    map[string]any      `json:"with"`
	Files   map[string]*Content `json:"files"`
	HTTP2   *bool               `json:"http2"`
	Request *Request            `json:"request"`
	Expect  *Expect             `json:"expect"`
	Steps   []Step              `json:"steps"`

	ring   *Keyring
	tokens map[string]string
	dir    string
	files  []map[string]*Content
}

// Step is one of several requests whose order matters, or a look at the WebSocket that an earlier step opened.
type Step struct {
	Write   map[string]*Content `json:"write"`
	Wait    Duration            `json:"wait"`
	Within  Duration            `json:"within"`
	Request *Request            `json:"request"`
	Expect  *Expect             `json:"expect"`
	Socket  string              `json:"socket"`
}

// Request is what the client sends: Raw, or the rest.
type Request struct {
	Method   string   `json:"method"`
	Path     string   `json:"path"`
	Headers  []string `json:"headers"`
	Cookies  []string `json:"cookies"`
	Body     string   `json:"body"`
	Trailers []string `json:"trailers"`
	Raw      Lines    `json:"raw"`
}

// Expect is what must come of a request, besides what is checked of every one.
type Expect struct {
	Status    Statuses        `json:"status"`
	As        string          `json:"as"`
	App       map[string]Want `json:"app"`
	Cookie    Want            `json:"cookie"`
	Target    string          `json:"target"`
	Response  map[string]Want `json:"response"`
	Body      Texts           `json:"body"`
	Problems  Texts           `json:"problems"`
	Forwarded bool            `json:"forwarded"`
	Sees      []string        `json:"sees"`
	User      string          `json:"user"`
	Reached   *bool           `json:"reached"`
	Attempts  int             `json:"attempts"`
}

// file is one file of cases.
type file struct {
	About  string              `json:"about"`
	Config map[string]any      `json:"config"`
	Files  map[string]*Content `json:"files"`
	Cases  []*Case             `json:"cases"`
}

// Load reads keyring.json and cases/*.json under testdata. Each case has a directory under dir, an absolute path, for the
// files that it needs; [Case.WriteFiles] writes them.
func Load(testdata, dir string) (*Corpus, error) {
	if !filepath.IsAbs(dir) {
		return nil, fmt.Errorf("corpus: %q is not an absolute path", dir)
	}
	c := &Corpus{Ring: new(Keyring)}
	path := filepath.Join(testdata, "keyring.json")
	if err := decodeFile(path, c.Ring); err != nil {
		return nil, err
	}
	tokens, err := c.Ring.Mint(time.Now())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	paths, err := filepath.Glob(filepath.Join(testdata, "cases", "*.json"))
	if err != nil {
		return nil, err
	}
	var mistakes []error
	for _, path := range paths {
		mistakes = append(mistakes, c.load(path, dir, tokens)...)
	}
	if err := errors.Join(mistakes...); err != nil {
		return nil, err
	}
	if len(c.Cases) == 0 {
		return nil, fmt.Errorf("corpus: no cases in %s", testdata)
	}
	return c, nil
}

// For returns the cases that the runtime has to pass.
func (c *Corpus) For(runtime string) []*Case {
	var cases []*Case
	for _, one := range c.Cases {
		if one.meantFor(runtime) {
			cases = append(cases, one)
		}
	}
	return cases
}

func (c *Corpus) load(path, dir string, tokens map[string]string) (mistakes []error) {
	var f file
	if err := decodeFile(path, &f); err != nil {
		return []error{err}
	}
	if f.About == "" || len(f.Cases) == 0 {
		return []error{fmt.Errorf("%s: needs about and cases", path)}
	}
	names := map[string]bool{}
	base := strings.TrimSuffix(filepath.Base(path), ".json")
	for i, one := range f.Cases {
		if one == nil {
			mistakes = append(mistakes, fmt.Errorf("%s: case %d is null", path, i+1))
			continue
		}
		one.ID, one.File, one.ring = fmt.Sprintf("%s-%03d", base, i+1), filepath.Base(path), c.Ring
		one.dir = filepath.Join(dir, one.ID)
		if names[one.Name] {
			mistakes = append(mistakes, fmt.Errorf("%s: two cases of this name", one))
		}
		names[one.Name] = true
		if err := one.prepare(f, tokens); err != nil {
			mistakes = append(mistakes, fmt.Errorf("%s: %w", one, err))
		}
	}
	c.Cases = append(c.Cases, f.Cases...)
	return mistakes
}

// prepare completes the case from its file, and finds every mistake in it that can be found without running it.
func (c *Case) prepare(f file, tokens map[string]string) error {
	if err := c.valid(); err != nil {
		return err
	}
	if c.Config == nil {
		c.Config = f.Config
	}
	if c.Config == nil {
		return errors.New("no config, neither its own nor the file's")
	}
	e := c.expander(tokens)
	c.Middleware = map[string]any{}
	for _, options := range []map[string]any{c.Config, c.With} {
		for name, value := range options {
			if value == nil {
				delete(c.Middleware, name)
				continue
			}
			c.Middleware[name] = e.value(value)
		}
	}
	for _, step := range c.steps() {
		if step.Request != nil {
			e.request(step.Request)
			e.expect(step.Expect)
		}
		for _, content := range step.Write {
			e.content(content)
		}
	}
	c.tokens, c.files = tokens, []map[string]*Content{c.ring.Files, f.Files, c.Files}
	for _, files := range c.files {
		for _, content := range files {
			e.content(content)
		}
	}
	return e.err
}

// WriteFiles writes the case's files as they are before its first step. Few cases are run where a developer waits, so
// Load leaves it to whoever runs one.
func (c *Case) WriteFiles() error {
	e := c.expander(c.tokens)
	for _, files := range c.files {
		if err := write(c.dir, files, e); err != nil {
			return err
		}
	}
	return nil
}

// Expand is a text of the case with what its ${…} stand for.
func (c *Case) Expand(text string) (string, error) {
	e := c.expander(c.tokens)
	expanded := e.text(text)
	return expanded, e.err
}

func (c *Case) valid() error {
	if c.Name == "" {
		return errors.New("no name")
	}
	if (len(c.Only) > 0) != (c.Because != "") {
		return errors.New("only and because belong together")
	}
	for _, runtime := range c.Only {
		if !slices.Contains(Runtimes, runtime) {
			return fmt.Errorf("no runtime is called %q", runtime)
		}
	}
	if (len(c.Steps) > 0) == (c.Request != nil) || len(c.Steps) > 0 && c.Expect != nil {
		return errors.New("wants either request and expect, or steps")
	}
	for _, step := range c.steps() {
		if err := step.valid(); err != nil {
			return err
		}
	}
	return nil
}

func (s Step) valid() error {
	switch s.Socket {
	case "":
		if s.Request == nil || s.Expect == nil || len(s.Expect.Status) == 0 {
			return errors.New("wants a request and an expected status")
		}
		return s.Request.valid()
	case "open", "closed":
		if s.Request != nil || s.Expect != nil {
			return errors.New("a look at the socket has no request")
		}
		return nil
	default:
		return fmt.Errorf("socket is open or closed, not %q", s.Socket)
	}
}

func (r *Request) valid() error {
	if r.Raw == "" {
		return nil
	}
	if r.Method+r.Path+r.Body != "" || len(r.Headers)+len(r.Cookies)+len(r.Trailers) > 0 {
		return errors.New("a raw request is the whole request")
	}
	if !strings.Contains(strings.ToLower(string(r.Raw)), "\nhost:") {
		return errors.New("a raw request needs its Host line")
	}
	return nil
}

func (c *Case) meantFor(runtime string) bool {
	return len(c.Only) == 0 || slices.Contains(c.Only, runtime)
}

func (c *Case) steps() []Step {
	if c.Request != nil {
		return []Step{{Request: c.Request, Expect: c.Expect}}
	}
	return c.Steps
}

// Waits reports whether the case lets time pass, which a quick run of the tests may leave out.
func (c *Case) Waits() bool {
	for _, step := range c.Steps {
		if step.Wait > 0 || step.Within > 0 {
			return true
		}
	}
	return false
}

// String names the case's file and the case.
func (c *Case) String() string {
	return fmt.Sprintf("%s: %s %q", c.File, c.ID, c.Name)
}

// write replaces each file at once, so that a reader never sees half of one; a nil content removes it.
func write(dir string, files map[string]*Content, e *expander) error {
	for name, content := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if content == nil {
			if err := os.RemoveAll(path); err != nil {
				return err
			}
			continue
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		fresh := path + ".new"
		if err := os.WriteFile(fresh, []byte(e.content(content)), 0o644); err != nil {
			return err
		}
		if err := os.Rename(fresh, path); err != nil {
			return err
		}
	}
	return nil
}

func decodeFile(path string, into any) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return fmt.Errorf("%s: before byte %d: %w", path, d.InputOffset(), err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("%s: more than one value", path)
	}
	return nil
}
