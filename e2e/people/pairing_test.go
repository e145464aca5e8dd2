package people

import (
	"fmt"
	"net/http"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/getportal/ptlauth/e2e/demo/app"
	"github.com/getportal/ptlauth/e2e/program"
)

const home = "app.example.com"

// TestThrownOut opens an app in a browser that has a device's cookie, and takes the device out of the list.
func TestThrownOut(t *testing.T) {
	for name, secure := range map[string]bool{"over HTTPS": true, "over HTTP, as on a LAN": false} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, secure, host{home, app.New(), "pairing: true"})
			tablet := s.invite(t, "kitchen tablet", "ada", time.Now().Add(time.Minute))
			w := newProfile(t).open(t, s)
			if status := w.visit(s.url(home, "/")); status != 401 {
				t.Fatalf("without a cookie: status %d", status)
			}
			if secureContext := w.value("isSecureContext"); secureContext != strconv.FormatBool(secure) {
				t.Errorf("the browser thinks that this is a secure context: %s", secureContext)
			}
			w.value("document.cookie = 'authorization=" + s.token(t, tablet.id, time.Now()) + "; path=/'")
			s.greets(t, w, "ada")
			s.unpair(t, tablet.id)
			out := time.Now()
			w.says("(closed)")
			if took := time.Since(out); took > 2*refresh+time.Second/2 {
				t.Errorf("its WebSocket was open for %s more", took)
			}
			if status := w.visit(s.url(home, "/")); status != 401 {
				t.Errorf("the next click: status %d", status)
			}
		})
	}
}

// greets waits until the app greets that user, and its WebSocket does.
func (s *site) greets(t *testing.T, w *window, user string) {
	t.Helper()
	within(t, 5*refresh, func() string {
		if status := w.visit(s.url(home, "/")); status != 200 {
			return fmt.Sprintf("status %d", status)
		}
		return ""
	})
	w.says("Hello, "+user, user+": hello from the page")
}

// ten minutes, as `ptl pair` gives.
func soon() time.Time { return time.Now().Add(10 * time.Minute) }

