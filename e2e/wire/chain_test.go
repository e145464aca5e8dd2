package wire

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/getportal/ptlauth/e2e/issuer"
	"github.com/getportal/ptlauth/e2e/poll"
	"github.com/getportal/ptlauth/e2e/traefik"
	"github.com/getportal/ptlauth/e2e/traefik/traefiktest"
	"github.com/getportal/ptlauth/e2e/visitor"
	"github.com/getportal/ptlauth/e2e/witness"
)

// chainConfiguration has the middleware at the entry point `double` as well.
const chainConfiguration = `
http:
  middlewares:
    auth: &auth {plugin: {ptlauth: {secretFile: SECRET, terminals: any, paths: [{prefix: /open, access: public}]}}}
    another: *auth
    broken: {plugin: {ptlauth: {secretFile: SECRET, terminals: any, mistake: 1, token: {cookie: session}}}}
    strip: {stripPrefix: {prefixes: [/strip]}}
  routers:
    same: {rule: PathPrefix("/same"), service: app, middlewares: [auth]}
    open: {rule: PathPrefix("/open"), service: app, middlewares: [auth]}
    strip: {rule: PathPrefix("/strip"), service: app, middlewares: [strip, auth]}
    another: {rule: PathPrefix("/another"), service: app, middlewares: [another]}
    broken: {rule: PathPrefix("/broken"), service: app, middlewares: [broken], entryPoints: [web, websecure]}
  services:
    app: {loadBalancer: {servers: [{url: "http://APP"}]}}
`

// TestChain: the middleware stands at the entry point and at the router, as people do who mean to be safe.
func TestChain(t *testing.T) {
	if testing.Short() {
		t.Skip("starts Traefik")
	}
	secret, tokens := issuer.Keyring(t)
	w := &wire{tokens: tokens, app: witness.NewRecording(t)}
	w.proxy = traefiktest.Start(t, traefik.Options{
		Static: `{entryPoints: {double: {address: "127.0.0.1:0", http: {middlewares: [auth@file]}}},
			accessLog: {fields: {headers: {defaultMode: keep}}}}`,
		Dynamic: strings.NewReplacer("SECRET", secret, "APP", w.app.Addr).Replace(chainConfiguration),
	})
	w.doors = visitor.Doors(t, w.proxy)
	double := visitor.Door{Name: "the entry point with the middleware", URL: w.proxy.URL("double"), Major: 1, Transport: w.doors[0].Transport}
	lied := func(header http.Header) http.Header {
		header["X-Ptl-User"], header["X_Ptl_User"] = []string{forged}, []string{forged}
		return header
	}

	for _, path := range []string{"/same", "/strip/page"} {
		t.Run("who is admitted twice by the same one reaches the app once more as himself at "+path, func(t *testing.T) {
			for range 3 {
				double.Ask(t, http.StatusOK, "GET "+path, lied(w.cookie("portal")))
				w.arrived(t, w.app, "abc123")
			}
		})
	}
	t.Run("a terminal is recognised on a public path, and nobody is nobody, whoever came before", func(t *testing.T) {
		for range 2 {
			double.Ask(t, http.StatusOK, "GET /open", lied(http.Header{}))
			w.arrived(t, w.app, "")
			double.Ask(t, http.StatusOK, "GET /open", lied(w.cookie("portal")))
			w.arrived(t, w.app, "abc123")
		}
	})
	t.Run("nobody is let in by the second one", func(t *testing.T) {
		for _, header := range []http.Header{{}, w.cookie("expired"), lied(http.Header{})} {
			double.Ask(t, http.StatusUnauthorized, "GET /same", header)
			w.doors[0].Ask(t, http.StatusUnauthorized, "GET /same", header)
		}
		witness.WantNothing(t, w.app)
	})
	t.Run("one of another name denies, and the log names both", func(t *testing.T) {
		double.Ask(t, http.StatusUnauthorized, "GET /another", w.cookie("portal"))
		witness.WantNothing(t, w.app)
		poll.Until(t, 5*time.Second, func() string {
			if len(w.proxy.LogLines(`"level":"error"`, "two different ptlauth middlewares", "auth@file", "another@file")) == 0 {
				return "the log does not say that two are in the chain"
			}
			return ""
		})
	})
	w.testRefusal(t)
}

// testRefusal: what a misconfigured middleware refuses is in Traefik's access log, cleaned.
func (w *wire) testRefusal(t *testing.T) {
	for i, door := range w.doors {
		t.Run("a misconfigured one cleans what it refuses over "+door.Name, func(t *testing.T) {
			path := fmt.Sprintf("/broken/%d", i)
			header := http.Header{"Cookie": {"theme=dark; authorization=" + w.tokens["portal"] + "; session=" + w.tokens["portal"]}, "X-Ptl-User": {forged}, "X.Ptl.User": {forged}}
			door.Ask(t, http.StatusServiceUnavailable, "GET "+path, header)
			witness.WantNothing(t, w.app)
			line := w.logged(t, path)
			if text := fmt.Sprint(line); strings.Contains(text, forged) || strings.Contains(text, w.signature()) {
				t.Errorf("the access log says %v", line)
			}
			if line["request_Cookie"] != "theme=dark" {
				t.Errorf("of the cookies it says %v, want what is no token", line["request_Cookie"])
			}
		})
	}
	t.Run("nobody names himself in the access log by an address", func(t *testing.T) {
		for path, status := range map[string]int{"/broken/user": http.StatusServiceUnavailable, "/same/user": http.StatusUnauthorized} {
			response := w.raw(t, "GET http://"+forged+":x@chat.example.com"+path+" HTTP/1.1\r\nHost: chat.example.com\r\nConnection: close\r\n\r\n")
			if !strings.HasPrefix(response, fmt.Sprintf("HTTP/1.1 %d ", status)) {
				t.Errorf("%s is answered %.100q", path, response)
			}
			if user := w.logged(t, path)["ClientUsername"]; user != "-" {
				t.Errorf("the access log names %v at %s", user, path)
			}
		}
	})
	t.Run("the access log names who was admitted", func(t *testing.T) {
		w.doors[0].Ask(t, http.StatusOK, "GET /same/named", w.cookie("portal"))
		w.arrived(t, w.app, "abc123")
		if user := w.logged(t, "/same/named")["ClientUsername"]; user != "abc123" {
			t.Errorf("it names %v", user)
		}
	})
}

// raw sends bytes to the first door and returns the whole answer.
func (w *wire) raw(t *testing.T, request string) string {
	t.Helper()
	conn, err := net.DialTimeout("tcp", strings.TrimPrefix(w.doors[0].URL, "http://"), 10*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(conn)
	if err != nil {
		t.Fatal(err)
	}
	return string(answer)
}
