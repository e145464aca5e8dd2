package ptlauth_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

const (
	maxLines      = 50
	maxParameters = 5
)

// nameless are the names of packages that say nothing of what is in them.
var nameless = map[string]bool{"util": true, "utils": true, "helper": true, "helpers": true, "common": true, "misc": true, "manager": true, "shared": true, "base": true}

// TestHouse looks through all code but the tests for what makes it hard to read.
func TestHouse(t *testing.T) {
	files := 0
	err := filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && (path != "." && strings.HasPrefix(entry.Name(), ".") || entry.Name() == "vendor" || entry.Name() == "testdata" || strings.HasPrefix(entry.Name(), "plugins-")) {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		files++
		for _, offence := range offencesIn(t, path, nil) {
			t.Error(offence)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if files < 80 {
		t.Errorf("only %d files were looked at", files)
	}
}

func TestHouseOffences(t *testing.T) {
	body := func(lines int) string { return "{\n" + strings.Repeat("_ = 0\n", lines-2) + "}\n" }
	for _, test := range []struct{ name, source, offence string }{
		{"a function of 50 lines is short enough", "package a\nfunc f() " + body(50), ""},
		{"a function of 51 lines is not", "package a\nfunc f() " + body(51), "f is longer than 50 lines"},
		{"nor is a method", "package a\ntype t int\nfunc (t) f() " + body(51), "f is longer than 50 lines"},
		{"nor is a function in a variable", "package a\nvar f = func() " + body(51), "a function in a.go is longer than 50 lines"},
		{"a comment above it does not count", "package a\n" + strings.Repeat("// b\n", 60) + "func f() " + body(50), ""},
		{"five parameters are few enough", "package a\nfunc f(a, b, c int, d, e string) {}", ""},
		{"six parameters are not", "package a\nfunc f(a, b, c int, d, e string, g ...bool) {}", "f has more than 5 parameters"},
		{"nor are six without names", "package a\nfunc f(int, int, int, int, int, int) {}", "f has more than 5 parameters"},
		{"a receiver is none of them", "package a\ntype t int\nfunc (t) f(a, b, c, d, e int) {}", ""},
		{"a function in a function is looked at", "package a\nfunc f() { _ = func(a, b, c, d, e, g int) {} }", "a function in f has more than 5 parameters"},
		{"a package is called after what is in it", "package helpers", "package helpers is called after nothing in it"},
	} {
		t.Run(test.name, func(t *testing.T) {
			want := ""
			if test.offence != "" {
				want = "a.go: " + test.offence
			}
			if got := strings.Join(offencesIn(t, "a.go", test.source), "; "); got != want {
				t.Errorf("found %q, want %q", got, want)
			}
		})
	}
}

// offencesIn are those in a file, or in a source in its place.
func offencesIn(t *testing.T, path string, source any) []string {
	t.Helper()
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, path, source, 0)
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	if nameless[file.Name.Name] {
		found = append(found, path+": package "+file.Name.Name+" is called after nothing in it")
	}
	for _, declaration := range file.Decls {
		outer := filepath.Base(path)
		ast.Inspect(declaration, func(node ast.Node) bool {
			name, kind := "a function in "+outer, (*ast.FuncType)(nil)
			switch n := node.(type) {
			case *ast.FuncDecl:
				outer = n.Name.Name
				name, kind = outer, n.Type
			case *ast.FuncLit:
				kind = n.Type
			default:
				return true
			}
			if lines := files.Position(node.End()).Line - files.Position(node.Pos()).Line + 1; lines > maxLines {
				found = append(found, path+": "+name+" is longer than "+strconv.Itoa(maxLines)+" lines")
			}
			if kind.Params.NumFields() > maxParameters {
				found = append(found, path+": "+name+" has more than "+strconv.Itoa(maxParameters)+" parameters")
			}
			return true
		})
	}
	return found
}
