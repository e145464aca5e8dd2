package ptlauth_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
)

// TestInterpreter looks through all that ships for forms that Yaegi compiles and then gets wrong without a word, so that
// nobody has to find out again.
func TestInterpreter(t *testing.T) {
	for _, path := range shipped(t) {
		t.Run(path, func(t *testing.T) {
			files := token.NewFileSet()
			file, err := parser.ParseFile(files, path, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(file, func(node ast.Node) bool {
				for _, trap := range traps(node) {
					t.Errorf("%s: %s", files.Position(node.Pos()), trap)
				}
				return true
			})
		})
	}
}

func TestInterpreterTraps(t *testing.T) {
	for _, test := range []struct{ name, body, trap string }{
		{"a named result", `func f() (s string) { return "" }`, "named result"},
		{"a named result of a closure", `var f = func() (n int) { return 1 }`, "named result"},
		{"an element of a map in a tuple", `func f(m map[string]int) { m["a"], m["b"] = g() }`, "tuple"},
		{"a field in a tuple", `func f(t T) { t.a, t.b = 1, "" }`, "tuple"},
		{"nil in a tuple", `func f(a *T, b string) { a, b = nil, "x" }`, "tuple"},
		{"the built-in min", `var n = min(1, 2)`, "min"},
		{"a range over a number", `func f() { for range 3 { } }`, "number"},
		{"an assertion in a loop", `func f(a []any) { for _, x := range a { s, _ := x.(string); g(s) } }`, "iteration before"},
		{"an assertion in a loop whose ok comes second", `func f(a []any) { for _, x := range a { s, ok := x.(string); if s != "" || ok { g(s) } } }`, "iteration before"},
		{"a map in a loop", `func f(m map[int]int) { for { n, _ := m[1]; g(n) } }`, "iteration before"},
		{"a select", `func f(a, b chan int) { select { case <-a: case <-b: } }`, "share its channels"},
		{"two conditions of a case", `func f(a, b bool) { switch { case a, b: g() } }`, "write ||"},
		{"a goroutine without recover", `func f() { go g() }`, "goroutine"},
	} {
		t.Run(test.name+" is found", func(t *testing.T) {
			file, err := parser.ParseFile(token.NewFileSet(), "a.go", "package a\n"+test.body, 0)
			if err != nil {
				t.Fatal(err)
			}
			var found []string
			ast.Inspect(file, func(node ast.Node) bool {
				found = append(found, traps(node)...)
				return true
			})
			if len(found) != 1 || !strings.Contains(found[0], test.trap) {
				t.Errorf("found %q, want one that says %q", found, test.trap)
			}
		})
	}
}

// traps says what Yaegi v0.16.1 would make of a node, if anything bad.
func traps(node ast.Node) []string {
	switch n := node.(type) {
	case *ast.FuncType:
		if n.Results != nil && len(n.Results.List) > 0 && len(n.Results.List[0].Names) > 0 {
			return []string{"a named result keeps its value from one call to the next"}
		}
	case *ast.AssignStmt:
		return tupleTraps(n)
	case *ast.RangeStmt:
		if number, ok := n.X.(*ast.BasicLit); ok && number.Kind == token.INT {
			return []string{"a range over a number does not compile"}
		}
		return loopTraps(n.Body)
	case *ast.CallExpr:
		if name, ok := n.Fun.(*ast.Ident); ok && (name.Name == "min" || name.Name == "max" || name.Name == "clear") {
			return []string{name.Name + " is missing"}
		}
	case *ast.ForStmt:
		return loopTraps(n.Body)
	case *ast.SwitchStmt:
		return switchTraps(n)
	case *ast.SelectStmt:
		return []string{"all goroutines at a select share its channels: one waits for another's"}
	case *ast.GoStmt:
		if _, ok := n.Call.Fun.(*ast.FuncLit); !ok {
			return []string{"a goroutine that does not recover its panic ends Traefik: start a closure that does"}
		}
	}
	return nil
}

// switchTraps looks for the conditions of a case that Yaegi does not look at.
func switchTraps(n *ast.SwitchStmt) []string {
	for _, clause := range n.Body.List {
		if n.Tag == nil && len(clause.(*ast.CaseClause).List) > 1 {
			return []string{"of several conditions of a case the first alone is looked at: write ||"}
		}
	}
	return nil
}

// loopTraps looks for a value, ok := that fails: in a loop, the value is then the one of the iteration before, so it
// may be used only where ok was tested first.
func loopTraps(loop *ast.BlockStmt) []string {
	var found []string
	ast.Inspect(loop, func(node ast.Node) bool {
		switch n := node.(type) {
		case *ast.FuncLit:
			return false
		case *ast.BlockStmt:
			for i, statement := range n.List {
				ok, isTrap := commaOK(statement)
				if isTrap && (i+1 == len(n.List) || !tests(n.List[i+1], ok)) {
					found = append(found, "a value whose ok is not tested at once is the one of the iteration before")
				}
			}
		}
		return true
	})
	return found
}

// commaOK is the name of ok in a value, ok := of an assertion or a map.
func commaOK(statement ast.Stmt) (string, bool) {
	assign, isAssign := statement.(*ast.AssignStmt)
	if !isAssign || len(assign.Lhs) != 2 || len(assign.Rhs) != 1 {
		return "", false
	}
	switch assign.Rhs[0].(type) {
	case *ast.TypeAssertExpr, *ast.IndexExpr:
	default:
		return "", false
	}
	value, isName := assign.Lhs[0].(*ast.Ident)
	ok, isOKName := assign.Lhs[1].(*ast.Ident)
	return ok.Name, isName && isOKName && value.Name != "_"
}

// tests reports whether the statement is if ok, if !ok, if ok && … or if !ok || ….
func tests(statement ast.Stmt, ok string) bool {
	branch, isIf := statement.(*ast.IfStmt)
	if !isIf || branch.Init != nil {
		return false
	}
	condition := branch.Cond
	joint := token.ILLEGAL
	for {
		binary, isBinary := condition.(*ast.BinaryExpr)
		if !isBinary {
			break
		}
		joint, condition = binary.Op, binary.X
	}
	negated := false
	if not, isNot := condition.(*ast.UnaryExpr); isNot && not.Op == token.NOT {
		negated, condition = true, not.X
	}
	name, isName := condition.(*ast.Ident)
	return isName && name.Name == ok && (joint == token.ILLEGAL || joint == token.LOR && negated || joint == token.LAND && !negated)
}

func tupleTraps(n *ast.AssignStmt) []string {
	if len(n.Lhs) < 2 {
		return nil
	}
	for _, left := range n.Lhs {
		switch left.(type) {
		case *ast.IndexExpr:
			return []string{"an element of a map or slice in a tuple is lost"}
		case *ast.SelectorExpr:
			if len(n.Rhs) > 1 {
				return []string{"a field in a tuple of values is lost"}
			}
		}
	}
	if n.Tok == token.ASSIGN {
		for _, right := range n.Rhs {
			if name, ok := right.(*ast.Ident); ok && name.Name == "nil" {
				return []string{"nil in a tuple panics"}
			}
		}
	}
	return nil
}

// shipped are the Go files of the plugin itself.
func shipped(t *testing.T) []string {
	t.Helper()
	paths, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	err = filepath.WalkDir("internal", func(path string, entry fs.DirEntry, err error) error {
		if entry.IsDir() && strings.HasSuffix(entry.Name(), "test") {
			return filepath.SkipDir
		}
		paths = append(paths, path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	var files []string
	for _, path := range paths {
		if strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "_test.go") {
			files = append(files, path)
		}
	}
	if len(files) < 10 {
		t.Fatalf("only %d files found: %q", len(files), files)
	}
	return files
}
