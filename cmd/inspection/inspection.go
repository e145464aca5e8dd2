// Package inspection explains what a middleware decides about a token: every check that it makes, with its result. Each is
// made by the function that decides; the verdict is the decision itself.
package inspection

import (
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/getportal/ptlauth/internal/access"
	"github.com/getportal/ptlauth/internal/app"
	"github.com/getportal/ptlauth/internal/authn"
	"github.com/getportal/ptlauth/internal/cache"
	"github.com/getportal/ptlauth/internal/extractor"
	"github.com/getportal/ptlauth/internal/identity"
	"github.com/getportal/ptlauth/internal/pairing"
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

// Inspect explains what becomes of a GET of that page, a path or a whole address, with what was pasted. The error is of the
// page, or of an address that was pasted.
func Inspect(w *World, pasted, page string) (*Verdict, error) {
	v, err := judge(w, pasted, page)
	if err == nil && w.policy.Shadow {
		v.Remarks = append(v.Remarks, "with `shadow` the middleware lets every request through as it came: this is what it would do without")
	}
	return v, err
}

func judge(w *World, pasted, page string) (*Verdict, error) {
	r, err := Request(w.policy.Locations, pasted, page)
	if err != nil {
		return nil, err
	}
	if w.policy.Pairing != nil && pairing.Own(w.policy.Pairing, r) != pairing.NotOwn {
		return nil, errors.New("ptlauth answers it itself: ask for another one")
	}
	rules, missing := rulesFor(w, r)
	if missing != nil {
		return missing, nil
	}
	found := extractor.Find(w.policy.Locations, r)
	result := authn.Identify(w.policy, w.current, r, found)
	v := &Verdict{Good: result.Status == http.StatusOK, Status: result.Status, Reason: result.LogReason, Tokens: []Token{}}
	rule := access.Find(rules, r)
	if found.Tokens == nil && found.Problem == "" {
		v.Reason = extractor.Why(w.policy.Locations, r)
	}
	if v.Good {
		admit(v, rule, result)
	}
	for _, one := range found.Tokens {
		token := explain(w, one.Text, rule)
		if found.Problem != "" {
			token.Checks = append([]Check{{Name: "carriers", Result: Failed, Text: found.Problem}}, token.Checks...)
		}
		v.Tokens = append(v.Tokens, token)
	}
	remark(v, rule, len(found.Tokens))
	if !v.Good && broken.MatchString(strings.TrimSpace(pasted)) {
		v.Remarks = append(v.Remarks, "white space stands in the middle of the token, as where it was copied in two lines: take it out")
	}
	if isUnknown(w, r) {
		v.Remarks = append(v.Remarks, "what an app is sent, and which of its paths are public, depends on the app: ask for a page by its whole address")
	}
	return v, nil
}

// isUnknown reports whether the app is not said that is asked for.
func isUnknown(w *World, r *http.Request) bool { return w.policy.Apps != nil && r.Host == "" }

// rulesFor are the rules of the app that is asked for; the verdict, if there is one, is that it cannot be. No token is
// looked at then.
func rulesFor(w *World, r *http.Request) (access.Rules, *Verdict) {
	if w.policy.Apps == nil || isUnknown(w, r) {
		return w.policy.Rules, nil
	}
	status, reason := http.StatusNotFound, "no app of that name is installed"
	if label := app.Of(r.Host); label != "" {
		if a := app.Find(w.policy.Apps, label); a != nil {
			rules := app.Look(a, w.policy.Refresh)
			if rules != nil {
				return rules.Access, nil
			}
			status, reason = http.StatusServiceUnavailable, "the app's app_meta.json cannot be read"
		}
	}
	if !app.DirExists(w.policy.Apps) {
		status, reason = http.StatusServiceUnavailable, "apps.directory cannot be found"
	}
	return nil, &Verdict{Status: status, Reason: reason, Tokens: []Token{}}
}

// admit fills in whose visit it is, and what the app is sent, as decide does.
func admit(v *Verdict, rule *access.Rule, result *authn.Result) {
	if rule.Access == access.Peer {
		v.Good, v.Status, v.Reason = false, http.StatusUnauthorized, "the path is for peers, and there are none"
		return
	}
	visitor := visitorOf(result)
	v.Terminal = &Terminal{ID: visitor.ID, Name: visitor.Name, User: visitor.User}
	v.Until = result.Token.Until
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
func remark(v *Verdict, rule *access.Rule, tokens int) {
	if !v.Good && rule.Access == access.Public {
		v.Remarks = append(v.Remarks, "the path is public: whoever has no good token is let in, as nobody")
	}
	if tokens > 1 {
		v.Remarks = append(v.Remarks, "of several tokens one good one is enough, unless two are of different terminals")
	}
	if v.Good && v.Until > 0 && v.Until-time.Now().Unix() < 24*3600 {
		v.Remarks = append(v.Remarks, "it ends within a day")
	}
}
