package pairing

import (
	"strings"
	"testing"
)

func TestNext(t *testing.T) {
	alone := &Settings{Path: "/.ptl/"}
	shared := &Settings{Path: "/.ptl/", Domain: "example.com", Host: "auth.example.com"}
	for _, test := range []struct {
		name     string
		settings *Settings
		text     string
		want     string
	}{
		{"a page of the same origin", alone, "/notes/today?a=b#c", "/notes/today?a=b#c"},
		{"one beside the own paths", alone, "../notes", "../notes"},
		{"the first one", alone, "/", "/"},
		{"an address in a query is data", alone, "/go?to=https://evil.example", "/go?to=https://evil.example"},
		{"another site", alone, "https://evil.example/", ""},
		{"another site of whatever scheme", alone, "//evil.example/", ""},
		{"three slashes, which browsers take for two", alone, "///evil.example/", ""},
		{"a backslash, which browsers take for a slash", alone, `/\evil.example/`, ""},
		{"a tabulator, which browsers drop", alone, "/\t/evil.example/", ""},
		{"a line break", alone, "/a\r\nSet-Cookie: a=b", ""},
		{"a blank before it", alone, " //evil.example/", ""},
		{"a script", alone, "javascript:alert(1)", ""},
		{"a scheme without a host", alone, "https:evil.example", ""},
		{"one that goes by its scheme", alone, "https:/evil.example", ""},
		{"nothing", alone, "", ""},
		{"an app below the domain", shared, "https://chat.example.com/a?b=c", "https://chat.example.com/a?b=c"},
		{"one on another port", shared, "https://chat.example.com:8443/", "https://chat.example.com:8443/"},
		{"the domain itself", shared, "https://example.com/", "https://example.com/"},
		{"in capital letters", shared, "HTTPS://CHAT.EXAMPLE.COM/", "https://CHAT.EXAMPLE.COM/"},
		{"one that only ends alike", shared, "https://evilexample.com/", ""},
		{"one that only begins alike", shared, "https://example.com.evil.example/", ""},
		{"one with a visitor's name before it", shared, "https://chat.example.com@evil.example/", ""},
		{"a name before the right host", shared, "https://a:b@chat.example.com/", ""},
		{"another scheme", shared, "ftp://chat.example.com/", ""},
		{"no scheme", shared, "//chat.example.com/", ""},
		{"from https to http", shared, "http://chat.example.com/", ""},
		{"where there is no domain, a host beside", alone, "https://chat.example.com/", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := Next(test.settings, ask("auth.example.com", "X-Forwarded-Proto: https"), test.text); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
	t.Run("on a LAN all speak http", func(t *testing.T) {
		if got := Next(&Settings{Domain: "box.lan", Host: "auth.box.lan"}, ask("auth.box.lan"), "http://chat.box.lan/"); got == "" {
			t.Error("it leads nowhere")
		}
	})
}

func TestHome(t *testing.T) {
	for _, test := range []struct {
		name     string
		settings *Settings
		want     string // from the page of this device
	}{
		{"where the own paths are by default", &Settings{Path: "/.ptl/"}, "/notes/"},
		{"where they are deeper", &Settings{Path: "/own/ptl/"}, "/notes/"},
		{"a host without an app has none", &Settings{Path: "/.ptl/", Domain: "example.com", Host: "pair.example.com"}, ""},
	} {
		home := Home(test.settings)
		if home == "" && test.want == "" {
			continue
		}
		// A proxy in front has taken /notes away.
		at, err := ask("app.example.com").URL.Parse("/notes" + test.settings.Path + home)
		if err != nil || at.Path != test.want {
			t.Errorf("%s: %q leads to %q", test.name, home, at)
		}
	}
}

func FuzzNext(f *testing.F) {
	for _, text := range []string{"/a", "//b", `/\c`, "https://chat.example.com", "?x", "#y", "/a//b:c@d"} {
		f.Add(text)
	}
	r := ask("auth.example.com", "X-Forwarded-Proto: https")
	s := &Settings{Path: "/.ptl/", Domain: "example.com", Host: "auth.example.com"}
	f.Fuzz(func(t *testing.T, text string) {
		next := Next(s, r, text)
		if next == "" {
			return
		}
		to, err := r.URL.Parse(next)
		if err != nil {
			t.Fatalf("%q is no address", next)
		}
		if to.Host != r.URL.Host && !isBelow(strings.ToLower(to.Hostname()), "example.com") {
			t.Errorf("%q leads to %q", text, to.Host)
		}
	})
}
