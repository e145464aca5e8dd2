package origin_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/getportal/ptlauth/internal/option"
	"github.com/getportal/ptlauth/internal/origin"
)

// guardOf is a guard as an operator configures it, and its problems.
func guardOf(options map[string]any) (*origin.Guard, string) {
	report := &option.Report{}
	guard := origin.Read(option.Open(report, "", options))
	return guard, told(report)
}

func trusting(t *testing.T, origins ...any) *origin.Guard {
	t.Helper()
	guard, problem := guardOf(map[string]any{"trustedOrigins": origins})
	if problem != "" {
		t.Fatal(problem)
	}
	return guard
}

// request is one to chat.example.com with such header lines.
func request(method string, lines ...string) *http.Request {
	r := httptest.NewRequest(method, "http://chat.example.com/", nil)
	for _, line := range lines {
		name, value, _ := strings.Cut(line, ": ")
		if name == "Host" {
			r.Host = value
			continue
		}
		r.Header.Add(name, value)
	}
	return r
}

const (
	sameOrigin = "Sec-Fetch-Site: same-origin"
	sameSite   = "Sec-Fetch-Site: same-site"
	crossSite  = "Sec-Fetch-Site: cross-site"
	byPerson   = "Sec-Fetch-Site: none"
	ownOrigin  = "Origin: https://chat.example.com"
	sibling    = "Origin: https://notes.example.com"
	iframe     = "Sec-Fetch-Dest: iframe"
)

var webSocket = []string{"Connection: Upgrade", "Upgrade: websocket"}

// TestAllows is of a guard that trusts nobody else.
func TestAllows(t *testing.T) {
	for _, test := range []struct {
		name, method string
		lines        []string
		want         bool
	}{
		{"a program that is no browser", "POST", nil, true},
		{"the app's own form", "POST", []string{sameOrigin, ownOrigin}, true},
		{"what a person asks of the browser itself", "POST", []string{byPerson}, true},
		{"a sibling app's form", "POST", []string{sameSite, sibling}, false},
		{"a stranger's form", "POST", []string{crossSite, "Origin: https://evil.example"}, false},
		{"a stranger's form without an origin", "POST", []string{crossSite}, false},
		{"a stranger's form that names the app's origin", "POST", []string{crossSite, ownOrigin}, false},
		{"a word that nobody knows", "POST", []string{"Sec-Fetch-Site: same-planet", ownOrigin}, false},
		{"the app's word in capitals, as no browser writes it", "POST", []string{"Sec-Fetch-Site: Same-Origin", ownOrigin}, false},
		{"an older browser's own form", "POST", []string{ownOrigin}, true},
		{"an older browser's form of a sibling app", "POST", []string{sibling}, false},
		{"an older browser's form of a sandboxed page", "POST", []string{"Origin: null"}, false},
		{"a form of a sandboxed page", "POST", []string{crossSite, "Origin: null"}, false},
		{"an empty origin", "POST", []string{"Origin: "}, false},
		{"two origins", "POST", []string{ownOrigin, ownOrigin}, false},
		{"PUT", "PUT", []string{sameSite}, false},
		{"PATCH", "PATCH", []string{sameSite}, false},
		{"DELETE", "DELETE", []string{sameSite}, false},
		{"a method that nobody knows", "FROBNICATE", []string{sameSite}, false},
		{"get is not GET", "get", []string{sameSite}, false},
		{"a link", "GET", []string{crossSite}, true},
		{"an image", "GET", []string{crossSite, "Sec-Fetch-Dest: image"}, true},
		{"HEAD", "HEAD", []string{crossSite}, true},
		{"OPTIONS", "OPTIONS", []string{crossSite, sibling}, true},
		{"the app's own WebSocket", "GET", append([]string{sameOrigin, ownOrigin}, webSocket...), true},
		{"a program's WebSocket", "GET", webSocket, true},
		{"a sibling app's WebSocket", "GET", append([]string{sibling}, webSocket...), false},
		{"a sibling app's WebSocket that says so", "GET", append([]string{sameSite, sibling}, webSocket...), false},
		{"a sandboxed page's WebSocket", "GET", append([]string{"Origin: null"}, webSocket...), false},
		{"another upgrade is no WebSocket", "GET", []string{sibling, "Connection: Upgrade", "Upgrade: h2c"}, true},
		{"the app's own frame", "GET", []string{sameOrigin, iframe}, true},
		{"a sibling app's frame", "GET", []string{sameSite, iframe, "Referer: https://notes.example.com/"}, false},
		{"a frame that a person opens anew", "GET", []string{byPerson, iframe}, true},
		{"a frame of which nothing else is known", "GET", []string{iframe}, true},
		{"a frame by HEAD", "HEAD", []string{sameSite, iframe}, false},
		{"a frameset's frame", "GET", []string{sameSite, "Sec-Fetch-Dest: frame"}, false},
		{"an embed", "GET", []string{crossSite, "Sec-Fetch-Dest: embed"}, false},
		{"an object", "GET", []string{crossSite, "Sec-Fetch-Dest: object"}, false},
		{"a fenced frame", "GET", []string{crossSite, "Sec-Fetch-Dest: fencedframe"}, false},
		{"a document is no frame", "GET", []string{crossSite, "Sec-Fetch-Dest: document"}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			guard, _ := guardOf(nil)
			if got := origin.Allows(guard, request(test.method, test.lines...)); got != test.want {
				t.Errorf("it is %t, want %t", got, test.want)
			}
			off, _ := guardOf(map[string]any{"crossOriginProtection": "false"})
			if !origin.Allows(off, request(test.method, test.lines...)) {
				t.Error("it is refused though the protection is off")
			}
		})
	}
}

