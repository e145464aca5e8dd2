package e2e

import (
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/getportal/ptlauth/e2e/traefik"
)

// TestPortalReload reloads Traefik's configuration again and again, with requests going on and WebSockets open.
func TestPortalReload(t *testing.T) {
	if testing.Short() {
		t.Skip("starts Traefik")
	}
	const routers, warmUps, reloads = 20, 10, 60
	secret := newSecret()
	registry := newFetched(t, answering(pairedList(phone, tablet)))
	key := newEC(t, "first")
	keys := newFetched(t, answering(keySet(key)))
	app := newAttendance(t)
	var dynamic strings.Builder
	dynamic.WriteString("http:\n  routers:\n")
	for i := range routers {
		fmt.Fprintf(&dynamic, "    app-%d: {rule: PathPrefix(`/%[1]d/`), service: app, middlewares: [auth], entryPoints: [web]}\n", i)
	}
	dynamic.WriteString(strings.NewReplacer("SECRET", inFile(t, secret), "REGISTRY", registry.url, "JWKS", keys.url, "APP", app.URL).Replace(`
  middlewares:
    auth: {plugin: {ptlauth: {secretFile: SECRET, keys: [{jwksURL: "JWKS"}], terminals: {url: "REGISTRY"}, refresh: 500ms}}}
  services:
    app: {loadBalancer: {servers: [{url: "APP"}]}}
`))
	proxy := start(t, traefik.Options{Dynamic: dynamic.String(), Debug: true})
	web := proxy.URL("web")
	reload := func(times int) {
		for range times {
			if err := proxy.Reload(t.Context(), dynamic.String()); err != nil {
				t.Fatal(err)
			}
		}
	}
	var stays []*websocket.Conn
	for i := range routers {
		stays = append(stays, dialMany(t, fmt.Sprintf("%s/%d/", web, i), signedBySecret(t, secret, phone), 1)...)
	}

	// They complain of anything but 200.
	for i := range 4 {
		token := signedBySecret(t, secret, tablet)
		if i%2 == 1 {
			token = key.token(t, tablet)
		}
		keepAsking(t, fmt.Sprintf("%s/%d/", web, i*5), token)
	}
	reload(warmUps)
	before := consumed(t, proxy)
	began := time.Now()
	reload(reloads)
	took := time.Since(began)
	after := consumed(t, proxy)
	t.Logf("%d reloads in %s: %d to %d goroutines, %.1f to %.1f MB allocated, %.1f to %.1f MB in use", reloads,
		took.Round(time.Millisecond), before.goroutines, after.goroutines, before.allocated, after.allocated, before.inUse, after.inUse)
	if since := time.Since(app.lastSeen(tablet)); since > time.Second {
		t.Errorf("the last request was %s ago", since)
	}
	if after.goroutines > before.goroutines+20 {
		t.Errorf("there were %d goroutines, and are %d", before.goroutines, after.goroutines)
	}
	if after.allocated > before.allocated+2 || after.inUse > before.inUse+10 {
		t.Errorf("the heap grew from %.1f to %.1f MB, and what it takes from %.1f to %.1f", before.allocated, after.allocated, before.inUse, after.inUse)
	}

	// Their routers are long gone.
	wantEcho(t, stays)
	registry.up(t, answering(pairedList(tablet)))
	awaitClosed(t, stays, 500*time.Millisecond+slack)
	newVisitor(t, signedBySecret(t, secret, tablet)).wantStatus(t, web+"/0/", "", http.StatusOK)
	newVisitor(t, signedBySecret(t, secret, phone)).awaitStatus(t, 500*time.Millisecond+slack, web+"/0/", "", http.StatusUnauthorized)
}

// consumption is what a Traefik holds, in MB where it is memory.
type consumption struct {
	goroutines       int
	allocated, inUse float64
}

var (
	goroutineTotal = regexp.MustCompile(`goroutine profile: total (\d+)`)
	heapAlloc      = regexp.MustCompile(`# HeapAlloc = (\d+)`)
	heapInuse      = regexp.MustCompile(`# HeapInuse = (\d+)`)
)

// consumed asks a Traefik that was started with Options.Debug, and lets it collect its garbage first.
func consumed(t *testing.T, proxy *traefik.Traefik) consumption {
	t.Helper()
	ask := func(profile string) string {
		response, err := http.Get(proxy.URL("traefik") + "/debug/pprof/" + profile)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		content, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		return string(content)
	}
	number := func(pattern *regexp.Regexp, profile string) int {
		match := pattern.FindStringSubmatch(profile)
		if match == nil {
			t.Fatalf("no %s in %.200q", pattern, profile)
		}
		n, _ := strconv.Atoi(match[1])
		return n
	}
	// What the last reload has replaced may still be in use; and what has a finalizer takes two rounds.
	time.Sleep(1500 * time.Millisecond)
	ask("heap?gc=1&debug=1")
	heap := ask("heap?gc=1&debug=1")
	return consumption{
		number(goroutineTotal, ask("goroutine?debug=1")),
		float64(number(heapAlloc, heap)) / 1e6, float64(number(heapInuse, heap)) / 1e6,
	}
}
