// Package forms writes the same configuration in every form that Traefik reads, and wants the same to come of it.
package forms

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v4"

	"github.com/getportal/ptlauth/e2e/decode"
	"github.com/getportal/ptlauth/e2e/interpreted"
	"github.com/getportal/ptlauth/e2e/poll"
	"github.com/getportal/ptlauth/e2e/program"
	"github.com/getportal/ptlauth/e2e/source"
	"github.com/getportal/ptlauth/e2e/traefik"
	"github.com/getportal/ptlauth/e2e/traefik/traefiktest"
	"github.com/getportal/ptlauth/e2e/visitor"
	"github.com/getportal/ptlauth/e2e/witness"
)

// The same configuration, in each form in which users write it.
const (
	fullYAML = `
http:
  middlewares:
    auth:
      plugin:
        ptlauth:
          secretFile: SECRET-FILE
          keys:
            - {secret: the-spare-secret-of-36-characters-or-so, id: spare}
            - {secretFile: LONG-FILE, algorithm: HS512}
          token: {cookie: session, header: Authorization, forward: true, subject: [device, sub]}
          strip: [X-Role, -X-Webauth-Role, Grafana-*]
          leeway: 60
          require:
            role: [admin, owner]
            realm.level: 5
          terminals:
            paired:
              - {id: abc123, name: Küche, user: ann@example.com}
              - {id: "123456", name: "tablet, old"}
          portal: {id: abcdefghij, domain: example.com}
          headers:
            X-Remote-User: "{auth.user}"
            X-Portal-Name: "{portal.id[:6]}.{portal.domain}"
            X-The-Motto: "one, ` + "`two`" + `: $3"
            X-Ptl-Client-Id: "-"
          paths:
            - {prefix: /open, access: public, headers: {X-Area: "the lobby"}}
            - {prefix: /reports, headers: {X-Area: "reports, monthly"}}
          loginURL: https://login.example.com/?next={url}
          trustedOrigins: ["https://*.example.org"]
`
	fullTOML = `
[http.middlewares.auth.plugin.ptlauth]
  secretFile = "SECRET-FILE"
  leeway = 60
  loginURL = "https://login.example.com/?next={url}"
  trustedOrigins = ["https://*.example.org"]
  token = {cookie = "session", header = "Authorization", forward = true, subject = ["device", "sub"]}
  strip = ["X-Role", "-X-Webauth-Role", "Grafana-*"]
  portal = {id = "abcdefghij", domain = "example.com"}
  [[http.middlewares.auth.plugin.ptlauth.keys]]
    secret = "the-spare-secret-of-36-characters-or-so"
    id = "spare"
  [[http.middlewares.auth.plugin.ptlauth.keys]]
    secretFile = "LONG-FILE"
    algorithm = "HS512"
  [http.middlewares.auth.plugin.ptlauth.require]
    role = ["admin", "owner"]
    realm = {level = 5}
  [[http.middlewares.auth.plugin.ptlauth.terminals.paired]]
    id = "abc123"
    name = "Küche"
    user = "ann@example.com"
  [[http.middlewares.auth.plugin.ptlauth.terminals.paired]]
    id = "123456"
    name = "tablet, old"
  [http.middlewares.auth.plugin.ptlauth.headers]
    X-Remote-User = "{auth.user}"
    X-Portal-Name = "{portal.id[:6]}.{portal.domain}"
    X-The-Motto = "one, ` + "`two`" + `: $3"
    X-Ptl-Client-Id = "-"
  [[http.middlewares.auth.plugin.ptlauth.paths]]
    prefix = "/open"
    access = "public"
    headers = {X-Area = "the lobby"}
  [[http.middlewares.auth.plugin.ptlauth.paths]]
    prefix = "/reports"
    headers = {X-Area = "reports, monthly"}
`
	fullKubernetes = `
apiVersion: traefik.io/v1alpha1
kind: Middleware
metadata: {name: auth}
spec:
  plugin:
    ptlauth:
      secretFile: SECRET-FILE
      keys:
        - {secret: the-spare-secret-of-36-characters-or-so, id: spare}
        - {secretFile: LONG-FILE, algorithm: HS512}
      token: {cookie: session, header: Authorization, forward: true, subject: [device, sub]}
      strip: [X-Role, -X-Webauth-Role, Grafana-*]
      leeway: 60
      require:
        role: [admin, owner]
        realm: {level: 5}
      terminals:
        paired:
          - {id: abc123, name: Küche, user: ann@example.com}
          - {id: "123456", name: "tablet, old"}
      portal: {id: abcdefghij, domain: example.com}
      headers:
        X-Remote-User: "{auth.user}"
        X-Portal-Name: "{portal.id[:6]}.{portal.domain}"
        X-The-Motto: "one, ` + "`two`" + `: $3"
        X-Ptl-Client-Id: "-"
      paths:
        - {prefix: /open, access: public, headers: {X-Area: "the lobby"}}
        - {prefix: /reports, headers: {X-Area: "reports, monthly"}}
      loginURL: https://login.example.com/?next={url}
      trustedOrigins: ["https://*.example.org"]
`
	// A label's dot nests, so realm.level is the claim level in the claim realm.
	fullLabels = `
secretFile=SECRET-FILE
keys[0].secret=the-spare-secret-of-36-characters-or-so
keys[0].id=spare
keys[1].secretFile=LONG-FILE
keys[1].algorithm=HS512
token.cookie=session
token.header=Authorization
token.forward=true
token.subject=device,sub
strip=X-Role,-X-Webauth-Role,Grafana-*
leeway=60
require.role=admin,owner
require.realm.level=5
terminals.paired[0].id=abc123
terminals.paired[0].name=Küche
terminals.paired[0].user=ann@example.com
terminals.paired[1].id=123456
terminals.paired[1].name=tablet, old
portal.id=abcdefghij
portal.domain=example.com
headers.X-Remote-User={auth.user}
headers.X-Portal-Name={portal.id[:6]}.{portal.domain}
headers.X-The-Motto=one, ` + "`two`" + `: $3
headers.X-Ptl-Client-Id=-
paths[0].prefix=/open
paths[0].access=public
paths[0].headers.X-Area=the lobby
paths[1].prefix=/reports
paths[1].headers.X-Area=reports, monthly
loginURL=https://login.example.com/?next={url}
trustedOrigins=https://*.example.org
`
	fullKV = `
secretFile=SECRET-FILE
keys/0/secret=the-spare-secret-of-36-characters-or-so
keys/0/id=spare
keys/1/secretFile=LONG-FILE
keys/1/algorithm=HS512
token/cookie=session
token/header=Authorization
token/forward=true
token/subject/0=device
token/subject/1=sub
strip/0=X-Role
strip/1=-X-Webauth-Role
strip/2=Grafana-*
leeway=60
require/role/0=admin
require/role/1=owner
require/realm/level=5
terminals/paired/0/id=abc123
terminals/paired/0/name=Küche
terminals/paired/0/user=ann@example.com
terminals/paired/1/id=123456
terminals/paired/1/name=tablet, old
portal/id=abcdefghij
portal/domain=example.com
headers/X-Remote-User={auth.user}
headers/X-Portal-Name={portal.id[:6]}.{portal.domain}
headers/X-The-Motto=one, ` + "`two`" + `: $3
headers/X-Ptl-Client-Id=-
paths/0/prefix=/open
paths/0/access=public
paths/0/headers/X-Area=the lobby
paths/1/prefix=/reports
paths/1/headers/X-Area=reports, monthly
loginURL=https://login.example.com/?next={url}
trustedOrigins=https://*.example.org
`
)

