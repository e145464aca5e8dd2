package ptlauth

import (
	"net/http"
	"strings"

	"github.com/getportal/ptlauth/internal/address"
	"github.com/getportal/ptlauth/internal/carrier"
	"github.com/getportal/ptlauth/internal/denial"
	"github.com/getportal/ptlauth/internal/header"
	"github.com/getportal/ptlauth/internal/journal"
)

// deny answers in the app's place, and the log alone says why. The tokens are out of the
// request by then: Traefik's `errors` in front sends it on to another service.
func deny(g *gate, w http.ResponseWriter, r *http.Request, v *verdict) {
	// Traefik's access log shows it as the one who asked.
	r.URL.User = nil
	if v.reason == carrier.NoToken {
		v.reason = carrier.Why(g.policy.carriers, r)
	}
	journal.Denied(g.answered, v.status, r, v.reason)
	if g.policy.login == nil || v.status != http.StatusUnauthorized || !sendToLogin(g, w, r) {
		denial.Write(w, r, v.status, v.failure)
	}
}

// sendToLogin sends a person to the login page, and reports whether it did.
func sendToLogin(g *gate, w http.ResponseWriter, r *http.Request) bool {
	login := g.policy.login
	location := denial.Location(login, r)
	if location == "" {
		return false
	}
	if denial.IsAt(login, r) {
		journal.State(g.answered+"login", loop(g.answered, login))
		return false
	}
	denial.Redirect(w, location)
	return true
}

// loop is the line about a login page that asks for a token.
func loop(answered string, l *denial.Login) string {
	name := strings.TrimSuffix(strings.TrimPrefix(answered, "ptlauth: "), " answered ")
	return name + ": loginURL leads to a page for which this middleware asks a token: make " + denial.Path(l) + " public, or give it a router of its own without the middleware; until then it is answered 401"
}

// refuseNames answers a request with more header names than anybody sends. Of those that it
// has nothing is left, because none was looked at.
func refuseNames(g *gate, w http.ResponseWriter, r *http.Request) {
	header.Empty(r.Header)
	r.URL.User = nil
	journal.Denied(g.answered, http.StatusRequestHeaderFieldsTooLarge, r, "it has more than 256 header names")
	denial.Write(w, r, http.StatusRequestHeaderFieldsTooLarge, denial.NoToken)
}

// turnAway answers a request of which no token was looked at.
func turnAway(p *policy, w http.ResponseWriter, r *http.Request, status int) {
	r.URL.User = nil
	withhold(p.carriers, r, carrier.Find(p.carriers, r))
	denial.Write(w, r, status, denial.NoToken)
}

// withhold takes the tokens out though the app may see them: it is not the app that may
// get this request.
func withhold(c *carrier.Carriers, r *http.Request, found *carrier.Found) {
	if found.Line != "" {
		r.Header["Cookie"] = carrier.Rest(found)
		return
	}
	if c.Forward {
		hidden := *c
		hidden.Forward = false
		c = &hidden
	}
	carrier.Remove(c, r, found)
}

func scheme(r *http.Request) string {
	return address.Scheme(r)
}

// isPreflight reports whether a browser asks what another origin may do here.
func isPreflight(r *http.Request) bool {
	return r.Method == http.MethodOptions && r.Header["Origin"] != nil && r.Header["Access-Control-Request-Method"] != nil
}
