//go:build !windows

package registry

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"

	"github.com/google/renameio/v2"
)

// write replaces a file by one of the same owner and mode, at once, so that whoever reads it reads the old or the new one;
// and waits for the disk.
func write(path string, content []byte) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	folder := filepath.Dir(path)
	file, err := renameio.NewPendingFile(path, renameio.WithTempDir(folder), renameio.WithStaticPermissions(info.Mode().Perm()))
	if err != nil {
		return refused(path, err)
	}
	defer file.Cleanup() //nolint:errcheck // nothing is left of it after a replacement
	if err := give(file.File, info); err != nil {
		return refused(path, err)
	}
	if _, err := file.Write(content); err != nil {
		return refused(path, err)
	}
	if err := file.CloseAtomicallyReplace(); err != nil {
		return refused(path, err)
	}
	return syncFolder(folder)
}

// give lets Traefik's user read on what it could read.
func give(file *os.File, old os.FileInfo) error {
	now, err := file.Stat()
	if err != nil {
		return err
	}
	was, ok := old.Sys().(*syscall.Stat_t)
	is, alike := now.Sys().(*syscall.Stat_t)
	if !ok || !alike || was.Uid == is.Uid && was.Gid == is.Gid {
		return nil
	}
	if err := file.Chown(int(was.Uid), int(was.Gid)); err != nil {
		return err
	}
	return file.Chmod(old.Mode().Perm())
}

// syncFolder has the disk know the new name too.
func syncFolder(folder string) error {
	file, err := os.Open(folder)
	if err != nil {
		return err
	}
	return errors.Join(file.Sync(), file.Close())
}

func isBusy(err error) bool { return errors.Is(err, syscall.EBUSY) }
