package ptlauth

import (
	"sync/atomic"

	"github.com/getportal/ptlauth/internal/access"
	"github.com/getportal/ptlauth/internal/placeholder"
)

// mostSets bounds how many terminals' headers are kept for a period.
const mostSets = 1000

// headers are what the request of an admitted terminal is sent on with. Where no claim
// is among them, one token's are every token's of that terminal. A value that no header
// can carry is the problem, the second result: the request must be denied.
func headers(g *gate, rule *access.Rule, current *view, v *verdict) (*access.Set, string) {
	if !g.shared {
		return access.Values(rule, visitor(v))
	}
	known, ok := current.sets.Load(rule.Mark + v.token.Subject)
	if ok {
		set := known.(*access.Set)
		return set, ""
	}
	return newHeaders(rule, current, v)
}

func newHeaders(rule *access.Rule, current *view, v *verdict) (*access.Set, string) {
	set, problem := access.Values(rule, visitor(v))
	if problem == "" && atomic.AddInt64(&current.asked, 1) <= mostSets {
		current.sets.Store(rule.Mark+v.token.Subject, set)
	}
	return set, problem
}

func visitor(v *verdict) *placeholder.Visitor {
	who := v.terminal
	user := who.User
	if user == "" {
		user = v.token.Subject
	}
	return placeholder.NewVisitor(user, who.ID, who.Name, v.token)
}
