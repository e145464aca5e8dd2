package people

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/fetch"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"github.com/getportal/ptlauth/e2e/program"
)

// way is one to have a browser fetch something: a script, where %s is the address.
type way struct{ name, script string }

// ways are those after which the page is still there.
var ways = []way{
	{"fetch", `fetch(%s).catch(() => 0)`},
	{"fetch-with-credentials", `fetch(%s, {credentials: 'include', mode: 'no-cors'}).catch(() => 0)`},
	{"fetch-that-outlives-the-page", `fetch(%s, {keepalive: true, method: 'POST', body: 'x', mode: 'no-cors'}).catch(() => 0)`},
	{"xhr", `(x => { x.open('GET', %s); x.withCredentials = true; x.send() })(new XMLHttpRequest)`},
	{"xhr-post", `(x => { x.open('POST', %s); x.send('x') })(new XMLHttpRequest)`},
	{"beacon", `navigator.sendBeacon(%s, 'x')`},
	{"event-stream", `void new EventSource(%s, {withCredentials: true})`},
	{"image", `document.body.append(Object.assign(new Image, {src: %s}))`},
	{"script", `document.body.append(Object.assign(document.createElement('script'), {src: %s}))`},
	{"module", `import(%s).catch(() => 0)`},
	{"style", `document.head.append(Object.assign(document.createElement('link'), {rel: 'stylesheet', href: %s}))`},
	{"prefetch", `document.head.append(Object.assign(document.createElement('link'), {rel: 'prefetch', href: %s}))`},
	{"font", `new FontFace('x', 'url(' + %s + ')').load().catch(() => 0)`},
	{"video", `document.body.append(Object.assign(document.createElement('video'), {src: %s, preload: 'auto'}))`},
	{"object", `document.body.append(Object.assign(document.createElement('object'), {data: %s}))`},
	{"embed", `document.body.append(Object.assign(document.createElement('embed'), {src: %s}))`},
	{"frame", `document.body.append(Object.assign(document.createElement('iframe'), {src: %s}))`},
	{"frame-of-its-own-origin", `document.body.append(Object.assign(document.createElement('iframe'), {src: %s, sandbox: ''}))`},
	{"form-post", formTo + `(%s, 'post')`},
	{"form-get", formTo + `(%s, 'get')`},
	{"ping", `(a => { document.body.append(a); a.click() })(Object.assign(document.createElement('a'), {href: '#', ping: %s}))`},
	{"websocket", `void new WebSocket(%s.replace('http', 'ws'))`},
	{"new-window", `void open(%s)`},
	{"propfind", `fetch(%s, {method: 'PROPFIND'}).catch(() => 0)`},
	{"put", `fetch(%s, {method: 'PUT', body: 'x'}).catch(() => 0)`},
}

// formTo sends a form into a frame, so that the page stays.
const formTo = `((to, method) => {
	const frame = Object.assign(document.createElement('iframe'), {name: 'frame' + Math.random()});
	const form = Object.assign(document.createElement('form'), {action: to, method: method, target: frame.name});
	document.body.append(frame, form);
	form.submit();
})`

// leaves are those for which a page goes, a download from elsewhere among them.
var leaves = []way{
	{"download", `(a => { document.body.append(a); a.click() })(Object.assign(document.createElement('a'), {href: %s, download: 'x.zip'}))`},
	{"page", `location.assign(%s)`},
	{"address-with-a-password", `location.assign(%s.replace('://', '://ada:own@'))`},
	{"page-that-is-loaded-again", `(location.assign(%s), setTimeout(() => location.reload(), 300))`},
}

// asking is an app that has public pages, and asks for a password of its own at paths that end with /own.
type asking struct {
	mu   sync.Mutex
	sent []string // Authorization, as it was sent to /own
}

// ownChallenge is how it asks: the second line is what nobody but it knows.
func ownChallenge(path string) []string {
	return []string{`Basic realm="` + path + `", charset="UTF-8"`, `App-Token scope="a, b"`}
}

