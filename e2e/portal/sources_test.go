package portal

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/getportal/ptlauth/e2e/issuer"
	"github.com/getportal/ptlauth/e2e/poll"
	"github.com/getportal/ptlauth/e2e/source"
	"github.com/getportal/ptlauth/e2e/traefik"
	"github.com/getportal/ptlauth/e2e/traefik/traefiktest"
	"github.com/getportal/ptlauth/e2e/visitor"
	"github.com/getportal/ptlauth/e2e/witness"
)

// patience is how long a busy machine may take for what a middleware does at once: what is asserted is that it does.
const patience = 20 * time.Second

// quick is the `refresh` of what is tested interpreted: the least one there is.
const quick = 100 * time.Millisecond

// lookTime is the most that a request may take which looks at a server: that waits for a second, and there is much else
// to do here at the same time.
const lookTime = 4500 * time.Millisecond

// spoiled is a way in which a file is not what it should be.
type spoiled struct {
	name string
	// spoil does it to a file that may not be there yet.
	spoil func(t *testing.T, path, good string)
}

func spoiling(content func(good string) string) func(*testing.T, string, string) {
	return func(t *testing.T, path, good string) {
		t.Helper()
		// In place, as an editor or a full disk would.
		if err := os.WriteFile(path, []byte(content(good)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

var spoiledFiles = []spoiled{
	{"truncated", spoiling(func(string) string { return "" })},
	{"half-written", spoiling(func(good string) string { return good[:len(good)/2] })},
	{"a directory", func(t *testing.T, path, _ string) {
		_ = os.Remove(path)
		if err := os.Mkdir(path, 0o700); err != nil {
			t.Fatal(err)
		}
	}},
	{"not to be read", func(t *testing.T, path, good string) {
		if os.Geteuid() != 0 {
			source.Replace(t, path, good+" ")
			if err := os.Chmod(path, 0); err != nil {
				t.Fatal(err)
			}
			return
		}
		// Root may read everything but this.
		_ = os.Remove(path)
		if err := os.Symlink(path, path); err != nil {
			t.Fatal(err)
		}
	}},
	{"deleted", func(_ *testing.T, path, _ string) { _ = os.Remove(path) }},
	{"100 MB", func(t *testing.T, path, good string) {
		source.Replace(t, path, good)
		if err := os.Truncate(path, 100<<20); err != nil {
			t.Fatal(err)
		}
	}},
	{"not UTF-8", spoiling(func(string) string { return "[{\"id\": \"abc123\", \"name\": \"\xff\xfe\"}]" })},
}

// heal puts a good file in the place of whatever is there. A directory alone has to go first, when the file is at hand:
// the log rightly tells of a moment without one.
func heal(t *testing.T, path, good string) {
	t.Helper()
	fresh := path + ".good"
	source.Replace(t, fresh, good)
	if info, err := os.Lstat(path); err == nil && info.IsDir() {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Rename(fresh, path); err != nil {
		t.Fatal(err)
	}
}

// wantLines checks that the log tells of a source once when it broke and, if it has, once when it healed. A busy machine
// may see one break in two ways, and is told of each once.
func wantLines(t *testing.T, log func() []string, healed bool) {
	t.Helper()
	const inOrder = "in order again"
	if healed {
		// What is new is in force a moment before the log tells.
		poll.Until(t, patience, func() string {
			if lines := log(); len(lines) == 0 || !strings.Contains(lines[len(lines)-1], inOrder) {
				return "the log does not tell that it has healed"
			}
			return ""
		})
	}
	lines := log()
	broke := lines
	if healed {
		broke = lines[:len(lines)-1]
	}
	told := map[string]bool{}
	for _, line := range broke {
		_, message, _ := strings.Cut(line, `"message":`)
		if told[message] || strings.Contains(line, inOrder) {
			t.Errorf("the log tells more than once: %.2000q", lines)
		}
		told[message] = true
	}
	if len(broke) == 0 || len(broke) > 2 {
		t.Errorf("want a line about what broke, got %d: %.2000q", len(broke), lines)
	}
}

// TestPortalFiles spoils the files under a middleware: what was good stays in force, and what never was gets 503.
func TestPortalFiles(t *testing.T) {
	l := load(t)
	tests := map[string]func(*testing.T){}
	for _, kind := range []string{"registry", "secret"} {
		for _, test := range spoiledFiles {
			if kind == "secret" && test.name == "not UTF-8" {
				continue // A secret may be any bytes.
			}
			secret := issuer.NewSecret() // Half of it is too short for one.
			good := map[string]string{"registry": source.Paired(phone), "secret": secret}
			token, stranger := issuer.SignHS256(t, secret, phone), issuer.SignHS256(t, issuer.NewSecret(), phone)
			// prepare returns what is spoiled and a middleware to be, and what is still good of it later on.
			prepare := func(t *testing.T) (string, func() http.Handler) {
				dir := t.TempDir()
				files := map[string]string{"registry": filepath.Join(dir, "list.json"), "secret": filepath.Join(dir, "secret.txt")}
				for name, path := range files {
					source.Replace(t, path, good[name])
				}
				return files[kind], func() http.Handler {
					return l.build(t, map[string]any{
						"secretFile": files["secret"], "terminals": map[string]any{"file": files["registry"]}, "refresh": quick.String(),
					})
				}
			}
			tests["a "+kind+" that becomes "+test.name+" stays as it was"] = func(t *testing.T) {
				path, build := prepare(t)
				handler := build()
				if status := askAs(handler, token); status != http.StatusOK {
					t.Fatalf("got %d while all is well", status)
				}
				test.spoil(t, path, good[kind])
				poll.Until(t, patience, func() string {
					if status := askAs(handler, token); status != http.StatusOK {
						t.Errorf("got %d", status)
					}
					if len(l.log.errorsAbout(path)) == 0 {
						return "the log does not tell"
					}
					return ""
				})
				for range 10 {
					time.Sleep(quick / 2)
					if good, bad := askAs(handler, token), askAs(handler, stranger); good != http.StatusOK || bad != http.StatusUnauthorized {
						t.Fatalf("got %d, and with a forged token %d", good, bad)
					}
				}
				wantLines(t, l.about(path), false)

				fresh := map[string]string{"registry": source.Paired(tablet), "secret": issuer.NewSecret()}
				tokens := map[string]string{
					"registry": issuer.SignHS256(t, secret, tablet), "secret": issuer.SignHS256(t, fresh["secret"], phone),
				}
				heal(t, path, fresh[kind])
				poll.Until(t, patience, func() string {
					if now, before := askAs(handler, tokens[kind]), askAs(handler, token); now != http.StatusOK || before != http.StatusUnauthorized {
						return fmt.Sprintf("what is healed is not in force: %d, and %d for what was before", now, before)
					}
					return ""
				})
				wantLines(t, l.about(path), true)
			}
			tests["a "+kind+" that is "+test.name+" from the start gets 503"] = func(t *testing.T) {
				path, build := prepare(t)
				test.spoil(t, path, good[kind])
				handler := build()
				for range 10 {
					if status := askAs(handler, token); status != http.StatusServiceUnavailable {
						t.Fatalf("got %d", status)
					}
					time.Sleep(quick / 2)
				}
				wantLines(t, l.about(path), false)

				heal(t, path, good[kind])
				poll.Until(t, patience, func() string {
					if status := askAs(handler, token); status != http.StatusOK {
						return fmt.Sprintf("healed, and still %d", status)
					}
					return ""
				})
				wantLines(t, l.about(path), true)
			}
		}
	}
	together(t, tests)
}

// illness is a way in which a server does not answer as it should; a nil answer is a server that is down.
type illness struct {
	name   string
	answer http.HandlerFunc
	shows  time.Duration // how long it takes until that can be told
}

func (i *illness) befalls(t *testing.T, server *source.Server) {
	if i.answer == nil {
		server.Down()
		return
	}
	server.Up(t, i.answer)
}

var sick = []illness{
	{"is down", nil, 0},
	{"answers 500", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) }, 0},
	{"answers 304 without having been told an ETag", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusNotModified)
	}, 0},
	{"answers with a page", source.Answer("<!doctype html><title>Please log in</title>"), 0},
	{"answers with half of it", source.Answer(`{"keys": [{"kty": "RSA", `), 0},
	{"redirects in a circle", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, r.URL.Path, http.StatusFound) }, 0},
	{"resets the connection", func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err == nil {
			_ = conn.(*net.TCPConn).SetLinger(0)
			conn.Close()
		}
	}, 0},
	{"resets the connection in the middle", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "1000")
		_, _ = w.Write([]byte("["))
		_ = http.NewResponseController(w).Flush()
		time.Sleep(20 * time.Millisecond)
		conn, _, err := http.NewResponseController(w).Hijack()
		if err == nil {
			_ = conn.(*net.TCPConn).SetLinger(0)
			conn.Close()
		}
	}, 0},
	{"answers without end", func(w http.ResponseWriter, r *http.Request) {
		chunk := []byte(strings.Repeat(" ", 1<<20))
		for r.Context().Err() == nil {
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
	}, 2 * time.Second},
	{"sends a byte and then nothing for 10 s", func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte("["))
		_ = http.NewResponseController(w).Flush()
		select {
		case <-time.After(10 * time.Second):
		case <-r.Context().Done():
		}
	}, 5 * time.Second},
}

