package people

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
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
	if testing.Short() {
		t.Skip("starts Traefik, and Chromium")
	}
	s := &site{secure: secure, secret: issuer.NewSecret()}
	dir := t.TempDir()
	s.secretFile, s.registry = filepath.Join(dir, "secret"), filepath.Join(dir, "terminals.json")
	if err := os.WriteFile(s.secretFile, []byte(s.secret), 0o600); err != nil {
		t.Fatal(err)
	}
	s.write(t)

	static, entryPoint, tls := "", "web", ""
	var acme *authority
	if secure {
		address := program.UnusedAddr(t)
		_, port, _ := net.SplitHostPort(address)
		acme = startAuthority(t, port)
		s.issuerHash = acme.issuerHash(t)
		static = fmt.Sprintf(`
entryPoints: {websecure: {address: %q}}
certificatesResolvers:
  letsencrypt:
    acme: {email: you@example.com, storage: acme.json, caServer: %q, caCertificates: [%q], tlsChallenge: {}}
`, address, acme.directory, acme.caFile)
		entryPoint, tls = "websecure", "\n      tls: {certResolver: letsencrypt}"
	}
	var routers, services, middlewares strings.Builder
	for i, h := range hosts {
		backend := httptest.NewServer(h.app)
		t.Cleanup(backend.Close)
		fmt.Fprintf(&routers, "    r%d:\n      rule: Host(`%s`)\n      entryPoints: [%s]\n      middlewares: [m%[1]d]\n      service: s%[1]d%[4]s\n", i, h.name, entryPoint, tls)
		fmt.Fprintf(&services, "    s%d: {loadBalancer: {servers: [{url: %q}]}}\n", i, backend.URL)
		fmt.Fprintf(&middlewares, "    m%d: {plugin: {ptlauth: {secretFile: %q, terminals: {file: %q}, refresh: %s, %s}}}\n", i, s.secretFile, s.registry, refresh, h.options)
	}
	s.proxy = traefiktest.Start(t, traefik.Options{
		Static:  static,
		Dynamic: "http:\n  routers:\n" + routers.String() + "  services:\n" + services.String() + "  middlewares:\n" + middlewares.String(),
	})
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