// The same mistakes in each form.
const (
	mistakenYAML = `
http: {middlewares: {auth: {plugin: {ptlauth: {
  secretFile: SECRET-FILE, keys: text, token: {forwards: true, forward: yes}, passPreflight: yes,
  terminals: {paired: abc123}, paths: [{prefix: /open, acces: public}]}}}}}
`
	mistakenTOML = `
[http.middlewares.auth.plugin.ptlauth]
  secretFile = "SECRET-FILE"
  keys = "text"
  passPreflight = "yes"
  token = {forwards = true, forward = "yes"}
  terminals = {paired = "abc123"}
  [[http.middlewares.auth.plugin.ptlauth.paths]]
    prefix = "/open"
    acces = "public"
`
	// Unquoted, yes would be true here.
	mistakenKubernetes = `
kind: Middleware
metadata: {name: auth}
spec: {plugin: {ptlauth: {
  secretFile: SECRET-FILE, keys: text, token: {forwards: true, forward: "yes"}, passPreflight: "yes",
  terminals: {paired: abc123}, paths: [{prefix: /open, acces: public}]}}}
`
	mistakenLabels = `
secretFile=SECRET-FILE
keys=text
token.forwards=true
token.forward=yes
passPreflight=yes
terminals.paired=abc123
paths[0].prefix=/open
paths[0].acces=public
`
	mistakenKV = `
secretFile=SECRET-FILE
keys=text
token/forwards=true
token/forward=yes
passPreflight=yes
terminals/paired=abc123
paths/0/prefix=/open
paths/0/acces=public
`
)

