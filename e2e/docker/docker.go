// Package docker stands in for Docker, as far as Traefik asks it: which containers run, their labels and ports, and what
// happens to them.
package docker

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
)

// network is the one in which all containers are, each at 127.0.0.1.
const network = "home_default"

// Engine is a Docker with containers. The zero value has none.
type Engine struct {
	mutex      sync.Mutex
	containers []container
	made       int
	told       []string      // actions, as they are called in an event
	news       chan struct{} // closed at the next one
}

// container is what Traefik reads of one (Docker's API 1.44, ContainerInspect).
type container struct {
	ID    string `json:"Id"`
	Name  string
	State struct {
		Status  string
		Running bool
	}
	HostConfig      struct{ NetworkMode string }
	Config          struct{ Labels map[string]string }
	NetworkSettings struct {
		Ports    map[string]any
		Networks map[string]any
	}
}

// New is a Docker that runs until the test ends, and the part of Traefik's static configuration that leads to it.
func New(t testing.TB) (*Engine, string) {
	t.Helper()
	d := &Engine{news: make(chan struct{})}
	server := httptest.NewServer(d)
	t.Cleanup(server.Close)
	return d, "providers: {docker: {endpoint: '" + strings.Replace(server.URL, "http", "tcp", 1) + "'}}\n"
}

// Run runs a container that exposes the port at the end of an address, if there is one.
func (d *Engine) Run(name, address string, labels map[string]string) {
	d.run(name, address, network, labels)
}

// RunOnHost runs one in the host's network, which exposes nothing.
func (d *Engine) RunOnHost(name string, labels map[string]string) {
	d.run(name, "", "host", labels)
}

func (d *Engine) run(name, address, mode string, labels map[string]string) {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	d.made++
	c := container{ID: fmt.Sprintf("%064d", d.made), Name: "/" + name}
	c.State.Status = "running"
	c.State.Running = true
	c.HostConfig.NetworkMode = mode
	c.Config.Labels = labels
	c.NetworkSettings.Ports = map[string]any{}
	if port := address[strings.LastIndex(address, ":")+1:]; port != "" {
		c.NetworkSettings.Ports[port+"/tcp"] = nil
	}
	c.NetworkSettings.Networks = map[string]any{network: map[string]any{"IPAddress": "127.0.0.1"}}
	d.containers = append(d.containers, c)
	d.tell("start")
}

// Stop stops the container of that name, and removes it.
func (d *Engine) Stop(name string) {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	d.containers = slices.DeleteFunc(d.containers, func(c container) bool { return c.Name == "/"+name })
	d.tell("die")
}

// tell tells whoever listens what has happened; d.mutex is held.
func (d *Engine) tell(action string) {
	d.told = append(d.told, action)
	close(d.news)
	d.news = make(chan struct{})
}

var version = regexp.MustCompile(`^/v[0-9.]+`)

func (d *Engine) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := version.ReplaceAllString(r.URL.Path, "")
	w.Header().Set("Api-Version", "1.44")
	w.Header().Set("Content-Type", "application/json")
	id, isInspect := strings.CutPrefix(strings.TrimSuffix(path, "/json"), "/containers/")
	switch {
	case path == "/_ping":
	case path == "/version":
		fmt.Fprint(w, `{"Version": "25.0.0", "ApiVersion": "1.44", "MinAPIVersion": "1.24"}`)
	case path == "/events":
		d.serveEvents(w, r)
	case path == "/containers/json":
		ids := []map[string]string{}
		for _, c := range d.running() {
			ids = append(ids, map[string]string{"Id": c.ID})
		}
		_ = json.NewEncoder(w).Encode(ids)
	case isInspect:
		all := d.running()
		i := slices.IndexFunc(all, func(c container) bool { return c.ID == id })
		if i < 0 {
			http.NotFound(w, r)
			return
		}
		_ = json.NewEncoder(w).Encode(all[i])
	default:
		http.NotFound(w, r)
	}
}

func (d *Engine) running() []container {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	return append([]container{}, d.containers...)
}

// serveEvents tells of what happens from now on.
func (d *Engine) serveEvents(w http.ResponseWriter, r *http.Request) {
	d.mutex.Lock()
	seen := len(d.told)
	d.mutex.Unlock()
	for {
		d.mutex.Lock()
		fresh, news := d.told[seen:], d.news
		seen = len(d.told)
		d.mutex.Unlock()
		for _, action := range fresh {
			fmt.Fprintf(w, `{"Type": "container", "Action": %q, "Actor": {"ID": "1"}}`+"\n", action)
		}
		w.(http.Flusher).Flush()
		select {
		case <-r.Context().Done():
			return
		case <-news:
		}
	}
}
