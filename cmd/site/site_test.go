package site

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"log"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/getportal/ptlauth/internal/pairing"
)

// TestNew: where devices are paired, by the site's address and the middleware's settings.
func TestNew(t *testing.T) {
	for _, test := range []struct {
		name, address string
		settings      pairing.Settings
		page, mistake string
	}{
		{"a site", "https://chat.example.com", pairing.Settings{Path: "/.ptl/"}, "https://chat.example.com/.ptl/pair", ""},
		{"with a port, a slash and a query", "http://nas.lan:8080/?x#y", pairing.Settings{Path: "/.ptl/"}, "http://nas.lan:8080/.ptl/pair", ""},
		{"an app below a path that Traefik strips", "https://example.com/chat/", pairing.Settings{Path: "/.ptl/"}, "https://example.com/chat/.ptl/pair", ""},
		{"own pages elsewhere", "https://chat.example.com", pairing.Settings{Path: "/own/pages/"}, "https://chat.example.com/own/pages/pair", ""},
		{"one host for all apps", "https://chat.example.com", pairing.Settings{Path: "/.ptl/", Host: "pair.example.com"}, "https://pair.example.com/.ptl/pair", ""},
		{"which is known without an address", "", pairing.Settings{Path: "/.ptl/", Host: "pair.example.com:8443"}, "https://pair.example.com:8443/.ptl/pair", ""},
		{"no address", "", pairing.Settings{Path: "/.ptl/"}, "", "it is not said where the site is"},
		{"a host alone", "chat.example.com", pairing.Settings{Path: "/.ptl/"}, "", "should be as a browser asks for the site"},
		{"an address with a password", "https://ann:secret@chat.example.com", pairing.Settings{Path: "/.ptl/"}, "", "should be as a browser asks for the site"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s, err := New(test.address, &test.settings)
			if test.mistake != "" {
				if err == nil || !strings.Contains(err.Error(), test.mistake) {
					t.Errorf("the error is %v", err)
				}
				return
			}
			if err != nil || s.Page() != test.page || s.Link("X") != test.page+"#X" {
				t.Errorf("got %v, %v", s, err)
			}
		})
	}
}

// TestAsk: what a site answers, and what that means.
func TestAsk(t *testing.T) {
	for _, test := range []struct {
		name, kind, answer string
		status             int
		location           string
		state, trouble     string
		patience           time.Duration
	}{
		{name: "waiting", status: 200, kind: "application/json", answer: `{"state":"waiting"}`, state: "waiting"},
		{name: "used", status: 200, kind: "application/json; charset=utf-8", answer: `{"state":"used","at":1,"browser":"x"}`, state: "used"},
		{name: "an app that answers everything", status: 200, kind: "text/html", answer: `<p>`, trouble: "is answered by something else than the middleware"},
		{name: "another program's JSON", status: 200, kind: "application/json", answer: `{"state":"fine"}`, trouble: "is answered by something else"},
		{name: "a middleware that does not pair", status: 401, trouble: "answers 401: look whether the router of that host has the middleware"},
		{name: "a redirect to https", status: 301, location: "https://chat.example.com/", trouble: "leads to https://chat.example.com/: write the address"},
		{name: "a middleware that is not ready", status: 503, trouble: "is not ready", patience: starting},
		{name: "a Traefik that has not read its routers", status: 404, trouble: "answers 404: Traefik has no router for that host yet", patience: starting},
	} {
		t.Run(test.name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Method != http.MethodPost || r.URL.Path != "/.ptl/pair/used" || r.FormValue("watch") != "W" || r.URL.RawQuery != "" {
					t.Errorf("asked is %s %s", r.Method, r.URL)
				}
				w.Header().Set("Content-Type", test.kind)
				if test.location != "" {
					w.Header().Set("Location", test.location)
				}
				w.WriteHeader(test.status)
				fmt.Fprint(w, test.answer)
			}))
			defer server.Close()
			s, err := New(server.URL, &pairing.Settings{Path: "/.ptl/"})
			if err != nil {
				t.Fatal(err)
			}
			use, err := s.Ask(t.Context(), "W")
			if test.state != "" {
				if err != nil || use.State != test.state {
					t.Errorf("got %v, %v", use, err)
				}
				return
			}
			var trouble *Trouble
			if !errors.As(err, &trouble) || !strings.Contains(err.Error(), test.trouble) || trouble.Patience != test.patience {
				t.Errorf("got %v, %v", use, err)
			}
		})
	}
}

// TestUnreached: why nobody answers, what to do, and for how long it may be otherwise in a moment.
func TestUnreached(t *testing.T) {
	closed := httptest.NewServer(nil)
	closed.Close()
	mute := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	defer mute.Close()
	for _, test := range []struct {
		name, address, trouble string
		patience               time.Duration
	}{
		{"nobody listens", closed.URL, "nothing listens there (connection refused): start Traefik, or correct `url` in ptl.yml, or write --url=URL", listening},
		{"who listens hangs up", mute.URL, "does not answer (EOF): is that the site?", starting},
		{"no such host", "http://nobody.invalid", "correct `url` in ptl.yml, or write --url=URL", 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			s, err := New(test.address, &pairing.Settings{Path: "/.ptl/"})
			if err != nil {
				t.Fatal(err)
			}
			_, err = s.Ask(t.Context(), "W")
			var trouble *Trouble
			if !errors.As(err, &trouble) || !strings.Contains(err.Error(), test.trouble) || trouble.Patience != test.patience {
				t.Errorf("the error is %v, with patience of %v", err, trouble)
			}
		})
	}
}

// TestConnections: each question has one of its own, so that a balancer leads it to the next Traefik.
func TestConnections(t *testing.T) {
	from := map[string]bool{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		from[r.RemoteAddr] = true
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"state":"waiting"}`)
	}))
	defer server.Close()
	s, err := New(server.URL, &pairing.Settings{Path: "/.ptl/"})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if _, err := s.Ask(t.Context(), "W"); err != nil {
			t.Fatal(err)
		}
	}
	if len(from) != 3 {
		t.Errorf("three questions had %d connections", len(from))
	}
}

// TestUnready: a Traefik that is still without a certificate is waited for, and a host that pairing.host names is not
// corrected in `url`.
func TestUnready(t *testing.T) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	own := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), Subject: pkix.Name{CommonName: traefiksOwn}, DNSNames: []string{"x.traefik.default"}}
	certificate, err := x509.CreateCertificate(rand.Reader, own, own, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{certificate}, PrivateKey: key}}}
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	for _, test := range []struct {
		name, address, host, want string
		patience                  time.Duration
	}{
		{"a Traefik without a certificate yet", server.URL, "", "Traefik has no certificate for 127.0.0.1 yet", certifying},
		{"a host that pairing.host names", "https://app.example.com", "pair.example.invalid", "there is no host pair.example.invalid, as far as this machine knows: give it the address of Traefik, or correct `pairing.host`", 0},
		{"a host of the address", "https://app.example.invalid", "", "correct `url` in ptl.yml", 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			s, err := New(test.address, &pairing.Settings{Path: "/.ptl/", Host: test.host})
			if err != nil {
				t.Fatal(err)
			}
			_, err = s.Ask(t.Context(), "x")
			var trouble *Trouble
			if !errors.As(err, &trouble) || !strings.Contains(trouble.Error(), test.want) || trouble.Patience != test.patience {
				t.Errorf("got %v", err)
			}
		})
	}
}
