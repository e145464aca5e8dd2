package ptlauth

import (
	"net/http"
	"strings"

	"github.com/getportal/ptlauth/internal/access"
	"github.com/getportal/ptlauth/internal/authn"
	"github.com/getportal/ptlauth/internal/cache"
	"github.com/getportal/ptlauth/internal/extractor"
	"github.com/getportal/ptlauth/internal/header"
	"github.com/getportal/ptlauth/internal/origin"
	"github.com/getportal/ptlauth/internal/pairing"
	"github.com/getportal/ptlauth/internal/snapshot"
	"github.com/getportal/ptlauth/internal/token"
)

// byCookie is the way of a request where its Cookie line alone decides: what claims an
// identity is taken out, then the decision about it is found again, or made.
//
// What a closure holds is at hand; the interpreter spends a slot on each field of a receiver,
// on each && and ||, and three on a variable. That is also why nothing here is a function of
// its own that every request needs of which the decision is known.
func byCookie(g *gate) http.Handler {
	next := g.next
	stripper := g.stripper
	harmless := stripper.Harmless
	fails := stripper.Fails
	rule := g.rules[0]
	decisions := &g.cache.Decisions
	asking := g.asking
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// Trailers arrive after the decision and would be believed like headers
		// (CVE-2025-12642, CVE-2026-88004). The body is never read here.
		r.Trailer = nil
		h := r.Header
		if h.WriteSubset(fails, harmless) != nil {
			if header.Clean(stripper, h) {
				serveSlow(g, w, r, rule)
				return
			}
		}
		values := h["Sec-Fetch-Dest"]
		if values != nil {
			if asking[values[0]] {
				serveSlow(g, w, r, rule)
				return
			}
		}
		values = h["Cookie"]
		if len(values) == 1 {
			if r.Method == "GET" {
				known, _ := decisions.Load(values[0])
				d, ok := known.(*cache.Decision)
				if ok {
					for i, name := range d.Names {
						h[name] = []string{d.Values[i]}
					}
					for _, name := range d.Removed {
						delete(h, name)
					}
					r.URL.User = d.User
					r.Response = d.Mark
					next.ServeHTTP(w, r)
					return
				}
			}
		}
		serveOrdinary(g, w, r, rule)
	})
}

// byCookieOrOwn is byCookie beside paths that ptlauth answers itself. It repeats it for the
// same reason.
func byCookieOrOwn(g *gate) http.Handler {
	next := g.next
	own := pairing.Paths(g.policy.Pairing)
	stripper := g.stripper
	harmless := stripper.Harmless
	fails := stripper.Fails
	decisions := &g.cache.Decisions
	asking := g.asking
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Trailer = nil
		h := r.Header
		if h.WriteSubset(fails, harmless) != nil {
			if header.Clean(stripper, h) {
				serveFound(g, w, r)
				return
			}
		}
		values := h["Sec-Fetch-Dest"]
		if values != nil {
			if asking[values[0]] {
				serveFound(g, w, r)
				return
			}
		}
		if own[r.URL.Path] { // guard: what was remembered answers no own path
			serveFound(g, w, r)
			return
		}
		values = h["Cookie"]
		if len(values) == 1 {
			if r.Method == "GET" {
				known, _ := decisions.Load(values[0])
				d, ok := known.(*cache.Decision)
				if ok {
					for i, name := range d.Names {
						h[name] = []string{d.Values[i]}
					}
					for _, name := range d.Removed {
						delete(h, name)
					}
					r.URL.User = d.User
					r.Response = d.Mark
					next.ServeHTTP(w, r)
					return
				}
			}
		}
		actFound(g, w, r)
	})
}

// serveFound and actFound find the rule, where the handler has no use for it: each expression
// less there is a slot less in every request.
func serveFound(g *gate, w http.ResponseWriter, r *http.Request) {
	serveSlow(g, w, r, access.Find(g.rules, r))
}

