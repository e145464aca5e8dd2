package e2e

import (
	"bytes"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/traefik/traefik/v3/pkg/provider/kubernetes/crd/traefikio/v1alpha1"
	networking "k8s.io/api/networking/v1"
	"sigs.k8s.io/yaml"

	"github.com/getportal/ptlauth/e2e/decode"
)

// TestDemoFiles holds the forms of demo's middleware together: each must arrive at the
// plugin as demo/dynamic.yml does, which TestCompose runs.
func TestDemoFiles(t *testing.T) {
	fromFile, err := decode.YAML(text(t, "../demo/dynamic.yml"))
	if err != nil {
		t.Fatal(err)
	}
	want := fromFile["auth"]
	if want == nil {
		t.Fatalf("dynamic.yml has no middleware auth: %v", fromFile)
	}

	t.Run("redis.sh", func(t *testing.T) {
		got, err := decode.KV(pairs(t, "../demo/redis.sh"))
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got["auth"], want) {
			t.Errorf("got  %v\nwant %v", got["auth"], want)
		}
	})

	t.Run("kubernetes.yml", func(t *testing.T) {
		manifests := text(t, "../demo/kubernetes.yml")
		known := map[string]any{
			"Middleware":    &v1alpha1.Middleware{},
			"IngressRoute":  &v1alpha1.IngressRoute{},
			"NetworkPolicy": &networking.NetworkPolicy{},
		}
		for manifest := range strings.SplitSeq(manifests, "\n---\n") {
			var kind struct{ Kind string }
			if err := yaml.Unmarshal([]byte(manifest), &kind); err != nil {
				t.Fatal(err)
			}
			object := known[kind.Kind]
			if object == nil {
				t.Fatalf("a manifest of kind %q", kind.Kind)
			}
			if err := yaml.UnmarshalStrict([]byte(manifest), object); err != nil {
				t.Errorf("%s: %v", kind.Kind, err)
			}
			delete(known, kind.Kind)
		}
		if len(known) > 0 {
			t.Errorf("no manifest of the kinds %v", known)
		}

		decoded, err := decode.Kubernetes(manifests)
		if err != nil {
			t.Fatal(err)
		}
		var got map[string]any
		for _, got = range decoded {
		}
		var values struct{ Volumes []struct{ MountPath string } }
		if err := yaml.Unmarshal([]byte(text(t, "../demo/kubernetes-values.yml")), &values); err != nil {
			t.Fatal(err)
		}
		if file := got["secretFile"].(string); path.Dir(file) != values.Volumes[0].MountPath {
			t.Errorf("secretFile is %q, and the secret is mounted at %q", file, values.Volumes[0].MountPath)
		}
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
	if err := os.WriteFile(filepath.Join(dir, "redis-cli"), []byte("#!/bin/sh\nprintf '%s\\0' \"$@\"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	command := exec.Command(sh, script)
	command.Env = append(os.Environ(), "PATH="+dir+string(os.PathListSeparator)+os.Getenv("PATH"))
	out, err := command.Output()
	if err != nil {
		t.Fatal(err)
	}
	pairs := map[string]string{}
	words := strings.Split(string(bytes.TrimSuffix(out, []byte{0})), "\x00")
	for ; len(words) >= 3; words = words[3:] {
		if words[0] != "SET" {
			t.Fatalf("redis-cli %s", words[0])
		}
		pairs[words[1]] = words[2]
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
