package cluster

import (
	"fmt"
	"net"
	"os"
	"strings"
	"testing"

	"github.com/getportal/ptlauth/e2e/program"
)

// store is a real Redis or etcd, which is stopped, and started with what it has kept, or without.
type store struct {
	name string
	addr string
	// start starts it on a folder.
	start func(t *testing.T, folder string) *program.Process
	// change deletes and puts keys, in one transaction.
	change func(t *testing.T, deleted []string, put ...string)
	// static leads a Traefik to it at an address, and url ptl.
	static func(addr string) string
	url    string
	// mutes has it tell nobody of changes; nil: it cannot.
	mutes func(t *testing.T)
	// isDeafAfterLoss: a Traefik that runs hears of nothing once the store has lost what it told it, until it is restarted.
	isDeafAfterLoss bool

	process *program.Process
	whole   *testing.T // at whose end it ends
	folder  string
}

// newRedis is one that keeps everything at once, as demo/cluster's does.
func newRedis(t *testing.T) *store {
	server, client := program.Need(t, "redis-server", "redis-server"), program.Need(t, "redis-cli", "redis-tools")
	addr := program.UnusedAddr(t)
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	s := &store{name: "Redis", addr: addr, folder: t.TempDir(), url: "redis://" + addr,
		static: func(addr string) string { return "redis: {endpoints: ['" + addr + "']}" }}
	s.start = func(t *testing.T, folder string) *program.Process {
		return program.Start(t, nil, addr, server, "--bind", host, "--port", port, "--dir", folder, "--appendonly", "yes", "--appendfsync", "always", "--save", "",
			"--notify-keyspace-events", "KEA")
	}
	s.mutes = func(t *testing.T) {
		t.Helper()
		program.Output(t, "", client, "-e", "-h", host, "-p", port, "CONFIG", "SET", "notify-keyspace-events", "")
	}
	s.change = func(t *testing.T, deleted []string, put ...string) {
		t.Helper()
		commands := "MULTI\n"
		for _, key := range deleted {
			commands += fmt.Sprintf("DEL %q\n", key)
		}
		for i := 0; i < len(put); i += 2 {
			commands += fmt.Sprintf("SET %q %q\n", put[i], put[i+1])
		}
		if out := program.Output(t, commands+"EXEC\n", client, "-e", "-h", host, "-p", port); strings.Contains(out, "ERR") {
			t.Fatalf("Redis says %s", out)
		}
	}
	return s
}

func newEtcd(t *testing.T) *store {
	server, client := program.Need(t, "etcd", "etcd-server"), program.Need(t, "etcdctl", "etcd-client")
	addr, peer := program.UnusedAddr(t), "http://"+program.UnusedAddr(t)
	s := &store{name: "etcd", addr: addr, folder: t.TempDir(), url: "etcd://" + addr, isDeafAfterLoss: true,
		static: func(addr string) string { return "etcd: {endpoints: ['" + addr + "']}" }}
	s.start = func(t *testing.T, folder string) *program.Process {
		return program.Start(t, nil, addr, server, "--data-dir", folder, "--listen-client-urls", "http://"+addr, "--advertise-client-urls", "http://"+addr,
			"--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", "default="+peer)
	}
	s.change = func(t *testing.T, deleted []string, put ...string) {
		t.Helper()
		// One transaction, whose parts are divided by empty lines.
		commands := "\n"
		for _, key := range deleted {
			commands += "del " + key + "\n"
		}
		for i := 0; i < len(put); i += 2 {
			commands += fmt.Sprintf("put %s \"%s\"\n", put[i], put[i+1])
		}
		program.Output(t, commands+"\n\n", client, "--endpoints", addr, "txn")
	}
	return s
}

// begins starts it with what it has kept.
func (s *store) begins() { s.process = s.start(s.whole, s.folder) }

// keeps has it keep its data in another folder from its next start on, which lives as long as the store.
func (s *store) keeps(t *testing.T, folder string) {
	t.Helper()
	own := s.whole.TempDir()
	if err := os.CopyFS(own, os.DirFS(folder)); err != nil {
		t.Fatal(err)
	}
	s.folder = own
}
