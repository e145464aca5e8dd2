package pairing

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/getportal/ptlauth/internal/extractor"
)

// ask is a request to that host with those header lines.
func ask(host string, lines ...string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/.ptl/out", nil)
	r.Host = host
	for _, line := range lines {
		name, value, _ := strings.Cut(line, ": ")
		r.Header.Add(name, value)
	}
	return r
}

func TestSet(t *testing.T) {
	const kept = "authorization=TOKEN; Path=/; Max-Age=34560000; HttpOnly; SameSite=Lax"
	for _, test := range []struct {
		name, cookie, domain string
		request              *http.Request
		want                 []string
	}{
		{"on a LAN without TLS it is sent over http", "authorization", "", ask("box.lan", "Origin: http://box.lan"), []string{kept}},
		{"a page over https has it sent over https alone", "authorization", "", ask("chat.example.com", "Origin: https://chat.example.com"), []string{kept + "; Secure"}},
		{"so it is where a proxy in front has ended TLS", "authorization", "", ask("chat.example.com", "X-Forwarded-Proto: https"), []string{kept + "; Secure"}},
		{"also where the proxy does not say so, but the browser does", "authorization", "", ask("chat.example.com", "Sec-Fetch-Mode: navigate", "X-Forwarded-Proto: http"), []string{kept + "; Secure"}},
		{"a browser says the same of its own machine without TLS", "authorization", "", ask("localhost:8080", "Sec-Fetch-Mode: navigate"), []string{kept}},
		{"by its number too", "authorization", "", ask("[::1]:8080", "Sec-Fetch-Mode: navigate"), []string{kept}},
		{"what the page's origin says comes first", "authorization", "", ask("chat.example.com", "Origin: http://chat.example.com", "X-Forwarded-Proto: https"), []string{kept}},
		{"a name that asks for https gets it", "__Host-authorization", "", ask("box.lan", "Origin: http://box.lan"), []string{"__Host-" + kept + "; Secure"}},
		{"for a whole domain it names it", "authorization", "example.com", ask("auth.example.com", "Origin: https://auth.example.com"), []string{"authorization=; Path=/; Max-Age=0", kept + "; Domain=example.com; Secure"}},
		{
			"where one was there for another domain, that one goes, for two would come along", "authorization", "", ask("chat.example.com", "Origin: https://chat.example.com", "Cookie: a=b; authorization=old"),
			[]string{"authorization=; Path=/; Max-Age=0; Domain=chat.example.com", "authorization=; Path=/; Max-Age=0; Domain=example.com", kept + "; Secure"},
		},
		{
			"and the host's own with it, where it is set for another one", "authorization", "example.com", ask("auth.example.com", "Origin: https://auth.example.com", "Cookie: authorization=old"),
			[]string{"authorization=; Path=/; Max-Age=0; Domain=auth.example.com", "authorization=; Path=/; Max-Age=0", kept + "; Domain=example.com; Secure"},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := httptest.NewRecorder()
			settings := &Settings{Domain: test.domain}
			Set(w, test.request, settings, extractor.Named(test.cookie), "TOKEN")
			want(t, w.Header()["Set-Cookie"], test.want)
		})
	}
}

func TestReplaceLeavesOthersAlone(t *testing.T) {
	w := httptest.NewRecorder()
	Replace(w, ask("chat.example.com", "Cookie: authorization=old"), &Settings{}, extractor.Named("authorization"), "TOKEN")
	want(t, w.Header()["Set-Cookie"], []string{"authorization=TOKEN; Path=/; Max-Age=34560000; HttpOnly; SameSite=Lax"})
}

func TestDelete(t *testing.T) {
	const gone = "authorization=; Path=/; Max-Age=0"
	for _, test := range []struct {
		name, cookie, domain, host string
		want                       []string
	}{
		{"the host's own, and those of its domains, but not of all of .com", "authorization", "", "chat.example.com:8443", []string{gone, gone + "; Domain=chat.example.com", gone + "; Domain=example.com"}},
		{"an address has no domains", "authorization", "", "192.168.1.20:8080", []string{gone}},
		{"nor has a number of six", "authorization", "", "[fd00::1]:8080", []string{gone}},
		{"nor a name without dots", "authorization", "", "localhost", []string{gone}},
		{"a __Host- cookie is the host's alone", "__Host-a", "", "chat.example.com", []string{"__Host-a=; Path=/; Max-Age=0; Secure"}},
		{"the domain is among the parents", "authorization", "example.com", "auth.example.com", []string{gone, gone + "; Domain=auth.example.com", gone + "; Domain=example.com"}},
		{"of a very long name not all parents are tried", "authorization", "i.j", "a.b.c.d.e.f.g.h.i.j", []string{
			gone, gone + "; Domain=a.b.c.d.e.f.g.h.i.j", gone + "; Domain=b.c.d.e.f.g.h.i.j", gone + "; Domain=c.d.e.f.g.h.i.j",
			gone + "; Domain=d.e.f.g.h.i.j", gone + "; Domain=e.f.g.h.i.j", gone + "; Domain=i.j",
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := httptest.NewRecorder()
			Delete(w, ask(test.host), &Settings{Domain: test.domain}, extractor.Named(test.cookie))
			want(t, w.Header()["Set-Cookie"], test.want)
		})
	}
}

func TestDeleteAll(t *testing.T) {
	forms := func(path string) []string {
		gone := "authorization=; Path=" + path + "; Max-Age=0"
		return []string{gone, gone + "; Domain=box.lan"}
	}
	all := func(paths ...string) []string {
		var lines []string
		for _, path := range paths {
			lines = append(lines, forms(path)...)
		}
		return lines
	}
	for _, test := range []struct {
		name, referer string
		want          []string
	}{
		{"for every path above the page that it was asked from", "https://box.lan/notes/today?x=/y/z", all("/", "/notes", "/notes/", "/.ptl", "/.ptl/", "/notes/today", "/.ptl/out")},
		{"for its own paths where no page is named", "", all("/", "/.ptl", "/.ptl/", "/.ptl/out")},
		{"a path that no cookie can have is left out", "https://box.lan/a;b/c", all("/", "/.ptl", "/.ptl/", "/.ptl/out")},
		{"nor has what is no address any path", "%zz", all("/", "/.ptl", "/.ptl/", "/.ptl/out")},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := httptest.NewRecorder()
			DeleteAll(w, ask("box.lan", "Referer: "+test.referer), extractor.Named("authorization"))
			want(t, w.Header()["Set-Cookie"], test.want)
		})
	}
	t.Run("a deep page makes no more headers than a proxy takes", func(t *testing.T) {
		w := httptest.NewRecorder()
		DeleteAll(w, ask("box.lan", "Referer: https://box.lan"+strings.Repeat("/a", 500)), extractor.Named("authorization"))
		lines := w.Header()["Set-Cookie"]
		if size := len(strings.Join(lines, "Set-Cookie: \r\n")); len(lines) != maxForms || size > 4<<10 {
			t.Errorf("%d lines of %d bytes", len(lines), size)
		}
	})
}

func want(t *testing.T, got, want []string) {
	t.Helper()
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
}
