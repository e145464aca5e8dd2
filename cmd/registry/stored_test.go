package registry

import (
	"cmp"
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"

	"github.com/getportal/ptlauth/cmd/store"
)

// stores are real ones, all or those that are named, with an address that each test can begin anew.
func stores(t *testing.T, named ...string) map[string]string {
	t.Helper()
	isNamed := func(name string) bool { return len(named) == 0 || slices.Contains(named, name) }
	free := func() string {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer listener.Close()
		return listener.Addr().String()
	}
	begin := func(listens, name string, args ...string) bool {
		path, err := exec.LookPath(name)
		if err != nil && os.Getenv("PTLAUTH_NO_SKIP") == "" {
			t.Logf("%s is not installed", name)
			return false
		}
		command := exec.Command(path, args...)
		if err := command.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = command.Process.Kill(); _ = command.Wait() })
		for range 200 {
			if conn, err := net.Dial("tcp", listens); err == nil {
				conn.Close()
				return true
			}
			time.Sleep(50 * time.Millisecond)
		}
		t.Fatalf("%s does not listen", name)
		return false
	}
	all := map[string]string{}
	redis, etcd, peer := free(), free(), free()
	host, redisPort, _ := net.SplitHostPort(redis)
	if isNamed("Redis") && begin(redis, "redis-server", "--bind", host, "--port", redisPort, "--save", "", "--dir", t.TempDir(), "--user", "ptl", "on", ">p/w", "~*", "&*", "+@all") {
		all["Redis"] = "redis://ptl:p%2Fw@" + redis + "/3"
	}
	if isNamed("etcd") && begin(etcd, "etcd", "--data-dir", t.TempDir(), "--listen-client-urls", "http://"+etcd, "--advertise-client-urls", "http://"+etcd,
		"--listen-peer-urls", "http://"+peer, "--initial-advertise-peer-urls", "http://"+peer, "--initial-cluster", "default=http://"+peer, "--unsafe-no-fsync") {
		all["etcd"] = "etcd://" + etcd
	}
	// Consul is no Debian package: without it no test fails.
	if path, err := exec.LookPath(cmp.Or(os.Getenv("PTLAUTH_CONSUL"), "consul")); err == nil && isNamed("Consul") {
		listens := free()
		dir := t.TempDir()
		config := fmt.Sprintf(`{"server": true, "bootstrap_expect": 1, "bind_addr": "127.0.0.1", "client_addr": "127.0.0.1", "data_dir": %q, "node_name": "one",
			"ports": {"http": %s, "server": %s, "serf_lan": %s, "serf_wan": %s, "dns": -1, "grpc": -1, "grpc_tls": -1}, "connect": {"enabled": false},
			"acl": {"enabled": true, "default_policy": "deny", "tokens": {"initial_management": %q, "agent": %[6]q}}, "limits": {"http_max_conns_per_client": 2000}}`,
			dir, port(listens), port(free()), port(free()), port(free()), consulToken)
		if err := os.WriteFile(dir+".json", []byte(config), 0o600); err != nil {
			t.Fatal(err)
		}
		if begin(listens, path, "agent", "-config-file", dir+".json") {
			all["Consul"] = "consul://:" + consulToken + "@" + listens
			await(t, all["Consul"])
		}
	}
	const jar = "/usr/share/java/zookeeper.jar" // Debian's libzookeeper-java
	if _, err := os.Stat(jar); err != nil && os.Getenv("PTLAUTH_NO_SKIP") == "" {
		t.Logf("%s is not installed", jar)
	} else if zookeeper := free(); isNamed("ZooKeeper") && begin(zookeeper, "java", "-XX:TieredStopAtLevel=1", "-Xmx128m", "-Dzookeeper.admin.enableServer=false", "-Dzookeeper.forceSync=no",
		"-cp", jar, "org.apache.zookeeper.server.ZooKeeperServerMain", port(zookeeper), t.TempDir()) {
		all["ZooKeeper"] = "zookeeper://" + zookeeper
		awaitZooKeeper(t, zookeeper)
	}
	if len(all) == 0 {
		t.Skip("there is no store")
	}
	return all
}