func TestAllowsTrusted(t *testing.T) {
	for _, test := range []struct {
		name  string
		lines []string
		want  bool
	}{
		{"a trusted origin's form", []string{sameSite, sibling}, true},
		{"another one's", []string{sameSite, "Origin: https://evil.example"}, false},
		{"a trusted one of two origins", []string{crossSite, sibling, "Origin: https://evil.example"}, false},
		{"a trusted page that a form came from, whose origin is hidden", []string{crossSite, "Origin: null", "Referer: https://notes.example.com/"}, false},
		{"a trusted page's frame, which has no origin", []string{sameSite, iframe, "Referer: https://notes.example.com/a?b"}, true},
		{"another page's frame", []string{sameSite, iframe, "Referer: https://notes.example.com.evil.example/"}, false},
		{"a frame whose page names a user", []string{sameSite, iframe, "Referer: https://notes.example.com@evil.example/"}, false},
		{"a frame whose page is not said", []string{sameSite, iframe}, false},
		{"a frame whose page has a broken escape", []string{sameSite, iframe, "Referer: https://%zz/"}, false},
		{"a frame whose page is no address", []string{sameSite, iframe, "Referer: notes.example.com"}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := origin.Allows(trusting(t, "https://notes.example.com"), request("POST", test.lines...)); got != test.want {
				t.Errorf("it is %t, want %t", got, test.want)
			}
		})
	}
}

