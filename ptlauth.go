// Package ptlauth is a Traefik middleware that lets an app trust a header. It takes
// every X-Ptl-* header out of a request, validates the terminal JWT that the request
// carries, and passes the request on with X-Ptl-User and its companions; or it
// denies the request, and the app never sees it.
//
// A request goes through serve.go, where what was decided before is found again; else
// through decide.go, which changes nothing, and act.go, which does what was decided.
//
// Traefik interprets this package with Yaegi. docs/yaegi.md says what that does to Go code,
// and explains what looks odd here.
package ptlauth

import (
	"context"
	"net/http"

	"github.com/getportal/ptlauth/internal/access"
	"github.com/getportal/ptlauth/internal/cache"
	"github.com/getportal/ptlauth/internal/extractor"
	"github.com/getportal/ptlauth/internal/header"
	"github.com/getportal/ptlauth/internal/journal"
	"github.com/getportal/ptlauth/internal/live"
	"github.com/getportal/ptlauth/internal/option"
	"github.com/getportal/ptlauth/internal/origin"
	"github.com/getportal/ptlauth/internal/policy"
	"github.com/getportal/ptlauth/internal/shadow"
	"github.com/getportal/ptlauth/internal/snapshot"
	"github.com/getportal/ptlauth/internal/socket"
	"github.com/getportal/ptlauth/internal/terminal"
	"github.com/getportal/ptlauth/internal/token"
)

// New makes the middleware called name in front of next. A configuration with
// mistakes is no error: Traefik would drop the router, and the request could fall
// through to another one, without a check. Such a middleware answers every request
// with 503 and names all mistakes in Traefik's log.
func New(ctx context.Context, next http.Handler, config *Config, name string) (http.Handler, error) {
	h := &holder{handler: newMisconfigured(byName), does: refusesAll}
	build(ctx, h, next, config, name)
	return h.handler, nil
}

type holder struct {
	handler http.Handler
	does    string // what it does with requests as long as nothing else is made
}

const (
	refusesAll = " and answers every request with 503"
	passesAll  = ", compares nothing, and lets every request through, being in shadow mode"
)

// build leaves the refusal in place after a panic, which would end the goroutine on
// which Traefik applies configurations, for good.
func build(ctx context.Context, h *holder, next http.Handler, config *Config, name string) {
	defer func() {
		if recover() != nil {
			journal.ErrorOnChange(name, name+" cannot be made"+h.does+": please report this as a bug of ptlauth")
		}
	}()
	if isShadow(config) {
		h.handler = next
		h.does = passesAll
	}
	home := live.Enter(ctx, name)
	front, ok := live.Made(home, config).(*front)
	if !ok {
		front = newFront(home, h, config, name)
	}
	if front == nil {
		return
	}
	if front.watch != nil {
		h.handler = byShadow(front, shadow.NewMention(front.watch, ctx.Done()), next)
	} else if front.apps != nil {
		h.handler = byApp(front.apps, next)
	} else {
		h.handler = newHandler(front.gate, next, nil)
	}
}

// middleware is a configuration that is in force.
type middleware struct {
	name   string
	policy *policy.Policy
	home   *live.Home
}

// front is what a configuration makes, for all routers that name the middleware. Types
// that lead back to themselves are more than the interpreter can copy.
type front struct {
	gate *gate      // in front of the only app
	apps *appRouter // in front of all apps of a Portal

	watch *shadow.Watch // nil: it decides
}

// newFront makes what serves from now on; nil where the configuration has mistakes.
func newFront(home *live.Home, h *holder, config *Config, name string) *front {
	report := &option.Report{}
	p := policy.Read(options(config, report), report)
	policy.Open(p, report)
	problems := report.Problems()
	if len(problems) > 0 { // guard: a misconfigured middleware admits nobody
		if !p.Shadow {
			h.handler = newMisconfigured(p.Locations)
		}
		journal.ErrorOnChange(name, name+" is misconfigured"+h.does+": "+report.String())
		live.Close(home)
		return nil
	}
	terminal.Compare(name, p.Terminals, report)
	m := &middleware{name: name, policy: p, home: home}
	f := &front{}
	if p.Shadow {
		f.watch = shadow.NewWatch(name)
	}
	open := live.Replace(home, config, f)
	if p.Apps != nil {
		f.apps = &appRouter{middleware: m}
		for _, label := range open {
			reviewApp(f.apps, label)
		}
	} else {
		f.gate = newGate(m, "", p.Rules, nil)
	}
	journal.ErrorOnChange(name, "")
	remarks := report.RemarksText()
	if remarks != "" {
		remarks = name + ": " + remarks
	}
	journal.ErrorOnChange(name+" remarks", remarks)
	return f
}