type decoder = func(text string) (map[string]map[string]any, error)

var writings = []struct {
	name           string
	decode         decoder
	full, mistaken string
}{
	{"YAML", decode.YAML, fullYAML, mistakenYAML},
	{"TOML", decode.TOML, fullTOML, mistakenTOML},
	{"Kubernetes", decode.Kubernetes, fullKubernetes, mistakenKubernetes},
	{"labels", func(text string) (map[string]map[string]any, error) {
		return decode.Labels(prefixed("traefik.http.middlewares.auth.plugin.ptlauth.", text))
	}, fullLabels, mistakenLabels},
	{"KV", func(text string) (map[string]map[string]any, error) {
		return decode.KV(prefixed(kvPrefix, text))
	}, fullKV, mistakenKV},
}

const kvPrefix = "traefik/http/middlewares/auth/plugin/ptlauth/"

// prefixed are the lines NAME=VALUE of a text.
func prefixed(prefix, text string) map[string]string {
	all := map[string]string{}
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "="); ok {
			all[prefix+name] = value
		}
	}
	return all
}

// visits are requests with what must come of them wherever the full configuration was written.
type visit struct {
	name, path string
	header     http.Header
	status     int
	location   string
	app        http.Header // all that the app got; nil: it was not asked
}

// visits also returns what fills in the names of files in a configuration.
func visits(t *testing.T) ([]visit, *strings.Replacer) {
	t.Helper()
	const secret, long = "the-secret-in-the-file-of-36-characters", "a-secret-that-is-long-enough-for-HS512-because-it-has-64-characters"
	files := strings.NewReplacer("SECRET-FILE", source.Named(t, "secret", secret+"\n"), "LONG-FILE", source.Named(t, "long", long))

	claims := func(changes jwt.MapClaims) jwt.MapClaims {
		all := jwt.MapClaims{"sub": "abc123", "role": "owner", "realm": map[string]any{"level": 5}}
		maps.Copy(all, changes)
		return all
	}
	sign := func(method jwt.SigningMethod, key, kid string, changes jwt.MapClaims) string {
		token := jwt.NewWithClaims(method, claims(changes))
		if kid != "" {
			token.Header["kid"] = kid
		}
		text, err := token.SignedString([]byte(key))
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	usual := func(changes jwt.MapClaims) string { return sign(jwt.SigningMethodHS256, secret, "", changes) }
	cookie := func(token string) http.Header { return http.Header{"Cookie": {"a=b; session=" + token}} }
	ago := func(seconds int64) jwt.MapClaims { return jwt.MapClaims{"exp": time.Now().Unix() - seconds} }

	const motto = "one, `two`: $3"
	// The token is forwarded, so the app gets what was sent as well.
	ann := func(sent http.Header, area ...string) http.Header {
		all := http.Header{
			"X-Ptl-User": {"ann@example.com"}, "X-Ptl-Client-Type": {"terminal"}, "X-Ptl-Client-Name": {"Küche"},
			"X-Remote-User": {"ann@example.com"}, "X-Portal-Name": {"abcdef.example.com"}, "X-The-Motto": {motto},
		}
		maps.Copy(all, sent)
		if area != nil {
			all["X-Area"] = area
		}
		return all
	}
	tablet := func(sent http.Header) http.Header {
		all := ann(sent)
		all["X-Ptl-User"], all["X-Remote-User"], all["X-Ptl-Client-Name"] = []string{"123456"}, []string{"123456"}, []string{"tablet, old"}
		return all
	}

	inCookie := cookie(usual(nil))
	inHeader := http.Header{"Authorization": {"Bearer " + usual(nil)}}
	spare := cookie(sign(jwt.SigningMethodHS256, "the-spare-secret-of-36-characters-or-so", "spare", nil))
	longest := cookie(sign(jwt.SigningMethodHS512, long, "", nil))
	late := cookie(usual(ago(50)))
	admin := cookie(usual(jwt.MapClaims{"role": []string{"guest", "admin"}}))
	other := cookie(usual(jwt.MapClaims{"sub": "123456"}))
	device := cookie(usual(jwt.MapClaims{"device": "123456"}))
	with := func(header http.Header, names ...string) http.Header {
		all := header.Clone()
		for _, name := range names {
			all.Set(name, "1")
		}
		return all
	}
	framed := cookie(usual(nil))
	maps.Copy(framed, http.Header{
		"Sec-Fetch-Dest": {"iframe"}, "Sec-Fetch-Site": {"cross-site"}, "Upgrade-Insecure-Requests": {"1"}, "Referer": {"https://notes.example.org/"},
	})
	list := []visit{
		{name: "a trusted origin's page may frame the app", header: framed, status: 200, app: ann(framed)},
		{name: "the cookie of that name is taken", header: inCookie, status: 200, app: ann(inCookie)},
		{name: "the default cookie is none", header: http.Header{"Cookie": {"authorization=" + usual(nil)}}, status: 401},
		{name: "the header of that name is taken", header: inHeader, status: 200, app: ann(inHeader)},
		{name: "the second key verifies what names it", header: spare, status: 200, app: ann(spare)},
		{name: "and nothing else", header: cookie(sign(jwt.SigningMethodHS256, "the-spare-secret-of-36-characters-or-so", "", nil)), status: 401},
		{name: "the third key has its own algorithm", header: longest, status: 200, app: ann(longest)},
		{name: "and no other one", header: cookie(sign(jwt.SigningMethodHS256, long, "", nil)), status: 401},
		{name: "the leeway is honoured", header: late, status: 200, app: ann(late)},
		{name: "and ends", header: cookie(usual(ago(70))), status: 401},
		{name: "the other accepted value is accepted", header: admin, status: 200, app: ann(admin)},
		{name: "a role that is not listed is refused", header: cookie(usual(jwt.MapClaims{"role": "guest"})), status: 403},
		{name: "a list of values is not one value", header: cookie(usual(jwt.MapClaims{"role": "admin,owner"})), status: 403},
		{name: "the nested claim is required", header: cookie(usual(jwt.MapClaims{"realm": map[string]any{"level": 4}})), status: 403},
		{name: "a terminal without a user is its own", header: other, status: 200, app: tablet(other)},
		{name: "another claim names the terminal", header: device, status: 200, app: tablet(device)},
		{name: "what is to be taken out is, and what is let through is not", header: with(inCookie, "X-Role", "X-Webauth-Role", "X-Webauth-User", "Grafana-Org"), status: 200, app: ann(with(inCookie, "X-Webauth-Role"))},
		{name: "a terminal that is not paired is refused", header: cookie(usual(jwt.MapClaims{"sub": "zzz999"})), status: 401},
		{
			name: "the public path knows no visitor", path: "/open/door", status: 200,
			app: http.Header{"X-Ptl-Client-Type": {"anonymous"}, "X-Area": {"the lobby"}},
		},
		{name: "the public path knows its visitor", path: "/open/door", header: inCookie, status: 200, app: ann(inCookie, "the lobby")},
		{name: "a value keeps its comma", path: "/reports", header: inCookie, status: 200, app: ann(inCookie, "reports, monthly")},
		{
			name: "a browser is sent to the login page", path: "/reports?a=b", header: http.Header{"Sec-Fetch-Mode": {"navigate"}},
			status: 302, location: "https://login.example.com/?next=http%3A%2F%2Fchat.example.com%2Freports%3Fa%3Db",
		},
	}
	return list, files
}

func TestForms(t *testing.T) {
	visits, files := visits(t)
	var log bytes.Buffer
	plugin, err := interpreted.Load(interpreted.Options{Log: &log})
	if err != nil {
		t.Fatal(err)
	}
	// build returns the middleware in front of an app, what the app got last, and what was logged.
	build := func(t *testing.T, decode decoder, text string) (http.Handler, *http.Header, string) {
		t.Helper()
		decoded, err := decode(files.Replace(text))
		if err != nil {
			t.Fatal(err)
		}
		log.Reset()
		got := new(http.Header)
		app := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { *got = r.Header })
		handler, err := plugin.New(t.Context(), app, decoded["auth"], t.Name())
		if err != nil {
			t.Fatal(err)
		}
		return handler, got, log.String()
	}

	var told string
	for _, form := range writings {
		t.Run(form.name, func(t *testing.T) {
			handler, got, logged := build(t, form.decode, form.full)
			if logged != "" {
				t.Errorf("the log says %s", logged)
			}
			for _, visit := range visits {
				t.Run(visit.name, func(t *testing.T) {
					*got = nil
					r := httptest.NewRequest("GET", "http://chat.example.com"+visit.path, nil)
					r.Header = visit.header.Clone()
					if r.Header == nil {
						r.Header = http.Header{}
					}
					recorder := httptest.NewRecorder()
					handler.ServeHTTP(recorder, r)
					if recorder.Code != visit.status || recorder.Header().Get("Location") != visit.location {
						t.Errorf("got %d to %q, want %d to %q", recorder.Code, recorder.Header().Get("Location"), visit.status, visit.location)
					}
					maps.DeleteFunc(*got, func(_ string, values []string) bool { return len(values) == 0 }) // which is not sent
					if !reflect.DeepEqual(*got, visit.app) {
						t.Errorf("the app got\n%v, want\n%v", *got, visit.app)
					}
				})
			}
		})
		t.Run(form.name+" with mistakes says so, in the same words", func(t *testing.T) {
			handler, got, logged := build(t, form.decode, form.mistaken)
			recorder := httptest.NewRecorder()
			handler.ServeHTTP(recorder, httptest.NewRequest("GET", "/", nil))
			if recorder.Code != http.StatusServiceUnavailable || *got != nil {
				t.Errorf("got %d, and the app got %v", recorder.Code, *got)
			}
			var line struct{ Level, Message string }
			if err := json.Unmarshal([]byte(logged), &line); err != nil {
				t.Fatalf("%v in %s", err, logged)
			}
			_, problems, _ := strings.Cut(line.Message, " problems: ")
			if told == "" {
				told = problems
			}
			if line.Level != "error" || problems != told {
				t.Errorf("logged at level %s\n%s, want\n%s", line.Level, line.Message, told)
			}
			for _, named := range []string{
				"keys: is text", "terminals.paired: is text", "token.forward: is neither true nor false", "passPreflight: is neither true nor false",
				"`token.forwards`: did you mean `forward`?", "`paths[0].acces`: did you mean `access`?",
			} {
				if !strings.Contains(problems, named) {
					t.Errorf("the log lacks %q: %s", named, line.Message)
				}
			}
		})
	}
}

