// Package wire is what reaches an app, byte for byte, and what does not: over every protocol, in every place of a chain of
// middlewares, whatever a client sends. The conformance corpus is run through Traefik here.
package wire

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"reflect"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/getportal/ptlauth/e2e/issuer"
	"github.com/getportal/ptlauth/e2e/meter"
	"github.com/getportal/ptlauth/e2e/poll"
	"github.com/getportal/ptlauth/e2e/program"
	"github.com/getportal/ptlauth/e2e/traefik"
	"github.com/getportal/ptlauth/e2e/traefik/traefiktest"
	"github.com/getportal/ptlauth/e2e/visitor"
	"github.com/getportal/ptlauth/e2e/witness"
)

// forged is the value of whatever a client should not have sent.
const forged = "forged"

// wireConfiguration names each router after the first segment of its paths.
const wireConfiguration = `
http:
  middlewares:
    auth:
      plugin:
        ptlauth:
          secretFile: SECRET
          terminals: any
          passPreflight: true
          paths: [{prefix: /app/public, access: public}]
    paired:
      plugin:
        ptlauth:
          secretFile: SECRET
          terminals: {paired: [{id: abc123}]}
    again: {retry: {attempts: 3}}
    reading: {buffering: {memRequestBodyBytes: 1024}}
  routers:
    app: {rule: PathPrefix("/app"), service: app, middlewares: [auth]}
    paired: {rule: PathPrefix("/paired"), service: app, middlewares: [paired]}
    retry-before: {rule: PathPrefix("/retry-before"), service: half-dead, middlewares: [again, auth]}
    retry-behind: {rule: PathPrefix("/retry-behind"), service: half-dead, middlewares: [auth, again]}
    reading-before: {rule: PathPrefix("/reading-before"), service: app, middlewares: [reading, auth]}
    reading-behind: {rule: PathPrefix("/reading-behind"), service: app, middlewares: [auth, reading]}
    mirrored: {rule: PathPrefix("/mirrored"), service: mirrored, middlewares: [auth]}
    streams: {rule: PathPrefix("/streams"), service: streams, middlewares: [auth]}
  services:
    app: {loadBalancer: {servers: [{url: "http://APP"}]}}
    half-dead: {loadBalancer: {servers: [{url: "http://DEAD"}, {url: "http://APP"}]}}
    mirror: {loadBalancer: {servers: [{url: "http://MIRROR"}]}}
    mirrored: {mirroring: {service: app, mirrors: [{name: mirror, percent: 100}]}}
    streams: {loadBalancer: {servers: [{url: "http://STREAMS"}]}}
`

// wire is a Traefik with what is before and behind it.
type wire struct {
	proxy   *traefik.Traefik
	app     *witness.Recording
	mirror  *witness.Recording
	streams *streams
	tokens  map[string]string
	doors   []visitor.Door
}

// TestWire looks at what the corpus cannot say: Traefik's other middlewares and services around ptlauth, its access log,
// HTTP/2 over TLS, and what streams; with each of Traefik's two ways of speaking to an app.
func TestWire(t *testing.T) {
	if testing.Short() {
		t.Skip("starts Traefik")
	}
	for name, experimental := range map[string]string{"default proxy": "{}", "fast proxy": "{fastProxy: {debug: true}}"} {
		t.Run(name, func(t *testing.T) {
			w := startWire(t, experimental)
			t.Run("it is this proxy", func(t *testing.T) {
				w.doors[0].Ask(t, http.StatusOK, "GET /app", w.cookie("portal"))
				_, fast := w.arrived(t, w.app, "abc123")["X-Traefik-Fast-Proxy"]
				if fast != (name == "fast proxy") {
					t.Errorf("the fast proxy was used: %t", fast)
				}
			})
			t.Run("Portal's vector", w.testVector)
			t.Run("spellings", w.testSpellings)
			t.Run("trailers", w.testTrailers)
			t.Run("retry", w.testRetry)
			t.Run("mirroring", w.testMirroring)
			t.Run("access log", w.testAccessLog)
			t.Run("WebSocket", w.testWebSocket)
			t.Run("each server-sent event is seen before the next one is sent", w.testEvents)
			t.Run("a GiB", w.testVolume)
			if t.Failed() {
				t.Logf("Traefik's errors:\n%.4000s", strings.Join(w.proxy.LogLines(`"level":"error"`), "\n"))
			}
		})
	}
}

