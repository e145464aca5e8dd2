package soak

import (
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/getportal/ptlauth/e2e/issuer"
	"github.com/getportal/ptlauth/e2e/source"
	"github.com/getportal/ptlauth/e2e/traefik"
	"github.com/getportal/ptlauth/e2e/traefik/traefiktest"
	"github.com/getportal/ptlauth/e2e/visitor"
	"github.com/getportal/ptlauth/e2e/witness"
	"github.com/getportal/ptlauth/internal/guardtest"
)

// panicRefresh is `refresh` in these tests.
const panicRefresh = 500 * time.Millisecond

// apology is what every ERROR line about a panic ends with.
const apology = "please report"

// plant is a panic in a copy of the plugin: in a function, where a condition holds.
type plant struct{ function, condition string }

// bomb is a list of terminals that the planted panics in the registry's parser wait for.
const bomb = `[{"id": "planted"}]`

var (
	inDecide = plant{"ptlauth.serveOrdinary", `r.Header.Get("Panic") != ""`}
	inVerify = plant{"token.Signed", "len(text) > 1000"}
	inNew    = plant{"ptlauth.build", `name == "planted@file"`}
	inParse  = plant{"terminal.Parse", `strings.Contains(string(content), "planted")`}
	inFetch  = plant{"source.maxAge", `control == "planted"`}
	inRenew  = plant{"cache.Renew", "version != c.version && len(c.keys) > 0"}
	inIsGood = plant{"ptlauth.isGood", "s != nil"}
	inJudge  = plant{"socket.Doubtful", "s.world != 0 && s.world != world"}
	inCall   = plant{"activity.call", `u.Host != ""`}
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
			source.Replace(t, s.file, bomb)
			s.stays(t, "/file", http.StatusOK)
			s.want(t, http.StatusOK, "/file", s.tablet)
			s.wantLines(t, apology, 1)
			s.reload(t, s.dynamic)
			s.want(t, http.StatusOK, "/file", s.phone)
			source.Replace(t, s.file, source.Paired(tablet))
			s.await(t, "/file", http.StatusUnauthorized, panicRefresh+slack)
			s.want(t, http.StatusOK, "/file", s.tablet)
		}},
		{"on the list of a URL leaves the last good one in force", inParse, "", func(t *testing.T, s *struck) {
			s.want(t, http.StatusOK, "/url", s.phone)
			s.registry.Up(t, source.Answer(bomb))
			s.stays(t, "/url", http.StatusOK)
			s.wantLines(t, apology, 1)
			s.registry.Up(t, source.Answer(source.Paired(tablet)))
			s.await(t, "/url", http.StatusUnauthorized, 30*time.Second+slack)
			s.want(t, http.StatusOK, "/url", s.tablet)
		}},
		{"on the first list in a file lets nobody in until another is there", inParse, bomb, func(t *testing.T, s *struck) {
			s.want(t, http.StatusServiceUnavailable, "/file", s.phone)
			s.want(t, http.StatusOK, "/told", s.phone)
			source.Replace(t, s.file, source.Paired(phone))
			s.await(t, "/file", http.StatusOK, panicRefresh+slack)
			s.want(t, http.StatusUnauthorized, "/file", s.tablet)
			s.wantLines(t, apology, 2) // the URL has that list too
		}},
		{"on the first list of a URL lets nobody in until another is there", inParse, bomb, func(t *testing.T, s *struck) {
			s.want(t, http.StatusServiceUnavailable, "/url", s.phone)
			s.registry.Up(t, source.Answer(source.Paired(phone)))
			s.await(t, "/url", http.StatusOK, 30*time.Second+slack)
			s.want(t, http.StatusUnauthorized, "/url", s.tablet)
			s.wantLines(t, apology, 2) // the file has that list too
		}},
		{"while a URL is fetched leaves its last good list in force", inFetch, "", func(t *testing.T, s *struck) {
			s.want(t, http.StatusOK, "/url", s.phone)
			s.registry.Up(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Cache-Control", "planted")
				_, _ = io.WriteString(w, source.Paired(tablet))
			})
			s.stays(t, "/url", http.StatusOK)
			s.wantLines(t, apology, 1)
			s.registry.Up(t, source.Answer(source.Paired(tablet)))
			s.await(t, "/url", http.StatusUnauthorized, 30*time.Second+slack)
		}},
		{"while decisions are forgotten leaves none of them in force", inRenew, "", func(t *testing.T, s *struck) {
			s.want(t, http.StatusOK, "/file", s.phone)
			source.Replace(t, s.file, source.Paired(tablet))
			s.await(t, "/file", http.StatusUnauthorized, panicRefresh+slack)
			s.want(t, http.StatusOK, "/file", s.tablet)
			if len(s.proxy.LogLines(`"level":"error"`, apology)) == 0 {
				t.Error("nothing tells of it")
			}
		}},
		{"while WebSockets are judged ends them all", inIsGood, "", endsSockets},
		{"while WebSockets are watched ends them all", inJudge, "", endsSockets},
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
	registry      *source.Server
	app           *witness.Attendance
	told, through atomic.Int64
	phone, tablet string
}

func strike(t *testing.T, p plant, list string) *struck {
	t.Helper()
	if list == "" {
		list = source.Paired(phone, tablet)
	}
	secret := issuer.NewSecret()
	s := &struck{file: source.File(t, list), registry: source.NewServer(t, source.Answer(list)), app: witness.NewAttendance(t)}
	s.phone, s.tablet = issuer.SignHS256(t, secret, phone), issuer.SignHS256(t, secret, tablet)
	counting := func(n *atomic.Int64) string {
		f := source.NewServer(t, func(http.ResponseWriter, *http.Request) { n.Add(1) })
		return f.URL
	}
	s.dynamic = strings.NewReplacer(
		"SECRET", source.File(t, secret), "LIST", s.file, "URL", s.registry.URL, "APP", s.app.URL,
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
	s.proxy = traefiktest.Start(t, traefik.Options{Dynamic: s.dynamic, Plugin: planted(t, p)})
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
	visitor.New(t, s.phone).AwaitStatus(t, within, s.proxy.URL("web")+path, "", status)
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
	if !s.app.LastSeen(user).IsZero() {
		t.Errorf("the app has seen %s", user)
	}
}

// wantLines wants that many ERROR lines with the text, and no more.
func (s *struck) wantLines(t *testing.T, text string, n int) {
	t.Helper()
	if lines := s.proxy.LogLines(`"level":"error"`, text); len(lines) != n {
		t.Errorf("there are %d lines with %q, want %d: %.1000q", len(lines), text, n, lines)
	}
}

func endsSockets(t *testing.T, s *struck) {
	list := []string{source.Paired(tablet), source.Paired(phone, tablet)}
	for i := range 2 {
		open := visitor.Dial(t, s.proxy.URL("web")+"/file", s.tablet, 3)
		// The terminal stays paired: they end for the panic alone.
		source.Replace(t, s.file, list[i])
		visitor.AwaitClosed(t, open, panicRefresh+slack)
	}
	s.wantLines(t, apology, 2)
}

// planted copies the plugin with the panic in it.
func planted(t *testing.T, p plant) string {
	t.Helper()
	return guardtest.Changed(t, "../..", func(plugin *guardtest.Plugin) (*guardtest.Plugin, error) {
		return plugin.Plant(p.function, p.condition)
	})
}
