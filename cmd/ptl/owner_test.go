//go:build !windows

package main

import (
	"os"
	"syscall"
	"testing"
)

func ownerOfFile(t *testing.T, path string) (user, group uint32) {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	stat := info.Sys().(*syscall.Stat_t)
	return stat.Uid, stat.Gid
}
