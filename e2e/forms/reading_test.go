package forms

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"
	"gopkg.in/yaml.v3"

	"github.com/getportal/ptlauth/cmd/review"
	"github.com/getportal/ptlauth/e2e/decode"
	"github.com/getportal/ptlauth/internal/corpustest"
)

// TestReading holds what `ptl` reads in a file against what Traefik hands to the plugin: the same options, and an error
// where there is one.
func TestReading(t *testing.T) {
	all, err := corpustest.Load("../../testdata", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	readings, refused := 0, 0
	for _, form := range []struct {
		name, extension string
		decode          func(string) (map[string]map[string]any, error)
		write           func(options map[string]any) (string, error)
		file            func(text string) string // nil: the text is the file
		texts           []string
	}{
		{"YAML", ".yml", decode.YAML, inYAML, nil, []string{fullYAML, mistakenYAML, oddYAML}},
		{"TOML", ".toml", decode.TOML, inTOML, nil, []string{fullTOML, mistakenTOML, oddTOML}},
		{"Kubernetes", ".yml", decode.Kubernetes, inKubernetes, nil, []string{fullKubernetes, mistakenKubernetes}},
		{"labels", ".yml", func(text string) (map[string]map[string]any, error) {
			return decode.Labels(prefixed(labelPrefix, text))
		}, inLabels, inCompose, []string{fullLabels, mistakenLabels}},
	} {
		texts := form.texts
		for _, c := range all.Cases {
			text, err := form.write(c.Middleware)
			if err != nil {
				continue // TOML has no null.
			}
			texts = append(texts, text)
		}
		for _, text := range texts {
			want, wantErr := delivered(form.decode, text)
			path, content := filepath.Join(t.TempDir(), "file"+form.extension), text
			if form.file != nil {
				content = form.file(text)
			}
			if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
			found, gotErr := review.Middlewares(path)
			readings++
			if wantErr != nil || gotErr != nil {
				refused++
				if (wantErr == nil) != (gotErr == nil) && len(want) > 0 {
					t.Errorf("%s: Traefik says %v, and ptl %v, of\n%s", form.name, wantErr, gotErr, text)
				}
				continue
			}
			got := map[string]map[string]any{}
			for _, one := range found {
				got[strings.TrimPrefix(one.Name, "default-")] = one.Options
			}
			if len(got) != len(want) || len(got) > 0 && !reflect.DeepEqual(got, want) {
				t.Errorf("%s: ptl reads\n%#v\nTraefik\n%#v\nin\n%s", form.name, got, want, text)
			}
		}
	}
	t.Logf("%d readings, %d of them refused", readings, refused)
	if readings < 1000 {
		t.Errorf("only %d readings", readings)
	}
}

// delivered turns Traefik's panics into errors.
func delivered(decode func(string) (map[string]map[string]any, error), text string) (found map[string]map[string]any, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v", r)
		}
	}()
	return decode(text)
}

func within(options map[string]any) map[string]any {
	return map[string]any{"http": map[string]any{"middlewares": map[string]any{"auth": map[string]any{"plugin": map[string]any{"ptlauth": options}}}}}
}

func inYAML(options map[string]any) (string, error) {
	text, err := yaml.Marshal(within(options))
	// What looks like a template is one for Traefik.
	return strings.ReplaceAll(string(text), "{{", "{"), err
}

func inTOML(options map[string]any) (string, error) {
	var text bytes.Buffer
	err := toml.NewEncoder(&text).Encode(within(options))
	return strings.ReplaceAll(text.String(), "{{", "{"), err
}

func inKubernetes(options map[string]any) (string, error) {
	text, err := yaml.Marshal(map[string]any{
		"apiVersion": "traefik.io/v1alpha1", "kind": "Middleware", "metadata": map[string]any{"name": "auth"},
		"spec": map[string]any{"plugin": map[string]any{"ptlauth": options}},
	})
	return string(text), err
}

const labelPrefix = "traefik.http.middlewares.auth.plugin.ptlauth."

// inLabels are lines NAME=VALUE.
func inLabels(options map[string]any) (string, error) {
	lines := ""
	var flatten func(name string, value any) error
	flatten = func(name string, value any) error {
		switch v := value.(type) {
		case map[string]any:
			for key, entry := range v {
				if strings.ContainsAny(key, "=.\n[") || key == "" {
					return errors.New("no label can say this name")
				}
				if err := flatten(strings.TrimPrefix(name+"."+key, "."), entry); err != nil {
					return err
				}
			}
		case []any:
			for i, entry := range v {
				if err := flatten(fmt.Sprintf("%s[%d]", name, i), entry); err != nil {
					return err
				}
			}
		default:
			text := fmt.Sprint(v)
			if strings.Contains(text, "\n") {
				return errors.New("not on a line")
			}
			lines += name + "=" + text + "\n"
		}
		return nil
	}
	return lines, flatten("", options)
}

// inCompose is a compose file with these labels.
func inCompose(text string) string {
	content, err := yaml.Marshal(map[string]any{"services": map[string]any{"traefik": map[string]any{
		"image": "traefik:v3.7", "labels": dollars(prefixed(labelPrefix, text)),
	}}})
	if err != nil {
		panic(err)
	}
	return string(content)
}

// dollars are written twice in a compose file.
func dollars(labels map[string]string) map[string]string {
	for name, value := range labels {
		labels[name] = strings.ReplaceAll(value, "$", "$$")
	}
	return labels
}

// What the file provider does odd things to.
const (
	oddYAML = `
x: &shared {secretFile: /run/secret, leeway: 07}
http:
  middlewares:
    auth:
      plugin:
        ptlauth:
          <<: *shared
          terminals: {paired: {123456: {user: x}, "1e5": {name: 1e5, user: yes}, k7: {}}}
          headers: {X-A: {auth.user}, X-B: [], X-C: "", X-D: "{{ "{auth.user}" | upper }}", X-E: 1.5, X-F: 0x10, X-G: ~}
          maxAge: 1h30m
          audience: [a, 1, true]
`
	oddTOML = `
[http]
middlewares.auth.plugin.ptlauth.leeway = 0x10
[http.middlewares.auth.plugin.ptlauth]
"secretFile" = 'C:\secret'
maxAge = 1_000
headers.X-A = """
a\tb\u00e9"""
headers."X.B" = 1.5
audience = ["a",
  "b", # and a comment
]
paths = [{prefix = "/a", access = "public"}, {prefix = "/b"}]
`
)
