package program

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/getportal/ptlauth/e2e/poll"
)

// Process is a program that listens, and never outlives this process.
type Process struct {
	output string // the file with what it says
	input  io.WriteCloser
	cmd    *exec.Cmd
}

// Start runs a program until it is ended, or the test ends, and returns when it listens: at host:port, or at a socket's path.
func Start(t *testing.T, env []string, listens, program string, args ...string) *Process {
	t.Helper()
	output, err := os.Create(filepath.Join(t.TempDir(), "output"))
	if err != nil {
		t.Fatal(err)
	}
	defer output.Close()
	// The shell sees its input end however this process ends, so the program never outlives it.
	const script = `"$@" </dev/null & read -r signal || signal=TERM; kill -$signal $!; wait`
	cmd := exec.Command("sh", append([]string{"-c", script, "sh", program}, args...)...)
	cmd.Env = env
	cmd.Stdout, cmd.Stderr = output, output
	input, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &Process{output.Name(), input, cmd}
	t.Cleanup(p.Stop)
	poll.Until(t, 30*time.Second, func() string {
		network := "tcp"
		if filepath.IsAbs(listens) {
			network = "unix"
		}
		conn, err := net.DialTimeout(network, listens, time.Second)
		if err != nil {
			return fmt.Sprintf("%s does not listen: %v\n%s", program, err, p.Said())
		}
		conn.Close()
		return ""
	})
	return p
}

// Stop ends it as an operator does. Once it has ended, that does nothing.
func (p *Process) Stop() { p.end("TERM") }

// Kill ends it as a crash does.
func (p *Process) Kill() { p.end("KILL") }

func (p *Process) end(signal string) {
	if p.cmd.ProcessState != nil {
		return
	}
	_, _ = io.WriteString(p.input, signal+"\n")
	_ = p.input.Close()
	_ = p.cmd.Wait()
}

// Said is what it has written.
func (p *Process) Said() string {
	said, _ := os.ReadFile(p.output)
	return string(said)
}
