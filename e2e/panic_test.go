package e2e

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/getportal/ptlauth/e2e/traefik"
)

// panicRefresh is `refresh` in these tests.
const panicRefresh = 500 * time.Millisecond

// apology is what every ERROR line about a panic ends with.
const apology = "please report"

// plant is a panic in a copy of the plugin: a text of it with a panic in it.
type plant struct{ file, text, with string }

// bomb is a list of terminals that the planted panics in the registry's parser wait for.
const bomb = `[{"id": "planted"}]`

var (
	inDecide = plant{"ptlauth.go", "func decide(g *gate, w http.ResponseWriter, r *http.Request, rule *access.Rule) {\n", "func decide(g *gate, w http.ResponseWriter, r *http.Request, rule *access.Rule) {\n\tif r.Header.Get(\"Panic\") != \"\" {\n\t\tpanic(\"planted\")\n\t}\n"}
	inVerify = plant{"internal/token/token.go", "\tlast := strings.LastIndexByte(text, '.')\n", "\tlast := strings.LastIndexByte(text, '.')\n\tif len(text) > 1000 {\n\t\tpanic(\"planted\")\n\t}\n"}
	inNew    = plant{"ptlauth.go", "\tpolicy, report := compile(config)\n", "\tif name == \"planted@file\" {\n\t\tpanic(\"planted\")\n\t}\n\tpolicy, report := compile(config)\n"}
	inParse  = plant{"internal/terminal/parse.go", "\tif !utf8.Valid(content) {\n", "\tif strings.Contains(string(content), \"planted\") {\n\t\tpanic(\"planted\")\n\t}\n\tif !utf8.Valid(content) {\n"}
	inFetch  = plant{"internal/source/url.go", "\tage := maxAge(", "\tif response.Header.Get(\"Panic\") != \"\" {\n\t\tpanic(\"planted\")\n\t}\n\tage := maxAge("}
	inForget = plant{"internal/memory/memory.go", "\tif period == m.period {\n", "\tif period > 0 {\n\t\tpanic(\"planted\")\n\t}\n\tif period == m.period {\n"}
	inIsGood = plant{"sockets.go", "\tif current.registry == nil {\n\t\treturn false\n", "\tif seconds > 0 {\n\t\tpanic(\"planted\")\n\t}\n\tif current.registry == nil {\n\t\treturn false\n"}
	inWatch  = plant{"sockets.go", "\tall.seen = current\n\treturn open\n", "\tif seconds > 0 {\n\t\tpanic(\"planted\")\n\t}\n\tall.seen = current\n\treturn open\n"}
	inCall   = plant{"internal/activity/activity.go", "\trequest.Header.Set(\"X-Forwarded-Host\"", "\tif u.Host != \"\" {\n\t\tpanic(\"planted\")\n\t}\n\trequest.Header.Set(\"X-Forwarded-Host\""}
)

