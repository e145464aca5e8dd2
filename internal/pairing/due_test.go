package pairing

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/getportal/ptlauth/internal/key"
	"github.com/getportal/ptlauth/internal/option"
	"github.com/getportal/ptlauth/internal/token"
)

// keysOf are shared secrets, in this order, with an id where it is given behind a slash.
func keysOf(t *testing.T, texts ...string) []*key.Key {
	t.Helper()
	var list []interface{}
	for _, text := range texts {
		secret, id, _ := strings.Cut(text, "/")
		entry := map[string]interface{}{"secret": strings.Repeat(secret, 40)}
		if id != "" {
			entry["id"] = id
		}
		list = append(list, entry)
	}
	report := &option.Report{}
	entries := key.Read(option.Open(report, "", map[string]interface{}{"keys": list}))
	key.Open(entries, report)
	keys, complete := key.Ready(entries)
	if !complete || len(keys) != len(texts) {
		t.Fatal(report.String())
	}
	return keys
}

func TestDue(t *testing.T) {
	const now = 1764115200
	const week = 7 * 24 * 3600
	for _, test := range []struct {
		name    string
		options map[string]interface{}
		keys    []string
		signs   int    // which of the keys
		claims  string // with single quotes
		want    int64
	}{
		{"a week after it was issued", nil, []string{"a"}, 0, `{'sub':'x','iat':1764000000}`, 1764000000 + week},
		{"with an id of the key", nil, []string{"a/k1"}, 0, `{'sub':'x','iat':1764000000}`, 1764000000 + week},
		{"a minute after it was issued where it is of the second secret", nil, []string{"b", "a"}, 1, `{'sub':'x','iat':1764000000}`, 1764000060},
		{"long since where it does not say when it was issued", nil, []string{"a"}, 0, `{'sub':'x'}`, week},
		{"not where it ends", nil, []string{"a"}, 0, `{'sub':'x','iat':1764000000,'exp':1800000000}`, 0},
		{"not where it begins", nil, []string{"a"}, 0, `{'sub':'x','iat':1764000000,'nbf':1764000000}`, 0},
		{"not where it says more", nil, []string{"b", "a"}, 1, `{'sub':'x','iat':1764000000,'name':'Ada'}`, 0},
		{"not where it says more than once", nil, []string{"a"}, 0, `{'sub':'x','iat':1764000000,'email':null}`, 0},
		{"where it has the issuer that is asked for", map[string]interface{}{"issuer": "me"}, []string{"a"}, 0, `{'sub':'x','iat':1764000000,'iss':'me'}`, 1764000000 + week},
		{"not where nobody asks for an issuer", nil, []string{"a"}, 0, `{'sub':'x','iat':1764000000,'iss':'me'}`, 0},
		{"where it has the audience that is asked for", map[string]interface{}{"audience": []interface{}{"one", "two"}}, []string{"a"}, 0, `{'sub':'x','iat':1764000000,'aud':'one'}`, 1764000000 + week},
		{"not for an audience that we would not write", map[string]interface{}{"audience": []interface{}{"one", "two"}}, []string{"a"}, 0, `{'sub':'x','iat':1764000000,'aud':'two'}`, 0},
		{"not for several", map[string]interface{}{"audience": "one"}, []string{"a"}, 0, `{'sub':'x','iat':1764000000,'aud':['one','three']}`, 0},
		{"where another claim is the subject", map[string]interface{}{"token": map[string]interface{}{"subject": "device"}}, []string{"a"}, 0, `{'device':'x','iat':1764000000}`, 1764000000 + week},
		{"not where the subject is another claim than we would write", map[string]interface{}{"token": map[string]interface{}{"subject": []interface{}{"device", "sub"}}}, []string{"a"}, 0, `{'sub':'x','iat':1764000000}`, 0},
	} {
		t.Run("it is due "+test.name, func(t *testing.T) {
			top := option.Open(&option.Report{}, "", test.options)
			rules := token.Read(top)
			token.ReadSubject(rules, top.Section("token"))
			keys := keysOf(t, test.keys...)
			signer := keys[test.signs]
			header := `{"alg":"HS256","typ":"JWT"}`
			if signer.ID != "" {
				header = `{"alg":"HS256","typ":"JWT","kid":"` + signer.ID + `"}`
			}
			text := encoded(header) + "." + encoded(strings.ReplaceAll(test.claims, "'", `"`))
			text += "." + key.Sign(signer, text)
			good, problem := token.Verify(text, keys, rules, now)
			if problem != "" {
				t.Fatal(problem)
			}
			settings := &Settings{Renew: 7 * 24 * time.Hour}
			if got := Due(settings, keys, rules, good, text); got != test.want {
				t.Errorf("got %d, want %d", got, test.want)
			}
			token.Digits(good) // as where a header names a claim
			if got := Due(settings, keys, rules, good, text); got != test.want {
				t.Errorf("once its digits were asked for: got %d, want %d", got, test.want)
			}
			if got := Due(&Settings{}, keys, rules, good, text); got != 0 {
				t.Errorf("where none is renewed: got %d", got)
			}
		})
	}
}

// TestTokenIsRenewable: what we make is what we make anew, whatever is asked of a token.
func TestTokenIsRenewable(t *testing.T) {
	const issued = 1764000000
	for name, options := range map[string]map[string]interface{}{
		"nothing is asked for": nil,
		"an issuer is":         {"issuer": "me"},
		"audiences are":        {"audience": []interface{}{"one", "two"}},
		"all of it is":         {"issuer": "me", "audience": "one", "maxAge": "8760h", "token": map[string]interface{}{"subject": "device"}},
	} {
		t.Run(name, func(t *testing.T) {
			top := option.Open(&option.Report{}, "", options)
			rules := token.Read(top)
			token.ReadSubject(rules, top.Section("token"))
			keys := keysOf(t, "a/k1", "b")
			text := Token(keys, rules, "x", issued)
			good, problem := token.Verify(text, keys, rules, issued+1)
			if problem != "" || good.Subject != "x" {
				t.Fatal(problem)
			}
			if got := Due(&Settings{Renew: time.Hour}, keys, rules, good, text); got != issued+3600 {
				t.Errorf("got %d, want %d", got, issued+3600)
			}
		})
	}
}

func encoded(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }
