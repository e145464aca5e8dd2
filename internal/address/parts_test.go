package address_test

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/getportal/ptlauth/internal/address"
)

func TestScheme(t *testing.T) {
	for _, test := range []struct {
		name  string
		proto []string
		tls   bool
		want  string
	}{
		{"plain", nil, false, "http"},
		{"over TLS", nil, true, "https"},
		{"a proxy's word", []string{"https"}, false, "https"},
		{"a proxy's word over TLS", []string{"http"}, true, "http"},
		{"in capitals", []string{"HTTPS"}, false, "https"},
		{"a WebSocket", []string{"ws"}, true, "http"},
		{"a WebSocket over TLS", []string{"wss"}, false, "https"},
		{"of several the outermost one's", []string{" https , http"}, false, "https"},
		{"of several lines the first", []string{"http", "https"}, false, "http"},
		{"empty", []string{""}, true, "https"},
		{"what is no scheme", []string{"javascript"}, false, "http"},
		{"no line", []string{}, false, "http"},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := &http.Request{Header: http.Header{"X-Forwarded-Proto": test.proto}}
			if test.tls {
				r.TLS = &tls.ConnectionState{}
			}
			if got := address.Scheme(r); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestHost(t *testing.T) {
	for _, test := range []struct {
		name, host, forwarded, scheme, want string
	}{
		{"as it came", "a.example", "", "http", "a.example"},
		{"its case is kept", "A.example", "", "http", "A.example"},
		{"less http's port", "a:80", "", "http", "a"},
		{"less https's port", "a:443", "", "https", "a"},
		{"not less the other's", "a:80", "", "https", "a:80"},
		{"not less one that ends like it", "a:8080", "", "http", "a:8080"},
		{"IPv6", "[::1]", "", "http", "[::1]"},
		{"IPv6 less its port", "[::1]:443", "", "https", "[::1]"},
		{"the one that a proxy was asked for", "b", "a.example", "http", "a.example"},
		{"the outermost proxy's", "b", "a:443 , c", "https", "a"},
		{"not one that is none", "b", "a/c", "http", "b"},
		{"not one with a user", "b", "u@a", "http", "b"},
		{"none", "", "", "http", ""},
		{"one that is none", "a b", "", "http", ""},
		{"one that is not ASCII", "bücher.example", "", "http", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := &http.Request{Host: test.host, Header: http.Header{}}
			if test.forwarded != "" {
				r.Header.Set("X-Forwarded-Host", test.forwarded)
			}
			if got := address.Host(r, test.scheme); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestIsHost(t *testing.T) {
	for text, want := range map[string]bool{
		"a": true, "a.example:8080": true, "[::1]:80": true, "a_b": true, "A-1": true, strings.Repeat("a", 261): true,
		"": false, "a/b": false, "a@b": false, "a b": false, "a%2f": false, "a?b": false, "a#b": false, "a\\b": false, "ä": false, "a\x00": false, strings.Repeat("a", 262): false,
	} {
		if got := address.IsHost(text); got != want {
			t.Errorf("%.40q is %t, want %t", text, got, want)
		}
	}
}

func TestPath(t *testing.T) {
	for _, test := range []struct {
		name, target string
		prefixes     []string
		want         string
	}{
		{"as it came", "/a/b", nil, "/a/b"},
		{"escaped as it came", "/a%2Fb%20c", nil, "/a%2Fb%20c"},
		{"a query is no part of it", "/a?b=/c", nil, "/a"},
		{"none", "", nil, "/"},
		{"a prefix", "/b", []string{"/a"}, "/a/b"},
		{"a prefix with a slash behind", "/b", []string{"/a/"}, "/a/b"},
		{"two", "/c", []string{"/a", "/b"}, "/a/b/c"},
		{"two on a line", "/c", []string{"/a, /b"}, "/a/b/c"},
		{"one that is decoded", "/b", []string{"/ä"}, "/%C3%A4/b"},
		{"one with a question mark", "/b", []string{"/a?x"}, "/a%3Fx/b"},
		{"one that is none", "/b", []string{"a"}, "/b"},
		{"an empty one", "/b", []string{""}, "/b"},
		{"a slash alone", "/b", []string{"/"}, "/b"},
		{"a long one", "/b", []string{"/" + strings.Repeat("a", 2000)}, "/b"},
		{"all of the server", "*", nil, ""},
		{"no path", "a:b", nil, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			u, err := url.Parse(test.target)
			if err != nil {
				t.Fatal(err)
			}
			r := &http.Request{URL: u, Header: http.Header{}}
			if test.prefixes != nil {
				r.Header["X-Forwarded-Prefix"] = test.prefixes
			}
			if got := address.Path(r); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestPortIsNotBelieved(t *testing.T) {
	r := httptest.NewRequest("GET", "http://a.example/", nil)
	r.Header.Set("X-Forwarded-Port", "8443")
	if got := address.Page(r); got != "http://a.example/" {
		t.Errorf("got %q", got)
	}
}

func TestWithoutPort(t *testing.T) {
	for _, test := range []struct{ host, scheme, want string }{
		{"a:443", "https", "a"}, {"a:80", "https", "a:80"}, {"a:80", "http", "a"}, {"a:443", "http", "a:443"}, {"a:1443", "https", "a:1443"},
		{"a", "https", "a"}, {"", "http", ""}, {"[::1]:443", "https", "[::1]"}, {"[::443]", "https", "[::443]"}, {"http://a:80", "http", "http://a"},
	} {
		if got := address.WithoutPort(test.host, test.scheme); got != test.want {
			t.Errorf("%s of %s is %q, want %q", test.host, test.scheme, got, test.want)
		}
	}
}