// TestPortalServers spoils the servers behind a middleware.
func TestPortalServers(t *testing.T) {
	l := load(t)
	secret := issuer.NewSecret()
	secretFile := source.File(t, secret)
	first, second := issuer.NewRSA(t, "first"), issuer.NewEC(t, "second")
	// What each kind of server answers with at first and when it has healed, and the tokens that are then good.
	kinds := map[string]struct {
		config              func(url string) map[string]any
		before, after       string
		goodBefore, goodNow string
	}{
		"registry": {
			func(url string) map[string]any {
				return map[string]any{"secretFile": secretFile, "terminals": map[string]any{"url": url}, "refresh": quick.String()}
			},
			source.Paired(phone), source.Paired(tablet), issuer.SignHS256(t, secret, phone), issuer.SignHS256(t, secret, tablet),
		},
		"JWKS": {
			func(url string) map[string]any {
				return map[string]any{"keys": []any{map[string]any{"jwksURL": url}}, "terminals": "any", "refresh": quick.String()}
			},
			issuer.KeySet(first), issuer.KeySet(second), first.Token(t, phone), second.Token(t, phone),
		},
	}
	// Yaegi finds out what a type switch is about when it first comes by, unlocked; golang-jwt has one for each algorithm.
	known := source.NewServer(t, source.Answer(issuer.KeySet(first, second)))
	handler := l.build(t, kinds["JWKS"].config(known.URL))
	askAs(handler, first.Token(t, phone))
	askAs(handler, second.Token(t, phone))

	tests := map[string]func(*testing.T){}
	for name, kind := range kinds {
		for _, test := range sick {
			tests["a "+name+" server that later "+test.name+" changes nothing"] = func(t *testing.T) {
				server := source.NewServer(t, source.Answer(kind.before))
				handler := l.build(t, kind.config(server.URL))
				awaitGood(t, handler, kind.goodBefore)
				test.befalls(t, server)
				o := &outage{l, server, handler, test.shows}
				o.lasts(t, kind.goodBefore, http.StatusOK)
				o.heals(t, kind.after, kind.goodNow)
			}
			tests["a "+name+" server that "+test.name+" from the start gets 503"] = func(t *testing.T) {
				server := source.NewServer(t, nil)
				test.befalls(t, server)
				o := &outage{l, server, l.build(t, kind.config(server.URL)), test.shows}
				o.lasts(t, kind.goodBefore, http.StatusServiceUnavailable)
				o.heals(t, kind.before, kind.goodBefore)
			}
		}
	}
	together(t, tests)
}

