package portal

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/getportal/ptlauth/e2e/issuer"
	"github.com/getportal/ptlauth/e2e/poll"
	"github.com/getportal/ptlauth/e2e/source"
	"github.com/getportal/ptlauth/e2e/traefik"
	"github.com/getportal/ptlauth/e2e/traefik/traefiktest"
	"github.com/getportal/ptlauth/e2e/witness"
)

func ok(http.ResponseWriter, *http.Request) {}

// hanging answers nothing for as long as anybody waits.
func hanging(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

// TestPortalActivity looks at what activity.url is told.
func TestPortalActivity(t *testing.T) {
	l := load(t)
	secret := issuer.NewSecret()
	secretFile := source.File(t, secret)
	token := issuer.SignHS256(t, secret, phone)
	build := func(t *testing.T, url string, interval time.Duration, more map[string]any) http.Handler {
		config := map[string]any{
			"secretFile": secretFile, "terminals": map[string]any{"paired": []any{map[string]any{"id": phone}}}, "refresh": quick.String(),
			"activity": map[string]any{"url": url, "interval": interval.String()},
			"token":    map[string]any{"header": "Authorization", "query": "token"},
			"paths":    []any{map[string]any{"prefix": "/public", "access": "public"}},
		}
		maps.Copy(config, more)
		return l.build(t, config)
	}
	tests := map[string]func(t *testing.T){}

	cookie := func(r *http.Request) { r.Header.Set("Cookie", "theme=dark; authorization=Bearer "+token+"; other=1") }
	header := func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token) }
	for _, test := range []struct {
		name, method, target string
		edit                 func(*http.Request)
		uri, proto, cookie   string
	}{
		{"a use by cookie", "GET", "http://a.example.com/x%2Fy?q=1&r=a%20b", cookie, "/x%2Fy?q=1&r=a%20b", "http", token},
		{"a use by header", "POST", "http://b.example.com:8080/x", header, "/x", "http", token},
		{"a use by query, without the token in it", "GET", "http://c.example.com/x?a=1&token=" + token + "&b=2", nil, "/x?a=1&b=2", "http", token},
		{"a use over TLS", "DELETE", "http://d.example.com/", func(r *http.Request) {
			cookie(r)
			r.Header.Set("X-Forwarded-Proto", "https")
		}, "/", "https", token},
		{"a use by nobody on a public path, without a cookie", "GET", "http://e.example.com/public", nil, "/public", "http", ""},
	} {
		tests[test.name+" is told"] = func(t *testing.T) {
			to := witness.NewReceiver(t, ok)
			handler := build(t, to.URL+"/internal/auth", time.Minute, nil)
			r := httptest.NewRequest(test.method, test.target, nil)
			if test.edit != nil {
				test.edit(r)
			}
			host := r.Host
			if status := serve(handler, r); status != http.StatusOK {
				t.Fatalf("got %d", status)
			}
			poll.Until(t, slack, func() string {
				if len(to.Calls()) == 0 {
					return "nothing is told"
				}
				return ""
			})
			told, want := to.Told[0], map[string]string{
				"X-Forwarded-Host": host, "X-Forwarded-Uri": test.uri, "X-Forwarded-Method": test.method, "X-Forwarded-Proto": test.proto,
			}
			if test.cookie != "" {
				want["Cookie"] = "authorization=" + test.cookie
			}
			for _, name := range []string{"X-Forwarded-Host", "X-Forwarded-Uri", "X-Forwarded-Method", "X-Forwarded-Proto", "Cookie"} {
				if got := strings.Join(told[name], ", "); got != want[name] {
					t.Errorf("%s is %q, want %q", name, got, want[name])
				}
			}
		}
	}

	for name, edit := range map[string]func(*http.Request){
		"no token":          func(*http.Request) {},
		"a forged token":    func(r *http.Request) { r.Header.Set("Cookie", "authorization="+token[:len(token)-4]+"AAAA") },
		"an unpaired token": func(r *http.Request) { r.Header.Set("Cookie", "authorization="+issuer.SignHS256(t, secret, guest)) },
		"another origin": func(r *http.Request) {
			cookie(r)
			r.Method = http.MethodPost
			r.Header.Set("Origin", "https://evil.example.com")
		},
	} {
		tests["what is refused for "+name+" is not told"] = func(t *testing.T) {
			to := witness.NewReceiver(t, ok)
			handler := build(t, to.URL, quick, nil)
			for range 5 {
				if status := serve(handler, request("", "http://chat.example.com/", edit)); status == http.StatusOK {
					t.Errorf("got %d", status)
				}
				time.Sleep(quick)
			}
			if calls := to.Calls(); len(calls) > 0 {
				t.Errorf("told of %v", calls)
			}
		}
	}

	tests["each app is told of once in an interval"] = func(t *testing.T) {
		to := witness.NewReceiver(t, ok)
		handler := build(t, to.URL, 500*time.Millisecond, nil)
		began := time.Now()
		for time.Since(began) < 1300*time.Millisecond {
			for _, host := range []string{"chat", "files"} {
				if status := serve(handler, request(token, "http://"+host+".example.com/")); status != http.StatusOK {
					t.Fatalf("got %d", status)
				}
			}
			time.Sleep(20 * time.Millisecond)
		}
		time.Sleep(200 * time.Millisecond)
		calls := to.Calls()
		for _, host := range []string{"chat.example.com", "files.example.com"} {
			if n := calls[host]; n < 2 || n > 3 || len(calls) != 2 {
				t.Errorf("told %v times in 1.3 s, want 2 or 3 each", calls)
			}
		}
	}

	tests["each host is told of, though the token is remembered"] = func(t *testing.T) {
		to := witness.NewReceiver(t, ok)
		handler := build(t, to.URL, time.Hour, map[string]any{"token": map[string]any{}, "paths": []any{}, "refresh": "1h"})
		for range 3 {
			for _, host := range []string{"chat", "files"} {
				if status := serve(handler, request(token, "http://"+host+".example.com/")); status != http.StatusOK {
					t.Fatalf("got %d", status)
				}
			}
		}
		poll.Until(t, slack, func() string {
			if calls := to.Calls(); calls["chat.example.com"] != 1 || calls["files.example.com"] != 1 {
				return fmt.Sprintf("told of %v, want each once", calls)
			}
			return ""
		})
	}

	tests["an app in use is told of again, though little else is looked at"] = func(t *testing.T) {
		to := witness.NewReceiver(t, ok)
		handler := build(t, to.URL, 200*time.Millisecond, map[string]any{"token": map[string]any{}, "paths": []any{}, "refresh": "1h"})
		poll.Until(t, slack, func() string {
			if status := serve(handler, request(token, "http://chat.example.com/")); status != http.StatusOK {
				return fmt.Sprintf("got %d", status)
			}
			if n := to.Calls()["chat.example.com"]; n < 3 {
				return fmt.Sprintf("told %d times", n)
			}
			return ""
		})
	}

	tests["a redirect is not followed"] = func(t *testing.T) {
		elsewhere := witness.NewReceiver(t, ok)
		to := witness.NewReceiver(t, func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.URL, http.StatusTemporaryRedirect)
		})
		handler := build(t, to.URL, quick, nil)
		askFor(t, handler, token, http.StatusOK, 5*quick)
		if len(to.Calls()) == 0 || len(elsewhere.Calls()) > 0 {
			t.Errorf("told %v, and elsewhere %v", to.Calls(), elsewhere.Calls())
		}
	}

	for name, answer := range map[string]http.HandlerFunc{
		"answers 500": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) },
		"is down":     nil,
	} {
		// Loaded by itself: the line does not name the URL.
		l := load(t)
		tests["a receiver that "+name+" makes one line in the log, and is told again when it is well"] = func(t *testing.T) {
			to := source.NewServer(t, answer)
			handler := l.build(t, map[string]any{
				"secretFile": secretFile, "terminals": "any", "refresh": quick.String(), "activity": map[string]any{"url": to.URL, "interval": quick.String()},
			})
			if slowest := askFor(t, handler, token, http.StatusOK, 10*quick); slowest > time.Second {
				t.Errorf("a request took %s", slowest)
			}
			lines := l.log.errorsAbout("activity.url")
			if len(lines) != 1 || strings.Contains(lines[0], token) {
				t.Errorf("want one line, got %q", lines)
			}
			if n := len(to.Fetches()); answer != nil && (n < 4 || n > 12) {
				t.Errorf("told %d times in a second", n)
			}
			to.Up(t, ok)
			seen := len(to.Fetches())
			askFor(t, handler, token, http.StatusOK, 5*quick)
			if n := len(to.Fetches()) - seen; n < 2 {
				t.Errorf("told %d times when it is well", n)
			}
			if lines := l.log.errorsAbout("activity.url"); len(lines) != 1 {
				t.Errorf("want no other line, got %q", lines)
			}
		}
	}
	together(t, tests)

	// These count goroutines, so nothing else may run.
	t.Run("a receiver that hangs delays nobody, and is not told of an app again meanwhile", func(t *testing.T) {
		to := witness.NewReceiver(t, hanging)
		handler := build(t, to.URL, quick, nil)
		askAs(handler, token)
		before := runtime.NumGoroutine()
		if slowest := askFor(t, handler, token, http.StatusOK, 20*quick); slowest > time.Second {
			t.Errorf("a request took %s", slowest)
		}
		if n := to.Calls()["chat.example.com"]; n != 1 {
			t.Errorf("told %d times", n)
		}
		if after := runtime.NumGoroutine(); after > before+10 {
			t.Errorf("there were %d goroutines, and are %d", before, after)
		}
		to.NowAnswers(ok)
		to.CloseClientConnections()
		poll.Until(t, 2*slack, func() string {
			askAs(handler, token)
			if to.Calls()["chat.example.com"] < 2 {
				return "it is not told again when it is well"
			}
			return ""
		})
	})
	t.Run("a receiver that hangs is not told of two thousand hosts at once", func(t *testing.T) {
		to := witness.NewReceiver(t, hanging)
		handler := build(t, to.URL, time.Minute, nil)
		before := runtime.NumGoroutine()
		began := time.Now()
		for i := range 2000 {
			if status := serve(handler, request("", fmt.Sprintf("http://host-%d.example.com/public", i))); status != http.StatusOK {
				t.Fatalf("got %d", status)
			}
		}
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("the requests took %s", took)
		}
		after := runtime.NumGoroutine()
		t.Logf("%d calls at once, %d to %d goroutines", to.AtOnce(), before, after)
		if n := to.AtOnce(); n == 0 || n > 64 {
			t.Errorf("%d calls at once", n)
		}
		if after > before+500 {
			t.Errorf("there were %d goroutines, and are %d", before, after)
		}
	})
}

