package docs

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/golang-jwt/jwt/v4"
	"gopkg.in/yaml.v3"

	"github.com/getportal/ptlauth/e2e/decode"
	"github.com/getportal/ptlauth/e2e/poll"
	"github.com/getportal/ptlauth/e2e/traefik"
	"github.com/getportal/ptlauth/e2e/witness"
)

const (
	portalPage = "../../docs/portal.md"
	// The identity that docs/portal.md shows.
	portalDomain = "abcdef.p.example.com"
	portalUser   = "abcdef@example.com"
)

// portalExamples are the blocks of docs/portal.md, each of which one of the tests below runs.
func portalExamples(t *testing.T) (command, static, before, after, whole, meta, shadow string) {
	t.Helper()
	blocks := fencedBlocks(t, portalPage)
	got := make([]example, len(blocks))
	for i, block := range blocks {
		got[i] = example{heading: block.heading, language: block.language}
	}
	want := []example{
		{heading: "1. The secret", language: "sh"},
		{heading: "2. The plugin", language: "yaml"},
		{heading: "3. The middleware", language: "yaml"},
		{heading: "3. The middleware", language: "yaml"},
		{heading: "The whole file", language: "yaml"},
		{heading: "The whole file", language: "json"},
		{heading: "A day in shadow", language: "yaml"},
	}
	if !slices.Equal(got, want) {
		t.Fatalf("docs/portal.md has other examples than the tests run: %+v", got)
	}
	return blocks[0].text, blocks[1].text, blocks[2].text, blocks[3].text, blocks[4].text, blocks[5].text, blocks[6].text
}

func TestPortalPageCommand(t *testing.T) {
	command, _, _, _, _, _, _ := portalExamples(t)
	const secret = "parity-test-secret-0123456789-abcdefghijklmnopqrstuvwxyz-ABCDEFGHIJKLMNOPQRSTUVWXYZ_x"
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Skip(err)
	}
	dir := t.TempDir()
	stub := "#!/bin/sh\ntest \"$1 $2 $3\" = 'exec postgres psql' && echo " + secret + "\n"
	if err := os.WriteFile(filepath.Join(dir, "docker"), []byte(stub), 0o700); err != nil {
		t.Fatal(err)
	}
	run := exec.Command(sh, "-euc", command)
	run.Env = append(os.Environ(), "FREESHARD_DIR="+dir, "PATH="+dir+string(os.PathListSeparator)+os.Getenv("PATH"))
	if out, err := run.CombinedOutput(); err != nil || len(out) > 0 {
		t.Fatalf("%v\n%s", err, out)
	}
	file := filepath.Join(dir, "core/ptlauth/secret")
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	if got := text(t, file); got != secret+"\n" || info.Mode().Perm() != 0o600 {
		t.Errorf("the file of mode %v holds %q", info.Mode(), got)
	}
}

func TestPortalPageStatic(t *testing.T) {
	_, plugin, _, _, _, _, _ := portalExamples(t)
	checkStatic(t, plugin)
}

// TestPortalPageExamples decodes the examples, which must say the same of the middleware.
func TestPortalPageExamples(t *testing.T) {
	_, _, before, after, whole, _, shadow := portalExamples(t)
	alone := decoded(t)(decode.YAML(after))["auth"]
	within := decoded(t)(decode.YAML(whole))["auth"]
	looking := decoded(t)(decode.YAML(shadow))["shadow"]
	if looking["shadow"] == nil {
		t.Error("the day in shadow has no shadow")
	}
	delete(looking, "shadow")
	if !reflect.DeepEqual(alone, looking) {
		t.Errorf("the middleware is\n%v, and in shadow\n%v", alone, looking)
	}
	if alone == nil || !reflect.DeepEqual(alone, within) {
		t.Errorf("the middleware is\n%v alone and\n%v in the whole file", alone, within)
	}
	if found := decoded(t)(decode.YAML(before)); len(found) > 0 {
		t.Errorf("the file of before has %v", found)
	}
}

