package people

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/getportal/ptlauth/internal/denial/page"
)

// gallery is each page, with as much on it as there can be.
var gallery = []struct {
	file string
	name page.Name
	data page.Data
}{
	{"refused", page.Refused, page.Data{Base: "/.ptl/", HasForm: true, Next: "/board"}},
	{"refused-other-app", page.Refused, page.Data{Base: "/.ptl/", HasForm: true, InApp: "Instagram", Contact: "Ada, next door"}},
	{"refused-elsewhere", page.Refused, page.Data{Base: "/.ptl/", PairURL: "https://pair.example.com/.ptl/pair"}},
	{"refused-locked", page.Refused, page.Data{Base: "/.ptl/", HasForm: true, Locked: true, Secure: true}},
	{"refused-without-pairing", page.Refused, page.Data{Contact: "https://help.example.com/"}},
	{"unpaired", page.Unpaired, page.Data{Base: "/.ptl/", HasForm: true, Contact: "ada@example.com"}},
	{"nobody", page.Nobody, page.Data{Base: "/.ptl/", HasForm: true}},
	{"forbidden", page.Forbidden, page.Data{}},
	{"no-app", page.NoApp, page.Data{}},
	{"method", page.Method, page.Data{}},
	{"too-many-headers", page.TooManyHeaders, page.Data{}},
	{"not-ready", page.NotReady, page.Data{}},
	{"pair", page.Pair, page.Data{HasForm: true, Paired: "old phone"}},
	{"pair-other-app", page.Pair, page.Data{HasForm: true, InApp: page.InApp("Mozilla/5.0 (Linux; Android 13; wv) AppleWebKit/537.36 Chrome/120 Mobile")}},
	{"confirm", page.Confirm, page.Data{HasForm: true, Code: "7K2P9XQRWT", Paired: "old phone", Next: "/board"}},
	{"wrong", page.Wrong, page.Data{HasForm: true}},
	{"slow", page.Slow, page.Data{HasForm: true}},
	{"not-kept", page.NotKept, page.Data{HasForm: true, Locked: true, Secure: true}},
	{"device", page.Device, page.Data{Since: 1764115200, Next: "/board", Paired: "old phone"}},
	{"leave-ask", page.LeaveAsk, page.Data{}},
	{"left", page.Left, page.Data{}},
	{"deleted", page.Deleted, page.Data{}},
}

// TestPages looks at each page in each language, as wide as a watch, a phone and a screen, in light and dark.
func TestPages(t *testing.T) {
	if testing.Short() {
		t.Skip("starts Chromium")
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, shown := range gallery {
			if r.URL.Path == "/"+shown.file {
				data := shown.data
				data.Host, data.Browser = "chat.example.com", "Chrome on Android"
				data.Terminal, data.User = "kitchen tablet", "you@example.com"
				if r.URL.RawQuery == "long" {
					data.Host = strings.Repeat("a-very-long-name-of-a-host.", 6) + "example.com"
					data.Terminal, data.User = strings.Repeat("Donaudampfschifffahrt", 6), strings.Repeat("w", 100)+"@example.com"
					data.Paired, data.Contact = strings.Repeat("W", 120), strings.Repeat("x", 200)
				}
				page.Write(w, r, http.StatusOK, shown.name, &data)
				return
			}
		}
		http.NotFound(w, r)
	}))
	t.Cleanup(server.Close)
	at, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	titles := map[string]string{}
	for _, language := range []string{"en", "de", "fr", "es"} {
		t.Run(language, func(t *testing.T) {
			p := newProfile(t)
			p.languages = language
			w := p.open(t, &site{}, at.Host)
			for _, shown := range gallery {
				w.visit("http://chat.example.com/" + shown.file)
				if got := w.value("document.documentElement.lang"); got != language {
					t.Errorf("%s is in %s", shown.file, got)
				}
				title := w.value("document.title")
				if other, ok := titles[title+string(shown.name)]; ok && other != language {
					t.Errorf("%s is called %q in %s as well", shown.file, title, other)
				}
				titles[title+string(shown.name)] = language
				if outside := w.value("performance.getEntriesByType('resource').length"); outside != "0" {
					t.Errorf("%s loads %s resources", shown.file, outside)
				}
				w.looks(language + "-" + shown.file)
				w.visit("http://chat.example.com/" + shown.file + "?long")
				w.fits(shown.file + " with long names")
			}
		})
	}
}
