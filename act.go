package ptlauth

import (
	"net/http"

	"github.com/getportal/ptlauth/internal/activity"
	"github.com/getportal/ptlauth/internal/address"
	"github.com/getportal/ptlauth/internal/authn"
	"github.com/getportal/ptlauth/internal/cache"
	"github.com/getportal/ptlauth/internal/denial"
	"github.com/getportal/ptlauth/internal/extractor"
	"github.com/getportal/ptlauth/internal/header"
	"github.com/getportal/ptlauth/internal/journal"
)

// act does what was decided.
func act(g *gate, w http.ResponseWriter, r *http.Request, o *outcome) {
	if o.result.Status == http.StatusOK {
		admit(g, w, r, o)
	} else if g.explains {
		denySlow(g, w, r, o)
	} else if o.found.Line == "" {
		denySlow(g, w, r, o)
	} else {
		deny(g, w, r, o.result, o.found)
	}
}

// admit sends a request on as decided, and keeps what was decided. Somebody may be told of it, it
// may stay open for long, nothing may have to be found out, or its token is due.
func admit(g *gate, w http.ResponseWriter, r *http.Request, o *outcome) {
	if o.decision != nil {
		send(g, w, r, o.decision)
		return
	}
	if o.isOwn {
		serveOwn(g, w, r, o)
		return
	}
	if o.isDue && renew(g, w, r, o) {
		return
	}
	if g.policy.Activity != nil {
		activity.Tell(g.policy.Activity, use(g, r, o))
	}
	if isLong(r.Header) {
		serveLong(g, w, r, o)
		return
	}
	send(g, w, r, remove(g, r, o))
}

// remove takes the token out of an admitted request. It returns what was decided, and keeps
// it as long as the world is as it is and the token is good.
func remove(g *gate, r *http.Request, o *outcome) *cache.Decision {
	set := o.set
	d := &cache.Decision{Names: set.Names, Values: set.Values, User: set.User, Mark: set.Mark, Due: o.due}
	if o.found.Line == "" {
		removeSlow(g, r, o, d)
	} else {
		rest := extractor.CookieWithout(o.found)
		if rest == nil {
			d.Removed = cookieAlone
		} else {
			d.Names = set.WithCookie // guard: the token is taken out
			d.Values = append(set.Values, rest[0])
		}
	}
	if o.key != "" {
		cache.Put(g.cache, o.snapshot.Version, o.result.Until, o.key, d)
	}
	return d
}

// cookieAlone is what is removed of most requests.
var cookieAlone = []string{"Cookie"}

// removeSlow takes the token out where that takes more than another Cookie line. What
// is left of an anonymous visitor's cookies is that visitor's alone.
func removeSlow(g *gate, r *http.Request, o *outcome, d *cache.Decision) {
	c := g.policy.Locations
	extractor.Remove(c, r, o.found) // guard: so it is where it stands elsewhere
	if o.result.Token == nil {      // guard: an anonymous visitor's cookies are his own
		return
	}
	for _, name := range append([]string{"Cookie"}, extractor.Names(c)...) {
		values := r.Header[name]
		switch len(values) {
		case 0:
			d.Removed = append(d.Removed, name)
		case 1:
			n := len(d.Names)
			d.Names = append(d.Names[:n:n], name)
			d.Values = append(d.Values[:n:n], values[0])
		default:
			// A decision has room for one value; the request has them already.
			o.key = ""
		}
	}
}

// send sends a request on as decided. Changing it in place is safe: Traefik's retry and
// mirroring clone what they send again.
func send(g *gate, w http.ResponseWriter, r *http.Request, d *cache.Decision) {
	h := r.Header
	for i, name := range d.Names {
		h[name] = []string{d.Values[i]}
	}
	for _, name := range d.Removed {
		delete(h, name)
	}
	r.URL.User = d.User
	r.Response = d.Mark
	g.next.ServeHTTP(w, r)
}

// use is what Portal is told of an admitted request.
func use(g *gate, r *http.Request, o *outcome) activity.Use {
	u := activity.Use{
		Host:   r.Host,
		URI:    extractor.WithoutQuery(g.policy.Locations, r.URL.RequestURI()), // guard: Portal is told no token in an address
		Method: r.Method,
		Proto:  address.Scheme(r),
	}
	if g.app != nil {
		u.App = g.app.app.Name
	}
	if o.result.Token != nil {
		u.Cookie = extractor.DefaultCookie + "=" + o.result.Text
	}
	return u
}

