package e2e

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// need returns the path of a program that the test cannot do without. Where it is missing the test is left out, which
// `make test` tells at its end; where nothing may be left out, the test fails.
func need(t *testing.T, program, debianPackage string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err == nil {
		return path
	}
	leftOut := fmt.Sprintf("left out: %s: %s is not installed; apt-get install %s", t.Name(), program, debianPackage)
	if os.Getenv("PTLAUTH_NO_SKIP") != "" {
		t.Fatal(leftOut)
	}
	if list := os.Getenv("LEFT_OUT"); list != "" {
		file, err := os.OpenFile(list, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		if _, err := fmt.Fprintln(file, leftOut); err != nil {
			t.Fatal(err)
		}
	}
	t.Skip(leftOut)
	return ""
}

// spawn runs a program until the test ends, and returns when it listens.
func spawn(t *testing.T, listens, program string, args ...string) {
	t.Helper()
	output, err := os.Create(filepath.Join(t.TempDir(), "output"))
	if err != nil {
		t.Fatal(err)
	}
	defer output.Close()
	// The shell sees its input end however this process ends, so the program never outlives it.
	const script = `"$@" </dev/null & cat; kill $!; wait`
	cmd := exec.Command("sh", append([]string{"-c", script, "sh", program}, args...)...)
	cmd.Stdout, cmd.Stderr = output, output
	input, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		input.Close()
		_ = cmd.Wait()
	})
	eventually(t, 30*time.Second, func() string {
		conn, err := net.DialTimeout("tcp", listens, time.Second)
		if err != nil {
			said, _ := os.ReadFile(output.Name())
			return fmt.Sprintf("%s does not listen: %v\n%s", program, err, said)
		}
		conn.Close()
		return ""
	})
}

// unusedAddr is an address that nobody listens on.
func unusedAddr(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

// eventually fails the test with the last complaint unless there is none in time.
func eventually(t *testing.T, within time.Duration, complaint func() string) {
	t.Helper()
	for deadline := time.Now().Add(within); ; time.Sleep(20 * time.Millisecond) {
		text := complaint()
		if text == "" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(text)
		}
	}
}

func TestNeed(t *testing.T) {
	if program := os.Getenv("NEEDED_PROGRAM"); program != "" {
		need(t, program, "its-package")
		return
	}
	const sentence = "left out: TestNeed: no-such-program is not installed; apt-get install its-package\n"
	for name, test := range map[string]struct{ program, noSkip, outcome, said, listed string }{
		"a program that is there is used":                           {"sh", "", "--- PASS", "PASS", ""},
		"a missing one leaves the test out, and is put on the list": {"no-such-program", "", "--- SKIP", sentence, sentence},
		"a missing one fails where nothing may be left out":         {"no-such-program", "1", "--- FAIL", sentence, ""},
	} {
		t.Run(name, func(t *testing.T) {
			list := filepath.Join(t.TempDir(), "list")
			cmd := exec.Command(os.Args[0], "-test.run=^TestNeed$", "-test.v")
			cmd.Env = append(os.Environ(), "NEEDED_PROGRAM="+test.program, "PTLAUTH_NO_SKIP="+test.noSkip, "LEFT_OUT="+list)
			out, _ := cmd.CombinedOutput()
			if !strings.Contains(string(out), test.outcome) || !strings.Contains(string(out), test.said) {
				t.Errorf("want %q and %q, got\n%s", test.outcome, test.said, out)
			}
			if listed, _ := os.ReadFile(list); string(listed) != test.listed {
				t.Errorf("on the list is %q, want %q", listed, test.listed)
			}
		})
	}
}