// TestPortalPageCases holds the tables of docs/portal.md and testdata/cases/apps.json together.
func TestPortalPageCases(t *testing.T) {
	var corpus struct{ Cases []struct{ Name string } }
	if err := json.Unmarshal([]byte(text(t, "../../testdata/cases/apps.json")), &corpus); err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	for _, c := range corpus.Cases {
		known[c.Name] = true
	}
	for heading, table := range map[string]struct {
		column int
		prefix string
	}{
		"What is equal":    {2, "Portal: "},
		"What is stricter": {0, "stricter than Portal: "},
	} {
		t.Run(heading, func(t *testing.T) {
			named := map[string]bool{}
			for _, row := range tableBelow(t, portalPage, heading) {
				name := row[table.column]
				named[name] = true
				if !known[name] {
					t.Errorf("apps.json has no case %q", name)
				}
			}
			for name := range known {
				if strings.HasPrefix(name, table.prefix) && !named[name] {
					t.Errorf("docs/portal.md lacks %q", name)
				}
			}
		})
	}
}

// TestPortalPage starts Traefik with the whole file, before, after, and back again, in front of an
// app and a stand-in for Portal.
func TestPortalPage(t *testing.T) {
	if testing.Short() {
		t.Skip("starts Traefik")
	}
	_, _, before, _, whole, meta, shadow := portalExamples(t)
	secretFile, good := makeToken(t)
	installed := t.TempDir()
	if err := os.Mkdir(filepath.Join(installed, "convos"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(installed, "convos", "app_meta.json"), []byte(meta), 0o600); err != nil {
		t.Fatal(err)
	}
	core := &shardCore{secret: text(t, secretFile), terminals: []string{"k7p2x9"}}
	portal := httptest.NewServer(core)
	t.Cleanup(portal.Close)
	app := &echo{}
	backend := httptest.NewServer(app)
	t.Cleanup(backend.Close)

	// What only a Portal has, in the place of which the test has its own.
	here := strings.NewReplacer(
		"http://shard_core:80/", portal.URL+"/",
		"http://shard_core/", portal.URL+"/",
		"http://convos:3000", backend.URL,
		"/core/ptlauth/secret", secretFile,
		"/core/installed_apps", installed,
		"[https]", "[web]",
	)
	file := func(text string) map[string]map[string]any {
		var configuration map[string]map[string]any
		if err := yaml.Unmarshal([]byte(here.Replace(text)), &configuration); err != nil {
			t.Fatal(err)
		}
		return configuration
	}
	marshal := func(configuration map[string]map[string]any) string {
		router := configuration["http"]["routers"].(map[string]any)["convos_https"].(map[string]any)
		delete(router, "tls")
		text, err := yaml.Marshal(configuration)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	after := file(whole)
	forwardAuth := file(whole)
	maps.Copy(forwardAuth["http"]["middlewares"].(map[string]any), file(before)["http"]["middlewares"].(map[string]any))

	looking := file(whole)
	maps.Copy(looking["http"]["middlewares"].(map[string]any), file(shadow)["http"]["middlewares"].(map[string]any))

	proxy, err := traefik.Start(t.Context(), traefik.Options{Dynamic: marshal(forwardAuth), Progress: os.Stderr})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(proxy.Stop)
	get := func(t *testing.T, header http.Header) (int, http.Header, string) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), "GET", proxy.URL("web")+"/page", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = "convos." + portalDomain
		maps.Copy(r.Header, header)
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		var seen http.Header
		body, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		_ = json.Unmarshal(body, &seen)
		return response.StatusCode, seen, string(body)
	}
	cookie := http.Header{"Cookie": {"authorization=" + good}}
	equal := func(t *testing.T) {
		t.Helper()
		if status, _, body := get(t, nil); status != 401 || body != "Portal's page for 401" {
			t.Errorf("without a token: got %d %q", status, body)
		}
		status, seen, _ := get(t, http.Header{"Cookie": cookie["Cookie"], "X-Ptl-User": {"mallory"}})
		if status != 200 || !slices.Equal(seen["X-Ptl-User"], []string{portalUser}) {
			t.Errorf("with a token: got %d and %v", status, seen)
		}
	}
	forged := http.Header{"Cookie": cookie["Cookie"], "X_Ptl_Client_Id": {"mallory"}, "X-Request-Base": {"https://mallory.example"}}
	reload := func(t *testing.T, configuration map[string]map[string]any) {
		t.Helper()
		if err := proxy.Reload(t.Context(), marshal(configuration)); err != nil {
			t.Fatal(err)
		}
	}
	dial := func(t *testing.T) *websocket.Conn {
		t.Helper()
		address := strings.Replace(proxy.URL("web"), "http", "ws", 1) + "/events"
		conn, _, err := websocket.Dial(t.Context(), address, &websocket.DialOptions{Host: "convos." + portalDomain, HTTPHeader: cookie})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.CloseNow() })
		return conn
	}

	t.Run("before", func(t *testing.T) {
		equal(t)
		_, seen, _ := get(t, forged)
		if seen["Cookie"] == nil || seen["X_ptl_client_id"] == nil {
			t.Errorf("docs/portal.md says that the token and X_Ptl_Client_Id get through, the app saw %v", seen)
		}
		conn := dial(t)
		core.pair()
		if !isOpen(t, conn, 3*time.Second) {
			t.Error("docs/portal.md says that a WebSocket goes on when its terminal is unpaired")
		}
		core.pair("k7p2x9")
	})
	t.Run("a day in shadow", func(t *testing.T) {
		reload(t, looking)
		asked, told := core.asked()
		equal(t)
		_, seen, _ := get(t, forged)
		if seen["Cookie"] == nil || seen["X_ptl_client_id"] == nil {
			t.Errorf("docs/portal.md says that nothing is another than before, the app saw %v", seen)
		}
		if nowAsked, nowTold := core.asked(); nowAsked-asked != 3 || nowTold-told != 2 {
			t.Errorf("Portal's endpoint was asked %d times, by the terminal %d times, and not by ForwardAuth alone", nowAsked-asked, nowTold-told)
		}
		poll.Until(t, 10*time.Second, func() string {
			lines := proxy.LogLines(`"level":"error"`, "shadow@file shadow: GET")
			if len(lines) == 1 && strings.Contains(lines[0], "X_ptl_client_id (ptlauth sends none)") {
				return ""
			}
			return fmt.Sprintf("the log does not say once that X_Ptl_Client_Id would not get through: %q", lines)
		})
	})
	t.Run("after", func(t *testing.T) {
		reload(t, after)
		asked, told := core.asked()
		equal(t)
		_, seen, _ := get(t, forged)
		if seen["Cookie"] != nil || seen["X_ptl_client_id"] != nil {
			t.Errorf("the app saw %v", seen)
		}
		for range 20 {
			get(t, cookie)
		}
		time.Sleep(200 * time.Millisecond)
		// The handler of before is gone, so whoever asks the endpoint now is activity.
		nowAsked, nowTold := core.asked()
		if nowAsked-asked != 1 || nowTold-told != 1 {
			t.Errorf("Portal's endpoint was asked %d times, by the terminal %d times; wanted one of each", nowAsked-asked, nowTold-told)
		}
	})
	t.Run("a header of any name", func(t *testing.T) {
		advised := regexp.MustCompile("`(\"X-Request-Base\": \"[^`]+\")`").FindStringSubmatch(text(t, portalPage))
		if advised == nil {
			t.Fatal("docs/portal.md does not say how to send X-Request-Base")
		}
		file := filepath.Join(installed, "convos", "app_meta.json")
		changed := strings.Replace(meta, `"headers": {`, `"headers": {`+advised[1]+", ", 1)
		if err := os.WriteFile(file, []byte(changed), 0o600); err != nil {
			t.Fatal(err)
		}
		want := []string{"https://convos." + portalDomain}
		poll.Until(t, 10*time.Second, func() string {
			_, seen, _ := get(t, forged)
			if slices.Equal(seen["X-Request-Base"], want) {
				return ""
			}
			return fmt.Sprintf("the app saw %v", seen)
		})
	})
	t.Run("unpairing ends WebSockets too, and pairing lets in", func(t *testing.T) {
		conn := dial(t)
		if !isOpen(t, conn, time.Second) {
			t.Error("the WebSocket does not stay open")
		}
		conn = dial(t)
		core.pair()
		if isOpen(t, conn, 6*time.Second) {
			t.Error("the WebSocket stays open")
		}
		if status, _, body := get(t, cookie); status != 401 || body != "Portal's page for 401" {
			t.Errorf("unpaired: got %d %q", status, body)
		}
		core.pair("k7p2x9")
		poll.Until(t, 10*time.Second, func() string {
			if status, _, _ := get(t, cookie); status != 200 {
				return fmt.Sprintf("paired again: got %d", status)
			}
			return ""
		})
	})
	t.Run("a list that Portal refuses leaves the last one in force", func(t *testing.T) {
		core.refuse(true)
		poll.Until(t, 10*time.Second, func() string {
			equal(t)
			if len(proxy.LogLines("answers 403 instead of 200; its last good content stays in force")) == 0 {
				return "the log does not say so"
			}
			return ""
		})
		core.refuse(false)
	})
	t.Run("and back", func(t *testing.T) {
		reload(t, forwardAuth)
		equal(t)
		asked, _ := core.asked()
		equal(t)
		if now, _ := core.asked(); now-asked != 2 {
			t.Errorf("Portal's endpoint was asked %d times", now-asked)
		}
	})
}

