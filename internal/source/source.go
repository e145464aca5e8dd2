// Package source reads the files that change under a running Traefik: secrets,
// keys, lists. The last good content wins: a file that breaks goes on as it was
// until it can be read again, and each change of state is one line in the log.
//
// Files belong to the package, not to a middleware: Traefik builds every
// middleware anew for each of its routers and at every reload, while the
// plugin's package outlives them all. A file that several name is read once.
package source

import (
	"errors"
	"io"
	"os"
	"strconv"
	"sync"

	"github.com/getportal/ptlauth/internal/journal"
)

// limit bounds what is read of a file, in bytes.
const limit = 4 << 20

// Check says what is wrong with a content, in words that do not quote it; empty
// when it is good.
type Check func(content []byte) string

// File is a file that is looked at again and again.
type File struct {
	// Path is the file's name as configured.
	Path string

	check   Check
	mutex   sync.Mutex
	looking bool
	info    os.FileInfo
	content []byte
	version int
	problem string
}

var (
	mutex sync.Mutex
	files = map[string]*File{}
)

// Open returns the file of that path, read at least once. The kind says what its
// check is for: the same path read as something else is another File.
func Open(kind, path string, check Check) *File {
	mutex.Lock()
	f := files[kind+" "+path]
	if f == nil {
		f = &File{Path: path, check: check}
		files[kind+" "+path] = f
	}
	mutex.Unlock()
	Look(f)
	return f
}

// Look reads the file again if its time, size or identity has changed. While one
// looks, the others go on with what is known.
func Look(f *File) {
	f.mutex.Lock()
	if f.looking {
		f.mutex.Unlock()
		return
	}
	f.looking = true
	before := f.info
	broken := f.problem != ""
	f.mutex.Unlock()

	info, content, problem := read(f.Path, before, broken)
	if problem == "" && content != nil {
		problem = f.check(content)
	}

	f.mutex.Lock()
	f.looking = false
	f.info = info
	if problem == "" && content != nil {
		f.content = content
		f.version++
	}
	told := f.problem
	f.problem = problem
	version := f.version
	f.mutex.Unlock()

	if problem == told {
		return
	}
	if problem == "" {
		journal.Error(f.Path + " is in order again")
	} else if version > 0 {
		journal.Error(f.Path + " " + problem + "; its last good content stays in force")
	} else {
		journal.Error(f.Path + " " + problem + "; requests that need it get 503 until it can be read")
	}
}

// Content is the last good content and its version, which counts up at each
// change; version 0 means that there was never a good one.
func Content(f *File) ([]byte, int) {
	f.mutex.Lock()
	content, version := f.content, f.version
	f.mutex.Unlock()
	return content, version
}

// read returns no content when the file is the one that was read before. A file
// that was broken is always read again: it may be in the middle of being written.
func read(path string, before os.FileInfo, broken bool) (os.FileInfo, []byte, string) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, nil, "cannot be read (" + reason(err) + "): create it, or correct the path"
	}
	// Reading a pipe or a device could block for ever.
	if !info.Mode().IsRegular() {
		return nil, nil, "is not a file"
	}
	if info.Size() > limit {
		return nil, nil, "is larger than " + strconv.Itoa(limit>>20) + " MiB"
	}
	if !broken && before != nil && os.SameFile(before, info) &&
		before.ModTime().Equal(info.ModTime()) && before.Size() == info.Size() {
		return info, nil, ""
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, nil, "cannot be read (" + reason(err) + "): let Traefik's user read it"
	}
	content, err := io.ReadAll(io.LimitReader(file, limit+1))
	_ = file.Close()
	if err != nil {
		return nil, nil, "cannot be read (" + reason(err) + ")"
	}
	if len(content) > limit {
		return nil, nil, "is larger than " + strconv.Itoa(limit>>20) + " MiB"
	}
	return info, content, ""
}

// reason is the system's own words, without the path that a log line begins with already.
func reason(err error) string {
	if os.IsNotExist(err) {
		return "no such file"
	}
	if os.IsPermission(err) {
		return "permission denied"
	}
	cause := errors.Unwrap(err)
	if cause != nil {
		return cause.Error()
	}
	return err.Error()
}
