package ptlauth_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestWhereIsWhat wants every file of the plugin in CONTRIBUTING.md's table, where a newcomer looks for what it does, and
// every file that CONTRIBUTING.md names to be there.
func TestWhereIsWhat(t *testing.T) {
	content, err := os.ReadFile("CONTRIBUTING.md")
	if err != nil {
		t.Fatal(err)
	}
	before, rest, _ := strings.Cut(string(content), "\n## Where is what\n")
	table, after, _ := strings.Cut(rest, "\n## ")
	for _, path := range filesNamed(before + table + after) {
		if _, err := os.Stat(path); err != nil {
			t.Errorf("CONTRIBUTING.md names a file that is not there: %v", err)
		}
	}
	isNamed := map[string]bool{}
	for _, path := range filesNamed(table) {
		isNamed[path] = true
	}
	files := pluginFiles(t)
	for _, path := range files {
		if !isNamed[path] {
			t.Errorf("%s: say in CONTRIBUTING.md, in the table of Where is what, what is in it", path)
		}
	}
	if len(files) < 80 {
		t.Errorf("only %d files were looked for", len(files))
	}
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(readme), "(CONTRIBUTING.md#where-is-what)") {
		t.Error("README.md does not lead to Where is what")
	}
}

var (
	fileNamed = regexp.MustCompile("`([a-z_/]*)(?:\\{([a-z_,]+)\\})?\\.go`")
	isOutside = regexp.MustCompile(`^(?:cmd|e2e)/`)
)

// filesNamed are the paths of the files that a text names, as CONTRIBUTING.md does: `serve.go`, `key/{pem,public}.go`.
func filesNamed(text string) []string {
	var paths []string
	for _, match := range fileNamed.FindAllStringSubmatch(text, -1) {
		for _, name := range strings.Split(match[2], ",") {
			path := match[1] + name + ".go"
			if strings.Contains(path, "/") && !isOutside.MatchString(path) {
				path = "internal/" + path
			}
			paths = append(paths, filepath.FromSlash(path))
		}
	}
	return paths
}

// pluginFiles are the paths of all files of the plugin, without tests and what only tests use.
func pluginFiles(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	err = filepath.WalkDir("internal", func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && strings.HasSuffix(entry.Name(), "test") || entry.Name() == "testdata" {
			return filepath.SkipDir
		}
		if strings.HasSuffix(path, ".go") {
			files = append(files, path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, path := range files {
		if !strings.HasSuffix(path, "_test.go") {
			all = append(all, path)
		}
	}
	return all
}

// TestReadmeBegins wants README's first three sentences to say what ptlauth is, how one gets in, and what it needs.
func TestReadmeBegins(t *testing.T) {
	content, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(content), "# ptlauth\n\n")
	first, _, _ := strings.Cut(rest, "\n")
	// A version has a dot too, but no blank behind it.
	sentences := strings.SplitAfter(first, ". ")
	if len(sentences) != 3 {
		t.Fatalf("README.md begins with %d sentences, want 3: %s", len(sentences), first)
	}
	for i, words := range [][]string{{"Traefik middleware plugin", "request header", "token"}, {"no login page", "scanning a code"}, {"needs Traefik", "no other container"}} {
		for _, word := range words {
			if !strings.Contains(sentences[i], word) {
				t.Errorf("sentence %d of README.md does not say %q: %s", i+1, word, sentences[i])
			}
		}
	}
}
