package corpustest

import (
	"bytes"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

const testdata = "../../testdata"

// The middleware of these tests knows one token and does everything right, but for what a test makes it do.
type fake struct {
	token   string
	log     *journal
	forward http.Handler
	before  func(w http.ResponseWriter, r *http.Request)
	inject  func(r *http.Request)
	deny    func(w http.ResponseWriter, r *http.Request)
}

type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if f.before != nil {
		f.before(w, r)
	}
	for name := range r.Header {
		if strings.HasPrefix(fold(name), "x-ptl-") {
			delete(r.Header, name)
		}
	}
	cookie, err := r.Cookie("authorization")
	if err != nil || cookie.Value != f.token {
		fmt.Fprintln(f.log, "denied: no good token")
		if f.deny != nil {
			f.deny(w, r)
			return
		}
		w.Header().Set("Cache-Control", "no-store")
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	r.Header.Del("Cookie")
	r.Header.Set("X-Ptl-User", "abc123")
	r.Header.Set("X-Ptl-Client-Id", "abc123")
	r.Header.Set("X-Ptl-Client-Type", "terminal")
	r.URL.User = url.User("abc123")
	r.Trailer = nil
	if f.inject != nil {
		f.inject(r)
	}
	f.forward.ServeHTTP(w, r)
}

// load writes a corpus of one file, with the repository's keyring.
func load(t *testing.T, cases string) (*Corpus, error) {
	t.Helper()
	dir := t.TempDir()
	keyring, err := os.ReadFile(filepath.Join(testdata, "keyring.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "cases"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"keyring.json": string(keyring), "cases/made.json": cases} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return Load(dir, t.TempDir())
}

func mustLoad(t *testing.T, one string) *Case {
	t.Helper()
	c, err := load(t, `{"about": "made up", "config": {}, "cases": [`+one+`]}`)
	if err != nil {
		t.Fatal(err)
	}
	return c.Cases[0]
}

func (f *fake) serve(t *testing.T, c *Case) Target {
	t.Helper()
	recorder, err := NewRecorder()
	if err != nil {
		t.Fatal(err)
	}
	f.token, f.log, f.forward = sentBefore, new(journal), Proxy(recorder)
	entrance := &entrance{next: f}
	server := Serve(entrance)
	server.Config.ErrorLog = log.New(f.log, "", 0)
	transport := NewHTTP2()
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		server.CloseClientConnections()
		server.Close()
		recorder.Close()
	})
	return Target{Addr: server.Listener.Addr().String(), HTTP2: transport, Recorder: recorder, Log: f.log.String, Asked: entrance.asked}
}

const (
	granted = `{"name": "x", "request": {"cookies": ["authorization=${token.portal}"]}, "expect": {"status": 200, "as": "abc123"}}`
	denied  = `{"name": "x", "request": {"cookies": ["authorization=${token.expired}"]}, "expect": {"status": 401}}`
	ws      = `"headers": ["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="], "cookies": ["authorization=${token.portal}"]`
)

func TestAnHonestMiddlewarePasses(t *testing.T) {
	for name, one := range map[string]string{
		"a request that is granted": granted,
		"a request that is denied":  denied,
		"a spelling that a client made up": `{"name": "x",
			"request": {"headers": ["X_Ptl_User: admin"], "cookies": ["authorization=${token.portal}"]},
			"expect": {"status": 200, "as": "abc123", "cookie": null}}`,
		"a raw request": `{"name": "x",
			"request": {"raw": ["GET / HTTP/1.1", "Host: a", "Cookie: authorization=${token.portal}", ""]},
			"expect": {"status": 200, "as": "abc123"}}`,
		"a raw request that is none": `{"name": "x",
			"request": {"raw": "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"}, "expect": {"status": 400}}`,
		"a body": `{"name": "x",
			"request": {"method": "PUT", "path": "//a/%2e%2e?b", "body": "hello", "cookies": ["authorization=${token.portal}"]},
			"expect": {"status": 200, "as": "abc123", "body": "the app", "target": "//a/%2e%2e?b"}}`,
		"a trailer that claims a user": `{"name": "x",
			"request": {"method": "POST", "body": "hello", "trailers": ["X-Ptl-User: admin"],
				"headers": ["Trailer: X-Ptl-User"], "cookies": ["authorization=${token.portal}"]},
			"expect": {"status": 200, "as": "abc123"}}`,
		"a WebSocket": `{"name": "x", "request": {` + ws + `}, "expect": {"status": 101, "as": "abc123",
			"response": {"Sec-WebSocket-Accept": "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="}}}`,
		"steps": `{"name": "x", "steps": [
			{"request": {` + ws + `}, "expect": {"status": 101, "as": "abc123"}},
			{"write": {"a": "b"}, "wait": "10ms", "socket": "open"},
			{"request": {}, "expect": {"status": 401, "problems": "denied"}}]}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := mustLoad(t, one)
			Run(t, c, Native, new(fake).serve(t, c))
		})
	}
}

// violations are what a middleware does to a case, and what a run of the case says to that.
var violations = map[string]struct {
	one  string
	fake fake
	want string
}{
	"a header of the family that the case does not name": {
		granted, injecting(func(r *http.Request) { r.Header.Set("X-Ptl-Foo", "bar") }), `the app got "X-Ptl-Foo"`,
	},
	"another spelling of a header of the family": {
		granted, injecting(func(r *http.Request) { r.Header["X_Ptl-Admin"] = []string{"1"} }), `the app got "X_Ptl-Admin"`,
	},
	"another spelling of a header that the case names": {
		granted, injecting(func(r *http.Request) { r.Header["X_Ptl_User"] = []string{"abc123"} }), `spelled "X_Ptl_User"`,
	},
	"a header twice": {
		granted, injecting(func(r *http.Request) { r.Header.Add("X-Ptl-User", "abc123") }), `X-Ptl-User is ["abc123" "abc123"]`,
	},
	"a missing header": {
		granted, injecting(func(r *http.Request) { r.Header.Del("X-Ptl-Client-Id") }), `X-Ptl-Client-Id is []`,
	},
	"a wrong value": {
		granted, injecting(func(r *http.Request) { r.Header.Set("X-Ptl-User", "def456") }), `X-Ptl-User is ["def456"]`,
	},
	"a trailer of the family": {
		`{"name": "x", "request": {"method": "POST", "body": "a", "trailers": ["X-Ptl-User: admin"],
			"headers": ["Trailer: X-Ptl-User"], "cookies": ["authorization=${token.portal}"]},
			"expect": {"status": 200, "as": "abc123"}}`,
		injecting(func(r *http.Request) { r.Trailer = http.Header{"X-Ptl-User": nil}; restoreTrailer(r) }),
		`X-Ptl-User is ["abc123" "admin"]`,
	},
	"a header that the case says is absent": {
		`{"name": "x", "request": {"cookies": ["authorization=${token.portal}"]},
			"expect": {"status": 200, "as": "abc123", "app": {"X-Seen": null}}}`,
		injecting(func(r *http.Request) { r.Header.Set("X-Seen", "1") }), `X-Seen is ["1"]`,
	},
	"a cookie that the case says is absent": {
		`{"name": "x", "request": {"cookies": ["authorization=${token.portal}"]},
			"expect": {"status": 200, "as": "abc123", "cookie": null}}`,
		injecting(func(r *http.Request) { r.Header.Set("Cookie", "a=b") }), `Cookie is ["a=b"]`,
	},
	"the token at the app": {
		granted, injecting(func(r *http.Request) { r.Header.Set("X-Copy", sentBefore) }), `the app got a token`,
	},
	"the token's signature at the app": {
		granted, injecting(func(r *http.Request) { r.URL.RawQuery = ""; r.RequestURI = "/?s=" + sentBefore[len(sentBefore)-43:] }),
		`the app got a token`,
	},
	"no token at the app that may see it": {
		`{"name": "x", "request": {"cookies": ["authorization=${token.portal}"]},
			"expect": {"status": 200, "as": "abc123", "forwarded": true}}`, fake{}, `did not get the token`,
	},
	"the sent token in the response's body": {
		denied, fake{deny: func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Cache-Control", "no-store")
			w.WriteHeader(http.StatusUnauthorized)
			io.WriteString(w, sentToken(r))
		}}, `the response holds the token "expired"`,
	},
	"the sent token in the response's head": {
		denied, fake{deny: func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Cache-Control", "no-store")
			w.Header().Set("WWW-Authenticate", sentToken(r))
			w.WriteHeader(http.StatusUnauthorized)
		}}, `the response holds the token "expired"`,
	},
	"a secret in the response": {
		denied, denying(http.StatusUnauthorized, "X-Why", "not by "+portalSecret, ""), `the response holds the secret "portal"`,
	},
	"a denial that may be cached": {
		denied, denying(http.StatusUnauthorized, "Cache-Control", "private", ""), `may be cached`,
	},
	"another status": {
		denied, denying(http.StatusNotFound, "X", "", ""), `status 404, want [401]`,
	},
	"another response header": {
		`{"name": "x", "request": {}, "expect": {"status": 401, "response": {"Location": null}}}`,
		denying(http.StatusUnauthorized, "Location", "/login", ""), `Location is ["/login"]`,
	},
	"a response header that lacks a text": {
		`{"name": "x", "request": {}, "expect": {"status": 401, "response": {"WWW-Authenticate": {"contains": "Bearer"}}}}`,
		fake{}, `lacks "Bearer"`,
	},
	"a body that lacks a text": {
		`{"name": "x", "request": {}, "expect": {"status": 401, "body": "Unauthorized"}}`,
		denying(http.StatusUnauthorized, "X", "", "no"), `body lacks "Unauthorized"`,
	},
	"a log that lacks a text": {
		`{"name": "x", "request": {}, "expect": {"status": 401, "problems": "unknown option"}}`,
		fake{}, `the log lacks "unknown option"`,
	},
	"a panic": {
		`{"name": "x", "http2": false, "request": {}, "expect": {"status": 0}}`,
		fake{deny: func(http.ResponseWriter, *http.Request) { panic("at the disco") }}, `a panic`,
	},
	"a body that was changed": {
		`{"name": "x", "request": {"method": "POST", "body": "hello", "cookies": ["authorization=${token.portal}"]},
			"expect": {"status": 200, "as": "abc123"}}`,
		injecting(func(r *http.Request) { r.Body, r.ContentLength = io.NopCloser(strings.NewReader("bye")), 3 }),
		`the body "bye"`,
	},
	"another target": {
		`{"name": "x", "request": {"path": "/a", "cookies": ["authorization=${token.portal}"]},
			"expect": {"status": 200, "as": "abc123", "target": "/a"}}`,
		injecting(func(r *http.Request) { r.RequestURI = "/b" }), `asked for "/b"`,
	},
	"another user in the access log": {
		granted, injecting(func(r *http.Request) { r.URL.User = url.User("mallory") }), `would name "mallory", want "abc123"`,
	},
	"no user in the access log": {
		granted, injecting(func(r *http.Request) { r.URL.User = nil }), `would name "-", want "abc123"`,
	},
	"a user in the access log who was denied": {
		denied, fake{before: func(_ http.ResponseWriter, r *http.Request) { r.URL.User = url.User("mallory") }}, `would name "mallory", want "-"`,
	},
	"another user in the access log than the case says": {
		`{"name": "x", "request": {"cookies": ["authorization=${token.portal}"]},
			"expect": {"status": 200, "as": "abc123", "user": "you@example.com"}}`,
		fake{}, `would name "abc123", want "you@example.com"`,
	},
	"an answer in the app's place": {
		granted, fake{inject: func(r *http.Request) { r.RequestURI = "/short" }}, `the app got 0 requests, want 1`,
	},
	"a WebSocket that is still open": {
		`{"name": "x", "steps": [{"request": {` + ws + `}, "expect": {"status": 101, "as": "abc123"}},
			{"wait": "50ms", "socket": "closed"}]}`, fake{}, `still open`,
	},
	"a look at a WebSocket that nobody opened": {
		`{"name": "x", "steps": [{"socket": "open"}]}`, fake{}, `no step before`,
	},
}

func injecting(change func(r *http.Request)) fake { return fake{inject: change} }

func denying(status int, header, value, body string) fake {
	return fake{deny: func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set(header, value)
		w.WriteHeader(status)
		io.WriteString(w, body)
	}}
}

func sentToken(r *http.Request) string {
	cookie, err := r.Cookie("authorization")
	if err != nil {
		return ""
	}
	return cookie.Value
}

const portalSecret = "parity-test-secret-0123456789-abcdefghijklmnopqrstuvwxyz-ABCDEFGHIJKLMNOPQRSTUVWXYZ_x"

func TestEachViolationIsFound(t *testing.T) {
	for name, test := range violations {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := mustLoad(t, test.one)
			target := test.fake.serve(t, c)
			if strings.Contains(test.want, "0 requests") {
				test.fake.forward = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, app) })
			}
			problems := Problems(c, Native, target)
			rounds := 2
			if len(c.Steps) > 0 {
				rounds = 1
			}
			if c.hasHTTP2() {
				rounds = 3
			}
			if found := containing(problems, test.want); found != rounds || len(problems) != rounds {
				t.Errorf("%d of %d rounds found %q: %q", found, rounds, test.want, problems)
			}
		})
	}
}

// sentBefore is Portal's token, which the fake has already removed.
const sentBefore = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhYmMxMjMiLCJpYXQiOjE3MDAwMDAwMDB9.Gnfv6BUClC_veqpPWoOPezWnRvd3xcONJ6uryID396g"

// restoreTrailer passes on a trailer that the fake has cut off.
func restoreTrailer(r *http.Request) {
	r.Trailer = http.Header{"X-Ptl-User": {"admin"}}
	r.ContentLength = -1
}

func containing(problems []string, text string) int {
	n := 0
	for _, problem := range problems {
		if strings.Contains(problem, text) {
			n++
		}
	}
	return n
}

func TestADeniedRequestThatReachesTheAppIsFound(t *testing.T) {
	c := mustLoad(t, denied)
	f := new(fake)
	target := f.serve(t, c)
	f.before = func(_ http.ResponseWriter, r *http.Request) {
		clean := r.Clone(r.Context())
		clean.Header.Del("Cookie")
		f.forward.ServeHTTP(discard{}, clean)
	}
	if problems := Problems(c, Native, target); containing(problems, "the app got 1 requests, want 0") != 3 {
		t.Errorf("found only %q", problems)
	}
}

type discard struct{}

func (discard) Header() http.Header         { return http.Header{} }
func (discard) Write(p []byte) (int, error) { return len(p), nil }
func (discard) WriteHeader(int)             {}

func TestATokenOrASecretInTheLogIsFound(t *testing.T) {
	c := mustLoad(t, granted)
	for name, text := range map[string]string{
		`the log holds the token "portal"`:  sentBefore,
		`the log holds the secret "portal"`: c.ring.Secrets["portal"],
	} {
		f := new(fake)
		target := f.serve(t, c)
		fmt.Fprintln(f.log, "look: "+text)
		if problems := Problems(c, Native, target); containing(problems, name) != 3 || len(problems) != 3 {
			t.Errorf("want %s, found %q", name, problems)
		}
	}
}

func TestARequestThatFollowsAnotherUnannouncedIsFound(t *testing.T) {
	c := mustLoad(t, granted)
	f := new(fake)
	target := f.serve(t, c)
	f.inject = func(*http.Request) {
		conn, err := net.Dial("tcp", target.Recorder.Addr())
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		io.WriteString(conn, "GET /a HTTP/1.1\r\nHost: a\r\n\r\nGET /b HTTP/1.1\r\nX-Ptl-User: admin\r\n\r\n")
		io.Copy(io.Discard, conn)
	}
	problems := Problems(c, Native, target)
	for _, want := range []string{"the app got 3 requests, want 1", `X-Ptl-User is ["admin"]`} {
		if containing(problems, want) != 3 {
			t.Errorf("want %q, found %q", want, problems)
		}
	}
}

func TestTheCaseOfAnotherRuntimeIsNotRun(t *testing.T) {
	c, err := load(t, `{"about": "a", "config": {}, "cases": [
		{"name": "x", "only": ["traefik"], "because": "it is its own", "request": {}, "expect": {"status": 400}},
		{"name": "y", "request": {}, "expect": {"status": 401}}]}`)
	if err != nil {
		t.Fatal(err)
	}
	if cases := c.For(Native); len(cases) != 1 || cases[0].ID != "made-002" {
		t.Errorf("native runs %v", cases)
	}
	if cases := c.For(Traefik); len(cases) != 2 {
		t.Errorf("traefik runs %v", cases)
	}
	if problems := Problems(c.Cases[0], Native, new(fake).serve(t, c.Cases[0])); len(problems) != 1 {
		t.Errorf("a case of traefik's, run natively, has the problems %q", problems)
	}
}

func TestATargetWithoutRecorderOrLogIsRefused(t *testing.T) {
	c := mustLoad(t, denied)
	whole := new(fake).serve(t, c)
	for _, target := range []Target{
		{Addr: whole.Addr, Log: whole.Log},
		{Addr: whole.Addr, Recorder: whole.Recorder},
	} {
		if len(Problems(c, Native, target)) == 0 {
			t.Errorf("%v will do", target)
		}
	}
}

func TestTheConfigurationIsMergedAndExpanded(t *testing.T) {
	c, err := load(t, `{"about": "a", "config": {"secretFile": "${dir}/secret", "leeway": "3s", "issuer": "i"},
		"files": {"list.json": [{"id": "abc123"}], "secret": null}, "cases": [
		{"name": "x", "with": {"leeway": null, "issuer": "j", "paths": [{"prefix": "/${secret.31-bytes}"}]},
			"files": {"more/a": "${secret.31-bytes}"}, "request": {}, "expect": {"status": 401}}]}`)
	if err != nil {
		t.Fatal(err)
	}
	one := c.Cases[0]
	got := fmt.Sprint(one.Middleware)
	want := "map[issuer:j paths:[map[prefix:/only-thirty-one-bytes-long-0123]] secretFile:" + one.dir + "/secret]"
	if got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if err := one.WriteFiles(); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"list.json": `[{"id": "abc123"}]`, "more/a": "only-thirty-one-bytes-long-0123", "secret": "",
		"other-secret": c.Ring.Secrets["other"],
	} {
		if text, _ := os.ReadFile(filepath.Join(one.dir, name)); string(text) != want {
			t.Errorf("%s holds %q, want %q", name, text, want)
		}
	}
}

func TestAMalformedFileNamesItselfAndItsCase(t *testing.T) {
	const about = `{"about": "a", "config": {}, "cases": [`
	for name, test := range map[string]struct{ cases, want string }{
		"an unknown field":      {about + `{"name": "x", "expects": {}}]}`, `unknown field "expects"`},
		"two values":            {about + granted + `]} {}`, "more than one value"},
		"no cases":              {`{"about": "a", "cases": []}`, "needs about and cases"},
		"no configuration":      {`{"about": "a", "cases": [` + granted + `]}`, `"x": no config`},
		"two cases of one name": {about + granted + "," + granted + `]}`, `made-002 "x": two cases of this name`},
		"no name":               {about + `{"request": {}, "expect": {"status": 200}}]}`, "no name"},
		"only without because": {
			about + `{"name": "x", "only": ["native"], "request": {}, "expect": {"status": 200}}]}`, "belong together",
		},
		"an unknown runtime": {
			about + `{"name": "x", "only": ["wasm"], "because": "b", "request": {}, "expect": {"status": 200}}]}`, `"wasm"`,
		},
		"no expected status":   {about + `{"name": "x", "request": {}, "expect": {}}]}`, "an expected status"},
		"neither request":      {about + `{"name": "x", "expect": {"status": 200}}]}`, "either request and expect, or steps"},
		"an unknown token":     {about + strings.ReplaceAll(granted, "token.portal", "token.portl") + `]}`, "what is ${token.portl}?"},
		"an unknown filter":    {about + strings.ReplaceAll(granted, "token.portal", "token.portal|rot13") + `]}`, "rot13"},
		"an unknown seen one":  {about + `{"name": "x", "request": {}, "expect": {"status": 200, "sees": ["x"]}}]}`, `no token is called "x"`},
		"a raw without a Host": {about + `{"name": "x", "request": {"raw": "GET / HTTP/1.0\r\n\r\n"}, "expect": {"status": 400}}]}`, "Host line"},
		"raw and a path":       {about + `{"name": "x", "request": {"path": "/", "raw": "GET / HTTP/1.0\r\nHost: a\r\n\r\n"}, "expect": {"status": 400}}]}`, "whole request"},
		"contains nothing":     {about + `{"name": "x", "request": {}, "expect": {"status": 400, "response": {"A": {}}}}]}`, "contains nothing"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := load(t, test.cases)
			if err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), "made.json") {
				t.Errorf("the error is %v, which lacks made.json or %q", err, test.want)
			}
		})
	}
}

func TestAllMistakesAreReportedAtOnce(t *testing.T) {
	_, err := load(t, `{"about": "a", "config": {}, "cases": [
		{"name": "x", "request": {"path": "${token.nobody}"}, "expect": {"status": 401}},
		{"name": "y", "request": {}}]}`)
	for _, want := range []string{`made-001 "x": what is ${token.nobody}?`, `made-002 "y": wants a request and an expected status`} {
		if !strings.Contains(fmt.Sprint(err), want) {
			t.Errorf("the error %v lacks %q", err, want)
		}
	}
}

func TestARequestReachesTheRecorderToTheLetter(t *testing.T) {
	recorder, err := NewRecorder()
	if err != nil {
		t.Fatal(err)
	}
	defer recorder.Close()
	conn, err := net.Dial("tcp", recorder.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	const head = "POST /a HTTP/1.1\r\nhOsT: a\r\nTransfer-Encoding: chunked\r\n\r\n"
	io.WriteString(conn, head)
	var early []Recorded
	for deadline := time.Now().Add(patience); len(early) == 0 && time.Now().Before(deadline); {
		early = recorder.Take()
	}
	if len(early) != 1 || string(early[0].Raw) != head || early[0].Header[0] != (Field{"hOsT", "a"}) {
		t.Fatalf("of the head alone it has %q", raws(early))
	}
	io.WriteString(conn, "3;x=y\r\nabc\r\n0\r\nx_t: 1\r\n\r\n")
	conn.(*net.TCPConn).CloseWrite()
	if answer, err := io.ReadAll(conn); err != nil || !bytes.HasSuffix(answer, []byte("\r\n\r\nthe app")) {
		t.Errorf("it answers %q, %v", answer, err)
	}
}

func TestTrailersAndChunksAreRecorded(t *testing.T) {
	recorder, err := NewRecorder()
	if err != nil {
		t.Fatal(err)
	}
	defer recorder.Close()
	r := &Request{Method: "POST", Body: "abc", Trailers: []string{"x_t: 1"}}
	if _, err := sendHTTP1(recorder.Addr(), r, "id"); err != nil {
		t.Fatal(err)
	}
	got := recorder.Take()
	if len(got) != 1 || string(got[0].Body) != "abc" || got[0].Trailer[0] != (Field{"x_t", "1"}) {
		t.Fatalf("recorded: %+v", got)
	}
	if !bytes.Equal(got[0].Raw, r.bytes("id")) {
		t.Errorf("recorded %q", got[0].Raw)
	}
}