const consulToken = "0b9c3a51-5c3e-4b58-9d63-2e1c1f0b7a11"

func port(address string) string { return address[strings.LastIndex(address, ":")+1:] }

// await waits until a store answers.
func await(t *testing.T, address string) {
	t.Helper()
	a, err := store.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	for range 600 {
		s, openErr := store.Open(a)
		if openErr == nil {
			_, openErr = s.List(t.Context(), "none/")
			s.Close()
		}
		if err = openErr; err == nil {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatal(err)
}

// awaitZooKeeper waits until one that listens serves too.
func awaitZooKeeper(t *testing.T, address string) {
	t.Helper()
	said := []byte(nil)
	for range 200 {
		if conn, err := net.Dial("tcp", address); err == nil {
			_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
			_, _ = conn.Write([]byte("srvr"))
			said, _ = io.ReadAll(conn)
			conn.Close()
			if strings.Contains(string(said), "Mode:") {
				return
			}
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatalf("ZooKeeper says %q", said)
}

// opened is a list below a root key of its own, with these keys of the middleware's options.
func opened(t *testing.T, address, root string, pairs map[string]string) *Stored {
	t.Helper()
	a, err := store.Parse(address + "?rootKey=" + root)
	if err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(a)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	l := &Stored{Store: s, Middlewares: root + "/http/middlewares/", Name: "auth", Plugin: "ptlauth"}
	for key, value := range pairs {
		if isDone, err := s.Commit(t.Context(), []store.Change{{Key: l.Middlewares + "auth/plugin/ptlauth/" + key, Is: &value}}); err != nil || !isDone {
			t.Fatal(isDone, err)
		}
	}
	return l
}

// kept are the keys of the middleware's devices, and their values.
func kept(t *testing.T, l *Stored) string {
	t.Helper()
	folder := l.Middlewares + "auth/plugin/ptlauth/terminals/"
	pairs, err := l.Store.List(t.Context(), folder)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, key := range slices.Sorted(maps.Keys(pairs)) {
		if _, isEmptying := l.Store.(store.Sweeper); isEmptying && strings.TrimSpace(pairs[key]) == "" {
			continue
		}
		lines = append(lines, strings.TrimPrefix(key, folder)+"="+pairs[key])
	}
	return strings.Join(lines, " ")
}

// TestStored: what changes do in a store, and what is refused there.
func TestStored(t *testing.T) {
	two := map[string]string{"paired/k7p2x9/name": "Laptop", "paired/k7p2x9/user": "ann", "paired/phone7/name": "Phone"}
	const unchanged = "paired/k7p2x9/name=Laptop paired/k7p2x9/user=ann paired/phone7/name=Phone"
	codes := &Pairing{Ends: 7, Link: "l", Code: "c", Watch: "w"}
	const waits = "m/name=Tab m/pairing/code=c m/pairing/ends=7 m/pairing/link=l m/pairing/watch=w m/user=ben"
	waiting := map[string]string{}
	for pair := range strings.FieldsSeq(strings.ReplaceAll(waits, "m/", "paired/a1/")) {
		key, value, _ := strings.Cut(pair, "=")
		waiting[key] = value
	}
	tests := []struct {
		name     string
		before   map[string]string
		change   func(*List)
		after    string // empty: as before
		mistaken string
	}{
		{"nothing changes", two, func(*List) {}, unchanged, ""},
		{"a device comes", two, func(l *List) { l.Add("a1", "Tab, <3", "ben", nil).Settle(1) }, "paired/a1/name=Tab, <3 paired/a1/since=1 paired/a1/user=ben " + unchanged, ""},
		{"when its token ends is with it", two, func(l *List) { l.Add("a1", "Tab", "", nil).SetUntil(9) }, "paired/a1/name=Tab paired/a1/until=9 " + unchanged, ""},
		{"and goes, once one has no end", map[string]string{"paired/a1/name": "x", "paired/a1/until": "9"}, func(l *List) {
			if ends := l.Find("a1").Until(); ends != 9 {
				t.Errorf("its last token ends at %d", ends)
			}
			l.Find("a1").SetUntil(0)
		}, "paired/a1/name=x", ""},
		{"one that waits for its code", two, func(l *List) { l.Add("a1", "Tab", "ben", codes) }, strings.ReplaceAll(waits, "m/", "paired/a1/") + " " + unchanged, ""},
		{"its code is used", waiting, func(l *List) {
			if p := l.Find("a1").Pairing(); p == nil || *p != *codes {
				t.Errorf("its codes are %v", p)
			}
			l.Find("a1").Settle(5)
		}, "paired/a1/name=Tab paired/a1/since=5 paired/a1/user=ben", ""},
		{"its code is taken back, and it stays", waiting, func(l *List) { l.Find("a1").DropCodes() }, "paired/a1/name=Tab paired/a1/user=ben", ""},
		{"it is called otherwise meanwhile", waiting, func(l *List) { l.Find("a1").SetName("Tablet") }, strings.ReplaceAll(strings.Replace(waits, "Tab", "Tablet", 1), "m/", "paired/a1/"), ""},
		{"it goes, with its codes", waiting, func(l *List) { l.Remove("a1") }, "", ""},
		{"codes by half are none, and stay", map[string]string{"paired/a1/name": "x", "paired/a1/pairing/ends": "7"}, func(l *List) {
			if p := l.Find("a1").Pairing(); p != nil {
				t.Errorf("its codes are %v", p)
			}
			l.Find("a1").SetName("y")
		}, "paired/a1/name=y paired/a1/pairing/ends=7", ""},
		{"the first one", nil, func(l *List) { l.Add("a1", "", "ben", nil) }, "paired/a1/user=ben", ""},
		{"one goes, with all its keys", map[string]string{"paired/a1/name": "x", "paired/a1/icon/0": "x", "paired/b1/name": "y"}, func(l *List) { l.Remove("a1") }, "paired/b1/name=y", ""},
		{"the last one goes", map[string]string{"paired/a1/name": "x"}, func(l *List) { l.Remove("a1") }, "", ""},
		{"another name", two, func(l *List) { l.Find("k7p2x9").SetName("Old laptop") }, strings.Replace(unchanged, "Laptop", "Old laptop", 1), ""},
		{"a user where there was none", two, func(l *List) { l.Find("phone7").SetUser("ben") }, unchanged + " paired/phone7/user=ben", ""},
		{"an id of its own", map[string]string{"paired/x/id": "k7p2x9", "paired/x/NAME": "y"}, func(l *List) { l.Find("k7p2x9").SetName("z") }, "paired/x/NAME=z paired/x/id=k7p2x9", ""},
		{"what nobody has completed can go", map[string]string{"paired/a1/icon": "x", "paired/b1/name": "y"}, func(l *List) {
			if l.Find("a1").IsNobodys() {
				l.Remove("a1")
			}
		}, "paired/b1/name=y", ""},
		{"an id in capital letters too", two, func(l *List) { l.Add("K7P2X9", "x", "", nil) }, unchanged, "differ in case alone"},
		{"an id of digits", two, func(l *List) { l.Add("123456", "x", "", nil) }, unchanged, "takes digits for an index"},
		{"a device without a name and a user", two, func(l *List) { l.Add("a1", "", "", nil) }, unchanged, "needs a name or a user"},
		{"a name for which Traefik drops everything", two, func(l *List) { l.Find("phone7").SetName(",x") }, unchanged, "cannot begin with a comma"},
		{"two that Traefik merges", map[string]string{"paired/a1/name": "x", "paired/A1/user": "y"}, nil, "", "differ in case alone"},
		{"a list, by its indices", map[string]string{"paired/0/id": "a1", "paired/0/name": "x"}, nil, "", "of digits alone"},
		{"a list that is in a file", map[string]string{"file": "/x"}, nil, "", "does not read its devices from terminals/paired"},
	}
	for engine, address := range stores(t) {
		for i, test := range tests {
			t.Run(test.name+" in "+engine, func(t *testing.T) {
				pairs := map[string]string{"secretFile": "/x"}
				for key, value := range test.before {
					pairs["terminals/"+key] = value
				}
				l := opened(t, address, fmt.Sprintf("root[%d]", i), pairs)
				before := kept(t, l)
				err := l.Change(t.Context(), func(list *List) error { test.change(list); return nil })
				if (err == nil) != (test.mistaken == "") || err != nil && !strings.Contains(err.Error(), test.mistaken) {
					t.Errorf("the error is %v, want %q", err, test.mistaken)
				}
				if after := kept(t, l); after != test.after && (test.mistaken == "" || after != before) {
					t.Errorf("then the store has\n%s\nwant\n%s", after, test.after)
				}
			})
		}
		t.Run("there is no such middleware in "+engine, func(t *testing.T) {
			if _, err := opened(t, address, "empty", nil).Read(); err == nil || !strings.Contains(err.Error(), "there is no middleware auth") {
				t.Errorf("the error is %v", err)
			}
		})
		t.Run("who was taken out meanwhile is not brought back by another name in "+engine, func(t *testing.T) { meanwhile(t, address) })
		t.Run("who is thrown out while its code is used leaves nothing in "+engine, func(t *testing.T) { whileUsed(t, address) })
		t.Run("more go at once than a transaction holds in "+engine, func(t *testing.T) { goneAtOnce(t, address) })
		t.Run("many change one and the same in "+engine, func(t *testing.T) { atOnce(t, address) })
	}
}

func meanwhile(t *testing.T, address string) {
	l := opened(t, address, "meanwhile", map[string]string{"secretFile": "/x", "terminals/paired/a1/user": "ann"})
	tries := 0
	err := l.Change(t.Context(), func(list *List) error {
		tries++
		a1 := list.Find("a1")
		if a1 == nil {
			return context.Canceled
		}
		a1.SetName("new")
		return l.Change(t.Context(), func(other *List) error { other.Remove("a1"); return nil })
	})
	if err != context.Canceled || tries != 2 || kept(t, l) != "" { //nolint:errorlint // it is handed on
		t.Errorf("after %d tries the error is %v, and the store has %s", tries, err, kept(t, l))
	}
}

func whileUsed(t *testing.T, address string) {
	l := opened(t, address, "whileused", map[string]string{"secretFile": "/x", "terminals/paired/a1/user": "ann"})
	tries := 0
	err := l.Change(t.Context(), func(list *List) error {
		tries++
		list.Remove("a1")
		if tries > 1 {
			return nil
		}
		return l.Change(t.Context(), func(other *List) error { other.Find("a1").Settle(5); return nil })
	})
	if err != nil || tries != 2 || kept(t, l) != "" {
		t.Errorf("after %d tries the error is %v, and the store has %s", tries, err, kept(t, l))
	}
}

func goneAtOnce(t *testing.T, address string) {
	l := opened(t, address, "goneatonce", map[string]string{"secretFile": "/x"})
	const count = 40
	for _, change := range []func(*List){
		func(list *List) {
			for i := range count {
				list.Add(fmt.Sprintf("a%d", i), "x", "ann", nil)
			}
		},
		func(list *List) {
			for i := range count - 1 {
				list.Remove(fmt.Sprintf("a%d", i))
			}
		},
	} {
		if err := l.Change(t.Context(), func(list *List) error { change(list); return nil }); err != nil {
			t.Fatal(err)
		}
	}
	if want := fmt.Sprintf("paired/a%d/name=x paired/a%[1]d/user=ann", count-1); kept(t, l) != want {
		t.Errorf("the store has %s, want %s", kept(t, l), want)
	}
}

func atOnce(t *testing.T, address string) {
	l := opened(t, address, "atonce", map[string]string{"secretFile": "/x", "terminals/paired/a1/name": "0", "terminals/paired/a1/user": "ann"})
	const count = 30
	var all sync.WaitGroup
	for range count {
		all.Go(func() {
			err := l.Change(t.Context(), func(list *List) error {
				number := 0
				_, err := fmt.Sscan(list.Find("a1").Name(), &number)
				list.Find("a1").SetName(fmt.Sprint(number + 1))
				return err
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if want := fmt.Sprintf("paired/a1/name=%d paired/a1/user=ann", count); kept(t, l) != want {
		t.Errorf("the store has %s, want %s", kept(t, l), want)
	}
}

// TestSwept: what is taken out of ZooKeeper is emptied, and deleted when no Traefik can be reading any more.
func TestSwept(t *testing.T) {
	address := stores(t, "ZooKeeper")["ZooKeeper"]
	was := store.Rest
	t.Cleanup(func() { store.Rest = was })
	conn, _, err := zk.Connect([]string{strings.TrimPrefix(address, "zookeeper://")}, 10*time.Second, zk.WithLogInfo(false))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	for i, test := range []struct {
		name     string
		rest     time.Duration
		byOthers bool
		left     string
	}{
		{"it was changed a moment ago", time.Hour, false, "paired/a1/name paired/a1/user paired/b1/name"},
		{"nobody has changed anything for long", 0, false, "paired/b1/name"},
		{"somebody else has made Traefik read", 0, true, "paired/a1/name paired/a1/user paired/b1/name"},
	} {
		t.Run(test.name, func(t *testing.T) {
			store.Rest = test.rest
			root := fmt.Sprintf("swept%d", i)
			l := opened(t, address, root, map[string]string{"secretFile": "/x", "terminals/paired/a1/name": "x", "terminals/paired/a1/user": "ann", "terminals/paired/b1/name": "y"})
			if err := l.Change(t.Context(), func(list *List) error { list.Remove("a1"); return nil }); err != nil {
				t.Fatal(err)
			}
			if list, err := l.Read(); err != nil || len(list.Terminals) != 1 {
				t.Fatal(list, err)
			}
			if test.byOthers {
				if _, err := conn.Create("/"+root+"/tcp", nil, 0, zk.WorldACL(zk.PermAll)); err != nil {
					t.Fatal(err)
				}
			}
			if err := l.Change(t.Context(), func(list *List) error { list.Find("b1").SetName("z"); return nil }); err != nil {
				t.Fatal(err)
			}
			folder := l.Middlewares + "auth/plugin/ptlauth/terminals/"
			pairs, err := l.Store.List(t.Context(), folder)
			if err != nil {
				t.Fatal(err)
			}
			var left []string
			for _, key := range slices.Sorted(maps.Keys(pairs)) {
				left = append(left, strings.TrimPrefix(key, folder))
			}
			if got := strings.Join(left, " "); got != test.left || kept(t, l) != "paired/b1/name=z" {
				t.Errorf("left are %s, want %s; with a value %s", got, test.left, kept(t, l))
			}
		})
	}
}

// TestPermissions: a new node in ZooKeeper is whose folder it is in, and who may not read or write says so without a secret.
func TestPermissions(t *testing.T) {
	address := stores(t, "ZooKeeper")["ZooKeeper"]
	server := strings.TrimPrefix(address, "zookeeper://")
	conn, _, err := zk.Connect([]string{server}, 10*time.Second, zk.WithLogInfo(false))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	own := append(zk.DigestACL(zk.PermAll, "ptl", "hunter2"), zk.DigestACL(zk.PermAll&^zk.PermAdmin, "less", "hunter3")...)
	if _, err := conn.Create("/own", nil, 0, own); err != nil {
		t.Fatal(err)
	}
	l := opened(t, "zookeeper://ptl:hunter2@"+server, "own", map[string]string{"secretFile": "/x", "terminals/paired/a1/user": "ann"})
	if list, err := l.Read(); err != nil || len(list.Terminals) != 1 {
		t.Fatal(list, err)
	}
	if _, _, err := conn.Get("/" + l.Middlewares + "auth/plugin/ptlauth/terminals/paired/a1/user"); !errors.Is(err, zk.ErrNoAuth) {
		t.Errorf("who has no permission gets %v", err)
	}
	for as, want := range map[string]string{"": "may not read own", "ptl:hunter4@": "may not read own", "less:hunter3@": "needs the permission `admin`"} {
		l := opened(t, "zookeeper://"+as+server, "own", nil)
		err := l.Change(t.Context(), func(list *List) error { list.Add("b1", "x", "", nil); return nil })
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter") {
			t.Errorf("as %q the error is %v, want %q", as, err, want)
		}
	}
}

// TestConsulToken: who has no good token is told so, without it.
func TestConsulToken(t *testing.T) {
	address := stores(t, "Consul")["Consul"]
	l := opened(t, strings.Replace(address, consulToken, "hunter2", 1), "denied", nil)
	if _, err := l.Read(); err == nil || !strings.Contains(err.Error(), "403") || !strings.Contains(err.Error(), "CONSUL_HTTP_TOKEN") || strings.Contains(err.Error(), "hunter") {
		t.Errorf("the error is %v", err)
	}
	anonymous := opened(t, strings.Replace(address, ":"+consulToken+"@", "", 1), "denied", nil)
	text := "x"
	if isDone, err := anonymous.Store.Commit(t.Context(), []store.Change{{Key: "denied/x", Is: &text}}); isDone || err == nil {
		t.Errorf("without a token: %t, %v", isDone, err)
	}
}

// TestStoredTLS: a store with TLS is asked with its certificate alone, and says so where the password is wrong.
func TestStoredTLS(t *testing.T) {
	path, err := exec.LookPath("redis-server")
	if err != nil && os.Getenv("PTLAUTH_NO_SKIP") == "" {
		t.Skip("redis-server is not installed")
	}
	// httptest has a certificate for 127.0.0.1.
	server := httptest.NewTLSServer(nil)
	defer server.Close()
	address := server.Listener.Addr().String()
	one := server.TLS.Certificates[0]
	secret, err := x509.MarshalPKCS8PrivateKey(one.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	server.Close()
	dir := t.TempDir()
	for name, block := range map[string]*pem.Block{"cert": {Type: "CERTIFICATE", Bytes: one.Certificate[0]}, "key": {Type: "PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	_, port, _ := net.SplitHostPort(address)
	command := exec.Command(path, "--bind", "127.0.0.1", "--port", "0", "--tls-port", port, "--tls-cert-file", filepath.Join(dir, "cert"), "--tls-key-file", filepath.Join(dir, "key"),
		"--tls-auth-clients", "no", "--requirepass", "hunter2", "--save", "", "--dir", dir)
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = command.Process.Kill(); _ = command.Wait() })
	for range 200 {
		if conn, err := net.Dial("tcp", address); err == nil {
			conn.Close()
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	for _, test := range []struct{ name, address, bad string }{
		{"by its certificate", "rediss://:hunter2@" + address + "?ca=" + filepath.Join(dir, "cert"), "there is no middleware"},
		{"by nobody's", "rediss://:hunter2@" + address, "unknown authority"},
		{"without TLS", "redis://:hunter2@" + address, "could not be read"},
		{"another password", "rediss://:hunter3@" + address + "?ca=" + filepath.Join(dir, "cert"), "WRONGPASS"},
	} {
		t.Run(test.name, func(t *testing.T) {
			a, err := store.Parse(test.address)
			if err != nil {
				t.Fatal(err)
			}
			s, err := store.Open(a)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			_, err = (&Stored{Store: s, Middlewares: "traefik/http/middlewares/", Name: "auth", Plugin: "ptlauth"}).Read()
			if err == nil || !strings.Contains(err.Error(), test.bad) || strings.Contains(err.Error(), "hunter") {
				t.Errorf("the error is %v, want %q", err, test.bad)
			}
		})
	}
}
