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
	"strings"
	"time"

	"github.com/getportal/ptlauth/internal/access"
	"github.com/getportal/ptlauth/internal/activity"
	"github.com/getportal/ptlauth/internal/carrier"
	"github.com/getportal/ptlauth/internal/denial"
	"github.com/getportal/ptlauth/internal/header"
	"github.com/getportal/ptlauth/internal/journal"
	"github.com/getportal/ptlauth/internal/memory"
	"github.com/getportal/ptlauth/internal/origin"
	"github.com/getportal/ptlauth/internal/token"
)

// New makes the middleware called name in front of next. A configuration with
// mistakes is no error: Traefik would drop the router, and the request could fall
// through to another one, without a check. Such a middleware answers every request
// with 503 and names all mistakes in Traefik's log.
func New(_ context.Context, next http.Handler, config *Config, name string) (http.Handler, error) {
	m := &made{handler: &refusal{}}
	build(m, next, config, name)
	return m.handler, nil
}

type made struct{ handler http.Handler }

// build leaves the refusal in place after a panic, which would end the goroutine on
// which Traefik applies configurations, for good.
func build(m *made, next http.Handler, config *Config, name string) {
	defer func() {
		if recover() != nil {
			journal.State(name, name+" cannot be made and answers every request with 503: please report this as a bug of ptlauth")
		}
	}()
	policy, report := compile(config)
	problems := report.Problems()
	if len(problems) > 0 {
		journal.State(name, name+" is misconfigured and answers every request with 503: "+report.String())
		return
	}
	if policy.apps != nil {
		m.handler = &portal{next: next, name: name, policy: policy}
	} else {
		m.handler = newGate(next, name, policy, policy.rules)
	}
	journal.State(name, "")
}