// TestSecurityChange proves what SECURITY.md says of changing the configuration.
func TestSecurityChange(t *testing.T) {
	if testing.Short() {
		t.Skip("starts Traefik")
	}
	if !strings.Contains(text(t, security), "within two seconds of Traefik applying it, what would be refused by the new one ends") {
		t.Error("SECURITY.md does not say when WebSockets end")
	}
	secretFile, good := makeToken(t)
	backend := httptest.NewServer(&echo{})
	t.Cleanup(backend.Close)
	dynamic := func(id string) string {
		return fmt.Sprintf(`
http:
  routers: {app: {rule: PathPrefix("/"), middlewares: [auth], service: app, entryPoints: [web]}}
  services: {app: {loadBalancer: {servers: [{url: %q}]}}}
  middlewares: {auth: {plugin: {ptlauth: {secretFile: %q, refresh: 100ms, terminals: {paired: [{id: %q}]}}}}}
`, backend.URL, secretFile, id)
	}
	proxy, err := traefik.Start(t.Context(), traefik.Options{Dynamic: dynamic("k7p2x9"), Progress: os.Stderr})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(proxy.Stop)
	address := strings.Replace(proxy.URL("web"), "http", "ws", 1) + "/events"
	options := &websocket.DialOptions{HTTPHeader: http.Header{"Cookie": {"authorization=" + good}}}
	conn, _, err := websocket.Dial(t.Context(), address, options)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow()
	if err := proxy.Reload(t.Context(), dynamic("another")); err != nil {
		t.Fatal(err)
	}
	if _, response, err := websocket.Dial(t.Context(), address, options); err == nil || response == nil || response.StatusCode != 401 {
		t.Errorf("after the change: got %v and %v", response, err)
	}
	if isOpen(t, conn, 2*time.Second) {
		t.Error("a WebSocket goes on by the old configuration")
	}
}

