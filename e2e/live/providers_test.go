package live

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/getportal/ptlauth/e2e/program"
	"github.com/getportal/ptlauth/e2e/traefik"
)

// provider is where Traefik has its dynamic configuration from.
type provider struct {
	name   string
	static string // what Traefik must know
	write  func(t *testing.T, proxy *traefik.Traefik, rules tree)
}

func newFile(*testing.T, string) *provider {
	return &provider{"file", "", func(t *testing.T, proxy *traefik.Traefik, rules tree) {
		t.Helper()
		content := asYAML(t, rules)
		path := filepath.Join(proxy.Dir(), "rules.yml")
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(path, filepath.Join(proxy.Dir(), "dynamic", "rules.yml")); err != nil {
			t.Fatal(err)
		}
	}}
}

func asYAML(t *testing.T, rules tree) string {
	t.Helper()
	content, err := yaml.Marshal(tree{"http": rules})
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// newRedis is a real one, which is told in one transaction what has changed, as an operator would tell it.
func newRedis(t *testing.T, _ string) *provider {
	server, client := program.Need(t, "redis-server", "redis-server"), program.Need(t, "redis-cli", "redis-tools")
	addr := program.UnusedAddr(t)
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	program.Spawn(t, addr, server, "--bind", host, "--port", port, "--save", "", "--dir", t.TempDir())
	before := map[string]string{}
	return &provider{"Redis", "providers: {redis: {endpoints: ['" + addr + "']}}", func(t *testing.T, _ *traefik.Traefik, rules tree) {
		t.Helper()
		after := pairs("traefik/http", rules)
		commands := "MULTI\n"
		for key := range before {
			if _, ok := after[key]; !ok {
				commands += fmt.Sprintf("DEL %q\n", key)
			}
		}
		for key, value := range after {
			if old, ok := before[key]; !ok || old != value {
				commands += fmt.Sprintf("SET %q %q\n", key, value)
			}
		}
		before = after
		redis := exec.CommandContext(t.Context(), client, "-e", "-h", host, "-p", port)
		redis.Stdin = strings.NewReader(commands + "EXEC\n")
		if out, err := redis.CombinedOutput(); err != nil || strings.Contains(string(out), "ERR") {
			t.Fatalf("%v: %s", err, out)
		}
	}}
}

// newDocker has the rules as labels of one container, and the app in another one.
func newDocker(t *testing.T, app string) *provider {
	d := &docker{changed: make(chan string, 100)}
	server := httptest.NewServer(d)
	t.Cleanup(server.Close)
	port := app[strings.LastIndex(app, ":")+1:]
	d.run("app", port, map[string]string{"traefik.http.services.app.loadBalancer.server.port": port})
	static := "providers: {docker: {endpoint: '" + strings.Replace(server.URL, "http", "tcp", 1) + "'}}"
	return &provider{"labels", static, func(_ *testing.T, _ *traefik.Traefik, rules tree) {
		delete(rules, "services")
		// A container's labels cannot be changed: another one is made in its place, and for a moment there is none.
		d.stop("rules")
		time.Sleep(300 * time.Millisecond)
		d.run("rules", "80", labels("traefik.http", rules))
	}}
}

// docker stands in for Docker, as far as Traefik asks it.
type docker struct {
	mutex      sync.Mutex
	containers []map[string]any
	made       int
	changed    chan string
}

var version = regexp.MustCompile(`^/v[0-9.]+`)

func (d *docker) run(name, port string, labels map[string]string) {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	d.made++
	d.containers = append(d.containers, map[string]any{
		"Id":         fmt.Sprintf("%064d", d.made),
		"Name":       "/" + name,
		"State":      map[string]any{"Status": "running", "Running": true},
		"HostConfig": map[string]any{"NetworkMode": "home_default"},
		"Config":     map[string]any{"Labels": labels},
		"NetworkSettings": map[string]any{
			"Ports":    map[string]any{port + "/tcp": nil},
			"Networks": map[string]any{"home_default": map[string]any{"IPAddress": "127.0.0.1"}},
		},
	})
	d.changed <- "start"
}

func (d *docker) stop(name string) {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	d.containers = slices.DeleteFunc(d.containers, func(c map[string]any) bool { return c["Name"] == "/"+name })
	d.changed <- "die"
}

func (d *docker) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := version.ReplaceAllString(r.URL.Path, "")
	w.Header().Set("Api-Version", "1.44")
	w.Header().Set("Content-Type", "application/json")
	if path == "/events" {
		d.tell(w, r)
		return
	}
	d.mutex.Lock()
	defer d.mutex.Unlock()
	id, isInspect := strings.CutPrefix(strings.TrimSuffix(path, "/json"), "/containers/")
	switch {
	case path == "/_ping":
	case path == "/version":
		fmt.Fprint(w, `{"Version": "25.0.0", "ApiVersion": "1.44", "MinAPIVersion": "1.24"}`)
	case path == "/containers/json":
		ids := []map[string]any{}
		for _, container := range d.containers {
			ids = append(ids, map[string]any{"Id": container["Id"]})
		}
		_ = json.NewEncoder(w).Encode(ids)
	case isInspect:
		for _, container := range d.containers {
			if container["Id"] == id {
				_ = json.NewEncoder(w).Encode(container)
				return
			}
		}
		http.NotFound(w, r)
	default:
		http.NotFound(w, r)
	}
}

// tell tells what happens to containers.
func (d *docker) tell(w http.ResponseWriter, r *http.Request) {
	for {
		w.(http.Flusher).Flush()
		select {
		case <-r.Context().Done():
			return
		case action := <-d.changed:
			fmt.Fprintf(w, `{"Type": "container", "Action": %q, "Actor": {"ID": "1"}}`+"\n", action)
		}
	}
}