// newGate makes the gate in front of one app and looks at the world once.
func newGate(next http.Handler, name string, p *policy, rules access.Rules) *gate {
	g := &gate{
		next:     next,
		answered: journal.Answered(name),
		policy:   p,
		rules:    rules,
		guard:    header.NewGuard(access.Injected(rules)),
		plain:    len(rules) == 1 && !rules[0].Closed && p.carriers.Header == "" && p.carriers.Query == "" && p.apps == nil,
		shared:   len(rules) == 1 && access.IsByTerminal(rules[0]),
		memory:   &memory.Memory{},
		present:  &present{},
		sockets:  &sockets{},
	}
	g.strict = g.plain && !rules[0].Public && !p.passPreflight
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
	next     http.Handler
	answered string // how a line about a denial begins
	policy   *policy
	rules    access.Rules
	guard    *header.Guard
	plain    bool // the Cookie line alone decides
	strict   bool // moreover, nobody is admitted without a good token
	shared   bool // all tokens of a terminal get the same headers
	memory   *memory.Memory
	present  *present
	sockets  *sockets
	app      *installed // where the rules come from, on a Portal
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

// decide finds out who asks, and admits or denies. It is short for the ordinary
// request: one token, in the one Cookie line that decides.
func decide(g *gate, w http.ResponseWriter, r *http.Request) {
	if !g.plain || r.Method == "CONNECT" {
		decideByPath(g, w, r)
		return
	}
	current := now(g)
	found := carrier.Glance(g.policy.carriers, r.Header["Cookie"])
	if found == nil || !current.ready {
		decideClosely(g, w, r, g.rules[0], current)
		return
	}
	v := judge(g.policy, current, found.Sole, true)
	if v.status == http.StatusOK {
		v = accept(g.policy, r, v)
	} else if g.strict {
		deny(g, w, r, v)
		return
	}
	conclude(g, w, r, g.rules[0], current, found, v)
}

// decideByPath decides where more than the Cookie line does: the method, the app as it
// is installed, the path, or another carrier.
func decideByPath(g *gate, w http.ResponseWriter, r *http.Request) {
	// A tunnel would carry a second request past every check (GHSA-3ccp-42pg-hgv6).
	if r.Method == "CONNECT" {
		denial.Write(w, r, http.StatusMethodNotAllowed, denial.NoToken)
		return
	}
	current := now(g)
	if g.app != nil && isOutdated(g) {
		g.app.portal.ServeHTTP(w, r)
		return
	}
	rule := access.Find(g.rules, r.URL.EscapedPath())
	if repeat(g, w, r, rule) {
		return
	}
	decideClosely(g, w, r, rule, current)
}

func decideClosely(g *gate, w http.ResponseWriter, r *http.Request, rule *access.Rule, current *view) {
	found := carrier.Find(g.policy.carriers, r)
	v := identify(g.policy, current, r, found)
	if rule.Closed && v.status == http.StatusOK {
		v = refused(http.StatusUnauthorized, denial.NoToken, "the path is for peers, and there are none")
	}
	conclude(g, w, r, rule, current, found, v)
}

// conclude does what the verdict says.
func conclude(g *gate, w http.ResponseWriter, r *http.Request, rule *access.Rule, current *view, found *carrier.Found, v *verdict) {
	if v.status != http.StatusOK {
		reject(g, w, r, rule, current, found, v)
		return
	}
	set, problem := headers(g, rule, current, v)
	if problem != "" {
		reject(g, w, r, rule, current, found, refused(http.StatusForbidden, denial.Insufficient, problem))
		return
	}
	forward(g, w, r, rule, current, found, v, set)
}

// reject denies, but on a public path who is not admitted as a terminal is admitted as
// nobody.
func reject(g *gate, w http.ResponseWriter, r *http.Request, rule *access.Rule, current *view, found *carrier.Found, v *verdict) {
	if rule.Public || g.policy.passPreflight && isPreflight(r) {
		forward(g, w, r, rule, current, found, anonymous, rule.Nobody)
		return
	}
	deny(g, w, r, v)
}

// forward sends an admitted request on with a set of headers, and remembers the decision
// as long as the world is as it is and the token is good.
func forward(g *gate, w http.ResponseWriter, r *http.Request, rule *access.Rule, current *view, found *carrier.Found, v *verdict, set *access.Set) {
	d := &memory.Decision{Names: set.Names, Values: set.Values}
	key := found.Line
	if !g.plain || key == "" || g.policy.activity != nil {
		key = prepare(g, r, rule, v, d)
	} else {
		d.Cookie = carrier.Rest(found)
	}
	if v.token != nil {
		if key != "" && (v.token.Until == 0 || outlives(v.token, current)) {
			memory.Keep(g.memory, current.period, current.end, key, d)
		}
		if r.Header["Upgrade"] != nil {
			serveSocket(g, current, w, r, d, v)
			return
		}
	}
	admit(g, w, r, d)
}

// outlives tells whether the token is good until the period's end.
func outlives(t *token.Token, current *view) bool {
	return time.Unix(t.Until, 0).After(current.end)
}

// prepare does what few requests need: it tells of the visit, takes the token out where
// that takes more than another Cookie line, and returns what the decision may be
// remembered by.
func prepare(g *gate, r *http.Request, rule *access.Rule, v *verdict, d *memory.Decision) string {
	if g.policy.activity != nil {
		activity.Tell(g.policy.activity, use(g.policy, r, v))
	}
	key := memoryKey(g, r, rule)
	carrier.Remove(g.policy.carriers, r)
	d.Cookie = r.Header["Cookie"]
	if g.policy.carriers.Header != "" {
		d.Header = r.Header[g.policy.carriers.Header]
	}
	return key
}

// repeat admits a request that was decided on a moment ago, where more than the Cookie
// line decides.
func repeat(g *gate, w http.ResponseWriter, r *http.Request, rule *access.Rule) bool {
	key := memoryKey(g, r, rule)
	// One middleware may stand in front of several hosts, each of which is told of.
	if key == "" || g.policy.activity != nil && g.app == nil {
		return false
	}
	known, ok := g.memory.Decisions.Load(key)
	if !ok || r.Header["Upgrade"] != nil || r.Method != "GET" && !isRepeatable(g, r) {
		return false
	}
	d := known.(*memory.Decision)
	if g.policy.carriers.Header != "" {
		putBack(r.Header, g.policy.carriers.Header, d)
	}
	admit(g, w, r, d)
	return true
}

func putBack(h http.Header, name string, d *memory.Decision) {
	if d.Header == nil {
		delete(h, name)
	} else {
		h[name] = d.Header
	}
}

// memoryKey is all that a decision hangs on, the path's rule included; empty where
// that cannot be said in one text.
func memoryKey(g *gate, r *http.Request, rule *access.Rule) string {
	cookie := r.Header["Cookie"]
	c := g.policy.carriers
	if len(cookie) > 1 || c.Query != "" && (r.URL.RawQuery != "" || r.Header["Referer"] != nil) {
		return ""
	}
	if g.plain {
		return strings.Join(cookie, "")
	}
	if c.Header != "" {
		return longKey(r.Header[c.Header], rule.Prefix, cookie)
	}
	return rule.Prefix + "\x00" + strings.Join(cookie, "")
}

func longKey(values []string, prefix string, cookie []string) string {
	if len(values) > 1 {
		return ""
	}
	return prefix + "\x00" + strings.Join(cookie, "") + "\x00" + strings.Join(values, "")
}

// deny answers in the app's place and tells the operator why.
func deny(g *gate, w http.ResponseWriter, r *http.Request, v *verdict) {
	journal.Denied(g.answered, v.status, r, v.reason)
	if g.policy.loginURL == "" || !redirect(g, w, r, v) {
		denial.Write(w, r, v.status, v.failure)
	}
}

// redirect sends a person to the login page, and tells whether it did.
func redirect(g *gate, w http.ResponseWriter, r *http.Request, v *verdict) bool {
	if v.status != http.StatusUnauthorized || !denial.IsNavigation(r) {
		return false
	}
	denial.Redirect(w, denial.Login(g.policy.loginURL, wanted(g.policy, r)))
	return true
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