func (a *asking) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	if strings.HasSuffix(r.URL.Path, "/own") {
		a.mu.Lock()
		a.sent = append(a.sent, strings.Join(r.Header["Authorization"], " and "))
		a.mu.Unlock()
		user, password, _ := r.BasicAuth()
		isPaired := r.URL.Path == "/own" && r.Header.Get("X-Ptl-Client-Type") == "terminal"
		if !isPaired && (user != "ada" || password != "own") {
			w.Header()["Www-Authenticate"] = ownChallenge(r.URL.Path)
			w.WriteHeader(http.StatusUnauthorized)
			io.WriteString(w, "The app wants a password of its own.")
			return
		}
	}
	if strings.HasSuffix(r.URL.Path, ".webmanifest") {
		w.Header().Set("Content-Type", "application/manifest+json")
		io.WriteString(w, `{"name": "App of `+r.Header.Get("X-Ptl-Client-Type")+`"}`)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	fmt.Fprintf(w, `<!doctype html><html lang="en"><title>App</title>%s<body><p>Hello, %s</body></html>`, manifests[r.URL.Path], r.Header.Get("X-Ptl-User"))
}

// manifests are how pages of the app link to its manifest.
var manifests = map[string]string{
	"/installable":     `<link rel="manifest" href="/app.webmanifest">`,
	"/made-public":     `<link rel="manifest" href="/public/app.webmanifest">`,
	"/with-the-cookie": `<link rel="manifest" href="/private/app.webmanifest" crossorigin="use-credentials">`,
}

// authorizations are those that it was sent since the last time.
func (a *asking) authorizations() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	sent := a.sent
	a.sent = nil
	return sent
}

// box is a browser's password box: it notes who asks for one, and types what somebody would.
type box struct {
	mu    sync.Mutex
	asked []string // realms
	types string   // the password; empty: it is cancelled
}

