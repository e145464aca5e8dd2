// Package ptlauth is a Traefik middleware that lets an app trust a header. It takes
// every X-Ptl-* header out of a request, validates the terminal JWT that the request
// carries, and passes the request on with X-Ptl-User and its companions; or it
// denies the request, and the app never sees it.
//
// Traefik interprets this package with Yaegi. That is why functions stand where Go
// would have methods (a method call costs the interpreter eight times as much), and
// why ServeHTTP holds no more than a remembered request executes (entering a
// function costs a slot for each expression in it, executed or not).
package ptlauth

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/getportal/ptlauth/internal/access"
	"github.com/getportal/ptlauth/internal/activity"
	"github.com/getportal/ptlauth/internal/carrier"
	"github.com/getportal/ptlauth/internal/denial"
	"github.com/getportal/ptlauth/internal/header"
	"github.com/getportal/ptlauth/internal/journal"
	"github.com/getportal/ptlauth/internal/key"
	"github.com/getportal/ptlauth/internal/memory"
	"github.com/getportal/ptlauth/internal/origin"
	"github.com/getportal/ptlauth/internal/placeholder"
	"github.com/getportal/ptlauth/internal/terminal"
	"github.com/getportal/ptlauth/internal/token"
)

// New makes the middleware called name in front of next. A configuration with
// mistakes is no error: Traefik would drop the router, and the request could fall
// through to another one, without a check. Such a middleware answers every request
// with 503 and names all mistakes in Traefik's log.
func New(_ context.Context, next http.Handler, config *Config, name string) (http.Handler, error) {
	policy, report := compile(config)
	problems := report.Problems()
	if len(problems) > 0 {
		journal.State(name, name+" is misconfigured and answers every request with 503: "+report.String())
		return &refusal{}, nil
	}
	journal.State(name, "")
	if policy.apps != nil {
		return &portal{next: next, name: name, policy: policy}, nil
	}
	return newGate(next, name, policy, policy.rules), nil
}

// newGate makes the gate in front of one app and looks at the world once.
func newGate(next http.Handler, name string, p *policy, rules access.Rules) *gate {
	g := &gate{
		next:    next,
		name:    name,
		policy:  p,
		rules:   rules,
		guard:   header.NewGuard(access.Injected(rules)),
		plain:   len(rules) == 1 && p.carriers.Header == "" && p.carriers.Query == "",
		memory:  &memory.Memory{},
		present: &present{},
		sockets: &sockets{},
	}
	now(g)
	return g
}

// refusal stands in front of an app whose middleware is misconfigured.
type refusal struct{}

func (*refusal) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	denial.Write(w, r, http.StatusServiceUnavailable, "")
}

// gate is the middleware in front of one app.
type gate struct {
	next    http.Handler
	name    string
	policy  *policy
	rules   access.Rules
	guard   *header.Guard
	plain   bool // the Cookie line alone decides
	memory  *memory.Memory
	present *present
	sockets *sockets
	app     *installed // where the rules come from, on a Portal
}

// ServeHTTP is the way of a request: what claims an identity is taken out, then who
// asks is remembered or found out.
func (g *gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	// Trailers arrive after the decision and would be believed like headers
	// (CVE-2025-12642, CVE-2026-88004). The body is never read here.
	r.Trailer = nil
	h := r.Header
	if h.WriteSubset(g.guard.Nowhere, g.guard.Usual) != nil {
		header.Clean(g.guard, h)
		if h["Upgrade"] != nil {
			decide(g, w, r)
			return
		}
	}
	if g.plain {
		cookie := h["Cookie"]
		if len(cookie) == 1 {
			known, ok := g.memory.Decisions.Load(cookie[0])
			if ok && (r.Method == "GET" || isRepeatable(g, r)) {
				admit(g, w, r, known.(*memory.Decision))
				return
			}
		}
	}
	decide(g, w, r)
}

// isRepeatable tells whether what was decided about a Cookie line holds for this
// request too.
func isRepeatable(g *gate, r *http.Request) bool {
	return r.Method != http.MethodConnect && origin.Allows(g.policy.origins, r)
}