func startWire(t *testing.T, experimental string) *wire {
	t.Helper()
	secret, tokens := issuer.Keyring(t)
	w := &wire{tokens: tokens, app: witness.NewRecording(t), mirror: witness.NewRecording(t), streams: newStreams()}
	server := httptest.NewServer(w.streams)
	t.Cleanup(server.Close)
	w.proxy = traefiktest.Start(t, traefik.Options{
		Static: "{experimental: " + experimental + ", entryPoints: {websecure: {http3: {}}}, accessLog: {fields: {headers: {defaultMode: keep, names: {X-Ptl-User: keep}}}}}",
		Dynamic: strings.NewReplacer("SECRET", secret, "APP", w.app.Addr, "MIRROR", w.mirror.Addr,
			"STREAMS", server.Listener.Addr().String(), "DEAD", program.UnusedAddr(t)).Replace(wireConfiguration),
	})
	w.doors = append(visitor.Doors(t, w.proxy), visitor.HTTP3(t, w.proxy))
	return w
}

func (w *wire) cookie(token string) http.Header {
	return http.Header{"Cookie": {"authorization=" + w.tokens[token]}}
}

// signature is the part of the portal's token that is worth stealing.
func (w *wire) signature() string {
	return w.tokens["portal"][strings.LastIndexByte(w.tokens["portal"], '.')+1:]
}

var separators = regexp.MustCompile(`[^a-z0-9]+`)

// arrived takes the one request that an app got since the last time, and returns its header and trailer lines by their
// names as spelled. Of those that an app may read as X-Ptl-… it must have the visitor's, one line each; as is empty for an
// anonymous one.
func (w *wire) arrived(t *testing.T, at *witness.Recording, as string) http.Header {
	t.Helper()
	var raw string
	select {
	case raw = <-at.Raw:
	case <-time.After(10 * time.Second):
		t.Fatal("the app got no request")
	}
	witness.WantNothing(t, at)
	if strings.Contains(raw, forged) || strings.Contains(raw, w.signature()) {
		t.Errorf("something forged, or the token, reached the app: %q", raw)
	}
	got, want := http.Header{}, http.Header{"X-Ptl-Client-Type": {"anonymous"}}
	if as != "" {
		want = http.Header{"X-Ptl-Client-Type": {"terminal"}, "X-Ptl-Client-Id": {as}, "X-Ptl-User": {as}}
	}
	all := witness.Lines(raw)
	for name, values := range all {
		if strings.HasPrefix(separators.ReplaceAllString(strings.ToLower(name), "-"), "x-ptl-") {
			got[name] = values
		}
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("the app got %v, want %v", got, want)
	}
	return all
}

func (w *wire) testVector(t *testing.T) {
	for name, test := range map[string]struct {
		cookie string
		status int
	}{
		"logs abc123 in":                              {"authorization=" + w.tokens["portal"], 200},
		"logs abc123 in with Bearer before it":        {"authorization=Bearer " + w.tokens["portal"], 200},
		"is refused when it is not there":             {"theme=dark", 401},
		"is refused with another scheme":              {"authorization=Beerer " + w.tokens["portal"], 401},
		"is refused without its last character":       {"authorization=" + strings.TrimSuffix(w.tokens["portal"], "g"), 401},
		"is refused with another secret's signature":  {"authorization=" + w.tokens["other-key"], 401},
		"is refused when it is of no paired terminal": {"authorization=" + w.tokens["unpaired-terminal"], 401},
	} {
		t.Run(name, func(t *testing.T) {
			w.doors[1].Ask(t, test.status, "GET /paired", http.Header{"Cookie": {test.cookie}})
			if test.status == http.StatusOK {
				w.arrived(t, w.app, "abc123")
			} else {
				witness.WantNothing(t, w.app)
			}
		})
	}
}

