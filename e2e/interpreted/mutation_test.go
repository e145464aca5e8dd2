package interpreted

import (
	"context"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/getportal/ptlauth/internal/corpus"
)

type mutation struct{ Protection, File, From, To, Case string }

// TestMutations switches off every protection in turn, in a copy of the plugin, and wants the case that guards it to fail:
// a case that passes all the same guards nothing.
func TestMutations(t *testing.T) {
	if testing.Short() {
		t.Skip("it loads the plugin seventy times")
	}
	text, err := os.ReadFile("../../testdata/mutations.json")
	if err != nil {
		t.Fatal(err)
	}
	var mutations []mutation
	if err := json.Unmarshal(text, &mutations); err != nil {
		t.Fatal(err)
	}
	cases, err := corpus.Load("../../testdata", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	byName := map[string]*corpus.Case{}
	for _, c := range cases.For(corpus.Interpreted) {
		byName[c.Name] = c
	}
	for _, m := range mutations {
		t.Run(m.Protection, func(t *testing.T) {
			c := byName[m.Case]
			if c == nil {
				t.Fatalf("there is no case called %q", m.Case)
			}
			if problems := judge(t, c, mutation{}); len(problems) > 0 {
				t.Fatalf("the case fails without a mutation: %q", problems)
			}
			if problems := judge(t, c, m); len(problems) == 0 {
				t.Errorf("without it, %s %q still passes", c.ID, c.Name)
			}
		})
	}
}

// judge runs a case against the plugin with a mutation, with the files of the case as they were before.
func judge(t *testing.T, c *corpus.Case, m mutation) []string {
	t.Helper()
	log := new(journal)
	plugin, err := Load(Options{Root: mutated(t, m), Log: log})
	if err != nil {
		t.Fatalf("the mutated plugin does not load: %v", err)
	}
	recorder, err := corpus.NewRecorder()
	if err != nil {
		t.Fatal(err)
	}
	defer recorder.Close()
	if err := c.Restore(); err != nil {
		t.Fatal(err)
	}
	handler, err := plugin.New(context.Background(), corpus.Proxy(recorder), c.Middleware, c.ID)
	if err != nil {
		t.Fatal(err)
	}
	server := corpus.Serve(handler)
	defer server.Close()
	defer server.CloseClientConnections()
	transport := corpus.NewHTTP2()
	defer transport.CloseIdleConnections()
	return corpus.Problems(c, corpus.Interpreted, corpus.Target{
		Addr: server.Listener.Addr().String(), HTTP2: transport, Recorder: recorder, Log: func() string { return log.since(0) },
	})
}

// mutated copies the plugin into a folder as Traefik wants it, with one text replaced.
func mutated(t *testing.T, m mutation) string {
	t.Helper()
	root := t.TempDir()
	plugin := filepath.Join(root, "plugins-local", "src", "github.com", "getportal", "ptlauth")
	copied := 0
	for _, part := range []string{".", "internal", "vendor"} {
		err := filepath.WalkDir(filepath.Join("../..", part), func(path string, entry fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			name, _ := filepath.Rel("../..", path)
			if entry.IsDir() {
				if part == "." && name != "." {
					return fs.SkipDir
				}
				return os.MkdirAll(filepath.Join(plugin, name), 0o755)
			}
			if strings.HasSuffix(name, "_test.go") || !strings.HasSuffix(name, ".go") && name != ".traefik.yml" && name != "go.mod" {
				return nil
			}
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			if name == m.File {
				if strings.Count(string(text), m.From) != 1 {
					t.Fatalf("%s holds %q %d times, want once", name, m.From, strings.Count(string(text), m.From))
				}
				text = []byte(strings.Replace(string(text), m.From, m.To, 1))
				copied++
			}
			return os.WriteFile(filepath.Join(plugin, name), text, 0o644)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if m.File != "" && copied != 1 {
		t.Fatalf("there is no %s", m.File)
	}
	return root
}
