// Package ptlauth is a Traefik middleware that lets an app trust a header. It takes
// every X-Ptl-* header out of a request, validates the terminal JWT that the request
// carries, and passes the request on with X-Ptl-User and its companions; or it
// denies the request, and the app never sees it.
//
// Traefik interprets this package with Yaegi. That is why functions stand where Go
// would have methods (a method call costs the interpreter eight times as much), and
// why the handlers, byCookie first, hold no more than a remembered request executes
// (entering a function costs a slot for each expression in it, executed or not).
package ptlauth

import (
	"context"
	"net/http"
	"strings"

	"github.com/getportal/ptlauth/internal/access"
	"github.com/getportal/ptlauth/internal/carrier"
	"github.com/getportal/ptlauth/internal/denial"
	"github.com/getportal/ptlauth/internal/header"
	"github.com/getportal/ptlauth/internal/journal"
	"github.com/getportal/ptlauth/internal/memory"
	"github.com/getportal/ptlauth/internal/terminal"
)

// New makes the middleware called name in front of next. A configuration with
// mistakes is no error: Traefik would drop the router, and the request could fall
// through to another one, without a check. Such a middleware answers every request
// with 503 and names all mistakes in Traefik's log.
func New(_ context.Context, next http.Handler, config *Config, name string) (http.Handler, error) {
	m := &made{handler: newRefusal(byName)}
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
		m.handler = newRefusal(policy.carriers)
		journal.State(name, name+" is misconfigured and answers every request with 503: "+report.String())
		return
	}
	terminal.Compare(name, policy.terminals, report)
	if policy.apps != nil {
		m.handler = newPortal(next, name, policy)
	} else {
		m.handler = newGate(next, name, policy, policy.rules, nil).handler
	}
	journal.State(name, "")
	remark(name, report.Remarks())
}

// remark logs what is no mistake, once as long as it is so.
func remark(name, remarks string) {
	if remarks != "" {
		remarks = name + ": " + remarks
	}
	journal.State(name+" remarks", remarks)
}

// newGate makes the gate in front of one app and looks at the world once.
func newGate(next http.Handler, name string, p *policy, rules access.Rules, app *installed) *gate {
	g := &gate{
		next:     next,
		name:     name,
		answered: journal.Answered(name),
		policy:   p,
		rules:    rules,
		guard: header.NewGuard(header.Names{
			Injected: access.Injected(rules), Strip: p.strip, Rewriting: access.IsMixed(rules), Token: p.carriers.Header,
		}),
		shared:  access.AreByTerminal(rules),
		memory:  &memory.Memory{},
		present: &present{},
		sockets: &sockets{},
		app:     app,
	}
	// Where apps are told of by their hosts, a decision holds for one host.
	g.quick = p.carriers.Header == "" && p.carriers.Query == "" && (app != nil || p.activity == nil)
	g.plain = g.quick && len(rules) == 1 && !rules[0].Closed && !rules[0].Public
	g.strict = g.plain && !p.passPreflight
	switch {
	case g.plain:
		g.handler = byCookie(g)
	case g.quick:
		g.handler = byPath(g)
	default:
		g.handler = byAll(g)
	}
	begin(g)
	return g
}

// refusal stands in front of an app whose middleware is misconfigured.
type refusal struct {
	guard    *header.Guard
	carriers *carrier.Carriers
}

func newRefusal(c *carrier.Carriers) *refusal {
	return &refusal{guard: header.NewGuard(header.Names{Strip: &header.Strip{}}), carriers: c}
}

// byName is where a token is looked for besides what the configuration seems to say.
var byName = carrier.Named(carrier.DefaultCookie, "Authorization")

// ServeHTTP cleans what it refuses: Traefik's access log, its metrics and its errors
// middleware see the request all the same.
func (f *refusal) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r.Trailer = nil
	r.URL.User = nil
	header.Clean(f.guard, r.Header)
	if len(r.Header) > header.MaxNames {
		header.Empty(r.Header)
	}
	carrier.Remove(f.carriers, r, carrier.Find(f.carriers, r))
	carrier.Remove(byName, r, carrier.Find(byName, r))
	denial.Write(w, r, http.StatusServiceUnavailable, "")
}

// gate is the middleware in front of one app.
type gate struct {
	handler  http.Handler // what a request is served by
	next     http.Handler
	name     string // the middleware's, and the app's behind it on a Portal
	answered string // how a line about a denial begins
	policy   *policy
	rules    access.Rules
	guard    *header.Guard
	quick    bool // the Cookie line and the path alone decide
	plain    bool // the Cookie line alone decides
	strict   bool // moreover, nobody is admitted without a good token
	shared   bool // all tokens of a terminal get the same headers
	memory   *memory.Memory
	present  *present
	sockets  *sockets
	app      *installed // where the rules come from, on a Portal
}

// byCookie is the way of a request where its Cookie line alone decides: what claims an
// identity is taken out, then who asks is remembered or found out.
//
// What a closure holds is at hand; the interpreter spends a slot on each field of a
// receiver. That is also why nothing here is a function of its own that every
// remembered request needs.
func byCookie(g *gate) http.Handler {
	next := g.next
	guard := g.guard
	usual := guard.Usual
	nowhere := guard.Nowhere
	rule := g.rules[0]
	decisions := &g.memory.Decisions
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// Trailers arrive after the decision and would be believed like headers
		// (CVE-2025-12642, CVE-2026-88004). The body is never read here.
		r.Trailer = nil
		h := r.Header
		if h.WriteSubset(nowhere, usual) != nil && header.Clean(guard, h) {
			serveSlow(g, w, r, rule)
			return
		}
		cookie := h["Cookie"]
		if len(cookie) == 1 && r.Method == "GET" {
			known, ok := decisions.Load(cookie[0])
			if ok {
				d := known.(*memory.Decision)
				for name, values := range d.Header.Clone() {
					h[name] = values
				}
				r.URL.User = d.User
				r.Response = d.Mark
				next.ServeHTTP(w, r)
				return
			}
		}
		decide(g, w, r, rule)
	})
}

