package placeholder

import (
	"strings"
	"testing"

	"github.com/getportal/ptlauth/internal/identity"
	"github.com/getportal/ptlauth/internal/portal"
)

var about = &portal.Portal{ID: "abcdefghij", Domain: "abcdef.example.com"}

func TestRender(t *testing.T) {
	terminal := identity.NewVisitor("ana", "abc123", "Küche", saying(t, `{"sub":"abc123","email":"ana@example.com"}`))
	for _, test := range []struct {
		name, template string
		terminal       string
		anonymous      string
	}{
		{"the user", "{auth.user}", "ana", ""},
		{"the kind of visitor", "{auth.client_type}", "terminal", "anonymous"},
		{"the terminal", "{auth.client_id}", "abc123", ""},
		{"double braces, as in app_meta.json", "{{ auth.client_id }}", "abc123", ""},
		{"white space in braces", "{ auth.user }", "ana", ""},
		{"a claim", "{claims.email}", "ana@example.com", ""},
		{"the portal", "{portal.id}", "abcdefghij", "abcdefghij"},
		{"the portal in short", "{portal.short_id}", "abcdef", "abcdef"},
		{"the portal's domain", "{portal.domain}", "abcdef.example.com", "abcdef.example.com"},
		{"text", "admin", "admin", "admin"},
		{"a dollar alone is text", "5 $", "5 $", "5 $"},
		{"nothing", "", "", ""},
		{"text around", "ptl-{auth.user}@{portal.domain}", "ptl-ana@abcdef.example.com", ""},
		{"one beside another", "{auth.user}{auth.client_id}", "anaabc123", ""},
		{"the kind of visitor in a text is the same for all", "a {auth.client_type}", "a terminal", "a anonymous"},
		{"a beginning", "{auth.client_id[:3]}", "abc", ""},
		{"a middle", "{auth.client_id[2:4]}", "c1", ""},
		{"an end", "{auth.client_id[3:]}", "123", ""},
		{"all of it", "{auth.client_id[:]}", "abc123", ""},
		{"more than there is", "{auth.client_id[:9999]}", "abc123", ""},
		{"beyond the end", "{auth.client_id[6:]}", "", ""},
		{"from behind to before", "{auth.client_id[4:2]}", "", ""},
		{"white space in brackets", "{auth.client_id[ 1 : 2 ]}", "b", ""},
		{"a slice of a claim", "{claims.email[:3]}", "ana", ""},
		{"a slice of the portal", "{portal.id[:6]}", "abcdef", "abcdef"},
		{"half a value is none", "x-{auth.client_id[6:]}", "", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			parsed, problem := Parse(test.template, about)
			if problem != "" {
				t.Fatal(problem)
			}
			for visitor, want := range map[*identity.Visitor]string{terminal: test.terminal, identity.Anonymous: test.anonymous} {
				if got, problem := Render(parsed, visitor); got != want || problem != "" {
					t.Errorf("%s: got %q, %q, want %q", visitor.Type, got, problem, want)
				}
			}
		})
	}
	t.Run("characters are counted, not bytes", func(t *testing.T) {
		parsed, _ := Parse("{auth.user[1:3]}", about)
		if got, _ := Render(parsed, identity.NewVisitor("äöü", "abc123", "", nil)); got != "öü" {
			t.Errorf("got %q", got)
		}
	})
	t.Run("a claim of who has no token is nothing", func(t *testing.T) {
		parsed, _ := Parse("{claims.email}", about)
		if got, problem := Render(parsed, identity.NewVisitor("ana", "abc123", "", nil)); got != "" || problem != "" {
			t.Errorf("got %q, %q", got, problem)
		}
	})
}

