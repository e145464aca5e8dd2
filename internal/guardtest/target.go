package guardtest

import (
	"bytes"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path"
	"regexp"
	"strconv"
	"strings"
)

// span is a part of a file.
type span struct{ from, to token.Pos }

// target is what a mark is about.
type target struct {
	head span // what must be in the line of the mark
	off  edit // how it is switched off; nil: it does not go without a word on how

	expressions []ast.Expr // what `how` and `instead` are about
	body        span       // what a condition leads to
}

// edit is texts in the place of parts of a file, in their order.
type edit []struct {
	from, to token.Pos
	text     string
}

func (e edit) apply(set *token.FileSet, text []byte) []byte {
	var edited []byte
	from := 0
	for _, one := range e {
		edited = append(edited, text[from:set.Position(one.from).Offset]...)
		edited = append(edited, one.text...)
		from = set.Position(one.to).Offset
	}
	return append(edited, text[from:]...)
}

// around puts texts before and behind what lies between.
func around(before string, from, to token.Pos, behind string) edit {
	return edit{{from, from, before}, {to, to, behind}}
}

// What is switched off stays in the source, so that nothing there is unused.
func never(from, to token.Pos) edit  { return around("(false && (", from, to, "))") }
func always(from, to token.Pos) edit { return around("(true || (", from, to, "))") }

// find finds what a guard is about: the outermost of what is in its line.
func find(set *token.FileSet, file *ast.File, text []byte, g guard) *target {
	line := g.line
	if g.own {
		line = nextLine(text, line)
	}
	isAt := func(s span) bool {
		from, to := set.Position(s.from), set.Position(s.to)
		if g.own {
			before := text[from.Offset-from.Column+1 : from.Offset]
			return from.Line == line && len(bytes.TrimSpace(before)) == 0
		}
		return from.Line == line && to.Line == line
	}
	var found *target
	tagless := map[ast.Node]bool{}
	ast.Inspect(file, func(n ast.Node) bool {
		if found != nil {
			return false
		}
		s, ok := n.(*ast.SwitchStmt)
		if ok && s.Tag == nil {
			for _, clause := range s.Body.List {
				tagless[clause] = true
			}
		}
		t := targetOf(n, tagless[n], isAt)
		if t != nil && isAt(t.head) {
			found = t
		}
		return found == nil
	})
	return found
}

// nextLine is the first one behind a line that holds code.
func nextLine(text []byte, line int) int {
	lines := strings.Split(string(text), "\n")
	for line < len(lines) && strings.HasPrefix(strings.TrimSpace(lines[line]), "//") {
		line++
	}
	return line + 1
}

// targetOf is what could be marked; nil: it is nothing that can.
func targetOf(n ast.Node, isCondition bool, isAt func(span) bool) *target {
	switch n := n.(type) {
	case *ast.IfStmt:
		return &target{head: span{n.If, n.Body.Lbrace}, off: never(n.Cond.Pos(), n.Cond.End()), expressions: []ast.Expr{n.Cond},
			body: span{n.Body.Lbrace + 1, n.Body.Rbrace}}
	case *ast.CaseClause:
		if isCondition && len(n.List) == 1 {
			return &target{head: span{n.Case, n.Colon}, off: never(n.List[0].Pos(), n.List[0].End()), expressions: n.List, body: span{n.Colon + 1, n.End()}}
		}
	case *ast.BinaryExpr:
		if n.Op == token.LAND || n.Op == token.LOR {
			return operandsOf(n, isAt)
		}
	case *ast.ReturnStmt:
		return &target{head: span{n.Pos(), n.End()}, expressions: n.Results}
	case *ast.ValueSpec:
		return &target{head: span{n.Pos(), n.End()}, expressions: n.Values}
	case *ast.KeyValueExpr:
		// With the comma that follows in a line of its own.
		return &target{head: span{n.Pos(), n.End()}, off: edit{{n.Pos(), n.End() + 1, ""}}, expressions: []ast.Expr{n.Value}}
	case *ast.Field:
		return &target{head: span{n.Pos(), n.End()}, off: edit{{n.Pos(), n.End(), ""}}}
	case *ast.AssignStmt:
		t := statement(n)
		t.expressions = n.Rhs
		if n.Tok == token.DEFINE {
			t.off = nil
		}
		return t
	case *ast.ExprStmt:
		t := statement(n)
		t.expressions = []ast.Expr{n.X}
		return t
	case *ast.RangeStmt, *ast.ForStmt, *ast.DeferStmt, *ast.GoStmt, *ast.IncDecStmt:
		return statement(n)
	}
	return nil
}

