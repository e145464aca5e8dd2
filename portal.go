package ptlauth

import (
	"net/http"
	"sync"

	"github.com/getportal/ptlauth/internal/app"
	"github.com/getportal/ptlauth/internal/denial"
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

// ServeHTTP hands the request to the gate of the app that its host names.
func (p *portal) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	label := app.Of(r.Host)
	known, ok := p.gates.Load(label)
	if ok {
		known.(*gate).ServeHTTP(w, r)
		return
	}
	open(p, label, w, r)
}

// open makes the gate of an app that has not been asked for since it was installed or
// changed. An app that is not there is told before any look at a token.
func open(p *portal, label string, w http.ResponseWriter, r *http.Request) {
	var a *app.App
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
		denial.Write(w, r, status, denial.NoToken)
		return
	}
	rules := app.Look(a, p.policy.refresh)
	if rules == nil {
		denial.Write(w, r, http.StatusServiceUnavailable, denial.NoToken)
		return
	}
	g := newGate(p.next, p.name+" "+label, p.policy, rules.Access)
	g.app = &installed{portal: p, app: a, rules: rules}
	p.gates.Store(label, g)
	g.ServeHTTP(w, r)
}

// isOutdated tells whether the app has been changed or uninstalled since the gate was
// made, and then takes the gate away.
func isOutdated(g *gate) bool {
	i := g.app
	if app.IsInstalled(i.app) && app.Look(i.app, g.policy.refresh) == i.rules {
		return false
	}
	i.portal.gates.Delete(i.app.Name)
	return true
}
