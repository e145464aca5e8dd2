package stores

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"

	"github.com/getportal/ptlauth/e2e/poll"
	"github.com/getportal/ptlauth/e2e/program"
)

var engines = map[string]func(*testing.T) *engine{"Redis": newRedis, "etcd": newEtcd, "Consul": newConsul, "ZooKeeper": newZooKeeper}

// engine is a real store.
type engine struct {
	static string // for Traefik
	url    string // for ptl
	put    func(t *testing.T, pairs ...string)
	// get returns the pairs below a key.
	get func(t *testing.T, prefix string) map[string]string
	// isSlow: Traefik reads it node by node, so that it is behind where hundreds change something at once.
	isSlow bool
	// quietly writes what Traefik does not look at; nil: there is no such thing.
	quietly func(t *testing.T, pairs ...string)
	// empty takes all keys out; nil: that is not tried.
	empty func(t *testing.T)
}

func newRedis(t *testing.T) *engine {
	redis := program.NewRedis(t, "--requirepass", "pass/word")
	redis.Client = append(redis.Client, "--no-auth-warning", "-a", "pass/word")
	return &engine{
		static: "redis: {endpoints: ['" + redis.Addr + "'], password: pass/word}",
		url:    "redis://:pass%2Fword@" + redis.Addr + "/0",
		put: func(t *testing.T, pairs ...string) {
			redis.Do(t, append([]string{"MSET"}, pairs...)...)
		},
		get: func(t *testing.T, prefix string) map[string]string {
			all := map[string]string{}
			const script = "local all = {} for _, key in ipairs(redis.call('KEYS', ARGV[1])) do table.insert(all, key) table.insert(all, redis.call('GET', key)) end return all"
			lines := strings.Split(redis.Do(t, "--raw", "EVAL", script, "0", prefix+"*"), "\n")
			for i := 0; i+1 < len(lines); i += 2 {
				all[lines[i]] = lines[i+1]
			}
			return all
		},
		empty: func(t *testing.T) { redis.Do(t, "FLUSHALL") },
	}
}

func newEtcd(t *testing.T) *engine {
	server, client := program.Need(t, "etcd", "etcd-server"), program.Need(t, "etcdctl", "etcd-client")
	addr, peer := program.UnusedAddr(t), "http://"+program.UnusedAddr(t)
	program.Spawn(t, addr, server, "--data-dir", t.TempDir(), "--listen-client-urls", "http://"+addr, "--advertise-client-urls", "http://"+addr,
		"--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", "default="+peer, "--unsafe-no-fsync")
	return &engine{
		static: "etcd: {endpoints: ['" + addr + "']}",
		url:    "etcd://" + addr,
		put: func(t *testing.T, pairs ...string) {
			// One transaction, whose parts are divided by empty lines.
			for len(pairs) > 0 {
				n := min(len(pairs), 200)
				input := "\n"
				for i := 0; i < n; i += 2 {
					input += fmt.Sprintf("put %s \"%s\"\n", pairs[i], pairs[i+1])
				}
				program.Output(t, input+"\n\n", client, "--endpoints", addr, "txn")
				pairs = pairs[n:]
			}
		},
		get: func(t *testing.T, prefix string) map[string]string {
			all := map[string]string{}
			lines := strings.Split(program.Output(t, "", client, "--endpoints", addr, "get", "--prefix", prefix), "\n")
			for i := 0; i+1 < len(lines); i += 2 {
				all[lines[i]] = lines[i+1]
			}
			return all
		},
	}
}

// newZooKeeper is Debian's, by its class: its script writes below /var.
func newZooKeeper(t *testing.T) *engine {
	const jar = "/usr/share/java/zookeeper.jar"
	java := program.Need(t, "java", "default-jre-headless")
	if _, err := os.Stat(jar); err != nil {
		program.Need(t, "zookeeper", "libzookeeper-java")
	}
	addr := program.UnusedAddr(t)
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	program.Spawn(t, addr, java, "-XX:TieredStopAtLevel=1", "-Xmx256m", "-Dzookeeper.admin.enableServer=false", "-Dzookeeper.forceSync=no",
		"-cp", jar, "org.apache.zookeeper.server.ZooKeeperServerMain", port, t.TempDir())
	// While it starts it takes connections and says nothing, and clients wait for a minute.
	poll.Until(t, 60*time.Second, func() string {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			return err.Error()
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(2 * time.Second))
		_, _ = conn.Write([]byte("srvr"))
		if said, _ := io.ReadAll(conn); !strings.Contains(string(said), "Mode:") {
			return string(said)
		}
		return ""
	})
	conn, _, err := zk.Connect([]string{addr}, 10*time.Second, zk.WithLogger(silence{}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	must := func(err error, but ...error) {
		if err != nil && !slices.Contains(but, err) {
			t.Error(err)
		}
	}
	write := func(_ *testing.T, pairs ...string) {
		for i := 0; i < len(pairs); i += 2 {
			path := ""
			for name := range strings.SplitSeq(pairs[i], "/") {
				path += "/" + name
				// What is empty, Traefik asks for twelve times.
				_, err := conn.Create(path, []byte(" "), 0, zk.WorldACL(zk.PermAll))
				must(err, zk.ErrNodeExists)
			}
			_, err := conn.Set(path, []byte(pairs[i+1]), -1)
			must(err)
		}
	}
	return &engine{
		static:  "zooKeeper: {endpoints: ['" + slowly(t, addr) + "']}",
		url:     "zookeeper://" + addr,
		isSlow:  true,
		quietly: write,
		put: func(t *testing.T, pairs ...string) {
			write(t, pairs...)
			// As docs/ptl.md says.
			_, err := conn.Create("/traefik/look", nil, 0, zk.WorldACL(zk.PermAll))
			must(err)
			must(conn.Delete("/traefik/look", -1))
		},
		get: func(_ *testing.T, prefix string) map[string]string {
			all := map[string]string{}
			var read func(path string)
			read = func(path string) {
				value, _, err := conn.Get(path)
				must(err, zk.ErrNoNode)
				children, _, err := conn.Children(path)
				must(err, zk.ErrNoNode)
				if len(children) == 0 && strings.TrimSpace(string(value)) != "" {
					all[path[1:]] = string(value)
				}
				for _, child := range children {
					read(path + "/" + child)
				}
			}
			read("/" + strings.TrimSuffix(prefix, "/"))
			return all
		},
	}
}

// slowly is an address behind which each request waits for a millisecond, as between machines, so that what changes while
// Traefik reads has the effect that it can have.
func slowly(t *testing.T, addr string) string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	carry := func(to, from net.Conn, wait time.Duration) {
		defer to.Close()
		part := make([]byte, 1<<16)
		for {
			n, err := from.Read(part)
			if err != nil {
				return
			}
			time.Sleep(wait)
			if _, err := to.Write(part[:n]); err != nil {
				return
			}
		}
	}
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", addr)
			if err != nil {
				client.Close()
				continue
			}
			go carry(server, client, time.Millisecond)
			go carry(client, server, 0)
		}
	}()
	return listener.Addr().String()
}

