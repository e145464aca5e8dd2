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

	"github.com/getportal/ptlauth/internal/corpustest"
	"github.com/getportal/ptlauth/internal/guardtest"
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
	cases, err := corpustest.Load("testdata", t.TempDir())
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
		for _, runtime := range corpustest.Runtimes {
			if len(c.Only) == 0 || slices.Contains(c.Only, runtime) {
				counts[c.Line][runtime]++
			}
		}
	}
	tests := testNames(t)
	for _, a := range attacks {
		n := counts[a.ID]
		delete(counts, a.ID)
		t.Logf("%-22s native %3d  interpreted %3d  Traefik %3d  its fast proxy %3d  %s", a.ID, n[corpustest.Native], n[corpustest.Interpreted],
			n[corpustest.Traefik], n[corpustest.FastProxy], strings.Join(a.Tests, " "))
		if a.Attack == "" || a.Answer == "" {
			t.Errorf("%s: says too little", a.ID)
		}
		if len(a.Tests) == 0 && len(n) < len(corpustest.Runtimes) {
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

// TestGuards holds the protections that are marked in the code against the mutations that TestMutations tries, their cases, and
// the last table of SECURITY.md.
func TestGuards(t *testing.T) {
	mutations, err := guardtest.Mutations("testdata/mutations.json")
	if err != nil {
		t.Fatal(err)
	}
	plugin, err := guardtest.Read(".")
	if err != nil {
		t.Fatal(err)
	}
	cases, err := corpustest.Load("testdata", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	there := map[string]int{}
	for _, c := range cases.For(corpustest.Interpreted) {
		there[c.Name]++
	}
	activity, err := os.ReadFile("e2e/interpreted/activity_test.go")
	if err != nil {
		t.Fatal(err)
	}
	var table strings.Builder
	table.WriteString("|---|---|\n")
	tried := map[string]bool{}
	for _, m := range mutations {
		table.WriteString("| " + m.Protection + " | " + m.Case + " |\n")
		if tried[m.Protection] {
			t.Errorf("%s: is tried twice", m.Protection)
		}
		tried[m.Protection] = true
		if n := strings.Count(string(activity), `"`+m.Case+`"`); there[m.Case]+n != 1 {
			t.Errorf("%s: there are %d cases called %q, want one", m.Protection, there[m.Case]+n, m.Case)
		}
		if _, err := plugin.Without(m); err != nil {
			t.Errorf("%s: %v", m.Protection, err)
		}
	}
	for _, protection := range plugin.Guards() {
		if !tried[protection] {
			t.Errorf("%s: is marked in the code, and testdata/mutations.json does not try it", protection)
		}
	}
	security, err := os.ReadFile("SECURITY.md")
	if err != nil {
		t.Fatal(err)
	}
	if len(mutations) < 90 || !strings.HasSuffix(string(security), table.String()) {
		t.Errorf("SECURITY.md does not end with:\n%s", table.String())
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