func (w *wire) testSpellings(t *testing.T) {
	for name, test := range map[string]struct {
		method, path, as string
		header           http.Header
	}{
		"on a private path":               {"GET", "/app", "abc123", w.cookie("portal")},
		"on a public path":                {"GET", "/app/public", "", nil},
		"on a public path with a token":   {"GET", "/app/public", "abc123", w.cookie("portal")},
		"on a public path, a bad token":   {"GET", "/app/public", "", w.cookie("expired")},
		"in a preflight":                  {"OPTIONS", "/app", "", http.Header{"Origin": {"https://x.example"}, "Access-Control-Request-Method": {"PUT"}}},
		"in a preflight that has a token": {"OPTIONS", "/app", "abc123", http.Header{"Origin": {"https://x.example"}, "Access-Control-Request-Method": {"PUT"}, "Cookie": w.cookie("portal")["Cookie"]}},
	} {
		t.Run("none is believed "+name, func(t *testing.T) {
			every := maps.Clone(test.header)
			if every == nil {
				every = http.Header{}
			}
			names := slices.Concat(visitor.Spellings("X-Ptl-User"), visitor.Spellings("X-Ptl-Client-Type"), []string{"X-Ptl-", "X-Ptl-Anything"})
			for _, spelling := range names {
				header := http.Header{spelling: {forged, forged}}
				maps.Copy(header, test.header)
				every[spelling] = []string{forged}
				for _, door := range w.doors[1:] {
					door.Ask(t, http.StatusOK, test.method+" "+test.path, header)
					w.arrived(t, w.app, test.as)
				}
				if t.Failed() {
					t.Fatalf("so it is with %q", spelling)
				}
			}
			for _, door := range w.doors {
				door.Ask(t, http.StatusOK, test.method+" "+test.path, every)
				w.arrived(t, w.app, test.as)
			}
		})
	}
	t.Run("none is let in without a token", func(t *testing.T) {
		for _, spelling := range visitor.Spellings("X-Ptl-User") {
			w.doors[2].Ask(t, http.StatusUnauthorized, "GET /app", http.Header{spelling: {forged}})
		}
		witness.WantNothing(t, w.app)
	})
}

// trailing sends a body and forged trailers after it.
func trailing(announced bool) func(*http.Request) {
	return func(r *http.Request) {
		r.ContentLength, r.Trailer = -1, http.Header{"Checksum": nil}
		add := func() {
			r.Trailer["Checksum"] = []string{"1"}
			r.Trailer["X-Ptl-User"], r.Trailer["X_ptl_user"] = []string{forged}, []string{forged}
		}
		if announced {
			add()
			add = func() {}
		}
		r.Body = &afterwards{strings.NewReader("body"), add}
	}
}

// afterwards calls a function when everything is read, which is the last moment to add trailers.
type afterwards struct {
	io.Reader
	call func()
}

func (a *afterwards) Read(p []byte) (int, error) {
	n, err := a.Reader.Read(p)
	if errors.Is(err, io.EOF) {
		a.call()
	}
	return n, err
}

func (*afterwards) Close() error { return nil }

func (w *wire) testTrailers(t *testing.T) {
	for path, as := range map[string]string{
		"/app": "abc123", "/app/public": "", "/reading-before": "abc123", "/reading-behind": "abc123", "/mirrored": "abc123",
	} {
		for manner, announced := range map[string]bool{"announced": true, "unannounced": false} {
			for _, door := range w.doors {
				t.Run("one "+manner+" over "+door.Name+" never reaches the app at "+path, func(t *testing.T) {
					header := w.cookie("portal")
					if as == "" {
						header = nil
					}
					door.Ask(t, http.StatusOK, "POST "+path, header, trailing(announced))
					w.arrived(t, w.app, as)
					if path == "/mirrored" {
						w.arrived(t, w.mirror, "abc123")
					}
				})
			}
		}
	}
}

