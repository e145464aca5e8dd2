package registry

import (
	"errors"
	"os"
	"path/filepath"
)

// write replaces a file by another one.
func write(path string, content []byte) error {
	file, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"*")
	if err != nil {
		return refused(path, err)
	}
	_, err = file.Write(content)
	if err := errors.Join(err, file.Sync(), file.Close()); err != nil {
		return errors.Join(refused(path, err), os.Remove(file.Name()))
	}
	if err := os.Rename(file.Name(), path); err != nil {
		return errors.Join(refused(path, err), os.Remove(file.Name()))
	}
	return nil
}

func isBusy(error) bool { return false }
