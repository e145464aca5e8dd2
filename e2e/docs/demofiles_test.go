package docs

import (
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/traefik/traefik/v3/pkg/provider/kubernetes/crd/traefikio/v1alpha1"
	networking "k8s.io/api/networking/v1"
	"sigs.k8s.io/yaml"

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

	t.Run("kubernetes.yml", func(t *testing.T) {
		manifests := text(t, "../../demo/kubernetes.yml")
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
		for _, file := range []string{"../../demo/kubernetes.yml", "../../demo/kubernetes-values.yml"} {
			command := regexp.MustCompile(`(?m)^ *#   (kubectl .+)`).FindStringSubmatch(text(t, file))
			if command == nil {
				t.Fatalf("%s does not say how to make the Secret", file)
			}
			if files := inPod(t, command[1], helmValues(t)); !slices.Contains(files, got["secretFile"].(string)) {
				t.Errorf("secretFile is %q, and the pod has %q", got["secretFile"], files)
			}
		}
		got["secretFile"] = want["secretFile"]
		if !reflect.DeepEqual(got, want) {
			t.Errorf("got  %v\nwant %v", got, want)
		}
	})
}

// secretVolumes are the volumes in values of Traefik's Helm chart, which mounts each in Traefik's pod.
type secretVolumes []struct{ Name, MountPath, Type string }

func helmValues(t *testing.T) secretVolumes {
	t.Helper()
	var values struct{ Volumes secretVolumes }
	if err := yaml.Unmarshal([]byte(text(t, "../../demo/kubernetes-values.yml")), &values); err != nil {
		t.Fatal(err)
	}
	return values.Volumes
}

// inPod are the files of a Secret, which a kubectl command makes, where volumes mount it in Traefik's
// pod: a file for each key, and the keys are the names of the files that the Secret is made from.
func inPod(t *testing.T, command string, volumes secretVolumes) []string {
	t.Helper()
	words := strings.Fields(command)
	want := strings.Fields("kubectl --namespace traefik create secret generic ptlauth")
	if len(words) <= len(want) || !slices.Equal(words[:len(want)], want) {
		t.Fatalf("the Secret is made by %q", command)
	}
	name := want[len(want)-1]
	var files []string
	for _, word := range words[len(want):] {
		source, ok := strings.CutPrefix(word, "--from-file=")
		if !ok {
			t.Fatalf("what is %q in %q?", word, command)
		}
		for _, volume := range volumes {
			if volume.Type == "secret" && volume.Name == name {
				files = append(files, path.Join(volume.MountPath, path.Base(source)))
			}
		}
	}
	return files
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