func (w *wire) testMirroring(t *testing.T) {
	for _, door := range w.doors {
		t.Run("the mirror gets what the app gets over "+door.Name, func(t *testing.T) {
			header := w.cookie("portal")
			for _, spelling := range visitor.Spellings("X-Ptl-User") {
				header[spelling] = []string{forged}
			}
			for range 3 {
				door.Ask(t, http.StatusOK, "POST /mirrored", header, visitor.WithBody("body"))
				w.arrived(t, w.app, "abc123")
				w.arrived(t, w.mirror, "abc123")
			}
		})
	}
	t.Run("the mirror gets nothing that is denied", func(t *testing.T) {
		w.doors[0].Ask(t, http.StatusUnauthorized, "GET /mirrored", nil)
		witness.WantNothing(t, w.app)
		// A mirror is asked only after the app.
		time.Sleep(100 * time.Millisecond)
		witness.WantNothing(t, w.mirror)
	})
}

func (w *wire) testRetry(t *testing.T) {
	for _, path := range []string{"/retry-before", "/retry-behind"} {
		t.Run("the second attempt is as good as the first at "+path, func(t *testing.T) {
			header := w.cookie("portal")
			header["X-Ptl-User"], header["X_Ptl_User"] = []string{forged}, []string{forged}
			for i := range 6 {
				w.doors[i%len(w.doors)].Ask(t, http.StatusOK, "POST "+path, header, visitor.WithBody("body"))
				w.arrived(t, w.app, "abc123")
			}
			w.doors[0].Ask(t, http.StatusUnauthorized, "GET "+path, nil)
			witness.WantNothing(t, w.app)
			if len(w.proxy.LogLines("New attempt 2", path)) == 0 {
				t.Error("nothing was tried twice")
			}
		})
	}
}

// logged waits for the access log's line about a path.
func (w *wire) logged(t *testing.T, path string) map[string]any {
	t.Helper()
	var found map[string]any
	poll.Until(t, 10*time.Second, func() string {
		for text := range strings.Lines(w.proxy.AccessLog()) {
			if strings.Contains(text, `"RequestPath":"`+path+`"`) && json.Unmarshal([]byte(text), &found) == nil {
				return ""
			}
		}
		return "the access log has no line about " + path
	})
	return found
}

// testAccessLog leaves out what stands before ptlauth and works on a copy of the request: the log shows the original.
func (w *wire) testAccessLog(t *testing.T) {
	for _, router := range []string{"/app", "/retry-behind", "/reading-behind", "/mirrored"} {
		for i, door := range w.doors {
			path := fmt.Sprintf("%s/logged-%d", router, i)
			header := w.cookie("portal")
			header["X-Ptl-User"] = []string{forged}
			t.Run("it names the user and not the token at "+router+" over "+door.Name, func(t *testing.T) {
				door.Ask(t, http.StatusOK, "GET "+path, header)
				w.arrived(t, w.app, "abc123")
				if router == "/mirrored" {
					w.arrived(t, w.mirror, "abc123")
				}
				line := w.logged(t, path)
				if line["request_X-Ptl-User"] != "abc123" || strings.Contains(fmt.Sprint(line), w.signature()) {
					t.Errorf("it says %v", line)
				}
			})
			t.Run("it names nobody who was denied at "+router+" over "+door.Name, func(t *testing.T) {
				door.Ask(t, http.StatusUnauthorized, "GET "+path+"-denied", http.Header{"X-Ptl-User": {forged}})
				if line := w.logged(t, path+"-denied"); strings.Contains(fmt.Sprint(line), forged) {
					t.Errorf("it says %v", line)
				}
			})
		}
	}
	t.Run("Traefik's own log does not hold the token", func(t *testing.T) {
		if strings.Contains(w.proxy.Log(), w.signature()) {
			t.Error("it does")
		}
	})
}

// streams is an app whose answers take their time: /streams/socket, /streams/events and /streams/volume.
type streams struct {
	http.ServeMux
	seen   chan struct{}             // one for each event that the client has seen
	closed chan websocket.StatusCode // how clients closed their sockets
}

