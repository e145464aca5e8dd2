package clients

import (
	"bytes"
	"crypto/md5"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/getportal/ptlauth/cmd/client"
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
	addr, notes := program.UnusedAddr(t), startFeed(t)
	h := newHousehold(t, map[string]app{
		"miniflux": {addr: addr, options: "token: {header: [Authorization, X-Access-Token], basic: true}"},
		// Miniflux alone guards what native apps ask for: its own API, Fever's and Google Reader's.
		"open":  {addr: addr, options: "paths: [{prefix: /v1/, access: public}, {prefix: /fever/, access: public}, {prefix: /accounts/ClientLogin, access: public}, {prefix: /reader/api/0/, access: public}]"},
		"notes": {addr: notes, options: "token: {basic: true}"},
	})
	startMiniflux(t, addr, h.url("miniflux", "http"), startPostgres(t, "miniflux"))
	token, bob := h.letIn(t, "miniflux", "laptop", "ada"), h.letIn(t, "miniflux", "tablet", "bob")
	laptop, chromium := newBrowser(t, token), newChromium(t, h.url("miniflux", "http"), token)

	t.Run("a browser comes to its feeds without a login page", func(t *testing.T) {
		if status, page := laptop.open(h.url("miniflux", "http") + "/"); status != http.StatusOK || !strings.Contains(page, "There are no unread entries.") {
			t.Errorf("%d\n%.2000s", status, page)
		}
		wantMinifluxUser(t, h, laptop, "ada")
		wantMinifluxUser(t, h, newBrowser(t, bob), "bob")
		chromium.sees(t, h.url("miniflux", "http"), "There are no unread entries.")
	})
	if t.Failed() {
		return
	}
	t.Run("a session of Miniflux's own goes on as the old user", func(t *testing.T) {
		shared := newBrowser(t, token)
		wantMinifluxUser(t, h, shared, "ada")
		shared.token = bob
		wantMinifluxUser(t, h, shared, "ada")
	})
	ada := newMinifluxUser(t, addr, "ada")
	t.Run("its API is public, and asks for what is Miniflux's own", func(t *testing.T) { testMinifluxPublic(t, h, ada) })
	t.Run("so are those that apps on phones use, while its pages are not", func(t *testing.T) { testMinifluxPhone(t, h, laptop) })
	refused := []func(){curlOfMiniflux(t, h, ada), feedsOfMiniflux(t, h, ada), newsboatOfMiniflux(t, h, ada)}
	t.Run("Chromium shows what it has fetched", func(t *testing.T) { chromium.sees(t, h.url("miniflux", "http")+"/unread", "The hedge is cut") })

	h.throwOut(t, "miniflux", "laptop")
	if status, page := laptop.open(h.url("miniflux", "http") + "/keys"); status != http.StatusUnauthorized {
		t.Errorf("the browser is answered %d\n%.500s", status, page)
	}
	chromium.sees(t, h.url("miniflux", "http")+"/unread", "This device is no longer paired")
	for _, want := range refused {
		want()
	}
}

// curlOfMiniflux asks its API, and returns what wants curl to be refused.
func curlOfMiniflux(t *testing.T, h *household, u *minifluxUser) func() {
	asks := map[client.Way]func(t *testing.T, want string){}
	for _, way := range client.Ways {
		asks[way] = askMiniflux(t, h, u, way)
		t.Run("curl brings what is Miniflux's own beside the token: "+string(way), func(t *testing.T) { asks[way](t, `"username":"ada"`) })
	}
	return func() {
		for way, ask := range asks {
			ask(t, noToken)
			shows(t, "curl", "Miniflux", way)
		}
	}
}

// feedsOfMiniflux has Miniflux fetch feeds that ptlauth protects, and returns what wants it to be refused.
func feedsOfMiniflux(t *testing.T, h *household, u *minifluxUser) func() {
	feeds := map[client.Way]int{}
	for _, way := range []client.Way{client.Basic, client.Cookie} {
		t.Run("Miniflux itself fetches a feed that ptlauth protects: "+string(way), func(t *testing.T) {
			feeds[way] = subscribe(t, u, h.typed(t, "notes", "laptop", "miniflux", way, h.url("notes", "http")+"/"+string(way)+".xml").Fields)
		})
	}
	return func() {
		for way, feed := range feeds {
			if said := u.call(t, "PUT", fmt.Sprintf("/v1/feeds/%d/refresh", feed), nil, nil, http.StatusInternalServerError); !strings.Contains(said, "access unauthorized (401 status code)") {
				t.Errorf("Miniflux says %q", said)
			}
			if said := u.call(t, "GET", fmt.Sprintf("/v1/feeds/%d", feed), nil, nil); !strings.Contains(said, "Access to this website is not authorized.") {
				t.Errorf("Miniflux says of the feed %q", said)
			}
			shows(t, "miniflux", "a feed", way)
		}
	}
}

// newsboatOfMiniflux shows what Miniflux has fetched, and returns what wants newsboat to be refused.
func newsboatOfMiniflux(t *testing.T, h *household, u *minifluxUser) func() {
	account := fmt.Sprintf("urls-source \"miniflux\"\nminiflux-url \"%s\"\nminiflux-login \"%s\"\nminiflux-password \"%s\"\n", h.url("miniflux", "http"), u.name, u.password)
	reader := newNewsboat(t, h, account, "", h.typed(t, "miniflux", "laptop", "newsboat", client.Cookie, h.url("miniflux", "http")).Text)
	t.Run("newsboat shows what is in Miniflux", func(t *testing.T) { wantUnread(t, reader, "4 unread articles") })
	return func() {
		// It takes a 401 for an empty account.
		if said, _ := reader.reload(t, 1); !strings.Contains(said, "haven't configured any feeds in your Miniflux account") {
			t.Errorf("newsboat says %q", said)
		}
		shows(t, "newsboat", "Miniflux", client.Cookie)
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

// minifluxUser can use Miniflux's API.
type minifluxUser struct{ addr, name, password, key string }

// newMinifluxUser gives somebody who was there a password, around ptlauth, with which a key for its API is made.
func newMinifluxUser(t *testing.T, addr, name string) *minifluxUser {
	t.Helper()
	admin, u := &minifluxUser{addr: addr, name: minifluxAdmin, password: minifluxPassword}, &minifluxUser{addr: addr, name: name, password: "password of " + name}
	var found struct{ ID int }
	admin.call(t, "GET", "/v1/users/"+name, nil, &found)
	admin.call(t, "PUT", fmt.Sprintf("/v1/users/%d", found.ID), map[string]string{"password": u.password}, nil)
	var key struct{ Token string }
	u.call(t, "POST", "/v1/api-keys", map[string]string{"description": "script"}, &key)
	u.key = key.Token
	return u
}

// call asks Miniflux's API around ptlauth, and returns what it says, read into answer where that is not nil.
func (u *minifluxUser) call(t *testing.T, method, path string, body, answer any, refused ...int) string {
	t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(t.Context(), method, "http://"+u.addr+path, bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	r.SetBasicAuth(u.name, u.password)
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	said, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode >= 300 && !slices.Contains(refused, response.StatusCode) {
		t.Fatalf("%s %s: %d %v %s", method, path, response.StatusCode, err, said)
	}
	if answer != nil {
		if err := json.Unmarshal(said, answer); err != nil {
			t.Fatal(err)
		}
	}
	return string(said)
}

// subscribe types into Miniflux what ptl says, and returns the feed's number.
func subscribe(t *testing.T, u *minifluxUser, fields []client.Field) int {
	t.Helper()
	names := map[string]string{"URL": "feed_url", "Feed Username": "username", "Feed Password": "password", "Set Cookies": "cookie"}
	typed := map[string]string{}
	for _, field := range fields {
		typed[names[field.Name]] = field.Value
	}
	var made struct {
		ID int `json:"feed_id"`
	}
	u.call(t, "POST", "/v1/feeds", typed, &made)
	return made.ID
}

// settings are lines for curl with what Miniflux itself wants: its password or its key.
func (u *minifluxUser) settings() map[string]string {
	return map[string]string{
		"password": fmt.Sprintf("user = \"%s:%s\"\n", u.name, u.password),
		"key":      fmt.Sprintf("header = \"X-Auth-Token: %s\"\n", u.key),
	}
}

// askMiniflux has ptl say how curl carries the token, and returns what asks with it, and with what Miniflux itself wants.
func askMiniflux(t *testing.T, h *household, u *minifluxUser, way client.Way) func(t *testing.T, want string) {
	t.Helper()
	what, own := h.typed(t, "miniflux", "laptop", "curl", way, h.url("miniflux", "http")), u.settings()
	if way == client.Basic || way == client.Bearer {
		delete(own, "password") // both would be in Authorization
	}
	return func(t *testing.T, want string) {
		t.Helper()
		for _, lines := range own {
			wantMinifluxSays(t, h.url("miniflux", "http"), h, lines+curlSettings(t, what, way), want)
		}
	}
}

func wantMinifluxSays(t *testing.T, at string, h *household, settings, want string) {
	t.Helper()
	config := source.Named(t, "curl.config", settings)
	if said := h.run(t, desk(t), 0, program.Need(t, "curl", "curl"), "-sS", "--config", config, at+"/v1/me"); !strings.Contains(said, want) {
		t.Errorf("curl says %q, want %q", said, want)
	}
}

func testMinifluxPublic(t *testing.T, h *household, u *minifluxUser) {
	for _, settings := range u.settings() {
		wantMinifluxSays(t, h.url("open", "http"), h, settings, `"username":"ada"`)
	}
	const refused = `"error_message":"access unauthorized"` // by Miniflux
	wantMinifluxSays(t, h.url("open", "http"), h, "", refused)
	// The token alone is not enough for its API, unlike for its pages.
	wantMinifluxSays(t, h.url("miniflux", "http"), h, h.typed(t, "miniflux", "laptop", "curl", client.Cookie, h.url("miniflux", "http")).Text, refused)
}

// testMinifluxPhone asks as apps on phones do, with what a person has set in Miniflux for them.
func testMinifluxPhone(t *testing.T, h *household, b *browser) {
	_, page := b.open(h.url("miniflux", "http") + "/integrations")
	csrf := regexp.MustCompile(`data-csrf-token="([^"]+)"`).FindStringSubmatch(page)
	if csrf == nil {
		t.Fatalf("the page is\n%s", page)
	}
	status, answer := b.post(h.url("miniflux", "http")+"/integration", url.Values{
		"csrf": {csrf[1]}, "fever_enabled": {"1"}, "fever_username": {"ada"}, "fever_password": {"fever"},
		"googlereader_enabled": {"1"}, "googlereader_username": {"ada"}, "googlereader_password": {"reader"},
		"linktaco_visibility": {"PUBLIC"}, // as the form has it
	})
	if status != http.StatusOK {
		t.Fatalf("the form is answered %d\n%s", status, answer)
	}
	open := h.url("open", "http")
	curl := func(want string, words ...string) string {
		t.Helper()
		said := h.run(t, desk(t), 0, append([]string{program.Need(t, "curl", "curl"), "-sS"}, words...)...)
		if !strings.Contains(said, want) {
			t.Errorf("curl says %q, want %q", said, want)
		}
		return said
	}
	curl(`"auth":1`, "--data", fmt.Sprintf("api_key=%x", md5.Sum([]byte("ada:fever"))), open+"/fever/?api")
	curl(`"auth":0`, "--data", "api_key=guessed", open+"/fever/?api")
	said := curl("Auth=", "--data", "Email=ada&Passwd=reader", open+"/accounts/ClientLogin")
	_, auth, _ := strings.Cut(said, "Auth=")
	curl(`"userName":"ada"`, "--header", "Authorization: GoogleLogin auth="+strings.TrimSpace(auth), open+"/reader/api/0/user-info")
	curl("Unauthorized", "--header", "Authorization: GoogleLogin auth=guessed", open+"/reader/api/0/user-info")
	curl(noToken, open+"/unread")
}