// outage is a server that fell ill, and a middleware that asks it.
type outage struct {
	*loaded
	server  *source.Server
	handler http.Handler
	shows   time.Duration // of the illness
}

// lasts wants this status meanwhile, without delay, and one line of the log.
func (o *outage) lasts(t *testing.T, token string, want int) {
	t.Helper()
	slowest := askUntil(t, o.handler, token, want, patience+o.shows, func() bool {
		return len(o.log.errorsAbout(o.server.URL)) > 0
	})
	slowest = max(slowest, askFor(t, o.handler, token, want, 700*time.Millisecond))
	if slowest > lookTime {
		t.Errorf("a request took %s", slowest)
	}
	wantLines(t, o.about(o.server.URL), false)
}

// heals has the server answer well again, and wants the token to be good soon. Of what may end in a while, the pause before the
// next attempt is as long at the most, but for one request.
func (o *outage) heals(t *testing.T, content, token string) {
	t.Helper()
	o.server.Up(t, source.Answer(content))
	poll.Until(t, patience+2*o.shows, func() string {
		if now := askAs(o.handler, token); now != http.StatusOK {
			return fmt.Sprintf("healed, and still %d", now)
		}
		return ""
	})
	wantLines(t, o.about(o.server.URL), true)
}

// askUntil asks, wants this status each time, and returns how long the slowest request took.
func askUntil(t *testing.T, handler http.Handler, token string, want int, within time.Duration, done func() bool) time.Duration {
	t.Helper()
	slowest := time.Duration(0)
	for began := time.Now(); !done(); time.Sleep(50 * time.Millisecond) {
		before := time.Now()
		status := askAs(handler, token)
		slowest = max(slowest, time.Since(before))
		if status != want {
			t.Fatalf("got %d, want %d", status, want)
		}
		if time.Since(began) > within {
			t.Fatalf("waited %s in vain for a line in the log", within)
		}
	}
	return slowest
}

