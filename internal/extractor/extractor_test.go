package extractor

import (
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

// at makes carriers with those names, as Read would.
func at(cookie, header, query string) *Locations {
	c := &Locations{Cookie: cookie, Query: query}
	if header != "" {
		c.Headers = []Header{{Name: header, Explicit: header == authorization}}
	}
	if header == "" && query == "" {
		c.assign = "; " + cookie + "="
	}
	compile(c)
	return c
}

// others are the cookies of a line that are not called name, each as it stands between two semicolons; and the values of
// those that are, blanks around them left out.
func others(line, name string) ([]string, []string) {
	var kept, values []string
	for _, part := range strings.Split(line, ";") {
		key, value, ok := strings.Cut(part, "=")
		if ok && strings.Trim(key, " \t") == name {
			values = append(values, strings.Trim(value, " \t"))
			continue
		}
		if part = strings.Trim(part, " \t"); part != "" {
			kept = append(kept, part)
		}
	}
	return kept, values
}

// FuzzCut: what a parser finds that divides at semicolons is found; none of it is left in the Cookie line, and every other
// cookie is there byte for byte, in order.
func FuzzCut(f *testing.F) {
	for _, line := range []string{
		"authorization=eyJhbGciOi.x.y", "a=1; authorization=eyJhbGciOi.x.y", "authorization=eyJhbGciOi.x.y; b=2",
		"a=1; authorization=eyJhbGciOi.x.y; b=2", `a="1; authorization=x; b"`, "authorization=a;authorization=b", "authorization =x; ;;",
		"xauthorization=1; authorization", "authorization=authorization=x", "; authorization=;", "a=authorization=1", "\tauthorization\t=\t\"x\"",
		"authorization=eyJhbGciOi.x.y ; b", "authorization =eyJhbGciOi.x.y; authorization=eyJhbGciOi.x.z", "authorization=eyJhbGciOi.x.y; ", "authorization=eyJhbGciOi.x.y;b",
		strings.Repeat("xauthorization=1;", 40) + " authorization=x", "at=1;t=2; t =3", strings.Repeat("at=1;", 40) + "t=2;;t=3", "\x80;\xffauthorization=x",
	} {
		f.Add(line)
	}
	names := []*Locations{at("authorization", "", ""), at("t", "", ""), at("a.b", "", "")}
	f.Fuzz(func(t *testing.T, line string) {
		for _, c := range names {
			wantRest, wantValues := others(line, c.Cookie)
			values, rest, ok := Cut(c, line)
			if !ok {
				if len(wantValues) <= maxMentions && len(line) <= maxSearched {
					t.Errorf("%q is not searched, with %d cookies of the name", line, len(wantValues))
				}
				continue
			}
			if got, _ := others(rest, c.Cookie); !slices.Equal(got, wantRest) {
				t.Errorf("of %q is left %q: %q, want %q", line, rest, got, wantRest)
			}
			for i := range wantValues {
				wantValues[i] = unwrap(wantValues[i])
			}
			if !slices.Equal(values, wantValues) {
				t.Errorf("of %q come %q, want %q", line, values, wantValues)
			}
			if left, _, _ := Cut(c, rest); len(left) > 0 {
				t.Errorf("of %q is left %q with %q", line, rest, left)
			}
			found := FindFast(c, []string{line})
			if found == nil {
				continue
			}
			if len(values) != 1 || values[0] != found.Only {
				t.Errorf("at a glance %q holds %q, at a closer look %q", line, found.Only, values)
			}
			got, _ := others(strings.Join(CookieWithout(found), ""), c.Cookie)
			if want, _ := others(rest, c.Cookie); !slices.Equal(got, want) {
				t.Errorf("at a glance %q leaves %q, at a closer look %q", line, CookieWithout(found), rest)
			}
		}
	})
}

// params are a query's parameters that are not called token or have no value, each as it stands, and the values of the
// others.
func params(query string) ([]string, []string) {
	var kept, values []string
	for _, part := range strings.FieldsFunc(query, func(r rune) bool { return r == '&' || r == ';' }) {
		key, value, ok := strings.Cut(part, "=")
		if key, err := url.QueryUnescape(key); !ok || err != nil || key != "token" {
			kept = append(kept, part)
			continue
		}
		value, _ = url.QueryUnescape(value)
		values = append(values, value)
	}
	return kept, values
}

// FuzzQuery: what a parser finds is found; what must not reach the app is not left, and every other parameter is there
// byte for byte, in order.
func FuzzQuery(f *testing.F) {
	for _, query := range []string{
		"token=eyJ.x.y", "a=1&token=eyJ.x.y&b=2", "a=1;token=eyJ.x.y", "%74oken=eyJ.x.y&a", "token", "token=eyJ.a.&token=b", "&&token=;", "a=%zz&token=%zz",
		"tok%65n=eyJ..&t%6Fken=e%79J..", "token=eyJ..&token=eyJ..", "token=&token=eyJ..;token=x", "xtoken=eyJ..&tokens=eyJ..", "token=app-own&a",
	} {
		f.Add(query)
	}
	c := at("", "", "token")
	f.Fuzz(func(t *testing.T, query string) {
		r := &http.Request{Header: http.Header{}, URL: &url.URL{RawQuery: query}, RequestURI: "/a?" + query}
		wantRest, wantValues := params(query)
		found := Find(c, r)
		if found.Problem != "" {
			if len(wantValues) <= maxMentions && len(query) <= maxSearched {
				t.Errorf("%q is not searched, with %d parameters of the name", query, len(wantValues))
			}
			return
		}
		var values []string
		for _, candidate := range found.Tokens {
			values = append(values, candidate.Text)
		}
		if want := slices.DeleteFunc(slices.Clone(wantValues), func(v string) bool { return v == "" }); !slices.Equal(values, want) {
			t.Errorf("in %q is found %q, want %q", query, values, want)
		}
		Remove(c, r, found)
		left, leftValues := params(r.URL.RawQuery)
		if !slices.Equal(left, wantRest) {
			t.Errorf("of %q is left %q", query, r.URL.RawQuery)
		}
		if slices.ContainsFunc(leftValues, looksLikeJWT) {
			t.Errorf("of %q is left %q", query, r.URL.RawQuery)
		}
		if want := joined("/a", r.URL.RawQuery); r.RequestURI != want && query != r.URL.RawQuery {
			t.Errorf("of %q is left the target %q, want %q", query, r.RequestURI, want)
		}
	})
}

func TestRemoveLeavesNothingBehind(t *testing.T) {
	for _, test := range []struct {
		name string
		mark func(*Found)
		want map[string]string
	}{
		{"where nothing is good, whatever looks like a JWT goes", func(*Found) {},
			map[string]string{"Cookie": "a=1", "Authorization": "Bearer app-own|Basic kept", "Referer": "https://app.test/#part", "query": "x=1"}},
		{"where one is good, what is of another key stays", func(f *Found) { f.Tokens[2].Ours = true; f.Good = true },
			map[string]string{"Cookie": "a=1", "Authorization": "Bearer eyJh.x.y|Bearer app-own|Basic kept", "Referer": "https://app.test/?token=eyJq.x.y#part", "query": "token=eyJq.x.y&x=1"}},
		{"and what is of ours goes everywhere", func(f *Found) { f.Tokens[0].Ours = true; f.Tokens[4].Ours = true; f.Good = true },
			map[string]string{"Cookie": "a=1", "Authorization": "Bearer app-own|Basic kept", "Referer": "https://app.test/#part", "query": "x=1"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodGet, "/a?token=eyJq.x.y&x=1", nil)
			r.Header["Cookie"] = []string{"a=1; session=c", "session=d"}
			r.Header["Authorization"] = []string{"Bearer eyJh.x.y", "Bearer app-own", "Basic kept"}
			r.Header.Set("Referer", "https://app.test/?token=eyJq.x.y#part")
			c := at("session", "Authorization", "token")
			found := Find(c, r)
			var tokens []string
			for _, candidate := range found.Tokens {
				tokens = append(tokens, candidate.Text)
			}
			if want := []string{"eyJh.x.y", "app-own", "c", "d", "eyJq.x.y"}; !slices.Equal(tokens, want) {
				t.Errorf("found %q, want %q", tokens, want)
			}
			test.mark(found)
			Remove(c, r, found)
			for _, name := range []string{"Cookie", "Authorization", "Referer"} {
				if got := strings.Join(r.Header[name], "|"); got != test.want[name] {
					t.Errorf("%s is %q, want %q", name, got, test.want[name])
				}
			}
			if want := test.want["query"]; r.URL.RawQuery != want || r.RequestURI != "/a?"+want {
				t.Errorf("the query is %q, the target %q, want %q", r.URL.RawQuery, r.RequestURI, want)
			}
		})
	}
}

