package forms

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v4"

	"github.com/getportal/ptlauth/e2e/interpreted"
	"github.com/getportal/ptlauth/e2e/source"
)

// required asks for a claim whose name has colons, slashes and dots, and for a subject that is not sub.
var required = map[string]string{
	"YAML": `
http: {middlewares: {auth: {plugin: {ptlauth: {
  secretFile: SECRET-FILE, terminals: any, token: {subject: [email, device.id]},
  require: [{claim: "https://example.com/roles", values: [admin, owner]}, {claim: level, values: 5}]}}}}}
`,
	"TOML": `
[http.middlewares.auth.plugin.ptlauth]
  secretFile = "SECRET-FILE"
  terminals = "any"
  token = {subject = ["email", "device.id"]}
  [[http.middlewares.auth.plugin.ptlauth.require]]
    claim = "https://example.com/roles"
    values = ["admin", "owner"]
  [[http.middlewares.auth.plugin.ptlauth.require]]
    claim = "level"
    values = 5
`,
	"Kubernetes": `
kind: Middleware
metadata: {name: auth}
spec: {plugin: {ptlauth: {
  secretFile: SECRET-FILE, terminals: any, token: {subject: [email, device.id]},
  require: [{claim: "https://example.com/roles", values: [admin, owner]}, {claim: level, values: 5}]}}}
`,
	"labels": `
secretFile=SECRET-FILE
terminals=any
token.subject=email,device.id
require[0].claim=https://example.com/roles
require[0].values=admin,owner
require[1].claim=level
require[1].values=5
`,
	"KV": `
secretFile=SECRET-FILE
terminals=any
token/subject/0=email
token/subject/1=device.id
require/0/claim=https://example.com/roles
require/0/values/0=admin
require/0/values/1=owner
require/1/claim=level
require/1/values=5
`,
}

// TestRequireForms: in each form any claim can be named, and means the same.
func TestRequireForms(t *testing.T) {
	const secret, roles = "the-secret-in-the-file-of-36-characters", "https://example.com/roles"
	file := source.Named(t, "secret", secret)
	var log bytes.Buffer
	plugin, err := interpreted.Load(interpreted.Options{Log: &log})
	if err != nil {
		t.Fatal(err)
	}
	device := map[string]any{"id": "abc123"}
	for _, form := range writings {
		for _, test := range []struct {
			name   string
			claims jwt.MapClaims
			status int
			user   string
		}{
			{"both are satisfied", jwt.MapClaims{"device": device, roles: []string{"owner"}, "level": 5}, 200, "abc123"},
			{"the first name that is there names the terminal", jwt.MapClaims{"device": device, "email": "ann@example.com", roles: "admin", "level": 5}, 200, "ann@example.com"},
			{"the first is not satisfied", jwt.MapClaims{"device": device, roles: "guest", "level": 5}, 403, ""},
			{"the second is not satisfied", jwt.MapClaims{"device": device, roles: "owner", "level": 50}, 403, ""},
			{"sub is not looked at", jwt.MapClaims{"sub": "abc123", roles: "owner", "level": 5}, 401, ""},
		} {
			t.Run(form.name+": "+test.name, func(t *testing.T) {
				decoded, err := form.decode(strings.ReplaceAll(required[form.name], "SECRET-FILE", file))
				if err != nil {
					t.Fatal(err)
				}
				user := ""
				app := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { user = r.Header.Get("X-Ptl-User") })
				handler, err := plugin.New(t.Context(), app, decoded["auth"], t.Name())
				if err != nil {
					t.Fatal(err)
				}
				token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, test.claims).SignedString([]byte(secret))
				if err != nil {
					t.Fatal(err)
				}
				r := httptest.NewRequest("GET", "http://chat.example.com/", nil)
				r.Header.Set("Cookie", "authorization="+token)
				w := httptest.NewRecorder()
				handler.ServeHTTP(w, r)
				if w.Code != test.status || user != test.user {
					t.Errorf("status %d, user %q; want %d, %q; the log says %s", w.Code, user, test.status, test.user, log.String())
				}
			})
		}
	}
	t.Run("KV: a name with slashes as a path is reported", func(t *testing.T) {
		decoded, err := writings[4].decode("secretFile=" + file + "\nterminals=any\nrequire/" + roles + "=admin\n")
		if err != nil {
			t.Fatal(err)
		}
		log.Reset()
		if _, err := plugin.New(t.Context(), http.NotFoundHandler(), decoded["auth"], t.Name()); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(log.String(), "write require/0/claim and require/0/values") {
			t.Errorf("%v: the log says %q", decoded["auth"], log.String())
		}
	})
}
