package ptlauth

import (
	"net/http"
	"time"

	"github.com/getportal/ptlauth/internal/access"
	"github.com/getportal/ptlauth/internal/carrier"
	"github.com/getportal/ptlauth/internal/denial"
	"github.com/getportal/ptlauth/internal/key"
	"github.com/getportal/ptlauth/internal/origin"
	"github.com/getportal/ptlauth/internal/placeholder"
	"github.com/getportal/ptlauth/internal/terminal"
	"github.com/getportal/ptlauth/internal/token"
)

// verdict is what was found out about a request.
type verdict struct {
	status  int
	failure string // what the client may know
	reason  string // what the log says
	visitor *placeholder.Visitor
	token   *token.Token
	text    string // the token as it came
	// byCookie tells that a browser may have sent the token of its own accord.
	byCookie bool
	names    []string
	values   [][]string
}

// anonymous is a verdict on who needs no token.
func anonymous() *verdict {
	return &verdict{status: http.StatusOK, visitor: placeholder.Anonymous}
}

// maxCandidates bounds how many tokens of one request are looked at.
const maxCandidates = 4

// identify finds the one terminal that the request's tokens speak for. A sibling app
// can plant a second cookie of the name, so a bad token does no harm beside a good
// one, and two good ones of different terminals are refused.
func identify(p *policy, current *view, r *http.Request, found *carrier.Found) *verdict {
	if len(current.keys) == 0 || current.registry == nil {
		return refused(http.StatusServiceUnavailable, denial.NoToken, "a key or the list of terminals cannot be read yet; an ERROR line above says why")
	}
	if found.Sole != "" {
		return accept(p, r, judge(p, current, found.Sole, true))
	}
	if len(found.Candidates) == 0 {
		return refused(http.StatusUnauthorized, denial.NoToken, "there is no token")
	}
	return accept(p, r, choose(p, current, found.Candidates))
}

// judge verifies one token and looks for its terminal.
func judge(p *policy, current *view, text string, byCookie bool) *verdict {
	t, problem := token.Verify(text, current.keys, p.tokenRules, time.Now().Unix())
	if problem == token.NoKey && key.Again(p.keys) {
		fresh, _ := key.Look(p.keys, p.refresh)
		t, problem = token.Verify(text, fresh, p.tokenRules, time.Now().Unix())
	}
	if problem != "" {
		return undecided(current, problem)
	}
	who := terminal.Find(current.registry, t.Subject)
	if who == nil {
		// A device that was paired a moment ago should not have to wait.
		who = terminal.Find(terminal.Look(p.terminals, p.refresh), t.Subject)
	}
	if who == nil {
		return refused(http.StatusUnauthorized, denial.BadToken, "the terminal is not paired")
	}
	return &verdict{status: http.StatusOK, token: t, text: text, byCookie: byCookie, visitor: visitor(who, t)}
}

// undecided refuses a token, unless it may be of a key that cannot be read.
func undecided(current *view, problem string) *verdict {
	if !current.complete {
		return refused(http.StatusServiceUnavailable, denial.NoToken, "the token is of none of the keys that can be read, and one cannot")
	}
	return refused(http.StatusUnauthorized, denial.BadToken, problem)
}

// choose takes the one good token among several.
func choose(p *policy, current *view, candidates []carrier.Candidate) *verdict {
	if len(candidates) > maxCandidates {
		return refused(http.StatusUnauthorized, denial.BadToken, "there are more than 4 tokens")
	}
	var chosen *verdict
	for _, candidate := range candidates {
		v := judge(p, current, candidate.Token, candidate.ByCookie)
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
	return chosen
}

// accept asks for what is required beside a good token.
func accept(p *policy, r *http.Request, v *verdict) *verdict {
	if v.status != http.StatusOK {
		return v
	}
	if v.byCookie && (r.Method != "GET" || r.Header["Upgrade"] != nil) && !origin.Allows(p.origins, r) {
		return refused(http.StatusForbidden, denial.NoToken, "another origin's page asks with the visitor's cookie; if it may, list it in trustedOrigins")
	}
	if p.tokenRules.Require != nil {
		unmet := token.Unmet(p.tokenRules.Require, v.token.Claims)
		if unmet != "" {
			return refused(http.StatusForbidden, denial.Insufficient, "the token does not satisfy require."+unmet)
		}
	}
	return v
}

func refused(status int, failure, reason string) *verdict {
	return &verdict{status: status, failure: failure, reason: reason}
}

func visitor(who *terminal.Terminal, t *token.Token) *placeholder.Visitor {
	user := who.User
	if user == "" {
		user = t.Subject
	}
	return placeholder.NewVisitor(user, who.ID, who.Name, t.Claims)
}

// render fills in the headers for the visitor; a value that no header can carry
// denies the request.
func render(rule *access.Rule, v *verdict) *verdict {
	if rule.Closed {
		return refused(http.StatusUnauthorized, denial.NoToken, "the path is for peers, and there are none")
	}
	names, values, problem := access.Values(rule, v.visitor)
	if problem != "" {
		return refused(http.StatusForbidden, denial.Insufficient, problem)
	}
	v.names = names
	v.values = values
	return v
}
