package ptlauth

import (
	"net/http"
	"strings"
	"sync"

	"github.com/getportal/ptlauth/internal/app"
	"github.com/getportal/ptlauth/internal/journal"
)

// portal is the middleware in front of all apps of a Portal: a gate for each.
type portal struct {
	next   http.Handler
	name   string
	policy *policy
	gates  sync.Map // *gate by the app's name
}

// installed is what a gate knows of the app that it stands in front of.
type installed struct {
	portal *portal
	app    *app.App
	rules  *app.Rules
}

// newPortal hands each request to the gate of the app that its host names.
func newPortal(next http.Handler, name string, policy *policy) http.Handler {
	p := &portal{next: next, name: name, policy: policy}
	gates := &p.gates
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		label, _, _ := strings.Cut(r.Host, ".")
		known, ok := gates.Load(label)
		if ok {
			known.(*gate).handler.ServeHTTP(w, r)
			return
		}
		open(p, w, r)
	})
}

// open makes the gate of an app that has not been asked for since it was installed or
// changed. An app that is not there is told before any look at a token.
func open(p *portal, w http.ResponseWriter, r *http.Request) {
	var a *app.App
	label := app.Of(r.Host)
	if label != "" {
		a = app.Find(p.policy.apps, label)
	}
	if a == nil {
		status := http.StatusNotFound
		if app.IsThere(p.policy.apps) {
			journal.State(p.name+" apps", "")
		} else {
			journal.State(p.name+" apps", p.name+": apps.directory cannot be found, and all apps in it get 503: create it, or correct the path")
			status = http.StatusServiceUnavailable
		}
		turnAway(p.policy, w, r, status)
		return
	}
	rules := app.Look(a, p.policy.refresh)
	if rules == nil {
		turnAway(p.policy, w, r, http.StatusServiceUnavailable)
		return
	}
	g := newGate(p.next, p.name+" "+label, p.policy, rules.Access, &installed{portal: p, app: a, rules: rules})
	p.gates.Store(label, g)
	g.handler.ServeHTTP(w, r)
}

// isOutdated tells whether the app has been changed or uninstalled since the gate was
// made.
func isOutdated(g *gate) bool {
	return !app.IsInstalled(g.app.app) || app.Look(g.app.app, g.policy.refresh) != g.app.rules
}

// reopen serves a request by a new gate in the place of one that is outdated.
func reopen(g *gate, w http.ResponseWriter, r *http.Request) {
	g.app.portal.gates.Delete(g.app.app.Name)
	open(g.app.portal, w, r)
}
