package main

import (
	"os"
	"strings"
	"testing"

	"github.com/getportal/ptlauth/cmd/manual"
)

// TestManual holds the man page and docs/ptl.md against what the commands say. With PTLAUTH_UPDATE=1 it writes them anew.
func TestManual(t *testing.T) {
	const begin, end = "<!-- What follows is written by `cd cmd && PTLAUTH_UPDATE=1 go test -modfile=dev.mod -run TestManual ./ptl`. -->\n\n", "\n<!-- Until here. -->"
	page := read(t, "../../docs/ptl.md")
	before, rest, hasBegin := strings.Cut(page, begin)
	_, after, hasEnd := strings.Cut(rest, end)
	if !hasBegin || !hasEnd {
		t.Fatal("docs/ptl.md has no place for the commands")
	}
	for path, want := range map[string]string{
		"../../docs/ptl.1":  manual.Page(program()),
		"../../docs/ptl.md": before + begin + manual.Markdown(program()) + end + after,
	} {
		if os.Getenv("PTLAUTH_UPDATE") != "" {
			if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if read(t, path) != want {
			t.Errorf("%s is not what the commands say: PTLAUTH_UPDATE=1 go test -modfile=dev.mod -run TestManual ./ptl", path)
		}
	}
}

// TestHelp: every command says what it does, and how it is written.
func TestHelp(t *testing.T) {
	for _, c := range program().Commands {
		if c.Summary == "" || strings.HasSuffix(c.Summary, ".") || strings.Contains(c.Summary, "\n") {
			t.Errorf("%s: the summary is %q", c.Name, c.Summary)
		}
		if len(c.Examples) == 0 {
			t.Errorf("%s has no example", c.Name)
		}
		for _, e := range c.Examples {
			if !strings.Contains(e.Term, "ptl "+c.Name) {
				t.Errorf("%s: the example %q is of another command", c.Name, e.Term)
			}
		}
		for _, o := range c.Options {
			if !strings.HasSuffix(o.Description, ".") {
				t.Errorf("%s --%s: the description is %q", c.Name, o.Name, o.Description)
			}
		}
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}
