package ptlauth

import (
	"net/http"
	"time"

	"github.com/getportal/ptlauth/internal/carrier"
	"github.com/getportal/ptlauth/internal/denial"
	"github.com/getportal/ptlauth/internal/key"
	"github.com/getportal/ptlauth/internal/origin"
	"github.com/getportal/ptlauth/internal/terminal"
	"github.com/getportal/ptlauth/internal/token"
)

// verdict is what was found out about a request.
type verdict struct {
	status   int
	failure  string // what the client may know
	reason   string // what the log says
	terminal *terminal.Terminal
	token    *token.Token
	text     string // the token as it came
	// byCookie tells that a browser may have sent the token of its own accord.
	byCookie bool
	// ours reports that the signature is of one of our keys, though the token is not good.
	ours bool
}

// anonymous is the verdict on who needs no token.
var anonymous = &verdict{status: http.StatusOK}

// maxCandidates bounds how many tokens of one request are looked at.
const maxCandidates = 4

// identify finds the one terminal that the request's tokens speak for. A sibling app
// can plant a second cookie of the name, so a bad token does no harm beside a good
// one, and two good ones of different terminals are refused.
func identify(p *policy, current *view, r *http.Request, found *carrier.Found) *verdict {
	if !current.ready {
		return refused(http.StatusServiceUnavailable, denial.NoToken, "a key or the list of terminals cannot be read yet; an ERROR line above says why")
	}
	v := choose(p, current, found)
	if v.status == http.StatusOK {
		return accept(p, r, v)
	}
	return v
}

// judge verifies one token and looks for its terminal.
func judge(p *policy, current *view, text string, byCookie bool) *verdict {
	segment, problem := token.Signed(text, current.keys)
	if problem == token.NoKey {
		return lookAgain(p, current, text, byCookie)
	}
	// refuse, written out: a forgery should not cost another call.
	if problem != "" && current.complete {
		return &verdict{status: http.StatusUnauthorized, failure: denial.BadToken, reason: problem}
	}
	if problem != "" {
		return refuse(current, problem)
	}
	t, flaw := token.Open(segment, p.tokenRules, time.Now().Unix())
	if flaw != "" {
		return flawed(current, flaw)
	}
	return pair(p, current, text, byCookie, t)
}

// flawed refuses a token that one of our keys has signed.
func flawed(current *view, flaw string) *verdict {
	v := refuse(current, flaw)
	v.ours = true
	return v
}

// lookAgain is for a token that may be of a key that has just come.
func lookAgain(p *policy, current *view, text string, byCookie bool) *verdict {
	if !key.Again(p.keys) {
		return refuse(current, token.NoKey)
	}
	fresh, _ := key.Ready(p.keys)
	segment, problem := token.Signed(text, fresh)
	if problem != "" {
		return refuse(current, problem)
	}
	t, flaw := token.Open(segment, p.tokenRules, time.Now().Unix())
	if flaw != "" {
		return flawed(current, flaw)
	}
	return pair(p, current, text, byCookie, t)
}

// refuse refuses a token, unless it may be of a key that cannot be read.
func refuse(current *view, problem string) *verdict {
	if current.complete {
		return &verdict{status: http.StatusUnauthorized, failure: denial.BadToken, reason: problem}
	}
	return refused(http.StatusServiceUnavailable, denial.NoToken, "the token is of none of the keys that can be read, and one cannot")
}

// pair looks for the token's terminal among those that are paired.
func pair(p *policy, current *view, text string, byCookie bool, t *token.Token) *verdict {
	who := terminal.Find(current.registry, t.Subject)
	if who == nil {
		// A device that was paired a moment ago should not have to wait.
		who = terminal.Again(p.terminals, p.refresh, t.Subject)
	}
	if who == nil {
		v := refused(http.StatusUnauthorized, denial.BadToken, "the terminal is not paired")
		v.ours = true
		return v
	}
	return &verdict{status: http.StatusOK, terminal: who, token: t, text: text, byCookie: byCookie}
}

// choose takes the one good token among several, and marks those that must not reach the
// app.
func choose(p *policy, current *view, found *carrier.Found) *verdict {
	candidates := found.Candidates
	if found.Problem != "" {
		return refused(http.StatusUnauthorized, denial.BadToken, found.Problem)
	}
	if candidates == nil {
		return refused(http.StatusUnauthorized, denial.NoToken, carrier.NoToken)
	}
	if len(candidates) > maxCandidates {
		return refused(http.StatusUnauthorized, denial.BadToken, "there are more than 4 tokens")
	}
	var chosen *verdict
	for i, candidate := range candidates {
		v := judge(p, current, candidate.Token, candidate.ByCookie)
		candidates[i].Ours = v.ours || v.status == http.StatusOK
		switch {
		case chosen == nil || chosen.status != http.StatusOK && v.status == http.StatusOK:
			chosen = v
		case v.status != http.StatusOK:
		case v.token.Subject != chosen.token.Subject:
			return refused(http.StatusUnauthorized, denial.BadToken, "there are tokens of two terminals")
		default:
			chosen.byCookie = chosen.byCookie && v.byCookie
		}
	}
	// A token of a key that cannot be read just now would be taken for another's.
	found.Good = chosen.status == http.StatusOK && current.complete
	return chosen
}

// accept asks for what is required beside a good token.
func accept(p *policy, r *http.Request, v *verdict) *verdict {
	h := r.Header
	if r.Method == "GET" && h["Upgrade"] == nil && h["Upgrade-Insecure-Requests"] == nil && p.tokenRules.Require == nil {
		return v
	}
	return demand(p, r, v)
}

func demand(p *policy, r *http.Request, v *verdict) *verdict {
	if v.byCookie && !origin.Allows(p.origins, r) {
		return refused(http.StatusForbidden, denial.NoToken, "another origin's page asks with the visitor's cookie; if it may, list it in trustedOrigins")
	}
	unmet := token.Unmet(p.tokenRules.Require, v.token)
	if unmet != "" {
		return refused(http.StatusForbidden, denial.Insufficient, "the token does not satisfy require."+unmet)
	}
	return v
}

func refused(status int, failure, reason string) *verdict {
	return &verdict{status: status, failure: failure, reason: reason}
}