// volume is more than any buffer on the way holds.
const volume = 1 << 30

func newStreams() *streams {
	s := &streams{seen: make(chan struct{}), closed: make(chan websocket.StatusCode, 10)}
	s.HandleFunc("/streams/socket", s.socket)
	s.HandleFunc("/streams/events", s.events)
	s.HandleFunc("GET /streams/volume", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.CopyN(w, zeros{}, volume) })
	s.HandleFunc("POST /streams/volume", func(w http.ResponseWriter, r *http.Request) {
		n, _ := io.Copy(io.Discard, r.Body)
		fmt.Fprint(w, n)
	})
	return s
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// socket says whose connection it is, echoes what it is told, and closes at "bye".
func (s *streams) socket(w http.ResponseWriter, r *http.Request) {
	conn, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	defer conn.CloseNow()
	conn.SetReadLimit(2 << 20)
	ctx := r.Context()
	err = conn.Write(ctx, websocket.MessageText, []byte(strings.Join(r.Header.Values("X-Ptl-User"), ", ")))
	for err == nil {
		var kind websocket.MessageType
		var message []byte
		if kind, message, err = conn.Read(ctx); err != nil {
			break
		}
		if string(message) == "bye" {
			_ = conn.Close(websocket.StatusGoingAway, "so long")
			return
		}
		err = conn.Write(ctx, kind, message)
	}
	s.closed <- websocket.CloseStatus(err)
}

// events sends the next event when the last one was seen.
func (s *streams) events(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	for i := range 3 {
		fmt.Fprintf(w, "data: %d\n\n", i)
		w.(http.Flusher).Flush()
		select {
		case <-s.seen:
		case <-r.Context().Done():
			return
		}
	}
}

func (w *wire) testWebSocket(t *testing.T) {
	for _, door := range w.doors[:2] {
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		dial := func(t *testing.T, header http.Header) (*websocket.Conn, int) {
			t.Helper()
			conn, response, err := websocket.Dial(ctx, door.URL+"/streams/socket", &websocket.DialOptions{
				HTTPClient: &http.Client{Transport: door.Transport}, HTTPHeader: header,
			})
			if response == nil {
				t.Fatal(err)
			}
			if conn != nil {
				t.Cleanup(func() { conn.CloseNow() })
				conn.SetReadLimit(2 << 20)
			}
			return conn, response.StatusCode
		}
		open := func(t *testing.T) *websocket.Conn {
			t.Helper()
			header := w.cookie("portal")
			header["X-Ptl-User"], header["X_Ptl_User"] = []string{forged}, []string{forged}
			conn, status := dial(t, header)
			if conn == nil {
				t.Fatalf("the upgrade got %d", status)
			}
			if _, greeting, err := conn.Read(ctx); err != nil || string(greeting) != "abc123" {
				t.Fatalf("the app takes the visitor for %q (%v), want abc123", greeting, err)
			}
			return conn
		}
		t.Run("without a token there is none over "+door.Name, func(t *testing.T) {
			if conn, status := dial(t, http.Header{"X-Ptl-User": {forged}}); conn != nil || status != http.StatusUnauthorized {
				t.Errorf("got %d, want 401", status)
			}
		})
		t.Run("small and large messages come back over "+door.Name+", and the app sees a clean close", func(t *testing.T) {
			conn := open(t)
			for _, message := range []string{"one", strings.Repeat("a MiB..!", 1<<17), "two"} {
				if err := conn.Write(ctx, websocket.MessageText, []byte(message)); err != nil {
					t.Fatal(err)
				}
				if _, echo, err := conn.Read(ctx); err != nil || string(echo) != message {
					t.Fatalf("%d bytes came back as %d: %v", len(message), len(echo), err)
				}
			}
			if err := conn.Close(websocket.StatusNormalClosure, ""); err != nil {
				t.Error(err)
			}
			if status := <-w.streams.closed; status != websocket.StatusNormalClosure {
				t.Errorf("the app saw %v", status)
			}
		})
		t.Run("the app's close arrives over "+door.Name, func(t *testing.T) {
			conn := open(t)
			if err := conn.Write(ctx, websocket.MessageText, []byte("bye")); err != nil {
				t.Fatal(err)
			}
			_, _, err := conn.Read(ctx)
			var closed websocket.CloseError
			if !errors.As(err, &closed) || closed.Code != websocket.StatusGoingAway || closed.Reason != "so long" {
				t.Errorf("got %v", err)
			}
		})
	}
}

