package people

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v4"

	"github.com/getportal/ptlauth/e2e/issuer"
	"github.com/getportal/ptlauth/e2e/poll"
	"github.com/getportal/ptlauth/e2e/program"
	"github.com/getportal/ptlauth/e2e/source"
	"github.com/getportal/ptlauth/e2e/traefik"
	"github.com/getportal/ptlauth/e2e/traefik/traefiktest"
	"github.com/getportal/ptlauth/internal/pairing"
)

// refresh is how long a change of the list may take, in all configurations here.
const refresh = time.Second

// site is somebody's server: a Traefik with apps behind it, and the list of devices that may use them.
type site struct {
	proxy      *traefik.Traefik
	secure     bool
	issuerHash string // of what its certificates are trusted by; empty over plain HTTP
	roots      *x509.CertPool
	pairHost   string // where codes are taken
	secret     string
	secretFile string
	registry   string // the file

	mu      sync.Mutex
	devices []map[string]any
}

// host is one name of the site.
type host struct {
	name    string // chat.example.com
	app     http.Handler
	options string // of its middleware, in YAML's flow style, besides the secret and the registry
}

// newSite starts a server for these hosts; over HTTPS it gets its certificates from an ACME server, as demo/compose.yml says.
func newSite(t *testing.T, secure bool, hosts ...host) *site {
	t.Helper()
	return newSiteWith(t, secure, "", hosts...)
}

// newSiteWith does so with more of Traefik's static configuration.
func newSiteWith(t *testing.T, secure bool, static string, hosts ...host) *site {
	t.Helper()
	if testing.Short() {
		t.Skip("starts Traefik, and Chromium")
	}
	s := &site{secure: secure, secret: issuer.NewSecret(), pairHost: hosts[0].name}
	dir := t.TempDir()
	s.secretFile, s.registry = filepath.Join(dir, "secret"), filepath.Join(dir, "terminals.json")
	if err := os.WriteFile(s.secretFile, []byte(s.secret), 0o600); err != nil {
		t.Fatal(err)
	}
	s.write(t)

	entryPoint, certificates := "web", ""
	var acme *authority
	if secure {
		address := program.UnusedAddr(t)
		_, port, _ := net.SplitHostPort(address)
		acme = startAuthority(t, port)
		s.issuerHash = acme.issuerHash(t)
		s.roots = x509.NewCertPool()
		s.roots.AddCert(acme.root(t))
		static += fmt.Sprintf(`
entryPoints: {websecure: {address: %q}}
certificatesResolvers:
  letsencrypt:
    acme: {email: you@example.com, storage: acme.json, caServer: %q, caCertificates: [%q], tlsChallenge: {}}
`, address, acme.directory, acme.caFile)
		entryPoint, certificates = "websecure", "\n      tls: {certResolver: letsencrypt}"
	}
	var routers, services, middlewares strings.Builder
	names := map[string]string{} // of middlewares: what is said alike is one
	for i, h := range hosts {
		backend := httptest.NewServer(h.app)
		t.Cleanup(backend.Close)
		if names[h.options] == "" {
			names[h.options] = fmt.Sprintf("m%d", i)
			fmt.Fprintf(&middlewares, "    m%d: {plugin: {ptlauth: {secretFile: %q, terminals: {file: %q}, refresh: %s, %s}}}\n", i, s.secretFile, s.registry, refresh, h.options)
		}
		fmt.Fprintf(&routers, "    r%d:\n      rule: Host(`%s`)\n      entryPoints: [%s]\n      middlewares: [%s]\n      service: s%[1]d%[5]s\n", i, h.name, entryPoint, names[h.options], certificates)
		fmt.Fprintf(&services, "    s%d: {loadBalancer: {servers: [{url: %q}]}}\n", i, backend.URL)
	}
	s.proxy = traefiktest.Start(t, traefik.Options{
		Static:  static,
		Dynamic: "http:\n  routers:\n" + routers.String() + "  services:\n" + services.String() + "  middlewares:\n" + middlewares.String(),
	})
	if mistakes := s.proxy.LogLines("misconfigured"); len(mistakes) > 0 {
		t.Fatal(mistakes)
	}
	if secure {
		for _, h := range hosts {
			acme.awaitCertificate(t, s.proxy.Addr("websecure"), h.name)
		}
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(strings.Join(s.proxy.LogLines("plugin-ptlauth"), "\n"))
		}
	})
	return s
}

