package access

import (
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/getportal/ptlauth/internal/option"
	"github.com/getportal/ptlauth/internal/portal"
)

// rulesOf reads paths as an operator writes them.
func rulesOf(t testing.TB, paths map[string]string) Rules {
	t.Helper()
	var entries []interface{}
	for prefix, access := range paths {
		entries = append(entries, map[string]interface{}{"prefix": prefix, "access": access})
	}
	report := &option.Report{}
	rules := Read(option.Open(report, "", map[string]interface{}{"paths": entries}), &portal.Portal{})
	if len(report.Problems()) > 0 {
		t.Fatal(report.String())
	}
	return rules
}

// find returns the rule for a request line's target; nil where a server would refuse it.
func find(rules Rules, target string) *Rule {
	// As net/http's server reads it.
	address, err := url.ParseRequestURI(target)
	if err != nil {
		return nil
	}
	return Find(rules, &http.Request{URL: address, RequestURI: target})
}

func TestFind(t *testing.T) {
	public := map[string]string{"/": "public", "/admin": "private", "/wiki/Special:": "private", "/@me": "private", "/a(b)!'*c": "private", "/k": "private", "/area/": "private", "/x/admin": "private", "/über uns": "private"}
	private := map[string]string{"/share": "public", "/share/admin": "private", "/caf%C3%A9 bar": "public"}
	for _, test := range []struct {
		name   string
		paths  map[string]string
		target string
		public bool
	}{
		{"a plain path is public", public, "/page", true},
		{"so it is with a query", public, "/page?next=/admin", true},
		{"a whole address is", public, "http://chat.example.com/page", true},
		{"a plain private path is not", public, "/admin", false},
		{"nor as a whole address", public, "http://chat.example.com/admin", false},
		{"a target that is no path is not", public, "x:admin", false},
		{"nor is the asterisk", public, "*", false},
		{"an escaped colon is a colon", public, "/wiki/Special%3ALogin", false},
		{"an escaped at sign is one", public, "/%40me", false},
		{"punctuation in a prefix is itself", public, "/a(b)!'*c", false},
		{"escaped or not", public, "/a%28b%29%21%27%2Ac", false},
		{"the Kelvin sign is a k", public, "/%E2%84%AA", false},
		{"and a capital one is too", public, "/K", false},
		{"a prefix that ends in a slash covers itself without it", public, "/area", false},
		{"and does not cover its neighbours", public, "/areas", true},
		{"a private prefix with a blank and an umlaut protects", public, "/%C3%BCber%20uns", false},
		{"also capital ones", public, "/%C3%9CBER%20UNS", false},
		{"an escaped question mark is never public", public, "/page%3F", false},
		{"nor is a number sign", public, "/page%23", false},
		{"an escaped slash as data below a public prefix is public", public, "/user%2F-%2Fstate", true},
		{"also in small letters", public, "/@scope%2fname", true},
		{"where either reading is private it is not", public, "/x%2Fadmin", false},
		{"nor where it is a slash too much", public, "/page%2F", true},
		{"two slashes in either reading are not", public, "/page/%2Fx", false},
		{"dot segments in either reading are not", public, "/page%2F..%2Fadmin", false},
		{"what decodes once more is not", public, "/%2561dmin", false},
		{"an escaped slash that decodes once more is not", public, "/x%252Fadmin", false},
		{"bytes that are no UTF-8 are not", public, "/%ff", false},
		{"an overlong slash is not", public, "/x%c0%afadmin", false},
		{"a backslash is not", public, "/page%5Cx", false},
		{"path parameters are not", public, "/page;x=1", false},
		{"nor are escaped ones", public, "/page%3Bx", false},
		{"harmless escapes are public", private, "/share/a%2Bb", true},
		{"an escaped at sign is, where it is nobody's", private, "/share/user%40host", true},
		{"a public prefix with a blank and an accent is found", private, "/caf%C3%A9%20bar", true},
		{"a public prefix in other case is not it", private, "/SHARE/x", false},
		{"an escaped public prefix is it", private, "/%73hare/x", true},
		{"a private prefix below it in other case is private", private, "/share/ADMIN", false},
		{"escaped as well", private, "/share/%41dmin", false},
		{"a path of 9,000 bytes is not public", private, "/share/" + strings.Repeat("a", 9000), false},
	} {
		t.Run(test.name, func(t *testing.T) {
			rule := find(rulesOf(t, test.paths), test.target)
			if rule == nil {
				t.Fatalf("%q is no target", test.target)
			}
			if (rule.Access == Public) != test.public {
				t.Errorf("%q is public: %t, by the rule of %q", test.target, rule.Access == Public, rule.Prefix)
			}
		})
	}
	t.Run("a path that a middleware in front has changed for us alone is not public", func(t *testing.T) {
		address, _ := url.ParseRequestURI("/page")
		if Find(rulesOf(t, public), &http.Request{URL: address, RequestURI: "/admin"}).Access == Public {
			t.Error("it is")
		}
	})
}

