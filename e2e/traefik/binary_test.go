package traefik

import (
	"os"
	"path/filepath"
	"strings"
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
