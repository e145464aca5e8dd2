package wire

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/getportal/ptlauth/e2e/issuer"
	"github.com/getportal/ptlauth/e2e/traefik"
	"github.com/getportal/ptlauth/e2e/traefik/traefiktest"
	"github.com/getportal/ptlauth/e2e/visitor"
	"github.com/getportal/ptlauth/e2e/witness"
)

// errorsConfiguration has a service in front of every middleware that answers what they deny, as on Portal.
const errorsConfiguration = `
http:
  middlewares:
    explained: {errors: {status: ["401-403", "503"], service: explains, query: "/{status}?from={url}"}}
    role: {plugin: {ptlauth: {secretFile: SECRET, terminals: any, require: {role: admin}}}}
    unpaired: {plugin: {ptlauth: {secretFile: SECRET, terminals: {paired: [{id: other}]}}}}
    keyless: {plugin: {ptlauth: {secretFile: /nowhere/secret, terminals: any}}}
    forwarding: {plugin: {ptlauth: {secretFile: SECRET, terminals: any, require: {role: admin}, token: {forward: true}}}}
    header: {plugin: {ptlauth: {secretFile: SECRET, terminals: any, require: {role: admin}, token: {header: Authorization}}}}
    basic: {plugin: {ptlauth: {secretFile: SECRET, terminals: any, require: {role: admin}, token: {basic: true, header: X-Access-Token}}}}
    mistaken: {plugin: {ptlauth: {secretFile: SECRET, terminals: any, require: {role: admin}, token: {basic: perhaps}}}}
    query: {plugin: {ptlauth: {secretFile: SECRET, terminals: any, require: {role: admin}, token: {query: token}}}}
    public: {plugin: {ptlauth: {secretFile: SECRET, terminals: {paired: [{id: other}]}, paths: [{prefix: /public/open, access: public}]}}}
  routers:
    role: {rule: PathPrefix("/role"), service: app, middlewares: [explained, role]}
    unpaired: {rule: PathPrefix("/unpaired"), service: app, middlewares: [explained, unpaired]}
    keyless: {rule: PathPrefix("/keyless"), service: app, middlewares: [explained, keyless]}
    forwarding: {rule: PathPrefix("/forwarding"), service: app, middlewares: [explained, forwarding]}
    header: {rule: PathPrefix("/header"), service: app, middlewares: [explained, header]}
    basic: {rule: PathPrefix("/basic"), service: app, middlewares: [explained, basic]}
    mistaken: {rule: PathPrefix("/mistaken"), service: app, middlewares: [explained, mistaken]}
    query: {rule: PathPrefix("/query"), service: app, middlewares: [explained, query]}
    public: {rule: PathPrefix("/public"), service: app, middlewares: [explained, public]}
  services:
    app: {loadBalancer: {servers: [{url: "http://APP"}]}}
    explains: {loadBalancer: {servers: [{url: "http://EXPLAINS"}]}}
`

