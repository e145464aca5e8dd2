package soak

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/getportal/ptlauth/e2e/meter"
	"github.com/getportal/ptlauth/e2e/traefik"
	"github.com/getportal/ptlauth/e2e/traefik/traefiktest"
	"github.com/getportal/ptlauth/internal/corpustest"
)

const hostileConfiguration = `
http:
  middlewares:
    usual: {plugin: {ptlauth: {secretFile: SECRET, terminals: any, paths: [{prefix: /usual/public, access: public}]}}}
    everywhere: {plugin: {ptlauth: {secretFile: SECRET, terminals: any, token: {header: Authorization, query: auth}, paths: [{prefix: /everywhere/public, access: public}]}}}
    pairing: {plugin: {ptlauth: {secretFile: SECRET, terminals: {paired: [{id: abc123}]}, pairing: true}}}
  routers:
    pairing: {rule: PathPrefix("/.ptl"), service: app, middlewares: [pairing]}
    bare: {rule: PathPrefix("/bare"), service: app}
    usual: {rule: PathPrefix("/usual"), service: app, middlewares: [usual]}
    everywhere: {rule: PathPrefix("/everywhere"), service: app, middlewares: [everywhere]}
  services:
    app: {loadBalancer: {servers: [{url: "http://APP"}]}}
`

// hostileSize is nearly all that Go's server, and so Traefik, reads of a request's head.
const hostileSize = 1_000_000

// hostileRequests are heads of that size: what follows the path, and a header line.
func hostileRequests() map[string][2]string {
	much := func(text string) string { return strings.Repeat(text, hostileSize/len(text)) }
	return map[string][2]string{
		"a cookie's name, repeated":     {"", "Cookie: " + much("authorization")},
		"cookies of the name":           {"", "Cookie: " + much("b=1;authorization=x;")},
		"cookies whose names end alike": {"", "Cookie: " + much("xauthorization=;")},
		"commas, quotes and spaces":     {"", "Cookie: " + much(`authorization=", "; `)},
		"blanks behind Bearer":          {"", "Cookie: authorization=Bearer" + much("+")},
		"a long nonce for pairing":      {"", "Cookie: ptl-pairing=" + much("a")},
		"blanks around a name":          {"", "Cookie: a;authorization" + much(" ") + "=x"},
		"Cookie lines":                  {"", strings.TrimSuffix(much("Cookie: authorization=x\r\n"), "\r\n")},
		"short parameters":              {"?" + much("a&"), "X-A: 1"},
		"parameters of the name":        {"?" + much("auth=x&"), "X-A: 1"},
		"escaped letters":               {"?" + much("%61"), "X-A: 1"},
		"escaped names":                 {"?" + much("&%61uth=x"), "X-A: 1"},
		"a long Referer":                {"", "Referer: https://a.test/?auth=" + much("a&%61ut")},
		"a long Authorization":          {"", "Authorization: Bearer " + much("eyJ.")},
		"header names":                  {"", strings.TrimSuffix(numbered("x%d: \r\n"), "\r\n")},
		"245 names of 64 KiB":           {"", manyNames()},
		"a long path":                   {"/" + much("a/b"), "X-A: 1"},
		"an escaped path":               {"/" + much("%41"), "X-A: 1"},
		"Authorization lines":           {"", strings.TrimSuffix(much("Authorization: Bearer x\r\n"), "\r\n")},
	}
}

// manyNames are header names that are taken out, nearly as many as a request may have.
func manyNames() string {
	var all strings.Builder
	for n := range 245 {
		fmt.Fprintf(&all, "x-webauth-%d%s: 1\r\n", n, strings.Repeat("-_", 128))
	}
	return strings.TrimSuffix(all.String(), "\r\n")
}

// numbered is as much of a text as fits, with another number each time.
func numbered(text string) string {
	var all strings.Builder
	for n := 0; all.Len() < hostileSize; n++ {
		fmt.Fprintf(&all, text, n)
	}
	return all.String()
}

// TestHostileRequests: whatever a client sends, and wherever, Traefik with ptlauth computes at most three times as long for
// it as without.
func TestHostileRequests(t *testing.T) {
	if testing.Short() {
		t.Skip("starts Traefik, and reads its CPU time in /proc")
	}
	if _, err := os.Stat("/proc/self/stat"); err != nil {
		t.Skip("needs /proc")
	}
	app, err := corpustest.NewRecorder()
	if err != nil {
		t.Fatal(err)
	}
	defer app.Close()
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("a-secret-for-hostile-requests-0123456789-abcdefghijklmnopqrstuvwxyz"), 0o600); err != nil {
		t.Fatal(err)
	}
	// As Traefik is by default: without an access log, and ERROR alone in the other one.
	proxy := traefiktest.Start(t, traefik.Options{
		Static:  "{accessLog: null}",
		Dynamic: strings.NewReplacer("APP", app.Addr(), "SECRET", secret).Replace(hostileConfiguration),
	})
	for name, request := range hostileRequests() {
		t.Run(name, func(t *testing.T) {
			bare, _ := hostileTime(t, proxy, app, "/bare", request)
			for path, want := range hostileAnswers(name) {
				took, status := hostileTime(t, proxy, app, path, request)
				t.Logf("%-18s %v, without ptlauth %v", path, took, bare)
				// Hundredths of a second are counted.
				if took > 3*bare+50*time.Millisecond {
					t.Errorf("%s: Traefik computes %v for it, and without ptlauth %v", path, took, bare)
				}
				if status != want {
					t.Errorf("%s: status %d, want %d", path, status, want)
				}
			}
		})
	}
}

// hostileAnswers are the statuses by path: a path of that length is never public, and so many names are refused unread.
func hostileAnswers(name string) map[string]int {
	private, public := http.StatusUnauthorized, http.StatusOK
	switch name {
	case "header names":
		private, public = http.StatusRequestHeaderFieldsTooLarge, http.StatusRequestHeaderFieldsTooLarge
	case "a long path", "an escaped path":
		public = http.StatusUnauthorized
	case "a long nonce for pairing":
		return map[string]int{"/.ptl/pair": http.StatusOK}
	}
	return map[string]int{"/usual": private, "/usual/public": public, "/everywhere": private, "/everywhere/public": public}
}

// hostileTime is how long Traefik computes for five such requests, for more if they are shorter, the least of three times, and
// what it answers.
func hostileTime(t *testing.T, proxy *traefik.Traefik, app *corpustest.Recorder, path string, request [2]string) (time.Duration, int) {
	t.Helper()
	least, status := time.Hour, 0
	times := max(5, min(75, 5*hostileSize/len(request[0]+request[1])))
	for range 3 {
		before := meter.CPUTime(t, proxy)
		for range times {
			status = sendHostile(t, proxy.Addr("web"), path, request)
			app.Take()
		}
		least = min(least, meter.CPUTime(t, proxy)-before)
	}
	return least, status
}

func sendHostile(t *testing.T, addr, path string, request [2]string) int {
	t.Helper()
	conn, err := net.DialTimeout("tcp", addr, 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(30 * time.Second))
	go fmt.Fprintf(conn, "GET %s%s HTTP/1.1\r\nHost: chat.example.com\r\nConnection: close\r\n%s\r\n\r\n", path, request[0], request[1])
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	return response.StatusCode
}
