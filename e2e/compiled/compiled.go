// Package compiled has commands of others that are written in Go: compiled once, from the Go module proxy.
package compiled

import (
	"bytes"
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

// Command is what is to be compiled.
type Command struct {
	Name    string // for people
	Module  string // the path of its module
	Package string // the import path of the command
	Folder  string // where a module is that requires what the command requires, in its go.mod and go.sum
}

// Binary returns the path of the command's binary. It is compiled where nobody did so before, and kept in the user's
// cache folder. What goes on meanwhile is written to progress, which may be nil.
func (c Command) Binary(ctx context.Context, progress io.Writer) (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	if progress == nil {
		progress = io.Discard
	}
	return c.cached(ctx, filepath.Join(cache, "ptlauth"), progress)
}

func (c Command) cached(ctx context.Context, cache string, progress io.Writer) (string, error) {
	requirements, err := os.ReadFile(filepath.Join(c.Folder, "go.mod"))
	if err != nil {
		return "", err
	}
	sums, err := os.ReadFile(filepath.Join(c.Folder, "go.sum"))
	if err != nil {
		return "", err
	}
	version := regexp.MustCompile(`(?m)^\s*(?:require )?` + regexp.QuoteMeta(c.Module) + ` (v\S+)`).FindSubmatch(requirements)
	if version == nil {
		return "", fmt.Errorf("%s: go.mod does not require %s", c.Folder, c.Name)
	}

	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", err
	}
	hash := sha256.Sum256(slices.Concat(requirements, sums))
	binary := filepath.Join(cache, fmt.Sprintf("%s-%s-%s-%x", strings.ToLower(c.Name), version[1], runtime.Version(), hash[:4]))
	if _, err := os.Stat(binary); err == nil {
		return binary, nil
	}

	// Test packages run in parallel processes: the first one builds.
	lock := flock.New(binary + ".lock")
	locked, err := lock.TryLock()
	if err == nil && !locked {
		fmt.Fprintf(progress, "Waiting for another process that builds %s %s.\n", c.Name, version[1])
		_, err = lock.TryLockContext(ctx, 200*time.Millisecond)
	}
	if err != nil {
		return "", fmt.Errorf("locking %s: %w", lock.Path(), err)
	}
	defer lock.Unlock()
	if _, err := os.Stat(binary); err == nil {
		return binary, nil
	}

	fmt.Fprintf(progress, "Building %s %s. This is done once and takes some minutes.\n", c.Name, version[1])
	if err := c.build(ctx, binary+".part", progress); err != nil {
		return "", err
	}
	return binary, os.Rename(binary+".part", binary)
}

func (c Command) build(ctx context.Context, binary string, progress io.Writer) error {
	var output buildOutput
	cmd := exec.CommandContext(ctx, "go", "build", "-mod=readonly", "-v", "-ldflags=-s -w", "-o", binary, c.Package)
	cmd.Dir = c.Folder
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
				return fmt.Errorf("building %s: %w\n%s", c.Name, errors.Join(err, ctx.Err()), output.tail())
			}
			fmt.Fprintf(progress, "%s is built, %s\n", c.Name, time.Since(start).Round(time.Second))
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
