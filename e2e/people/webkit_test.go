package people

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/getportal/ptlauth/e2e/issuer"
	"github.com/getportal/ptlauth/e2e/poll"
	"github.com/getportal/ptlauth/e2e/program"
	"github.com/getportal/ptlauth/e2e/traefik"
	"github.com/getportal/ptlauth/e2e/traefik/traefiktest"
)

// TestWebKit: Safari's engine says less over HTTPS than others, Upgrade-Insecure-Requests for one. A sibling app's page shows
// the app in no frame there either.
func TestWebKit(t *testing.T) {
	if testing.Short() {
		t.Skip("starts Traefik, and WebKit")
	}
	driver := newWebKit(t)
	var mutex sync.Mutex
	seen := map[string]string{} // who asked, by what for
	app := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		mutex.Lock()
		defer mutex.Unlock()
		seen[r.URL.Path] = r.Header.Get("X-Ptl-User")
	}))
	t.Cleanup(app.Close)
	var proxy *traefik.Traefik
	sibling := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprintf(w, "<!doctype html><iframe src=%q></iframe><object data=%q></object><embed src=%q>",
			"https://"+proxy.Addr("app")+"/iframe", "https://"+proxy.Addr("app")+"/object", "https://"+proxy.Addr("app")+"/embed")
	}))
	t.Cleanup(sibling.Close)
	secret, file := issuer.NewSecret(), filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte(secret), 0o600); err != nil {
		t.Fatal(err)
	}
	certificate, key := issuer.Certificate(t, "127.0.0.1")
	proxy = traefiktest.Start(t, traefik.Options{
		Static: "entryPoints: {app: {address: '127.0.0.1:0'}, sibling: {address: '127.0.0.1:0'}}",
		Dynamic: fmt.Sprintf(`
http:
  routers:
    app: {rule: "PathPrefix(%[1]s/%[1]s)", entryPoints: [app], middlewares: [auth], service: app, tls: {}}
    sibling: {rule: "PathPrefix(%[1]s/%[1]s)", entryPoints: [sibling], service: sibling, tls: {}}
  services:
    app: {loadBalancer: {servers: [{url: %[2]q}]}}
    sibling: {loadBalancer: {servers: [{url: %[3]q}]}}
  middlewares:
    auth: {plugin: {ptlauth: {secretFile: %[4]q, terminals: any}}}
tls: {stores: {default: {defaultCertificate: {certFile: %[5]q, keyFile: %[6]q}}}}
`, "`", app.URL, sibling.URL, file, certificate, key),
	})

	driver.call(t, "url", map[string]any{"url": "https://" + proxy.Addr("app") + "/nobody"})
	driver.call(t, "cookie", map[string]any{"cookie": map[string]any{
		"name": "authorization", "value": issuer.SignHS256(t, secret, "ada"), "domain": "127.0.0.1", "path": "/", "secure": true, "httpOnly": true, "sameSite": "Lax",
	}})
	driver.call(t, "url", map[string]any{"url": "https://" + proxy.Addr("app") + "/page"})
	driver.call(t, "url", map[string]any{"url": "https://" + proxy.Addr("sibling") + "/"})
	for _, path := range []string{"/iframe", "/object", "/embed"} {
		poll.Until(t, 20*time.Second, func() string {
			if len(proxy.LogLines("answered 403 to GET "+proxy.Addr("app")+path)) == 0 {
				mutex.Lock()
				defer mutex.Unlock()
				return fmt.Sprintf("%s is not refused; the app was asked for %v", path, seen)
			}
			return ""
		})
	}
	mutex.Lock()
	defer mutex.Unlock()
	if delete(seen, "/favicon.ico"); seen["/page"] != "ada" || len(seen) != 1 {
		t.Errorf("the app was asked for %v, want /page alone, by ada", seen)
	}
}

// webKit is a window of WebKitGTK's, led by WebDriver.
type webKit struct{ session string }

const miniBrowser = "/usr/lib/*/webkit2gtk-4.1/MiniBrowser"

// newWebKit opens a window. It takes any certificate.
func newWebKit(t *testing.T) *webKit {
	t.Helper()
	server := program.Need(t, "WebKitWebDriver", "webkit2gtk-driver")
	screen := program.Need(t, "Xvfb", "xvfb")
	found, _ := filepath.Glob(miniBrowser)
	if len(found) == 0 {
		t.Fatal("there is no " + miniBrowser)
	}
	sockets := filepath.Join(t.TempDir(), "number")
	display := startScreen(t, screen, sockets)
	address := program.UnusedAddr(t)
	host, port, _ := strings.Cut(address, ":")
	program.Spawn(t, address, "env", "DISPLAY="+display, "HOME="+t.TempDir(), "WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS=1", // CI is root
		server, "--host="+host, "--port="+port)
	d := &webKit{session: "http://" + address + "/session"}
	answer := d.call(t, "", map[string]any{"capabilities": map[string]any{"alwaysMatch": map[string]any{
		"acceptInsecureCerts":      true,
		"webkitgtk:browserOptions": map[string]any{"binary": found[0], "args": []string{"--automation"}},
	}}})
	id, _ := answer["sessionId"].(string)
	d.session += "/" + id
	t.Cleanup(func() {
		request, err := http.NewRequest(http.MethodDelete, d.session, nil)
		if err == nil {
			response, err := http.DefaultClient.Do(request)
			if err == nil {
				response.Body.Close()
			}
		}
	})
	return d
}

// startScreen starts an X server without a screen, and returns its display.
func startScreen(t *testing.T, program, number string) string {
	t.Helper()
	file, err := os.Create(number)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	cmd := exec.CommandContext(t.Context(), program, "-displayfd", "3", "-screen", "0", "800x600x24", "-nolisten", "tcp")
	cmd.ExtraFiles = []*os.File{file}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Wait() })
	display := ""
	poll.Until(t, 20*time.Second, func() string {
		text, _ := os.ReadFile(number)
		display = ":" + strings.TrimSpace(string(text))
		if display == ":" {
			return "Xvfb does not say its display"
		}
		return ""
	})
	return display
}

// call asks WebDriver to do something, and returns what comes of it.
func (d *webKit) call(t *testing.T, what string, parameters any) map[string]any {
	t.Helper()
	text, err := json.Marshal(parameters)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.Post(strings.TrimSuffix(d.session+"/"+what, "/"), "application/json", bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	said, err := io.ReadAll(response.Body)
	answer := struct{ Value map[string]any }{}
	if err = errors.Join(err, json.Unmarshal(said, &answer)); err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("%s: %d %s %v", what, response.StatusCode, said, err)
	}
	return answer.Value
}
