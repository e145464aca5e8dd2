package placeholder

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"

	"github.com/getportal/ptlauth/internal/identity"
	"github.com/getportal/ptlauth/internal/portal"
	"github.com/getportal/ptlauth/internal/token"
)

// saying is a token with those claims.
func saying(t *testing.T, claims string) *token.Token {
	t.Helper()
	opened, problem := token.Open(base64.RawURLEncoding.EncodeToString([]byte(claims)), &token.Rules{}, 1700000000)
	if problem != "" {
		t.Fatalf("%s: %s", claims, problem)
	}
	return opened
}

func text(value any) string {
	content, _ := json.Marshal(value)
	return string(content)
}

// FuzzRender: whatever a template and a token say, what comes of it can stand in a header line.
func FuzzRender(f *testing.F) {
	for _, text := range []string{"{auth.user}", "{portal.id[:6]}@example.com", "{{ auth.client_name }}", "{claims.a.b[1:]}", "x", "{", "{auth.user[5:2]}", "{{auth.user}", "{claims.}", "{claims.c?}", "{claims.none?}"} {
		f.Add(text, "abc123", "Küche\r\nX: y", "value")
	}
	about := &portal.Portal{ID: "abcdefghij", Domain: "abcdef.example.com"}
	f.Fuzz(func(t *testing.T, template, user, name, claim string) {
		parsed, problem := Parse(template, about)
		if problem != "" {
			return
		}
		token := saying(t, `{"sub":"abc123","a":{"b":`+text(claim)+`},"c":`+text(claim)+`}`)
		for _, v := range []*identity.Visitor{identity.NewVisitor(user, "abc123", name, token), identity.Anonymous} {
			value, problem := Render(parsed, v)
			if problem != "" && value != "" {
				t.Errorf("%q renders %q in spite of: %s", template, value, problem)
			}
			if strings.IndexFunc(value, func(r rune) bool { return r < ' ' || r == 0x7f }) >= 0 {
				t.Errorf("%q renders control characters: %q", template, value)
			}
			if len(value) > 1024 || strings.Trim(value, " ") != value {
				t.Errorf("%q renders %q", template, value)
			}
		}
	})
}

// FuzzList: what an app divides at commas, and trims, are the members of the list and nothing else.
func FuzzList(f *testing.F) {
	for _, member := range []string{"a", "a,b", " a", "a ", "", "a\u00a0", "\u3000a", "a\tb", ",", "ü"} {
		f.Add(member, "b")
	}
	parsed, problem := Parse("{claims.groups?}", &portal.Portal{})
	if problem != "" {
		f.Fatal(problem)
	}
	f.Fuzz(func(t *testing.T, first, second string) {
		// JSON has no other bytes.
		first, second = strings.ToValidUTF8(first, ""), strings.ToValidUTF8(second, "")
		v := identity.NewVisitor("abc123", "abc123", "", saying(t, `{"sub":"abc123","groups":[`+text(first)+`,`+text(second)+`]}`))
		value, problem := Render(parsed, v)
		if problem != "" {
			return
		}
		members := strings.Split(value, ",")
		if len(members) != 2 || strings.TrimSpace(members[0]) != first || strings.TrimSpace(members[1]) != second {
			t.Errorf("%q and %q are sent as %q", first, second, value)
		}
	})
}

func TestClaims(t *testing.T) {
	for _, test := range []struct{ name, template, claims, value, problem string }{
		{"a list is joined with commas", "{claims.g}", `["a","b"]`, "a,b", ""},
		{"numbers and booleans may be members", "{claims.g}", `[1,true,9007199254740993]`, "1,true,9007199254740993", ""},
		{"a list of one member is that member", "{claims.g}", `["a"]`, "a", ""},
		{"an empty list is nothing to say", "{claims.g}", `[]`, "", "is empty"},
		{"an empty list may be, where the claim may be missing", "{claims.g?}", `[]`, "", ""},
		{"a list within a list is refused", "{claims.g?}", `["a",["b"]]`, "", "neither text"},
		{"an object within a list is refused", "{claims.g?}", `[{"a":"b"}]`, "", "neither text"},
		{"null within a list is refused", "{claims.g?}", `["a",null]`, "", "neither text"},
		{"an object is refused, though the claim may be missing", "{claims.g?}", `{"a":"b"}`, "", "object"},
		{"a comma within a member would make two of one", "{claims.g}", `["a,admin"]`, "", "comma"},
		{"white space around a member would be dropped", "{claims.g}", `["a"," admin"]`, "", "white space"},
		{"an empty member is refused", "{claims.g}", `["a",""]`, "", "empty"},
		{"a slice would make another group of the last one", "{claims.g[:3]}", `["a","bc"]`, "", "slice"},
		{"null is a claim that is missing", "{claims.g?}", `null`, "", ""},
		{"null is no text", "{claims.g}", `null`, "", "no text"},
		{"a number is sent by its digits", "{claims.g}", `9007199254740993`, "9007199254740993", ""},
		{"a fraction is sent as it is written", "{claims.g}", `1.50`, "1.50", ""},
		{"a power of ten is sent as it is written", "{claims.g}", `1e3`, "1e3", ""},
		{"a slice of text", "{claims.g[:3]}", `"abcdef"`, "abc", ""},
		{"a missing part leaves the whole value out", "x-{claims.none?}", `1`, "", ""},
		{"a claim that is missing", "{claims.none}", `1`, "", "write {claims.none?}"},
	} {
		t.Run(test.name, func(t *testing.T) {
			parsed, problem := Parse(test.template, &portal.Portal{})
			if problem != "" {
				t.Fatal(problem)
			}
			value, problem := Render(parsed, identity.NewVisitor("abc123", "abc123", "", saying(t, `{"sub":"abc123","g":`+test.claims+`}`)))
			if value != test.value || (problem == "") != (test.problem == "") || !strings.Contains(problem, test.problem) {
				t.Errorf("renders %q, %q; want %q, %q", value, problem, test.value, test.problem)
			}
		})
	}
}
