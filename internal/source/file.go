package source

import (
	"bytes"
	"errors"
	"io"
	"os"
	"time"
)

const (
	// mtimeSettle is how long ago a file must have changed for its time to show the next
	// change: two writes within a clock tick leave the same time.
	mtimeSettle = time.Second
	// maxAtOnce is the size, in bytes, up to which a file is read by whoever looks at it.
	// Interpreted, a list of that size takes a millisecond or two.
	maxAtOnce = 64 << 10
)

// lookAtFile reads a file that has changed. A long list is read beside.
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

	info, problem := stat(s.path, s.limit)
	isSame := problem == "" && before != nil &&
		os.SameFile(before, info) && before.ModTime().Equal(info.ModTime()) && before.Size() == info.Size()
	if problem == "" && !isSame && s.limit > maxShort && info.Size() > maxAtOnce {
		readBeside(s, info, now)
		return
	}
	var content []byte
	if isSame {
		s.mutex.Lock()
		problem = s.problem
		s.mutex.Unlock()
	} else if problem == "" {
		content, problem = readFile(s.path, info.Size(), s.limit)
	}
	settle(s, content, problem)
	noteFile(s, info, now)
}

// noteFile ends a look at a file; info is nil where there is none.
func noteFile(s *Source, info os.FileInfo, now time.Time) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.looking = false
	s.inFlight = nil
	s.info = nil
	if info != nil && now.Sub(info.ModTime()) > mtimeSettle {
		s.info = info
	}
}

// readBeside reads on a goroutine of its own, where a panic would end Traefik. Under
// Yaegi, recover works in a closure and in no other deferred function.
func readBeside(s *Source, info os.FileInfo, now time.Time) {
	s.mutex.Lock()
	landed := start(s, now)
	s.mutex.Unlock()
	go func() {
		defer landed()
		defer func() {
			if recover() != nil {
				settle(s, nil, bug)
				noteFile(s, nil, now)
			}
		}()
		content, problem := readFile(s.path, info.Size(), s.limit)
		settle(s, content, problem)
		noteFile(s, info, now)
	}()
}

func stat(path string, limit int) (os.FileInfo, string) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, "cannot be read (" + reason(err) + "): create it, or correct the path, as Traefik sees it (in a container, mount its folder; elsewhere, let Traefik's user into it)"
	}
	// Reading a pipe or a device could block for ever.
	if !info.Mode().IsRegular() {
		return nil, "is not a file: put one in its place"
	}
	if info.Size() > int64(limit) {
		return nil, tooLarge(limit)
	}
	return info, ""
}

// readFile reads a file whose size is known, so that it is held once.
func readFile(path string, size int64, limit int) ([]byte, string) {
	file, err := os.Open(path)
	if err != nil {
		return nil, "cannot be read (" + reason(err) + "): let Traefik's user read it"
	}
	content, err := readAll(file, size, limit)
	_ = file.Close()
	if err != nil {
		return nil, "cannot be read (" + reason(err) + ")"
	}
	if len(content) > limit {
		return nil, tooLarge(limit)
	}
	return content, ""
}

// readAll reads at most a byte more than the limit. size is what is expected, in bytes;
// -1 when that is not known.
func readAll(r io.Reader, size int64, limit int) ([]byte, error) {
	var content bytes.Buffer
	if size > 0 && size <= int64(limit) {
		content.Grow(int(size) + bytes.MinRead)
	}
	_, err := content.ReadFrom(io.LimitReader(r, int64(limit)+1))
	return content.Bytes(), err
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
