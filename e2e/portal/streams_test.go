package portal

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/getportal/ptlauth/e2e/issuer"
	"github.com/getportal/ptlauth/e2e/source"
	"github.com/getportal/ptlauth/e2e/traefik"
	"github.com/getportal/ptlauth/e2e/traefik/traefiktest"
	"github.com/getportal/ptlauth/e2e/visitor"
)

// ticking is an app whose every answer is an event stream without an end.
func ticking(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	for {
		fmt.Fprintf(w, "data: %s\n\n", r.Header.Get("X-Ptl-User"))
		w.(http.Flusher).Flush()
		select {
		case <-r.Context().Done():
			return
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// TestOpenStreams: an event stream, as a browser's EventSource opens it, ends when it would be refused now or be another
// user's, and goes on otherwise. With Traefik's fast proxy, which does not look at a request's context while it copies an
// answer, it goes on (SECURITY.md).
func TestOpenStreams(t *testing.T) {
	if testing.Short() {
		t.Skip("starts Traefik")
	}
	const refresh = time.Second
	app := httptest.NewServer(http.HandlerFunc(ticking))
	t.Cleanup(app.Close)
	secret, apps := issuer.NewSecret(), t.TempDir()
	list := source.File(t, `[{"id": "abc123", "user": "ann@example.com"}, {"id": "def456", "user": "ben@example.com"}]`)
	describe := func(access, user string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Join(apps, "127"), 0o755); err != nil {
			t.Fatal(err)
		}
		source.Replace(t, filepath.Join(apps, "127", "app_meta.json"),
			`{"paths": {"": {"access": "`+access+`", "headers": {"X-Ptl-User": "`+user+`"}}}}`)
	}
	describe("private", "admin")
	proxy := traefiktest.Start(t, traefik.Options{
		Dynamic: strings.NewReplacer("SECRET", source.File(t, secret), "LIST", list, "APPS", apps, "URL", app.URL).Replace(`
http:
  middlewares:
    auth: {plugin: {ptlauth: {secretFile: SECRET, terminals: {file: LIST}, refresh: 1s}}}
    portal: {plugin: {ptlauth: {secretFile: SECRET, terminals: any, refresh: 1s, apps: {directory: APPS}}}}
  routers:
    auth: {rule: PathPrefix("/auth"), service: app, middlewares: [auth]}
    portal: {rule: PathPrefix("/portal"), service: app, middlewares: [portal]}
  services:
    app: {loadBalancer: {servers: [{url: "URL"}]}}
`)})
	one := visitor.Doors(t, proxy)
	ann, ben := issuer.SignHS256(t, secret, phone), issuer.SignHS256(t, secret, tablet)

	for i, door := range one {
		t.Run("of a terminal that becomes another user's it ends over "+door.Name, func(t *testing.T) {
			source.Replace(t, list, `[{"id": "abc123", "user": "ann@example.com"}, {"id": "def456", "user": "ben@example.com"}]`)
			time.Sleep(refresh + 300*time.Millisecond)
			goes, stays := subscribe(t, door, "/auth", ann, "ann@example.com"), subscribe(t, door, "/auth", ben, "ben@example.com")
			source.Replace(t, list, `[{"id": "abc123", "user": "carl@example.com"}, {"id": "def456", "user": "ben@example.com"}]`)
			goes.awaitEnd(t, refresh+slack)
			stays.wantMore(t)
			subscribe(t, door, "/auth", ann, "carl@example.com")
		})
		t.Run("of a terminal that is unpaired it ends over "+door.Name, func(t *testing.T) {
			source.Replace(t, list, `[{"id": "abc123", "user": "carl@example.com"}, {"id": "def456", "user": "ben@example.com"}]`)
			time.Sleep(refresh + 300*time.Millisecond)
			goes := subscribe(t, door, "/auth", ann, "carl@example.com")
			source.Replace(t, list, `[{"id": "def456", "user": "ben@example.com"}]`)
			goes.awaitEnd(t, refresh+slack)
		})
		t.Run("of an app whose header changes it ends over "+door.Name, func(t *testing.T) {
			user, next := fmt.Sprintf("admin%d", i), fmt.Sprintf("admin%d", i+1)
			describe("private", user)
			time.Sleep(refresh + 300*time.Millisecond)
			goes := subscribe(t, door, "/portal", ann, user)
			describe("private", next)
			goes.awaitEnd(t, refresh+slack)
			describe("public", next)
			time.Sleep(refresh + 300*time.Millisecond)
			nobody := subscribe(t, door, "/portal", "", next)
			describe("private", next)
			nobody.awaitEnd(t, refresh+slack)
		})
	}
	if lines := proxy.LogLines(`"level":"error"`, "panic"); len(lines) > 0 {
		t.Errorf("ending a stream is an error in Traefik's log: %s", lines[0])
	}
}

// stream is an event stream that a client reads.
type stream struct {
	events chan string // closed with the stream
}

// subscribe opens one as a browser's EventSource does, and wants to be called so.
func subscribe(t *testing.T, d visitor.Door, path, token, user string) *stream {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, d.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header = http.Header{"Accept": {"text/event-stream"}, "Cache-Control": {"no-cache"}}
	if token != "" {
		r.Header.Set("Cookie", "authorization="+token)
	}
	response, err := d.Transport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { response.Body.Close() })
	if response.StatusCode != http.StatusOK {
		t.Fatalf("the stream is answered %d", response.StatusCode)
	}
	s := &stream{events: make(chan string, 10000)}
	go func() {
		defer close(s.events)
		lines := bufio.NewScanner(response.Body)
		for lines.Scan() {
			if event, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
				s.events <- event
			}
		}
	}()
	select {
	case event := <-s.events:
		if event != user {
			t.Fatalf("the stream is %q's, want %q's", event, user)
		}
	case <-time.After(5 * time.Second):
		t.Fatal("the stream says nothing")
	}
	return s
}

func (s *stream) awaitEnd(t *testing.T, within time.Duration) {
	t.Helper()
	deadline := time.After(within)
	for {
		select {
		case _, open := <-s.events:
			if !open {
				return
			}
		case <-deadline:
			t.Fatalf("the stream goes on after %s", within)
		}
	}
}

func (s *stream) wantMore(t *testing.T) {
	t.Helper()
	for len(s.events) > 0 {
		<-s.events
	}
	select {
	case _, open := <-s.events:
		if !open {
			t.Error("another terminal's stream has ended")
		}
	case <-time.After(5 * time.Second):
		t.Error("another terminal's stream says nothing more")
	}
}