// addr is where browsers are led, whatever the name.
func (s *site) addr() string {
	if s.secure {
		return s.proxy.Addr("websecure")
	}
	return s.proxy.Addr("web")
}

func (s *site) url(host, path string) string {
	if s.secure {
		return "https://" + host + path
	}
	return "http://" + host + path
}

// codes are what a device can be paired with.
type codes struct{ id, link, short, watch string }

// invite adds a device to the list, with codes that are good until some time.
func (s *site) invite(t *testing.T, name, user string, ends time.Time) codes {
	t.Helper()
	mac := hmac.New(sha256.New, []byte(s.secret))
	mac.Write([]byte("ptlauth pairing 1"))
	secret := mac.Sum(nil)
	c := codes{"k" + strings.ToLower(rand.Text()[:7]), code(pairing.LongLength), code(pairing.ShortLength), code(pairing.LongLength)}
	s.change(t, func(devices []map[string]any) []map[string]any {
		return append(devices, map[string]any{"id": c.id, "name": name, "user": user, "pairing": map[string]any{
			"ends": ends.Unix(), "link": pairing.MAC(secret, pairing.Link, c.link),
			"code": pairing.MAC(secret, pairing.Short, c.short), "watch": pairing.MAC(secret, pairing.Watch, c.watch),
		}})
	})
	return c
}

// awaited invites a device for ten minutes, and returns when Traefik knows its codes.
func (s *site) awaited(t *testing.T, name, user string) codes {
	t.Helper()
	c := s.invite(t, name, user, soon())
	s.await(t, c)
	return c
}

func (s *site) await(t *testing.T, c codes) {
	t.Helper()
	within(t, 5*refresh, func() string {
		if state := s.used(t, c.watch); state.State != "waiting" {
			return fmt.Sprintf("the code is %+v", state)
		}
		return ""
	})
}

// state is what became of a code.
type state struct {
	State, Browser, Address string
	At                      int64
}

// used asks what became of a code, as `ptl` does.
func (s *site) used(t *testing.T, watch string) state {
	t.Helper()
	response, err := s.client(t).PostForm(s.url(s.pairHost, "/.ptl/pair/used"), url.Values{"watch": {watch}})
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var answer state
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil || response.StatusCode != 200 {
		t.Fatalf("%s, %v", response.Status, err)
	}
	return answer
}

// client asks as a program does, on connections of its own.
func (s *site) client(t *testing.T) *http.Client {
	t.Helper()
	transport := &http.Transport{
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, s.addr())
		},
		TLSClientConfig: &tls.Config{RootCAs: s.roots}, ForceAttemptHTTP2: true,
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{
		Transport: transport, Timeout: 20 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// pair opens the link with that code, and presses twice.
func (s *site) pair(t *testing.T, w *window, code string) {
	t.Helper()
	w.visit(s.url(s.pairHost, "/.ptl/pair") + "#" + code)
	w.submit()
	w.submit()
}

// unpair takes a device out of the list.
func (s *site) unpair(t *testing.T, id string) {
	t.Helper()
	s.change(t, func(devices []map[string]any) []map[string]any {
		return slices.DeleteFunc(devices, func(d map[string]any) bool { return d["id"] == id })
	})
}

func (s *site) change(t *testing.T, edit func([]map[string]any) []map[string]any) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.devices = edit(s.devices)
	s.write(t)
}

func (s *site) write(t *testing.T) {
	t.Helper()
	text, err := json.Marshal(append([]map[string]any{}, s.devices...))
	if err != nil {
		t.Fatal(err)
	}
	source.Replace(t, s.registry, string(text))
}

// token is one of a device, made at some time.
func (s *site) token(t *testing.T, id string, made time.Time) string {
	t.Helper()
	token := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"sub": id, "iat": made.Unix()})
	text, err := token.SignedString([]byte(s.secret))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// code is one that nobody has had before.
func code(length int) string {
	random := make([]byte, length)
	rand.Read(random)
	for i := range random {
		random[i] = pairing.Alphabet[random[i]%32]
	}
	return string(random)
}

// within waits for what comes about by itself.
func within(t *testing.T, limit time.Duration, complaint func() string) {
	t.Helper()
	poll.Until(t, limit, complaint)
}