func actFound(g *gate, w http.ResponseWriter, r *http.Request) {
	serveOrdinary(g, w, r, access.Find(g.rules, r))
}

// serveOrdinary decides and acts where the handlers have seen that no header asks for more than
// an answer. What is left of decide is short: a token, in the one Cookie line that decides.
func serveOrdinary(g *gate, w http.ResponseWriter, r *http.Request, rule *access.Rule) {
	if r.Method != "GET" {
		serveOther(g, w, r, rule)
		return
	}
	if g.asksMore {
		serveOther(g, w, r, rule)
		return
	}
	if rule.Access == access.Own {
		serveOther(g, w, r, rule)
		return
	}
	current := snapshot.Now(g.keeper)
	if !current.IsOrdinary {
		serveOther(g, w, r, rule)
		return
	}
	found := extractor.FindFast(g.policy.Locations, r.Header["Cookie"])
	if found == nil {
		act(g, w, r, decideSlow(g, r, rule, current))
		return
	}
	segment, problem := token.Signed(found.Only, current.Keys)
	if problem == g.forgery {
		if current.Complete {
			deny(g, w, r, authn.Forged, found)
			return
		}
	}
	v := authn.JudgeSigned(g.policy, current, found.Only, segment, problem)
	serveJudged(g, w, r, &outcome{result: v, found: found, rule: rule, snapshot: current})
}

// serveOther decides and acts step by step.
func serveOther(g *gate, w http.ResponseWriter, r *http.Request, rule *access.Rule) {
	act(g, w, r, decide(g, r, rule))
}

// serveJudged goes on where it is known whose token it is, or that it is not good.
func serveJudged(g *gate, w http.ResponseWriter, r *http.Request, o *outcome) {
	if o.result.Status != http.StatusOK {
		if !g.onlyTerminals {
			denyOrAnonymous(g, r, o)
		}
		act(g, w, r, o)
		return
	}
	set, problem := headers(g, o)
	if problem != "" {
		denyFor(g, r, o, problem)
		act(g, w, r, o)
		return
	}
	o.set = set
	o.key = o.found.Line + o.rule.CacheKey
	if g.renews {
		// It is not due now: pages have gone the slow way.
		setDue(g, r, o)
	}
	send(g, w, r, remove(g, r, o))
}

// byPath is the way of a request where the path decides too. It repeats byCookie, where
// another function would cost what is saved.
func byPath(g *gate) http.Handler {
	next := g.next
	rules := g.rules
	begins := access.Ordinary(rules)
	stripper := g.stripper
	harmless := stripper.Harmless
	fails := stripper.Fails
	token := g.policy.Locations.Cookie
	decisions := &g.cache.Decisions
	asking := g.asking
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Trailer = nil
		h := r.Header
		if h.WriteSubset(fails, harmless) != nil {
			if header.Clean(stripper, h) || r.Response != nil {
				serveFound(g, w, r)
				return
			}
		}
		values := h["Sec-Fetch-Dest"]
		if values != nil {
			if asking[values[0]] {
				serveFound(g, w, r)
				return
			}
		}
		values = h["Cookie"]
		if begins.MatchString(r.URL.Path) {
			values = keyByRule(rules, token, r, values)
		}
		if len(values) == 1 && r.Method == "GET" {
			known, _ := decisions.Load(values[0])
			d, ok := known.(*cache.Decision)
			if ok {
				for i, name := range d.Names {
					h[name] = []string{d.Values[i]}
				}
				for _, name := range d.Removed {
					delete(h, name)
				}
				r.URL.User = d.User
				r.Response = d.Mark
				next.ServeHTTP(w, r)
				return
			}
		}
		actFound(g, w, r)
	})
}