// byPath is the way of a request where the path decides too. It repeats byCookie, where
// another function would cost what is saved.
func byPath(g *gate) http.Handler {
	next := g.next
	rules := g.rules
	last := rules[len(rules)-1]
	begins := access.Ordinary(rules)
	guard := g.guard
	usual := guard.Usual
	nowhere := guard.Nowhere
	token := g.policy.carriers.Cookie
	decisions := &g.memory.Decisions
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Trailer = nil
		h := r.Header
		if h.WriteSubset(nowhere, usual) != nil && (header.Clean(guard, h) || r.Response != nil) {
			serveSlow(g, w, r, access.Find(rules, r))
			return
		}
		cookie := h["Cookie"]
		rule := last
		key := ""
		if begins.MatchString(r.URL.Path) {
			rule = access.Find(rules, r)
			key = rule.Mark
			// Who carries no token is anonymous on a public path, like all others.
			if len(cookie) == 1 && (!rule.Public || strings.Contains(cookie[0], token)) {
				key = cookie[0] + key
			}
		} else if len(cookie) == 1 {
			key = cookie[0]
		}
		if key != "" && len(cookie) < 2 && r.Method == "GET" {
			known, ok := decisions.Load(key)
			if ok {
				d := known.(*memory.Decision)
				for name, values := range d.Header.Clone() {
					h[name] = values
				}
				r.URL.User = d.User
				r.Response = d.Mark
				next.ServeHTTP(w, r)
				return
			}
		}
		decide(g, w, r, rule)
	})
}

// byAll is the way of a request where more than that decides.
func byAll(g *gate) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Trailer = nil
		h := r.Header
		if h.WriteSubset(g.guard.Nowhere, g.guard.Usual) != nil {
			header.Clean(g.guard, h)
		}
		serveSlow(g, w, r, access.Find(g.rules, r))
	})
}

// admit sends the request on as decided. Changing it in place is safe: Traefik's
// retry and mirroring clone what they send again.
func admit(g *gate, w http.ResponseWriter, r *http.Request, d *memory.Decision) {
	h := r.Header
	for name, values := range d.Header.Clone() {
		h[name] = values
	}
	r.URL.User = d.User
	r.Response = d.Mark
	g.next.ServeHTTP(w, r)
}

// decide finds out who asks, and admits or denies. It is short for the ordinary
// request: one token, in the one Cookie line that decides.
func decide(g *gate, w http.ResponseWriter, r *http.Request, rule *access.Rule) {
	if r.Method != "GET" && isDone(g, w, r, rule) {
		return
	}
	current := now(g)
	found := carrier.Glance(g.policy.carriers, r.Header["Cookie"])
	if found == nil || !current.ready || rule.Closed {
		decideClosely(g, w, r, rule, current)
		return
	}
	v := judge(g.policy, current, found.Sole, true)
	if v.status == http.StatusOK {
		v = accept(g.policy, r, v)
	} else if g.strict {
		r.Header["Cookie"] = carrier.Rest(found)
		deny(g, w, r, v)
		return
	}
	conclude(g, w, r, rule, current, found, v)
}

func decideClosely(g *gate, w http.ResponseWriter, r *http.Request, rule *access.Rule, current *view) {
	if current.outdated {
		reopen(g, w, r)
		return
	}
	found := carrier.Find(g.policy.carriers, r)
	v := identify(g.policy, current, r, found)
	if r.Response != nil && v.status == http.StatusUnauthorized {
		v = takeOver(g, w, r, rule, v)
		if v == nil {
			return
		}
	}
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
	if rule.Spelling && v.status == http.StatusUnauthorized {
		v.reason += "; the path is not public, because of its spelling: apps may read it as another one"
	}
	if found.Line != "" || len(found.Candidates) > 0 || found.Problem != "" || g.policy.carriers.Query != "" {
		withhold(g.policy.carriers, r, found)
	}
	deny(g, w, r, v)
}

// forward sends an admitted request on with a set of headers, and remembers the decision
// as long as the world is as it is and the token is good.
func forward(g *gate, w http.ResponseWriter, r *http.Request, rule *access.Rule, current *view, found *carrier.Found, v *verdict, set *access.Set) {
	d := &memory.Decision{Header: set.Header.Clone(), User: set.User, Mark: set.Mark}
	key := found.Line
	if !g.plain || key == "" || g.policy.activity != nil {
		key = prepare(g, r, rule, v)
	}
	if found.Line == "" {
		removeClosely(g, r, found, d, v)
	} else {
		d.Header["Cookie"] = carrier.Rest(found)
	}
	if key != "" && (v.token == nil || v.token.Until == 0 || outlives(v.token, current)) {
		memory.Keep(g.memory, current.period, current.end, key, d)
	}
	h := r.Header
	if (h["Upgrade"] != nil || h["Cache-Control"] != nil) && isLong(h) {
		serveLong(g, current, w, r, &visit{rule: rule, set: set, verdict: v, decision: d})
		return
	}
	admit(g, w, r, d)
}
