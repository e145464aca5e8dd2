// Package authn finds out who asks: the one terminal that a request's tokens speak for.
package authn

import (
	"net/http"
	"time"

	"github.com/getportal/ptlauth/internal/denial"
	"github.com/getportal/ptlauth/internal/extractor"
	"github.com/getportal/ptlauth/internal/key"
	"github.com/getportal/ptlauth/internal/origin"
	"github.com/getportal/ptlauth/internal/policy"
	"github.com/getportal/ptlauth/internal/snapshot"
	"github.com/getportal/ptlauth/internal/terminal"
	"github.com/getportal/ptlauth/internal/token"
)

// Result is what was found out about a request. What it was asked with is not in it.
type Result struct {
	Status    int                // 200: the terminal is who it says it is
	ErrorCode string             // what the client may know (RFC 6750 §3.1)
	LogReason string             // what the log says
	Terminal  *terminal.Terminal // nil: nothing is known of the visitor
	Token     *token.Token
	Text      string // the token as it came
	Until     int64  // when the token expires, in seconds since 1970; 0: never
	Place     string // where it was: see extractor.Token
	// Ambient reports that a browser may have sent the token of its own accord.
	Ambient bool
	// Ours reports that the signature is of one of our keys, though the token is not good.
	Ours bool
}

// Anonymous is the result for a visitor who needs no token.
var Anonymous = &Result{Status: http.StatusOK}

// maxTokens bounds how many tokens of one request are looked at.
const maxTokens = 4

// Identify finds the one terminal that the request's tokens speak for. A sibling app
// can plant a second cookie of the name, so a bad token does no harm beside a good
// one, and two good ones of different terminals are refused.
func Identify(p *policy.Policy, current *snapshot.Snapshot, r *http.Request, found *extractor.Found) *Result {
	if !current.Ready {
		return Denied(http.StatusServiceUnavailable, denial.NoToken, "a key or the list of terminals cannot be read yet; an ERROR line above says why")
	}
	if found.Tokens == nil && found.Problem == "" {
		return Denied(http.StatusUnauthorized, denial.NoToken, extractor.NoToken)
	}
	v := choose(p, current, found)
	if v.Status == http.StatusOK {
		return CheckRequired(p, r, v)
	}
	return v
}

// Judge verifies one token and looks for its terminal. The result says that the token may have
// come of its own accord, unless the caller knows better.
func Judge(p *policy.Policy, current *snapshot.Snapshot, text string) *Result {
	segment, problem := token.Signed(text, current.Keys)
	return JudgeSigned(p, current, text, segment, problem)
}

// JudgeSigned is Judge where token.Signed has found that segment, or that problem.
func JudgeSigned(p *policy.Policy, current *snapshot.Snapshot, text, segment, problem string) *Result {
	if problem == "" {
		t, flaw := token.Open(segment, p.TokenRules, time.Now().Unix())
		if flaw != "" {
			return flawed(current, flaw)
		}
		return findTerminal(p, current, text, t)
	}
	if problem == token.NoKey {
		return lookAgain(p, current, text)
	}
	if problem == token.NotTheKeys {
		if current.Complete {
			return Forged
		}
	}
	return badToken(current, problem)
}

// Forged is the result for nearly every forgery. Requests share it, so that it is not changed.
var Forged = Denied(http.StatusUnauthorized, denial.BadToken, token.NotTheKeys)

// flawed refuses a token that one of our keys has signed.
func flawed(current *snapshot.Snapshot, flaw string) *Result {
	v := badToken(current, flaw)
	v.Ours = true // guard: a token of ours goes, good or not
	return v
}

// lookAgain is for a token that may be of a key that has just come.
func lookAgain(p *policy.Policy, current *snapshot.Snapshot, text string) *Result {
	if !key.Again(p.Keys) {
		return badToken(current, token.NoKey)
	}
	fresh, _ := key.Ready(p.Keys)
	segment, problem := token.Signed(text, fresh)
	if problem != "" {
		return badToken(current, problem)
	}
	t, flaw := token.Open(segment, p.TokenRules, time.Now().Unix())
	if flaw != "" {
		return flawed(current, flaw)
	}
	return findTerminal(p, current, text, t)
}

