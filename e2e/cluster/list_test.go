package cluster

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/getportal/ptlauth/e2e/issuer"
	"github.com/getportal/ptlauth/e2e/program"
	"github.com/getportal/ptlauth/e2e/source"
	"github.com/getportal/ptlauth/e2e/traefik"
)

// stale is what the tests say for terminals.stale.
const stale = 4 * time.Second

// TestSharedList: three Traefiks read one list. One that can no longer read it admits whoever was thrown out since for
// terminals.stale, and then nobody, so that the balancer leads to the others.
func TestSharedList(t *testing.T) {
	if testing.Short() {
		t.Skip("starts Traefik")
	}
	t.Parallel()
	program.Need(t, "haproxy", "haproxy")
	t.Run("terminals.file, on a disk that one Traefik loses", func(t *testing.T) {
		t.Parallel()
		disk := t.TempDir()
		mounts := make([]string, len(names))
		lists := make([]string, len(names))
		for i := range names {
			mounts[i] = filepath.Join(t.TempDir(), "mount")
			if err := os.Symlink(disk, mounts[i]); err != nil {
				t.Fatal(err)
			}
			lists[i] = fmt.Sprintf("file: %q", filepath.Join(mounts[i], "terminals.json"))
		}
		isShared(t, lists, func(t *testing.T, list string) {
			if err := os.WriteFile(filepath.Join(disk, "new"), []byte(list), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Rename(filepath.Join(disk, "new"), filepath.Join(disk, "terminals.json")); err != nil {
				t.Fatal(err)
			}
		}, func() { _ = os.Remove(mounts[2]) }, func() { _ = os.Symlink(disk, mounts[2]) })
	})
	t.Run("terminals.url, at a server that one Traefik cannot reach", func(t *testing.T) {
		t.Parallel()
		var list atomic.Value
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprint(w, list.Load())
		}))
		t.Cleanup(server.Close)
		way := newLink(t, server.Listener.Addr().String())
		lists := []string{"url: " + server.URL + "/", "url: " + server.URL + "/", "url: http://" + way.addr + "/"}
		isShared(t, lists, func(_ *testing.T, text string) { list.Store(text) }, way.fallsSilent, way.heals)
	})
}

// isShared has a device thrown out while the third Traefik is cut off from the list.
func isShared(t *testing.T, lists []string, write func(t *testing.T, list string), cut, heal func()) {
	c := newListed(t)
	stays, sold := c.device(t, "stays"), c.device(t, "sold")
	write(t, listOf(stays, sold))
	for i, list := range lists {
		c.options[i].Dynamic = fmt.Sprintf(dynamic, c.app, source.Named(t, "secret", c.secret), fmt.Sprintf("{%s, stale: %s}", list, stale))
	}
	c.beginAll(t)
	c.awaitsAll(t, sold, http.StatusOK)
	socket := ended(c.dial(t, "http://"+c.addrs[2], sold))
	cut()
	time.Sleep(time.Second) // so that it has looked since
	said := len(c.balancer.Said())
	began := time.Now()
	write(t, listOf(stays))
	c.awaits(t, 0, sold, http.StatusUnauthorized)
	c.awaits(t, 1, sold, http.StatusUnauthorized)
	t.Logf("who can read the list refuses whoever was thrown out after %s", time.Since(began).Round(time.Millisecond))
	if got := c.at(2, sold); got != http.StatusOK && got != http.StatusServiceUnavailable {
		t.Errorf("at the one that cannot know, who was thrown out gets %d", got)
	}
	c.awaits(t, 2, sold, http.StatusServiceUnavailable)
	took := time.Since(began)
	t.Logf("who cannot refuses everybody after %s, with terminals.stale of %s", took.Round(time.Millisecond), stale)
	if within := 3 * (stale + 2*time.Second); took > within {
		t.Errorf("it was in for %s", took)
	}
	select {
	case <-socket:
	case <-time.After(patience):
		t.Error("the WebSocket of whoever was thrown out is open")
	}
	c.awaitHealth(t, 2, said, false)
	for range 30 {
		if got := c.asks("http://"+c.entry, stays.token); got != http.StatusOK {
			t.Errorf("through HAProxy, who stays gets %d", got)
		}
		if got := c.asks("http://"+c.entry, sold.token); got != http.StatusUnauthorized {
			t.Errorf("through HAProxy, who was thrown out gets %d", got)
		}
	}
	heal()
	c.awaits(t, 2, stays, http.StatusOK)
	c.awaits(t, 2, sold, http.StatusUnauthorized)
	c.awaitHealth(t, 2, said, true)
}

const dynamic = `
http:
  routers: {app: {rule: PathPrefix("/"), entryPoints: [web], middlewares: [auth], service: app}}
  services: {app: {loadBalancer: {servers: [{url: %q}]}}}
  middlewares: {auth: {plugin: {ptlauth: {secretFile: %q, refresh: 500ms, terminals: %s}}}}
`

func listOf(devices ...device) string {
	list := "["
	for i, d := range devices {
		if i > 0 {
			list += ","
		}
		list += fmt.Sprintf(`{"id": %q, "name": %q, "user": %q}`, d.id, d.id, d.user)
	}
	return list + "]"
}

// newListed is a cluster that files configure, whose Traefiks begin later.
func newListed(t *testing.T) *cluster {
	t.Helper()
	c := &cluster{app: newApp(t), secret: issuer.NewSecret(), lasts: t.Cleanup, client: newClient(t)}
	c.proxies, c.options = make([]*traefik.Traefik, len(names)), make([]traefik.Options, len(names))
	for i := range names {
		c.addrs = append(c.addrs, program.UnusedAddr(t))
		c.options[i] = traefik.Options{Progress: os.Stderr,
			Static: fmt.Sprintf("{entryPoints: {web: {address: %q, forwardedHeaders: {trustedIPs: [127.0.0.1/32]}}}}", c.addrs[i])}
	}
	return c
}

// beginAll starts the Traefiks, and HAProxy.
func (c *cluster) beginAll(t *testing.T) {
	t.Helper()
	c.atOnce(func(i int) { c.begin(t, i) })
	if t.Failed() {
		t.FailNow()
	}
	c.balance(t, program.Need(t, "haproxy", "haproxy"))
}