// TestPortalApps has one middleware for two apps, of which one is told apart from the other by its host alone.
func TestPortalApps(t *testing.T) {
	if testing.Short() {
		t.Skip("starts Traefik")
	}
	const refresh = 500 * time.Millisecond
	secret := issuer.NewSecret()
	directory := t.TempDir()
	install := func(app, meta string) {
		t.Helper()
		folder := filepath.Join(directory, app)
		if err := os.MkdirAll(folder, 0o755); err != nil {
			t.Fatal(err)
		}
		source.Replace(t, filepath.Join(folder, "app_meta.json"), meta)
	}
	const convos = `{"name": "convos", "paths": {"": {"access": "private", "headers": {"X-Ptl-User": "{{ portal.id[:6] }}@example.com"}}}}`
	const linkding = `{"name": "linkding", "paths": {
		"": {"access": "private", "headers": {"X-Ptl-User": "admin", "X-Ptl-Client-Name": "{{ auth.client_name }}"}},
		"/share": {"access": "public", "headers": {"X-Ptl-Client-Type": "{{ auth.client_type }}"}}}}`
	install("convos", convos)
	install("linkding", linkding)
	listFile := source.File(t, source.Paired(phone))
	to := witness.NewReceiver(t, ok)
	// The app says what X-Ptl-… it was sent.
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var seen []string
		for name, values := range r.Header {
			if strings.HasPrefix(name, "X-Ptl-") {
				seen = append(seen, name+": "+strings.Join(values, ", "))
			}
		}
		slices.Sort(seen)
		_, _ = io.WriteString(w, strings.Join(seen, "; "))
	}))
	t.Cleanup(app.Close)
	proxy := traefiktest.Start(t, traefik.Options{Dynamic: strings.NewReplacer(
		"SECRET", source.File(t, secret), "LIST", listFile, "DIRECTORY", directory, "ACTIVITY", to.URL, "APP", app.URL,
	).Replace(`
http:
  middlewares:
    auth:
      plugin:
        ptlauth:
          secretFile: SECRET
          terminals: {file: LIST}
          apps: {directory: DIRECTORY}
          portal: {id: abcdefghij, domain: abcdef.p.example.com}
          activity: {url: "ACTIVITY", interval: 1m}
          refresh: 500ms
  routers:
    apps: {rule: HostRegexp("^.+\\.abcdef\\.p\\.example\\.com$"), service: app, middlewares: [auth], entryPoints: [web]}
  services:
    app: {loadBalancer: {servers: [{url: "APP"}]}}
`)})
	ask := func(app, path, token string) (int, string) {
		r, err := http.NewRequest(http.MethodGet, proxy.URL("web")+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = app + ".abcdef.p.example.com"
		r.Header.Set("X-Ptl-User", "forged")
		if token != "" {
			r.Header.Set("Cookie", "authorization="+token)
		}
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		body, _ := io.ReadAll(response.Body)
		if response.StatusCode != http.StatusOK {
			return response.StatusCode, ""
		}
		return response.StatusCode, string(body)
	}
	good := issuer.SignHS256(t, secret, phone)
	// answer is what the app was sent in the end, or the status of a refusal.
	type answer struct {
		app, path, token string
		status           int
		headers          string
	}
	const anonymous = "X-Ptl-Client-Type: anonymous"
	check := func(t *testing.T, within time.Duration, want ...answer) {
		t.Helper()
		for _, want := range want {
			poll.Until(t, within, func() string {
				status, headers := ask(want.app, want.path, want.token)
				if status != want.status || headers != want.headers {
					return fmt.Sprintf("%s%s: got %d and %q, want %d and %q", want.app, want.path, status, headers, want.status, want.headers)
				}
				return ""
			})
		}
	}
	for _, step := range []struct {
		name   string
		change func()
		want   []answer
	}{
		{"each app is sent the headers that its own app_meta.json lists", func() {}, []answer{
			{"convos", "/", good, 200, "X-Ptl-User: abcdef@example.com"},
			{"linkding", "/", good, 200, "X-Ptl-Client-Name: a terminal; X-Ptl-User: admin"},
			{"linkding", "/share", "", 200, anonymous},
			{"linkding", "/", "", 401, ""},
			{"convos", "/share", "", 401, ""},
		}},
		{"an app that is not installed is not found", func() {}, []answer{
			{"unknown", "/", good, 404, ""}, {"unknown", "/", "", 404, ""}, {"CONVOS", "/", good, 404, ""},
		}},
		{"a changed app_meta.json is in force, for that app alone", func() {
			install("convos", strings.Replace(convos, "private", "public", 1))
		}, []answer{
			{"convos", "/", "", 200, "X-Ptl-User: abcdef@example.com"},
			{"linkding", "/", "", 401, ""},
		}},
		{"an app_meta.json that is half-written changes nothing", func() { install("linkding", linkding[:40]) }, []answer{
			{"linkding", "/", good, 200, "X-Ptl-Client-Name: a terminal; X-Ptl-User: admin"}, {"linkding", "/", "", 401, ""},
		}},
		{"an app that is installed is found", func() { install("unknown", convos) }, []answer{
			{"unknown", "/", good, 200, "X-Ptl-User: abcdef@example.com"}, {"unknown", "/", "", 401, ""},
		}},
		{"an app that is uninstalled is not found", func() { _ = os.RemoveAll(filepath.Join(directory, "unknown")) }, []answer{
			{"unknown", "/", good, 404, ""}, {"convos", "/", good, 200, "X-Ptl-User: abcdef@example.com"},
		}},
		{"an unpaired terminal is out of every app", func() { source.Replace(t, listFile, source.Paired(tablet)) }, []answer{
			{"linkding", "/", good, 401, ""}, {"linkding", "/share", good, 200, anonymous},
		}},
	} {
		t.Run(step.name, func(t *testing.T) {
			step.change()
			check(t, refresh+slack, step.want...)
			// And it stays so.
			time.Sleep(refresh + 100*time.Millisecond)
			check(t, 0, step.want...)
		})
	}
	t.Run("Portal was told of each app in use, once", func(t *testing.T) {
		want := map[string]int{
			"convos.abcdef.p.example.com": 1, "linkding.abcdef.p.example.com": 1, "unknown.abcdef.p.example.com": 1,
		}
		if calls := to.Calls(); !maps.Equal(calls, want) {
			t.Errorf("told %v, want %v", calls, want)
		}
	})
	t.Run("the half-written file is told of once", func(t *testing.T) {
		wantLines(t, func() []string { return errorLines(proxy.Log(), filepath.Join(directory, "linkding")) }, false)
	})
}
