package carrier

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// others are the cookies of a line that are not called name, each as it stands between two semicolons.
func others(line, name string) []string {
	var kept []string
	for _, part := range strings.Split(line, ";") {
		key, _, ok := strings.Cut(part, "=")
		if ok && strings.Trim(key, " \t") == name {
			continue
		}
		if part = strings.Trim(part, " \t"); part != "" {
			kept = append(kept, part)
		}
	}
	return kept
}

// FuzzCut: no cookie of the name is left in a Cookie line, and every other one is there byte for byte, in order.
func FuzzCut(f *testing.F) {
	for _, line := range []string{
		"authorization=eyJhbGciOi.x.y", "a=1; authorization=eyJhbGciOi.x.y", "authorization=eyJhbGciOi.x.y; b=2",
		"a=1; authorization=eyJhbGciOi.x.y; b=2", `a="1; authorization=x; b"`, "authorization=a;authorization=b", "authorization =x; ;;",
		"xauthorization=1; authorization", "authorization=authorization=x", "; authorization=;", "a=authorization=1", "\tauthorization\t=\t\"x\"",
		"authorization=eyJhbGciOi.x.y ; b", "authorization =eyJhbGciOi.x.y; authorization=eyJhbGciOi.x.z", "authorization=eyJhbGciOi.x.y; ", "authorization=eyJhbGciOi.x.y;b",
	} {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		const name = "authorization"
		_, rest := Cut(line, name)
		if got, want := others(rest, name), others(line, name); !slices.Equal(got, want) {
			t.Errorf("of %q is left %q: %q, want %q", line, rest, got, want)
		}
		if values, _ := Cut(rest, name); len(values) > 0 {
			t.Errorf("of %q is left %q with %q", line, rest, values)
		}
		c := &Carriers{Cookie: name, assign: "; " + name + "="}
		found := Glance(c, []string{line})
		if found == nil {
			return
		}
		values, rest := Cut(line, name)
		if len(values) != 1 || values[0] != found.Sole {
			t.Errorf("at a glance %q holds %q, at a closer look %q", line, found.Sole, values)
		}
		if got, want := others(strings.Join(Rest(found), ""), name), others(rest, name); !slices.Equal(got, want) {
			t.Errorf("at a glance %q leaves %q, at a closer look %q", line, Rest(found), rest)
		}
	})
}

// FuzzQuery: no parameter of the name is left, and every other one is there byte for byte, in order.
func FuzzQuery(f *testing.F) {
	for _, query := range []string{"token=x", "a=1&token=x&b=2", "a=1;token=x", "%74oken=x&a", "token", "token=a&token=b", "&&token=;", "a=%zz&token=%zz"} {
		f.Add(query)
	}
	f.Fuzz(func(t *testing.T, query string) {
		split := func(query string) []string {
			var kept []string
			for _, part := range strings.FieldsFunc(query, func(r rune) bool { return r == '&' || r == ';' }) {
				key, _, _ := strings.Cut(part, "=")
				if key, err := url.QueryUnescape(key); err != nil || key != "token" {
					kept = append(kept, part)
				}
			}
			return kept
		}
		_, rest := cutQuery(query, "token")
		if got, want := split(rest), split(query); !slices.Equal(got, want) {
			t.Errorf("of %q is left %q", query, rest)
		}
		if values, _ := cutQuery(rest, "token"); len(values) > 0 {
			t.Errorf("of %q is left %q", query, rest)
		}
	})
}

func TestRemoveLeavesNothingBehind(t *testing.T) {
	r := httptest.NewRequest(http.MethodGet, "/a?token=q&x=1", nil)
	r.Header.Add("Cookie", "a=1; session=c")
	r.Header.Add("Cookie", "session=d")
	r.Header["Authorization"] = []string{"Bearer h", "Basic kept"}
	r.Header.Set("Referer", "https://app.test/?token=q#part")
	c := &Carriers{Cookie: "session", Header: "Authorization", Query: "token"}
	found := Find(c, r)
	var tokens []string
	for _, candidate := range found.Candidates {
		tokens = append(tokens, candidate.Token)
	}
	if want := []string{"h", "c", "d", "q"}; !slices.Equal(tokens, want) {
		t.Errorf("found %q, want %q", tokens, want)
	}
	Remove(c, r)
	for name, want := range map[string]string{"Cookie": "a=1", "Authorization": "Basic kept", "Referer": "https://app.test/#part"} {
		if got := strings.Join(r.Header[name], "|"); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if r.URL.RawQuery != "x=1" || r.RequestURI != "/a?x=1" {
		t.Errorf("the query is %q, the target %q", r.URL.RawQuery, r.RequestURI)
	}
}
