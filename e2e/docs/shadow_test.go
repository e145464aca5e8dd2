package docs

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/getportal/ptlauth/e2e/issuer"
	"github.com/getportal/ptlauth/e2e/poll"
	"github.com/getportal/ptlauth/e2e/program"
	"github.com/getportal/ptlauth/e2e/source"
	"github.com/getportal/ptlauth/e2e/traefik"
	"github.com/getportal/ptlauth/e2e/traefik/traefiktest"
	"github.com/getportal/ptlauth/e2e/visitor"
	"github.com/getportal/ptlauth/e2e/witness"
	"github.com/getportal/ptlauth/internal/guardtest"
)

// TestShadowDay looks on for a day, switches and goes back, as docs/install.md says, while somebody asks all the time. The day
// is short: what is a minute in the plugin is two seconds here.
func TestShadowDay(t *testing.T) {
	if testing.Short() {
		t.Skip("starts Traefik")
	}
	examples, told := readmeExample(t, dayInShadow), readmeExample(t, shadowLines)[0]
	secret := issuer.NewSecret()
	paired, other := issuer.SignHS256(t, secret, "k7p2x9"), issuer.SignHS256(t, secret, "zzz999")
	// A ForwardAuth that lets in whoever has a token, as one may that knows of no list.
	verify := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := map[string]string{"authorization=" + paired: "k7p2x9", "authorization=" + other: "zzz999"}[r.Header.Get("Cookie")]
		if id == "" {
			w.WriteHeader(http.StatusUnauthorized)
		}
		w.Header().Set("X-Ptl-User", id)
	}))
	t.Cleanup(verify.Close)
	app := httptest.NewServer(&echo{})
	t.Cleanup(app.Close)
	here := strings.NewReplacer("http://auth:8080/verify", verify.URL, "/etc/ptlauth/secret", source.Named(t, "secret", secret),
		"/etc/ptlauth/terminals.json", source.Named(t, "terminals.json", source.Paired("k7p2x9")))
	dynamic := func(example string) string {
		var configuration map[string]map[string]any
		if err := yaml.Unmarshal([]byte(here.Replace(example)), &configuration); err != nil {
			t.Fatal(err)
		}
		configuration["http"]["routers"] = map[string]any{"app": map[string]any{"rule": "Host(`" + appHost + "`)", "service": "app", "middlewares": []string{"auth"}}}
		configuration["http"]["services"] = map[string]any{"app": map[string]any{"loadBalancer": map[string]any{"servers": []any{map[string]any{"url": app.URL}}}}}
		text, err := yaml.Marshal(configuration)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	dir := countingOften(t)
	proxy := traefiktest.Start(t, traefik.Options{Dynamic: dynamic(examples[0]), Plugin: dir})
	ask := func(token string) (int, http.Header) {
		header := http.Header{}
		if token != "" {
			header["Cookie"] = []string{"authorization=" + token}
		}
		status, body := visitor.Ask(t, proxy.URL("web"), appHost, header)
		var seen http.Header
		_ = json.Unmarshal([]byte(body), &seen)
		return status, seen
	}
	want := func(token string, status int, cookie bool) {
		t.Helper()
		got, seen := ask(token)
		if got != status || status == http.StatusOK && (seen["Cookie"] != nil) != cookie {
			t.Errorf("got %d and %v, want %d", got, seen, status)
		}
	}
	lost := hammering(t, proxy.URL("web"), paired)

	for range 3 {
		want(paired, http.StatusOK, true)
	}
	want("", http.StatusUnauthorized, false)
	want(other, http.StatusOK, true) // the difference
	for line := range strings.Lines(told) {
		digits := regexp.MustCompile(`\d+`)
		pattern := regexp.MustCompile(strings.ReplaceAll(digits.ReplaceAllString(regexp.QuoteMeta(strings.TrimSpace(line)), `\d+`), "/notes", "/"))
		poll.Until(t, 20*time.Second, func() string {
			if !pattern.MatchString(strings.Join(proxy.LogLines("ptlauth: shadow@file"), "\n")) {
				return fmt.Sprintf("no line is like %s: %q", line, proxy.LogLines("ptlauth: shadow@file"))
			}
			return ""
		})
	}

	if agreed := regexp.MustCompile(`\([1-9]\d* let in, \d+ refused\) and differed on \d+ \(\d+ let in by ForwardAuth alone, 0 by ptlauth alone, 0 with another user, 0 with other headers`); !agreed.MatchString(strings.Join(proxy.LogLines("in the last minute"), "\n")) {
		t.Errorf("more is told than the one difference: %q", proxy.LogLines("ptlauth: shadow@file"))
	}

	for range 2 {
		if err := proxy.Reload(t.Context(), dynamic(examples[1])); err != nil {
			t.Fatal(err)
		}
		want(paired, http.StatusOK, false)
		want("", http.StatusUnauthorized, false)
		want(other, http.StatusUnauthorized, false)
		if err := proxy.Reload(t.Context(), dynamic(examples[0])); err != nil {
			t.Fatal(err)
		}
		want(paired, http.StatusOK, true)
		want(other, http.StatusOK, true)
	}
	if n := lost(); n > 0 {
		t.Errorf("%d requests were lost", n)
	}
}

