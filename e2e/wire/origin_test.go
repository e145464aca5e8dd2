package wire

import (
	"bufio"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/getportal/ptlauth/e2e/issuer"
	"github.com/getportal/ptlauth/e2e/traefik"
	"github.com/getportal/ptlauth/e2e/traefik/traefiktest"
	"github.com/getportal/ptlauth/e2e/visitor"
	"github.com/getportal/ptlauth/e2e/witness"
)

// originConfiguration has public and private paths, so that headers that say another path are taken out.
const originConfiguration = `
http:
  middlewares:
    auth: {plugin: {ptlauth: {secretFile: SECRET, terminals: any, paths: [{prefix: /public, access: public}]}}}
    outer: {stripPrefix: {prefixes: [/outer]}}
  routers:
    plain: {rule: PathPrefix("/"), service: app, middlewares: [auth], entryPoints: [web, tunnel]}
    outer: {rule: PathPrefix("/outer"), service: app, middlewares: [outer, auth], entryPoints: [web, tunnel]}
  services:
    app: {loadBalancer: {servers: [{url: "http://APP"}]}}
`

// TestForwardedOrigin holds what a proxy in front says of host and prefix against what a client says that Traefik does not
// trust.
func TestForwardedOrigin(t *testing.T) {
	if testing.Short() {
		t.Skip("starts Traefik")
	}
	secret, tokens := issuer.Keyring(t)
	app := witness.NewRecording(t)
	proxy := traefiktest.Start(t, traefik.Options{
		Static:  `{entryPoints: {tunnel: {address: "127.0.0.1:0", forwardedHeaders: {trustedIPs: [127.0.0.1]}}}}`,
		Dynamic: strings.NewReplacer("SECRET", secret, "APP", app.Addr).Replace(originConfiguration),
	})
	for _, test := range []struct {
		name, door, method, target string
		header                     []string
		status                     int
		prefixes                   []string // that the app is told
	}{
		{"a form through a tunnel that rewrites Host", "tunnel", "POST", "/", []string{"X-Forwarded-Host: notes.example.com", "Origin: https://notes.example.com"}, 200, nil},
		{"one that names the port", "tunnel", "POST", "/", []string{"X-Forwarded-Host: notes.example.com:443", "Origin: https://notes.example.com"}, 200, nil},
		{"another page's through the tunnel", "tunnel", "POST", "/", []string{"X-Forwarded-Host: notes.example.com", "Origin: https://evil.example"}, 403, nil},
		{"one of the inner name", "tunnel", "POST", "/", []string{"X-Forwarded-Host: notes.example.com", "Origin: https://inner.lan"}, 403, nil},
		{"a client that says so itself", "web", "POST", "/", []string{"X-Forwarded-Host: notes.example.com", "Origin: https://notes.example.com"}, 403, nil},
		{"without any proxy in front", "web", "POST", "/", []string{"Origin: https://inner.lan"}, 200, nil},
		{"a prefix that a client says", "web", "GET", "/public", []string{"X-Forwarded-Prefix: /public", "X_Forwarded_Prefix: /public", "X.Forwarded.Prefix: /public"}, 200, nil},
		{"a prefix that a client says where Traefik takes one off", "web", "GET", "/outer/public", []string{"X-Forwarded-Prefix: /public"}, 200, []string{"/outer"}},
		{"a prefix that a tunnel says", "tunnel", "GET", "/outer/public", []string{"X-Forwarded-Prefix: /tunnel"}, 200, []string{"/tunnel", "/outer"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			request, err := http.NewRequestWithContext(t.Context(), test.method, proxy.URL(test.door)+test.target, nil)
			if err != nil {
				t.Fatal(err)
			}
			request.Host = "inner.lan"
			request.Header.Set("Cookie", "authorization="+tokens["portal"])
			for _, line := range test.header {
				name, value, _ := strings.Cut(line, ": ")
				request.Header[name] = []string{value}
			}
			response, err := visitor.AnyCertificate(t).RoundTrip(request)
			if err != nil {
				t.Fatal(err)
			}
			response.Body.Close()
			if response.StatusCode != test.status {
				t.Fatalf("got %d, want %d", response.StatusCode, test.status)
			}
			if test.status != http.StatusOK {
				witness.WantNothing(t, app)
				return
			}
			arrived, err := http.ReadRequest(bufio.NewReader(strings.NewReader(<-app.Raw)))
			if err != nil {
				t.Fatal(err)
			}
			var prefixes []string
			for name, values := range arrived.Header {
				if strings.EqualFold(strings.NewReplacer("_", "-", ".", "-").Replace(name), "X-Forwarded-Prefix") {
					prefixes = append(prefixes, values...)
				}
			}
			if !slices.Equal(prefixes, test.prefixes) {
				t.Errorf("the app is told of %q, want %q", prefixes, test.prefixes)
			}
		})
	}
}
