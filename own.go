package ptlauth

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"

	"github.com/getportal/ptlauth/internal/access"
	"github.com/getportal/ptlauth/internal/address"
	"github.com/getportal/ptlauth/internal/authn"
	"github.com/getportal/ptlauth/internal/denial"
	"github.com/getportal/ptlauth/internal/denial/page"
	"github.com/getportal/ptlauth/internal/pairing"
)

// decideOwn is for a path that ptlauth answers itself, and reports whether it is one. Who asks
// is found out, and what becomes of it is up to whoever answers.
func decideOwn(g *gate, r *http.Request, o *outcome) bool {
	own := pairing.Own(g.policy.Pairing, r)
	if own == pairing.NotOwn {
		o.rule = access.Find(g.policy.Rules, r)
		return false
	}
	o.result = authn.Identify(g.policy, o.snapshot, r, o.found)
	if o.snapshot.Ready { // guard: what cannot be known is not answered
		o.own = own
		o.isOwn = true
	}
	return true
}

// visit is a request for an own path.
type visit struct {
	gate    *gate
	w       http.ResponseWriter
	r       *http.Request
	outcome *outcome
}

// serveOwn answers an own path.
func serveOwn(g *gate, w http.ResponseWriter, r *http.Request, o *outcome) {
	v := &visit{gate: g, w: w, r: r, outcome: o}
	allowed := pairing.Methods[o.own]
	if r.Method != "GET" && r.Method != "HEAD" && r.Method != "POST" || !strings.Contains(allowed, r.Method) {
		w.Header()["Allow"] = []string{allowed}
		refuse(v, http.StatusMethodNotAllowed)
		return
	}
	s := g.policy.Pairing
	isElsewhere := pairing.IsElsewhere(s, r)
	switch {
	case o.own == pairing.Me:
		tellMe(v)
	case o.own == pairing.Used:
		tellUse(v)
	case isElsewhere && o.own == pairing.Out && r.Method == "POST" && pairing.IsFromOwnPage(r):
		takeForm(v)
	case isElsewhere &&
		(o.own != pairing.Pair || !pairing.TakesCodes(s, r)): // guard: an app's host takes no code unless apps are trusted
		leadHome(v)
	case r.Method == "POST" && !pairing.IsFromOwnPage(r): // guard: another origin's page pairs nobody, and signs nobody out
		refuse(v, http.StatusForbidden)
	case o.own == pairing.Device:
		showDevice(v)
	case r.Method != "POST" && o.own == pairing.Pair:
		showPairing(v)
	case r.Method != "POST":
		// A link changes nothing: it asks whether the visitor wants out.
		show(v, http.StatusOK, page.LeaveAsk, aboutVisitor(v))
	default:
		takeForm(v)
	}
}

// takeForm reads what a person has sent.
func takeForm(v *visit) {
	fields, status := pairing.ReadForm(v.w, v.r)
	if status != 0 {
		refuse(v, status)
		return
	}
	if v.outcome.own == pairing.Out {
		signOut(v, fields)
		return
	}
	takeCode(v, newAttempt(v, fields))
}

// refuse answers what no page of ours sends, which a person may have been led to all the
// same. The tokens are out of the request by then, as with a denial.
func refuse(v *visit, status int) {
	leave(v)
	isForPeople := status == http.StatusForbidden || status == http.StatusServiceUnavailable
	if isForPeople && denial.IsNavigation(v.r) {
		denial.Explain(v.w, v.r, status, denial.NoToken, aboutVisitor(v))
		return
	}
	http.Error(v.w, http.StatusText(status), status)
}

// leave takes out of a request what nobody else may see, and out of caches what is answered.
func leave(v *visit) {
	hide(v.gate, v.r, v.outcome)
	v.r.URL.User = nil
	v.w.Header()["Cache-Control"] = []string{"no-store"}
}

func seeOther(v *visit, location string) {
	leave(v)
	v.w.Header()["Location"] = []string{location}
	v.w.WriteHeader(http.StatusSeeOther)
}

// leadHome leads from an app's host to the one where devices are paired, and from there back.
func leadHome(v *visit) {
	s, r := v.gate.policy.Pairing, v.r
	scheme := pairing.Scheme(r)
	next := pairing.Next(s, r, pairing.Query(r).Get("next"))
	if next == "" || strings.HasPrefix(next, "/") {
		next = scheme + "://" + address.Host(r, scheme) + "/" + strings.TrimPrefix(next, "/")
	}
	seeOther(v, pairing.Address(s, r)+v.outcome.own+"?next="+url.QueryEscape(next))
}

// tell answers a program.
func tell(v *visit, answer map[string]interface{}) {
	text, err := json.Marshal(answer)
	if err != nil {
		refuse(v, http.StatusInternalServerError)
		return
	}
	leave(v)
	h := v.w.Header()
	h["Content-Type"] = []string{"application/json"}
	h["X-Content-Type-Options"] = []string{"nosniff"}
	v.w.WriteHeader(http.StatusOK)
	if v.r.Method != "HEAD" {
		_, _ = v.w.Write(append(text, '\n'))
	}
}