// TestPanic plants panics in copies of the plugin, and wants Traefik to live on, with nobody let in who would not have been.
func TestPanic(t *testing.T) {
	if testing.Short() {
		t.Skip("starts Traefik")
	}
	for _, test := range []struct {
		name  string
		plant plant
		list  string // at the start; empty: both terminals
		test  func(t *testing.T, s *struck)
	}{
		{"in a decision costs that one request", inDecide, "", func(t *testing.T, s *struck) {
			s.want(t, http.StatusInternalServerError, "/file", s.phone, "Panic", "1")
			s.wantUnseen(t, phone)
			s.want(t, http.StatusOK, "/file", s.phone)
			s.wantLines(t, "Recovered from panic", 1)
		}},
		{"while a token is verified costs that one request", inVerify, "", func(t *testing.T, s *struck) {
			s.want(t, http.StatusInternalServerError, "/file", s.phone+strings.Repeat("A", 1000))
			s.wantUnseen(t, phone)
			s.want(t, http.StatusOK, "/file", s.phone)
			s.wantLines(t, "Recovered from panic", 1)
		}},
		{"while a middleware is made closes its routers alone", inNew, "", func(t *testing.T, s *struck) {
			s.want(t, http.StatusOK, "/file", s.phone)
			s.reload(t, strings.NewReplacer("file: {plugin", "planted: {plugin", "[file]", "[planted]").Replace(s.dynamic))
			s.want(t, http.StatusServiceUnavailable, "/file", s.phone)
			s.want(t, http.StatusOK, "/url", s.phone)
			s.wantLines(t, apology, 1)
			s.reload(t, s.dynamic)
			s.want(t, http.StatusOK, "/file", s.phone)
		}},
		{"on the list in a file leaves the last good one in force", inParse, "", func(t *testing.T, s *struck) {
			s.want(t, http.StatusOK, "/file", s.phone)
			replaceFile(t, s.file, bomb)
			s.stays(t, "/file", http.StatusOK)
			s.want(t, http.StatusOK, "/file", s.tablet)
			s.wantLines(t, apology, 1)
			s.reload(t, s.dynamic)
			s.want(t, http.StatusOK, "/file", s.phone)
			replaceFile(t, s.file, pairedList(tablet))
			s.await(t, "/file", http.StatusUnauthorized, panicRefresh+slack)
			s.want(t, http.StatusOK, "/file", s.tablet)
		}},
		{"on the list of a URL leaves the last good one in force", inParse, "", func(t *testing.T, s *struck) {
			s.want(t, http.StatusOK, "/url", s.phone)
			s.registry.up(t, answering(bomb))
			s.stays(t, "/url", http.StatusOK)
			s.wantLines(t, apology, 1)
			s.registry.up(t, answering(pairedList(tablet)))
			s.await(t, "/url", http.StatusUnauthorized, 30*time.Second+slack)
			s.want(t, http.StatusOK, "/url", s.tablet)
		}},
		{"on the first list in a file lets nobody in until another is there", inParse, bomb, func(t *testing.T, s *struck) {
			s.want(t, http.StatusServiceUnavailable, "/file", s.phone)
			s.want(t, http.StatusOK, "/told", s.phone)
			replaceFile(t, s.file, pairedList(phone))
			s.await(t, "/file", http.StatusOK, panicRefresh+slack)
			s.want(t, http.StatusUnauthorized, "/file", s.tablet)
			s.wantLines(t, apology, 2) // the URL has that list too
		}},
		{"on the first list of a URL lets nobody in until another is there", inParse, bomb, func(t *testing.T, s *struck) {
			s.want(t, http.StatusServiceUnavailable, "/url", s.phone)
			s.registry.up(t, answering(pairedList(phone)))
			s.await(t, "/url", http.StatusOK, 30*time.Second+slack)
			s.want(t, http.StatusUnauthorized, "/url", s.tablet)
			s.wantLines(t, apology, 2) // the file has that list too
		}},
		{"while a URL is fetched leaves its last good list in force", inFetch, "", func(t *testing.T, s *struck) {
			s.want(t, http.StatusOK, "/url", s.phone)
			s.registry.up(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Panic", "1")
				_, _ = io.WriteString(w, pairedList(tablet))
			})
			s.stays(t, "/url", http.StatusOK)
			s.wantLines(t, apology, 1)
			s.registry.up(t, answering(pairedList(tablet)))
			s.await(t, "/url", http.StatusUnauthorized, 30*time.Second+slack)
		}},
		{"while decisions are forgotten leaves none of them in force", inForget, "", func(t *testing.T, s *struck) {
			s.want(t, http.StatusOK, "/file", s.phone)
			replaceFile(t, s.file, pairedList(tablet))
			s.await(t, "/file", http.StatusUnauthorized, panicRefresh+slack)
			s.want(t, http.StatusOK, "/file", s.tablet)
			if len(errorLines(s.proxy.Log(), apology)) == 0 {
				t.Error("nothing tells of it")
			}
		}},
		{"while WebSockets are judged ends them all", inIsGood, "", endsSockets},
		{"while WebSockets are watched ends them all", inWatch, "", endsSockets},
		{"while Portal is told harms no request", inCall, "", func(t *testing.T, s *struck) {
			for range 5 {
				s.want(t, http.StatusOK, "/told", s.phone)
				time.Sleep(150 * time.Millisecond)
			}
			s.wantLines(t, apology, 1)
			if s.told.Load() > 0 {
				t.Error("Portal was told: nothing has panicked")
			}
		}},
	} {
		t.Run("a panic "+test.name, func(t *testing.T) {
			s := strike(t, test.plant, test.list)
			test.test(t, s)
			// Whatever has happened, Traefik serves and takes new configurations.
			s.want(t, http.StatusOK, "/bare", "")
			s.reload(t, s.dynamic)
			s.want(t, http.StatusUnauthorized, "/told", "")
			s.want(t, http.StatusOK, "/told", s.tablet)
			if n := s.through.Load(); n > 0 {
				t.Errorf("%d requests fell through to the next router", n)
			}
		})
	}
}

// struck is a Traefik with a panic in its plugin.
type struck struct {
	proxy         *traefik.Traefik
	dynamic       string
	file          string
	registry      *fetched
	app           *attendance
	told, through atomic.Int64
	phone, tablet string
}