// TestFindLastAtAGlance: what a handler knows without Find is what Find says.
func TestFindLastAtAGlance(t *testing.T) {
	rules := rulesOf(t, map[string]string{"/share": "public", "/api.v1": "private"})
	ordinary := Ordinary(rules)
	for target, isLast := range map[string]bool{"/": true, "/page": true, "/share": false, "/%73hare": false, "/api.v1/x": false, "/apixv1": true} {
		rule := find(rules, target)
		address, _ := url.ParseRequestURI(target)
		if !ordinary.MatchString(address.Path) && rule != rules[len(rules)-1] {
			t.Errorf("%q is taken for the last rule's and is that of %q", target, rule.Prefix)
		}
		if got := !ordinary.MatchString(address.Path); got != isLast {
			t.Errorf("%q is the last rule's at a glance: %t", target, got)
		}
	}
	if !Ordinary(rulesOf(t, map[string]string{"/": "public"})).MatchString("/any") {
		t.Error("where all is public, a path is not looked at")
	}
}

// appRules are those of an app_meta.json, where nothing is a mistake: a prefix in each line,
// behind + where it is public, - where it is private and ! where it is for peers.
func appRules(lines string) Rules {
	kinds := map[byte]Access{'+': Public, '-': Private, '!': Peer}
	var rules Rules
	for _, line := range strings.Split(lines, "\n") {
		if line == "" {
			continue
		}
		kind, ok := kinds[line[0]]
		if !ok {
			continue
		}
		prefix := line[1:]
		if decoded, err := url.PathUnescape(prefix); err == nil {
			prefix = decoded
		}
		rules = append(rules, &Rule{Prefix: prefix, Access: kind})
	}
	return Sorted(rules)
}

func TestFindInApp(t *testing.T) {
	for _, test := range []struct{ name, rules, target, access string }{
		{"a prefix that ends in a dot opens no dot segment", "+/share/.", "/share/../admin", "private"},
		{"it opens what is hidden", "+/share/.", "/share/.well-known", "public"},
		{"a public prefix with two slashes opens nothing", "+//admin\n-/admin\n+/", "//admin", "private"},
		{"of one prefix in two spellings the private one holds", "+/%61\n-/a", "/a", "private"},
		{"of one prefix in two cases the private one holds", "+/A\n-/a", "/A", "private"},
		{"with the Kelvin sign too", "+/\u212a\n-/k", "/%E2%84%AA", "private"},
		{"an escaped slash that is data below what is for peers is for nobody", "+/x/\n!", "/x%2Fp", "peer"},
		{"a dotless i is an i to Python", "+/\n-/admin", "/adm%C4%B1n", "private"},
		{"so is a capital with a dot", "+/\n-/admin", "/ADM%C4%B0N", "private"},
		{"a ligature is its letters to JavaScript", "+/\n-/office", "/o%EF%AC%83ce", "private"},
		{"in a prefix too", "+/\n-/o\ufb03ce", "/OFFICE", "private"},
		{"a sharp s is two", "+/\n-/pass", "/pa%C3%9F", "private"},
		{"characters without width are passed over by file systems", "+/\n-/admin", "/ad%E2%80%8Bmin", "private"},
		{"a full-width letter is one", "+/\n-/admin", "/%EF%BD%81dmin", "private"},
		{"a plus sign is a blank", "+/\n-/a b", "/a+b", "private"},
		{"and a blank is a plus sign", "+/\n-/a+b", "/a%20b", "private"},
		{"such letters are harmless elsewhere", "+/\n-/admin", "/stra%C3%9Fe%EF%BC%9F+x", "public"},
		{"a longer public prefix below a private one is public", "-/a\n+/a/b", "/a/b/c", "public"},
		{"a public prefix with a slash at its end is public", "+/a/", "/a/b", "public"},
		{"itself too", "+/a/", "/a/", "public"},
		{"not without it", "+/a/", "/a", "private"},
		{"a public prefix may go on within a segment", "+/a", "/ab.c/d/", "public"},
		{"where all is public, a target that is no path is not", "+", "x:admin", "private"},
		{"nor is the asterisk", "+", "*", "private"},
		{"nor where that is what is public", "+*", "*", "private"},
	} {
		t.Run(test.name, func(t *testing.T) {
			rule := find(appRules(test.rules), test.target)
			if got := map[Access]string{Private: "private", Public: "public", Peer: "peer"}[rule.Access]; got != test.access {
				t.Errorf("%q is %s, want %s", test.target, got, test.access)
			}
		})
	}
	t.Run("a path below a public prefix that is sent as its neighbour is private", func(t *testing.T) {
		if Find(appRules("+/a/"), &http.Request{URL: &url.URL{Path: "/a/x"}, RequestURI: "/ab"}).Access == Public {
			t.Error("it is public")
		}
	})
}

