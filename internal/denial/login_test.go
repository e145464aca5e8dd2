package denial_test

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/getportal/ptlauth/internal/denial"
	"github.com/getportal/ptlauth/internal/option"
)

// loginOf is `loginURL` as an operator configures it, and its problems.
func loginOf(text any) (*denial.Login, string) {
	report := &option.Report{}
	login := denial.ReadLogin(option.Open(report, "", map[string]any{"loginURL": text}))
	return login, told(report)
}

func TestReadLogin(t *testing.T) {
	const (
		foreign = "the only one here is {url}"
		none    = "is not an address"
	)
	for _, test := range []struct{ name, text, problem string }{
		{"an address", "https://login.example.com/?next={url}", ""},
		{"one with a port", "http://login.example.com:8080/login", ""},
		{"a path", "/login?next={url}", ""},
		{"white space around it", " /login\n", ""},
		{"a fragment", "https://login.example.com/#/login", ""},
		{"a query with a dollar and a colon that are no placeholders", "https://login.example.com/?price=$5&at=10:30", ""},
		{"a name without a scheme", "login.example.com", none},
		{"another host's path", "//login.example.com/", none},
		{"another scheme", "javascript:alert(1)", none},
		{"another one with a host", "ftp://login.example.com/", none},
		{"no host", "https:///login", none},
		{"a placeholder alone", "{url}", none},
		{"a broken escape", "https://login.example.com/%zz", none},
		{"a placeholder in capitals", "/login?next={URL}", foreign},
		{"double braces", "/login?next={{url}}", foreign},
		{"another's name", "/login?next={host}", foreign},
		{"a shell's", "/login?next=$url", foreign},
		{"compose's", "/login?next=${url}", foreign},
		{"nginx's", "/login?next=$request_uri", foreign},
		{"a manual's", "/login?next=<url>", foreign},
		{"brackets", "/login?next=[url]", foreign},
		{"Windows'", "/login?next=%url%", foreign},
		{"a router's", "/login/:url", foreign},
		{"C's", "/login?next=%s", foreign},
	} {
		t.Run(test.name, func(t *testing.T) {
			login, problem := loginOf(test.text)
			if (problem == "") != (test.problem == "") || !strings.Contains(problem, test.problem) {
				t.Errorf("the problem is %q, want %q", problem, test.problem)
			}
			if (login == nil) != (problem != "") {
				t.Errorf("there is a login page, %v, and a problem, %q", login, problem)
			}
		})
	}
	for _, absent := range []any{nil, "", " "} {
		if login, problem := loginOf(absent); login != nil || problem != "" {
			t.Errorf("%q is %v, %q", absent, login, problem)
		}
	}
}

// request is a person's for an address, whose browser also says something.
func request(method, address string, more http.Header) *http.Request {
	r := httptest.NewRequest(method, address, nil)
	r.Header = person.Clone()
	for name, values := range more {
		r.Header[name] = values
	}
	if strings.HasPrefix(address, "https:") {
		r.TLS = &tls.ConnectionState{}
	}
	return r
}

