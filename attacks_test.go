package ptlauth_test

import (
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/getportal/ptlauth/internal/corpus"
)

// TestAttacks holds the catalogue of attacks against what shows that each comes to nothing: cases of the corpus, which
// run natively, interpreted and through a real Traefik with each of its proxies, or tests of their own.
func TestAttacks(t *testing.T) {
	text, err := os.ReadFile("testdata/attacks.json")
	if err != nil {
		t.Fatal(err)
	}
	var attacks []struct {
		ID, Attack, Answer string
		Seen, Tests        []string
	}
	if err := json.Unmarshal(text, &attacks); err != nil {
		t.Fatal(err)
	}
	cases, err := corpus.Load("testdata", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	counts := map[string]map[string]int{}
	for _, c := range cases.Cases {
		if c.Line == "" {
			continue
		}
		if counts[c.Line] == nil {
			counts[c.Line] = map[string]int{}
		}
		for _, runtime := range corpus.Runtimes {
			if len(c.Only) == 0 || slices.Contains(c.Only, runtime) {
				counts[c.Line][runtime]++
			}
		}
	}
	tests := testNames(t)
	for _, a := range attacks {
		n := counts[a.ID]
		delete(counts, a.ID)
		t.Logf("%-22s native %3d  interpreted %3d  Traefik %3d  its fast proxy %3d  %s", a.ID, n[corpus.Native], n[corpus.Interpreted],
			n[corpus.Traefik], n[corpus.FastProxy], strings.Join(a.Tests, " "))
		if a.Attack == "" || a.Answer == "" {
			t.Errorf("%s: says too little", a.ID)
		}
		if len(a.Tests) == 0 && len(n) < len(corpus.Runtimes) {
			t.Errorf("%s: %s: no case shows in all runtimes that it comes to nothing", a.ID, a.Attack)
		}
		for _, name := range a.Tests {
			if !tests[name] {
				t.Errorf("%s: there is no test called %s", a.ID, name)
			}
		}
	}
	for line := range counts {
		t.Errorf("cases speak of %q, which is not in testdata/attacks.json", line)
	}
}

// TestGuards holds the last table of SECURITY.md against the mutations that TestMutations tries.
func TestGuards(t *testing.T) {
	text, err := os.ReadFile("testdata/mutations.json")
	if err != nil {
		t.Fatal(err)
	}
	var mutations []struct{ Protection, Case string }
	if err := json.Unmarshal(text, &mutations); err != nil {
		t.Fatal(err)
	}
	var want strings.Builder
	want.WriteString("|---|---|\n")
	for _, m := range mutations {
		want.WriteString("| " + m.Protection + " | " + m.Case + " |\n")
	}
	security, err := os.ReadFile("SECURITY.md")
	if err != nil {
		t.Fatal(err)
	}
	if len(mutations) < 20 || !strings.HasSuffix(string(security), want.String()) {
		t.Errorf("SECURITY.md does not end with:\n%s", want.String())
	}
}

// testNames are all tests and fuzz targets of the repository.
func testNames(t *testing.T) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	declaration := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)
	err := filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() && (entry.Name() == "vendor" || entry.Name() == "plugins-local" || entry.Name() == ".git") {
			return fs.SkipDir
		}
		if strings.HasSuffix(path, "_test.go") {
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			for _, match := range declaration.FindAllStringSubmatch(string(text), -1) {
				names[match[1]] = true
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}
