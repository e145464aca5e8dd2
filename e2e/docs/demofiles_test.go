package docs

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/getportal/ptlauth/e2e/decode"
)

// TestDemoFiles holds the forms of demo's middleware together: each must arrive at the plugin as
// demo/ptlauth/dynamic.yml does, which TestCompose runs, but for where the devices are.
func TestDemoFiles(t *testing.T) {
	fromFile, err := decode.YAML(text(t, "../../demo/ptlauth/dynamic.yml"))
	if err != nil {
		t.Fatal(err)
	}
	want := fromFile["auth"]
	if want == nil {
		t.Fatalf("dynamic.yml has no middleware auth: %v", fromFile)
	}
	if want["pairing"] == nil || !strings.HasPrefix(fmt.Sprint(want["terminals"]), "map[file:") {
		t.Errorf("its devices are %v", want)
	}
	delete(want, "pairing")
	want["terminals"] = map[string]any{"paired": map[string]any{"k7p2x9": map[string]any{"name": "Your laptop", "user": "you@example.com"}}}

	t.Run("redis.sh", func(t *testing.T) {
		got, err := decode.KV(pairs(t, "../../demo/redis.sh"))
		if err != nil {
			t.Fatal(err)
		}
		got["auth"]["secretFile"] = want["secretFile"]
		if !reflect.DeepEqual(got["auth"], want) {
			t.Errorf("got  %v\nwant %v", got["auth"], want)
		}
	})

	t.Run("kubernetes", func(t *testing.T) {
		got := maps.Clone(demoMiddleware(t))
		if got["pairing"] != true {
			t.Errorf("pairing is %v", got["pairing"])
		}
		delete(got, "pairing")
		got["secretFile"] = want["secretFile"]
		if !reflect.DeepEqual(got, want) {
			t.Errorf("got  %v\nwant %v", got, want)
		}
	})
}

// pairs runs a script with a redis-cli that only notes what it is told.
func pairs(t *testing.T, script string) map[string]string {
	t.Helper()
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Skip(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "redis-cli"), []byte("#!/bin/sh\nprintf '%s\\0' \"$@\"; echo\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	command := exec.Command(sh, script)
	command.Env = append(os.Environ(), "PATH="+dir+string(os.PathListSeparator)+os.Getenv("PATH"))
	out, err := command.Output()
	if err != nil {
		t.Fatal(err)
	}
	pairs := map[string]string{}
	for line := range strings.SplitSeq(strings.TrimSuffix(string(out), "\x00\n"), "\x00\n") {
		words := strings.Split(line, "\x00")
		switch {
		case words[0] == "MSET" && len(words)%2 == 1:
			for i := 1; i < len(words); i += 2 {
				pairs[words[i]] = words[i+1]
			}
		case words[0] == "DEL" && len(words) > 1:
			for _, key := range words[1:] {
				if _, ok := pairs[key]; !ok {
					t.Errorf("there is no %s to delete", key)
				}
				delete(pairs, key)
			}
		default:
			t.Fatalf("redis-cli %q", words)
		}
	}
	return pairs
}

func text(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}
