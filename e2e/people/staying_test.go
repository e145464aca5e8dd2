package people

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"

	"github.com/getportal/ptlauth/e2e/demo/app"
)

// cookies are the values of those of that name which Chromium would send with a page.
func (w *window) cookies(name, url string) []string {
	w.t.Helper()
	kept := call(w, network.GetCookies, network.GetCookiesParams{URLs: []string{url}})
	var values []string
	for _, cookie := range kept.Cookies {
		if cookie.Name == name {
			values = append(values, cookie.Value)
		}
	}
	return values
}

// plant keeps a cookie as a page of the site, or of one beside it, could.
func (w *window) plant(line string) {
	w.t.Helper()
	w.value(fmt.Sprintf("document.cookie = %q", line))
}

// old is when a token was made that is due, each at another second: one is made anew once.
func old(number int) time.Time {
	return time.Now().Add(-40*24*time.Hour - time.Duration(number)*time.Minute)
}

// notebook is an app of one page, which shows where it is.
var notebook = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/html")
	fmt.Fprintf(w, "<title>Notes</title><p>Notes of %s at %s", r.Header.Get("X-Ptl-User"), r.RequestURI)
})

// TestStaysIn: a person opens a page with a token that is old, and sees that page, with a token that is new.
func TestStaysIn(t *testing.T) {
	for name, secure := range map[string]bool{"over HTTPS": true, "over HTTP, as on a LAN": false} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, secure, host{home, notebook, "pairing: {enabled: true}, paths: [{prefix: /open, access: public}]"})
			tablet := s.invite(t, "kitchen tablet", "ada", time.Now().Add(time.Minute))
			time.Sleep(2 * refresh)
			for i, page := range []string{"/notes/today?list=all#end", "/notes/today#end", "/", "/notes/?"} {
				w := newProfile(t).open(t, s)
				w.visit(s.url(home, "/open"))
				before := s.token(t, tablet.id, old(i))
				w.plant("authorization=" + before + "; path=/")
				if status := w.visit(s.url(home, page)); status != 200 {
					t.Errorf("%s: status %d", page, status)
				}
				w.at(s.url(home, page))
				w.says("Notes of ada")
				kept := w.cookies("authorization", s.url(home, "/"))
				if len(kept) != 1 || kept[0] == before {
					t.Errorf("%s: it keeps %q", page, kept)
				}
				if seen := w.value("document.cookie"); strings.Contains(seen, "authorization") {
					t.Errorf("%s: the page's scripts see the new token", page)
				}
				w.stop()
			}
		})
	}
}

// TestStaysInOnAllHosts: where one host alone makes the cookie of a domain, the browser is sent there and back, once.
func TestStaysInOnAllHosts(t *testing.T) {
	const options = "pairing: {enabled: true, domain: example.com, host: %s}, paths: [{prefix: /open, access: public}]"
	s := newSite(t, true, host{"chat.example.com", notebook, fmt.Sprintf(options, "pair.example.com")}, host{"pair.example.com", notebook, fmt.Sprintf(options, "pair.example.com")})
	tablet := s.invite(t, "kitchen tablet", "ada", time.Now().Add(time.Minute))
	time.Sleep(2 * refresh)
	page := s.url("chat.example.com", "/notes/today?list=all#end")
	t.Run("the cookie of the domain is made anew", func(t *testing.T) {
		w := newProfile(t).open(t, s)
		w.visit(s.url("chat.example.com", "/open"))
		before := s.token(t, tablet.id, old(100))
		w.plant("authorization=" + before + "; path=/; domain=example.com; secure")
		w.visit(page)
		w.at(page)
		w.says("Notes of ada")
		for _, host := range []string{"chat.example.com", "pair.example.com", "wiki.example.com"} {
			if kept := w.cookies("authorization", s.url(host, "/")); len(kept) != 1 || kept[0] == before {
				t.Errorf("for %s Chromium keeps %q", host, kept)
			}
		}
	})
	t.Run("whoever has a cookie of one host alone goes on with it", func(t *testing.T) {
		w := newProfile(t).open(t, s)
		w.visit(s.url("chat.example.com", "/open"))
		w.plant("authorization=" + s.token(t, tablet.id, old(101)) + "; path=/; secure")
		for range 2 {
			w.visit(page)
			w.at(page)
			w.says("Notes of ada")
		}
	})
}

