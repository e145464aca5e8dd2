// Package signals asks Traefik's log, metrics and traces who it was, as docs/operations.md says: a real Prometheus, and a
// receiver of OpenTelemetry's, are told what they would be.
package signals

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
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
	"github.com/getportal/ptlauth/e2e/visitor"
	"github.com/getportal/ptlauth/e2e/witness"
)

// forged is who nobody is.
const forged = "mallory"

// userAttribute is where a span has the user.
const userAttribute = "http.request.header.x-ptl-user"

// terminals has names that would break a line of the log apart.
const terminals = `[{"id": "k7p2x9", "user": "you@example.com"}, {"id": "q4m8zt", "name": "Ada's phone", "user": "Ada Lovelace"},
	{"id": "w3n5yb", "user": "x [01/Jan/2026:00:00:00 +0000] \"GET / HTTP/1.1\" 200"}]`

const dynamic = `
http:
  middlewares:
    auth: {plugin: {ptlauth: {secretFile: SECRET, terminals: {file: TERMINALS}, paths: [{prefix: /app/public, access: public}]}}}
    retry: {retry: {attempts: 2}}
    buffering: {buffering: {maxRequestBodyBytes: 1000}}
    https: {redirectScheme: {scheme: http}}
    strip: {stripPrefix: {prefixes: [/strip-before, /strip-behind]}}
    replace: {replacePathRegex: {regex: "^/replace[^/]*/(.*)", replacement: "/$1"}}
    compress: {compress: {}}
    errors: {errors: {status: ["500-599"], service: app, query: /}}
  routers:
    app: {rule: PathPrefix("/app"), service: app, middlewares: [auth]}
    open: {rule: PathPrefix("/open"), service: open}
    quiet: {rule: PathPrefix("/quiet"), service: open, QUIET}
    mirrored: {rule: PathPrefix("/mirrored"), service: mirrored, middlewares: [auth]}
    socket: {rule: PathPrefix("/socket"), service: socket, middlewares: [auth]}
    retry-before: {rule: PathPrefix("/retry-before"), service: app, middlewares: [retry, auth]}
    buffering-before: {rule: PathPrefix("/buffering-before"), service: app, middlewares: [buffering, auth]}
    https-before: {rule: PathPrefix("/https-before"), service: app, middlewares: [https, auth]}
    strip-before: {rule: PathPrefix("/strip-before"), service: app, middlewares: [strip, auth]}
    replace-before: {rule: PathPrefix("/replace-before"), service: app, middlewares: [replace, auth]}
    compress-before: {rule: PathPrefix("/compress-before"), service: app, middlewares: [compress, errors, auth]}
    retry-behind: {rule: PathPrefix("/retry-behind"), service: app, middlewares: [auth, retry]}
    buffering-behind: {rule: PathPrefix("/buffering-behind"), service: app, middlewares: [auth, buffering]}
    https-behind: {rule: PathPrefix("/https-behind"), service: app, middlewares: [auth, https]}
    strip-behind: {rule: PathPrefix("/strip-behind"), service: app, middlewares: [auth, strip]}
    replace-behind: {rule: PathPrefix("/replace-behind"), service: app, middlewares: [auth, replace]}
    compress-behind: {rule: PathPrefix("/compress-behind"), service: app, middlewares: [auth, compress, errors]}
  services:
    app: {loadBalancer: {servers: [{url: "http://APP"}]}}
    open: {loadBalancer: {servers: [{url: "http://APP"}]}}
    mirrored: {mirroring: {service: app, mirrors: [{name: open, percent: 100}]}}
    socket: {loadBalancer: {servers: [{url: "http://SOCKETS"}]}}
`

// stage is a Traefik with what looks at it.
type stage struct {
	proxy    *traefik.Traefik
	app      *witness.Recording
	receiver *receiver
	doors    []visitor.Door
	tokens   map[string]string // by terminal
	log      string            // the access log's path
}

// newStage starts Traefik with the page's own examples, but for where a log is kept and traces are sent; extra is merged
// over them.
func newStage(t *testing.T, extra map[string]any) *stage {
	t.Helper()
	secret := issuer.NewSecret()
	s := &stage{app: witness.NewRecording(t), receiver: newReceiver(t), tokens: map[string]string{}, log: filepath.Join(t.TempDir(), "access.log")}
	for _, id := range []string{"k7p2x9", "q4m8zt", "w3n5yb", "nobody"} {
		s.tokens[id] = issuer.SignHS256(t, secret, id)
	}
	here := strings.NewReplacer("/var/log/traefik/access.log", s.log, "http://collector:4318", s.receiver.URL)
	configuration := static(t, here.Replace(block(t, "Access log", "yaml", "")), block(t, "Metrics", "yaml", "metrics:"),
		here.Replace(block(t, "Traces", "yaml", "")))
	maps.Copy(configuration, extra)
	text := strings.NewReplacer("RECEIVER", s.receiver.URL, "LOG", s.log).Replace(marshal(t, configuration))
	s.proxy = traefiktest.Start(t, traefik.Options{
		Static: text,
		Env:    []string{"OTEL_BSP_SCHEDULE_DELAY=100"},
		Dynamic: strings.NewReplacer("SECRET", source.Named(t, "secret", secret), "TERMINALS", source.Named(t, "terminals.json", terminals),
			"APP", s.app.Addr, "SOCKETS", sockets(t), "QUIET", quiet(t)).Replace(dynamic),
	})
	s.doors = visitor.Doors(t, s.proxy)
	go func() {
		for range s.app.Raw {
		}
	}()
	return s
}

