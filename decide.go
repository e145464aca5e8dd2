package ptlauth

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync/atomic"

	"github.com/getportal/ptlauth/internal/access"
	"github.com/getportal/ptlauth/internal/authn"
	"github.com/getportal/ptlauth/internal/cache"
	"github.com/getportal/ptlauth/internal/denial"
	"github.com/getportal/ptlauth/internal/extractor"
	"github.com/getportal/ptlauth/internal/header"
	"github.com/getportal/ptlauth/internal/identity"
	"github.com/getportal/ptlauth/internal/journal"
	"github.com/getportal/ptlauth/internal/snapshot"
)

// outcome is what was decided about a request, of which nothing has been changed so far.
type outcome struct {
	// result says who asks, and its Status what becomes of the request: 200 sends it on.
	result *authn.Result
	// set is what the app is sent; nil: the request is denied.
	set *access.Set
	// found is where the tokens are that the app must not see.
	found *extractor.Found
	// key is what the decision may be kept by; empty: it holds for this request alone.
	key      string
	rule     *access.Rule
	snapshot *snapshot.Snapshot
	// decision is what was decided before, or by another middleware of the chain; nil:
	// nothing was.
	decision *cache.Decision
	// due is from when on the token is to be made anew, in seconds since 1970; 0: never.
	due int64
	// isDue reports that it is to be now, in the place of the page that is asked for.
	isDue bool
	// own is which of the own paths is asked for, if isOwn.
	own   string
	isOwn bool
	// isOutdated reports that the app was changed, so that another gate has to decide.
	isOutdated bool
}

// decide finds out who asks, and what becomes of the request.
func decide(g *gate, r *http.Request, rule *access.Rule) *outcome {
	current := snapshot.Now(g.keeper)
	if current.IsTurned || r.Method != "GET" {
		if r.Method != "GET" {
			rule = access.Stricter(g.rules, rule, r)
		}
		o := decidedBefore(g, r, rule)
		if o != nil {
			return o
		}
	}
	c := g.policy.Locations
	found := extractor.FindFast(c, r.Header["Cookie"])
	if c.Headers != nil && extractor.InHeader(c, r.Header) || // guard: a token in a header counts beside one in the cookie
		found == nil || !current.Ready || rule.Access == access.Own || !usual[r.Method] {
		return decideSlow(g, r, rule, current)
	}
	v := authn.Judge(g.policy, current, found.Only)
	o := &outcome{result: v, found: found, rule: rule, snapshot: current}
	if v.Status == http.StatusOK {
		o.result = authn.CheckRequired(g.policy, r, v)
	} else if g.onlyTerminals {
		return o
	}
	conclude(g, r, o)
	return o
}

// decidedBefore is the outcome for a request that was decided before, though no handler has
// found it; nil: it was not.
func decidedBefore(g *gate, r *http.Request, rule *access.Rule) *outcome {
	d := cached(g, r, rule)
	if d == nil {
		return nil
	}
	return &outcome{result: authn.Anonymous, decision: d}
}

func decideSlow(g *gate, r *http.Request, rule *access.Rule, current *snapshot.Snapshot) *outcome {
	o := &outcome{rule: rule, snapshot: current, found: extractor.Find(g.policy.Locations, r)}
	if !usual[r.Method] {
		problem := methodProblem(r.Method)
		if problem != "" {
			o.result = authn.Denied(http.StatusMethodNotAllowed, denial.NoToken, problem)
			return o
		}
	}
	if current.Outdated {
		o.isOutdated = true
		o.result = authn.Denied(http.StatusServiceUnavailable, denial.NoToken, "the app was changed")
		return o
	}
	if rule.Access == access.Own && decideOwn(g, r, o) {
		return o
	}
	o.result = authn.Identify(g.policy, current, r, o.found)
	if r.Response != nil && o.result.Status == http.StatusUnauthorized && takeOver(g, r, o) {
		return o
	}
	if o.result.Status != http.StatusOK {
		denyOrAnonymous(g, r, o)
		return o
	}
	conclude(g, r, o)
	return o
}

// usual are the methods that need no closer look, of browsers and of WebDAV: of others no decision is
// remembered.
var usual = header.SetOf("GET HEAD POST PUT PATCH DELETE OPTIONS PROPFIND PROPPATCH REPORT MKCOL COPY MOVE LOCK UNLOCK")

// methodProblem says why a request of that method must reach no app; empty when it may.
func methodProblem(method string) string {
	// A tunnel would carry a second request past every check (GHSA-3ccp-42pg-hgv6).
	if method == "CONNECT" {
		return "a tunnel would lead past every check"
	}
	// Over HTTP/2 and HTTP/3 it may hold blanks, and another path between them, which Traefik's fast
	// proxy writes in front of the one that was judged (RFC 9110 §9.1).
	if strings.Trim(method, header.NameBytes) != "" {
		return "its method is no word, and an app could read another path in it"
	}
	return ""
}

// conclude works out what the app is sent, or who is denied.
func conclude(g *gate, r *http.Request, o *outcome) {
	v := o.result
	if v.Status != http.StatusOK {
		denyOrAnonymous(g, r, o)
		return
	}
	set, problem := headers(g, o)
	if problem != "" {
		denyFor(g, r, o, problem)
		return
	}
	o.set = set
	if g.renews {
		setDue(g, r, o)
	}
	if g.cachedByCookie && o.found.Line != "" {
		o.key = o.found.Line
	} else if isKept(g, r, o) {
		o.key = cacheKey(g, r, o.rule)
	}
}

