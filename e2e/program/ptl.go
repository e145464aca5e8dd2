package program

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
)

// WithPtl builds ptl of this repository, and returns an environment in which a shell finds it.
func WithPtl(t *testing.T) []string {
	t.Helper()
	dir := t.TempDir()
	_, file, _, _ := runtime.Caller(0)
	build := exec.CommandContext(t.Context(), "go", "build", "-buildvcs=false", "-modfile=dev.mod", "-o", dir+string(filepath.Separator), "./ptl")
	build.Dir = filepath.Join(filepath.Dir(file), "..", "..", "cmd")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return append(os.Environ(), "PATH="+dir+string(os.PathListSeparator)+os.Getenv("PATH"))
}