func strike(t *testing.T, p plant, list string) *struck {
	t.Helper()
	if list == "" {
		list = pairedList(phone, tablet)
	}
	secret := newSecret()
	s := &struck{file: inFile(t, list), registry: newFetched(t, answering(list)), app: newAttendance(t)}
	s.phone, s.tablet = signedBySecret(t, secret, phone), signedBySecret(t, secret, tablet)
	counting := func(n *atomic.Int64) string {
		f := newFetched(t, func(http.ResponseWriter, *http.Request) { n.Add(1) })
		return f.url
	}
	s.dynamic = strings.NewReplacer(
		"SECRET", inFile(t, secret), "LIST", s.file, "URL", s.registry.url, "APP", s.app.URL,
		"ACTIVITY", counting(&s.told), "THROUGH", counting(&s.through),
	).Replace(`
http:
  middlewares:
    file: {plugin: {ptlauth: {secretFile: SECRET, terminals: {file: LIST}, refresh: 500ms}}}
    url: {plugin: {ptlauth: {secretFile: SECRET, terminals: {url: "URL"}, refresh: 500ms}}}
    told: {plugin: {ptlauth: {secretFile: SECRET, terminals: any, activity: {url: "ACTIVITY", interval: 100ms}, refresh: 500ms}}}
  routers:
    file: {rule: PathPrefix("/file"), service: app, middlewares: [file], entryPoints: [web]}
    url: {rule: PathPrefix("/url"), service: app, middlewares: [url], entryPoints: [web]}
    told: {rule: PathPrefix("/told"), service: app, middlewares: [told], entryPoints: [web]}
    bare: {rule: PathPrefix("/bare"), service: app, entryPoints: [web]}
    through: {rule: PathPrefix("/"), priority: 1, service: through, entryPoints: [web]}
  services:
    app: {loadBalancer: {servers: [{url: "APP"}]}}
    through: {loadBalancer: {servers: [{url: "THROUGH"}]}}
`)
	s.proxy = start(t, traefik.Options{Dynamic: s.dynamic, Plugin: planted(t, p)})
	return s
}

func (s *struck) reload(t *testing.T, dynamic string) {
	t.Helper()
	if err := s.proxy.Reload(t.Context(), dynamic); err != nil {
		t.Fatal(err)
	}
}

// ask returns the status; header is names and values.
func (s *struck) ask(t *testing.T, path, token string, header ...string) int {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.proxy.URL("web")+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	// For a request that gets past the plugin.
	r.Header.Set("X-Ptl-User", "admin")
	if token != "" {
		r.Header.Set("Cookie", "authorization="+token)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatalf("%s: %v\n%.3000s", path, err, s.proxy.Log())
	}
	response.Body.Close()
	return response.StatusCode
}

func (s *struck) want(t *testing.T, status int, path, token string, header ...string) {
	t.Helper()
	if got := s.ask(t, path, token, header...); got != status {
		t.Errorf("%s: got %d, want %d", path, got, status)
	}
}

// await asks as the phone until it gets that status.
func (s *struck) await(t *testing.T, path string, status int, within time.Duration) {
	t.Helper()
	newVisitor(t, s.phone).awaitStatus(t, within, s.proxy.URL("web")+path, "", status)
}

// stays asks as the phone for two periods and a half.
func (s *struck) stays(t *testing.T, path string, status int) {
	t.Helper()
	for end := time.Now().Add(5 * panicRefresh / 2); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		s.want(t, status, path, s.phone)
	}
}

func (s *struck) wantUnseen(t *testing.T, user string) {
	t.Helper()
	if !s.app.lastSeen(user).IsZero() {
		t.Errorf("the app has seen %s", user)
	}
}

// wantLines wants that many ERROR lines with the text, and no more.
func (s *struck) wantLines(t *testing.T, text string, n int) {
	t.Helper()
	if lines := errorLines(s.proxy.Log(), text); len(lines) != n {
		t.Errorf("there are %d lines with %q, want %d: %.1000q", len(lines), text, n, lines)
	}
}

func endsSockets(t *testing.T, s *struck) {
	list := []string{pairedList(tablet), pairedList(phone, tablet)}
	for i := range 2 {
		open := dialMany(t, s.proxy.URL("web")+"/file", s.tablet, 3)
		// The terminal stays paired: they end for the panic alone.
		replaceFile(t, s.file, list[i])
		awaitClosed(t, open, panicRefresh+slack)
	}
	s.wantLines(t, apology, 2)
}

// planted copies the plugin with the panic in it.
func planted(t *testing.T, p plant) string {
	t.Helper()
	dir := t.TempDir()
	files := map[string]string{}
	sources, err := filepath.Glob(filepath.Join(repository, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range append(sources, filepath.Join(repository, ".traefik.yml"), filepath.Join(repository, "go.mod")) {
		files[filepath.Base(path)] = text(t, path)
	}
	for _, folder := range []string{"internal", "vendor"} {
		for name, content := range contents(t, filepath.Join(repository, folder)) {
			files[folder+"/"+name] = content
		}
	}
	for name, content := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		if name == p.file {
			if n := strings.Count(content, p.text); n != 1 {
				t.Fatalf("%s holds %q %d times, want once", p.file, p.text, n)
			}
			content = strings.Replace(content, p.text, p.with, 1)
			p.file = ""
		}
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if p.file != "" {
		t.Fatalf("there is no %s", p.file)
	}
	return dir
}
