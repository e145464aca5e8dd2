package registry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/gofrs/flock"

	"github.com/getportal/ptlauth/internal/terminal"
)

// patience is how long a change waits for those before it.
const patience = 30 * time.Second

// File is a list of terminals in a file.
type File struct {
	// Path is where it is. Of a symbolic link, what it leads to is read and replaced.
	Path string
}

// Read returns the list as it is.
func (f *File) Read() (*List, error) {
	content, err := os.ReadFile(f.Path)
	if err != nil {
		return nil, unread(err)
	}
	l, err := Parse(content)
	if err != nil {
		return nil, fmt.Errorf("%s %w", f.Path, err)
	}
	return l, nil
}

func unread(err error) error {
	return fmt.Errorf("the list of terminals cannot be read: %w (registry in ptl.yml says where it is on this machine; an empty list is [])", err)
}

// Change has one ptl after the other change the list. It is as it was, or as it should be, whatever happens; when Change
// returns without an error, it is on the disk.
func (f *File) Change(ctx context.Context, change func(*List) error) error {
	path, err := filepath.EvalSymlinks(f.Path)
	if err != nil {
		return unread(err)
	}
	unlock, err := lock(ctx, path)
	if err != nil {
		return err
	}
	defer unlock()
	clearLeftovers(path)
	target := &File{Path: path}
	l, err := target.Read()
	if err != nil {
		return err
	}
	before := Format(l)
	if err := change(l); err != nil {
		return err
	}
	after := Format(l)
	if bytes.Equal(before, after) {
		return nil
	}
	if _, problem := terminal.Parse(after); problem != "" {
		return fmt.Errorf("the list is left as it is: afterwards it %s", problem)
	}
	return write(path, after)
}

// Create makes an empty list where there is none.
func (f *File) Create() error {
	file, err := os.OpenFile(f.Path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = file.Write(Format(&List{}))
	return errors.Join(err, file.Sync(), file.Close())
}

// lock waits until no other ptl changes the list. The lock is a file beside it, because the list itself is replaced.
func lock(ctx context.Context, path string) (func(), error) {
	guard := flock.New(path+".lock", flock.SetPermissions(0o644))
	ctx, cancel := context.WithTimeout(ctx, patience)
	locked := make(chan error, 1)
	go func() { locked <- guard.Lock() }()
	select {
	case err := <-locked:
		cancel()
		if err != nil {
			return nil, fmt.Errorf("the list cannot be locked: %w", err)
		}
		return func() { _ = guard.Unlock() }, nil
	case <-ctx.Done():
		cancel()
		go func() {
			if <-locked == nil {
				_ = guard.Unlock()
			}
		}()
		return nil, fmt.Errorf("another ptl has held %s.lock for %s: end it, then try again", path, patience)
	}
}

// clearLeftovers takes away what a ptl that was killed had begun to write. Whoever has the lock knows that nobody writes.
func clearLeftovers(path string) {
	leftover := regexp.MustCompile(`^\.` + regexp.QuoteMeta(filepath.Base(path)) + `\d+$`)
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		return
	}
	for _, entry := range entries {
		if strings.HasPrefix(entry.Name(), ".") && leftover.MatchString(entry.Name()) {
			_ = os.Remove(filepath.Join(filepath.Dir(path), entry.Name()))
		}
	}
}

// refused says why a file could not be replaced.
func refused(path string, err error) error {
	var failed *os.LinkError
	switch {
	case errors.As(err, &failed) && isBusy(failed.Err):
		return fmt.Errorf("%s is mounted by itself, so that it cannot be replaced, and Traefik would not see it change: mount the folder in which it is", path)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%s cannot be replaced: %w (ptl must be allowed to write to its folder, and to give the file to whom it belongs)", path, err)
	}
	return fmt.Errorf("%s cannot be replaced: %w", path, err)
}