func (w *wire) testEvents(t *testing.T) {
	for _, door := range w.doors {
		t.Run("over "+door.Name, func(t *testing.T) {
			response, done := w.stream(t, door, "GET", "/streams/events", nil)
			defer done()
			for i := range 3 {
				event := make([]byte, len("data: 0\n\n"))
				if _, err := io.ReadFull(response.Body, event); err != nil || string(event) != fmt.Sprintf("data: %d\n\n", i) {
					t.Fatalf("got %q and %v", event, err)
				}
				w.streams.seen <- struct{}{}
			}
		})
	}
}

// stream sends a request with the token and returns the answer while its body is still to come.
func (w *wire) stream(t *testing.T, door visitor.Door, method, path string, body io.Reader) (*http.Response, func()) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	r, err := http.NewRequestWithContext(ctx, method, door.URL+path, body)
	if err != nil {
		t.Fatal(err)
	}
	maps.Copy(r.Header, w.cookie("portal"))
	response, err := door.Transport.RoundTrip(r)
	if err != nil {
		cancel()
		t.Fatal(err)
	}
	if response.StatusCode != http.StatusOK {
		t.Errorf("got %d", response.StatusCode)
	}
	return response, func() {
		response.Body.Close()
		cancel()
	}
}

func (w *wire) testVolume(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("reads Traefik's memory in /proc")
	}
	const limit = 32 << 20
	for name, exchange := range map[string]func(t *testing.T) int64{
		"goes up": func(t *testing.T) int64 {
			response, done := w.stream(t, w.doors[0], "POST", "/streams/volume", io.LimitReader(zeros{}, volume))
			defer done()
			var received int64
			_, _ = fmt.Fscan(response.Body, &received)
			return received
		},
		"comes down": func(t *testing.T) int64 {
			response, done := w.stream(t, w.doors[0], "GET", "/streams/volume", nil)
			defer done()
			received, _ := io.Copy(io.Discard, response.Body)
			return received
		},
	} {
		t.Run(name+" without being kept in memory", func(t *testing.T) {
			before := meter.Resident(w.proxy.PID())
			peak := watch(w.proxy.PID())
			received := exchange(t)
			if received != volume {
				t.Errorf("%d of %d bytes arrived", received, volume)
			}
			if most := peak(); before == 0 || most < before || most-before > limit {
				t.Errorf("Traefik's memory grew from %d to %d MiB", before>>20, most>>20)
			}
		})
	}
}

// watch looks at a process's memory until the function that it returns is called, which returns the most.
func watch(pid int) func() int64 {
	stop, most := make(chan struct{}), make(chan int64)
	go func() {
		peak := int64(0)
		for {
			peak = max(peak, meter.Resident(pid))
			select {
			case <-stop:
				most <- peak
				return
			case <-time.After(20 * time.Millisecond):
			}
		}
	}()
	return func() int64 {
		close(stop)
		return <-most
	}
}

