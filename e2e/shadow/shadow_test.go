package shadow

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"gopkg.in/yaml.v3"

	"github.com/getportal/ptlauth/e2e/issuer"
	"github.com/getportal/ptlauth/e2e/poll"
	"github.com/getportal/ptlauth/e2e/program"
	"github.com/getportal/ptlauth/e2e/source"
	"github.com/getportal/ptlauth/e2e/traefik"
	"github.com/getportal/ptlauth/e2e/traefik/traefiktest"
	"github.com/getportal/ptlauth/e2e/witness"
	"github.com/getportal/ptlauth/internal/guardtest"
)

// patience is for what comes about by itself, also on a slow machine.
const patience = 30 * time.Second

// private are the values that no line may hold.
var private = regexp.MustCompile(`mallory|example\.com\\?"|eyJ`)

// bench is a Portal whose apps are looked on at: a middleware of its own in shadow mode for each app, called shadow-APP, on both
// sides of the one ForwardAuth.
type bench struct {
	proxy    *traefik.Traefik
	endpoint *endpoint
	tokens   map[string]string // by terminal
	dynamic  map[string]any
}

// interval is what the minute is in these tests, in which counts are told.
const interval = 4 * time.Second

func impatient(p *guardtest.Plugin) (*guardtest.Plugin, error) {
	return p.Set("shadow.interval", strconv.Itoa(int(interval)))
}