func TestUnwrap(t *testing.T) {
	for _, test := range []struct{ name, value string }{
		{"bare", "eyJ.x.y"},
		{"in quotes", `"eyJ.x.y"`},
		{"in escaped quotes", "%22eyJ.x.y%22"},
		{"with the scheme", "Bearer eyJ.x.y"},
		{"with the scheme in quotes", `"Bearer eyJ.x.y"`},
		{"with the scheme in small letters", "bearer eyJ.x.y"},
		{"with two blanks", "Bearer  eyJ.x.y"},
		{"with an escaped blank", "Bearer%20eyJ.x.y"},
		{"with a form's blank", "Bearer+eyJ.x.y"},
		{"with all of it escaped", "%22bearer%20%20eyJ.x.y%22"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := unwrap(test.value); got != "eyJ.x.y" {
				t.Errorf("%q is %q", test.value, got)
			}
		})
	}
	for _, value := range []string{`"eyJ.x.y`, "BearereyJ.x.y", "Basic eyJ.x.y", `"`, "%22"} {
		if got := unwrap(value); got == "eyJ.x.y" {
			t.Errorf("%q is %q", value, got)
		}
	}
}

// TestHostile: whatever comes, a megabyte is searched and taken out in the time in which any server reads it.
func TestHostile(t *testing.T) {
	megabyte := func(text string) string { return strings.Repeat(text, 1_000_000/len(text)) }
	c := at("authorization", "Authorization", "auth")
	c.Basic = true
	for name, text := range map[string]string{
		"a name that is repeated": megabyte("authorization"), "cookies that are repeated": megabyte("b=1;authorization=x;"), "quotes": "authorization=" + megabyte(`"`),
		"blanks": megabyte(" ") + "authorization" + megabyte(" "), "semicolons": megabyte("; ") + "authorization=x", "parameters": megabyte("a&") + "&auth=x",
		"escapes": megabyte("%61"), "escaped names": megabyte("&%61uth=x"), "nearly the name": megabyte("xauthorization=;"), "percent signs": megabyte("%"),
		"base64": megabyte("OmV5"), "colons": base64.StdEncoding.EncodeToString([]byte(megabyte(":"))),
	} {
		t.Run(name, func(t *testing.T) {
			least := time.Hour
			for range 3 {
				r := &http.Request{Header: http.Header{"Cookie": {text}, "Authorization": {"Bearer " + text, "Basic " + text}, "Referer": {"/?" + text}}, URL: &url.URL{RawQuery: text}, RequestURI: "/?" + text}
				began := time.Now()
				Remove(c, r, Find(c, r))
				least = min(least, time.Since(began))
			}
			// Four megabytes, which a quadratic search takes minutes for.
			if least > 5*time.Second {
				t.Errorf("took %v", least)
			}
		})
	}
}

