package people

import (
	"fmt"
	"html"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/getportal/ptlauth/e2e/demo/app"
)

// greedy is an app that answers its host's own pages itself once its service worker is there, and notes what it gets.
type greedy struct {
	mu  sync.Mutex
	got []string
}

const worker = `self.addEventListener('install', () => self.skipWaiting());
self.addEventListener('activate', event => event.waitUntil(clients.claim()));
self.addEventListener('fetch', event => {
	if (new URL(event.request.url).pathname.startsWith('/.ptl/')) {
		event.respondWith(event.request.text().then(body => new Response(
			'<!doctype html><title>Pair</title><h1>Taken</h1><script>fetch("/took", {method: "POST", body: location.href + ' +
			JSON.stringify(' ' + body) + '})</' + 'script>', {headers: {'Content-Type': 'text/html'}})));
	}
});`

func (g *greedy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/worker.js":
		w.Header().Set("Content-Type", "text/javascript")
		io.WriteString(w, worker)
	case "/took":
		body, _ := io.ReadAll(r.Body)
		g.mu.Lock()
		defer g.mu.Unlock()
		g.got = append(g.got, string(body))
	default:
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprintf(w, `<!doctype html><html lang="en"><title>Chat</title><h1>Hello, %s</h1>
<script>navigator.serviceWorker.register('/worker.js').then(() => navigator.serviceWorker.ready).then(() => document.body.append('and a worker is at work'))</script>`,
			html.EscapeString(r.Header.Get("X-Ptl-User")))
	}
}

func (g *greedy) all() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return strings.Join(g.got, "\n")
}

// TestDomain pairs a device with all apps of a domain at once, one of which would like to have the codes.
func TestDomain(t *testing.T) {
	const chat, files, pair = "chat.example.com", "files.example.com", "pair.example.com"
	const options = `pairing: {enabled: true, domain: example.com, host: pair.example.com}`
	thief := new(greedy)
	s := newSite(t, true, host{pair, http.NotFoundHandler(), options}, host{chat, thief, options}, host{files, app.New(), options})
	p := newProfile(t)
	w := p.open(t, s)

	pairAt := func(t *testing.T, c codes) {
		t.Helper()
		if status := w.visit(s.url(chat, "/?from=afar")); status != 401 {
			t.Fatalf("status %d", status)
		}
		if fields := w.value("document.querySelectorAll('input:not([type=hidden])').length"); fields != "0" {
			t.Error("a code can be typed where an app can take it")
		}
		w.looks("domain-refused")
		w.follow("a[href*='" + pair + "']")
		if at := w.value("location.origin + location.pathname"); at != s.url(pair, "/.ptl/pair") {
			t.Fatalf("led to %s", at)
		}
		w.typeInto("input[name=code]", c.short)
		w.submit()
		w.says("Chrome")
		w.submit()
		w.at(s.url(chat, "/?from=afar"))
	}

	first := s.awaited(t, "phone", "ada")
	t.Run("one pairing is good for all apps", func(t *testing.T) {
		w := w.in(t)
		pairAt(t, first)
		w.says("Hello, ada", "and a worker is at work")
		w.visit(s.url(files, "/"))
		w.says("Hello, ada", "ada: hello from the page")
		if domain := w.cookie().Domain; domain != ".example.com" {
			t.Errorf("the cookie is for %s", domain)
		}
	})

	second := s.awaited(t, "phone, again", "bea")
	t.Run("an app's service worker gets no code", func(t *testing.T) {
		w := w.in(t)
		w.visit(s.url(chat, "/.ptl/pair"))
		w.says("Taken") // or this shows nothing
		within(t, 5*time.Second, func() string { return map[bool]string{false: "it took nothing"}[thief.all() != ""] })
		s.unpair(t, first.id)
		within(t, 5*refresh, func() string {
			if status := w.visit(s.url(chat, "/")); status != 401 {
				return fmt.Sprintf("status %d", status)
			}
			return ""
		})
		pairAt(t, second)
		w.says("Hello, bea")
		for _, code := range []string{second.link, second.short} {
			if strings.Contains(strings.ToUpper(thief.all()), code) {
				t.Errorf("it has %s: %s", code, thief.all())
			}
		}
	})

	third := s.awaited(t, "stolen", "cleo")
	t.Run("an app that knows a code cannot pair its visitor with it", func(t *testing.T) {
		w := w.in(t)
		w.visit(s.url(files, "/"))
		for _, origin := range []string{s.url(files, ""), s.url(pair, "")} {
			for _, mode := range []string{"cors", "no-cors"} {
				w.await(fmt.Sprintf(`fetch(%q, {method: 'POST', credentials: 'include', redirect: 'follow', mode: %q,
					headers: {'Content-Type': 'application/x-www-form-urlencoded'}, body: 'do=pair&code=%s'}).then(r => r.status, e => String(e))`,
					origin+"/.ptl/pair", mode, third.link))
			}
		}
		w.await(fmt.Sprintf(`new Promise(done => {
			const frame = document.createElement('iframe');
			frame.name = 'inner';
			document.body.append(frame);
			const form = document.createElement('form');
			form.method = 'POST'; form.target = 'inner'; form.action = %q;
			form.innerHTML = '<input name=do value=pair><input name=code value=%s>';
			document.body.append(form);
			frame.onload = () => done('loaded');
			form.submit();
			setTimeout(() => done('nothing came'), 5000);
		})`, s.url(pair, "/.ptl/pair"), third.link))
		if state := s.used(t, third.watch); state.State != "waiting" {
			t.Errorf("the code is %+v", state)
		}
		w.visit(s.url(files, "/"))
		w.says("Hello, bea")
	})

	t.Run("a link that names the app leads to where codes are taken", func(t *testing.T) {
		w := newProfile(t).open(t, s)
		w.visit(s.url(files, "/.ptl/pair") + "#" + third.link)
		if w.value("location.host") != pair {
			w.follow("a[href*='" + pair + "']")
		}
		w.submitOrType(third.link)
		w.says("stolen", "cleo")
		w.submit()
		w.at(s.url(files, "/"))
		w.says("Hello, cleo")
	})

	t.Run("signing out on one app signs out of all", func(t *testing.T) {
		w := w.in(t)
		w.visit(s.url(files, "/"))
		w.says("bea: hello from the page")
		other := w.tab()
		other.visit(s.url(pair, "/.ptl/out"))
		other.submit()
		w.says("(closed)")
		for _, name := range []string{chat, files} {
			if status := other.visit(s.url(name, "/")); status != 401 {
				t.Errorf("%s: status %d", name, status)
			}
		}
	})
}
