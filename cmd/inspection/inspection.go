// Package inspection explains what a middleware decides about a token: every check that it makes, with its result. Each is
// made by the function that decides; the verdict is the decision itself.
package inspection

import (
	"net/http"
	"time"

	"github.com/getportal/ptlauth/internal/access"
	"github.com/getportal/ptlauth/internal/authn"
	"github.com/getportal/ptlauth/internal/cache"
	"github.com/getportal/ptlauth/internal/extractor"
	"github.com/getportal/ptlauth/internal/identity"
	"github.com/getportal/ptlauth/internal/policy"
	"github.com/getportal/ptlauth/internal/snapshot"
)

// Result is what became of a check.
type Result string

const (
	// Passed is a check that the token passes.
	Passed Result = "passed"
	// Failed is one that it does not.
	Failed Result = "failed"
	// Unasked is one that nothing can be said of, because of another that failed.
	Unasked Result = "unasked"
)

// Check is one thing that is asked of a token.
type Check struct {
	Name   string `json:"name"` // a claim's, or what else it is about
	Result Result `json:"result"`
	// Text says why it failed, or what was found. It holds no part of the signature.
	Text string `json:"text,omitempty"`
}

// Token is what was found out about one of the tokens that were pasted.
type Token struct {
	// Header and Claims are the token's, decoded; empty where they cannot be read. Nothing of them is proven
	// unless the check `signature` has passed.
	Header string  `json:"header,omitempty"`
	Claims string  `json:"claims,omitempty"`
	Checks []Check `json:"checks"`
}

// Terminal is whose token it is.
type Terminal struct {
	ID   string `json:"id"`
	Name string `json:"name,omitempty"`
	User string `json:"user,omitempty"`
}

// Verdict is what the middleware does with a visit that carries the token.
type Verdict struct {
	Good   bool   `json:"good"`   // the visit is its terminal's
	Status int    `json:"status"` // 200, or what is answered instead
	Reason string `json:"reason,omitempty"`
	// Terminal is nil where the visit is nobody's.
	Terminal *Terminal `json:"terminal,omitempty"`
	// Until is when the token ends, in seconds since 1970; 0: it does not.
	Until   int64             `json:"until,omitempty"`
	Sent    map[string]string `json:"sent,omitempty"` // the headers that the app is sent
	Tokens  []Token           `json:"tokens"`
	Remarks []string          `json:"remarks,omitempty"`
}

// World is a middleware's configuration, opened, and what is known of its keys and terminals.
type World struct {
	policy  *policy.Policy
	current *snapshot.Snapshot
}

// Look looks at the keys and terminals of a policy that was opened. It waits a second for servers.
func Look(p *policy.Policy) *World {
	sources := &snapshot.Sources{Keys: p.Keys, Terminals: p.Terminals, Refresh: p.Refresh}
	keeper := snapshot.NewKeeper("ptl", sources, &cache.Cache{}, func(*snapshot.Snapshot) snapshot.Need { return snapshot.Nothing })
	snapshot.Begin(keeper)
	return &World{policy: p, current: snapshot.Now(keeper)}
}

// Inspect explains what becomes of a GET of that path with what was pasted. The error is of the path, or of an address
// that was pasted.
func Inspect(w *World, pasted, path string) (*Verdict, error) {
	r, err := Request(w.policy.Locations, pasted, path)
	if err != nil {
		return nil, err
	}
	found := extractor.Find(w.policy.Locations, r)
	result := authn.Identify(w.policy, w.current, r, found)
	v := &Verdict{Good: result.Status == http.StatusOK, Status: result.Status, Reason: result.LogReason, Tokens: []Token{}}
	rule := access.Find(w.policy.Rules, r)
	if found.Tokens == nil && found.Problem == "" {
		v.Reason = extractor.Why(w.policy.Locations, r)
	}
	if v.Good {
		admit(w, v, rule, result)
	}
	for _, one := range found.Tokens {
		v.Tokens = append(v.Tokens, explain(w, one.Text, rule))
	}
	remark(w, v, rule, len(found.Tokens))
	return v, nil
}

// admit fills in whose visit it is, and what the app is sent, as decide does.
func admit(w *World, v *Verdict, rule *access.Rule, result *authn.Result) {
	if rule.Access == access.Peer {
		v.Good, v.Status, v.Reason = false, http.StatusUnauthorized, "the path is for peers, and there are none"
		return
	}
	visitor := visitorOf(result)
	v.Terminal = &Terminal{ID: visitor.ID, Name: visitor.Name, User: visitor.User}
	v.Until = result.Token.Until
	if w.policy.Apps != nil {
		return
	}
	set, problem := access.Values(rule, visitor)
	if problem != "" {
		v.Good, v.Status, v.Reason = false, http.StatusForbidden, problem
		return
	}
	v.Sent = map[string]string{}
	for i, name := range set.Names {
		v.Sent[name] = set.Values[i]
	}
}

func visitorOf(result *authn.Result) *identity.Visitor {
	user := result.Terminal.User
	if user == "" {
		user = result.Token.Subject
	}
	return identity.NewVisitor(user, result.Terminal.ID, result.Terminal.Name, result.Token)
}

// remark says what an operator may not expect.
func remark(w *World, v *Verdict, rule *access.Rule, tokens int) {
	if !v.Good && rule.Access == access.Public {
		v.Remarks = append(v.Remarks, "the path is public: whoever has no good token is let in, as nobody")
	}
	if w.policy.Apps != nil {
		v.Remarks = append(v.Remarks, "what an app is sent, and which of its paths are public, its app_meta.json says, which was not looked at")
	}
	if tokens > 1 {
		v.Remarks = append(v.Remarks, "of several tokens one good one is enough, unless two are of different terminals")
	}
	if v.Good && v.Until > 0 && v.Until-time.Now().Unix() < 24*3600 {
		v.Remarks = append(v.Remarks, "it ends within a day")
	}
}
