package authn_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v4"

	"github.com/getportal/ptlauth/internal/authn"
	"github.com/getportal/ptlauth/internal/cache"
	"github.com/getportal/ptlauth/internal/extractor"
	"github.com/getportal/ptlauth/internal/option"
	"github.com/getportal/ptlauth/internal/policy"
	"github.com/getportal/ptlauth/internal/snapshot"
)

const (
	secret  = "0123456789abcdef0123456789abcdef0123456789abcdef"
	another = "fedcba9876543210fedcba9876543210fedcba9876543210"
)

func sign(t *testing.T, with string, claims jwt.MapClaims) string {
	t.Helper()
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(with))
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// world is a policy for a phone and a tablet, and what there is at its start.
func world(t *testing.T, secretFile string, options map[string]interface{}) (*policy.Policy, *snapshot.Snapshot) {
	t.Helper()
	all := map[string]interface{}{"secretFile": secretFile, "terminals": map[string]interface{}{"paired": []interface{}{
		map[string]interface{}{"id": "phone"}, map[string]interface{}{"id": "tablet"},
	}}}
	for name, value := range options {
		all[name] = value
	}
	report := &option.Report{}
	p := policy.Read(all, report)
	policy.Open(p, report)
	if len(report.Problems()) > 0 {
		t.Fatal(report)
	}
	keeper := snapshot.NewKeeper(t.Name(), &snapshot.Sources{Keys: p.Keys, Terminals: p.Terminals, Refresh: p.Refresh}, &cache.Cache{},
		func(*snapshot.Snapshot) snapshot.Need { return snapshot.Nothing })
	snapshot.Begin(keeper)
	return p, snapshot.Now(keeper)
}

func TestIdentify(t *testing.T) {
	phone, tablet := sign(t, secret, jwt.MapClaims{"sub": "phone"}), sign(t, secret, jwt.MapClaims{"sub": "tablet"})
	stranger, forged := sign(t, secret, jwt.MapClaims{"sub": "stranger"}), sign(t, another, jwt.MapClaims{"sub": "phone"})
	expired := sign(t, secret, jwt.MapClaims{"sub": "phone", "exp": 1})
	byHeader := map[string]interface{}{"token": map[string]interface{}{"header": "Authorization"}}
	role := map[string]interface{}{"require": map[string]interface{}{"role": "admin"}}
	for _, test := range []struct {
		name      string
		options   map[string]interface{}
		request   string // the method
		header    http.Header
		status    int
		terminal  string
		errorCode string
	}{
		{"a good token is its terminal's", nil, "GET", http.Header{"Cookie": {"authorization=" + phone}}, 200, "phone", ""},
		{"without a token nothing is named", nil, "GET", http.Header{}, 401, "", ""},
		{"a forged one is bad", nil, "GET", http.Header{"Cookie": {"authorization=" + forged}}, 401, "", "invalid_token"},
		{"an expired one is bad", nil, "GET", http.Header{"Cookie": {"authorization=" + expired}}, 401, "", "invalid_token"},
		{"a terminal that is not paired is refused", nil, "GET", http.Header{"Cookie": {"authorization=" + stranger}}, 401, "", "invalid_token"},
		{"a bad one beside a good one does no harm", nil, "GET", http.Header{"Cookie": {"authorization=" + forged + "; authorization=" + phone}}, 200, "phone", ""},
		{"good ones of two terminals are refused", nil, "GET", http.Header{"Cookie": {"authorization=" + tablet + "; authorization=" + phone}}, 401, "", "invalid_token"},
		{"five are too many", nil, "GET", http.Header{"Cookie": {strings.Repeat("authorization="+phone+"; ", 5)}}, 401, "", "invalid_token"},
		{"what is required is asked for", role, "GET", http.Header{"Cookie": {"authorization=" + phone}}, 403, "", "insufficient_scope"},
		{"another origin's page may not use the cookie", nil, "POST", http.Header{"Cookie": {"authorization=" + phone}, "Sec-Fetch-Site": {"same-site"}}, 403, "", ""},
		{"but a header is nobody's by accident", byHeader, "POST", http.Header{"Authorization": {"Bearer " + phone}, "Sec-Fetch-Site": {"same-site"}}, 200, "phone", ""},
		{"a cookie beside the header does not take that away", byHeader, "POST", http.Header{
			"Authorization": {"Bearer " + phone}, "Cookie": {"authorization=" + phone}, "Sec-Fetch-Site": {"same-site"},
		}, 200, "phone", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "secret")
			if err := os.WriteFile(path, []byte(secret), 0o600); err != nil {
				t.Fatal(err)
			}
			p, current := world(t, path, test.options)
			r := httptest.NewRequest(test.request, "http://chat.example.com/", nil)
			r.Header = test.header
			got := authn.Identify(p, current, r, extractor.Find(p.Locations, r))
			if got.Status != test.status || got.ErrorCode != test.errorCode || (got.LogReason == "") != (test.status == 200) {
				t.Errorf("got %d %q, because %q", got.Status, got.ErrorCode, got.LogReason)
			}
			if test.terminal != "" && (got.Terminal == nil || got.Terminal.ID != test.terminal) {
				t.Errorf("it is taken for %+v", got.Terminal)
			}
		})
	}
	t.Run("where a key cannot be read yet, nobody can be told apart", func(t *testing.T) {
		p, current := world(t, filepath.Join(t.TempDir(), "missing"), nil)
		r := httptest.NewRequest(http.MethodGet, "http://chat.example.com/", nil)
		r.Header.Set("Cookie", "authorization="+phone)
		if got := authn.Identify(p, current, r, extractor.Find(p.Locations, r)); got.Status != http.StatusServiceUnavailable {
			t.Errorf("got %d", got.Status)
		}
	})
}
