package compiled

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// standIn is a small command, required as Traefik is.
func standIn(t *testing.T, program string) Command {
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
	return Command{Name: "Traefik", Module: "github.com/traefik/traefik/v3", Package: "github.com/traefik/traefik/v3/cmd/traefik", Folder: dir}
}

func TestBuild(t *testing.T) {
	t.Run("several at once build once", func(t *testing.T) {
		command, cache := standIn(t, ""), t.TempDir()
		progress := make([]bytes.Buffer, 3)
		var all sync.WaitGroup
		for i := range progress {
			all.Go(func() {
				binary, err := command.cached(t.Context(), cache, &progress[i])
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
		command, cache := standIn(t, "nonsense"), t.TempDir()
		for range 2 {
			if _, err := command.cached(t.Context(), cache, new(bytes.Buffer)); err == nil || !strings.Contains(err.Error(), "undefined: nonsense") {
				t.Errorf("got %v", err)
			}
		}
	})
}
