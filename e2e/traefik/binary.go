package traefik

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/getportal/ptlauth/e2e/compiled"
)

// Versions are the versions of Traefik that [Binary] can build, the default first.
// Each is a folder beside this file: a module that requires what that Traefik requires.
var Versions = []string{"v3.7", "v3.6"}

// Binary returns the path of a Traefik binary of the given version: one of [Versions], or empty for
// the environment's TRAEFIK_VERSION, else the default.
//
// A binary named by the environment's TRAEFIK is used as it is. Otherwise it is compiled, which takes minutes the
// first time. What goes on meanwhile is written to progress, which may be nil.
func Binary(ctx context.Context, version string, progress io.Writer) (string, error) {
	if binary := os.Getenv("TRAEFIK"); binary != "" {
		found, err := exec.LookPath(binary)
		if err != nil {
			return "", fmt.Errorf("the environment's TRAEFIK: %w", err)
		}
		return filepath.Abs(found)
	}

	version = cmp.Or(version, os.Getenv("TRAEFIK_VERSION"), Versions[0])
	if !slices.Contains(Versions, version) {
		return "", fmt.Errorf("there is no Traefik %q here: want one of %s", version, strings.Join(Versions, ", "))
	}
	here, err := folder()
	if err != nil {
		return "", err
	}
	return compiled.Command{
		Name: "Traefik", Module: "github.com/traefik/traefik/v3", Package: "github.com/traefik/traefik/v3/cmd/traefik",
		Folder: filepath.Join(here, version),
	}.Binary(ctx, progress)
}

// folder is where this package's source is.
func folder() (string, error) {
	_, file, _, _ := runtime.Caller(0)
	dir := filepath.Dir(file)
	if _, err := os.Stat(filepath.Join(dir, Versions[0], "go.mod")); err != nil {
		return "", fmt.Errorf("the source of this package is not where it was compiled (set TRAEFIK and Options.Plugin): %w", err)
	}
	return dir, nil
}
