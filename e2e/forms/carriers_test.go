package forms

import (
	"bytes"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v4"

	"github.com/getportal/ptlauth/e2e/interpreted"
	"github.com/getportal/ptlauth/e2e/source"
)

// carrying name headers that carry a token, as a list of names and as a list of groups, and the password.
var carrying = map[string]struct{ names, groups string }{
	"YAML": {`
http: {middlewares: {auth: {plugin: {ptlauth: {
  secretFile: SECRET-FILE, terminals: any, token: {basic: true, header: [Authorization, X-Access-Token]}}}}}}
`, `
http: {middlewares: {auth: {plugin: {ptlauth: {
  secretFile: SECRET-FILE, terminals: any, token: {basic: true, header: [{name: Authorization}, {name: X-Access-Token, explicit: true}]}}}}}}
`},
	"TOML": {`
[http.middlewares.auth.plugin.ptlauth]
  secretFile = "SECRET-FILE"
  terminals = "any"
  token = {basic = true, header = ["Authorization", "X-Access-Token"]}
`, `
[http.middlewares.auth.plugin.ptlauth]
  secretFile = "SECRET-FILE"
  terminals = "any"
  [http.middlewares.auth.plugin.ptlauth.token]
    basic = true
    [[http.middlewares.auth.plugin.ptlauth.token.header]]
      name = "Authorization"
    [[http.middlewares.auth.plugin.ptlauth.token.header]]
      name = "X-Access-Token"
      explicit = true
`},
	"Kubernetes": {`
kind: Middleware
metadata: {name: auth}
spec: {plugin: {ptlauth: {
  secretFile: SECRET-FILE, terminals: any, token: {basic: true, header: [Authorization, X-Access-Token]}}}}
`, `
kind: Middleware
metadata: {name: auth}
spec: {plugin: {ptlauth: {
  secretFile: SECRET-FILE, terminals: any, token: {basic: true, header: [{name: Authorization}, {name: X-Access-Token, explicit: true}]}}}}
`},
	"labels": {`
secretFile=SECRET-FILE
terminals=any
token.basic=true
token.header=Authorization,X-Access-Token
`, `
secretFile=SECRET-FILE
terminals=any
token.basic=true
token.header[0].name=Authorization
token.header[1].name=X-Access-Token
token.header[1].explicit=true
`},
	"KV": {`
secretFile=SECRET-FILE
terminals=any
token/basic=true
token/header/0=Authorization
token/header/1=X-Access-Token
`, `
secretFile=SECRET-FILE
terminals=any
token/basic=true
token/header/0/name=Authorization
token/header/1/name=X-Access-Token
token/header/1/explicit=true
`},
}

// TestCarrierForms: in each form, headers can be listed by their names and as groups, and mean the same but for what the
// groups say more; and a password is looked at.
func TestCarrierForms(t *testing.T) {
	const secret = "the-secret-in-the-file-of-36-characters"
	file := source.Named(t, "secret", secret)
	var log bytes.Buffer
	plugin, err := interpreted.Load(interpreted.Options{Log: &log})
	if err != nil {
		t.Fatal(err)
	}
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"sub": "abc123"}).SignedString([]byte(secret))
	if err != nil {
		t.Fatal(err)
	}
	password := base64.StdEncoding.EncodeToString([]byte("anyone:" + token))
	for _, form := range writings {
		for _, list := range []struct {
			name, text string
			isExplicit bool
		}{{"names", carrying[form.name].names, false}, {"groups", carrying[form.name].groups, true}} {
			decoded, err := form.decode(strings.ReplaceAll(list.text, "SECRET-FILE", file))
			if err != nil {
				t.Fatal(err)
			}
			app := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				if user := r.Header.Get("X-Ptl-User"); user != "abc123" || len(r.Header["Authorization"]) > 0 || len(r.Header["X-Access-Token"]) > 0 {
					t.Errorf("the app was sent the user %q, with %q", user, r.Header)
				}
			})
			handler, err := plugin.New(t.Context(), app, decoded["auth"], form.name+list.name)
			if err != nil {
				t.Fatal(err)
			}
			explicit := http.StatusForbidden
			if list.isExplicit {
				explicit = http.StatusOK
			}
			for _, test := range []struct {
				name, header, method string
				status               int
			}{
				{"a token in the first header", "Authorization: Bearer " + token, "GET", http.StatusOK},
				{"that another site's page sends", "Authorization: Bearer " + token, "POST", http.StatusOK},
				{"a token in the second header", "X-Access-Token: " + token, "GET", http.StatusOK},
				{"that another site's page sends too", "X-Access-Token: " + token, "POST", explicit},
				{"a password", "Authorization: Basic " + password, "GET", http.StatusOK},
				{"that another site's page has sent", "Authorization: Basic " + password, "POST", http.StatusForbidden},
				{"a header that is not listed", "X-Token: " + token, "GET", http.StatusUnauthorized},
			} {
				t.Run(form.name+", "+list.name+": "+test.name, func(t *testing.T) {
					r := httptest.NewRequest(test.method, "http://chat.example.com/", nil)
					name, value, _ := strings.Cut(test.header, ": ")
					r.Header.Set(name, value)
					if test.method == "POST" {
						r.Header.Set("Sec-Fetch-Site", "cross-site")
					}
					w := httptest.NewRecorder()
					handler.ServeHTTP(w, r)
					if w.Code != test.status {
						t.Errorf("status %d, want %d; the log says %s", w.Code, test.status, log.String())
					}
				})
			}
		}
	}
}