// TestStaysInWithoutCookies: a browser that keeps nothing sees the page that refuses, and is not sent around.
func TestStaysInWithoutCookies(t *testing.T) {
	s := newSite(t, false, host{home, notebook, "pairing: {enabled: true}"})
	p := newProfile(t)
	p.noCookies = true
	w := p.open(t, s)
	if status := w.visit(s.url(home, "/")); status != 401 {
		t.Errorf("status %d", status)
	}
}

// TestSignsOut: a person signs out on the page of this device; and an open page of the app, in another tab, ends with it.
func TestSignsOut(t *testing.T) {
	for name, secure := range map[string]bool{"over HTTPS": true, "over HTTP, as on a LAN": false} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, secure, host{home, app.New(), "pairing: {enabled: true}"})
			tablet := s.invite(t, "kitchen tablet", "ada", time.Now().Add(time.Minute))
			in := func() *window {
				w := newProfile(t).open(t, s)
				w.visit(s.url(home, "/"))
				w.plant("authorization=" + s.token(t, tablet.id, time.Now()) + "; path=/")
				s.greets(t, w, "ada")
				return w
			}
			w := in()
			w.visit(s.url(home, "/.ptl/"))
			w.says("kitchen tablet", "ada")
			w.press("Sign out")
			w.says("Sign out of")
			if kept := w.cookies("authorization", s.url(home, "/")); len(kept) != 1 {
				t.Errorf("asking signs nobody out, but Chromium keeps %q", kept)
			}
			w.press("Sign out")
			w.says("You are signed out")
			if kept := w.cookies("authorization", s.url(home, "/")); len(kept) != 0 {
				t.Errorf("Chromium still keeps %q", kept)
			}
			if status := w.visit(s.url(home, "/")); status != 401 {
				t.Errorf("the next click: status %d", status)
			}
			w = in()
			w.value(`fetch("/.ptl/out", {method: "POST", headers: {"Content-Type": "application/x-www-form-urlencoded"}})`)
			w.says("(closed)")
		})
	}
}

// TestPlantedCookies: whatever a page of the site, or one beside it, has planted goes when the visitor says so.
func TestPlantedCookies(t *testing.T) {
	s := newSite(t, true,
		host{"chat.example.com", notebook, "pairing: {enabled: true}, paths: [{prefix: /open, access: public}]"},
		host{"evil.example.com", notebook, "paths: [{prefix: /, access: public}]"})
	s.invite(t, "kitchen tablet", "ada", time.Now().Add(time.Minute))
	time.Sleep(2 * refresh)
	w := newProfile(t).open(t, s)
	w.visit(s.url("evil.example.com", "/"))
	for _, path := range []string{"/", "/notes", "/notes/", "/notes/today"} {
		w.plant("authorization=planted; domain=example.com; path=" + path)
	}
	w.visit(s.url("chat.example.com", "/open"))
	for _, form := range []string{"path=/", "path=/notes/today", "domain=chat.example.com; path=/", "domain=chat.example.com; path=/notes/; secure"} {
		w.plant("authorization=own; " + form)
	}
	page := s.url("chat.example.com", "/notes/today")
	if planted := w.cookies("authorization", page); len(planted) != 8 {
		t.Fatalf("Chromium keeps %d cookies, want 8", len(planted))
	}
	w.visit(page)
	w.press("Delete this cookie")
	w.says("What was in the way is deleted")
	within(t, 10*time.Second, func() string {
		if left := w.cookies("authorization", page); len(left) > 0 {
			return fmt.Sprintf("Chromium still keeps %d cookies: %q", len(left), left)
		}
		return ""
	})
}
