package docs

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/tools/go/packages"
)

// TestSystems: ptl and its tests are good Go for Windows and macOS too. What they use is read for its declarations alone,
// which takes a tenth of what it takes to compile it.
func TestSystems(t *testing.T) {
	own, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	declarations := func(set *token.FileSet, name string, content []byte) (*ast.File, error) {
		file, err := parser.ParseFile(set, name, content, parser.SkipObjectResolution)
		if file == nil || strings.HasPrefix(name, own) || filepath.Ext(name) != ".go" {
			return file, err
		}
		for _, declaration := range file.Decls {
			if function, isFunction := declaration.(*ast.FuncDecl); isFunction {
				function.Body = nil
			}
		}
		return file, err
	}
	for _, system := range []string{"windows", "darwin"} {
		t.Run(system, func(t *testing.T) {
			cmd := filepath.Join(own, "cmd")
			all, err := packages.Load(&packages.Config{
				Mode: packages.LoadAllSyntax, Dir: cmd, Tests: true, ParseFile: declarations,
				Env: append(os.Environ(), "GOOS="+system, "GOFLAGS=-overlay="+filepath.Join(cmd, "dev.json")),
			}, "./...")
			if err != nil || len(all) < 20 {
				t.Fatalf("%d packages: %v", len(all), err)
			}
			for _, p := range all {
				for _, mistake := range p.Errors {
					t.Error(mistake)
				}
			}
		})
	}
}
