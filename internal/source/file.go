package source

import (
	"errors"
	"io"
	"os"
	"strconv"
	"time"
)

// settled is how long ago a file must have changed for its time to tell the next
// change: two writes within a clock tick leave the same time.
const settled = time.Second

func lookAtFile(s *Source) {
	now := time.Now()
	s.mutex.Lock()
	s.used = now
	if s.looking {
		s.mutex.Unlock()
		return
	}
	s.looking = true
	before := s.info
	s.mutex.Unlock()

	info, content, problem := read(s.path, before)
	if problem == "" && content == nil {
		s.mutex.Lock()
		problem = s.problem
		s.mutex.Unlock()
	}
	settle(s, content, problem)

	s.mutex.Lock()
	s.looking = false
	s.info = nil
	if info != nil && now.Sub(info.ModTime()) > settled {
		s.info = info
	}
	s.mutex.Unlock()
}

// read returns no content when the file is the one that was read before.
func read(path string, before os.FileInfo) (os.FileInfo, []byte, string) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, nil, "cannot be read (" + reason(err) + "): create it, or correct the path"
	}
	// Reading a pipe or a device could block for ever.
	if !info.Mode().IsRegular() {
		return nil, nil, "is not a file: put one in its place"
	}
	if info.Size() > limit {
		return nil, nil, tooLarge()
	}
	if before != nil && os.SameFile(before, info) && before.ModTime().Equal(info.ModTime()) && before.Size() == info.Size() {
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
		return nil, nil, tooLarge()
	}
	return info, content, ""
}

func tooLarge() string {
	return "is larger than " + strconv.Itoa(limit>>20) + " MiB: put the right one in its place"
}

// reason is the system's own words, without the path that a log line begins with already.
func reason(err error) string {
	if os.IsNotExist(err) {
		return "no such file"
	}
	cause := errors.Unwrap(err)
	if cause != nil {
		return cause.Error()
	}
	return err.Error()
}