func start(t *testing.T, plugin string, apps ...string) *bench {
	t.Helper()
	secret := issuer.NewSecret()
	b := &bench{
		endpoint: &endpoint{
			secret: secret, terminals: map[string]string{"abc123": "phone", "def456": "Küche"}, apps: map[string]map[string]meta{},
			deviates: map[string]func(int, http.Header) int{},
		},
		tokens: map[string]string{},
	}
	for _, id := range []string{"abc123", "def456", "zzz999"} {
		b.tokens[id] = issuer.SignHS256(t, secret, id)
	}
	auth := httptest.NewServer(b.endpoint)
	t.Cleanup(auth.Close)
	app := httptest.NewServer(http.HandlerFunc(serveApp))
	t.Cleanup(app.Close)
	directory := t.TempDir()
	paths := map[string]meta{
		"": {"private", map[string]string{
			"X-Ptl-User": "{{ portal.id[:6] }}@example.com", "X-Ptl-Client-Id": "{{ auth.client_id }}",
			"X-Ptl-Client-Name": "{{ auth.client_name }}", "X-Ptl-Client-Type": "{{ auth.client_type }}",
		}},
		"/public": {"public", map[string]string{"X-Ptl-Client-Name": "{{ auth.client_name }}", "X-Ptl-Client-Type": "{{ auth.client_type }}"}},
	}
	middlewares := map[string]any{
		"forward-auth": map[string]any{"forwardAuth": map[string]any{"address": auth.URL + "/internal/auth", "authResponseHeadersRegex": "^X-Ptl-.*", "trustForwardHeader": false}},
		"retry":        map[string]any{"retry": map[string]any{"attempts": 4, "initialInterval": "1ms"}},
	}
	routers := map[string]any{}
	for _, label := range apps {
		if label != "unknown" {
			b.endpoint.apps[label] = paths
			text, err := json.Marshal(map[string]any{"name": label, "paths": paths})
			if err != nil {
				t.Fatal(err)
			}
			if err := os.Mkdir(filepath.Join(directory, label), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(directory, label, "app_meta.json"), text, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		name := "shadow-" + label
		middlewares[name] = map[string]any{"plugin": map[string]any{"ptlauth": map[string]any{
			"shadow": true, "secretFile": source.Named(t, "secret", secret), "refresh": "300ms",
			"terminals": map[string]any{"url": auth.URL + "/protected/terminals"},
			"portal":    map[string]any{"id": portalID, "domain": portalDomain},
			"apps":      map[string]any{"directory": directory}, "activity": map[string]any{"url": auth.URL + "/internal/auth"},
		}}}
		routers[label] = map[string]any{"rule": "Host(`" + label + "." + portalDomain + "`)", "service": "app", "middlewares": []string{name, "forward-auth", name}}
	}
	routers["retried"] = map[string]any{"rule": "Host(`" + apps[0] + "." + portalDomain + "`) && PathPrefix(`/retried`)", "service": "half-dead", "middlewares": []string{"retry", "shadow-" + apps[0], "forward-auth", "shadow-" + apps[0]}}
	b.dynamic = map[string]any{"http": map[string]any{"routers": routers, "middlewares": middlewares, "services": map[string]any{
		"app": loadBalancer(app.URL), "half-dead": loadBalancer("http://"+program.UnusedAddr(t), app.URL),
	}}}
	b.proxy = traefiktest.Start(t, traefik.Options{Dynamic: b.text(t), Plugin: plugin})
	return b
}

func loadBalancer(urls ...string) map[string]any {
	var servers []any
	for _, url := range urls {
		servers = append(servers, map[string]any{"url": url})
	}
	return map[string]any{"loadBalancer": map[string]any{"servers": servers}}
}

func (b *bench) text(t *testing.T) string {
	t.Helper()
	text, err := yaml.Marshal(b.dynamic)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// serveApp answers with the headers that it was sent.
func serveApp(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/events":
		w.Header().Set("Content-Type", "text/event-stream")
		for i := range 3 {
			fmt.Fprintf(w, "data: %d\n\n", i)
			w.(http.Flusher).Flush()
			time.Sleep(200 * time.Millisecond)
		}
	case "/breaks":
		w.Header().Set("Content-Length", "1000")
		io.WriteString(w, "half")
		w.(http.Flusher).Flush()
		time.Sleep(500 * time.Millisecond) // until the proxy has sent it on
		panic(http.ErrAbortHandler)
	case "/socket":
		witness.Echo(w, r)
	default:
		_ = json.NewEncoder(w).Encode(r.Header)
	}
}

// question is a request for an app.
type question struct {
	as, path, method string
	header           http.Header
	want             int
}

func (b *bench) ask(t *testing.T, label string, q question) http.Header {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	response := b.open(ctx, t, label, q)
	defer response.Body.Close()
	if response.StatusCode != q.want {
		t.Errorf("%s: got %d, want %d", label, response.StatusCode, q.want)
	}
	var seen http.Header
	_ = json.NewDecoder(response.Body).Decode(&seen)
	return seen
}

func (b *bench) open(ctx context.Context, t *testing.T, label string, q question) *http.Response {
	t.Helper()
	response, err := b.send(ctx, t, label, q)
	if err != nil {
		t.Fatal(err)
	}
	return response
}

func (b *bench) send(ctx context.Context, t *testing.T, label string, q question) (*http.Response, error) {
	t.Helper()
	method := q.method
	if method == "" {
		method = http.MethodGet
	}
	r, err := http.NewRequestWithContext(ctx, method, b.proxy.URL("web")+q.path, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = label + "." + portalDomain
	for name, values := range q.header {
		r.Header[name] = values
	}
	if q.as != "" {
		r.Header["Cookie"] = append(r.Header["Cookie"], "authorization="+b.tokens[q.as])
	}
	return http.DefaultTransport.RoundTrip(r)
}

// lines are the lines in which an app's middleware tells a difference, or counts.
func (b *bench) lines(label string, texts ...string) []string {
	return b.proxy.LogLines(append(texts, `"level":"error"`, "ptlauth: shadow-"+label+"@file")...)
}

// wantLine waits for one line of the app's middleware that says so.
func (b *bench) wantLine(t *testing.T, label, text string) {
	t.Helper()
	poll.Until(t, patience, func() string {
		if n := len(b.lines(label, text)); n != 1 {
			return fmt.Sprintf("%s: %d lines say %q; all are %q", label, n, text, b.lines(label))
		}
		return ""
	})
}

func also(name, value string) func(int, http.Header) int {
	return func(status int, h http.Header) int {
		h.Add(name, value)
		return status
	}
}

func instead(name, value string) func(int, http.Header) int {
	return func(status int, h http.Header) int {
		h.Set(name, value)
		return status
	}
}

// planted are an app each, at which the endpoint, or a client, does something that ptlauth would not.
var planted = []struct {
	label, name string
	deviates    func(int, http.Header) int
	asks        question
	tells       string // how the line begins
	counted     string // how its kind is counted
}{
	{"user", "another user", instead("X-Ptl-User", "mallory@mallory.example"), question{as: "abc123", want: 200},
		"both let it in, and the app got other headers: X-Ptl-User (another value)", "1 with another user"},
	{"twice", "a user twice", also("X-Ptl-User", "mallory"), question{as: "abc123", want: 200},
		"both let it in, and the app got other headers: X-Ptl-User (another value)", "1 with another user"},
	{"nobody", "no user", func(status int, h http.Header) int { h.Del("X-Ptl-User"); return status }, question{as: "abc123", want: 200},
		"both let it in, and the app got other headers: X-Ptl-User (ForwardAuth sends none)", "1 with another user"},
	{"value", "another value", instead("X-Ptl-Client-Name", "mallory"), question{as: "abc123", want: 200},
		"both let it in, and the app got other headers: X-Ptl-Client-Name (another value)", "1 with other headers"},
	{"lacks", "a header is missing", func(status int, h http.Header) int { h.Del("X-Ptl-Client-Type"); return status }, question{as: "abc123", want: 200},
		"both let it in, and the app got other headers: X-Ptl-Client-Type (ForwardAuth sends none)", "1 with other headers"},
	{"extra", "one header more, and another value", func(status int, h http.Header) int {
		h.Set("X-Ptl-Groups", "mallory")
		h.Set("X-Ptl-Client-Id", "mallory")
		return status
	}, question{as: "abc123", want: 200},
		"both let it in, and the app got other headers: X-Ptl-Client-Id (another value), X-Ptl-Groups (ptlauth sends none)", "1 with other headers"},
	{"forged", "a client's header in a spelling that ForwardAuth lets through", nil,
		question{as: "abc123", header: http.Header{"X_Ptl_User": {"mallory"}, "Remote-User": {"mallory"}}, want: 200},
		"both let it in, and the app got other headers: Remote-User (ptlauth sends none), X_ptl_user (ptlauth sends none)", "1 with other headers"},
	{"lax", "somebody is let in whose terminal is not paired", func(int, http.Header) int { return 200 }, question{as: "zzz999", want: 200},
		"ForwardAuth let it in, and ptlauth would have refused it: 401, the terminal is not paired", "1 let in by ForwardAuth alone"},
	{"open", "somebody is let in without a token", func(int, http.Header) int { return 200 }, question{want: 200},
		"ForwardAuth let it in, and ptlauth would have refused it: 401, there is no token", "1 let in by ForwardAuth alone"},
	{"strict", "somebody is refused who is paired", func(int, http.Header) int { return 403 }, question{as: "abc123", want: 403},
		"ForwardAuth refused it, and ptlauth would have let it in", "1 by ptlauth alone"},
	{"fails", "the endpoint fails", func(int, http.Header) int { return 502 }, question{as: "abc123", want: 502},
		"ForwardAuth refused it, and ptlauth would have let it in", "1 by ptlauth alone"},
	{"sibling", "another app's page acts for the user", nil,
		question{as: "abc123", method: "POST", header: http.Header{"Sec-Fetch-Site": {"same-site"}, "Origin": {"https://other." + portalDomain}}, want: 200},
		"ForwardAuth let it in, and ptlauth would have refused it: 403, ", "1 let in by ForwardAuth alone"},
	{"spelling", "a path has two readings", nil, question{path: "/public/..%2fadmin", want: 200},
		"ForwardAuth let it in, and ptlauth would have refused it: 401, ", "1 let in by ForwardAuth alone"},
}

// agreed are what both do alike; unknown is an app that is not there.
var agreed = []struct {
	label string
	asks  question
}{
	{"same", question{as: "abc123", want: 200}},
	{"same", question{as: "def456", path: "/deep/page?q=1", header: http.Header{"X-Ptl-User": {"mallory"}}, want: 200}},
	{"same", question{as: "abc123", path: "/public/page", want: 200}},
	{"same", question{path: "/public/page", want: 200}},
	{"same", question{want: 401}},
	{"same", question{as: "zzz999", want: 401}},
	{"same", question{header: http.Header{"Cookie": {"authorization=nonsense"}}, want: 401}},
	{"unknown", question{as: "abc123", want: 404}},
}

// TestShadow looks on at a Portal: each planted difference is told in one line, and counted.
func TestShadow(t *testing.T) {
	if testing.Short() {
		t.Skip("starts Traefik")
	}
	labels := []string{"same", "unknown", "gone", "lone", "late"}
	for _, p := range planted {
		labels = append(labels, p.label)
	}
	b := start(t, guardtest.Changed(t, "../..", impatient), labels...)

	t.Run("what both do alike is counted, and nothing else is told", func(t *testing.T) {
		for _, a := range agreed {
			b.ask(t, a.label, a.asks)
		}
		b.wantLine(t, "same", "agreed on 7 requests (4 let in, 3 refused) and differed on 0 (")
		b.wantLine(t, "unknown", "agreed on 1 requests (0 let in, 1 refused) and differed on 0 (")
		if lines := append(b.lines("same"), b.lines("unknown")...); len(lines) != 2 {
			t.Errorf("more is told: %q", lines)
		}
	})
	t.Run("planted", func(t *testing.T) {
		for _, p := range planted {
			b.endpoint.plants(p.label, nil)
			b.ask(t, p.label, question{as: "abc123", want: 200}) // so that it is known that there is a second mention
			b.endpoint.plants(p.label, p.deviates)
			b.ask(t, p.label, p.asks)
			b.ask(t, p.label, p.asks)
		}
		for _, p := range planted {
			t.Run(p.name, func(t *testing.T) {
				b.wantLine(t, p.label, p.tells)
				b.wantLine(t, p.label, "agreed on 1 requests (1 let in, 0 refused) and differed on 2 (")
				b.wantLine(t, p.label, strings.Replace(p.counted, "1 ", "2 ", 1))
			})
		}
	})
	t.Run("who goes away while ForwardAuth asks is no difference", func(t *testing.T) {
		release := make(chan struct{})
		b.endpoint.plants("gone", func(int, http.Header) int { <-release; return 200 })
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		if response, err := b.send(ctx, t, "gone", question{as: "abc123"}); err == nil {
			response.Body.Close()
			t.Errorf("got %d", response.StatusCode)
		}
		close(release)
		b.wantLine(t, "gone", "differed on 0 (")
		b.wantLine(t, "gone", "; 1 were broken off, 0 not decided")
	})
	t.Run("without traffic nothing is counted", func(t *testing.T) {
		before := len(b.lines("same", "in the last minute"))
		time.Sleep(interval + time.Second)
		if now := len(b.lines("same", "in the last minute")); now != before {
			t.Errorf("%d lines more", now-before)
		}
	})
	t.Run("transparent", func(t *testing.T) { testTransparent(t, b) })
	t.Run("lone", func(t *testing.T) { testLone(t, b) })
	t.Run("no line holds a value, a token or a secret", func(t *testing.T) {
		for _, line := range b.proxy.LogLines(`"plugin":"plugin-ptlauth"`) {
			if private.MatchString(line) || strings.Contains(line, b.endpoint.secret) || strings.Contains(line, "please report") {
				t.Errorf("%s", line)
			}
		}
	})
	t.Run("nobody is told of activity", func(t *testing.T) {
		asked := b.endpoint.questions()
		for range 3 {
			b.ask(t, "same", question{as: "abc123", want: 200})
		}
		time.Sleep(time.Second)
		if now := b.endpoint.questions(); now-asked != 3 {
			t.Errorf("the endpoint was asked %d times, want 3", now-asked)
		}
	})
}

// testTransparent looks at what lasts, breaks, and is tried again.
func testTransparent(t *testing.T, b *bench) {
	t.Run("each event comes when it is sent", func(t *testing.T) {
		response := b.open(t.Context(), t, "same", question{as: "abc123", path: "/events", header: http.Header{"Accept": {"text/event-stream"}, "Cache-Control": {"no-cache"}}})
		defer response.Body.Close()
		lines := bufio.NewReader(response.Body)
		began := time.Now()
		if line, err := lines.ReadString('\n'); err != nil || line != "data: 0\n" {
			t.Fatalf("got %q and %v", line, err)
		}
		rest, err := io.ReadAll(lines)
		if err != nil || !strings.HasSuffix(string(rest), "data: 2\n\n") || time.Since(began) < 300*time.Millisecond {
			t.Errorf("after %s: %q and %v", time.Since(began), rest, err)
		}
	})
	t.Run("an answer that breaks off breaks off", func(t *testing.T) {
		response := b.open(t.Context(), t, "same", question{as: "abc123", path: "/breaks"})
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		if err == nil || string(body) != "half" {
			t.Errorf("got %q and %v", body, err)
		}
	})
	t.Run("a WebSocket goes on when its terminal is unpaired", func(t *testing.T) {
		options := &websocket.DialOptions{Host: "same." + portalDomain, HTTPHeader: http.Header{"Cookie": {"authorization=" + b.tokens["def456"]}}}
		conn, _, err := websocket.Dial(t.Context(), strings.Replace(b.proxy.URL("web"), "http", "ws", 1)+"/socket", options)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.CloseNow()
		b.endpoint.unpair("def456")
		time.Sleep(1500 * time.Millisecond)
		if err := conn.Write(t.Context(), websocket.MessageText, []byte("x")); err != nil {
			t.Fatal(err)
		}
		if _, _, err := conn.Read(t.Context()); err != nil {
			t.Error(err)
		}
	})
	t.Run("what is tried again is tried again", func(t *testing.T) {
		for range 4 {
			if seen := b.ask(t, "same", question{as: "abc123", path: "/retried", want: 200}); len(seen["X-Ptl-User"]) != 1 {
				t.Errorf("the app saw %v", seen)
			}
		}
		if len(b.proxy.LogLines("New attempt 2", "/retried")) == 0 {
			t.Error("nothing was tried twice")
		}
	})
	if lines := b.lines("same", "same."+portalDomain); len(lines) > 0 {
		t.Errorf("differences are told: %q", lines)
	}
}

// testLone has a router name the middleware once: it is told when that is certain, and once.
func testLone(t *testing.T, b *bench) {
	const alone = "is in shadow mode and alone in the chain of a router"
	b.endpoint.plants("late", func(int, http.Header) int { return 401 })
	b.ask(t, "late", question{as: "abc123", want: 401})
	b.wantLine(t, "late", "ForwardAuth refused it (nothing has come to the second mention so far), and ptlauth would have let it in")
	b.endpoint.plants("late", nil)
	b.ask(t, "late", question{as: "abc123", want: 200})
	if lines := b.lines("late", alone); len(lines) > 0 {
		t.Errorf("a ForwardAuth that refuses is no sign: %q", lines)
	}
	routers := b.dynamic["http"].(map[string]any)["routers"].(map[string]any)
	routers["lone"].(map[string]any)["middlewares"] = []string{"shadow-lone"}
	routers["late"].(map[string]any)["middlewares"] = []string{"forward-auth", "shadow-late"}
	if err := b.proxy.Reload(t.Context(), b.text(t)); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		b.ask(t, "lone", question{want: 200})
		b.ask(t, "late", question{as: "abc123", want: 200})
	}
	b.wantLine(t, "lone", alone+", where it protects nothing")
	b.wantLine(t, "late", alone)
}

// TestLimits: ten lines a minute, each bounded, whatever is asked.
func TestLimits(t *testing.T) {
	if testing.Short() {
		t.Skip("starts Traefik")
	}
	b := start(t, guardtest.Changed(t, "../..", func(p *guardtest.Plugin) (*guardtest.Plugin, error) { return p, nil }), "many")
	for i := range 40 {
		header := http.Header{}
		for j := range 20 {
			header[fmt.Sprintf("X-Ptl-%d-%d-%s", i, j, strings.Repeat("A", 200))] = []string{"mallory"}
		}
		b.endpoint.plants("many", func(status int, h http.Header) int {
			for name, values := range header {
				h[name] = values
			}
			return status
		})
		b.ask(t, "many", question{as: "abc123", path: "/" + strings.Repeat("x", 3000), want: 200})
	}
	poll.Until(t, patience, func() string {
		if n := len(b.lines("many", "15 more")); n != 10 {
			return fmt.Sprintf("%d lines", n)
		}
		return ""
	})
	for _, line := range b.lines("many") {
		if len(line) > 1500 || private.MatchString(line) {
			t.Errorf("%d bytes: %s", len(line), line)
		}
	}
}

// TestPanic plants panics of ours: the app and its visitors notice nothing, and the log tells them.
func TestPanic(t *testing.T) {
	if testing.Short() {
		t.Skip("starts Traefik")
	}
	for function, tells := range map[string]string{
		"ptlauth.verdictOf": "a request could not be looked at, and went on as it came: please report this as a bug",
		"shadow.compare":    "a request could not be looked at, and went on as it came: please report this as a bug",
		"shadow.End":        "a request could not be looked at, and went on as it came: please report this as a bug",
		"ptlauth.newFront":  "cannot be made, compares nothing, and lets every request through, being in shadow mode: please report this as a bug",
		"shadow.take":       "the counts could not be told: please report this as a bug",
	} {
		t.Run("in "+function, func(t *testing.T) {
			b := start(t, guardtest.Changed(t, "../..", func(p *guardtest.Plugin) (*guardtest.Plugin, error) {
				p, err := p.Set("shadow.interval", "time.Second")
				if err != nil {
					return nil, err
				}
				return p.Plant(function, `"" == ""`)
			}), "app")
			for range 2 {
				if seen := b.ask(t, "app", question{as: "abc123", want: 200}); len(seen["X-Ptl-User"]) != 1 {
					t.Errorf("the app saw %v", seen)
				}
				b.ask(t, "app", question{want: 401})
			}
			poll.Until(t, patience, func() string {
				if len(b.lines("app", tells)) == 0 {
					return fmt.Sprintf("the log does not tell: %q", b.lines("app"))
				}
				return ""
			})
			b.ask(t, "app", question{as: "abc123", want: 200})
		})
	}
}