// denyFor denies a terminal for which there are no headers.
func denyFor(g *gate, r *http.Request, o *outcome, problem string) {
	o.result = authn.Denied(http.StatusForbidden, denial.Insufficient, problem)
	if o.rule.Access == access.Peer {
		o.result = authn.Denied(http.StatusUnauthorized, denial.NoToken, problem)
	}
	denyOrAnonymous(g, r, o)
}

// denyOrAnonymous denies the request, or lets it through anonymously where the path is
// public or it is a preflight.
func denyOrAnonymous(g *gate, r *http.Request, o *outcome) {
	if o.rule.Access == access.Public || g.policy.PassPreflight && isPreflight(r) {
		o.result = authn.Anonymous
		o.set = o.rule.Anonymous
		if isKept(g, r, o) {
			o.key = cacheKey(g, r, o.rule)
		}
		return
	}
	if o.rule.Because != "" && o.result.Status == http.StatusUnauthorized {
		o.result = authn.Denied(o.result.Status, o.result.ErrorCode, o.result.LogReason+"; the path is not public, because of "+o.rule.Because)
	}
}

// isKept reports whether a decision holds for others than this request. Where somebody is
// told of each visitor, who is anonymous is told of each time, for all hosts are one then.
func isKept(g *gate, r *http.Request, o *outcome) bool {
	p := g.policy
	isAnonymous := o.result.Token == nil
	if p.Activity != nil && (p.Refresh > p.Activity.Interval || isAnonymous && g.app == nil) {
		return false
	}
	return !isAnonymous || o.rule.Access == access.Public && extractor.IsTokenless(p.Locations, r)
}

// takeOver is for a request whose token another middleware of the chain has taken out,
// as where the same one stands at the entry point and at the router. It reports whether that
// one has admitted it; else o says why the request is denied.
func takeOver(g *gate, r *http.Request, o *outcome) bool {
	if r.Response.Status != g.name {
		text := "two different ptlauth middlewares are in one chain, and " + r.Response.Status + " takes the token out before " + g.name + ": keep one of them"
		journal.ErrorOnChange(g.name+" chain", text)
		o.result = authn.Denied(o.result.Status, o.result.ErrorCode, text)
		return false
	}
	if o.rule.Access == access.Peer {
		return false
	}
	o.result = authn.Anonymous
	o.decision = &cache.Decision{User: r.URL.User, Mark: r.Response}
	for name, values := range r.Response.Header {
		o.decision.Names = append(o.decision.Names, name)
		o.decision.Values = append(o.decision.Values, values[0])
	}
	return true
}

// isPreflight reports whether a browser asks what another origin may do here.
func isPreflight(r *http.Request) bool {
	return r.Method == http.MethodOptions && r.Header["Origin"] != nil && r.Header["Access-Control-Request-Method"] != nil
}

// maxSets bounds how many terminals' headers are kept while the world is the same.
const maxSets = 1000

// headers are what the request of an admitted terminal is sent on with. Where no claim
// is among them, one token's are every token's of that terminal. A value that no header
// can carry is the problem, the second result: the request must be denied.
func headers(g *gate, o *outcome) (*access.Set, string) {
	if !g.headersPerTerminal {
		return newHeaders(g, o)
	}
	// A sub may look like a rule's key; no key of a rule holds a form feed.
	key := o.rule.CacheKey + "\f" + o.result.Token.Subject // guard: no sub is a rule and another terminal's sub
	known, ok := o.snapshot.Sets.Known.Load(key)
	if ok {
		set := known.(*access.Set)
		return set, ""
	}
	return newHeadersOf(g, o, key)
}

// newHeadersOf makes them, and keeps them for the terminal's next request.
func newHeadersOf(g *gate, o *outcome, key string) (*access.Set, string) {
	set, problem := newHeaders(g, o)
	if problem == "" && atomic.AddInt64(&o.snapshot.Sets.Count, 1) <= maxSets {
		o.snapshot.Sets.Known.Store(key, set)
	}
	return set, problem
}

// newHeaders makes a set that is nobody else's.
func newHeaders(g *gate, o *outcome) (*access.Set, string) {
	// Here, a check costs the requests of other paths nothing.
	if o.rule.Access == access.Peer {
		return nil, "the path is for peers, and there are none"
	}
	v := o.result
	user := v.Terminal.User
	if user == "" {
		user = v.Token.Subject
	}
	set, problem := access.Values(o.rule, identity.NewVisitor(user, v.Terminal.ID, v.Terminal.Name, v.Token))
	if problem != "" {
		return nil, problem
	}
	set.Mark = newMark(g.name, set) //nolint:bodyclose // it has none: it is a note for the next middleware.
	if header.ValueProblem(user) == "" {
		name := word(user) // guard: a name is one word in the access log
		set.User = url.User(name)
	}
	return set, ""
}

// word is a user's name for the access log, whose line must stay one, and its fields apart.
func word(user string) string {
	return unfit.ReplaceAllStringFunc(user, url.PathEscape)
}

// unfit is white space, quotes, what cannot be seen, and %, so that no two names are one.
var unfit = regexp.MustCompile(`[\pZ\pC"%]`)

// newMark tells another middleware of the chain what this one has decided.
func newMark(name string, set *access.Set) *http.Response {
	h := make(http.Header, len(set.Names))
	for i, header := range set.Names {
		h[header] = []string{set.Values[i]}
	}
	return &http.Response{Status: name, Header: h}
}
