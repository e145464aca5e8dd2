package docs

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"
)

// demoTests name for each file of demo, or for all below a folder, the tests that run it, or decode it as strictly as what it
// is for, by their package and name.
var demoTests = map[string][]string{
	"README.md":               {"docs.TestCompose", "docs.TestLinks"},
	"cluster/compose.yml":     {"docs.TestSeveralCompose"},
	"cluster/configure.sh":    {"docs.TestSeveralCompose"},
	"cluster/haproxy.cfg":     {"cluster.TestCluster", "docs.TestSeveralCompose"},
	"cluster/redis.conf":      {"docs.TestSeveralCompose"},
	"compose.yml":             {"docs.TestCompose"},
	"kubernetes/":             {"docs.TestClusterFiles"}, // which finds a file that it does not know
	"nomad/ptlauth.nomad.hcl": {"docs.TestNomad"},
	"ptlauth/dynamic.yml":     {"docs.TestCompose", "docs.TestDemoFiles"},
	"quick/compose.yml":       {"docs.TestQuick"},
	"redis.sh":                {"docs.TestDemoFiles"},
	"swarm/stack.yml":         {"docs.TestSwarm"},
	"token.sh":                {"docs.TestTokenScript", "docs.TestReadmeMiddleware"},
}

// TestDemoList finds a file of demo that no test looks at, and a test that is named above and is not there.
func TestDemoList(t *testing.T) {
	looked := map[string]bool{}
	for _, file := range strings.Fields(run(t, "../../demo", "git", "ls-files", "--cached", "--others", "--exclude-standard")) {
		if _, err := os.Stat(filepath.Join("../../demo", file)); err != nil {
			continue // deleted, and not committed yet
		}
		folder, _, _ := strings.Cut(file, "/")
		for _, one := range []string{file, folder + "/"} {
			looked[one] = true
		}
		if len(demoTests[file]) == 0 && len(demoTests[folder+"/"]) == 0 {
			t.Errorf("demo/%s: have a test run it, or decode it strictly, and name that test in demoTests", file)
		}
	}
	for file, names := range demoTests {
		if !looked[file] {
			t.Errorf("demo/%s is not there", file)
		}
		for _, name := range names {
			folder, function, _ := strings.Cut(name, ".")
			if !hasTest(t, filepath.Join("..", folder), function, path.Base(file)) {
				t.Errorf("demo/%s: package e2e/%s has no %s, or its tests do not name that file", file, folder, function)
			}
		}
	}
}

// hasTest says whether a folder's tests have that function, and name that file.
func hasTest(t *testing.T, folder, function, file string) bool {
	t.Helper()
	sources, err := filepath.Glob(filepath.Join(folder, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	has, named := false, false
	for _, source := range sources {
		if filepath.Base(source) == "demolist_test.go" {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), source, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, declared := range parsed.Decls {
			if f, ok := declared.(*ast.FuncDecl); ok && f.Name.Name == function {
				has = true
			}
		}
		named = named || strings.Contains(text(t, source), file)
	}
	return has && named
}