// FuzzBasic: a token that net/http finds as a password is found; what is the app's stays byte for byte; and where no token is
// good, nothing is left in which net/http would find what looks like one.
func FuzzBasic(f *testing.F) {
	for _, value := range []string{
		"Basic dXNlcjpleUphLmIuYw==", "basic OmV5SmEuYi5j", "Basic dXNlcjprN3AyeDk6ZXlKYS5iLmM=", "BASIC  dXNlcjpleUphLmIuYw", "Basic dXNlcjpwYXNzd29yZA==",
		"Basic", "Basic ", "Basic !!!!", "Bearer eyJa.b.c", "Bearer apikey", `Digest username="a"`, "Negotiate YII=", "Basic dXNlcg==", "Basic Og==", " Basic OmV5SmEuYi5j ",
		"Basic OmV5SmEuYi5jCg==", "Basic ZXlKYS5iLmM6eA==", "Basic OkJlYXJlciBleUphLmIuYw==", "Basic OmUuYi5j",
	} {
		f.Add(value)
	}
	c := &Locations{Basic: true, Headers: []Header{{Name: authorization, Explicit: true, IsBasic: true}}}
	compile(c)
	f.Fuzz(func(t *testing.T, value string) {
		r := &http.Request{Header: http.Header{authorization: {value}}, URL: &url.URL{Path: "/"}, RequestURI: "/"}
		_, password, isBasic := r.BasicAuth()
		found := Find(c, r)
		if found.Problem != "" {
			if len(value) <= maxSearched {
				t.Errorf("%q is not looked at: %s", value, found.Problem)
			}
			if Remove(c, r, found); r.Header[authorization] != nil {
				t.Errorf("%d bytes are left", len(value))
			}
			return
		}
		token := strings.TrimSpace(password[strings.LastIndexByte(password, ':')+1:])
		if isBasic && strings.HasPrefix(token, "eyJ") && strings.Count(token, ".") == 2 &&
			(len(found.Tokens) != 1 || found.Tokens[0].Text != token) {
			t.Errorf("in %q is found %+v, want %q", value, found.Tokens, token)
		}
		for _, one := range found.Tokens {
			if !one.Ambient || one.Place != ByBasic || len(found.Tokens) > 1 {
				t.Errorf("in %q is found %+v", value, found.Tokens)
			}
		}
		Remove(c, r, found)
		if left := r.Header[authorization]; left != nil {
			if len(left) != 1 || left[0] != value {
				t.Errorf("of %q is left %q", value, left)
			}
			if user, password, ok := r.BasicAuth(); ok && (looksLikeJWT(password) || looksLikeJWT(user)) {
				t.Errorf("what looks like a token is left in %q", value)
			}
		}
		r.Header = http.Header{authorization: {value}}
		found.Good = true
		Remove(c, r, found)
		if left := r.Header[authorization]; len(left) != 1 || left[0] != value {
			t.Errorf("beside a good token, %q of the app's is left of %q", left, value)
		}
	})
}