// TestErrors has Traefik's errors middleware in front: the service that explains a denial is sent the request, and gets
// everything but the token.
func TestErrors(t *testing.T) {
	if testing.Short() {
		t.Skip("starts Traefik")
	}
	secret, tokens := issuer.Keyring(t)
	token := tokens["portal"]
	app, explains := witness.NewRecording(t), witness.NewRecording(t)
	proxy := traefiktest.Start(t, traefik.Options{Dynamic: strings.NewReplacer("SECRET", secret, "APP", app.Addr, "EXPLAINS", explains.Addr).Replace(errorsConfiguration)})
	cookie := "Cookie: theme=dark; authorization=" + token + "; lang=de"
	others := []string{"theme=dark; lang=de"}
	for _, test := range []struct {
		name, method, target string
		header               []string
		status               int
		query                string   // the rest of it
		cookie, own          []string // what is left of the lines Cookie and Authorization
	}{
		{name: "a good token that is not enough", target: "/role", header: []string{cookie}, status: 403, cookie: others},
		{name: "one among several lines", target: "/role", header: []string{"Cookie: theme=dark", "Cookie: authorization=" + token, "Cookie: lang=de"}, status: 403, cookie: others},
		{name: "two of them", target: "/role", header: []string{"Cookie: authorization=" + token + "; lang=de; authorization=Bearer " + token}, status: 403, cookie: []string{"lang=de"}},
		{name: "of a page of another origin", method: "POST", target: "/role", header: []string{cookie, "Sec-Fetch-Site: cross-site"}, status: 403, cookie: others},
		{name: "of a terminal that is not paired", target: "/unpaired", header: []string{cookie}, status: 401, cookie: others},
		{name: "and nothing else", target: "/unpaired", header: []string{"Cookie: authorization=" + token}, status: 401},
		{name: "before there is a key", target: "/keyless", header: []string{cookie}, status: 503, cookie: others},
		{name: "though the app may see it", target: "/forwarding", header: []string{cookie}, status: 403, cookie: others},
		{name: "on a private path beside a public one", target: "/public", header: []string{cookie}, status: 401, cookie: others},
		{name: "in a header", target: "/header", header: []string{"Authorization: Bearer " + token}, status: 403},
		{name: "as a password", target: "/basic", header: []string{basic("k7p2x9:" + token)}, status: 403},
		{name: "as a password beside a cookie", target: "/basic", header: []string{basic("k7p2x9:" + token), cookie}, status: 403, cookie: others},
		{name: "in the place of a user name", target: "/basic", header: []string{basic(token + ":x")}, status: 401},
		{name: "in another header", target: "/basic", header: []string{"X-Access-Token: " + token}, status: 403},
		{name: "as a password, where the configuration has a mistake", target: "/mistaken", header: []string{basic("k7p2x9:" + token)}, status: 503},
		{name: "an app's own password stays there too", target: "/mistaken", header: []string{basic("a:b")}, status: 503, own: []string{"Basic YTpi"}},
		{name: "and where a token may be one", target: "/basic", header: []string{basic("a:b"), cookie}, status: 403, cookie: others, own: []string{"Basic YTpi"}},
		{name: "in the query and in Referer", target: "/query?a=1&token=" + token + "&b=2", header: []string{"Referer: https://chat.example.com/?token=" + token}, status: 403, query: "?a=1&b=2"},
		{name: "in Referer alone", target: "/query?a=1", header: []string{"Referer: https://chat.example.com/?token=" + token}, status: 401, query: "?a=1"},
		{name: "an app's own password stays", target: "/role", header: []string{cookie, "Authorization: Basic YTpi"}, status: 403, cookie: others, own: []string{"Basic YTpi"}},
		{name: "so does an app's own token", target: "/role", header: []string{cookie, "Authorization: Bearer own"}, status: 403, cookie: others, own: []string{"Bearer own"}},
		{name: "so do cookies without a token", target: "/role", header: []string{"Cookie: theme=dark"}, status: 401, cookie: []string{"theme=dark"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			method := "GET"
			if test.method != "" {
				method = test.method
			}
			request, err := http.NewRequestWithContext(t.Context(), method, proxy.URL("web")+test.target, nil)
			if err != nil {
				t.Fatal(err)
			}
			request.Host = "chat.example.com"
			for _, line := range test.header {
				name, value, _ := strings.Cut(line, ": ")
				request.Header.Add(name, value)
			}
			response, err := http.DefaultClient.Do(request)
			if err != nil {
				t.Fatal(err)
			}
			response.Body.Close()
			if response.StatusCode != test.status {
				t.Errorf("status %d, want %d", response.StatusCode, test.status)
			}
			var raw string
			select {
			case raw = <-explains.Raw:
			case <-time.After(10 * time.Second):
				t.Fatal("the service was not asked to explain")
			}
			witness.WantNothing(t, app)
			signature := token[strings.LastIndexByte(token, '.')+1:]
			if all := raw + passwords(raw); strings.Contains(all, "eyJ") || strings.Contains(all, signature) {
				t.Errorf("the service got the token: %q", raw)
			}
			path, _, _ := strings.Cut(test.target, "?")
			if want := "%2Fchat.example.com" + url.QueryEscape(path+test.query) + " HTTP/1.1\r\n"; !strings.Contains(raw, want) {
				t.Errorf("the service got %q, without %q", raw, want)
			}
			got := witness.Lines(raw)
			for name, want := range map[string][]string{"Cookie": test.cookie, "Authorization": test.own} {
				if strings.Join(got[name], "\n") != strings.Join(want, "\n") {
					t.Errorf("the service got %s %q, want %q", name, got[name], want)
				}
			}
		})
	}
}

// basic is a line with a user name and a password.
func basic(pair string) string {
	return "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(pair))
}

// passwords are the user names and passwords of a request.
func passwords(raw string) string {
	all := ""
	for _, line := range witness.Lines(raw)["Authorization"] {
		r := &http.Request{Header: http.Header{"Authorization": {line}}}
		user, password, _ := r.BasicAuth()
		all += "\n" + user + ":" + password
	}
	return all
}

// addressConfiguration has one middleware behind what changes a request's address.
const addressConfiguration = `
http:
  middlewares:
    auth: {plugin: {ptlauth: {secretFile: SECRET, terminals: any, loginURL: "https://login.example.com/?next={url}"}}}
    outer: {stripPrefix: {prefixes: [/outer]}}
    inner: {stripPrefixRegex: {regex: ["/inner-[a-z]+"]}}
  routers:
    plain: {rule: PathPrefix("/"), service: app, middlewares: [auth]}
    outer: {rule: PathPrefix("/outer"), service: app, middlewares: [outer, inner, auth]}
    tls: {rule: PathPrefix("/"), service: app, middlewares: [auth], entryPoints: [websecure], tls: {}}
  services:
    app: {loadBalancer: {servers: [{url: "http://APP"}]}}
`