// TestValuesThatNoHeaderCarries: the request must be denied, and the reason does not say the value.
func TestValuesThatNoHeaderCarries(t *testing.T) {
	for _, test := range []struct{ name, value string }{
		{"a line break", "mallory\r\nX-Admin: 1"},
		{"a line feed", "mallory\nX"},
		{"a zero", "mallory\x00"},
		{"an escape", "\x1bmallory"},
		{"DEL", "mallory\x7f"},
		{"what is long", strings.Repeat("mallory", 200)},
		{"white space in front", " mallory"},
		{"white space behind", "mallory "},
	} {
		t.Run(test.name, func(t *testing.T) {
			visitor := identity.NewVisitor(test.value, test.value, test.value, saying(t, `{"sub":"abc123","a":`+text(test.value)+`}`))
			for _, template := range []string{"{auth.user}", "{auth.client_id}", "{auth.client_name}", "{claims.a}", "{auth.user}{auth.client_id}{auth.client_type}{auth.user}"} {
				parsed, problem := Parse(template, about)
				if problem != "" {
					t.Fatal(problem)
				}
				value, problem := Render(parsed, visitor)
				if value != "" || problem == "" || strings.Contains(problem, "mallory") {
					t.Errorf("%s: got %q, %q", template, value, problem)
				}
			}
		})
	}
}

func TestMistakesInTemplates(t *testing.T) {
	const (
		unknown = "has an unknown placeholder"
		strange = "has a placeholder that is not understood"
		brace   = "has a brace without its partner"
	)
	for _, test := range []struct {
		name, template string
		about          *portal.Portal
		problem        string
	}{
		{"another name", "{auth.name}", about, unknown},
		{"another name in double braces", "{{auth.name}}", about, unknown},
		{"in capitals", "{AUTH.USER}", about, strange},
		{"no dot", "{user}", about, strange},
		{"nothing in braces", "{}", about, strange},
		{"a filter", "{{ auth.user | upper }}", about, strange},
		{"an index", "{auth.user[1]}", about, strange},
		{"a negative index", "{auth.user[-1:]}", about, strange},
		{"an index of five digits", "{auth.user[:10000]}", about, strange},
		{"claims of no name", "{claims.}", about, strange},
		{"a brace that is open", "{auth.user", about, brace},
		{"a brace that is closed", "auth.user}", about, brace},
		{"a brace too many", "{auth.user}}", about, brace},
		{"a dollar before it", "${auth.user}", about, "has a $ before a placeholder"},
		{"a question mark behind what is always there", "{auth.user?}", about, "has a question mark"},
		{"a portal without an id", "{portal.id}", &portal.Portal{Domain: "a.example"}, "`portal.id` is not set"},
		{"in short too", "{portal.short_id}", &portal.Portal{}, "`portal.id` is not set"},
		{"a portal without a domain", "{portal.domain}", &portal.Portal{ID: "abc"}, "`portal.domain` is not set"},
	} {
		t.Run(test.name, func(t *testing.T) {
			parsed, problem := Parse(test.template, test.about)
			if parsed != nil || !strings.Contains(problem, test.problem) {
				t.Errorf("got %v, %q, want %q", parsed, problem, test.problem)
			}
		})
	}
}

func TestWhatATemplateDependsOn(t *testing.T) {
	for _, test := range []struct {
		name, template     string
		constant, byClaims bool
	}{
		{"text", "admin", true, false},
		{"nothing", "", true, false},
		{"the portal", "a-{portal.id}", true, false},
		{"a slice of the portal", "{portal.id[:3]}", true, false},
		{"the user", "{auth.user}", false, false},
		{"the kind of visitor", "{auth.client_type}", false, false},
		{"a claim", "{claims.email}", false, true},
		{"a claim in a text", "{auth.user}-{claims.email?}", false, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			parsed, problem := Parse(test.template, about)
			if problem != "" {
				t.Fatal(problem)
			}
			if IsConstant(parsed) != test.constant || UsesClaims(parsed) != test.byClaims {
				t.Errorf("it is constant: %t, by claims: %t", IsConstant(parsed), UsesClaims(parsed))
			}
		})
	}
}
