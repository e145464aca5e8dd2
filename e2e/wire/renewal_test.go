package wire

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v4"

	"github.com/getportal/ptlauth/e2e/issuer"
	"github.com/getportal/ptlauth/e2e/program"
	"github.com/getportal/ptlauth/e2e/source"
	"github.com/getportal/ptlauth/e2e/traefik"
	"github.com/getportal/ptlauth/e2e/traefik/traefiktest"
	"github.com/getportal/ptlauth/e2e/visitor"
)

// renewalConfiguration has the middleware among those that lose, add or repeat headers of an answer. Of the retried
// service every other server is dead.
const renewalConfiguration = `
http:
  middlewares:
    auth: {plugin: {ptlauth: {keys: KEYS, terminals: {file: LIST}, pairing: {enabled: true}, token: {header: Authorization}}}}
    retry: {retry: {attempts: 20, initialInterval: 10ms}}
    compress: {compress: {minResponseBodyBytes: 1}}
    explained: {errors: {status: ["500-599"], service: app, query: "/explained"}}
  routers:
    plain: {rule: PathPrefix("/plain"), service: app, middlewares: [auth]}
    retry: {rule: PathPrefix("/retry"), service: retried, middlewares: [retry, auth]}
    retry-behind: {rule: PathPrefix("/again"), service: retried, middlewares: [auth, retry]}
    compress: {rule: PathPrefix("/compress"), service: app, middlewares: [compress, auth]}
    errors: {rule: PathPrefix("/errors"), service: app, middlewares: [explained, auth]}
    errors-behind: {rule: PathPrefix("/mistakes"), service: app, middlewares: [auth, explained]}
    all: {rule: PathPrefix("/careless"), service: retried, middlewares: [explained, retry, compress, auth]}
  services:
    app: {loadBalancer: {servers: [{url: "http://APP"}]}}
    retried: {loadBalancer: {servers: [{url: "http://DEAD"}, {url: "http://APP"}]}}
`

// pages is an app that does what makes a header that is added to its answer get lost, or reach somebody else: it sends
// early hints, sets a cookie, fails, and lets everybody keep its pages.
func pages(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	if r.Header.Get("Cached") == "" {
		h.Set("Link", "</style.css>; rel=preload; as=style")
		w.WriteHeader(http.StatusEarlyHints)
	}
	h.Set("Set-Cookie", "session=of-"+r.Header.Get("X-Ptl-User")+"; Path=/")
	h.Set("Cache-Control", "public, max-age=600")
	h.Set("Content-Type", "text/html")
	if strings.HasPrefix(r.URL.Path, "/errors") || strings.HasPrefix(r.URL.Path, "/mistakes") {
		w.WriteHeader(http.StatusInternalServerError)
	}
	fmt.Fprintf(w, "<p>Hello %s%s", r.Header.Get("X-Ptl-User"), strings.Repeat(".", 5000))
}

// renewal is a Traefik, with the app above, in front of which nginx caches what it may.
type renewal struct {
	proxy  *traefik.Traefik
	secret string
	config func(keys string) string
	doors  []visitor.Door
}

func newRenewal(t *testing.T) *renewal {
	t.Helper()
	app := httptest.NewServer(http.HandlerFunc(pages))
	t.Cleanup(app.Close)
	n := &renewal{secret: issuer.NewSecret()}
	list := source.File(t, source.Paired(devices()...))
	dead := program.UnusedAddr(t)
	n.config = func(keys string) string {
		return strings.NewReplacer("KEYS", keys, "LIST", list, "APP", app.Listener.Addr().String(), "DEAD", dead).Replace(renewalConfiguration)
	}
	n.proxy = traefiktest.Start(t, traefik.Options{Dynamic: n.config("[{secretFile: " + source.File(t, n.secret) + "}]")})
	n.doors = visitor.Doors(t, n.proxy)
	n.doors = append(n.doors, visitor.Door{Name: "nginx that caches", URL: "http://" + caching(t, n.proxy.Addr("web")), Major: 1, Transport: n.doors[0].Transport})
	return n
}

// caching starts nginx in front of an address, and returns its own.
func caching(t *testing.T, addr string) string {
	t.Helper()
	conf, err := os.ReadFile("nginx.conf")
	if err != nil {
		t.Fatal(err)
	}
	listen := program.UnusedAddr(t)
	path := source.Named(t, "nginx.conf", strings.NewReplacer("FOLDER", t.TempDir(), "LISTEN", listen, "TRAEFIK", addr).Replace(string(conf)))
	program.Spawn(t, listen, program.Need(t, "nginx", "nginx-light"), "-c", path)
	return listen
}

// devices are those that are paired.
func devices() []string {
	var all []string
	for i := range 12 {
		all = append(all, fmt.Sprintf("device%d", i))
	}
	return all
}

// aged is a token of that many seconds, with more claims where they are given.
func aged(t *testing.T, secret, device string, age int, more jwt.MapClaims) string {
	t.Helper()
	claims := jwt.MapClaims{"sub": device, "iat": time.Now().Unix() - int64(age)}
	for name, value := range more {
		claims[name] = value
	}
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(secret))
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// renewAge is older than pairing.renew, and of each token another one.
func renewAge(number int) int { return 31*86400 + number }