// TestMisconfigured holds every mistake against a router behind the misconfigured one: what a router without middleware
// would let through, or a router that Traefik drops, the catch-all would answer.
func TestMisconfigured(t *testing.T) {
	if testing.Short() {
		t.Skip("starts Traefik")
	}
	secret, tokens := issuer.Keyring(t)
	// The options as they stand in YAML, beside a good secretFile and terminals unless they have one; then what the log must name.
	mistakes := []struct{ options, named string }{
		{"secretFile: ''", "secretFile"},
		{"secretFile: [a]", "secretFile"},
		{"secretFile: {a: b}", "secretFile"},
		{"secretFile: 'ThisIsTheSecretItselfAndNotItsFile!'", "secretFile"},
		{"keys: text", "keys"},
		{"keys: 5", "keys"},
		{"keys: {a: b}", "keys"},
		{"keys: [text]", "keys[0]"},
		{"keys: [{}]", "keys[0]"},
		{"keys: [{secret: {a: b}}]", "keys[0].secret"},
		{"keys: [{secret: short}]", "keys[0].secret"},
		{"keys: [{secretFile: SECRET, algorithm: none}]", "keys[0].algorithm"},
		{"keys: [{secretFile: SECRET, secretBase64: yes}]", "keys[0].secretBase64"},
		{"token: 5", "token"},
		{"token: true", "token"},
		{"token: [a]", "token"},
		{"token: {forward: yes}", "token.forward"},
		{"token: {forward: [true]}", "token.forward"},
		{"token: {forward: {a: b}}", "token.forward"},
		{"token: {cookie: [a, b]}", "token.cookie"},
		{"token: {cookie: {a: b}}", "token.cookie"},
		{"token: {header: X-Ptl-Token}", "token.header"},
		{"token: {cookies: a}", "token.cookies"},
		{"issuer: {a: b}", "issuer"},
		{"audience: {a: b}", "audience"},
		{"requireExpiry: sometimes", "requireExpiry"},
		{"requireExpiry: {a: b}", "requireExpiry"},
		{"maxAge: a while", "maxAge"},
		{"maxAge: [1]", "maxAge"},
		{"leeway: soon", "leeway"},
		{"leeway: -1s", "leeway"},
		{"leeway: {a: b}", "leeway"},
		{"leeway: 99999999999999999999", "leeway"},
		{"require: 5", "require"},
		{"require: [role]", "require"},
		{"require: {role: ''}", "require.role"},
		{"terminals: true", "terminals"},
		{"terminals: [abc123]", "terminals"},
		{"terminals: ", "terminals: does not say who may enter"},
		{"terminals: ''", "terminals: does not say who may enter"},
		{"terminals: {paired: }", "terminals: does not say who may enter"},
		{"terminals: {paired: {abc123: }}", "terminals.paired: does not say who may enter"},
		{"terminals: {paired: {123456: {user: ann}}}", "terminals.paired.<int Value>: is a number or a date in YAML"},
		{"terminals: {paired: {abc123: {}}}", "terminals.paired: lists no device that is complete"},
		{"terminals: [any]", "terminals: `any` stands alone"},
		{"terminals: {paired: text}", "terminals.paired"},
		{"terminals: {paired: [abc123]}", "terminals.paired[0]"},
		{"terminals: {paired: {abc123: phone}}", "terminals.paired"},
		{"terminals: {paired: [{name: phone}]}", "terminals.paired: lists no device that is complete"},
		{"terminals: {paired: []}", "terminals.paired"},
		{"terminals: {pared: [{id: abc123}]}", "terminals.pared"},
		{"terminal: {paired: [{id: abc123}]}", "terminal`: did you mean `terminals`"},
		{"refresh: {a: b}", "refresh"},
		{"refresh: 1ns", "refresh"},
		{"portal: text", "portal"},
		{"portal: {id: [a]}", "portal.id"},
		{"headers: [x]", "headers"},
		{"headers: text", "headers"},
		{"headers: {X-Remote-User: {auth.user}}", "headers.X-Remote-User"},
		{"headers: {X-Remote-User: [a]}", "headers.X-Remote-User"},
		{"headers: {X-Remote-User: '{auth.usr}'}", "headers.X-Remote-User"},
		{"headers: {Connection: x}", "headers.Connection"},
		{"headers: {'a b': x}", "headers.a b"},
		{"paths: {a: b}", "paths"},
		{"paths: text", "paths"},
		{"paths: [text]", "paths[0]"},
		{"paths: [{access: public}]", "paths[0].prefix"},
		{"paths: [{prefix: {a: b}, access: public}]", "paths[0].prefix"},
		{"paths: [{prefix: /x, access: 5}]", "paths[0].access"},
		{"paths: [{prefix: /x, access: [public]}]", "paths[0].access"},
		{"paths: [{prefix: /x, headers: [a]}]", "paths[0].headers"},
		{"loginURL: [a]", "loginURL"},
		{"loginURL: 5", "loginURL"},
		{"loginURL: 'javascript:alert(1)'", "loginURL"},
		{"passPreflight: maybe", "passPreflight"},
		{"passPreflight: [true]", "passPreflight"},
		{"leeway: 1s, Leeway: 2s", "leeway: is given twice"},
		{"token: {forward: false, Forward: true}", "token.forward: is given twice"},
		{"unknown: {a: b}", "unknown option `unknown`"},
		{"nothing: known", "unknown option `nothing`"},
		{"apps: text", "apps"},
		{"apps: {directory: [a]}", "apps.directory"},
		{"apps: {directory: {a: b}}", "apps.directory"},
		{"crossOriginProtection: maybe", "crossOriginProtection"},
		{"trustedOrigins: {a: b}", "trustedOrigins"},
		{"trustedOrigins: [notes.example.com/]", "trustedOrigins"},
	}
	app, catchAll := witness.NewRecording(t), witness.NewRecording(t)
	var configuration strings.Builder
	fmt.Fprintf(&configuration, `
http:
  services:
    app: {loadBalancer: {servers: [{url: "http://%s"}]}}
    catch-all: {loadBalancer: {servers: [{url: "http://%s"}]}}
  routers:
    catch-all: {rule: PathPrefix("/"), priority: 1, service: catch-all, entryPoints: [web]}
`, app.Addr, catchAll.Addr)
	for i := range mistakes {
		fmt.Fprintf(&configuration, "    mistake-%d: {rule: Path(`/%[1]d`), service: app, middlewares: [mistake-%[1]d], entryPoints: [web]}\n", i)
	}
	configuration.WriteString("  middlewares:\n")
	for i, mistake := range mistakes {
		if !strings.HasPrefix(mistake.options, "secretFile:") {
			mistake.options = "secretFile: SECRET, " + mistake.options
		}
		if !strings.Contains(mistake.options, "terminal") {
			mistake.options += ", terminals: any"
		}
		fmt.Fprintf(&configuration, "    mistake-%d: {plugin: {ptlauth: {%s}}}\n", i, strings.ReplaceAll(mistake.options, "SECRET", secret))
	}
	proxy := traefiktest.Start(t, traefik.Options{Dynamic: configuration.String()})
	door := visitor.Doors(t, proxy)[0]

	t.Run("what has no router of its own reaches the catch-all", func(t *testing.T) {
		door.Ask(t, http.StatusOK, "GET /", nil)
		if len(catchAll.Raw) != 1 {
			t.Error("it did not")
		}
		<-catchAll.Raw
	})
	for i, mistake := range mistakes {
		t.Run(mistake.options+" gets 503, and one line in the log", func(t *testing.T) {
			path := fmt.Sprintf("/%d", i)
			door.Ask(t, http.StatusServiceUnavailable, "GET "+path, nil)
			door.Ask(t, http.StatusServiceUnavailable, "POST "+path, http.Header{"Cookie": {"authorization=" + tokens["portal"]}})
			witness.WantNothing(t, app)
			witness.WantNothing(t, catchAll)
			lines := proxy.LogLines(`"level":"error"`, fmt.Sprintf("mistake-%d@file", i))
			if len(lines) != 1 || !strings.Contains(lines[0], mistake.named) {
				t.Errorf("want one line that names %q, got %q", mistake.named, lines)
			}
		})
	}
	t.Run("the plugin does not log the secret that stood in its file's place", func(t *testing.T) {
		if lines := proxy.LogLines(`"plugin":"plugin-ptlauth"`, "ThisIsTheSecretItself"); len(lines) > 0 {
			t.Errorf("it does: %q", lines)
		}
	})
}