// shardCore stands in for Portal's core, as far as Traefik knows it.
type shardCore struct {
	mu                 sync.Mutex
	secret             string
	terminals          []string
	refuses            bool
	questions, granted int
}

func (c *shardCore) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	page, isError := strings.CutPrefix(r.URL.Path, "/internal/app_error/")
	switch {
	case isError:
		fmt.Fprint(w, "Portal's page for "+page)
	case r.URL.Path == "/protected/terminals" && c.refuses:
		w.WriteHeader(http.StatusForbidden)
	case r.URL.Path == "/protected/terminals":
		list := []map[string]any{}
		for _, id := range c.terminals {
			list = append(list, map[string]any{"id": id, "name": "phone", "icon": "smartphone", "last_connection": nil})
		}
		_ = json.NewEncoder(w).Encode(list)
	case r.URL.Path == "/internal/auth":
		c.questions++
		if app, _, _ := strings.Cut(r.Header.Get("X-Forwarded-Host"), "."); app != "convos" || r.Header.Get("X-Forwarded-Uri") == "" {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		claims := jwt.MapClaims{}
		cookie, err := r.Cookie("authorization")
		if err == nil {
			_, err = jwt.ParseWithClaims(cookie.Value, claims, func(*jwt.Token) (any, error) { return []byte(c.secret), nil })
		}
		if id, _ := claims["sub"].(string); err != nil || !slices.Contains(c.terminals, id) {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		c.granted++
		w.Header().Set("X-Ptl-User", portalUser)
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

func (c *shardCore) pair(ids ...string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.terminals = ids
}

func (c *shardCore) refuse(refuses bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.refuses = refuses
}

// asked is how often Portal's endpoint was asked, and how often it granted what was asked.
func (c *shardCore) asked() (questions, granted int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.questions, c.granted
}

// echo is an app that answers with the headers that it was sent, and echoes on WebSockets.
type echo struct{}

func (*echo) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/events" {
		_ = json.NewEncoder(w).Encode(r.Header)
		return
	}
	witness.Echo(w, r)
}

// isOpen reports whether a WebSocket still echoes after that time.
func isOpen(t *testing.T, conn *websocket.Conn, wait time.Duration) bool {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), wait+10*time.Second)
	defer cancel()
	time.Sleep(wait)
	if conn.Write(ctx, websocket.MessageText, []byte("x")) != nil {
		return false
	}
	_, _, err := conn.Read(ctx)
	return err == nil
}
