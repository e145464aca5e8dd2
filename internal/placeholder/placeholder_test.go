package placeholder

import (
	"strings"
	"testing"
)

// FuzzRender: whatever a template and a token say, what comes of it can stand in a header line.
func FuzzRender(f *testing.F) {
	for _, text := range []string{"{auth.user}", "{portal.id[:6]}@example.com", "{{ auth.client_name }}", "{claims.a.b[1:]}", "x", "{", "{auth.user[5:2]}", "{{auth.user}", "{claims.}"} {
		f.Add(text, "abc123", "Küche\r\nX: y", "value")
	}
	portal := &Portal{ID: "abcdefghij", Domain: "abcdef.example.com"}
	f.Fuzz(func(t *testing.T, text, user, name, claim string) {
		template, problem := Parse(text, portal)
		if problem != "" {
			return
		}
		claims := map[string]interface{}{"a": map[string]interface{}{"b": claim}, "c": claim}
		for _, v := range []*Visitor{NewVisitor(user, "abc123", name, claims), Anonymous} {
			value, problem := Render(template, v)
			if problem != "" && value != "" {
				t.Errorf("%q renders %q in spite of: %s", text, value, problem)
			}
			if strings.IndexFunc(value, func(r rune) bool { return r < ' ' || r == 0x7f }) >= 0 {
				t.Errorf("%q renders control characters: %q", text, value)
			}
			if len(value) > 1024 || strings.Trim(value, " ") != value {
				t.Errorf("%q renders %q", text, value)
			}
		}
	})
}
