package portal

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/getportal/ptlauth/e2e/issuer"
	"github.com/getportal/ptlauth/e2e/meter"
	"github.com/getportal/ptlauth/e2e/source"
	"github.com/getportal/ptlauth/e2e/traefik"
	"github.com/getportal/ptlauth/e2e/traefik/traefiktest"
	"github.com/getportal/ptlauth/e2e/visitor"
	"github.com/getportal/ptlauth/e2e/witness"
)

// TestPortalReload reloads Traefik's configuration again and again, with requests going on and WebSockets open.
func TestPortalReload(t *testing.T) {
	if testing.Short() {
		t.Skip("starts Traefik")
	}
	const routers, warmUps, reloads = 20, 10, 60
	secret := issuer.NewSecret()
	registry := source.NewServer(t, source.Answer(source.Paired(phone, tablet)))
	key := issuer.NewEC(t, "first")
	keys := source.NewServer(t, source.Answer(issuer.KeySet(key)))
	app := witness.NewAttendance(t)
	var dynamic strings.Builder
	dynamic.WriteString("http:\n  routers:\n")
	for i := range routers {
		fmt.Fprintf(&dynamic, "    app-%d: {rule: PathPrefix(`/%[1]d/`), service: app, middlewares: [auth], entryPoints: [web]}\n", i)
	}
	dynamic.WriteString(strings.NewReplacer("SECRET", source.File(t, secret), "REGISTRY", registry.URL, "JWKS", keys.URL, "APP", app.URL).Replace(`
  middlewares:
    auth: {plugin: {ptlauth: {secretFile: SECRET, keys: [{jwksURL: "JWKS"}], terminals: {url: "REGISTRY"}, refresh: 500ms}}}
  services:
    app: {loadBalancer: {servers: [{url: "APP"}]}}
`))
	proxy := traefiktest.Start(t, traefik.Options{Dynamic: dynamic.String(), Debug: true})
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
		stays = append(stays, visitor.Dial(t, fmt.Sprintf("%s/%d/", web, i), issuer.SignHS256(t, secret, phone), 1)...)
	}

	// They complain of anything but 200.
	for i := range 4 {
		token := issuer.SignHS256(t, secret, tablet)
		if i%2 == 1 {
			token = key.Token(t, tablet)
		}
		keepAsking(t, fmt.Sprintf("%s/%d/", web, i*5), token)
	}
	reload(warmUps)
	before := meter.Consumed(t, proxy)
	began := time.Now()
	reload(reloads)
	took := time.Since(began)
	after := meter.Consumed(t, proxy)
	t.Logf("%d reloads in %s: %d to %d goroutines, %.1f to %.1f MB allocated, %.1f to %.1f MB in use", reloads,
		took.Round(time.Millisecond), before.Goroutines, after.Goroutines, before.Allocated, after.Allocated, before.InUse, after.InUse)
	if since := time.Since(app.LastSeen(tablet)); since > time.Second {
		t.Errorf("the last request was %s ago", since)
	}
	if after.Goroutines > before.Goroutines+20 {
		t.Errorf("there were %d goroutines, and are %d", before.Goroutines, after.Goroutines)
	}
	if after.Allocated > before.Allocated+2 || after.InUse > before.InUse+10 {
		t.Errorf("the heap grew from %.1f to %.1f MB, and what it takes from %.1f to %.1f", before.Allocated, after.Allocated, before.InUse, after.InUse)
	}

	// Their routers are long gone.
	visitor.WantEcho(t, stays)
	registry.Up(t, source.Answer(source.Paired(tablet)))
	visitor.AwaitClosed(t, stays, 500*time.Millisecond+slack)
	visitor.New(t, issuer.SignHS256(t, secret, tablet)).WantStatus(t, web+"/0/", "", http.StatusOK)
	visitor.New(t, issuer.SignHS256(t, secret, phone)).AwaitStatus(t, 500*time.Millisecond+slack, web+"/0/", "", http.StatusUnauthorized)
}