// quiet is what the page says to write at a router without ptlauth, on one line.
func quiet(t *testing.T) string {
	t.Helper()
	var example struct {
		HTTP struct {
			Routers map[string]struct{ Observability map[string]bool }
		}
	}
	if err := yaml.Unmarshal([]byte(block(t, "Who did what", "yaml", "http:")), &example); err != nil {
		t.Fatal(err)
	}
	var options []string
	for name, is := range example.HTTP.Routers["pictures"].Observability {
		options = append(options, fmt.Sprintf("%s: %t", name, is))
	}
	return "observability: {" + strings.Join(options, ", ") + "}"
}

// keeps reports whether the access log has a line about a path.
func (s *stage) keeps(t *testing.T, path string) bool {
	t.Helper()
	text, err := os.ReadFile(s.log)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Contains(string(text), `"RequestPath":"`+path)
}

// lying has the terminal's token, if any, and says to be somebody else wherever a client can.
func (s *stage) lying(terminal string) http.Header {
	header := http.Header{"X-Ptl-User": {forged}, "X_Ptl_User": {forged}, "X-Ptl-Client-Id": {forged}, "Authorization": {"Basic bWFsbG9yeTp4"}}
	if terminal != "" {
		header["Cookie"] = []string{"authorization=" + s.tokens[terminal]}
	}
	return header
}

// logged waits for the access log's line about a path.
func (s *stage) logged(t *testing.T, path string) map[string]any {
	t.Helper()
	var found map[string]any
	poll.Until(t, 10*time.Second, func() string {
		text, err := os.ReadFile(s.log)
		if err != nil {
			return err.Error()
		}
		for line := range strings.Lines(string(text)) {
			if strings.Contains(line, `"RequestPath":"`+path+`"`) && json.Unmarshal([]byte(line), &found) == nil {
				return ""
			}
		}
		return "the access log has no line about " + path
	})
	return found
}

// visits are requests, and who each of them is of.
var visits = []struct {
	name, request, terminal string
	status                  int
	user, word              string // as the app is told, and as the log writes it
}{
	{"a terminal", "GET /app/1", "k7p2x9", 200, "you@example.com", "you@example.com"},
	{"the same, which is remembered", "GET /app/2", "k7p2x9", 200, "you@example.com", "you@example.com"},
	{"another one, whose name is two words", "GET /app/3", "q4m8zt", 200, "Ada Lovelace", "Ada%20Lovelace"},
	{"a form", "POST /app/4", "q4m8zt", 200, "Ada Lovelace", "Ada%20Lovelace"},
	{"a terminal on a public path", "GET /app/public/5", "k7p2x9", 200, "you@example.com", "you@example.com"},
	{"nobody on a public path", "GET /app/public/6", "", 200, "", "-"},
	{"nobody", "GET /app/7", "", 401, "", "-"},
	{"a terminal that is not paired", "GET /app/8", "nobody", 401, "", "-"},
}

