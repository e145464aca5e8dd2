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
		next:    next,
		name:    name,
		policy:  p,
		rules:   rules,
		guard:   header.NewGuard(access.Injected(rules)),
		plain:   len(rules) == 1 && !rules[0].Closed && p.carriers.Header == "" && p.carriers.Query == "" && p.apps == nil,
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
	if !g.plain || r.Method == "CONNECT" {
		decideByPath(g, w, r)
		return
	}
	current := now(g)
	found := carrier.Find(g.policy.carriers, r)
	conclude(g, w, r, g.rules[0], current, found, identify(g.policy, current, r, found))
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
	found := carrier.Find(g.policy.carriers, r)
	conclude(g, w, r, rule, current, found, identify(g.policy, current, r, found))
}

// conclude does what the verdict says; on a public path, who is not admitted as a
// terminal is admitted as nobody.
func conclude(g *gate, w http.ResponseWriter, r *http.Request, rule *access.Rule, current *view, found *carrier.Found, v *verdict) {
	if v.status == http.StatusOK {
		v = render(rule, v)
	}
	if v.status == http.StatusOK {
		forward(g, w, r, rule, current, found, v)
		return
	}
	if rule.Public || g.policy.passPreflight && isPreflight(r) {
		forward(g, w, r, rule, current, found, render(rule, anonymous()))
		return
	}
	deny(g, w, r, v)
}

// forward sends an admitted request on, and remembers the decision as long as the
// world is as it is and the token is good.
func forward(g *gate, w http.ResponseWriter, r *http.Request, rule *access.Rule, current *view, found *carrier.Found, v *verdict) {
	if g.policy.activity != nil {
		activity.Tell(g.policy.activity, use(g.policy, r, v))
	}
	key := ""
	if v.token != nil && (v.token.Until == 0 || outlives(v.token, current)) {
		key = memoryKey(g, r, rule)
	}
	carrier.Remove(g.policy.carriers, r, found)
	d := &memory.Decision{Cookie: r.Header["Cookie"], Names: v.names, Values: v.values}
	if key != "" {
		remember(g, r, current, key, d)
	}
	if v.token != nil && r.Header["Upgrade"] != nil {
		serveSocket(g, current, w, r, d, v)
		return
	}
	admit(g, w, r, d)
}

// outlives tells whether the token is good until the period's end.
func outlives(t *token.Token, current *view) bool {
	return time.Unix(t.Until, 0).After(current.end)
}

// remember keeps the decision, with what is left of the header that carried the token.
func remember(g *gate, r *http.Request, current *view, key string, d *memory.Decision) {
	if !g.plain && g.policy.carriers.Header != "" {
		d.Header = r.Header[g.policy.carriers.Header]
	}
	memory.Keep(g.memory, current.period, current.end, key, d)
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
	if !ok || r.Header["Upgrade"] != nil || !isRepeatable(g, r) {
		return false
	}
	d := known.(*memory.Decision)
	name := g.policy.carriers.Header
	if name != "" {
		if d.Header == nil {
			delete(r.Header, name)
		} else {
			r.Header[name] = d.Header
		}
	}
	admit(g, w, r, d)
	return true
}

// longestKey bounds what a decision is remembered by, in bytes.
const longestKey = 16 << 10

// memoryKey is all that a decision hangs on, the path's rule included; empty where
// that cannot be said in one text.
func memoryKey(g *gate, r *http.Request, rule *access.Rule) string {
	cookie := r.Header["Cookie"]
	if !g.plain {
		return longKey(g, r, rule, cookie)
	}
	if len(cookie) != 1 || len(cookie[0]) > longestKey {
		return ""
	}
	return cookie[0]
}

func longKey(g *gate, r *http.Request, rule *access.Rule, cookie []string) string {
	c := g.policy.carriers
	if len(cookie) > 1 || c.Query != "" && (r.URL.RawQuery != "" || r.Header["Referer"] != nil) {
		return ""
	}
	key := rule.Prefix + "\x00" + strings.Join(cookie, "")
	if c.Header != "" {
		values := r.Header[c.Header]
		if len(values) > 1 {
			return ""
		}
		key += "\x00" + strings.Join(values, "")
	}
	if len(key) > longestKey {
		return ""
	}
	return key
}

// deny answers in the app's place and tells the operator why.
func deny(g *gate, w http.ResponseWriter, r *http.Request, v *verdict) {
	journal.Denied(g.name, denial.Name(v.status), r.Method, r.Host+r.URL.EscapedPath(), v.reason)
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