// browser opens pages as a browser does, and notes which tokens it was given on the way.
type browser struct {
	t     *testing.T
	jar   *cookiejar.Jar
	door  visitor.Door
	given []string
	moved int
	// cached counts the answers that came out of nginx's cache.
	cached int
}

func newBrowser(t *testing.T, door visitor.Door, token string) *browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	b := &browser{t: t, jar: jar, door: door}
	if token != "" {
		jar.SetCookies(b.at("/"), []*http.Cookie{{Name: "authorization", Value: token, Path: "/"}})
	}
	return b
}

func (b *browser) at(path string) *url.URL {
	u, err := url.Parse(b.door.URL + path)
	if err != nil {
		b.t.Error(err)
	}
	return u
}

// RoundTrip implements [http.RoundTripper].
func (b *browser) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := b.door.Transport.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	for _, cookie := range response.Cookies() {
		if cookie.Name == "authorization" {
			b.given = append(b.given, cookie.Value)
		}
	}
	if response.StatusCode == http.StatusTemporaryRedirect {
		b.moved++
	}
	if response.Header.Get("X-Cache-Status") == "HIT" {
		b.cached++
	}
	return response, nil
}

// open opens a page, wherever that leads, and returns its status and what it says.
func (b *browser) open(path string, lines ...string) (int, string) {
	r, err := http.NewRequestWithContext(b.t.Context(), http.MethodGet, b.door.URL+path, nil)
	if err != nil {
		b.t.Error(err)
		return 0, ""
	}
	for _, line := range append([]string{"Accept: text/html", "Upgrade-Insecure-Requests: 1", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document"}, lines...) {
		name, value, _ := strings.Cut(line, ": ")
		r.Header.Set(name, value)
	}
	response, err := (&http.Client{Transport: b, Jar: b.jar, Timeout: 30 * time.Second}).Do(r)
	if err != nil {
		b.t.Errorf("%s at %s: %v", path, b.door.Name, err)
		return 0, ""
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		b.t.Errorf("%s at %s: %v", path, b.door.Name, err)
	}
	return response.StatusCode, string(body)
}

// keeps are the values of a cookie that the browser sends.
func (b *browser) keeps(name string) []string {
	var values []string
	for _, cookie := range b.jar.Cookies(b.at("/")) {
		if cookie.Name == name {
			values = append(values, cookie.Value)
		}
	}
	return values
}

// claims are what a token says.
func claims(t *testing.T, token string) map[string]any {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Errorf("%q is no token", token)
		return nil
	}
	content, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Error(err)
	}
	all := map[string]any{}
	if err := json.Unmarshal(content, &all); err != nil {
		t.Error(err)
	}
	return all
}

// TestRenewal: whatever stands around the middleware, everybody is given the own token anew, once, and nobody another's.
func TestRenewal(t *testing.T) {
	if testing.Short() {
		t.Skip("starts Traefik")
	}
	n := newRenewal(t)
	number := 0
	for _, door := range n.doors {
		for _, route := range []string{"/plain", "/retry", "/again", "/compress", "/errors", "/mistakes", "/careless"} {
			t.Run(strings.TrimPrefix(route, "/")+" over "+door.Name, func(t *testing.T) {
				var all sync.WaitGroup
				for _, device := range devices() {
					number++
					token := aged(t, n.secret, device, renewAge(number), nil)
					neighbour := aged(t, n.secret, device, 10, nil)
					all.Go(func() { renewOnce(t, door, route+"/"+device, token, neighbour) })
				}
				all.Wait()
			})
		}
	}
	n.testNever(t)
}

// renewOnce has a device open a page with a token that is due, and then others ask for the same page.
func renewOnce(t *testing.T, door visitor.Door, path, token, neighbour string) {
	device := path[strings.LastIndexByte(path, '/')+1:]
	b := newBrowser(t, door, token)
	status, body := b.open(path)
	wantStatus := http.StatusOK
	if strings.HasPrefix(path, "/errors") || strings.HasPrefix(path, "/mistakes") {
		wantStatus = http.StatusInternalServerError
	}
	if status != wantStatus || !strings.Contains(body, "Hello ") {
		t.Errorf("%s: the page is %d %.60q, want %d", path, status, body, wantStatus)
	}
	kept := b.keeps("authorization")
	if len(b.given) != 1 || b.moved != 1 || len(kept) != 1 || kept[0] != b.given[0] {
		t.Errorf("%s: was given %d tokens by %d redirects, and keeps %d; want one", path, len(b.given), b.moved, len(kept))
		return
	}
	said := claims(t, kept[0])
	if iat, _ := said["iat"].(float64); said["sub"] != device || time.Since(time.Unix(int64(iat), 0)) > time.Minute || len(said) != 2 {
		t.Errorf("%s: the new token says %v", path, said)
	}
	if wantStatus == http.StatusOK && strings.Join(b.keeps("session"), " ") != "of-"+device {
		t.Errorf("%s: of the app's cookies there is %q", path, b.keeps("session"))
	}
	for range 2 {
		if b.open(path + "/next"); len(b.given) != 1 || b.moved != 1 {
			t.Errorf("%s: on the next page it is given a token again", path)
		}
	}
	for who, other := range map[string]string{"a stranger": "", "a neighbour": neighbour} {
		o := newBrowser(t, door, other)
		o.open(path)
		if len(o.given) != 0 || o.moved != 0 {
			t.Errorf("%s: %s is given the token, or sent around", path, who)
		}
	}
	if strings.HasPrefix(path, "/careless") && strings.HasPrefix(door.Name, "nginx") {
		o := newBrowser(t, door, neighbour)
		if o.open(path); o.cached != 1 {
			t.Errorf("%s: nginx has not cached the page, so that this shows nothing", path)
		}
	}
	// A browser that keeps no cookies.
	again := newBrowser(t, door, token)
	if status, _ := again.open(path + "/again"); status != wantStatus || len(again.given) != 0 {
		t.Errorf("%s: with the old token once more it is %d, with %d tokens", path, status, len(again.given))
	}
}

