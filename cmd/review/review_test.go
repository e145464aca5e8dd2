package review_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/getportal/ptlauth/cmd/review"
)

// TestOwnExamples: what is written here as an example is neither wrong nor unwise.
func TestOwnExamples(t *testing.T) {
	for name, paths := range map[string][]string{
		"demo with Docker":     {"../../demo/compose.yml", "../../demo/ptlauth/dynamic.yml"},
		"demo with Kubernetes": {"../../demo/kubernetes"},
		"demo, all of it":      {"../../demo"},
	} {
		t.Run(name, func(t *testing.T) {
			all, err := review.Paths(paths)
			if err != nil || len(all) < 2 {
				t.Fatal(all, err)
			}
			quiet(t, all)
		})
	}
	count := 0
	for _, page := range pages(t) {
		content, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, block := range regexp.MustCompile("(?s)```(yaml|toml)\n(.*?)```").FindAllSubmatch(content, -1) {
			count++
			path := filepath.Join(t.TempDir(), "example."+string(block[1]))
			if err := os.WriteFile(path, []byte(added.ReplaceAllString(string(block[2]), "${0}"+readmeLabels)), 0o600); err != nil {
				t.Fatal(err)
			}
			t.Run(page, func(t *testing.T) { quiet(t, []string{path}) })
		}
	}
	if count < 9 {
		t.Errorf("only %d examples were found", count)
	}
}

// What docs/apps.md adds to Traefik's labels is added to those of README.md.
var added = regexp.MustCompile(`services:\n  traefik:\n    labels:.*\n`)

const readmeLabels = `      traefik.http.middlewares.auth.plugin.ptlauth.secretFile: /etc/ptlauth/secret
      traefik.http.middlewares.auth.plugin.ptlauth.terminals.file: /etc/ptlauth/terminals.json
`

func pages(t *testing.T) []string {
	t.Helper()
	paths := []string{"../../README.md"}
	for _, pattern := range []string{"../../docs/*.md", "../../demo/*.md", "../../demo/*/*.md"} {
		some, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		paths = append(paths, some...)
	}
	return paths
}

func quiet(t *testing.T, paths []string) {
	t.Helper()
	findings, err := review.Files(paths)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range findings {
		t.Error(f)
	}
}

// TestPlanted plants one mistake after the other into what is otherwise good. Each case is a few files, divided by lines
// `== NAME`; a finding is expected on each line that ends in `# KIND, KIND`, and nowhere else.
func TestPlanted(t *testing.T) {
	for _, c := range planted {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			var paths []string
			want := map[string]bool{}
			for _, part := range strings.Split("\n"+c.files, "\n== ")[1:] {
				name, content, _ := strings.Cut(part, "\n")
				path := filepath.Join(dir, name)
				paths = append(paths, path)
				for i, line := range strings.Split(content, "\n") {
					match := regexp.MustCompile(`# ([a-z-]+(?:, [a-z-]+)*)$`).FindStringSubmatch(line)
					if match == nil {
						continue
					}
					for _, kind := range strings.Split(match[1], ", ") {
						want[fmt.Sprintf("%s:%d: %s", name, i+1, kind)] = true
					}
				}
				if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			findings, err := review.Files(paths)
			if err != nil {
				t.Fatal(err)
			}
			said, found := "", map[string]bool{}
			for _, f := range findings {
				said += f.String() + "\n"
				at := fmt.Sprintf("%s:%d: %s", filepath.Base(f.File), f.Line, f.Kind)
				found[at] = true
				if !want[at] {
					t.Errorf("found what is not planted: %s", f)
				}
			}
			for at := range want {
				if !found[at] {
					t.Errorf("%s was not found in\n%s", at, said)
				}
			}
			if !strings.Contains(said, c.says) {
				t.Errorf("it does not say %q:\n%s", c.says, said)
			}
			if strings.Contains(said, "0123456789abcdef0123456789abcdef") {
				t.Errorf("a secret is quoted:\n%s", said)
			}
		})
	}
}

func TestMiddlewares(t *testing.T) {
	for path, want := range map[string]string{
		"../../demo/ptlauth/dynamic.yml": "auth /etc/ptlauth/secret", "../../demo/kubernetes/middleware.yml": "chat-auth /run/secrets/ptlauth/secret", "../../demo/compose.yml": "",
	} {
		found, err := review.Middlewares(path)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, one := range found {
			got += fmt.Sprintf("%s %v", one.Name, one.Options["secretFile"])
		}
		if got != want {
			t.Errorf("%s: got %q, want %q", path, got, want)
		}
	}
	path := filepath.Join(t.TempDir(), "dynamic.yml")
	if err := os.WriteFile(path, []byte("http: ["), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := review.Middlewares(path); err == nil {
		t.Error("what is no YAML is no error")
	}
}

func TestPaths(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a.yml", "b.toml", "c.txt", ".git/d.yml", "sub/e.yaml"} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, err := review.Paths([]string{dir, filepath.Join(dir, "c.txt")})
	if err != nil {
		t.Fatal(err)
	}
	for i, path := range got {
		got[i], _ = filepath.Rel(dir, path)
	}
	if want := "a.yml b.toml sub/e.yaml c.txt"; strings.Join(got, " ") != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if _, err := review.Paths([]string{filepath.Join(dir, "missing")}); err == nil {
		t.Error("a file that is not there is no error")
	}
	if findings, err := review.Files(got[:0]); err != nil || len(findings) > 0 {
		t.Errorf("of nothing, %v %v was found", findings, err)
	}
}

// FuzzFiles: whatever a file holds, it is no panic.
func FuzzFiles(f *testing.F) {
	for _, c := range planted {
		for _, part := range strings.Split("\n"+c.files, "\n== ")[1:] {
			name, content, _ := strings.Cut(part, "\n")
			f.Add(content, strings.HasSuffix(name, ".toml"))
		}
	}
	f.Fuzz(func(t *testing.T, content string, isTOML bool) {
		// A template may count to any number.
		content = strings.ReplaceAll(content, "{{", "{")
		name := "x.yml"
		if isTOML {
			name = "x.toml"
		}
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := review.Files([]string{path}); err != nil {
			t.Error(err)
		}
	})
}