func TestIsTrusted(t *testing.T) {
	for _, test := range []struct {
		name, trusted, origin string
		want                  bool
	}{
		{"the same", "https://a.example", "https://a.example", true},
		{"in capitals", "HTTPS://A.Example", "https://a.example", true},
		{"in capitals, as no browser writes it", "https://a.example", "HTTPS://A.EXAMPLE", true},
		{"the scheme's own port in the option", "https://a.example:443", "https://a.example", true},
		{"the scheme's own port in the origin", "https://a.example", "https://a.example:443", true},
		{"the other scheme's port", "https://a.example", "https://a.example:80", false},
		{"http's own port", "http://a.example:80", "http://a.example", true},
		{"another scheme", "https://a.example", "http://a.example", false},
		{"another port", "https://a.example", "https://a.example:8443", false},
		{"the same port", "https://a.example:8443", "https://a.example:8443", true},
		{"a port with zeros in front in the option", "https://a.example:08443", "https://a.example:8443", true},
		{"a name that begins like it", "https://a.example", "https://a.example.evil.example", false},
		{"a name that ends like it", "https://a.example", "https://evila.example", false},
		{"a name below it", "https://a.example", "https://b.a.example", false},
		{"a path behind", "https://a.example", "https://a.example/", false},
		{"a dot behind is another name", "https://a.example", "https://a.example.", false},
		{"nothing", "https://a.example", "", false},
		{"null, which is not listed", "https://a.example", "null", false},
		{"null, which is", "null", "null", true},
		{"files", "file://", "file://", true},
		{"an app's own scheme", "capacitor://localhost", "capacitor://localhost", true},
		{"IPv4", "http://192.168.1.2:8080", "http://192.168.1.2:8080", true},
		{"IPv6", "http://[fd00::1]", "http://[fd00::1]", true},
		{"IPv6 in capitals", "http://[FD00::1]:80", "http://[fd00::1]", true},
		{"another IPv6 address", "http://[fd00::1]", "http://[fd00::2]", false},
		{"a wildcard", "https://*.a.example", "https://b.a.example", true},
		{"a wildcard with the scheme's own port", "https://*.a.example", "https://b.a.example:443", true},
		{"a wildcard with a port", "https://*.a.example:8443", "https://b.a.example:8443", true},
		{"a wildcard with another port", "https://*.a.example", "https://b.a.example:8443", false},
		{"a wildcard with another scheme", "https://*.a.example", "http://b.a.example", false},
		{"a wildcard is not the name itself", "https://*.a.example", "https://a.example", false},
		{"a wildcard is one label", "https://*.a.example", "https://c.b.a.example", false},
		{"a wildcard is some label", "https://*.a.example", "https://.a.example", false},
		{"a wildcard is no asterisk", "https://*.a.example", "https://*.b.a.example", false},
		{"a wildcard is no user", "https://*.a.example", "https://evil@b.a.example", false},
		{"a wildcard is no path", "https://*.a.example", "https://evil.example/b.a.example", false},
		{"a wildcard is not long", "https://*.a.example", "https://" + strings.Repeat("b", 320) + ".a.example", false},
		{"a wildcard ends where it says", "https://*.a.example", "https://b.a.example.evil.example", false},
		{"the longest host", "https://" + strings.Repeat("a", 261), "https://" + strings.Repeat("a", 261), true},
		{"a wildcard at home", "http://*.local", "http://nas.local", true},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := origin.IsTrusted(trusting(t, test.trusted), test.origin); got != test.want {
				t.Errorf("it is %t, want %t", got, test.want)
			}
		})
	}
	t.Run("nobody is trusted by default", func(t *testing.T) {
		guard, _ := guardOf(nil)
		if origin.IsTrusted(guard, "https://a.example") || origin.IsTrusted(guard, "") || origin.IsTrusted(guard, "null") {
			t.Error("somebody is")
		}
	})
}

func TestIsOwn(t *testing.T) {
	for _, test := range []struct {
		name, origin string
		lines        []string
		want         bool
	}{
		{"the same host", "http://chat.example.com", nil, true},
		{"behind a proxy that ends TLS", "https://chat.example.com", nil, true},
		{"in capitals", "https://CHAT.example.com", []string{"Host: chat.Example.com"}, true},
		{"the scheme's own port in the origin", "https://chat.example.com:443", nil, true},
		{"the scheme's own port in the host", "https://chat.example.com", []string{"Host: chat.example.com:443"}, true},
		{"the other scheme's port in the host", "https://chat.example.com", []string{"Host: chat.example.com:80"}, false},
		{"the same port", "http://chat.example.com:8080", []string{"Host: chat.example.com:8080"}, true},
		{"another port", "http://chat.example.com:8080", nil, false},
		{"no port", "http://chat.example.com", []string{"Host: chat.example.com:8080"}, false},
		{"a sibling", "https://notes.example.com", nil, false},
		{"a name that begins like it", "https://chat.example.com.evil.example", nil, false},
		{"a name that ends like it", "https://evilchat.example.com", nil, false},
		{"null", "null", nil, false},
		{"nothing", "", nil, false},
		{"no scheme", "chat.example.com", nil, false},
		{"a broken escape", "https://%zz", nil, false},
		{"a user", "https://evil@chat.example.com", nil, false},
		{"a path", "https://chat.example.com/", nil, false},
		{"IPv4", "http://192.168.1.2:8080", []string{"Host: 192.168.1.2:8080"}, true},
		{"IPv6", "http://[fd00::1]:8080", []string{"Host: [fd00::1]:8080"}, true},
		{"IPv6 and the scheme's own port", "http://[fd00::1]", []string{"Host: [FD00::1]:80"}, true},
		{"another IPv6 address", "http://[fd00::2]", []string{"Host: [fd00::1]"}, false},
		{"the host that a proxy in front was asked for", "https://a.example", []string{"X-Forwarded-Host: a.example"}, true},
		{"not the one that it asks", "https://chat.example.com", []string{"X-Forwarded-Host: a.example"}, false},
		{"a host that is none", "https://chat.example.com", []string{"Host: chat.example.com/x"}, false},
		{"what is long", "https://" + strings.Repeat("a", 320), []string{"Host: " + strings.Repeat("a", 320)}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := origin.IsOwn(request("POST", test.lines...), test.origin); got != test.want {
				t.Errorf("it is %t, want %t", got, test.want)
			}
		})
	}
}

