package header

import (
	"net/http"
	"strings"
	"testing"

	"github.com/getportal/ptlauth/internal/option"
)

// TestStripMistakes holds entries of `strip` against what is said of them, and what is taken out by those that are good.
func TestStripMistakes(t *testing.T) {
	for _, test := range []struct {
		name, entry string
		problem     string   // that the report holds; empty: there is none
		gone        []string // names that are taken out
		stays       []string
	}{
		{"a name", "X-App-User", "", []string{"X-App-User", "X_App_User", "x.app--user"}, []string{"X-App-Users", "X-App"}},
		{"a family", "X-App-*", "", []string{"X-App-User", "X_app_anything", "X-App-A-B"}, []string{"X-App", "X-Apple"}},
		{"a family that ends within a word", "X-App*", "", []string{"X-App", "X-Apple", "X-App-User"}, []string{"X-Ap"}},
		{"a name in other spelling", "x_app_user", "", []string{"X-App-User"}, nil},
		{"a name that is taken out anyway", "Remote-User", "", []string{"Remote-User"}, nil},
		{"a usual name", "X-Real-Ip", "", []string{"X-Real-Ip"}, []string{"X-Forwarded-For"}},
		{"Authorization, which carries no token", "Authorization", "", []string{"Authorization"}, nil},
		{"to let a name through", "-Remote-User", "", []string{"Remote-Email", "Remote-Groups"}, []string{"Remote-User", "Remote_User"}},
		{"to let one of a family through", "-X-Webauth-User", "", []string{"X-Webauth-Role"}, []string{"X-Webauth-User"}},
		{"to let a family through", "-X-Webauth-*", "", []string{"X-Authentik-Name"}, []string{"X-Webauth-User", "X-Webauth-Role"}},
		{"to let through what is no family here", "-X-Auth-Request-*", "", []string{"X-Forwarded-User"}, []string{"X-Auth-Request-User", "X-Auth-Request-Email"}},
		{"to let a family through that ends within a word", "-X-Ms-Client-Principal*", "", nil, []string{"X-Ms-Client-Principal", "X-Ms-Client-Principal-Name"}},

		{"nothing but an asterisk", "*", "is not a header name", nil, nil},
		{"nothing but a minus sign", "-", "is not a header name", nil, nil},
		{"to let everything through", "-*", "is not a header name", nil, nil},
		{"an asterisk within", "X-*-User", "is not a header name", nil, nil},
		{"two asterisks", "X-App-**", "is not a header name", nil, nil},
		{"a blank within", "X-App User", "is not a header name", nil, nil},
		{"a colon", "X-App-User:", "is not a header name", nil, nil},
		{"letters that no header has", "X-Küche", "is not a header name", nil, nil},
		{"to let X-Ptl-User through", "-X-Ptl-User", "cannot be let through", nil, nil},
		{"in other spelling", "-x_ptl_user", "cannot be let through", nil, nil},
		{"to let all of X-Ptl through", "-X-Ptl-*", "cannot be let through", nil, nil},
		{"to let a family through that holds X-Ptl", "-X-*", "cannot be let through", nil, nil},
		{"to let through what is injected", "-X-Remote-User", "cannot be let through", nil, nil},
		{"to let through what says another path", "-X-Original-URL", "another path", nil, nil},
		{"to let through what nobody takes out", "-X-Own", "is not taken out anyway", nil, nil},
		{"a misspelt name", "-Remote-Usr", "is not taken out anyway", nil, nil},
		{"a family that nobody takes out", "-X-Own-*", "is not taken out anyway", nil, nil},
		{"the cookie", "Cookie", "is needed on the way", nil, nil},
		{"the host", "Host", "is needed on the way", nil, nil},
		{"the connection", "Connection", "is needed on the way", nil, nil},
		{"a WebSocket's key", "Sec-WebSocket-Key", "is needed on the way", nil, nil},
		{"what is for proxies", "Proxy-Authorization", "is needed on the way", nil, nil},
		{"what an origin is known by", "Origin", "is needed on the way", nil, nil},
		{"what a host is known by", "x_forwarded_host", "is needed on the way", nil, nil},
		{"a family that holds the cookie", "C*", "is needed on the way", nil, nil},
		{"a family that holds the origin's names", "Sec-*", "is needed on the way", nil, nil},
		{"a family that holds the forwarded host", "X-*", "is needed on the way", nil, nil},
		{"a family that holds what is for proxies", "Pro*", "is needed on the way", nil, nil},
		{"the token's header", "X-Token", "is what `token.header` names", nil, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			report := &option.Report{}
			top := option.Open(report, "", map[string]interface{}{"strip": []interface{}{test.entry}})
			strip := ReadStrip(top, Reading{Injected: []string{"X-Remote-User"}, Tokens: []string{"X-Token"}})
			if test.problem != "" {
				if n := len(report.Problems()); n != 1 || !strings.Contains(report.String(), test.problem) {
					t.Errorf("reported: %q, want %q", report.String(), test.problem)
				}
				return
			}
			if len(report.Problems()) > 0 {
				t.Fatalf("reported: %q", report.String())
			}
			guard := NewStripper(Names{Injected: []string{"X-Remote-User"}, Strip: strip, Tokens: []string{"X-Token"}})
			h := http.Header{}
			for _, name := range append(test.gone, test.stays...) {
				h[name] = []string{"1"}
			}
			Clean(guard, h)
			for _, name := range test.gone {
				if h[name] != nil {
					t.Errorf("%q is left", name)
				}
			}
			for _, name := range test.stays {
				if h[name] == nil {
					t.Errorf("%q is gone", name)
				}
			}
		})
	}
}

// FuzzStrip: whatever is written into `strip`, X-Ptl-* and what is injected are taken out, and what requests need stays.
func FuzzStrip(f *testing.F) {
	for _, entry := range []string{"-X-Ptl-User", "-X-*", "-x*", "X-*", "C*", "*", "-*", "-", "--", "-Remote-*", "Cookie", "-X_Ptl-*", "Sec-*"} {
		f.Add(entry)
	}
	f.Fuzz(func(t *testing.T, text string) {
		top := option.Open(&option.Report{}, "", map[string]interface{}{"strip": []interface{}{text}})
		strip := ReadStrip(top, Reading{Injected: []string{"X-Remote-User"}})
		guard := NewStripper(Names{Injected: []string{"X-Remote-User"}, Strip: strip})
		h := http.Header{"Cookie": {"1"}, "Origin": {"1"}, "X-Forwarded-Host": {"1"}, "X-Ptl-User": {"1"}, "X_ptl": {"1"}, "X-Remote-User": {"1"}, "X.Unusual": {"1"}}
		Clean(guard, h)
		for _, name := range []string{"X-Ptl-User", "X_ptl", "X-Remote-User"} {
			if h[name] != nil {
				t.Errorf("%q is left by %q", name, text)
			}
		}
		for _, name := range []string{"Cookie", "Origin", "X-Forwarded-Host"} {
			if h[name] == nil {
				t.Errorf("%q is gone by %q", name, text)
			}
		}
	})
}

// TestWhatCarriesTheToken holds the header that carries the token against other spellings of it.
func TestWhatCarriesTheToken(t *testing.T) {
	guard := NewStripper(Names{Strip: &Strip{}, Tokens: []string{"X-Forwarded-Access-Token"}})
	h := http.Header{"X-Forwarded-Access-Token": {"1"}, "X_forwarded_access_token": {"1"}, "X-Forwarded-User": {"1"}}
	Clean(guard, h)
	if len(h) != 1 || h["X-Forwarded-Access-Token"] == nil {
		t.Errorf("left are %v", h)
	}
}