// deny answers instead of the app, and the log alone says why. The tokens are out of the
// request by then: Traefik's `errors` in front sends it on to another service.
func deny(g *gate, w http.ResponseWriter, r *http.Request, v *authn.Result, found *extractor.Found) {
	r.Header["Cookie"] = extractor.CookieWithout(found)
	// Traefik's access log shows it as the one who asked.
	r.URL.User = nil // guard: whom an address names is nobody
	journal.Denial(g.denialLine, v.Status, r, v.LogReason)
	// What says that it is no page needs no closer look.
	mode := r.Header["Sec-Fetch-Mode"]
	if len(mode) == 1 {
		if mode[0] != "navigate" {
			denial.Tell(w, r, v.Status, v.ErrorCode)
			return
		}
	}
	denial.Write(w, r, v.Status, v.ErrorCode)
}

// denySlow denies where the token is not in its one Cookie line, or another page may answer.
func denySlow(g *gate, w http.ResponseWriter, r *http.Request, o *outcome) {
	if o.isOutdated {
		reopen(g, w, r)
		return
	}
	if o.isOwn {
		serveOwn(g, w, r, o)
		return
	}
	v := o.result
	hide(g, r, o)
	r.URL.User = nil
	if v.LogReason == extractor.NoToken {
		v.LogReason = extractor.Why(g.policy.Locations, r)
	}
	journal.Denial(g.denialLine, v.Status, r, v.LogReason)
	switch {
	case g.policy.Locations.Basic && mayAsk(r, o):
		denial.Ask(w, r, v.ErrorCode)
	case v.Status == http.StatusUnauthorized && g.policy.Login != nil && sendToLogin(g, w, r):
	case denial.IsNavigation(r):
		denial.Explain(w, r, v.Status, v.ErrorCode, aboutDenial(g, r, o))
	default:
		denial.Tell(w, r, v.Status, v.ErrorCode)
	}
}

// mayAsk reports whether a denied client may be asked for a password, where one is looked at.
func mayAsk(r *http.Request, o *outcome) bool {
	return o.result.Status == http.StatusUnauthorized &&
		denial.MayAsk(r) // guard: a browser is never asked for a password
}

// hide takes the tokens out of a request that is answered here.
func hide(g *gate, r *http.Request, o *outcome) {
	if o.found.Line != "" {
		r.Header["Cookie"] = extractor.CookieWithout(o.found)
	} else if o.found.Tokens != nil || o.found.Problem != "" || g.policy.Locations.Query != "" || g.policy.Locations.Headers != nil {
		withhold(g.policy.Locations, r, o.found)
	}
}

// withhold takes the tokens out though the app may see them: it is not the app that may
// get this request.
func withhold(c *extractor.Locations, r *http.Request, found *extractor.Found) {
	if c.Forward {
		hidden := *c
		hidden.Forward = false
		c = &hidden
	}
	extractor.Remove(c, r, found)
}

// sendToLogin sends a person to the login page, and reports whether it did.
func sendToLogin(g *gate, w http.ResponseWriter, r *http.Request) bool {
	login := g.policy.Login
	location := denial.Location(login, r)
	if location == "" {
		return false
	}
	if denial.IsAt(login, r) { // guard: a login page is not sent to itself
		journal.ErrorOnChange(g.name+" login", loop(g.name, login))
		return false
	}
	denial.Redirect(w, location)
	return true
}

// loop is the line about a login page that asks for a token.
func loop(name string, l *denial.Login) string {
	return name + ": loginURL leads to a page for which this middleware asks a token: make " + denial.Path(l) + " public, or give it a router of its own without the middleware; until then it is answered 401"
}

// refuseNames answers a request with more header names than anybody sends. Of those that it
// has nothing is left, because none was looked at.
func refuseNames(g *gate, w http.ResponseWriter, r *http.Request) {
	header.Empty(r.Header)
	r.URL.User = nil
	journal.Denial(g.denialLine, http.StatusRequestHeaderFieldsTooLarge, r, "it has more than 256 header names")
	denial.Write(w, r, http.StatusRequestHeaderFieldsTooLarge, denial.NoToken)
}

// misconfigured stands in front of an app whose middleware has a mistake.
type misconfigured struct {
	stripper  *header.Stripper
	locations *extractor.Locations
}

func newMisconfigured(c *extractor.Locations) *misconfigured {
	return &misconfigured{stripper: header.NewStripper(header.Names{Strip: &header.Strip{}}), locations: c}
}

// byName is where a token is looked for besides what the configuration seems to say.
var byName = extractor.Named(extractor.DefaultCookie)

// ServeHTTP cleans what it refuses: Traefik's access log, its metrics and its errors
// middleware see the request all the same.
func (f *misconfigured) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r.Trailer = nil
	r.URL.User = nil
	header.Clean(f.stripper, r.Header)
	if len(r.Header) > header.MaxNames {
		header.Empty(r.Header)
	}
	extractor.Remove(f.locations, r, extractor.Find(f.locations, r))
	extractor.Remove(byName, r, extractor.Find(byName, r))
	denial.Write(w, r, http.StatusServiceUnavailable, "")
}