// TestShadowLogin pairs somebody who is logged in elsewhere, while that login decides, as docs/install.md says.
func TestShadowLogin(t *testing.T) {
	if testing.Short() {
		t.Skip("starts Traefik")
	}
	// A login that knows a person by a session of its own.
	login := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if session, err := r.Cookie("session"); err == nil && session.Value == "of-ann" {
			w.Header().Set("Remote-User", "ann")
			return
		}
		w.WriteHeader(http.StatusUnauthorized)
	}))
	t.Cleanup(login.Close)
	folder, env := furnished(t, "../../demo/quick", "ptl init . --url=https://pair.example.com\necho 'middleware: pair' >> ptl.yml")
	example := strings.NewReplacer("http://authelia:9091/api/authz/forward-auth", login.URL, "/etc/ptlauth", filepath.Join(folder, "ptlauth")).Replace(readmeExample(t, loginInShadow)[0])
	if err := os.WriteFile(filepath.Join(folder, "ptlauth", "dynamic.yml"), []byte(example), 0o600); err != nil {
		t.Fatal(err)
	}
	dir := countingOften(t)
	app := new(witness.App)
	certificate, key := issuer.Certificate(t, "pair.example.com")
	dynamic := strings.Replace(example, "  routers:\n", "  routers:\n    notes: {rule: Host(`notes.example.com`), middlewares: [authelia], service: notes}\n", 1) + fmt.Sprintf(`
  services: {notes: {loadBalancer: {servers: [{url: %q}]}}}
tls: {stores: {default: {defaultCertificate: {certFile: %q, keyFile: %q}}}}
`, witness.Listen(t, app), certificate, key)
	proxy := traefiktest.Start(t, traefik.Options{Plugin: dir, Static: "entryPoints: {websecure: {address: '127.0.0.1:0', http: {tls: {}}}}", Dynamic: dynamic})
	env = append(env, "SSL_CERT_FILE="+certificate, "HTTPS_PROXY="+visitor.Tunnel(t, proxy.Addr("websecure")))

	const notes = "https://notes.example.com/"
	ann := visitor.NewPerson(t, proxy.Addr("websecure"))
	at, err := url.Parse(notes)
	if err != nil {
		t.Fatal(err)
	}
	ann.Client().Jar.SetCookies(at, []*http.Cookie{{Name: "session", Value: "of-ann"}})
	told := func(pattern string) {
		t.Helper()
		poll.Until(t, 30*time.Second, func() string {
			if page := ann.Visit(notes); page.Status != http.StatusOK || app.Header.Get("Remote-User") != "ann" {
				return fmt.Sprintf("Ann got %d, and the app %v", page.Status, app.Header)
			}
			if said := strings.Join(proxy.LogLines("ptlauth: shadow@file"), "\n"); !regexp.MustCompile(pattern).MatchString(said) {
				return fmt.Sprintf("no line is like %s: %s", pattern, said)
			}
			return ""
		})
	}
	told("GET notes.example.com/: ForwardAuth let it in, and ptlauth would have refused it: 401, ")
	screen := program.NewScreen(t, folder, env, "ptl", "pair", "--name=Ann's phone", "--user=ann")
	ann.Pair(screen.Await(t, `https://pair\.example\.com/\.ptl/pair\S*#\S+`))
	told(`agreed on \d+ requests \([1-9]\d* let in, 0 refused\) and differed on 0 `)
	if status, _ := visitor.Ask(t, proxy.URL("web"), "notes.example.com", nil); status != http.StatusUnauthorized {
		t.Errorf("whom nobody knows got %d", status)
	}

	if err := proxy.Reload(t.Context(), switched(t, dynamic)); err != nil {
		t.Fatal(err)
	}
	login.Close() // which nobody needs any more
	if page := ann.Visit(notes); page.Status != http.StatusOK || app.Header.Get("Remote-User") != "ann" || strings.Contains(app.Header.Get("Cookie"), "authorization=") {
		t.Errorf("after the switch Ann got %d, and the app %v", page.Status, app.Header)
	}
	if status, _ := visitor.Ask(t, proxy.URL("web"), "notes.example.com", nil); status != http.StatusUnauthorized {
		t.Errorf("after the switch whom nobody knows got %d", status)
	}
}

// switched is what docs/install.md says to write instead: `authelia` is what `shadow` was, without shadow, and with the
// pairing of `pair`.
func switched(t *testing.T, dynamic string) string {
	t.Helper()
	var configuration map[string]map[string]map[string]any
	if err := yaml.Unmarshal([]byte(dynamic), &configuration); err != nil {
		t.Fatal(err)
	}
	all := configuration["http"]["middlewares"]
	options := func(name string) map[string]any {
		return all[name].(map[string]any)["plugin"].(map[string]any)["ptlauth"].(map[string]any)
	}
	instead := options("shadow")
	delete(instead, "shadow")
	instead["pairing"] = options("pair")["pairing"]
	all["authelia"] = all["shadow"]
	delete(all, "shadow")
	delete(all, "forward-auth")
	text, err := yaml.Marshal(configuration)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// hammering asks with a token all the time, and returns what ends that and says how often it was refused.
func hammering(t *testing.T, url, token string) func() int64 {
	t.Helper()
	var lost atomic.Int64
	stop, stopped := make(chan struct{}), make(chan struct{})
	one := visitor.New(t, token)
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			case <-time.After(5 * time.Millisecond):
			}
			if status, err := one.Get(url+"/", appHost); err != nil || status != http.StatusOK {
				lost.Add(1)
			}
		}
	}()
	return func() int64 {
		close(stop)
		<-stopped
		return lost.Load()
	}
}

// countingOften is the folder of a plugin that says every two seconds, not every minute, how often it would have decided
// otherwise.
func countingOften(t *testing.T) string {
	t.Helper()
	return guardtest.Changed(t, "../..", func(p *guardtest.Plugin) (*guardtest.Plugin, error) {
		return p.Set("shadow.interval", "2 * time.Second")
	})
}