func askFor(t *testing.T, handler http.Handler, token string, want int, long time.Duration) time.Duration {
	t.Helper()
	end := time.Now().Add(long)
	return askUntil(t, handler, token, want, patience, func() bool { return time.Now().After(end) })
}

// TestPortalKeySet is about a JWK Set's server that does all right.
func TestPortalKeySet(t *testing.T) {
	l := load(t)
	config := func(server *source.Server, refresh time.Duration) map[string]any {
		return map[string]any{"keys": []any{map[string]any{"jwksURL": server.URL}}, "terminals": "any", "refresh": refresh.String()}
	}
	kept := func(content string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Cache-Control", "public, max-age=60")
			source.AnswerTagged(content)(w, r)
		}
	}
	first, second := issuer.NewRSA(t, "first"), issuer.NewEC(t, "second")

	t.Run("RS256 and ES256 tokens are told apart by their kid", func(t *testing.T) {
		server := source.NewServer(t, source.Answer(issuer.KeySet(first, second)))
		handler := l.build(t, config(server, quick))
		crossed := first
		crossed.KID = second.KID
		for token, want := range map[string]int{
			first.Token(t, phone): 200, second.Token(t, phone): 200, crossed.Token(t, phone): 401, issuer.NewEC(t, "second").Token(t, phone): 401,
		} {
			if got := askAs(handler, token); got != want {
				t.Errorf("got %d, want %d", got, want)
			}
		}
	})
	t.Run("a set with an ETag is asked for with If-None-Match, and 304 is taken", func(t *testing.T) {
		server := source.NewServer(t, source.AnswerTagged(issuer.KeySet(first)))
		handler := l.build(t, config(server, quick))
		askFor(t, handler, first.Token(t, phone), http.StatusOK, time.Second)
		fetches := server.Fetches()
		if len(fetches) < 4 || fetches[0].Tag != "" {
			t.Fatalf("it was fetched so: %v", fetches)
		}
		for _, fetch := range fetches[1:] {
			if fetch.Tag == "" {
				t.Errorf("it was fetched without its tag: %v", fetches)
			}
		}
		if lines := l.log.errorsAbout(server.URL); len(lines) > 0 {
			t.Errorf("the log says %q", lines)
		}
		server.Up(t, source.AnswerTagged(issuer.KeySet(second)))
		poll.Until(t, patience, func() string {
			if askAs(handler, second.Token(t, phone)) != http.StatusOK || askAs(handler, first.Token(t, phone)) != http.StatusUnauthorized {
				return "another set is not taken"
			}
			return ""
		})
	})
	t.Run("a set is not asked for again before its max-age", func(t *testing.T) {
		server := source.NewServer(t, kept(issuer.KeySet(first)))
		handler := l.build(t, config(server, quick))
		askFor(t, handler, first.Token(t, phone), http.StatusOK, time.Second)
		if n := len(server.Fetches()); n != 1 {
			t.Errorf("it was fetched %d times", n)
		}
	})
	t.Run("a set whose max-age is over is asked for again", func(t *testing.T) {
		server := source.NewServer(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Cache-Control", "max-age=1")
			source.Answer(issuer.KeySet(first))(w, nil)
		})
		handler := l.build(t, config(server, quick))
		askFor(t, handler, first.Token(t, phone), http.StatusOK, 2500*time.Millisecond)
		if n := len(server.Fetches()); n < 2 || n > 3 {
			t.Errorf("it was fetched %d times in 2.5 s, want 2 or 3", n)
		}
	})
	t.Run("200 tokens of unknown kids make one more fetch", func(t *testing.T) {
		server := source.NewServer(t, kept(issuer.KeySet(first)))
		handler := l.build(t, config(server, quick))
		forger := issuer.NewEC(t, "")
		var all sync.WaitGroup
		for i := range 10 {
			all.Go(func() {
				for j := range 20 {
					forger := issuer.Issuer{KID: fmt.Sprintf("forged-%d-%d", i, j), Method: forger.Method, Key: forger.Key}
					if status := askAs(handler, forger.Token(t, phone)); status != http.StatusUnauthorized {
						t.Errorf("got %d", status)
					}
				}
			})
		}
		all.Wait()
		if n := len(server.Fetches()); n != 2 {
			t.Errorf("it was fetched %d times, want 2", n)
		}
		if status := askAs(handler, first.Token(t, phone)); status != http.StatusOK {
			t.Errorf("an honest token got %d", status)
		}
	})
	t.Run("a new kid is accepted at once, whoever brings it", func(t *testing.T) {
		server := source.NewServer(t, kept(issuer.KeySet(first)))
		// Nothing but the unknown kid makes anybody look again.
		handler, other := l.build(t, config(server, time.Minute)), l.build(t, config(server, time.Minute))
		if status := askAs(handler, first.Token(t, phone)); status != http.StatusOK {
			t.Fatalf("got %d before", status)
		}
		server.Up(t, func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(50 * time.Millisecond)
			kept(issuer.KeySet(first, second))(w, r)
		})
		var all sync.WaitGroup
		for i := range 8 {
			all.Go(func() {
				if status := askAs(handler, second.Token(t, fmt.Sprintf("terminal-%d", i))); status != http.StatusOK {
					t.Errorf("the first to bring it, number %d of 8 at once, got %d", i, status)
				}
			})
		}
		all.Wait()
		if status := askAs(handler, second.Token(t, tablet)); status != http.StatusOK {
			t.Errorf("who brought it later got %d", status)
		}
		if status := askAs(other, second.Token(t, phone)); status != http.StatusOK {
			t.Errorf("who brought it to another router got %d", status)
		}
		if n := len(server.Fetches()); n != 2 {
			t.Errorf("it was fetched %d times, want 2", n)
		}
	})
}

