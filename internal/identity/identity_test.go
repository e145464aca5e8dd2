package identity_test

import (
	"strings"
	"testing"

	"github.com/getportal/ptlauth/internal/identity"
)

func TestIsSafe(t *testing.T) {
	for _, test := range []struct {
		name, user, id, called string
		want                   bool
	}{
		{"a terminal", "ana", "abc123", "", true},
		{"one whose user is itself", "abc123", "abc123", "", true},
		{"one with a name", "ana", "abc123", "Küche", true},
		{"a user with a line break", "ana\r\nX-Admin: 1", "abc123", "", false},
		{"a terminal with a line break", "ana", "abc\n123", "", false},
		{"both", "abc\n123", "abc\n123", "", false},
		{"a name with a line break", "ana", "abc123", "K\r\n", false},
		{"a user who is too long", strings.Repeat("a", 2000), "abc123", "", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			v := identity.NewVisitor(test.user, test.id, test.called, nil)
			if v.IsSafe != test.want {
				t.Errorf("it is %t, want %t", v.IsSafe, test.want)
			}
			if v.Type != "terminal" || v.User != test.user || v.ID != test.id || v.Name != test.called {
				t.Errorf("it is another one: %+v", v)
			}
		})
	}
	if a := identity.Anonymous; a.Type != "anonymous" || a.User != "" || a.ID != "" || a.Name != "" || a.Token != nil {
		t.Errorf("of nobody something is known: %+v", a)
	}
}
