package traefik

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gofrs/flock"
)

// Versions are the versions of Traefik that [Binary] can build, the default first.
// Each is a folder beside this file: a module that requires what that Traefik requires.
var Versions = []string{"v3.7", "v3.6"}

var traefikVersion = regexp.MustCompile(`(?m)^\s*(?:require )?github\.com/traefik/traefik/v3 (v\S+)`)

// Binary returns the path of a Traefik binary of the given version: one of [Versions], or empty for
// the environment's TRAEFIK_VERSION, else the default.
//
// A binary named by the environment's TRAEFIK is used as it is. Otherwise the binary is built from the
// Go module proxy, which takes minutes, and kept in the user's cache folder. What goes on meanwhile is
// written to progress, which may be nil.
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
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	if progress == nil {
		progress = io.Discard
	}
	return cached(ctx, filepath.Join(here, version), filepath.Join(cache, "ptlauth"), progress)
}

// cached returns the binary of the module in a folder, building it if nobody did so before.
func cached(ctx context.Context, module, cache string, progress io.Writer) (string, error) {
	requirements, err := os.ReadFile(filepath.Join(module, "go.mod"))
	if err != nil {
		return "", err
	}
	sums, err := os.ReadFile(filepath.Join(module, "go.sum"))
	if err != nil {
		return "", err
	}
	version := traefikVersion.FindSubmatch(requirements)
	if version == nil {
		return "", fmt.Errorf("%s: go.mod does not require Traefik", module)
	}

	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", err
	}
	hash := sha256.Sum256(slices.Concat(requirements, sums))
	binary := filepath.Join(cache, fmt.Sprintf("traefik-%s-%s-%x", version[1], runtime.Version(), hash[:4]))
	if _, err := os.Stat(binary); err == nil {
		return binary, nil
	}

	// Test packages run in parallel processes: the first one builds.
	lock := flock.New(binary + ".lock")
	locked, err := lock.TryLock()
	if err == nil && !locked {
		fmt.Fprintf(progress, "Waiting for another process that builds Traefik %s.\n", version[1])
		_, err = lock.TryLockContext(ctx, 200*time.Millisecond)
	}
	if err != nil {
		return "", fmt.Errorf("locking %s: %w", lock.Path(), err)
	}
	defer lock.Unlock()
	if _, err := os.Stat(binary); err == nil {
		return binary, nil
	}

	fmt.Fprintf(progress, "Building Traefik %s. This is done once and takes some minutes.\n", version[1])
	if err := build(ctx, module, binary+".part", progress); err != nil {
		return "", err
	}
	return binary, os.Rename(binary+".part", binary)
}

func build(ctx context.Context, module, binary string, progress io.Writer) error {
	var output buildOutput
	cmd := exec.CommandContext(ctx, "go", "build", "-mod=readonly", "-v", "-ldflags=-s -w", "-o", binary,
		"github.com/traefik/traefik/v3/cmd/traefik")
	cmd.Dir = module
	cmd.Env = append(os.Environ(), "GOWORK=off")
	cmd.Stdout, cmd.Stderr = &output, &output

	start := time.Now()
	if err := cmd.Start(); err != nil {
		return err
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()

	tick := time.NewTicker(15 * time.Second)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			fmt.Fprintf(progress, "%s, %s\n", output.summary(), time.Since(start).Round(time.Second))
		case err := <-done:
			if err != nil {
				return fmt.Errorf("building Traefik: %w\n%s", errors.Join(err, ctx.Err()), output.tail())
			}
			fmt.Fprintf(progress, "Traefik is built, %s\n", time.Since(start).Round(time.Second))
			return nil
		}
	}
}

// buildOutput is what go build -v prints: the modules it downloads and the packages it compiles.
type buildOutput struct {
	mu    sync.Mutex
	lines []string
	rest  []byte
}

func (o *buildOutput) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.rest = append(o.rest, p...)
	for {
		line, rest, found := bytes.Cut(o.rest, []byte("\n"))
		if !found {
			return len(p), nil
		}
		o.lines = append(o.lines, string(line))
		o.rest = rest
	}
}

func (o *buildOutput) summary() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	var modules int
	for _, line := range o.lines {
		if strings.HasPrefix(line, "go: ") {
			modules++
		}
	}
	if packages := len(o.lines) - modules; packages > 0 {
		return fmt.Sprintf("%d packages compiled", packages)
	}
	return fmt.Sprintf("%d modules downloaded", modules)
}

func (o *buildOutput) tail() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return strings.Join(append(o.lines[max(0, len(o.lines)-20):], string(o.rest)), "\n")
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
