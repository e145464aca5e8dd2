package program

import (
	"net"
	"testing"
)

// Redis is a server that keeps nothing on the disk.
type Redis struct {
	Addr string
	// Client is the command line of redis-cli that asks it, to which a command is appended, or given as its input.
	Client []string
}

// NewRedis starts one, with options besides, until the test ends.
func NewRedis(t *testing.T, options ...string) *Redis {
	t.Helper()
	server, client := Need(t, "redis-server", "redis-server"), Need(t, "redis-cli", "redis-tools")
	addr := UnusedAddr(t)
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	Spawn(t, addr, server, append([]string{"--bind", host, "--port", port, "--save", "", "--dir", t.TempDir()}, options...)...)
	return &Redis{Addr: addr, Client: []string{client, "-e", "-h", host, "-p", port}}
}

// Do has it do a command, which must end well, and returns what it says.
func (r *Redis) Do(t *testing.T, command ...string) string {
	t.Helper()
	return r.Read(t, "", command...)
}

// Read has it do what is read of an input, as a person would type it.
func (r *Redis) Read(t *testing.T, input string, command ...string) string {
	t.Helper()
	return Output(t, input, r.Client[0], append(r.Client[1:len(r.Client):len(r.Client)], command...)...)
}