func statement(n ast.Node) *target {
	return &target{head: span{n.Pos(), n.End()}, off: around("if false { ", n.Pos(), n.End(), " }")}
}

// operandsOf are the operands of one operator that are at the mark.
func operandsOf(chain *ast.BinaryExpr, isAt func(span) bool) *target {
	var operands []ast.Expr
	for _, operand := range flatten(chain, chain.Op) {
		if isAt(span{operand.Pos(), operand.End()}) {
			operands = append(operands, operand)
		}
	}
	if operands == nil {
		return nil
	}
	first, last := operands[0], operands[len(operands)-1]
	t := &target{head: span{first.Pos(), first.End()}, off: never(first.Pos(), last.End())}
	if chain.Op == token.LAND {
		t.off = always(first.Pos(), last.End())
	}
	if len(operands) == 1 {
		t.expressions = operands
	}
	return t
}

func flatten(e ast.Expr, op token.Token) []ast.Expr {
	b, ok := e.(*ast.BinaryExpr)
	if !ok || b.Op != op {
		return []ast.Expr{e}
	}
	return append(flatten(b.X, op), b.Y)
}

// edit is what a mutation does.
func (t *target) edit(m Mutation) (edit, error) {
	if m.How == "" && m.Instead == "" {
		if t.off == nil {
			return nil, errors.New("it cannot be left out: say how")
		}
		return t.off, nil
	}
	if m.How != "" && m.Instead != "" {
		return nil, errors.New("how and instead: keep one")
	}
	if strings.HasPrefix(m.Instead, "return ") {
		if t.body.from == 0 {
			return nil, errors.New("a return in the place of what is no condition")
		}
		return edit{{t.body.from, t.body.to, "\n" + m.Instead + "\n"}}, nil
	}
	if len(t.expressions) == 0 {
		return nil, errors.New("there is no expression for `how` or `instead`")
	}
	first := t.expressions[0]
	from, to := first.Pos(), t.expressions[len(t.expressions)-1].End()
	switch m.How {
	case "":
		return edit{{from, to, m.Instead}}, nil
	case "always":
		return always(from, to), nil
	case "never":
		return never(from, to), nil
	case "unchanged":
		call, ok := first.(*ast.CallExpr)
		if !ok || len(call.Args) != 1 || len(t.expressions) != 1 {
			return nil, errors.New("it is no call with one argument")
		}
		return edit{{call.Pos(), call.Args[0].Pos(), ""}, {call.Args[0].End(), call.End(), ""}}, nil
	}
	return nil, fmt.Errorf("how is %q: always, never or unchanged", m.How)
}

// version is a module's major version at the end of an import's path.
var version = regexp.MustCompile(`/v\d+$`)

// tidy has the imports that nothing uses any more be no error.
func tidy(text []byte) ([]byte, error) {
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, "", text, 0)
	if err != nil {
		return nil, err
	}
	used := map[string]bool{}
	ast.Inspect(file, func(n ast.Node) bool {
		s, ok := n.(*ast.SelectorExpr)
		if ok {
			id, ok := s.X.(*ast.Ident)
			if ok {
				used[id.Name] = true
			}
		}
		return true
	})
	var e edit
	for _, spec := range file.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return nil, err
		}
		name := path.Base(version.ReplaceAllString(imported, ""))
		if spec.Name != nil {
			name = spec.Name.Name
		}
		if !used[name] {
			e = append(e, edit{{spec.Pos(), spec.End(), "_ " + spec.Path.Value}}...)
		}
	}
	return e.apply(set, text), nil
}
