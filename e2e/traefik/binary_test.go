package traefik

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func TestBinaryFromTheEnvironment(t *testing.T) {
	dir := t.TempDir()
	for name, mode := range map[string]os.FileMode{"program": 0o700, "text": 0o600} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"), mode); err != nil {
			t.Fatal(err)
		}
	}
	for name, test := range map[string]struct {
		file string
		ok   bool
	}{
		"an executable file is used as it is":      {"program", true},
		"a file that is not executable is refused": {"text", false},
		"a file that does not exist is refused":    {"nothing", false},
	} {
		t.Run(name, func(t *testing.T) {
			want := filepath.Join(dir, test.file)
			t.Setenv("TRAEFIK", want)
			got, err := Binary(t.Context(), "", nil)
			if test.ok && (err != nil || got != want) {
				t.Errorf("got %q and %v, want %q", got, err, want)
			}
			if !test.ok && (err == nil || !strings.Contains(err.Error(), "TRAEFIK")) {
				t.Errorf("got %q and %v, want an error about TRAEFIK", got, err)
			}
		})
	}
}

// standIn is a module like v3.7, with a small program in Traefik's place.
func standIn(t *testing.T, program string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range map[string]string{
		"go.mod":                      "module example.com/build\n\nrequire github.com/traefik/traefik/v3 v3.0.0\n\nreplace github.com/traefik/traefik/v3 => ./traefik\n",
		"go.sum":                      "",
		"traefik/go.mod":              "module github.com/traefik/traefik/v3\n",
		"traefik/cmd/traefik/main.go": "package main\n\nfunc main() { " + program + " }\n",
	} {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestBuild(t *testing.T) {
	t.Run("several at once build once", func(t *testing.T) {
		module, cache := standIn(t, ""), t.TempDir()
		progress := make([]bytes.Buffer, 3)
		var all sync.WaitGroup
		for i := range progress {
			all.Go(func() {
				binary, err := cached(t.Context(), module, cache, &progress[i])
				if err != nil {
					t.Error(err)
				} else if output, err := exec.Command(binary).CombinedOutput(); err != nil {
					t.Errorf("%v: %s", err, output)
				}
			})
		}
		all.Wait()
		var said strings.Builder
		for i := range progress {
			said.Write(progress[i].Bytes())
		}
		if got := strings.Count(said.String(), "Building Traefik v3.0.0"); got != 1 {
			t.Errorf("built %d times:\n%s", got, said.String())
		}
	})
	t.Run("a failed build says why and leaves nothing behind", func(t *testing.T) {
		module, cache := standIn(t, "nonsense"), t.TempDir()
		for range 2 {
			if _, err := cached(t.Context(), module, cache, new(bytes.Buffer)); err == nil || !strings.Contains(err.Error(), "undefined: nonsense") {
				t.Errorf("got %v", err)
			}
		}
	})
}
