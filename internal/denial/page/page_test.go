package page

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// names are all pages.
var names = []Name{
	Refused, Unpaired, Nobody, Forbidden, NoApp, Method, TooManyHeaders, NotReady,
	Pair, Confirm, Wrong, Slow, NotKept, Device, LeaveAsk, Left, Deleted,
}

// TestLanguages: whatever one language says, every other one says too, with the same places to fill.
func TestLanguages(t *testing.T) {
	places := regexp.MustCompile(`\{\w+\}`)
	reference := speak("en")
	for tag := range sources {
		t.Run(tag, func(t *testing.T) {
			said := speak(tag)
			if said["tag"] != tag || len(said) != len(reference) {
				t.Errorf("it is called %q, and says %d texts, where English says %d", said["tag"], len(said), len(reference))
			}
			for key, english := range reference {
				text := said[key]
				if (text == "") != (english == "") {
					t.Errorf("%s is %q, where English says %q", key, text, english)
				}
				found, wanted := places.FindAllString(text, -1), places.FindAllString(english, -1)
				slices.Sort(found)
				slices.Sort(wanted)
				if !slices.Equal(found, wanted) {
					t.Errorf("%s has %q to fill, where English has %q", key, found, wanted)
				}
			}
			for _, name := range names {
				if said[string(name)+".title"] == "" {
					t.Errorf("%s has no title", name)
				}
			}
		})
	}
}

