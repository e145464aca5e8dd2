//go:build unix

package program

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"

	"github.com/getportal/ptlauth/e2e/poll"
)

// Screen is a terminal with a program on it, as on somebody's desk.
type Screen struct {
	cmd      *exec.Cmd
	terminal *os.File
	exited   chan struct{}
	drained  chan struct{} // all of its text is read

	mu   sync.Mutex
	text bytes.Buffer
}

// NewScreen starts a program in a folder. It and what it has started end with the test.
func NewScreen(t *testing.T, dir string, env []string, words ...string) *Screen {
	t.Helper()
	// The shell finds programs where this environment says, and not this process's.
	s := &Screen{cmd: exec.Command("sh", append([]string{"-c", `exec "$@"`, "sh"}, words...)...), exited: make(chan struct{}), drained: make(chan struct{})}
	s.cmd.Dir, s.cmd.Env = dir, env
	terminal, err := pty.StartWithSize(s.cmd, &pty.Winsize{Rows: 50, Cols: 120})
	if err != nil {
		t.Fatal(err)
	}
	s.terminal = terminal
	t.Cleanup(func() {
		_ = syscall.Kill(-s.cmd.Process.Pid, syscall.SIGKILL)
		<-s.exited
		_ = terminal.Close()
	})
	go func() {
		_, _ = s.readFrom(terminal)
		close(s.drained)
	}()
	go func() {
		_ = s.cmd.Wait()
		close(s.exited)
	}()
	return s
}

func (s *Screen) readFrom(terminal *os.File) (int, error) {
	part := make([]byte, 4096)
	for {
		n, err := terminal.Read(part)
		s.mu.Lock()
		s.text.Write(part[:n])
		s.mu.Unlock()
		if err != nil {
			return n, err
		}
	}
}

// Process is the program's id, and that of the group of all that it starts.
func (s *Screen) Process() int { return s.cmd.Process.Pid }

// Text is all that was written, without the terminal's own marks.
func (s *Screen) Text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return marks.ReplaceAllString(strings.ReplaceAll(s.text.String(), "\r\n", "\n"), "")
}

// marks are colours, and the beginning of a line anew.
var marks = regexp.MustCompile(`\x1b\[[0-9;]*[A-Za-z]`)

// Await returns what matches, as soon as it is there.
func (s *Screen) Await(t *testing.T, pattern string) string {
	t.Helper()
	expression := regexp.MustCompile(pattern)
	found := ""
	poll.Until(t, 3*time.Minute, func() string {
		over := s.isOver()
		found = expression.FindString(s.Text())
		if found == "" && over {
			t.Fatalf("it has ended without %s:\n%s", pattern, s.Text())
		}
		if found == "" {
			return fmt.Sprintf("%s is not in\n%s", pattern, s.Text())
		}
		return ""
	})
	return found
}

func (s *Screen) isOver() bool {
	select {
	case <-s.exited:
		time.Sleep(100 * time.Millisecond) // its last words are on their way
		return true
	default:
		return false
	}
}

// Type presses keys: "\n" is Enter, "\x03" Ctrl-C.
func (s *Screen) Type(t *testing.T, keys string) {
	t.Helper()
	if _, err := s.terminal.WriteString(keys); err != nil {
		t.Fatal(err)
	}
}

// End waits until the program has ended, and returns its exit code.
func (s *Screen) End(t *testing.T, within time.Duration) int {
	t.Helper()
	select {
	case <-s.exited:
	case <-time.After(within):
		t.Fatalf("it is still there after %s:\n%s", within, s.Text())
	}
	// What it wrote last may not be read yet; what it has started may still have the screen.
	select {
	case <-s.drained:
	case <-time.After(2 * time.Second):
	}
	return s.cmd.ProcessState.ExitCode()
}