// gate stands in front of one app, for all routers that lead to it. A router's own gate is a
// copy of it.
type gate struct {
	next       http.Handler
	name       string // the middleware's
	denialLine string // the format of a line about a denial
	policy     *policy.Policy
	rules      access.Rules
	stripper   *header.Stripper
	cache      *cache.Cache
	keeper     *snapshot.Keeper
	sockets    *socket.Set
	self       interface{} // the *gate of which this one is a copy
	app        *appRoute   // where the rules come from, on a Portal; else nil
	router     *appHandlers

	cachedByCookieAndPath bool   // the Cookie line and the path alone decide, where no header carries a token
	cachedByCookie        bool   // the Cookie line alone does
	onlyTerminals         bool   // moreover, nobody is admitted without a good token
	forgery               string // the problem that is answered without a closer look
	asksMore              bool   // of each request, more is asked than who sent it
	explains              bool   // a person is told more of a denial than the status
	headersPerTerminal    bool   // all tokens of a terminal get the same headers
	renews                bool   // tokens that are due are made anew

	asking map[string]bool // by destinations: a request asks for more than an answer
}

// newGate makes the gate in front of an app, and looks at the world once. What is open
// belongs to it from now on.
func newGate(m *middleware, label string, rules access.Rules, app *appRoute) *gate {
	p := m.policy
	name := m.name
	if label != "" {
		name += " " + label
	}
	g := &gate{
		name:       name,
		denialLine: journal.DenialLine(name),
		policy:     p,
		rules:      rules,
		stripper: header.NewStripper(header.Names{
			Injected: access.Injected(rules), Strip: p.Strip, Rewriting: access.IsMixed(rules), Tokens: extractor.Names(p.Locations),
			Pages: p.Pairing != nil && p.Pairing.Renew > 0,
		}),
		cache:              &cache.Cache{},
		sockets:            live.SetOf(m.home, label),
		app:                app,
		headersPerTerminal: access.HeadersArePerTerminal(rules),
	}
	// Where apps are told of by their hosts, a decision holds for one host.
	g.cachedByCookieAndPath = p.Locations.Query == "" && (app != nil || p.Activity == nil)
	g.cachedByCookie = g.cachedByCookieAndPath && len(rules) == 1 && rules[0].Access == access.Private
	if p.Pairing != nil {
		g.rules = access.WithOwn(rules, p.Pairing.Path)
	}
	g.onlyTerminals = g.cachedByCookie && !p.PassPreflight
	g.renews = p.Pairing != nil && p.Pairing.Renew > 0
	g.asking = origin.Frames // guard: what was remembered shows no page in a frame
	if g.renews {
		g.asking = pages
	}
	g.asksMore = p.Activity != nil || p.TokenRules.Require != nil
	g.explains = p.Login != nil || p.Pairing != nil || p.Contact != "" || p.Locations.Basic
	g.forgery = forgery(g)
	g.self = g
	sources := &snapshot.Sources{Keys: p.Keys, Terminals: p.Terminals, Refresh: p.Refresh, Forgets: p.Activity != nil}
	if app != nil {
		sources.IsOutdated = func() bool { return isOutdated(app) } // guard: a WebSocket is judged by the app's rules of now
	}
	g.keeper = snapshot.NewKeeper(name, sources, g.cache, func(s *snapshot.Snapshot) snapshot.Need { return review(g, s) })
	isAny := socket.Own(g.sockets, g)
	snapshot.Begin(g.keeper)
	if isAny {
		snapshot.Hurry(g.keeper)
	}
	return g
}

// forgery is the problem that is answered at once; no problem is called none.
func forgery(g *gate) string {
	if g.onlyTerminals && !g.explains {
		return token.NotTheKeys
	}
	return "none"
}

// newHandler makes the handler of one router: the shortest way that the rules allow.
func newHandler(shared *gate, next http.Handler, router *appHandlers) http.Handler {
	own := *shared
	g := &own
	g.next = next
	g.router = router
	switch {
	case g.cachedByCookie && g.policy.Pairing != nil:
		return byCookieOrOwn(g)
	case g.cachedByCookie:
		return byCookie(g)
	case g.cachedByCookieAndPath:
		return byPath(g)
	}
	return byAll(g)
}
