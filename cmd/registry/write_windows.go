package registry

import (
	"errors"
	"os"
	"path/filepath"
	"time"
)

// reading is for how long the file may be open to whoever reads it: it cannot be replaced meanwhile.
const reading = 2 * time.Second

// write replaces a file by another one, with whatever the folder says of who may read it.
func write(path string, content []byte) error {
	file, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"*")
	if err != nil {
		return refused(path, err)
	}
	_, err = file.Write(content)
	if err := errors.Join(err, file.Sync(), file.Close()); err != nil {
		return errors.Join(refused(path, err), os.Remove(file.Name()))
	}
	err = os.Rename(file.Name(), path)
	for began := time.Now(); err != nil && time.Since(began) < reading; err = os.Rename(file.Name(), path) {
		time.Sleep(reading / 100)
	}
	if err != nil {
		return errors.Join(refused(path, err), os.Remove(file.Name()))
	}
	return nil
}

func isBusy(error) bool { return false }
