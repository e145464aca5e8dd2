package guardtest_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/getportal/ptlauth/internal/guardtest"
)

// TestWithout switches things off in small functions, and looks at what is left of them.
func TestWithout(t *testing.T) {
	for _, test := range []struct {
		name     string
		source   string // in a function
		mutation guardtest.Mutation
		want     string // in what is left; empty: it is an error
	}{
		{"a condition never holds", "if a() { // guard: it\nreturn false\n}", guardtest.Mutation{}, "if (false && (a())) {"},
		{"a condition always holds", "if a() { // guard: it\nreturn false\n}", guardtest.Mutation{How: "always"}, "if (true || (a())) {"},
		{"a condition of several lines never holds", "// guard: it\nif a() ||\nb() {\nreturn false\n}", guardtest.Mutation{}, "if (false && (a() ||\nb())) {"},
		{"an operand of || has no say", "if a() ||\nb() { // guard: it\nreturn false\n}", guardtest.Mutation{}, "if a() ||\n(false && (b())) {"},
		{"nor has the first one", "if a() || // guard: it\nb() {\nreturn false\n}", guardtest.Mutation{}, "if (false && (a())) ||"},
		{"nor has one of &&", "if a() &&\nb() { // guard: it\nreturn false\n}", guardtest.Mutation{}, "if a() &&\n(true || (b())) {"},
		{"nor have two", "if a() ||\nb() || a() || // guard: it\nb() {\nreturn false\n}", guardtest.Mutation{}, "(false && (b() || a())) || // guard"},
		{"the outermost operand in the line is meant", "if a() || (a() ||\nb()) && a() { // guard: it\nreturn false\n}", guardtest.Mutation{}, "b()) && (true || (a())) {"},
		{"a case never holds", "switch {\ncase a(): // guard: it\nreturn false\n}", guardtest.Mutation{}, "case (false && (a())):"},
		{"a statement is left out", "f() // guard: it", guardtest.Mutation{}, "if false { f() }"},
		{"a loop is left out", "// guard: it\nfor a() {\nf()\n}", guardtest.Mutation{}, "if false { for a() {\nf()\n} }"},
		{"a declaration takes another value", "x := a() // guard: it\n_ = x", guardtest.Mutation{Instead: "b()"}, "x := b()"},
		{"an argument is unchanged", "x := g(1) // guard: it\n_ = x", guardtest.Mutation{How: "unchanged"}, "x := 1 //"},
		{"a condition leads elsewhere", "if a() { // guard: it\nf()\nreturn false\n}", guardtest.Mutation{Instead: "return true"}, "return true\n}"},
		{"a result is always true", "return a() // guard: it", guardtest.Mutation{How: "always"}, "return (true || (a()))"},
		{"a result cannot be left out", "return a() // guard: it", guardtest.Mutation{}, ""},
		{"a declaration cannot be left out", "x := a() // guard: it\n_ = x", guardtest.Mutation{}, ""},
		{"a mark at nothing is an error", "// guard: it", guardtest.Mutation{}, ""},
		{"a mark that is not there is an error", "f()", guardtest.Mutation{}, ""},
		{"a mark that is there twice is an error", "f() // guard: it\nf() // guard: it", guardtest.Mutation{}, ""},
		{"an unknown way is an error", "if a() { // guard: it\nreturn false\n}", guardtest.Mutation{How: "perhaps"}, ""},
		{"what is no Go is an error", "if a() { // guard: it\nreturn false\n}", guardtest.Mutation{Instead: "a("}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.mutation.Protection = "it"
			without, err := read(t, "package p\n\nfunc p() bool {\n"+test.source+"\nreturn true\n}\n").Without(test.mutation)
			if test.want == "" {
				if err == nil {
					t.Errorf("it is none:\n%s", written(t, without))
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := written(t, without); !strings.Contains(got, test.want) {
				t.Errorf("want %q in:\n%s", test.want, got)
			}
		})
	}
}

// TestUnused has what nothing uses any more be imported for its own sake, which no interpreter minds.
func TestUnused(t *testing.T) {
	source := "package p\n\nimport \"strings\"\n\nfunc p(s string) string {\n\treturn strings.ToLower(s) // guard: it\n}\n"
	without, err := read(t, source).Without(guardtest.Mutation{Protection: "it", How: "unchanged"})
	if err != nil {
		t.Fatal(err)
	}
	if got := written(t, without); !strings.Contains(got, "import _ \"strings\"") || !strings.Contains(got, "return s //") {
		t.Errorf("got:\n%s", got)
	}
}

// TestPlant wants a panic behind the lock, where a defer lets go of it.
func TestPlant(t *testing.T) {
	plugin := read(t, "package p\n\nfunc f() {\n\tm.Lock()\n\tdefer m.Unlock()\n\tg()\n}\n")
	planted, err := plugin.Plant("p.f", "a()")
	if err != nil {
		t.Fatal(err)
	}
	if got := written(t, planted); !strings.Contains(got, "defer m.Unlock()\n\tif a() {\n\t\tpanic(\"planted\")\n\t}\n\tg()") {
		t.Errorf("got:\n%s", got)
	}
	if _, err := plugin.Plant("p.g", "a()"); err == nil {
		t.Error("a panic is planted in a function that is not there")
	}
}

func TestSet(t *testing.T) {
	plugin := read(t, "package p\n\nconst (\n\ta = 1 // why\n\tb = 30 * a\n)\n")
	changed, err := plugin.Set("p.b", "2*a")
	if err != nil {
		t.Fatal(err)
	}
	if got := written(t, changed); !strings.Contains(got, "\ta = 1 // why\n\tb = 2*a\n") {
		t.Errorf("got:\n%s", got)
	}
	if _, err := plugin.Set("p.c", "1"); err == nil {
		t.Error("a constant is changed that is not there")
	}
}

func read(t *testing.T, source string) *guardtest.Plugin {
	t.Helper()
	root := t.TempDir()
	for _, folder := range []string{"internal", "vendor"} {
		if err := os.Mkdir(filepath.Join(root, folder), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(root, "p.go"), []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	plugin, err := guardtest.Read(root)
	if err != nil {
		t.Fatal(err)
	}
	return plugin
}

func written(t *testing.T, plugin *guardtest.Plugin) string {
	t.Helper()
	dir := t.TempDir()
	if err := plugin.Write(dir); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "p.go"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
