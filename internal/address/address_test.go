package address_test

import (
	"bufio"
	"crypto/tls"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/getportal/ptlauth/internal/address"
)

func TestPage(t *testing.T) {
	for _, test := range []struct {
		name, target, host string
		tls                bool
		header             http.Header
		want               string
	}{
		{"as it came", "/a?b=c", "chat.example.com", false, nil, "http://chat.example.com/a?b=c"},
		{"over TLS", "/", "chat.example.com:443", true, nil, "https://chat.example.com/"},
		{"an absolute target", "http://notes.example.com/a", "chat.example.com", false, nil, "http://notes.example.com/a"},
		{"an address for a host", "/", "[::1]:8080", false, nil, "http://[::1]:8080/"},
		{"a WebSocket's scheme", "/", "a", false, http.Header{"X-Forwarded-Proto": {"wss"}}, "https://a/"},
		{"the outermost proxy's words", "/", "a", false, http.Header{"X-Forwarded-Proto": {" HTTPS , http"}, "X-Forwarded-Host": {"b:443 , a"}}, "https://b/"},
		{"a scheme that is none", "/", "a", true, http.Header{"X-Forwarded-Proto": {"javascript"}}, "https://a/"},
		{"a host that is none", "/", "a", false, http.Header{"X-Forwarded-Host": {"b/c"}}, "http://a/"},
		{"a prefix on several lines", "/d", "a", false, http.Header{"X-Forwarded-Prefix": {"/b/", "/c"}}, "http://a/b/c/d"},
		{"a prefix on one line", "/d", "a", false, http.Header{"X-Forwarded-Prefix": {"/b, /c d"}}, "http://a/b/c%20d/d"},
		{"a prefix that is none", "/d", "a", false, http.Header{"X-Forwarded-Prefix": {"@evil.example"}}, "http://a/d"},
		{"no host", "/", "", false, nil, ""},
		{"a host with a path", "/", "a%2Fb", false, nil, ""},
		{"a target that is no path", "x:admin", "a", false, nil, ""},
		{"all of them", "*", "a", false, nil, ""},
		{"a long query", "/a?" + strings.Repeat("b", 2000), "a", false, nil, "http://a/a"},
		{"a long path", "/" + strings.Repeat("b", 2000), "a", false, nil, "http://a/"},
		{"a long prefix", "/b", "a", false, http.Header{"X-Forwarded-Prefix": {"/" + strings.Repeat("c", 2000)}}, "http://a/b"},
	} {
		t.Run(test.name, func(t *testing.T) {
			r, err := http.ReadRequest(bufio.NewReader(strings.NewReader("GET " + test.target + " HTTP/1.1\r\nHost: " + test.host + "\r\n\r\n")))
			if err != nil {
				t.Fatal(err)
			}
			for name, values := range test.header {
				r.Header[name] = values
			}
			if test.tls {
				r.TLS = &tls.ConnectionState{}
			}
			if got := address.Page(r); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

// FuzzPage holds a page to the host that was asked for, whatever else comes.
func FuzzPage(f *testing.F) {
	f.Add("GET /a?b HTTP/1.1\r\nHost: a.example:80\r\nX-Forwarded-Prefix: /b, //evil.example\r\n\r\n")
	f.Add("GET x:@evil.example HTTP/1.1\r\nHost: a\r\nX-Forwarded-Host: a@evil.example\r\n\r\n")
	f.Add("GET http://a%5B%22@b:c/%0a HTTP/1.1\r\nHost: [\r\nX-Forwarded-Proto: ws,\r\n\r\n")
	f.Fuzz(func(t *testing.T, text string) {
		r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(text)))
		if err != nil {
			t.Skip()
		}
		page := address.Page(r)
		if page == "" {
			return
		}
		host := address.Host(r, address.Scheme(r))
		rest, ok := strings.CutPrefix(page, address.Scheme(r)+"://"+host+"/")
		if !ok || !address.IsHost(host) || len(rest) > 4*2000+1 || strings.ContainsAny(page, "\r\n\x00") {
			t.Errorf("%q of %q at %q", page, text, host)
		}
		parsed, err := url.Parse(page)
		if err == nil && parsed.Host != host {
			t.Errorf("%q leads to %q, and %q was asked for", page, parsed.Host, host)
		}
	})
}
