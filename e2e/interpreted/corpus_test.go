package interpreted

import (
	"bytes"
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/getportal/ptlauth/internal/corpustest"
)

// TestCorpus runs the conformance corpus interpreted, configured by the decoder that Traefik uses.
func TestCorpus(t *testing.T) {
	cases, err := corpustest.Load("../../testdata", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	journal := new(journal)
	plugin, err := Load(Options{Log: journal})
	if err != nil {
		t.Fatal(err)
	}
	corpustest.RunAll(t, cases, corpustest.Interpreted, func(t *testing.T, c *corpustest.Case) corpustest.Target {
		return corpustest.InProcess(t, c, building(plugin, journal))
	})
}

// TestShadow runs every case in shadow mode, on both sides of a middleware that decides: neither the app nor the client gets
// another byte than without.
func TestShadow(t *testing.T) {
	cases, err := corpustest.Load("../../testdata", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	journal := new(journal)
	plugin, err := Load(Options{Log: journal})
	if err != nil {
		t.Fatal(err)
	}
	corpustest.Shadowed(t, cases, corpustest.Interpreted, building(plugin, journal))
}

// building makes middlewares of a plugin that logs into the journal.
func building(plugin *Plugin, journal *journal) corpustest.Build {
	return func(app http.Handler, options map[string]any, name string) (http.Handler, func() string, error) {
		from := journal.length()
		handler, err := plugin.New(context.Background(), app, options, name)
		return handler, func() string { return journal.since(from) }, err
	}
}

// journal keeps what is logged; several requests log at once.
type journal struct {
	mutex sync.Mutex
	text  bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mutex.Lock()
	defer j.mutex.Unlock()
	return j.text.Write(p)
}

func (j *journal) length() int {
	j.mutex.Lock()
	defer j.mutex.Unlock()
	return j.text.Len()
}

// since is the log from an offset on, without the quoting of JSON.
func (j *journal) since(offset int) string {
	j.mutex.Lock()
	defer j.mutex.Unlock()
	return strings.ReplaceAll(j.text.String()[offset:], `\"`, `"`)
}
