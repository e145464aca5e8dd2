package wire

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/getportal/ptlauth/e2e/issuer"
	"github.com/getportal/ptlauth/e2e/source"
	"github.com/getportal/ptlauth/e2e/traefik"
	"github.com/getportal/ptlauth/e2e/traefik/traefiktest"
	"github.com/getportal/ptlauth/e2e/visitor"
)

const signOutConfiguration = `
http:
  middlewares:
    auth: {plugin: {ptlauth: {secretFile: SECRET, terminals: {file: LIST}, pairing: {enabled: true}}}}
  routers:
    app: {rule: PathPrefix("/"), service: app, middlewares: [auth]}
    other: {rule: PathPrefix("/other"), service: app, middlewares: [auth]}
  services:
    app: {loadBalancer: {servers: [{url: "http://APP"}]}}
`

// ticker is an app that sends events for as long as it is asked.
func ticker(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	for r.Context().Err() == nil {
		fmt.Fprint(w, "data: tick\n\n")
		w.(http.Flusher).Flush()
		time.Sleep(50 * time.Millisecond)
	}
}

// listen opens an event stream as a browser does, and returns what is done when it ends.
func listen(t *testing.T, door visitor.Door, path, token string) <-chan struct{} {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, door.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header = http.Header{"Accept": {"text/event-stream"}, "Cache-Control": {"no-cache"}, "Cookie": {"authorization=" + token}}
	response, err := door.Transport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { response.Body.Close() })
	lines := bufio.NewScanner(response.Body)
	if !lines.Scan() || lines.Text() != "data: tick" {
		t.Fatalf("the stream begins with %d %q", response.StatusCode, lines.Text())
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for lines.Scan() {
		}
	}()
	return ended
}

// TestSignOutEndsStreams: with the sign-out, a device's event streams end, whichever router they came by, and nobody
// else's do.
func TestSignOutEndsStreams(t *testing.T) {
	if testing.Short() {
		t.Skip("starts Traefik")
	}
	app := httptest.NewServer(http.HandlerFunc(ticker))
	t.Cleanup(app.Close)
	secret := issuer.NewSecret()
	proxy := traefiktest.Start(t, traefik.Options{Dynamic: strings.NewReplacer(
		"SECRET", source.File(t, secret), "LIST", source.File(t, source.Paired("phone", "tablet")), "APP", app.Listener.Addr().String(),
	).Replace(signOutConfiguration)})
	for _, door := range visitor.Doors(t, proxy) {
		t.Run("over "+door.Name, func(t *testing.T) {
			phone := issuer.SignHS256(t, secret, "phone")
			own, elsewhere := listen(t, door, "/events", phone), listen(t, door, "/other/events", phone)
			others := listen(t, door, "/events", issuer.SignHS256(t, secret, "tablet"))
			door.Ask(t, http.StatusOK, "POST /.ptl/out", http.Header{
				"Cookie": {"authorization=" + phone}, "Sec-Fetch-Site": {"same-origin"}, "Content-Type": {"application/x-www-form-urlencoded"},
			})
			for name, stream := range map[string]<-chan struct{}{"its own": own, "by another router": elsewhere} {
				select {
				case <-stream:
				case <-time.After(5 * time.Second):
					t.Errorf("%s goes on after the sign-out", name)
				}
			}
			select {
			case <-others:
				t.Error("another device's ends too")
			case <-time.After(500 * time.Millisecond):
			}
		})
	}
}
