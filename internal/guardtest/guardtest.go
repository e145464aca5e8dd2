// Package guardtest switches protections off in the plugin's source, for tests that want to see a case fail without them.
//
// A protection is marked where it stands, by a comment that names it: at the end of its line, which is then about the largest
// condition, operand or statement that lies in that line alone, or on a line of its own, which is about what begins on the
// next one. A [Mutation] names the protection. Files can be moved and variables be renamed without it.
package guardtest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// mark begins a comment that names a protection.
const mark = "// guard: "

// Mutation switches off one protection, and names the case that fails without it.
//
// What is switched off without How is what one would: a condition never holds, an operand of && or || has no say, and a
// statement, a field or a member is left out.
type Mutation struct {
	Protection, Case string

	// How is "always" or "never" for a condition or a result, or "unchanged" for the argument in the place of a call with it.
	How string
	// Instead is Go in the place of the marked expression, or `return …` in the place of what a condition leads to.
	Instead string
}

// Mutations reads testdata/mutations.json.
func Mutations(path string) ([]Mutation, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	var mutations []Mutation
	err = decoder.Decode(&mutations)
	return mutations, err
}

// Plugin is what Traefik loads of the repository.
type Plugin struct {
	files  map[string][]byte // by path, with slashes
	guards map[string][]guard
}

// guard is a mark.
type guard struct {
	file string
	line int
	own  bool // it stands on a line of its own
}

// Read reads the plugin from the repository's folder.
func Read(root string) (*Plugin, error) {
	p := &Plugin{files: map[string][]byte{}, guards: map[string][]guard{}}
	for _, part := range []string{".", "internal", "vendor"} {
		err := filepath.WalkDir(filepath.Join(root, part), func(path string, entry fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			name, err := filepath.Rel(root, path)
			if err != nil {
				return err
			}
			if entry.IsDir() {
				if part == "." && name != "." || strings.HasSuffix(name, "test") {
					return fs.SkipDir
				}
				return nil
			}
			if strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, "_test.go") || name == ".traefik.yml" || name == "go.mod" {
				p.files[filepath.ToSlash(name)], err = os.ReadFile(path)
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	for name := range p.own() {
		if err := p.mark(name); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// own are the files that are not others' libraries.
func (p *Plugin) own() map[string][]byte {
	own := map[string][]byte{}
	for name, text := range p.files {
		if strings.HasSuffix(name, ".go") && !strings.HasPrefix(name, "vendor/") {
			own[name] = text
		}
	}
	return own
}

func (p *Plugin) mark(name string) error {
	text := p.files[name]
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, name, text, parser.ParseComments)
	if err != nil {
		return err
	}
	for _, group := range file.Comments {
		for _, comment := range group.List {
			protection, ok := strings.CutPrefix(comment.Text, mark)
			if !ok {
				continue
			}
			at := set.Position(comment.Pos())
			before := text[at.Offset-at.Column+1 : at.Offset]
			g := guard{file: name, line: at.Line, own: len(bytes.TrimSpace(before)) == 0}
			p.guards[protection] = append(p.guards[protection], g)
		}
	}
	return nil
}

// Guards are the protections that are marked.
func (p *Plugin) Guards() []string {
	var names []string
	for name := range p.guards {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Changed is the repository's plugin with a change, in a folder of the test's own.
func Changed(t testing.TB, root string, change func(*Plugin) (*Plugin, error)) string {
	t.Helper()
	plugin, err := Read(root)
	if err == nil {
		plugin, err = change(plugin)
	}
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := plugin.Write(dir); err != nil {
		t.Fatal(err)
	}
	return dir
}

// Write writes the plugin into a folder.
func (p *Plugin) Write(dir string) error {
	for name, text := range p.files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, text, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// Without is the plugin without a protection.
func (p *Plugin) Without(m Mutation) (*Plugin, error) {
	guards := p.guards[m.Protection]
	if len(guards) != 1 {
		return nil, fmt.Errorf("there are %d comments %s%s, want one: %v", len(guards), mark, m.Protection, guards)
	}
	g := guards[0]
	where := fmt.Sprintf("%s:%d", g.file, g.line)
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, g.file, p.files[g.file], parser.ParseComments)
	if err != nil {
		return nil, err
	}
	t := find(set, file, p.files[g.file], g)
	if t == nil {
		return nil, fmt.Errorf("%s: there is nothing that could be switched off", where)
	}
	edit, err := t.edit(m)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", where, err)
	}
	text, err := tidy(edit.apply(set, p.files[g.file]))
	if err != nil {
		return nil, fmt.Errorf("%s: what is left is no Go: %w", where, err)
	}
	return p.with(g.file, text), nil
}

// with is the plugin with another text of one file.
func (p *Plugin) with(name string, text []byte) *Plugin {
	q := &Plugin{files: map[string][]byte{}, guards: p.guards}
	for other, content := range p.files {
		q.files[other] = content
	}
	q.files[name] = text
	return q
}

// Plant is the plugin with a panic at the beginning of a function, once its defers are there, where the condition holds. The
// function is called by its package's name and its own.
func (p *Plugin) Plant(function, condition string) (*Plugin, error) {
	var planted []*Plugin
	for name, text := range p.own() {
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, name, text, 0)
		if err != nil {
			return nil, err
		}
		for _, declaration := range file.Decls {
			f, ok := declaration.(*ast.FuncDecl)
			if !ok || f.Recv != nil || file.Name.Name+"."+f.Name.Name != function {
				continue
			}
			at := f.Body.Rbrace
			if i := slices.IndexFunc(f.Body.List, isNoPreparation); i >= 0 {
				at = f.Body.List[i].Pos()
			}
			e := edit{{at, at, "if " + condition + " {\n\t\tpanic(\"planted\")\n\t}\n\t"}}
			planted = append(planted, p.with(name, e.apply(set, text)))
		}
	}
	if len(planted) != 1 {
		return nil, fmt.Errorf("there are %d functions %s, want one", len(planted), function)
	}
	return planted[0], nil
}

// Set is the plugin with another value of a constant, which is called by its package's name and its own.
func (p *Plugin) Set(constant, value string) (*Plugin, error) {
	var changed []*Plugin
	for name, text := range p.own() {
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, name, text, 0)
		if err != nil {
			return nil, err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if ok && len(spec.Names) == 1 && len(spec.Values) == 1 && file.Name.Name+"."+spec.Names[0].Name == constant {
				e := edit{{spec.Values[0].Pos(), spec.Values[0].End(), value}}
				changed = append(changed, p.with(name, e.apply(set, text)))
			}
			return true
		})
	}
	if len(changed) != 1 {
		return nil, fmt.Errorf("there are %d constants %s, want one", len(changed), constant)
	}
	return changed[0], nil
}

// isNoPreparation reports whether a statement is neither a defer nor a lock.
func isNoPreparation(statement ast.Stmt) bool {
	switch s := statement.(type) {
	case *ast.DeferStmt:
		return false
	case *ast.ExprStmt:
		call, isCall := s.X.(*ast.CallExpr)
		if !isCall {
			return true
		}
		method, isMethod := call.Fun.(*ast.SelectorExpr)
		return !isMethod || method.Sel.Name != "Lock"
	}
	return true
}