func TestMistakesInTrustedOrigins(t *testing.T) {
	const (
		none     = "is not an origin"
		ipv4     = "an IPv4 address that browsers write otherwise"
		ipv6     = "an IPv6 address that browsers write otherwise"
		asterisk = "an asterisk that is not the whole first label"
		port     = "a port that is not between 1 and 65535"
		strange  = "a host that cannot be one"
	)
	for _, test := range []struct{ name, entry, problem string }{
		{"an origin", "https://a.example", ""},
		{"a host alone", "a.example", none},
		{"a slash behind", "https://a.example/", none},
		{"a path", "https://a.example/b", none},
		{"a query", "https://a.example?b", none},
		{"a fragment", "https://a.example#b", none},
		{"a user", "https://u@a.example", none},
		{"no host", "https://", none},
		{"a port of letters", "https://a.example:http", none},
		{"every origin", "*", "by which every page could act"},
		{"every host", "https://*", asterisk},
		{"an asterisk in a label", "https://a*.example.com", asterisk},
		{"an asterisk in the middle", "https://a.*.example", asterisk},
		{"two asterisks", "https://*.*.example", asterisk},
		{"everybody under com", "https://*.com", "strangers' pages"},
		{"everybody at home", "https://*.home", ""},
		{"port 0", "https://a.example:0", port},
		{"port 1", "https://a.example:1", ""},
		{"port 65536", "https://a.example:65536", port},
		{"port 65535", "https://a.example:65535", ""},
		{"a WebSocket's address", "wss://a.example", "no page's origin"},
		{"letters that are sent encoded", "https://bücher.example", "xn--"},
		{"letters that are encoded", "https://xn--bcher-kva.example", ""},
		{"a dot in front", "https://.example.com", strange},
		{"two dots", "https://a..example.com", strange},
		{"a space", "https://a b.example", strange},
		{"IPv4", "https://192.168.1.2", ""},
		{"IPv4 with zeros in front", "https://192.168.001.002", ipv4},
		{"IPv4 as one number", "https://3232235778", ipv4},
		{"IPv4 of three numbers", "https://192.168.1", ipv4},
		{"IPv4 of five", "https://192.168.1.2.3", ipv4},
		{"IPv4 with an asterisk", "https://*.168.1.2", ipv4},
		{"IPv6", "https://[fd00::1]", ""},
		{"IPv6 written out", "https://[fd00:0:0:0:0:0:0:1]", ipv6},
		{"IPv6 that is none", "https://[fd00:::1]", ipv6},
		{"IPv6 without brackets", "https://fd00::1", none},
		{"what is long", "https://" + strings.Repeat("a.", 200) + "example", none},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, problem := guardOf(map[string]any{"trustedOrigins": []any{test.entry, "https://good.example"}})
			if (problem == "") != (test.problem == "") || !strings.Contains(problem, test.problem) {
				t.Errorf("the problem is %q, want %q", problem, test.problem)
			}
		})
	}
}

func TestRestrict(t *testing.T) {
	for _, test := range []struct {
		name    string
		options map[string]any
		before  []string
		want    []string
	}{
		{"the app's own pages alone", nil, nil, []string{"frame-ancestors 'self'"}},
		{"and those of trusted origins", map[string]any{"trustedOrigins": "https://A.example:443, https://*.b.example"}, nil, []string{"frame-ancestors 'self' https://a.example https://*.b.example"}},
		{"but of none that has no host", map[string]any{"trustedOrigins": "null,file://"}, nil, []string{"frame-ancestors 'self'"}},
		{"beside what is there", nil, []string{"default-src 'self'"}, []string{"default-src 'self'", "frame-ancestors 'self'"}},
		{"nobody is kept out without the protection", map[string]any{"crossOriginProtection": false}, nil, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			guard, problem := guardOf(test.options)
			if problem != "" {
				t.Fatal(problem)
			}
			h := http.Header{}
			if test.before != nil {
				h["Content-Security-Policy"] = test.before
			}
			origin.Restrict(guard, h)
			if got := h["Content-Security-Policy"]; strings.Join(got, "|") != strings.Join(test.want, "|") {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

// told are all problems, as they stand in the log.
func told(report *option.Report) string {
	if len(report.Problems()) == 0 {
		return ""
	}
	return report.String()
}