// TestPortalSharedSource lets many routers name one URL.
func TestPortalSharedSource(t *testing.T) {
	const refresh, long = time.Second, 3 * time.Second
	l := load(t)
	secret := issuer.NewSecret()
	secretFile, token := source.File(t, secret), issuer.SignHS256(t, secret, phone)
	// fetches is how often the URL is fetched for so many routers, which come in phases of their own.
	fetches := func(t *testing.T, routers int, name func(i int) string) int {
		registry := source.NewServer(t, source.Answer(source.Paired(phone)))
		var all sync.WaitGroup
		for i := range routers {
			all.Go(func() {
				time.Sleep(refresh * time.Duration(i) / time.Duration(routers))
				handler := l.buildNamed(t, name(i), map[string]any{
					"secretFile": secretFile, "terminals": map[string]any{"url": registry.URL}, "refresh": refresh.String(),
				})
				askFor(t, handler, token, http.StatusOK, long)
			})
		}
		all.Wait()
		return len(registry.Fetches())
	}
	const spent = long + refresh
	tests := map[string]func(*testing.T){}
	for what, test := range map[string]struct {
		routers, middlewares, least, most int
	}{
		"one router fetches it once in refresh":                               {1, 1, 3, int(spent/refresh) + 2},
		"20 routers of one middleware fetch it once in refresh":               {20, 1, 3, int(spent/refresh) + 2},
		"20 middlewares fetch it no more than four times in refresh together": {20, 20, 8, int(spent/(refresh/4)) + 2},
	} {
		tests[what] = func(t *testing.T) {
			n := fetches(t, test.routers, func(i int) string { return fmt.Sprint(t.Name(), " ", i%test.middlewares, "@test") })
			t.Logf("%d fetches", n)
			if n < test.least || n > test.most {
				t.Errorf("%d fetches, want %d to %d", n, test.least, test.most)
			}
		}
	}
	together(t, tests)
}

