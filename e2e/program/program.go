// Package program finds the programs that tests cannot do without, and runs them for as long as a test.
package program

import (
	"fmt"
	"os"
	"os/exec"
	"testing"

	"github.com/getportal/ptlauth/e2e/port"
)

// Need returns the path of a program that the test cannot do without. Where it is missing the test is left out, which
// `make test` tells at its end; where nothing may be left out, the test fails.
func Need(t *testing.T, program, debianPackage string) string {
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

// Spawn runs a program until the test ends, and returns when it listens: at host:port, or at a socket's path.
func Spawn(t *testing.T, listens, program string, args ...string) {
	t.Helper()
	Start(t, nil, listens, program, args...)
}

// UnusedAddr is an address that nobody listens on.
func UnusedAddr(t *testing.T) string {
	t.Helper()
	number, err := port.Unused()
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("127.0.0.1:%d", number)
}
