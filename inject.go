package ptlauth

import (
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"

	"github.com/getportal/ptlauth/internal/access"
	"github.com/getportal/ptlauth/internal/header"
	"github.com/getportal/ptlauth/internal/placeholder"
)

// mostSets bounds how many terminals' headers are kept for a period.
const mostSets = 1000

// headers are what the request of an admitted terminal is sent on with. Where no claim
// is among them, one token's are every token's of that terminal. A value that no header
// can carry is the problem, the second result: the request must be denied.
func headers(g *gate, rule *access.Rule, current *view, v *verdict) (*access.Set, string) {
	if !g.shared {
		return newHeaders(g, rule, v)
	}
	known, ok := current.sets.Load(rule.Mark + v.token.Subject)
	if ok {
		set := known.(*access.Set)
		return set, ""
	}
	set, problem := newHeaders(g, rule, v)
	if problem == "" && atomic.AddInt64(&current.asked, 1) <= mostSets {
		current.sets.Store(rule.Mark+v.token.Subject, set)
	}
	return set, problem
}

func newHeaders(g *gate, rule *access.Rule, v *verdict) (*access.Set, string) {
	set, problem := access.Values(rule, visitor(v))
	if problem != "" {
		return nil, problem
	}
	set.Mark = &http.Response{Status: g.name, Header: set.Header}
	user := userOf(v)
	// The line of an access log must stay one line, and its fields apart.
	if header.ValueProblem(user) == "" {
		set.User = url.User(strings.ReplaceAll(user, " ", "_"))
	}
	return set, ""
}

func visitor(v *verdict) *placeholder.Visitor {
	return placeholder.NewVisitor(userOf(v), v.terminal.ID, v.terminal.Name, v.token)
}

// userOf is the registry's user of the terminal, else the token's sub.
func userOf(v *verdict) string {
	if v.terminal.User != "" {
		return v.terminal.User
	}
	return v.token.Subject
}