// admit sends the request on as decided. Changing it in place is safe: Traefik's
// retry and mirroring clone what they send again.
func admit(g *gate, w http.ResponseWriter, r *http.Request, d *memory.Decision) {
	h := r.Header
	if d.Cookie == nil {
		delete(h, "Cookie")
	} else {
		h["Cookie"] = d.Cookie
	}
	for i, name := range d.Names {
		h[name] = d.Values[i]
	}
	g.next.ServeHTTP(w, r)
}

// decide finds out who asks, and admits or denies.
func decide(g *gate, w http.ResponseWriter, r *http.Request) {
	// A tunnel would carry a second request past every check (GHSA-3ccp-42pg-hgv6).
	if r.Method == http.MethodConnect {
		denial.Write(w, r, http.StatusMethodNotAllowed, "")
		return
	}
	p := g.policy
	current := now(g)
	if g.app != nil && isOutdated(g) {
		g.app.portal.ServeHTTP(w, r)
		return
	}
	rule, public := access.Find(g.rules, r.URL.EscapedPath())
	line := rememberable(g, r)

	v := identify(p, current, r)
	if rule.Closed {
		v = refused(http.StatusUnauthorized, denial.NoToken, "the path is for peers, and there are none")
	}
	if v.status == http.StatusOK {
		v = render(rule, v)
	}
	if v.status != http.StatusOK && (public || p.passPreflight && isPreflight(r)) {
		v = render(rule, &verdict{status: http.StatusOK, visitor: placeholder.Anonymous})
	}
	if v.status != http.StatusOK {
		deny(g, w, r, v)
		return
	}

	if p.activity != nil {
		activity.Tell(p.activity, use(p, r, v))
	}
	carrier.Remove(p.carriers, r)
	d := &memory.Decision{Cookie: r.Header["Cookie"], Names: v.names, Values: v.values}
	if line != "" && v.token != nil && outlives(v.token, current.end) {
		memory.Keep(g.memory, current.period, current.end, line, d)
	}
	if v.token != nil && r.Header["Upgrade"] != nil {
		serveSocket(g, w, r, d, v)
		return
	}
	admit(g, w, r, d)
}

// rememberable is the Cookie line by which the decision can be found again; empty
// where more than that line decides.
func rememberable(g *gate, r *http.Request) string {
	cookie := r.Header["Cookie"]
	if !g.plain || len(cookie) != 1 || len(cookie[0]) > 2*token.MaxLength {
		return ""
	}
	return cookie[0]
}

// outlives tells whether the token is good until after that time.
func outlives(t *token.Token, end time.Time) bool {
	return t.Until == 0 || time.Unix(t.Until, 0).After(end)
}

// verdict is what was found out about a request.
type verdict struct {
	status  int
	failure string // what the client may know
	reason  string // what the log says
	visitor *placeholder.Visitor
	token   *token.Token
	text    string // the token as it came
	names   []string
	values  [][]string
}

// maxCandidates bounds how many tokens of one request are looked at.
const maxCandidates = 4

