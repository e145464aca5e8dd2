package wire

import (
	"net/http"
	"strings"
	"testing"

	"github.com/getportal/ptlauth/e2e/issuer"
	"github.com/getportal/ptlauth/e2e/traefik"
	"github.com/getportal/ptlauth/e2e/traefik/traefiktest"
	"github.com/getportal/ptlauth/e2e/visitor"
	"github.com/getportal/ptlauth/e2e/witness"
)

// sharedConfiguration has a plugin behind the middleware that changes requests in place, and one in front of it that
// changes answers.
const sharedConfiguration = `
http:
  middlewares:
    auth: {plugin: {ptlauth: {secretFile: SECRET, terminals: any, paths: [{prefix: /edited/open, access: public}, {prefix: /open, access: public}]}}}
    edits: {plugin: {vandal: {spares: answer}}}
    edited: {plugin: {vandal: {spares: request}}}
  routers:
    edited: {rule: PathPrefix("/edited"), service: app, middlewares: [edited, auth, edits]}
    plain: {rule: PathPrefix("/"), service: app, middlewares: [auth]}
  services:
    app: {loadBalancer: {servers: [{url: "http://APP"}]}}
`

// TestNothingIsShared: what one request is sent on or answered with is not what the next one is (rs/cors#198).
func TestNothingIsShared(t *testing.T) {
	if testing.Short() {
		t.Skip("starts Traefik")
	}
	secret, tokens := issuer.Keyring(t)
	w := &wire{tokens: tokens, app: witness.NewRecording(t)}
	w.proxy = traefiktest.Start(t, traefik.Options{
		Dynamic: strings.NewReplacer("SECRET", secret, "APP", w.app.Addr).Replace(sharedConfiguration),
		Plugins: map[string]string{"example.com/vandal": "../interpreted/testdata/plugins-local/src/example.com/vandal"},
	})
	ask := func(t *testing.T, door visitor.Door, path, cookies string) http.Header {
		t.Helper()
		door.Ask(t, http.StatusOK, "GET "+path, http.Header{"Cookie": {cookies}})
		return witness.Lines(<-w.app.Raw)
	}
	for _, door := range visitor.Doors(t, w.proxy) {
		t.Run("over "+door.Name, func(t *testing.T) {
			token := "authorization=" + tokens["portal"]
			for name, test := range map[string]struct {
				path, cookies, saw, user string
			}{
				"a terminal's request, with another cookie": {"", "theme=dark; " + token, "abc123 theme=dark", "abc123"},
				"a terminal's request, without one":         {"", token, "abc123", "abc123"},
				"a terminal's on a public path":             {"/open", "theme=dark; " + token, "abc123 theme=dark", "abc123"},
				"nobody's on a public path":                 {"/open", "theme=dark", "theme=dark", ""},
			} {
				t.Run(name, func(t *testing.T) {
					for range 3 {
						edited := ask(t, door, "/edited"+test.path, test.cookies)
						if saw := edited.Get("X-Saw"); saw != test.saw {
							t.Fatalf("what stands behind ptlauth saw %q, want %q", saw, test.saw)
						}
						if edited.Get("X-Ptl-Client-Type") != "mallory" {
							t.Fatalf("nothing was changed in place: %v", edited)
						}
						plain := ask(t, door, test.path+"/", test.cookies)
						if plain.Get("X-Ptl-User") != test.user || strings.Contains(strings.Join(plain["Cookie"], ""), "mallory") {
							t.Fatalf("the next request reached the app as %v, want %q", plain, test.user)
						}
					}
				})
			}
			t.Run("a denial", func(t *testing.T) {
				for range 3 {
					answer, _ := door.Ask(t, http.StatusUnauthorized, "GET /edited", http.Header{"Cookie": {"authorization=" + tokens["expired"]}})
					if challenge := answer.Header.Get("Www-Authenticate"); !strings.HasPrefix(challenge, "Bearer ") {
						t.Fatalf("the challenge is %q", challenge)
					}
				}
			})
		})
	}
}