type silence struct{}

func (silence) Printf(string, ...any) {}

// newConsul is no Debian package: it is the one on PATH, or that PTLAUTH_CONSUL names.
func newConsul(t *testing.T) *engine {
	server := os.Getenv("PTLAUTH_CONSUL")
	if server == "" {
		path, err := exec.LookPath("consul")
		if err != nil {
			t.Skip("no consul on PATH, and PTLAUTH_CONSUL names none")
		}
		server = path
	}
	const token = "0b9c3a51-5c3e-4b58-9d63-2e1c1f0b7a11"
	ports := map[string]string{}
	for _, name := range []string{"http", "server", "serf_lan", "serf_wan"} {
		_, port, err := net.SplitHostPort(program.UnusedAddr(t))
		if err != nil {
			t.Fatal(err)
		}
		ports[name] = port
	}
	addr := "127.0.0.1:" + ports["http"]
	config := fmt.Sprintf(`{"server": true, "bootstrap_expect": 1, "bind_addr": "127.0.0.1", "client_addr": "127.0.0.1", "data_dir": %q, "node_name": "one", "log_level": "warn",
		"ports": {"http": %s, "server": %s, "serf_lan": %s, "serf_wan": %s, "dns": -1, "grpc": -1, "grpc_tls": -1}, "connect": {"enabled": false}, "performance": {"raft_multiplier": 1},
		"acl": {"enabled": true, "default_policy": "deny", "tokens": {"initial_management": %q, "agent": %[6]q}}, "limits": {"http_max_conns_per_client": 2000}}`,
		t.TempDir(), ports["http"], ports["server"], ports["serf_lan"], ports["serf_wan"], token)
	file := filepath.Join(t.TempDir(), "consul.json")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	program.Spawn(t, addr, server, "agent", "-config-file", file)
	ask := func(method, path, body string) (int, []byte, error) {
		request, err := http.NewRequestWithContext(t.Context(), method, "http://"+addr+path, strings.NewReader(body))
		if err != nil {
			return 0, nil, err
		}
		request.Header.Set("X-Consul-Token", token)
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return 0, nil, err
		}
		defer response.Body.Close()
		content, err := io.ReadAll(response.Body)
		return response.StatusCode, content, err
	}
	// The token is good when the first leader has made it so.
	poll.Until(t, 60*time.Second, func() string {
		if status, content, err := ask(http.MethodGet, "/v1/acl/token/self", ""); err != nil || status != http.StatusOK {
			return fmt.Sprint(status, string(content), err)
		}
		return ""
	})
	return &engine{
		static: "consul: {endpoints: ['" + addr + "'], token: " + token + "}",
		url:    "consul://:" + token + "@" + addr,
		put: func(t *testing.T, pairs ...string) {
			for i := 0; i < len(pairs); i += 2 {
				if status, content, err := ask(http.MethodPut, "/v1/kv/"+pairs[i], pairs[i+1]); err != nil || status != http.StatusOK {
					t.Fatal(status, string(content), err)
				}
			}
		},
		get: func(t *testing.T, prefix string) map[string]string {
			all := map[string]string{}
			status, content, err := ask(http.MethodGet, "/v1/kv/"+prefix+"?recurse", "")
			var keys []struct {
				Key   string
				Value []byte
			}
			if status == http.StatusOK && err == nil {
				err = json.Unmarshal(content, &keys)
			}
			if err != nil || status != http.StatusOK && status != http.StatusNotFound {
				t.Error(status, err)
			}
			for _, key := range keys {
				all[key.Key] = string(key.Value)
			}
			return all
		},
	}
}
