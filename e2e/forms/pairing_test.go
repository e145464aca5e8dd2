package forms

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/getportal/ptlauth/e2e/decode"
	"github.com/getportal/ptlauth/e2e/interpreted"
	"github.com/getportal/ptlauth/e2e/issuer"
	"github.com/getportal/ptlauth/e2e/source"
	"github.com/getportal/ptlauth/e2e/visitor"
	"github.com/getportal/ptlauth/e2e/witness"
	"github.com/getportal/ptlauth/internal/pairing"
)

// TestPairingForms lets a device in by a code that stands in the configuration, in each form in which it can be written; and by
// none of which a part is missing.
func TestPairingForms(t *testing.T) {
	secret := strings.Repeat("0123456789abcdef", 4)
	secretFile := source.Named(t, "secret", secret)
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte("ptlauth pairing 1"))
	key := mac.Sum(nil)
	var log bytes.Buffer
	plugin, err := interpreted.Load(interpreted.Options{Log: &log})
	if err != nil {
		t.Fatal(err)
	}
	const (
		yaml   = "{secretFile: FILE, pairing: {enabled: true}, terminals: {paired: {k7p2x9: {name: Tablet, user: ann, since: 1764115200, until: 1764201600, pairing: {ends: 33000000000, link: 'LINK', code: 'CODE', watch: 'WATCH'}}}}}"
		labels = "secretFile=FILE\npairing.enabled=true\nterminals.paired.k7p2x9.name=Tablet\nterminals.paired.k7p2x9.user=ann\nterminals.paired.k7p2x9.since=1764115200\nterminals.paired.k7p2x9.until=1764201600\n" +
			"terminals.paired.k7p2x9.pairing.ends=33000000000\nterminals.paired.k7p2x9.pairing.link=LINK\nterminals.paired.k7p2x9.pairing.code=CODE\nterminals.paired.k7p2x9.pairing.watch=WATCH\n"
	)
	for i, form := range []struct {
		name   string
		decode decoder
		text   string
	}{
		{"YAML", decode.YAML, "http: {middlewares: {auth: {plugin: {ptlauth: " + yaml + "}}}}"},
		{"YAML, with a text", decode.YAML, "http: {middlewares: {auth: {plugin: {ptlauth: " + strings.Replace(yaml, "33000000000", "'33000000000'", 1) + "}}}}"},
		{"TOML", decode.TOML, "[http.middlewares.auth.plugin.ptlauth]\nsecretFile = 'FILE'\npairing = true\n[http.middlewares.auth.plugin.ptlauth.terminals.paired.k7p2x9]\nname = 'Tablet'\nuser = 'ann'\nsince = 1764115200\nuntil = 1764201600\n" +
			"[http.middlewares.auth.plugin.ptlauth.terminals.paired.k7p2x9.pairing]\nends = 33000000000\nlink = 'LINK'\ncode = 'CODE'\nwatch = 'WATCH'\n"},
		{"Kubernetes", decode.Kubernetes, "{kind: Middleware, metadata: {name: auth}, spec: {plugin: {ptlauth: " + yaml + "}}}"},
		{"labels", writings[3].decode, labels},
		{"KV", writings[4].decode, strings.ReplaceAll(strings.ReplaceAll(labels, ".", "/"), "FILE", secretFile)},
	} {
		for part, isWhole := range map[string]bool{"": true, "LINK": false, "WATCH": false} {
			name := form.name
			if part != "" {
				name += " without " + part
			}
			t.Run(name, func(t *testing.T) {
				// A code is good once for all of them.
				link, watch := fmt.Sprintf("0123456789ABCDEFGHJKMNPQ%02d", i), fmt.Sprintf("QRSTVWXYZ0123456789ABCDE%02d", i)
				text := form.text
				if part != "" {
					text = strings.ReplaceAll(text, part, "")
				}
				text = strings.NewReplacer("FILE", secretFile, "LINK", pairing.MAC(key, pairing.Link, link), "CODE", pairing.MAC(key, pairing.Short, "0123456789"),
					"WATCH", pairing.MAC(key, pairing.Watch, watch)).Replace(text)
				middlewares, err := form.decode(text)
				if err != nil {
					t.Fatal(err)
				}
				log.Reset()
				handler, err := plugin.New(t.Context(), new(witness.App), middlewares["auth"], name+"@test")
				if err != nil {
					t.Fatal(err)
				}
				cookie := http.Header{"Cookie": {"authorization=" + issuer.SignHS256(t, secret, "k7p2x9")}}
				if got := visitor.StatusOf(handler, cookie); got != http.StatusOK {
					t.Errorf("the device itself got %d\n%s", got, log.String())
				}
				post := func(path string, fields url.Values) (int, string) {
					r := httptest.NewRequest(http.MethodPost, "http://app.example.com/.ptl/"+path, strings.NewReader(fields.Encode()))
					r.Header = http.Header{"Content-Type": {"application/x-www-form-urlencoded"}, "Sec-Fetch-Site": {"same-origin"}, "Cookie": {"ptl-pairing=browser"}}
					w := httptest.NewRecorder()
					handler.ServeHTTP(w, r)
					return w.Code, w.Body.String()
				}
				wanted, state, lines := http.StatusSeeOther, "waiting", 0
				if !isWhole {
					wanted, state, lines = http.StatusForbidden, "unknown", 1
				}
				if _, body := post("pair/used", url.Values{"watch": {watch}}); !strings.Contains(body, state) {
					t.Errorf("whoever watches it learns %s, want %s\n%s", body, state, log.String())
				}
				if status, _ := post("pair", url.Values{"code": {link}, "do": {"pair"}}); status != wanted {
					t.Errorf("whoever has the code got %d, want %d", status, wanted)
				}
				if got := strings.Count(log.String(), "terminals.paired.k7p2x9.pairing: is not complete"); got != lines || got != strings.Count(log.String(), `"level":"error"`) {
					t.Errorf("the log has %d lines on it, want %d\n%s", got, lines, log.String())
				}
				r := httptest.NewRequest(http.MethodGet, "http://app.example.com/.ptl/", nil)
				r.Header = cookie
				r.Header.Set("Accept", "text/html")
				w := httptest.NewRecorder()
				handler.ServeHTTP(w, r)
				if !strings.Contains(w.Body.String(), "2025-11-26") {
					t.Errorf("its own page says\n%s", w.Body.String())
				}
			})
		}
	}
}