// testNever: what ends, is somebody else's, or came otherwise stays as it is.
func (n *renewal) testNever(t *testing.T) {
	keys := issuer.NewRSA(t, "provider")
	reload(t, n, "[{secretFile: "+source.File(t, n.secret)+"}, {jwksFile: "+source.File(t, issuer.KeySet(keys))+"}]")
	provided := jwt.NewWithClaims(keys.Method, jwt.MapClaims{"sub": "device0", "iat": time.Now().Unix() - 40*86400})
	provided.Header["kid"] = keys.KID
	foreign, err := provided.SignedString(keys.Key)
	if err != nil {
		t.Fatal(err)
	}
	old := aged(t, n.secret, "device0", renewAge(100_000), nil)
	for _, door := range n.doors {
		for name, test := range map[string]struct{ cookie, header string }{
			"a token with an exp":  {cookie: aged(t, n.secret, "device0", 40*86400, jwt.MapClaims{"exp": time.Now().Unix() + 50*86400})},
			"one of a JWK Set":     {cookie: foreign},
			"one in a header":      {header: old},
			"one in both":          {cookie: old, header: old},
			"one with another jti": {cookie: aged(t, n.secret, "device0", 40*86400, jwt.MapClaims{"jti": "1"})},
		} {
			t.Run(name+" is never renewed over "+door.Name, func(t *testing.T) {
				b := newBrowser(t, door, test.cookie)
				for i := range 2 {
					var lines []string
					if test.header != "" {
						lines = append(lines, "Authorization: Bearer "+test.header)
					}
					// nginx knows a page by its address alone.
					status, body := b.open(fmt.Sprintf("/plain/never/%s/%d", url.PathEscape(name), i), lines...)
					if status != http.StatusOK || !strings.Contains(body, "Hello device0") || len(b.given) != 0 || b.moved != 0 {
						t.Errorf("got %d %.60q, with %d tokens by %d redirects", status, body, len(b.given), b.moved)
					}
				}
			})
		}
	}
}

func reload(t *testing.T, n *renewal, keys string) {
	t.Helper()
	if err := n.proxy.Reload(t.Context(), n.config(keys)); err != nil {
		t.Fatal(err)
	}
}

// TestRotation: another secret before the first gives everybody a token of it, whenever they come by, and then the old one
// can go.
func TestRotation(t *testing.T) {
	if testing.Short() {
		t.Skip("starts Traefik")
	}
	n := newRenewal(t)
	door := n.doors[0]
	before := source.File(t, n.secret)
	fresh := issuer.NewSecret()
	after := source.File(t, fresh)
	var browsers []*browser
	for i, device := range devices() {
		browsers = append(browsers, newBrowser(t, door, aged(t, n.secret, device, 1000+i, nil)))
	}
	everybody := func(when string, gone int) {
		t.Helper()
		for i, b := range browsers {
			want := http.StatusOK
			if i < gone {
				want = http.StatusUnauthorized
			}
			if status, _ := b.open(fmt.Sprintf("/plain/%d", i)); status != want {
				t.Errorf("%s, device %d: got %d, want %d", when, i, status, want)
			}
		}
	}
	everybody("before", 0)
	reload(t, n, "[{secretFile: "+after+"}, {secretFile: "+before+"}]")
	away := browsers[0]
	browsers = browsers[1:]
	everybody("with both", 0)
	everybody("with both, later", 0)
	for i, b := range browsers {
		if len(b.given) != 1 {
			t.Errorf("device %d was given %d tokens, want one", i+1, len(b.given))
		}
	}
	reload(t, n, "[{secretFile: "+after+"}]")
	browsers = append([]*browser{away}, browsers...)
	everybody("with the new one alone", 1)
	if _, err := jwt.Parse(browsers[1].keeps("authorization")[0], func(*jwt.Token) (any, error) { return []byte(fresh), nil }); err != nil {
		t.Errorf("the new token is not of the new secret: %v", err)
	}
}
