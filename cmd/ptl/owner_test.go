//go:build !windows

package main

import (
	"os"
	"syscall"
	"testing"

	"github.com/getportal/ptlauth/cmd/command"
)

// TestOwner: a Traefik that does not run as root can read what `ptl init --owner` makes, also after a change.
func TestOwner(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can give files away")
	}
	s := &testSite{dir: t.TempDir()}
	s.run(t, command.Done, "init", ".", "--owner=65532")
	s.run(t, command.Done, "token", "--name=script")
	for _, name := range []string{"ptlauth/secret", "ptlauth/terminals.json"} {
		info, err := os.Stat(s.path(name))
		if err != nil {
			t.Fatal(err)
		}
		if stat := info.Sys().(*syscall.Stat_t); stat.Uid != 65532 || stat.Gid != 65532 {
			t.Errorf("%s is of %d:%d", name, stat.Uid, stat.Gid)
		}
	}
}