// TestWhoItWas: log, metric and span name the same person for one request, and nobody else.
func TestWhoItWas(t *testing.T) {
	if testing.Short() {
		t.Skip("starts Traefik")
	}
	for name, experimental := range map[string]map[string]any{"default proxy": {}, "fast proxy": {"fastProxy": map[string]any{}}} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t, map[string]any{"experimental": experimental})
			metrics := newPrometheus(t, "", "traefik:8080", s.proxy.Addr("traefik"))
			count := map[string]int{}
			for _, v := range visits {
				for i, door := range s.doors {
					t.Run(v.name+" over "+door.Name, func(t *testing.T) {
						request := fmt.Sprintf("%s-%d", v.request, i)
						door.Ask(t, v.status, request, s.lying(v.terminal))
						_, path, _ := strings.Cut(request, " ")
						line := s.logged(t, path)
						server, client := s.receiver.await(t, path)
						if line["ClientUsername"] != v.word {
							t.Errorf("the log names %v, want %s", line["ClientUsername"], v.word)
						}
						if id, told := line["request_X-Ptl-Client-Id"]; told && (v.user == "" || id != v.terminal) || !told && v.user != "" {
							t.Errorf("the log says that the terminal is %v", id)
						}
						if line["TraceId"] != traceID(server) {
							t.Errorf("the log's trace is %v, the span's %s", line["TraceId"], traceID(server))
						}
						isTraced := v.status == 200 && name == "default proxy"
						if (client != nil) != isTraced || isTraced && (client.Name != "ReverseProxy" || attribute(client, userAttribute) != v.user) {
							t.Errorf("the span is %v", client)
						}
					})
					if v.status == 200 {
						count[v.user+" app@file"]++
					}
				}
			}
			t.Run("a WebSocket", func(t *testing.T) { s.testSocket(t, name == "default proxy") })
			t.Run("Prometheus counts the same", func(t *testing.T) {
				want := map[string]string{}
				for key, n := range count {
					want[key] = fmt.Sprint(n)
				}
				poll.Until(t, 20*time.Second, func() string {
					got := metrics.query(t, `sum by (user, service) (traefik_service_requests_total{method!="OPTIONS",protocol!="websocket"})`, "user", "service")
					if !maps.Equal(got, want) {
						return fmt.Sprintf("it has %v, want %v", got, want)
					}
					return ""
				})
				if got := metrics.query(t, `{user=~".*`+forged+`.*"}`, "__name__"); len(got) > 0 {
					t.Errorf("somebody forged is in %v", got)
				}
				typed := strings.TrimSpace(block(t, "Metrics", "promql", ""))
				poll.Until(t, 20*time.Second, func() string {
					if got := metrics.query(t, typed, "user", "service"); got["you@example.com app@file"] == "" || got["Ada Lovelace app@file"] == "" {
						return fmt.Sprintf("%s says %v", typed, got)
					}
					return ""
				})
			})
			t.Run("the commands of the page find what somebody did", s.testCommands)
			t.Run("no token is in any of them", s.testTokens)
		})
	}
}

// testSocket opens a WebSocket, whose line and spans come when it ends.
func (s *stage) testSocket(t *testing.T, isTraced bool) {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	conn, _, err := websocket.Dial(ctx, "ws"+strings.TrimPrefix(s.proxy.URL("web"), "http")+"/socket", &websocket.DialOptions{HTTPHeader: s.lying("q4m8zt")})
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.Close(websocket.StatusNormalClosure, ""); err != nil {
		t.Error(err)
	}
	line := s.logged(t, "/socket")
	_, client := s.receiver.await(t, "/socket")
	if line["ClientUsername"] != "Ada%20Lovelace" || line["request_X-Ptl-Client-Id"] != "q4m8zt" {
		t.Errorf("the log says %v", line)
	}
	if (client != nil) != isTraced || isTraced && attribute(client, userAttribute) != "Ada Lovelace" {
		t.Errorf("the span is %v", client)
	}
}

// sockets is an app that takes WebSockets, and waits for the other side to close them.
func sockets(t *testing.T) string {
	return strings.TrimPrefix(witness.Listen(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer conn.CloseNow()
		_, _, _ = conn.Read(r.Context())
	})), "http://")
}

func (s *stage) testCommands(t *testing.T) {
	program.Need(t, "jq", "jq")
	out := s.typed(t, block(t, "Access log", "sh", "jq"))
	if n := strings.Count(out, "\n"); n < 9 || strings.Contains(out, "Ada") || !strings.Contains(out, "\tGET\t127.0.0.1") || !strings.Contains(out, "/app/1-0\t200\n") {
		t.Errorf("it says\n%s", out)
	}
}

// typed types a command of the page that reads the access log.
func (s *stage) typed(t *testing.T, command string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "sh", "-euc", strings.ReplaceAll(command, "/var/log/traefik/access.log", s.log)).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return string(out)
}

// testTokens looks for what may be in nothing that is kept.
func (s *stage) testTokens(t *testing.T) {
	response, err := http.Get(s.proxy.URL("traefik") + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	metrics, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	log, err := os.ReadFile(s.log)
	if err != nil {
		t.Fatal(err)
	}
	for place, text := range map[string]string{"metrics": string(metrics), "access log": string(log), "log": s.proxy.Log(), "traces": s.receiver.everything()} {
		if len(text) < 1000 {
			t.Errorf("the %s has hardly anything: %s", place, text)
		}
		for terminal, token := range s.tokens {
			if strings.Contains(text, token) || strings.Contains(text, token[strings.LastIndexByte(token, '.')+1:]) {
				t.Errorf("the %s has the token of %s", place, terminal)
			}
		}
	}
	if strings.Contains(string(metrics), forged) || strings.Contains(string(log), forged) {
		t.Error("the metrics or the access log name somebody forged")
	}
}

// raw asks for an address with a user in it.
func (s *stage) raw(t *testing.T, path, terminal string) {
	t.Helper()
	conn, err := net.DialTimeout("tcp", s.proxy.Addr("web"), 10*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	fmt.Fprintf(conn, "GET http://%s:x@app.example.com%s HTTP/1.1\r\nHost: app.example.com\r\nConnection: close\r\n", forged, path)
	for name, values := range s.lying(terminal) {
		fmt.Fprintf(conn, "%s: %s\r\n", name, values[0])
	}
	fmt.Fprint(conn, "\r\n")
	if _, err := io.ReadAll(conn); err != nil {
		t.Fatal(err)
	}
}
