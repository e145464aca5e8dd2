package ptlauth

import (
	"net/http"
	"sync"
	"sync/atomic"

	"github.com/getportal/ptlauth/internal/address"
	"github.com/getportal/ptlauth/internal/app"
	"github.com/getportal/ptlauth/internal/denial"
	"github.com/getportal/ptlauth/internal/denial/page"
	"github.com/getportal/ptlauth/internal/extractor"
	"github.com/getportal/ptlauth/internal/journal"
	"github.com/getportal/ptlauth/internal/live"
	"github.com/getportal/ptlauth/internal/socket"
)

// appRouter stands in front of all apps of a Portal, with a gate for each.
type appRouter struct {
	middleware *middleware
	gates      sync.Map // *gate by the app's name
}

// appRoute is what a gate knows of the app that it stands in front of.
type appRoute struct {
	router *appRouter
	app    *app.App
	rules  *app.Rules
}

// appHandlers are one router's handlers.
type appHandlers struct {
	apps   *appRouter
	next   http.Handler
	byName sync.Map // http.HandlerFunc by the app's name
	// byHost are the same by whole hosts, so that most requests need one look-up.
	byHost sync.Map
	hosts  int64 // how many these are
}

// maxHosts bounds how many hosts are known, and maxHost their length in bytes: clients make
// them up.
const (
	maxHosts = 1000
	maxHost  = 253
)

// byApp hands each request to the gate of the app that its host names.
func byApp(apps *appRouter, next http.Handler) http.Handler {
	router := &appHandlers{apps: apps, next: next}
	byHost := &router.byHost
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		known, _ := byHost.Load(r.Host)
		serve, ok := known.(http.HandlerFunc)
		if ok {
			serve(w, r)
			return
		}
		byLabel(router, w, r)
	})
}

// byLabel is for a host that is not known yet.
func byLabel(router *appHandlers, w http.ResponseWriter, r *http.Request) {
	known, _ := router.byName.Load(app.Of(r.Host))
	serve, ok := known.(http.HandlerFunc)
	if !ok {
		openApp(router, w, r)
		return
	}
	if len(r.Host) <= maxHost && atomic.LoadInt64(&router.hosts) < maxHosts {
		_, isThere := router.byHost.LoadOrStore(r.Host, known)
		if !isThere {
			atomic.AddInt64(&router.hosts, 1)
		}
	}
	serve(w, r)
}

// openApp makes the handler for an app that this router was not asked for since the app was
// installed or changed. An app that is not there is answered before any look at a token.
func openApp(router *appHandlers, w http.ResponseWriter, r *http.Request) {
	label := app.Of(r.Host)
	g, status := gateOf(router.apps, label)
	if g == nil {
		turnAway(router.apps, w, r, status)
		return
	}
	handler := newHandler(g, router.next, router)
	router.byName.Store(label, handler)
	handler.ServeHTTP(w, r)
}

// gateOf returns the gate in front of an app as it is now; nil, and what is answered then,
// where there is no such app.
func gateOf(apps *appRouter, label string) (*gate, int) {
	known, ok := apps.gates.Load(label)
	if ok {
		g := known.(*gate)
		if !isOutdated(g.app) {
			return g, http.StatusOK
		}
	}
	m := apps.middleware
	var a *app.App
	if label != "" {
		a = app.Find(m.policy.Apps, label)
	}
	if a == nil {
		apps.gates.Delete(label)
		return nil, missingStatus(m)
	}
	rules := app.Look(a, m.policy.Refresh)
	if rules == nil {
		return nil, http.StatusServiceUnavailable
	}
	g := newGate(m, label, rules.Access, &appRoute{router: apps, app: a, rules: rules})
	apps.gates.Store(label, g)
	return g, http.StatusOK
}

// missingStatus is what is answered for an app that cannot be found.
func missingStatus(m *middleware) int {
	if app.DirExists(m.policy.Apps) {
		journal.ErrorOnChange(m.name+" apps", "")
		return http.StatusNotFound
	}
	journal.ErrorOnChange(m.name+" apps", m.name+": apps.directory cannot be found, and all apps in it get 503: create it, or correct the path")
	return http.StatusServiceUnavailable
}

// turnAway answers a request for an app that is not there. No token was looked at.
func turnAway(apps *appRouter, w http.ResponseWriter, r *http.Request, status int) {
	c := apps.middleware.policy.Locations
	withhold(c, r, extractor.Find(c, r))
	r.URL.User = nil
	if denial.IsNavigation(r) {
		denial.Explain(w, r, status, denial.NoToken, &page.Data{Host: address.Host(r, address.Scheme(r)), Contact: apps.middleware.policy.Contact})
		return
	}
	denial.Write(w, r, status, denial.NoToken)
}

// isOutdated reports whether the app has been changed or uninstalled since the gate was
// made.
func isOutdated(route *appRoute) bool {
	return !app.IsInstalled(route.app) || app.Look(route.app, route.router.middleware.policy.Refresh) != route.rules
}

// reopen serves a request by a new gate instead of one that is outdated.
func reopen(g *gate, w http.ResponseWriter, r *http.Request) {
	g.router.byName.Delete(g.app.app.Name)
	_, isThere := g.router.byHost.LoadAndDelete(r.Host)
	if isThere {
		atomic.AddInt64(&g.router.hosts, -1)
	}
	openApp(g.router, w, r)
}

// reviewApp has what is open of an app judged by the rules that hold by now. Of an app that
// is gone nothing stays open.
func reviewApp(apps *appRouter, label string) {
	g, _ := gateOf(apps, label)
	if g == nil {
		socket.EndAll(live.SetOf(apps.middleware.home, label))
	}
}
