package clients

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/getportal/ptlauth/e2e/compiled"
	"github.com/getportal/ptlauth/e2e/program"
	"github.com/getportal/ptlauth/e2e/source"
)

const minifluxAdmin, minifluxPassword = "admin", "password of admin"

// startMiniflux starts it at an address, believing what ptlauth says to be at another.
func startMiniflux(t *testing.T, addr, seenAt, postgres string) {
	t.Helper()
	_, file, _, _ := runtime.Caller(0)
	began := time.Now()
	binary, err := compiled.Command{
		Name: "Miniflux", Module: "miniflux.app/v2", Package: "miniflux.app/v2", Folder: filepath.Join(filepath.Dir(file), "miniflux"),
	}.Binary(t.Context(), os.Stderr)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("Miniflux's binary is there after %s", time.Since(began))
	program.Spawn(t, addr, "env",
		"LISTEN_ADDR="+addr, "BASE_URL="+seenAt, "DATABASE_URL=user=postgres dbname=miniflux sslmode=disable host="+postgres, "RUN_MIGRATIONS=1",
		"CREATE_ADMIN=1", "ADMIN_USERNAME="+minifluxAdmin, "ADMIN_PASSWORD="+minifluxPassword,
		"AUTH_PROXY_HEADER=X-Ptl-User", "AUTH_PROXY_USER_CREATION=1", "TRUSTED_REVERSE_PROXY_NETWORKS=127.0.0.0/8",
		"FETCHER_ALLOW_PRIVATE_NETWORKS=1", "LOG_LEVEL=debug", binary)
}

// TestMiniflux asks it as a browser, and as programs that bring what Miniflux itself wants beside the token.
func TestMiniflux(t *testing.T) {
	addr := program.UnusedAddr(t)
	const tokens = "token: {header: X-Access-Token}"
	h := newHousehold(t, map[string]app{
		"miniflux": {addr: addr, options: tokens},
		"open":     {addr: addr, options: "paths: [{prefix: /v1/, access: public}]"}, // Miniflux alone guards its API
	})
	startMiniflux(t, addr, h.url("miniflux", "http"), startPostgres(t, "miniflux"))
	ada, bob := h.letIn(t, "miniflux", "laptop", "ada"), h.letIn(t, "miniflux", "tablet", "bob")
	laptop := newBrowser(t, ada)

	t.Run("a browser comes to its feeds without a login page", func(t *testing.T) {
		if status, page := laptop.open(h.url("miniflux", "http") + "/"); status != http.StatusOK || !strings.Contains(page, "There are no unread entries.") {
			t.Errorf("%d\n%.2000s", status, page)
		}
		wantMinifluxUser(t, h, laptop, "ada")
		wantMinifluxUser(t, h, newBrowser(t, bob), "bob")
	})
	if t.Failed() {
		return
	}
	t.Run("a session of Miniflux's own goes on as the old user", func(t *testing.T) {
		shared := newBrowser(t, ada)
		wantMinifluxUser(t, h, shared, "ada")
		shared.token = bob
		wantMinifluxUser(t, h, shared, "ada")
	})
	key := minifluxKey(t, addr, "ada", "password of ada")
	t.Run("what Miniflux itself wants reaches it beside the token", func(t *testing.T) { testMinifluxAPI(t, h, ada, key) })
	t.Run("newsboat", func(t *testing.T) { testMinifluxNewsboat(t, h, addr, key, ada) })

	h.throwOut(t, "miniflux", "laptop")
	if status, page := laptop.open(h.url("miniflux", "http") + "/keys"); status != http.StatusUnauthorized {
		t.Errorf("the browser is answered %d\n%.500s", status, page)
	}
}

// wantMinifluxUser wants the page about Miniflux's API to be somebody's.
func wantMinifluxUser(t *testing.T, h *household, b *browser, user string) {
	t.Helper()
	b.open(h.url("miniflux", "http") + "/") // whoever comes first is led to this page, whatever they want
	if status, page := b.open(h.url("miniflux", "http") + "/keys"); status != http.StatusOK || !strings.Contains(page, "<strong>"+user+"</strong>") {
		t.Errorf("%d, and the page is not %s's\n%s", status, user, page)
	}
}