// readings are the paths that apps of all kinds may take a target for.
func readings(target string) []string {
	path, _, _ := strings.Cut(target, "?")
	if address, err := url.Parse(target); err == nil && address.Host != "" {
		path = address.EscapedPath()
	}
	decode := func(text string) string {
		decoded, err := url.PathUnescape(text)
		if err != nil {
			return text
		}
		return decoded
	}
	cut := func(at string) func(string) string {
		return func(text string) string { head, _, _ := strings.Cut(text, at); return head }
	}
	// An app decodes, or cuts at slashes and decodes then.
	all := []string{decode(path), decode(strings.NewReplacer("%2f", "%252F", "%2F", "%252F").Replace(path))}
	add := func(edit func(string) string) {
		for _, one := range all {
			if other := edit(one); !slices.Contains(all, other) {
				all = append(all, other)
			}
		}
	}
	// One that decodes twice would take the slash that is data for one in the end.
	add(decode)
	add(func(text string) string { return strings.ReplaceAll(text, `\`, "/") })
	for _, at := range []string{";", "?", "#", "\x00", "\n"} {
		add(cut(at))
	}
	add(func(text string) string { return parameters.ReplaceAllString(text, "") })
	add(resolve)
	return all
}

var parameters = regexp.MustCompile(`;[^/]*`)

// resolve collapses slashes and resolves dot segments.
func resolve(path string) string {
	var kept []string
	for _, segment := range strings.Split(path, "/") {
		switch segment {
		case "", ".":
		case "..":
			if len(kept) > 0 {
				kept = kept[:len(kept)-1]
			}
		default:
			kept = append(kept, segment)
		}
	}
	resolved := "/" + strings.Join(kept, "/")
	if len(kept) > 0 && strings.HasSuffix(path, "/") {
		resolved += "/"
	}
	return resolved
}

// foldings are a text as apps that do not mind case compare it.
func foldings(text string) []string {
	least := strings.Map(func(r rune) rune {
		least := r
		for other := unicode.SimpleFold(r); other != r; other = unicode.SimpleFold(other) {
			least = min(least, other)
		}
		return least
	}, text)
	return []string{least, strings.ToLower(text), strings.ToUpper(text), strings.ToLower(strings.ReplaceAll(text, "+", " "))}
}

// covers reports whether an app may take the path for one that a private prefix is for.
func covers(prefix, path string) bool {
	bare := strings.TrimSuffix(prefix, "/")
	folded, foldedBare, foldedPath := foldings(prefix), foldings(bare), foldings(path)
	for i := range folded {
		if strings.HasPrefix(foldedPath[i], folded[i]) || bare != prefix && foldedPath[i] == foldedBare[i] {
			return true
		}
	}
	return false
}

// FuzzFind wants no app to read a public path as a private one, whatever it does to paths.
func FuzzFind(f *testing.F) {
	const public, private = "+/\n-/admin\n-/k\n-/area/\n-/wiki/Special:\n-/x/admin", "+/share\n-/share/admin\n-/share/k/"
	for _, seed := range []string{
		"/page", "/admin", "/%61dmin", "/page%2Fx", "/a%2F..%2Fadmin", "/page;/../admin", "x:admin", "//admin", "/share/x", "/share/ADMIN",
		"/%2561dmin", "/\u212A", "/%E2%84%AA", "http://h/admin", "/share%2Fadmin", "/area", "/AREA%2f", "/page?x", "/page%3F/admin", "/wiki/special%3a",
		"/adm%C4%B1n", "/share/.%2e/admin", "/share+x", "*", "/share/%c0%ae%c0%ae/admin",
	} {
		f.Add(seed, public)
		f.Add(seed, private)
	}
	f.Add("/share/../admin", "+/share/.")
	f.Add("//admin", "+//admin\n-/admin\n+/")
	f.Add("/a", "+/%61\n-/a")
	f.Add("/\u212a", "+/\u212a\n-/k")
	f.Add("/a+b", "+/\n-/a b")
	f.Add("/x%2Fp", "+/x/\n!")
	f.Add("*", "+*")
	f.Fuzz(func(t *testing.T, target, lines string) {
		if strings.ContainsAny(target, " \r\n") || len(target) > 200 || len(lines) > 200 {
			return // it would not arrive in one piece, or takes long
		}
		rules := appRules(lines)
		rule := find(rules, target)
		if rule == nil || rule.Access != Public {
			return
		}
		for _, path := range readings(target) {
			if exact := longest(rules, path); exact.Access != Public {
				t.Errorf("%q is public by the rule of %q, and an app may read it as %q, which is private by that of %q", target, rule.Prefix, path, exact.Prefix)
			}
			for _, other := range rules {
				if other.Access != Public && other.Prefix != "" && len([]rune(other.Prefix)) >= len([]rune(rule.Prefix)) && covers(other.Prefix, path) {
					t.Errorf("%q is public by the rule of %q, and an app may read it as %q, which is private by that of %q", target, rule.Prefix, path, other.Prefix)
				}
			}
		}
	})
}
