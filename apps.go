package ptlauth

import (
	"net/http"
	"strings"
	"sync"

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

// appHandlers are one router's handlers, by the app's name.
type appHandlers struct {
	apps     *appRouter
	next     http.Handler
	handlers sync.Map // http.Handler
}

// byApp hands each request to the gate of the app that its host names.
func byApp(apps *appRouter, next http.Handler) http.Handler {
	router := &appHandlers{apps: apps, next: next}
	handlers := &router.handlers
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		label, _, _ := strings.Cut(r.Host, ".")
		known, ok := handlers.Load(label)
		if ok {
			known.(http.Handler).ServeHTTP(w, r)
			return
		}
		openApp(router, w, r)
	})
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
	router.handlers.Store(label, handler)
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
	g.router.handlers.Delete(g.app.app.Name)
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
