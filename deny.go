package ptlauth

import (
	"net/http"
	"strings"

	"github.com/getportal/ptlauth/internal/carrier"
	"github.com/getportal/ptlauth/internal/denial"
	"github.com/getportal/ptlauth/internal/journal"
)

// deny answers in the app's place and tells the operator why.
func deny(g *gate, w http.ResponseWriter, r *http.Request, v *verdict) {
	if v.reason == carrier.NoToken {
		v.reason = carrier.Why(g.policy.carriers, r)
	}
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