// identify finds the one terminal that the request's tokens speak for. A sibling app
// can plant a second cookie of the name, so a bad token does no harm beside a good
// one, and two good ones of different terminals are refused.
func identify(p *policy, current view, r *http.Request) *verdict {
	if len(current.keys) == 0 {
		return refused(http.StatusServiceUnavailable, denial.NoToken, "no key can be read yet; an ERROR line above says why")
	}
	if current.registry == nil {
		return refused(http.StatusServiceUnavailable, denial.NoToken, "the list of terminals cannot be read yet; an ERROR line above says why")
	}
	candidates := carrier.Find(p.carriers, r)
	if len(candidates) == 0 {
		return refused(http.StatusUnauthorized, denial.NoToken, "there is no token")
	}
	if len(candidates) > maxCandidates {
		return refused(http.StatusUnauthorized, denial.BadToken, "there are more than 4 tokens")
	}
	var found *token.Token
	var who *terminal.Terminal
	text := ""
	byCookie := true
	reason := ""
	for _, candidate := range candidates {
		t, problem := token.Verify(candidate.Token, current.keys, p.tokenRules, current.at.Unix())
		if problem == token.NoKey && key.Again(p.keys) {
			fresh, _ := key.Look(p.keys, p.refresh)
			t, problem = token.Verify(candidate.Token, fresh, p.tokenRules, current.at.Unix())
		}
		if problem == "" {
			paired := terminal.Find(current.registry, t.Subject)
			if paired == nil {
				problem = "the terminal is not paired"
			} else if found != nil && found.Subject != t.Subject {
				return refused(http.StatusUnauthorized, denial.BadToken, "there are tokens of two terminals")
			} else {
				if found == nil {
					found = t
					who = paired
					text = candidate.Token
				}
				byCookie = byCookie && candidate.ByCookie
			}
		}
		if reason == "" {
			reason = problem
		}
	}
	if found == nil {
		if !current.complete {
			return refused(http.StatusServiceUnavailable, denial.NoToken, "the token is of none of the keys that can be read, and one cannot")
		}
		return refused(http.StatusUnauthorized, denial.BadToken, reason)
	}
	if byCookie && !origin.Allows(p.origins, r) {
		return refused(http.StatusForbidden, denial.NoToken, "another origin's page asks with the visitor's cookie; if it may, list it in trustedOrigins")
	}
	unmet := token.Unmet(p.tokenRules.Require, found.Claims)
	if unmet != "" {
		return refused(http.StatusForbidden, denial.Insufficient, "the token does not satisfy require."+unmet)
	}
	return &verdict{status: http.StatusOK, token: found, text: text, visitor: visitor(who, found)}
}

func refused(status int, failure, reason string) *verdict {
	return &verdict{status: status, failure: failure, reason: reason}
}

func visitor(who *terminal.Terminal, t *token.Token) *placeholder.Visitor {
	v := &placeholder.Visitor{Type: "terminal", ID: who.ID, Name: who.Name, User: who.User, Claims: t.Claims}
	if v.User == "" {
		v.User = t.Subject
	}
	return v
}

// render fills in the headers for the visitor; a value that no header can carry
// denies the request.
func render(rule *access.Rule, v *verdict) *verdict {
	names, values, problem := access.Values(rule, v.visitor)
	if problem != "" {
		return refused(http.StatusForbidden, denial.Insufficient, problem)
	}
	v.names = names
	v.values = values
	return v
}

// deny answers in the app's place and tells the operator why.
func deny(g *gate, w http.ResponseWriter, r *http.Request, v *verdict) {
	journal.Debug(g.name + " answered " + http.StatusText(v.status) + " to " + strconv.Quote(r.Method) + " " + strconv.Quote(r.URL.Path) +
		" at " + strconv.Quote(r.Host) + ": " + v.reason)
	if v.status == http.StatusUnauthorized && g.policy.loginURL != "" && denial.IsNavigation(r) {
		denial.Redirect(w, denial.Login(g.policy.loginURL, wanted(g.policy, r)))
		return
	}
	denial.Write(w, r, v.status, v.failure)
}

// use is what Portal is told of an admitted request.
func use(p *policy, r *http.Request, v *verdict) activity.Use {
	u := activity.Use{
		Host:   r.Host,
		URI:    carrier.WithoutQuery(p.carriers, r.URL.RequestURI()),
		Method: r.Method,
		Proto:  scheme(r),
	}
	if v.token != nil {
		u.Cookie = carrier.DefaultCookie + "=" + v.text
	}
	return u
}

// wanted is the address of the page that was asked for, without a token in it.
func wanted(p *policy, r *http.Request) string {
	return scheme(r) + "://" + r.Host + carrier.WithoutQuery(p.carriers, r.URL.RequestURI())
}

func scheme(r *http.Request) string {
	if r.TLS != nil || strings.EqualFold(r.Header.Get("X-Forwarded-Proto"), "https") {
		return "https"
	}
	return "http"
}

// isPreflight tells whether a browser asks what another origin may do here.
func isPreflight(r *http.Request) bool {
	return r.Method == http.MethodOptions && r.Header["Origin"] != nil && r.Header["Access-Control-Request-Method"] != nil
}