// TestPairing lets browsers in as people do it, on a site with one app and certificates.
func TestPairing(t *testing.T) {
	s := newSite(t, true, host{home, app.New(), `pairing: true, pages: {contact: "Ada, next door"}`})
	pairURL := s.url(home, "/.ptl/pair")

	t.Run("a link is opened, two presses, and the app greets", func(t *testing.T) {
		c := s.awaited(t, "kitchen tablet", "ada@example.com")
		p := newProfile(t)
		p.userAgent = "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Mobile Safari/537.36"
		w := p.open(t, s)
		if status := w.visit(pairURL + "#" + c.link); status != 200 {
			t.Fatalf("status %d", status)
		}
		w.at(pairURL) // the code is in no history
		w.looks("pair")
		w.submit()
		w.says("kitchen tablet", "ada@example.com", home, "Chrome on Android")
		w.looks("confirm")
		w.forReadme("pair.png")
		if state := s.used(t, c.watch); state.State != "waiting" {
			t.Errorf("looking has made of the code: %+v", state)
		}
		before := time.Now().Unix()
		w.submit()
		w.says("This device is paired with "+home, "kitchen tablet")
		w.looks("device")
		state := s.used(t, c.watch)
		if state.State != "used" || state.At < before || state.At > time.Now().Unix() || state.Browser != "Chrome on Android" || state.Address != "127.0.0.1" {
			t.Errorf("pairing has made of the code: %+v", state)
		}
		s.greets(t, w, "ada@example.com")
		w.wantCookie(true)
		w.forReadme("paired.png")
	})

	t.Run("a page that was wanted is what one ends at, with a code typed into its refusal", func(t *testing.T) {
		c := s.awaited(t, "phone", "bea")
		w := newProfile(t).open(t, s) // as an app on the home screen has it: nothing was ever kept there
		if status := w.visit(s.url(home, "/?from=afar")); status != 401 {
			t.Fatalf("status %d", status)
		}
		w.says(home, "Ada, next door")
		w.looks("refused")
		w.typeInto("input[name=code]", strings.ToLower(c.short[:5])+"-"+c.short[5:])
		w.submit()
		w.says("phone", "bea")
		w.submit()
		w.at(s.url(home, "/?from=afar"))
		w.says("Hello, bea")
	})

	t.Run("without JavaScript", func(t *testing.T) {
		c := s.awaited(t, "reader", "cleo")
		p := newProfile(t)
		p.noScript = true
		w := p.open(t, s)
		w.visit(pairURL + "#" + c.link)
		w.typeInto("input[name=code]", c.short)
		w.submit()
		w.says("reader", "cleo")
		w.submit()
		w.visit(s.url(home, "/"))
		w.says("Hello, cleo")
	})

	t.Run("by keyboard alone", func(t *testing.T) {
		c := s.awaited(t, "television", "dan")
		w := newProfile(t).open(t, s)
		w.visit(s.url(home, "/"))
		w.tabTo("input[name=code]")
		w.keys(c.short)
		w.keys(enter)
		w.says("television", "dan")
		w.tabTo(mainButton)
		w.keys(enter)
		w.at(s.url(home, "/"))
		w.says("Hello, dan")
	})

	t.Run("two profiles are two devices, and a code is good for one", func(t *testing.T) {
		first, second := s.awaited(t, "laptop", "eve"), s.awaited(t, "old laptop", "fay")
		one, two := newProfile(t).open(t, s), newProfile(t).open(t, s)
		s.pair(t, one, first.link)
		one.says("laptop", "eve")
		two.visit(pairURL + "#" + first.link)
		two.submit()
		two.looks("wrong")
		if text := two.value("document.body.innerText"); strings.Contains(text, "eve") || strings.Contains(text, "laptop") {
			t.Errorf("who is told that a code is spent learns whose it was:\n%s", text)
		}
		two.openSame(pairURL + "#" + second.link)
		two.submit()
		two.says("old laptop", "fay")
		two.submit()
		s.greets(t, one, "eve")
		s.greets(t, two, "fay")
	})

	t.Run("the browser is ended and started again: the cookie is still there", func(t *testing.T) {
		c := s.awaited(t, "desk", "gil")
		p := newProfile(t)
		w := p.open(t, s)
		s.pair(t, w, c.link)
		w.stop()
		w = p.open(t, s)
		s.greets(t, w, "gil")
	})

	t.Run("a browser that keeps no cookies is told so", func(t *testing.T) {
		c := s.awaited(t, "blocked", "hal")
		p := newProfile(t)
		p.noCookies = true
		w := p.open(t, s)
		s.pair(t, w, c.link)
		w.says("cookie")
		w.looks("notkept")
	})

	t.Run("the answer to the second POST is lost, and asked for again", func(t *testing.T) {
		c := s.awaited(t, "train", "ida")
		wire := newWire(t, s.addr())
		w := newProfile(t).open(t, s, wire.addr)
		w.visit(pairURL + "#" + c.link)
		w.submit()
		w.says("train", "ida")
		wire.cut()
		w.press2()
		wire.awaitCut(t)
		if state := s.used(t, c.watch); state.State != "used" {
			t.Fatalf("the code is %+v, though the POST arrived", state)
		}
		within(t, 15*time.Second, func() string {
			if strings.Contains(w.maybe("document.body.innerText"), "train") && w.maybe("location.pathname") == "/.ptl/" {
				return ""
			}
			_ = chromedp.Do(w.ctx, chromedp.Reload())
			return "reloading leads to " + w.maybe("location.href") + "\n" + w.maybe("document.body.innerText")
		})
		s.greets(t, w, "ida")
	})

	t.Run("who opens the link and presses nothing spends nothing", func(t *testing.T) {
		c := s.awaited(t, "preview", "jo")
		chromium := program.Need(t, "chromium", "chromium")
		client := s.client(t)
		for _, agent := range []string{"WhatsApp/2.23", "facebookexternalhit/1.1", "Slackbot-LinkExpanding 1.0", "Mozilla/5.0 (compatible; Barracuda)"} {
			for _, method := range []string{"GET", "HEAD"} {
				r, err := http.NewRequest(method, pairURL, nil)
				if err != nil {
					t.Fatal(err)
				}
				r.Header.Set("User-Agent", agent)
				response, err := client.Do(r)
				if err != nil {
					t.Fatal(err)
				}
				response.Body.Close()
				if response.StatusCode != 200 {
					t.Errorf("%s by %s: %s", method, agent, response.Status)
				}
			}
		}
		command := exec.CommandContext(t.Context(), chromium, "--headless", "--no-sandbox", "--disable-gpu", "--user-data-dir="+t.TempDir(),
			"--host-resolver-rules=MAP * "+s.addr(), "--ignore-certificate-errors-spki-list="+s.issuerHash,
			"--virtual-time-budget=10000", "--dump-dom", pairURL+"#"+c.link)
		command.WaitDelay = time.Minute
		out, err := command.Output()
		if err != nil || !strings.Contains(string(out), "<form") {
			t.Fatalf("%v\n%s", err, out)
		}
		if state := s.used(t, c.watch); state.State != "waiting" {
			t.Errorf("the code is %+v", state)
		}
		w := newProfile(t).open(t, s)
		s.pair(t, w, c.link)
		s.greets(t, w, "jo")
	})

	t.Run("the browser of another app says so before a code is spent", func(t *testing.T) {
		c := s.awaited(t, "feed", "kim")
		p := newProfile(t)
		p.userAgent = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 Instagram 300.0.0.0"
		w := p.open(t, s)
		w.visit(pairURL + "#" + c.link)
		w.says("Instagram")
		w.looks("inapp")
		w.submit()
		w.says("Instagram", "feed")
		if state := s.used(t, c.watch); state.State != "waiting" {
			t.Errorf("the code is %+v", state)
		}
	})

	t.Run("an old token is made anew while a page is opened, and nobody notices", func(t *testing.T) {
		c := s.awaited(t, "shelf", "lou")
		w := newProfile(t).open(t, s)
		w.visit(s.url(home, "/"))
		old := s.token(t, c.id, time.Now().Add(-31*24*time.Hour))
		w.value("document.cookie = 'authorization=" + old + "; path=/; secure; max-age=1000'")
		s.greets(t, w, "lou")
		w.wantCookie(true)
		if w.cookie().Value == old {
			t.Error("it is the old one")
		}
	})

	t.Run("signing out ends what is open, and forgets the cookie", func(t *testing.T) {
		c := s.awaited(t, "guest", "max")
		p := newProfile(t)
		w := p.open(t, s)
		s.pair(t, w, c.link)
		s.greets(t, w, "max")
		other := w.tab()
		other.visit(s.url(home, "/.ptl/out"))
		other.looks("leave")
		other.submit()
		other.looks("left")
		w.says("(closed)")
		if status := w.visit(s.url(home, "/")); status != 401 {
			t.Errorf("the next click: status %d", status)
		}
	})

	t.Run("who is paired already is asked before being another device", func(t *testing.T) {
		first, second := s.awaited(t, "first", "ned"), s.awaited(t, "second", "ola")
		w := newProfile(t).open(t, s)
		s.pair(t, w, first.link)
		w.visit(pairURL + "#" + second.link)
		w.submit()
		w.says("first", "second", "ola")
		w.looks("replace")
		w.submit()
		w.says("Until now it was paired as", "first")
		s.greets(t, w, "ola")
	})

	t.Run("whoever was unpaired is told so, and can be paired again", func(t *testing.T) {
		c := s.awaited(t, "thrown out", "pia")
		w := newProfile(t).open(t, s)
		s.pair(t, w, c.link)
		s.greets(t, w, "pia")
		s.unpair(t, c.id)
		w.says("(closed)")
		if status := w.visit(s.url(home, "/")); status != 401 {
			t.Errorf("the next click: status %d", status)
		}
		w.looks("unpaired")
		if text := w.value("document.body.innerText"); !strings.Contains(text, "no longer paired") || strings.Contains(text, "cookie") {
			t.Errorf("it says\n%s", text)
		}
		again := s.awaited(t, "back", "pia again")
		w.visit(s.url(home, "/"))
		w.typeInto("input[name=code]", again.short)
		w.submit()
		w.submit()
		s.greets(t, w, "pia again")
	})

	t.Run("another link in a window that has one open already", func(t *testing.T) {
		first, second := s.awaited(t, "wrong one", "ray"), s.awaited(t, "right one", "sue")
		w := newProfile(t).open(t, s)
		w.visit(pairURL + "#" + first.link)
		w.submit()
		w.says("wrong one", "ray")
		w.openSame(pairURL + "#" + second.link) // a browser loads nothing for another fragment
		w.says("Continue")
		w.at(pairURL)
		w.submit()
		w.says("right one", "sue")
		w.submit()
		s.greets(t, w, "sue")
		if state := s.used(t, first.watch); state.State != "waiting" {
			t.Errorf("the first code is %+v", state)
		}
	})

	t.Run("a code that ended meanwhile is refused", func(t *testing.T) {
		w := newProfile(t).open(t, s) // which takes its time on a busy machine
		ends := time.Now().Add(8 * time.Second)
		c := s.invite(t, "late", "quin", ends)
		s.await(t, c)
		w.visit(pairURL + "#" + c.link)
		w.submit()
		w.says("late")
		time.Sleep(time.Until(ends.Add(time.Second)))
		w.submit()
		if text := w.value("document.body.innerText"); strings.Contains(text, "quin") {
			t.Errorf("it says\n%s", text)
		}
		if status := w.visit(s.url(home, "/")); status != 401 {
			t.Errorf("and then: status %d", status)
		}
	})
}

// TestPairingOnLAN does it without TLS, at a name that browsers trust with nothing.
func TestPairingOnLAN(t *testing.T) {
	const nas = "nas.lan"
	s := newSite(t, false, host{nas, app.New(), "pairing: true"})
	c := s.awaited(t, "phone", "ada")
	w := newProfile(t).open(t, s)
	if status := w.visit(s.url(nas, "/")); status != 401 {
		t.Fatalf("status %d", status)
	}
	if w.value("isSecureContext") != "false" {
		t.Fatal("it is a secure context")
	}
	w.looks("lan-refused")
	w.typeInto("input[name=code]", c.short)
	w.submit()
	w.says("phone", nas)
	w.submit()
	w.at(s.url(nas, "/"))
	w.says("Hello, ada", "ada: hello from the page")
	w.wantCookie(false)
	other := w.tab()
	other.visit(s.url(nas, "/.ptl/"))
	other.press("Sign out")
	other.submit()
	w.says("(closed)")
}