func TestChoose(t *testing.T) {
	for _, test := range []struct {
		name, accepted, want string
	}{
		{"who says nothing is spoken to in English", "", "en"},
		{"who wants none of ours too", "nl, sv;q=0.5", "en"},
		{"English", "en-US,en;q=0.9", "en"},
		{"German", "de-AT,de;q=0.9,en;q=0.8", "de"},
		{"the one that is wanted most", "en;q=0.5, fr;q=0.9, es;q=0.7", "fr"},
		{"the first of ours", "nl,es;q=0.8,en;q=0.5", "es"},
		{"what is not wanted is not spoken", "de;q=0, fr;q=0.1", "fr"},
		{"capital letters", "DE", "de"},
		{"quality that is no number is none", "en;q=much", "en"},
		{"a flood of languages", strings.Repeat("x,", 100000), "en"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := choose([]string{test.accepted})["tag"]; got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}

// shapes are what changes what stands on a page.
var shapes = map[string]Data{
	"that knows nothing":                 {},
	"with a field for a code":            {Base: "/.ptl/", HasForm: true, Next: "/board?a=1"},
	"in another app":                     {Base: "/.ptl/", HasForm: true, InApp: "Instagram"},
	"in an app without a name":           {HasForm: true, InApp: OtherApp, Code: "7K2P9XQRWT"},
	"that leads to where one pairs":      {Base: "/.ptl/", PairURL: "https://pair.example.com/.ptl/pair?next=%2F"},
	"with a planted cookie, on a LAN":    {Base: "/.ptl/", HasForm: true, Locked: true},
	"with a planted cookie":              {Base: "/.ptl/", HasForm: true, Locked: true, Secure: true},
	"of a device that is paired":         {Terminal: "kitchen tablet", User: "you@example.com", Since: 1764115200, Paired: "old phone", Next: "/board", Browser: "Chrome on Android"},
	"with somebody to ask":               {Contact: "Ada, next door"},
	"with an address to write to":        {Contact: "ada@example.com"},
	"with an address to look at":         {Contact: "https://help.example.com/?a=1&b=2"},
	"whose texts from outside do escape": {Host: hostile, Browser: hostile, InApp: hostile, Terminal: hostile, User: hostile, Paired: hostile, Code: hostile, Next: hostile, Base: hostile, HasForm: true, Contact: hostile},
	"that leads to nowhere safe":         {PairURL: hostile, Next: "javascript:alert(1)", Contact: "javascript:alert(1)"},
}

const hostile = `"'><script>alert(1)</script><img src=//evil.example onerror=alert(1)>{user}{code}&amp;`

// written is a page as a browser gets it.
func written(t *testing.T, method, language string, name Name, d *Data) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(method, "/", nil)
	r.Header.Set("Accept-Language", language)
	w := httptest.NewRecorder()
	Write(w, r, http.StatusTeapot, name, d)
	if w.Code != http.StatusTeapot {
		t.Errorf("the status is %d", w.Code)
	}
	return w
}

// TestWrite: every page in every language and shape is well-formed, and holds nothing from elsewhere that a browser would
// fetch, run or take for markup.
func TestWrite(t *testing.T) {
	for tag := range sources {
		for _, name := range names {
			for shape, data := range shapes {
				t.Run(tag+"/"+string(name)+"/a page "+shape, func(t *testing.T) {
					w := written(t, "GET", tag, name, &data)
					if got := w.Header().Get("Content-Language"); got != tag {
						t.Errorf("it is in %q", got)
					}
					check(t, w.Body.String())
				})
			}
		}
	}
}

func FuzzWrite(f *testing.F) {
	f.Add("{host}", hostile, "/.ptl/", uint8(3))
	f.Add("https://\"onclick=x", "a@b'><svg/onload=x>", "//evil.example/", uint8(9))
	f.Fuzz(func(t *testing.T, a, b, path string, which uint8) {
		name := names[int(which)%len(names)]
		d := &Data{Host: a, Browser: b, InApp: a, Terminal: b, User: a, Paired: b, Code: a, Next: b, Base: path, HasForm: which%2 == 0, PairURL: a, Contact: b, Locked: true, Secure: true, Since: int64(which)}
		check(t, written(t, "GET", "", name, d).Body.String())
	})
}

func TestHeaders(t *testing.T) {
	for _, method := range []string{"GET", "HEAD", "POST"} {
		w := written(t, method, "de", Pair, &Data{})
		h := w.Header()
		for name, want := range map[string]string{
			"Content-Type": "text/html; charset=utf-8", "Cache-Control": "no-store", "Vary": "Accept-Language",
			"Referrer-Policy": "same-origin", "X-Content-Type-Options": "nosniff", "Content-Language": "de",
		} {
			if got := h.Get(name); got != want {
				t.Errorf("%s is %q, want %q", name, got, want)
			}
		}
		csp := h.Get("Content-Security-Policy")
		for _, part := range []string{"default-src 'none'", "form-action 'self'", "frame-ancestors 'none'", "base-uri 'none'"} {
			if !strings.Contains(csp, part) {
				t.Errorf("%s is not in %q", part, csp)
			}
		}
		if strings.Contains(csp, "unsafe") || strings.Contains(csp, "//") {
			t.Errorf("it lets in too much: %q", csp)
		}
		if (w.Body.Len() == 0) != (method == "HEAD") {
			t.Errorf("%s has a body of %d bytes", method, w.Body.Len())
		}
	}
}

var (
	markup    = regexp.MustCompile(`<(/?)([a-z0-9]+)((?: [a-zA-Z-]+(?:="[^"<>]*")?)*)(/?)>|<!doctype html>`)
	attribute = regexp.MustCompile(` ([a-z-]+)="([^"]*)"`)
	// void are the elements without an end (HTML §13.1.2).
	void = map[string]bool{"meta": true, "link": true, "input": true, "path": true}
	// leads are the attributes that lead somewhere.
	leads = map[string]bool{"href": true, "src": true, "action": true, "formaction": true}
)

// check wants elements that are closed in their order, nothing that looks like markup and is none, and nothing that is
// fetched or run but the style and the script that the policy names.
func check(t *testing.T, text string) {
	t.Helper()
	if !strings.HasPrefix(text, "<!doctype html>\n<html lang=") {
		t.Errorf("it begins with %.40q", text)
	}
	text = strings.Replace(text, "<style>"+style+"</style>", "", 1)
	text = strings.Replace(text, "<script>"+script+"</script>", "", 1)
	var open []string
	for _, tag := range markup.FindAllStringSubmatch(text, -1) {
		name := tag[2]
		switch {
		case name == "" || void[name]:
		case name == "script" || name == "style" || name == "img" || name == "iframe":
			t.Errorf("there is %q", tag[0])
		case tag[1] == "":
			open = append(open, name)
		case len(open) == 0 || open[len(open)-1] != name:
			t.Errorf("%q ends what does not end there: %q", tag[0], open)
		default:
			open = open[:len(open)-1]
		}
		for _, a := range attribute.FindAllStringSubmatch(tag[3], -1) {
			checkAttribute(t, name, a[1], a[2])
		}
	}
	if rest := markup.ReplaceAllString(text, ""); len(open) > 0 || strings.ContainsAny(rest, "<>") {
		t.Errorf("it is not well-formed: %q is open in %q", open, rest)
	}
}

func checkAttribute(t *testing.T, element, name, value string) {
	t.Helper()
	isLink := element == "a" && (strings.HasPrefix(value, "https://") || strings.HasPrefix(value, "http://") || strings.HasPrefix(value, "mailto:"))
	isHere := !strings.HasPrefix(value, "//") && !strings.HasPrefix(value, `/\`) && (!strings.Contains(value, ":") || strings.HasPrefix(value, "/") || strings.HasPrefix(value, "./"))
	if leads[name] && !isLink && !isHere && value != "data:," || strings.HasPrefix(name, "on") || name == "style" {
		t.Errorf("%s has %s=%q", element, name, value)
	}
}