// badToken refuses a token, unless it may be of a key that cannot be read.
func badToken(current *snapshot.Snapshot, problem string) *Result {
	if current.Complete {
		return &Result{Status: http.StatusUnauthorized, ErrorCode: denial.BadToken, LogReason: problem}
	}
	return Denied(http.StatusServiceUnavailable, denial.NoToken, "the token is of none of the keys that can be read, and one cannot")
}

// findTerminal looks for the token's terminal among those that are paired.
func findTerminal(p *policy.Policy, current *snapshot.Snapshot, text string, t *token.Token) *Result {
	who := terminal.Find(current.Registry, t.Subject)
	if who == nil {
		// A device that was paired a moment ago should not have to wait.
		who = terminal.Again(p.Terminals, p.Refresh, t.Subject)
	}
	if who == nil {
		v := Denied(http.StatusUnauthorized, denial.BadToken, "the terminal is not paired")
		v.Ours = true
		return v
	}
	return &Result{
		Status: http.StatusOK, Terminal: who, Token: t, Text: text, Ambient: true,
		Until: t.Until, // guard: a remembered token does not outlive its expiry
	}
}

// choose takes the one good token among several, and marks those that must not reach the
// app.
func choose(p *policy.Policy, current *snapshot.Snapshot, found *extractor.Found) *Result {
	tokens := found.Tokens
	if found.Problem != "" {
		return Denied(http.StatusUnauthorized, denial.BadToken, found.Problem)
	}
	if len(tokens) > maxTokens { // guard: at most four tokens are looked at
		return Denied(http.StatusUnauthorized, denial.BadToken, "there are more than 4 tokens")
	}
	var chosen *Result
	for i, one := range tokens {
		v := Judge(p, current, one.Text)
		if v.Status == http.StatusOK {
			v.Ambient = one.Ambient
			v.Place = one.Place
		}
		tokens[i].Ours = v.Ours || v.Status == http.StatusOK
		switch {
		case chosen == nil || chosen.Status != http.StatusOK && v.Status == http.StatusOK:
			chosen = v
		case v.Status != http.StatusOK:
		case v.Token.Subject != chosen.Token.Subject: // guard: two terminals at once are refused
			return Denied(http.StatusUnauthorized, denial.BadToken, "there are tokens of two terminals")
		case chosen.Ambient && !v.Ambient:
			chosen = v
		}
	}
	// A token of a key that cannot be read just now would be taken for another's.
	found.Good = chosen.Status == http.StatusOK && current.Complete
	return chosen
}

// CheckRequired asks for what is required beside a good token.
func CheckRequired(p *policy.Policy, r *http.Request, v *Result) *Result {
	h := r.Header
	if r.Method == "GET" && h["Upgrade"] == nil && p.TokenRules.Require == nil &&
		!origin.IsFramed(h) { // guard: a frame is known by its destination
		return v
	}
	return checkRequiredSlow(p, r, v)
}

func checkRequiredSlow(p *policy.Policy, r *http.Request, v *Result) *Result {
	if v.Ambient && !origin.Allows(p.Origins, r) {
		return Denied(http.StatusForbidden, denial.NoToken, crossOrigin(v.Place))
	}
	unmet := token.Unmet(p.TokenRules.Require, v.Token)
	if unmet != "" {
		return Denied(http.StatusForbidden, denial.Insufficient, "the token does not satisfy require."+unmet)
	}
	return v
}

// crossOrigin is why a page of another origin is denied, by the token's place.
func crossOrigin(place string) string {
	const remedy = "; if it may, list it in trustedOrigins"
	switch place {
	case extractor.ByCookie:
		return "another origin's page asks with the visitor's cookie" + remedy
	case extractor.ByBasic:
		return "another origin's page asks with the password that the visitor's browser sends by itself" + remedy
	}
	return "another origin's page asks with " + place + ", which a proxy in front may have made of the visitor's cookie" + remedy +
		"; if none does, write {name: " + place + ", explicit: true} in token.header"
}

// Denied is the result for a request that is denied whoever asks.
func Denied(status int, errorCode, logReason string) *Result {
	return &Result{Status: status, ErrorCode: errorCode, LogReason: logReason}
}