// minifluxKey gives a user a password, around ptlauth, and returns a key for Miniflux's API that the user makes.
func minifluxKey(t *testing.T, addr, user, password string) string {
	t.Helper()
	var found struct{ ID int }
	callMiniflux(t, addr, minifluxAdmin, minifluxPassword, "GET", "/v1/users/"+user, nil, &found)
	callMiniflux(t, addr, minifluxAdmin, minifluxPassword, "PUT", fmt.Sprintf("/v1/users/%d", found.ID), map[string]string{"password": password}, nil)
	var key struct{ Token string }
	callMiniflux(t, addr, user, password, "POST", "/v1/api-keys", map[string]string{"description": "script"}, &key)
	return key.Token
}

// callMiniflux asks its API around ptlauth.
func callMiniflux(t *testing.T, addr, user, password, method, path string, body, answer any) {
	t.Helper()
	text, _ := json.Marshal(body)
	r, err := http.NewRequestWithContext(t.Context(), method, "http://"+addr+path, strings.NewReader(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	r.SetBasicAuth(user, password)
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	said, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode >= 300 {
		t.Fatalf("%s %s: %d %v %s", method, path, response.StatusCode, err, said)
	}
	if answer != nil {
		if err := json.Unmarshal(said, answer); err != nil {
			t.Fatal(err)
		}
	}
}

func testMinifluxAPI(t *testing.T, h *household, token, key string) {
	curl := program.Need(t, "curl", "curl")
	const own, me = "user = \"ada:password of ada\"", `"username":"ada"`
	for name, test := range map[string]struct{ app, settings, want string }{
		"its password, beside the token in a cookie":         {"miniflux", own + "\ncookie = \"authorization=" + token + "\"", me},
		"its password, beside the token in a header":         {"miniflux", own + "\nheader = \"X-Access-Token: " + token + "\"", me},
		"its key, beside the token in a cookie":              {"miniflux", "header = \"X-Auth-Token: " + key + "\"\ncookie = \"authorization=" + token + "\"", me},
		"its password, where its API is public":              {"open", own, me},
		"its key, where its API is public":                   {"open", "header = \"X-Auth-Token: " + key + "\"", me},
		"nothing, because what the token says is not enough": {"miniflux", "cookie = \"authorization=" + token + "\"", `"error_message":"access unauthorized"`},
		"nothing, because a public API is not open":          {"open", "", `"error_message":"access unauthorized"`},
		"its password without a token, and is not asked":     {"miniflux", own, `"detail":"Unauthorized"`},
	} {
		t.Run(name, func(t *testing.T) {
			config := source.Named(t, "curl.config", test.settings)
			if said := h.run(t, desk(t), 0, curl, "-sS", "--config", config, h.url(test.app, "http")+"/v1/me"); !strings.Contains(said, test.want) {
				t.Errorf("curl says %q, want %q", said, test.want)
			}
		})
	}
}

// testMinifluxNewsboat reads Miniflux's feeds with newsboat: Authorization is Miniflux's own then, so the token comes in a cookie.
func testMinifluxNewsboat(t *testing.T, h *household, addr, key, token string) {
	feeds := httptest.NewServer(http.FileServer(http.Dir("testdata/feed")))
	t.Cleanup(feeds.Close)
	callMiniflux(t, addr, "ada", "password of ada", "POST", "/v1/feeds", map[string]string{"feed_url": feeds.URL + "/notes.xml"}, nil)
	const account = "urls-source \"miniflux\"\nminiflux-login \"ada\"\nminiflux-password \"password of ada\"\nminiflux-url \"URL\"\n"
	for name, test := range map[string]struct{ app, cookie, want string }{
		"with the token in its cookies":  {"miniflux", token, "2 unread articles"},
		"where Miniflux's API is public": {"open", "", "2 unread articles"},
	} {
		t.Run(name, func(t *testing.T) {
			n := newNewsboat(t, strings.ReplaceAll(account, "URL", h.url(test.app, "http")), "", test.cookie)
			if said := h.run(t, n.environment, 0, n.words("reload", "print-unread")...); !strings.Contains(said, test.want) {
				t.Errorf("newsboat says %q", said)
			}
		})
	}
	t.Run("refused", func(t *testing.T) {
		n := newNewsboat(t, strings.ReplaceAll(account, "URL", h.url("miniflux", "http")), "", "")
		if said := h.run(t, n.environment, 1, n.words("reload", "print-unread")...); !strings.Contains(said, "haven't configured any feeds in your Miniflux account") {
			t.Errorf("newsboat says %q", said)
		}
	})
}