// newBox has a window show no box of its own, but this.
func newBox(t *testing.T, w *window) *box {
	t.Helper()
	b := &box{}
	err := chromedp.Listen(w.ctx, func(event any) {
		switch event := event.(type) {
		case *fetch.EventRequestPaused:
			go func() {
				_, _ = chromedp.Call(w.ctx, fetch.ContinueRequest, fetch.ContinueRequestParams{RequestID: event.RequestID})
			}()
		case *fetch.EventAuthRequired:
			b.mu.Lock()
			b.asked = append(b.asked, event.AuthChallenge.Realm)
			answer := &fetch.AuthChallengeResponse{Response: fetch.AuthChallengeResponseResponseCancelAuth}
			if b.types != "" {
				answer = &fetch.AuthChallengeResponse{Response: fetch.AuthChallengeResponseResponseProvideCredentials, Username: "ada", Password: b.types}
			}
			b.mu.Unlock()
			go func() {
				_, _ = chromedp.Call(w.ctx, fetch.ContinueWithAuth, fetch.ContinueWithAuthParams{RequestID: event.RequestID, AuthChallengeResponse: answer})
			}()
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	call(w, fetch.Enable, fetch.EnableParams{Patterns: []*fetch.RequestPattern{{URLPattern: "*"}}, HandleAuthRequests: new(true)})
	return b
}

// nowTypes has a password typed into it from now on; empty: it is cancelled.
func (b *box) nowTypes(password string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.types = password
}

// shown are the realms for which it was shown since the last time.
func (b *box) shown() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	asked := b.asked
	b.asked = nil
	return asked
}

// answered is a line of Traefik's access log.
type answered struct {
	RequestMethod, RequestPath, RequestHost string
	DownstreamStatus                        int
	Challenge                               string `json:"downstream_Www-Authenticate"`
	Fetched                                 string `json:"request_Sec-Fetch-Dest"`
}

// answersTo are those to requests for a path.
func (s *site) answersTo(t *testing.T, path string) []answered {
	t.Helper()
	var found []answered
	for line := range strings.Lines(s.proxy.AccessLog()) {
		var a answered
		if err := json.Unmarshal([]byte(line), &a); err != nil {
			continue // half a line
		}
		if at, _, _ := strings.Cut(a.RequestPath, "?"); at == path {
			found = append(found, a)
		}
	}
	return found
}

const logsHeaders = "accessLog: {fields: {headers: {defaultMode: keep}}}\n"

// TestPasswordBox has a browser fetch whatever it can from where it has no token, and be denied. Where programs are asked for
// a password, it must not be, for it would show a person a box that nothing can be typed into.
func TestPasswordBox(t *testing.T) {
	const elsewhere = "elsewhere.example.net"
	for name, secure := range map[string]bool{"over HTTPS": true, "over HTTP, as on a LAN": false} {
		t.Run(name, func(t *testing.T) {
			app := new(asking)
			const options = "pairing: true, token: {basic: true}, paths: [{prefix: /public/, access: public}, {prefix: /own, access: public}]"
			s := newSiteWith(t, secure, logsHeaders, host{home, app, options}, host{elsewhere, app, options})
			w := newProfile(t).open(t, s)
			for _, from := range []string{home, elsewhere} {
				s.fetches(t, w, from, ways)
				for _, leave := range leaves {
					s.fetches(t, w, from, []way{leave})
				}
			}
			w.in(t)
			s.asksPrograms(t)
			t.Run("the app's own box is shown as it was, and what is typed reaches the app", func(t *testing.T) { s.ownBox(t, w.in(t), app) })
			t.Run("the token may be typed into it, and no other page makes use of it", func(t *testing.T) { s.keptPassword(t, elsewhere) })
			if secure {
				t.Run("a manifest is fetched without the cookie, and both that the log advises help", func(t *testing.T) { s.fetchesManifest(t, w.in(t)) })
			}
			w.in(t)
		})
	}
}

// fetches opens a page of a host, which may be seen without a token, and has it fetch what needs one from home.
func (s *site) fetches(t *testing.T, w *window, from string, all []way) {
	t.Helper()
	tab := w.in(t).tab()
	defer tab.stop()
	b := newBox(t, tab)
	if status := tab.visit(s.url(from, "/public/")); status != 200 {
		t.Fatalf("the page of %s has status %d", from, status)
	}
	tab.says("Hello")
	path := func(w way) string { return "/private/" + from + "/" + w.name }
	for _, way := range all {
		tab.do(chromedp.Evaluate[chromedp.Void](fmt.Sprintf("void ("+way.script+")", fmt.Sprintf("%q", s.url(home, path(way))))))
	}
	for _, way := range all {
		t.Run("a page of "+from+" and "+way.name, func(t *testing.T) { s.wantNoChallenge(t, path(way), s.secure) })
	}
	if realms := b.shown(); len(realms) > 0 {
		t.Errorf("a page of %s: a box was shown for %q", from, realms)
	}
}

// wantNoChallenge waits until a path was asked for. It must be denied, without a question for a password.
func (s *site) wantNoChallenge(t *testing.T, path string, secure bool) {
	t.Helper()
	var answers []answered
	within(t, 10*time.Second, func() string {
		if answers = s.answersTo(t, path); len(answers) == 0 {
			return "the browser asks nobody for " + path
		}
		return ""
	})
	for _, a := range answers {
		if a.DownstreamStatus != 401 || !strings.HasPrefix(a.Challenge, "Bearer") || strings.Contains(a.Challenge, "Basic") {
			t.Errorf("%s is answered %d, WWW-Authenticate: %s", a.RequestMethod, a.DownstreamStatus, a.Challenge)
		}
		// Over plain HTTP browsers do not say what a request is for.
		if secure != (a.Fetched != "") && !strings.HasSuffix(path, "websocket") {
			t.Errorf("it was sent with Sec-Fetch-Dest: %s", a.Fetched)
		}
	}
}

// asksPrograms shows that a program is asked, and gets in with the token as the password.
func (s *site) asksPrograms(t *testing.T) {
	t.Helper()
	curl := program.Need(t, "curl", "curl")
	c := s.awaited(t, "script", "ada")
	asks := func(more ...string) (out string) {
		hostname, port, _ := strings.Cut(s.addr(), ":")
		words := append([]string{"--silent", "--show-error", "--include", "--connect-to", "::" + hostname + ":" + port, "--insecure"}, more...)
		text, err := exec.CommandContext(t.Context(), curl, append(words, s.url(home, "/private/program"))...).Output()
		if err != nil {
			t.Fatalf("curl: %v\n%s", err, text)
		}
		return strings.ReplaceAll(string(text), "\r\n", "\n")
	}
	t.Run("a program is asked", func(t *testing.T) {
		said := strings.ToLower(asks())
		if !strings.Contains(said, " 401") || !strings.Contains(said, "\nwww-authenticate: basic realm=\"ptlauth\", charset=\"utf-8\"\n") || !strings.Contains(said, "\nwww-authenticate: bearer") {
			t.Errorf("curl gets\n%s", said)
		}
	})
	t.Run("and gets in with the token for a password", func(t *testing.T) {
		netrc := filepath.Join(t.TempDir(), "netrc")
		if err := os.WriteFile(netrc, []byte("machine "+home+" login any password "+s.token(t, c.id, time.Now())+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if said := asks("--netrc-file", netrc); !strings.Contains(said, " 200") || !strings.HasSuffix(said, "<p>Hello, ada</body></html>") {
			t.Errorf("curl gets\n%s", said)
		}
	})
}

// ownBox has the app ask a browser for a password of its own, on a public path and, once that is paired, on a private one.
func (s *site) ownBox(t *testing.T, w *window, app *asking) {
	b := newBox(t, w)
	typed := "Basic " + base64.StdEncoding.EncodeToString([]byte("ada:own"))
	for _, kind := range []string{"public", "private"} {
		if kind == "private" {
			s.pair(t, w, s.awaited(t, "laptop", "bea").link)
		}
		path := "/" + kind + "/own"
		b.nowTypes("")
		app.authorizations()
		if status := w.visit(s.url(home, path)); status != 401 {
			t.Errorf("%s: cancelled, the page has status %d", kind, status)
		}
		for _, a := range s.answersTo(t, path) {
			if a.Challenge != strings.Join(ownChallenge(path), ",") {
				t.Errorf("%s: the app's question arrives as %s", kind, a.Challenge)
			}
		}
		b.nowTypes("own")
		if status := w.visit(s.url(home, path)); status != 200 {
			t.Errorf("%s: with the app's password the page has status %d", kind, status)
		}
		if realms := b.shown(); !slices.Equal(realms, []string{path, path}) {
			t.Errorf("%s: the box was shown for %q", kind, realms)
		}
		if sent := app.authorizations(); len(sent) < 3 || sent[len(sent)-1] != typed {
			t.Errorf("%s: the app was sent %q", kind, sent)
		}
	}
	w.visit(s.url(home, "/private/own"))
	w.says("Hello, bea")
}

// keptPassword has somebody type a token into the app's own box. The browser sends it by itself from then on, whoever asks.
func (s *site) keptPassword(t *testing.T, elsewhere string) {
	w := newProfile(t).open(t, s)
	b := newBox(t, w)
	c := s.awaited(t, "typed", "cleo")
	b.nowTypes(s.token(t, c.id, time.Now()))
	if status := w.visit(s.url(home, "/own")); status != 200 || len(b.shown()) != 1 {
		t.Fatalf("with the token for a password the page has status %d", status)
	}
	if status := w.visit(s.url(home, "/private/kept")); status != 200 {
		t.Fatalf("the next page has status %d", status)
	}
	w.says("Hello, cleo")
	for from, want := range map[string]int{home: 200, elsewhere: 403} {
		w.visit(s.url(from, "/public/"))
		w.says("Hello")
		path := "/private/posted-from-" + from
		w.do(chromedp.Evaluate[chromedp.Void](fmt.Sprintf(`(form => { document.body.append(form); form.submit() })(
			Object.assign(document.createElement('form'), {method: 'post', action: %q}))`, s.url(home, path))))
		within(t, 10*time.Second, func() string {
			if answers := s.answersTo(t, path); len(answers) != 1 || answers[0].DownstreamStatus != want {
				return fmt.Sprintf("a form of %s is answered %+v, want %d", from, answers, want)
			}
			return ""
		})
	}
	if realms := b.shown(); len(realms) > 0 {
		t.Errorf("a box was shown for %q", realms)
	}
}

// fetchesManifest opens pages that can be installed, in a browser that is paired: as apps have them, and as the log says.
func (s *site) fetchesManifest(t *testing.T, w *window) {
	manifest := func(path string) string {
		if status := w.visit(s.url(home, path)); status != 200 {
			t.Fatalf("%s has status %d", path, status)
		}
		w.says("Hello, bea")
		return call(w, page.GetAppManifest, page.GetAppManifestParams{}).Data
	}
	if got := manifest("/installable"); strings.Contains(got, "App of") {
		t.Errorf("without the cookie the manifest is %q", got)
	}
	s.wantNoChallenge(t, "/app.webmanifest", true)
	lines := s.proxy.LogLines("/app.webmanifest", "there is no token")
	if len(lines) == 0 || !strings.Contains(lines[0], "make it public") || !strings.Contains(lines[0], "use-credentials") {
		t.Errorf("the log has %q", lines)
	}
	if got := manifest("/made-public"); !strings.Contains(got, "App of anonymous") {
		t.Errorf("made public, the manifest is %q", got)
	}
	if got := manifest("/with-the-cookie"); !strings.Contains(got, "App of terminal") {
		t.Errorf("linked with credentials, the manifest is %q", got)
	}
}