// TestRedis configures the middleware from a real Redis, live.
func TestRedis(t *testing.T) {
	if testing.Short() {
		t.Skip("starts Traefik")
	}
	redis := program.NewRedis(t)

	visits, files := visits(t)
	app := witness.NewRecording(t)
	pairs := prefixed(kvPrefix, files.Replace(fullKV))
	maps.Copy(pairs, prefixed("traefik/http/", "routers/app/rule=PathPrefix(`/`)\nrouters/app/service=app\n"+
		"routers/app/middlewares/0=auth\nservices/app/loadBalancer/servers/0/url=http://"+app.Addr+"\n"))
	for key, value := range pairs {
		redis.Do(t, "SET", key, value)
	}
	proxy := traefiktest.Start(t, traefik.Options{Static: "providers: {redis: {endpoints: ['" + redis.Addr + "']}}"})
	door := visitor.Doors(t, proxy)[0]

	request := func(visit visit) (*http.Response, http.Header) {
		t.Helper()
		r, err := http.NewRequest("GET", door.URL+visit.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = "chat.example.com"
		maps.Copy(r.Header, visit.header)
		response, err := door.Transport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		select {
		case raw := <-app.Raw:
			return response, witness.Lines(raw)
		default:
			return response, nil
		}
	}
	// becomes asks until the status and the app's lines are as they should be.
	becomes := func(t *testing.T, visit visit) {
		t.Helper()
		poll.Until(t, 20*time.Second, func() string {
			response, got := request(visit)
			for name := range got {
				if _, ok := visit.app[name]; !ok && !strings.HasPrefix(name, "X-Ptl-") {
					delete(got, name)
				}
			}
			if response.StatusCode != visit.status || response.Header.Get("Location") != visit.location ||
				!maps.EqualFunc(got, visit.app, slices.Equal) {
				return fmt.Sprintf("got %d to %q and at the app\n%v, want %d to %q and\n%v",
					response.StatusCode, response.Header.Get("Location"), got, visit.status, visit.location, visit.app)
			}
			return ""
		})
	}
	becomes(t, visits[0]) // Start does not wait for Redis
	for _, visit := range visits {
		t.Run(visit.name, func(t *testing.T) { becomes(t, visit) })
	}

	for _, change := range []struct {
		name, key, value string
		status           int
		area             string
	}{
		{"a changed value is injected", "paths/0/headers/X-Area", "the hall", 200, "the hall"},
		{"a path that is made private is private", "paths/0/access", "private", 401, ""},
		{"and public again", "paths/0/access", "public", 200, "the hall"},
		{"a mistake closes the door", "token/forward", "yes", 503, ""},
		{"and its correction opens it", "token/forward", "false", 200, "the hall"},
	} {
		t.Run(change.name, func(t *testing.T) {
			redis.Do(t, "SET", kvPrefix+change.key, change.value)
			at := visit{path: "/open/door", status: change.status}
			if change.area != "" {
				at.app = http.Header{"X-Ptl-Client-Type": {"anonymous"}, "X-Area": {change.area}}
			}
			becomes(t, at)
		})
	}
	if lines := proxy.LogLines(`"level":"error"`, "token.forward"); len(lines) != 1 {
		t.Errorf("want one line about token.forward, got %q", lines)
	}
}
