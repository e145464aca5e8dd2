package ptlauth

import (
	"net/http"
	"strings"
	"time"

	"github.com/getportal/ptlauth/internal/access"
	"github.com/getportal/ptlauth/internal/activity"
	"github.com/getportal/ptlauth/internal/carrier"
	"github.com/getportal/ptlauth/internal/header"
	"github.com/getportal/ptlauth/internal/journal"
	"github.com/getportal/ptlauth/internal/memory"
	"github.com/getportal/ptlauth/internal/origin"
	"github.com/getportal/ptlauth/internal/token"
)

// serveSlow is the way of a request with a header that asks for more than an answer, or
// where more than the Cookie line and the path decides.
func serveSlow(g *gate, w http.ResponseWriter, r *http.Request, rule *access.Rule) {
	if len(r.Header) > header.MaxNames {
		refuseNames(g, w, r)
		return
	}
	if r.Header["Upgrade-Insecure-Requests"] != nil && origin.IsFramed(r.Header) {
		origin.Restrict(g.policy.origins, w.Header())
	}
	if !isDone(g, w, r, rule) {
		decide(g, w, r, rule)
	}
}

// isDone refuses a tunnel, and admits what a handler does not by what is remembered.
func isDone(g *gate, w http.ResponseWriter, r *http.Request, rule *access.Rule) bool {
	// A tunnel would carry a second request past every check (GHSA-3ccp-42pg-hgv6).
	if r.Method == "CONNECT" {
		turnAway(g.policy, w, r, http.StatusMethodNotAllowed)
		return true
	}
	key := memoryKey(g, r, rule)
	if key == "" || isLong(r.Header) {
		return false
	}
	known, ok := g.memory.Decisions.Load(key)
	if !ok || (r.Method != "GET" || origin.IsFramed(r.Header)) && !origin.Allows(g.policy.origins, r) {
		return false
	}
	admit(g, w, r, known.(*memory.Decision))
	return true
}

// memoryKey is all that a decision hangs on; empty where that cannot be said in one text,
// or where another middleware of the chain has taken the token out.
func memoryKey(g *gate, r *http.Request, rule *access.Rule) string {
	cookie := r.Header["Cookie"]
	if len(cookie) > 1 || r.Response != nil {
		return ""
	}
	if rule.Public && carrier.IsTokenless(g.policy.carriers, r) {
		return rule.Mark
	}
	line := strings.Join(cookie, "")
	if g.plain {
		return line
	}
	if g.quick {
		return line + rule.Mark
	}
	return longKey(g.policy.carriers, r, line+rule.Mark)
}

func longKey(c *carrier.Carriers, r *http.Request, key string) string {
	values := r.Header[c.Header]
	if len(values) > 1 || c.Query != "" && (r.URL.RawQuery != "" || r.Header["Referer"] != nil) {
		return ""
	}
	return key + "\n" + r.Host + "\n" + strings.Join(values, "")
}

// outlives tells whether the token is good until the period's end.
func outlives(t *token.Token, current *view) bool {
	return time.Unix(t.Until, 0).After(current.end)
}

// prepare tells of the visit, and returns what the decision may be remembered by. What
// is remembered is not told of.
func prepare(g *gate, r *http.Request, rule *access.Rule, v *verdict) string {
	p := g.policy
	if p.activity != nil {
		activity.Tell(p.activity, use(g, r, v))
		// Who is anonymous is remembered for all hosts.
		if p.refresh > p.activity.Interval || v.token == nil && g.app == nil {
			return ""
		}
	}
	if v.token == nil && !(rule.Public && carrier.IsTokenless(p.carriers, r)) {
		return ""
	}
	return memoryKey(g, r, rule)
}

// removeClosely takes the token out where that takes more than another Cookie line. What
// is left of an anonymous visitor's cookies is that visitor's alone.
func removeClosely(g *gate, r *http.Request, found *carrier.Found, d *memory.Decision, v *verdict) {
	c := g.policy.carriers
	carrier.Remove(c, r, found)
	if v.token == nil {
		return
	}
	d.Header["Cookie"] = r.Header["Cookie"]
	if c.Header != "" {
		d.Header[c.Header] = r.Header[c.Header]
	}
}

// takeOver is for a request whose token another middleware of the chain has taken out,
// as where the same one stands at the entry point and at the router. It sends on what
// that one has admitted, and returns nil; or it returns why the request is refused.
func takeOver(g *gate, w http.ResponseWriter, r *http.Request, rule *access.Rule, v *verdict) *verdict {
	if r.Response.Status != g.name {
		text := "two different ptlauth middlewares are in one chain, and " + r.Response.Status + " takes the token out before " + g.name + ": keep one of them"
		journal.State(g.name+" chain", text)
		return refused(v.status, v.failure, text)
	}
	if rule.Closed {
		return v
	}
	admit(g, w, r, &memory.Decision{Header: r.Response.Header, User: r.URL.User, Mark: r.Response})
	return nil
}

// use is what Portal is told of an admitted request.
func use(g *gate, r *http.Request, v *verdict) activity.Use {
	u := activity.Use{
		Host:   r.Host,
		URI:    carrier.WithoutQuery(g.policy.carriers, r.URL.RequestURI()),
		Method: r.Method,
		Proto:  scheme(r),
	}
	if g.app != nil {
		u.App = g.app.app.Name
	}
	if v.token != nil {
		u.Cookie = carrier.DefaultCookie + "=" + v.text
	}
	return u
}