func TestLocation(t *testing.T) {
	const room = "https://chat.example.com/room?a=1&b=%2F"
	to := func(wanted string) string { return "https://login.example.com/?next=" + url.QueryEscape(wanted) }
	for _, test := range []struct {
		name, method, address string
		more                  http.Header
		want                  string // empty: it is answered here
	}{
		{"a page that is wanted", "GET", room, nil, to(room)},
		{"by HEAD too", "HEAD", room, nil, to(room)},
		{"the scheme's own port is left out", "GET", "https://chat.example.com:443/", nil, to("https://chat.example.com/")},
		{"another port is not", "GET", "http://chat.example.com:8080/", nil, to("http://chat.example.com:8080/")},
		{"a page of its own", "GET", room, http.Header{"Sec-Fetch-Dest": {"document"}}, to(room)},
		{"an address in the query stays in it", "GET", "https://chat.example.com/?next=https://evil.example/&x=y", nil, to("https://chat.example.com/?next=https://evil.example/&x=y")},
		{"a placeholder in the address is not filled in", "GET", "https://chat.example.com/{url}", nil, to("https://chat.example.com/%7Burl%7D")},
		{"a form is answered here, since it would be lost", "POST", room, nil, ""},
		{"so is any other method", "PUT", room, nil, ""},
		{"a frame, in which no login page shows", "GET", room, http.Header{"Sec-Fetch-Dest": {"iframe"}}, ""},
		{"a destination that is empty", "GET", room, http.Header{"Sec-Fetch-Dest": {"empty"}}, ""},
		{"what is fetched before anyone asks for it", "GET", room, http.Header{"Sec-Purpose": {"prefetch"}}, ""},
		{"the same as others say it", "GET", room, http.Header{"Purpose": {"prefetch"}}, ""},
		{"and as Firefox said it", "GET", room, http.Header{"X-Moz": {"prefetch"}}, ""},
		{"a program", "GET", room, http.Header{"Sec-Fetch-Mode": {"cors"}}, ""},
		{"a WebSocket", "GET", room, http.Header{"Upgrade": {"websocket"}}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			login, problem := loginOf("https://login.example.com/?next={url}")
			if problem != "" {
				t.Fatal(problem)
			}
			if got := denial.Location(login, request(test.method, test.address, test.more)); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
	t.Run("a host that no browser sends is sent nowhere", func(t *testing.T) {
		login, _ := loginOf("/login?next={url}")
		r := request("GET", "/", nil)
		r.Host = "chat.example.com/@evil.example"
		if got := denial.Location(login, r); got != "" {
			t.Errorf("got %q", got)
		}
	})
	t.Run("without a placeholder the wanted page is not named", func(t *testing.T) {
		login, _ := loginOf("/login")
		if got := denial.Location(login, request("GET", room, nil)); got != "/login" {
			t.Errorf("got %q", got)
		}
	})
}

// TestIsAt is of what would send a browser round and round.
func TestIsAt(t *testing.T) {
	for _, test := range []struct {
		name, login, address string
		more                 http.Header
		want                 bool
	}{
		{"the login page itself", "https://login.example.com/login", "https://login.example.com/login", nil, true},
		{"with a wanted page", "https://login.example.com/login?next={url}", "https://login.example.com/login?next=x", nil, true},
		{"with a slash behind", "https://login.example.com/login", "https://login.example.com/login/", nil, true},
		{"without the slash behind", "https://login.example.com/login/", "https://login.example.com/login", nil, true},
		{"without any path", "https://login.example.com", "https://login.example.com/", nil, true},
		{"with the scheme's own port", "https://login.example.com:443/", "https://login.example.com/", nil, true},
		{"in capitals", "https://Login.example.com/", "https://login.EXAMPLE.com/", nil, true},
		{"another port", "https://login.example.com:8443/", "https://login.example.com/", nil, false},
		{"another path", "https://login.example.com/login", "https://login.example.com/", nil, false},
		{"a path below", "https://login.example.com/login", "https://login.example.com/login/style.css", nil, false},
		{"the same path of another host", "https://login.example.com/login", "https://chat.example.com/login", nil, false},
		{"a path of whichever host is asked for", "/login", "https://chat.example.com/login", nil, true},
		{"another path of it", "/login", "https://chat.example.com/", nil, false},
		{"a path in another spelling is another one", "/login", "https://chat.example.com/LOGIN", nil, false},
		{"a path with an escape", "/log%20in", "https://chat.example.com/log%20in", nil, true},
		{"behind a proxy that changes the host", "https://login.example.com/", "http://traefik/", http.Header{"X-Forwarded-Host": {"login.example.com"}, "X-Forwarded-Proto": {"https"}}, true},
		{"behind stripPrefix", "/auth/login", "http://chat.example.com/login", http.Header{"X-Forwarded-Prefix": {"/auth"}}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			login, problem := loginOf(test.login)
			if problem != "" {
				t.Fatal(problem)
			}
			if got := denial.IsAt(login, request("GET", test.address, test.more)); got != test.want {
				t.Errorf("it is %t, want %t", got, test.want)
			}
		})
	}
}

func TestOwn(t *testing.T) {
	for _, test := range []struct{ name, login, own, path string }{
		{"a path is the app's own", "/login/?next={url}", "/login/?next=", "/login/"},
		{"an address is not", "https://chat.example.com/login", "", "/login"},
	} {
		t.Run(test.name, func(t *testing.T) {
			login, _ := loginOf(test.login)
			own := ""
			if u := denial.Own(login); u != nil {
				own = u.String()
			}
			if own != test.own || denial.Path(login) != test.path {
				t.Errorf("got %q and %q", own, denial.Path(login))
			}
		})
	}
}

func TestRedirect(t *testing.T) {
	w := httptest.NewRecorder()
	denial.Redirect(w, "https://login.example.com/?next=x")
	h := w.Header()
	if w.Code != http.StatusFound || h.Get("Location") != "https://login.example.com/?next=x" || h.Get("Cache-Control") != "no-store" || w.Body.Len() != 0 {
		t.Errorf("got %d, %v, %q", w.Code, h, w.Body)
	}
}

// FuzzLocation: whatever a client asks for, it is sent to the login page and nowhere else.
func FuzzLocation(f *testing.F) {
	f.Add("/room?a=1", "chat.example.com", "https", "/b")
	f.Add("//evil.example/", "a@evil.example", "javascript", "//evil.example, /c")
	f.Add("/{url}", "[::1]:80", "ws", "/\r\nSet-Cookie: x")
	login, problem := loginOf("https://login.example.com/in?next={url}")
	if problem != "" {
		f.Fatal(problem)
	}
	f.Fuzz(func(t *testing.T, target, host, proto, prefix string) {
		parsed, err := url.ParseRequestURI(target)
		if err != nil {
			t.Skip()
		}
		r := request("GET", "/", http.Header{"X-Forwarded-Proto": {proto}, "X-Forwarded-Host": {host}, "X-Forwarded-Prefix": {prefix}})
		r.URL = parsed
		location := denial.Location(login, r)
		if location == "" {
			return
		}
		to, err := url.Parse(location)
		if err != nil || to.Scheme != "https" || to.Host != "login.example.com" || to.Path != "/in" || len(to.Query()) != 1 || strings.ContainsAny(location, "\r\n") {
			t.Errorf("%q at %q is sent to %q", target, host, location)
		}
		next, err := url.Parse(to.Query().Get("next"))
		if err == nil && next.Scheme != "http" && next.Scheme != "https" {
			t.Errorf("%q at %q is to come back to %q", target, host, next)
		}
	})
}

// told are all problems, as they stand in the log.
func told(report *option.Report) string {
	if len(report.Problems()) == 0 {
		return ""
	}
	return report.String()
}