// TestPortalBrokenSources repeats some of the above through Traefik, with what else there is in its log.
func TestPortalBrokenSources(t *testing.T) {
	if testing.Short() {
		t.Skip("starts Traefik")
	}
	secret := issuer.NewSecret()
	list, secretFile, lost := source.File(t, source.Paired(phone)), source.File(t, secret), source.File(t, secret)
	registry := source.NewServer(t, nil)
	key := issuer.NewRSA(t, "first")
	keys := source.NewServer(t, source.Answer(issuer.KeySet(key)))
	app := witness.NewAttendance(t)
	proxy := traefiktest.Start(t, traefik.Options{Dynamic: strings.NewReplacer(
		"SECRET", secretFile, "LOST", lost, "LIST", list, "REGISTRY", registry.URL, "JWKS", keys.URL, "APP", app.URL,
	).Replace(`
http:
  middlewares:
    file: {plugin: {ptlauth: {secretFile: SECRET, terminals: {file: LIST}, refresh: 500ms}}}
    secret: {plugin: {ptlauth: {secretFile: LOST, terminals: any, refresh: 500ms}}}
    registry: {plugin: {ptlauth: {secretFile: SECRET, terminals: {url: "REGISTRY"}, refresh: 500ms}}}
    jwks: {plugin: {ptlauth: {keys: [{jwksURL: "JWKS"}], terminals: any, refresh: 500ms}}}
  routers:
    file: {rule: PathPrefix("/file"), service: app, middlewares: [file], entryPoints: [web]}
    secret: {rule: PathPrefix("/secret"), service: app, middlewares: [secret], entryPoints: [web]}
    registry: {rule: PathPrefix("/registry"), service: app, middlewares: [registry], entryPoints: [web]}
    jwks: {rule: PathPrefix("/jwks"), service: app, middlewares: [jwks], entryPoints: [web]}
  services:
    app: {loadBalancer: {servers: [{url: "APP"}]}}
`)})
	for _, test := range []struct {
		name, path, token, source string
		breaks, heals             func(t *testing.T)
		meanwhile                 int
	}{
		{
			"a list that is half-written", "/file", issuer.SignHS256(t, secret, phone), list,
			func(t *testing.T) { source.Replace(t, list, source.Paired(phone)[:20]) },
			func(t *testing.T) { source.Replace(t, list, source.Paired(phone)) }, http.StatusOK,
		},
		{
			"a secret that is deleted", "/secret", issuer.SignHS256(t, secret, phone), lost,
			func(*testing.T) { _ = os.Remove(lost) },
			func(t *testing.T) { source.Replace(t, lost, secret) }, http.StatusOK,
		},
		{
			"a registry that is down at the start", "/registry", issuer.SignHS256(t, secret, phone), registry.URL,
			func(*testing.T) {},
			func(t *testing.T) { registry.Up(t, source.Answer(source.Paired(phone))) }, http.StatusServiceUnavailable,
		},
		{
			"a JWK Set whose server answers 500", "/jwks", key.Token(t, phone), keys.URL,
			func(t *testing.T) {
				keys.Up(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) })
			},
			func(t *testing.T) { keys.Up(t, source.Answer(issuer.KeySet(key))) }, http.StatusOK,
		},
	} {
		t.Run(fmt.Sprintf("%s gets %d and one line in the log, and one when it has healed", test.name, test.meanwhile), func(t *testing.T) {
			v, url := visitor.New(t, test.token), proxy.URL("web")+test.path
			v.AwaitStatus(t, slack, url, "", test.meanwhile)
			test.breaks(t)
			for range 15 {
				time.Sleep(100 * time.Millisecond)
				v.WantStatus(t, url, "", test.meanwhile)
			}
			wantLines(t, func() []string { return errorLines(proxy.Log(), test.source) }, false)
			test.heals(t)
			poll.Until(t, 5*time.Second, func() string {
				if status, err := v.Get(url, ""); status != http.StatusOK || len(errorLines(proxy.Log(), test.source)) < 2 {
					return fmt.Sprintf("not healed: %d %v", status, err)
				}
				return ""
			})
			wantLines(t, func() []string { return errorLines(proxy.Log(), test.source) }, true)
		})
	}
}
