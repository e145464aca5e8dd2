package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/getportal/ptlauth"
	"github.com/getportal/ptlauth/cmd/command"
	"github.com/getportal/ptlauth/cmd/registry"
	"github.com/getportal/ptlauth/cmd/settings"
)

// android is how a telephone's browser calls itself.
const android = "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Mobile Safari/537.36"

var sites atomic.Int64

// testSite is what ptl init makes, in front of it the middleware itself, compiled.
type testSite struct {
	dir string
	url string
}

// newTestSite starts a site whose middleware has these options too, in YAML.
func newTestSite(t testing.TB, more string) *testSite {
	t.Helper()
	s := &testSite{dir: t.TempDir()}
	server := httptest.NewUnstartedServer(nil)
	s.url = "http://" + server.Listener.Addr().String()
	if err := initialize(&command.Console{Out: nowhere{}, Err: nowhere{}}, &initOptions{URL: "http://localhost"}, []string{s.dir}); err != nil {
		t.Fatal(err)
	}
	s.write(t, "ptl.yml", strings.Replace(s.read(t, "ptl.yml"), "http://localhost", s.url, 1))
	if more != "" {
		s.write(t, "ptlauth/dynamic.yml", s.read(t, "ptlauth/dynamic.yml")+more)
	}
	server.Config.Handler = s.middleware(t)
	server.Start()
	t.Cleanup(server.Close)
	return s
}

type nowhere struct{}

func (nowhere) Write(p []byte) (int, error) { return len(p), nil }

// middleware is the site's own, made as Traefik makes it.
func (s *testSite) middleware(t testing.TB) http.Handler {
	t.Helper()
	m, err := settings.Find(&settings.Site{
		Dynamic: s.path("ptlauth/dynamic.yml"), SecretFile: s.path("ptlauth/secret"), Registry: s.path("ptlauth/terminals.json"),
	})
	if err != nil {
		t.Fatal(err)
	}
	content, err := json.Marshal(m.Options)
	if err != nil {
		t.Fatal(err)
	}
	config := ptlauth.CreateConfig()
	if err := json.Unmarshal(content, config); err != nil {
		t.Fatal(err)
	}
	app := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "Hello, "+r.Header.Get("X-Ptl-User")) })
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	handler, err := ptlauth.New(ctx, app, config, fmt.Sprintf("auth-%d@file", sites.Add(1)))
	if err != nil {
		t.Fatal(err)
	}
	return handler
}

func (s *testSite) path(name string) string { return filepath.Join(s.dir, name) }

func (s *testSite) read(t testing.TB, name string) string {
	t.Helper()
	content, err := os.ReadFile(s.path(name))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func (s *testSite) write(t testing.TB, name, content string) {
	t.Helper()
	if err := os.WriteFile(s.path(name), []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (s *testSite) list(t testing.TB) *registry.List {
	t.Helper()
	l, err := (&registry.File{Path: s.path("ptlauth/terminals.json")}).Read()
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// device is a browser with a jar for cookies.
type device struct {
	client *http.Client
	site   string
}

func newDevice(t testing.TB, site string) *device {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &device{&http.Client{Jar: jar}, site}
}

// ask sends a request as a browser does, and returns the status of the page that it ends at.
func (d *device) ask(t testing.TB, method, path string, form url.Values) int {
	t.Helper()
	request, err := http.NewRequest(method, d.site+path, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("User-Agent", android)
	request.Header.Set("Accept", "text/html")
	if method == http.MethodPost {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		request.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	response, err := d.client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	return response.StatusCode
}

// pair opens the page and presses twice, and returns the last status.
func (d *device) pair(t testing.TB, code string) int {
	t.Helper()
	d.ask(t, http.MethodGet, "/.ptl/pair", nil)
	if status := d.ask(t, http.MethodPost, "/.ptl/pair", url.Values{"code": {code}, "do": {"look"}}); status != 200 {
		return status
	}
	return d.ask(t, http.MethodPost, "/.ptl/pair", url.Values{"code": {code}, "do": {"pair"}})
}

// visit is the status of the app's page.
func (d *device) visit(t testing.TB) int {
	t.Helper()
	return d.ask(t, http.MethodGet, "/", nil)
}

func must(t testing.TB, address string) *url.URL {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func cookie(token string) []*http.Cookie {
	return []*http.Cookie{{Name: "authorization", Value: token}}
}