// keyByRule is the one text that a decision is kept by where a prefix begins the path; nil: there
// is none. Who carries no token is anonymous on a public path, like all others. It repeats what
// access.Find finds at a glance, for one function less.
func keyByRule(rules access.Rules, token string, r *http.Request, cookie []string) []string {
	for _, rule := range rules {
		if strings.HasPrefix(r.URL.Path, rule.Prefix) {
			if rule.Access == access.Public {
				if len(r.RequestURI) > access.MaxPath {
					rule = access.Find(rules, r)
				} else if !rule.Plain.MatchString(r.RequestURI) {
					rule = access.Find(rules, r)
				}
			}
			if cookie == nil {
				return []string{rule.CacheKey}
			}
			if len(cookie) > 1 {
				return nil
			}
			if rule.Access == access.Public {
				if !strings.Contains(cookie[0], token) {
					return []string{rule.CacheKey}
				}
			}
			return []string{cookie[0] + rule.CacheKey}
		}
	}
	return nil
}

// byAll is the way of a request where more than that decides.
func byAll(g *gate) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Trailer = nil
		h := r.Header
		if h.WriteSubset(g.stripper.Fails, g.stripper.Harmless) != nil {
			header.Clean(g.stripper, h)
		}
		serveSlow(g, w, r, access.Find(g.rules, r))
	})
}

// serveSlow is the way of a request with a header that asks for more than an answer, or
// where more than the Cookie line and the path decides.
func serveSlow(g *gate, w http.ResponseWriter, r *http.Request, rule *access.Rule) {
	if len(r.Header) > header.MaxNames { // guard: the number of names is bounded
		refuseNames(g, w, r)
		return
	}
	if origin.IsFramed(r.Header) {
		origin.Restrict(g.policy.Origins, w.Header()) // guard: whatever is framed is for the app's own pages alone
	}
	// By another method, decide looks.
	if r.Method == "GET" {
		d := cached(g, r, rule)
		if d != nil {
			send(g, w, r, d)
			return
		}
	}
	serveOther(g, w, r, rule)
}

// cached is what was decided about such a request before; nil: nothing was, or it has to be
// decided anew each time.
func cached(g *gate, r *http.Request, rule *access.Rule) *cache.Decision {
	key := cacheKey(g, r, rule)
	if key == "" || !usual[r.Method] || isLong(r.Header) {
		return nil
	}
	d := cache.Find(g.cache, key)
	if d == nil || d.Due != 0 && isDue(r, d.Due) ||
		// guard: nor what was remembered of it
		(r.Method != "GET" ||
			origin.IsFramed(r.Header)) && // guard: a frame is guarded though its token was seen before
			!origin.Allows(g.policy.Origins, r) {
		return nil
	}
	return d
}

// cacheKey is all that a decision hangs on; empty where that cannot be said in one text,
// or where another middleware of the chain has taken the token out.
func cacheKey(g *gate, r *http.Request, rule *access.Rule) string {
	cookie := r.Header["Cookie"]
	if len(cookie) > 1 || r.Response != nil || rule.Access == access.Own {
		return ""
	}
	if rule.Access == access.Public && extractor.IsTokenless(g.policy.Locations, r) {
		return rule.CacheKey
	}
	line := strings.Join(cookie, "")
	if g.policy.Locations.Headers != nil && extractor.InHeader(g.policy.Locations, r.Header) { // guard: what was remembered of a cookie is not what a header says beside it
		return longKey(g.policy.Locations, r, line+rule.CacheKey)
	}
	if g.cachedByCookie {
		return line
	}
	if g.cachedByCookieAndPath {
		return line + rule.CacheKey
	}
	return longKey(g.policy.Locations, r, line+rule.CacheKey)
}

func longKey(c *extractor.Locations, r *http.Request, key string) string {
	if c.Query != "" && (r.URL.RawQuery != "" || r.Header["Referer"] != nil) {
		return ""
	}
	// No Cookie line begins so.
	key = "\f" + key + "\n" + r.Host
	for _, one := range c.Headers {
		values := r.Header[one.Name]
		if len(values) > 1 {
			return ""
		}
		key += "\n" + strings.Join(values, "")
	}
	return key
}