// TestForwardedAddress holds the page that a person is sent back to against what was asked for, through proxies and
// Traefik's own middlewares.
func TestForwardedAddress(t *testing.T) {
	if testing.Short() {
		t.Skip("starts Traefik")
	}
	secret, tokens := issuer.Keyring(t)
	app := witness.NewRecording(t)
	proxy := traefiktest.Start(t, traefik.Options{
		Static:  `{entryPoints: {tunnel: {address: "127.0.0.1:0", forwardedHeaders: {trustedIPs: [127.0.0.1]}}}}`,
		Dynamic: strings.NewReplacer("SECRET", secret, "APP", app.Addr).Replace(addressConfiguration),
	})
	claims := []string{"X-Forwarded-Proto: https,http", "X-Forwarded-Host: notes.example.com:443", "X-Forwarded-Prefix: /tunnel"}
	for _, test := range []struct {
		name, door, host, target string
		header                   []string
		page                     string
	}{
		{"as it is", "web", "chat.example.com", "/room?a=1", nil, "http://chat.example.com/room?a=1"},
		{"over TLS", "websecure", "chat.example.com:443", "/room", nil, "https://chat.example.com/room"},
		{"whatever a client says", "web", "chat.example.com", "/room", claims, "http://chat.example.com/room"},
		{"as a tunnel says", "tunnel", "inner.lan:8080", "/room", claims, "https://notes.example.com/tunnel/room"},
		{"what a tunnel says of the scheme alone", "tunnel", "chat.example.com", "/room", []string{"X-Forwarded-Proto: https"}, "https://chat.example.com/room"},
		{"with the prefix that was taken off", "web", "chat.example.com", "/outer/a%2Fb", nil, "http://chat.example.com/outer/a%2Fb"},
		{"with both", "web", "chat.example.com", "/outer/inner-app/room", nil, "http://chat.example.com/outer/inner-app/room"},
		{"where nothing else is left", "web", "chat.example.com", "/outer", nil, "http://chat.example.com/outer"},
		{"with a tunnel's prefix before both", "tunnel", "inner.lan", "/outer/inner-app/room", claims, "https://notes.example.com/tunnel/outer/inner-app/room"},
	} {
		t.Run(test.name, func(t *testing.T) {
			request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, proxy.URL(test.door)+test.target, nil)
			if err != nil {
				t.Fatal(err)
			}
			request.Host = test.host
			request.Header.Set("Accept", "text/html")
			for _, line := range test.header {
				name, value, _ := strings.Cut(line, ": ")
				request.Header.Set(name, value)
			}
			response, err := visitor.AnyCertificate(t).RoundTrip(request)
			if err != nil {
				t.Fatal(err)
			}
			response.Body.Close()
			if got, want := response.Header.Get("Location"), "https://login.example.com/?next="+url.QueryEscape(test.page); response.StatusCode != http.StatusFound || got != want {
				t.Errorf("got %d and %q, want %q", response.StatusCode, got, want)
			}
		})
	}
	witness.WantNothing(t, app)

	for _, test := range []struct {
		name, door, forwarded string
		status                int
	}{
		{"a page of the host that a tunnel names acts for the user", "tunnel", "notes.example.com", http.StatusOK},
		{"so it does where proxies stand one behind the other", "tunnel", "notes.example.com, inner.lan", http.StatusOK},
		{"another one's does not", "tunnel", "other.example.com", http.StatusForbidden},
		{"nor one of the host that a client names", "web", "notes.example.com", http.StatusForbidden},
	} {
		t.Run(test.name, func(t *testing.T) {
			request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, proxy.URL(test.door)+"/room", nil)
			if err != nil {
				t.Fatal(err)
			}
			request.Host = "inner.lan:8080"
			request.Header = http.Header{
				"Cookie": {"authorization=" + tokens["portal"]}, "Origin": {"https://notes.example.com"}, "X-Forwarded-Host": {test.forwarded},
			}
			response, err := visitor.AnyCertificate(t).RoundTrip(request)
			if err != nil {
				t.Fatal(err)
			}
			response.Body.Close()
			if response.StatusCode != test.status {
				t.Errorf("got %d, want %d", response.StatusCode, test.status)
			}
			if test.status == http.StatusOK {
				<-app.Raw
			}
			witness.WantNothing(t, app)
		})
	}
}
