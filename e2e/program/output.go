package program

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// Output is what a program writes that is given that input; it must end well, and within a minute.
func Output(t *testing.T, input, name string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, name, args...)
	command.Env = append(os.Environ(), "ETCDCTL_API=3")
	command.Stdin = strings.NewReader(input)
	out, err := command.Output()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
	return string(out)
}

// Written is what a command writes on standard output and on standard error; it must end well.
func Written(t *testing.T, command *exec.Cmd) (stdout, stderr string) {
	t.Helper()
	var said strings.Builder
	command.Stderr = &said
	out, err := command.Output()
	if err != nil {
		t.Errorf("%q: %v\n%s%s", command.Args, err, out, said.String())
	}
	return strings.TrimSpace(string(out)), said.String()
}
