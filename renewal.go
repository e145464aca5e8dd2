package ptlauth

import (
	"net/http"
	"time"

	"github.com/getportal/ptlauth/internal/denial"
	"github.com/getportal/ptlauth/internal/extractor"
	"github.com/getportal/ptlauth/internal/origin"
	"github.com/getportal/ptlauth/internal/pairing"
)

// A token is made anew in the place of a page, never beside one: a header that is added to
// an app's answer is lost by `retry`, carried off by 103 Early Hints, dropped by `errors`, and
// handed to the next visitor by whoever caches the page.

// setDue finds out whether, and from when on, an admitted token is to be made anew.
func setDue(g *gate, r *http.Request, o *outcome) {
	v := o.result
	if !o.snapshot.Complete || // guard: no token is renewed with another secret than the first
		!extractor.IsSole(g.policy.Locations, r, o.found) { // guard: only a token that came by the only cookie of the name is renewed
		return
	}
	o.due = pairing.Due(g.policy.Pairing, o.snapshot.Keys, g.policy.TokenRules, v.Token, v.Text)
	o.isDue = o.due != 0 && isDue(r, o.due)
}

// pages are the destinations of pages, in frames or not, of which serveSlow looks closer though
// the token is remembered.
var pages = pagesAnd(origin.Frames)

func pagesAnd(frames map[string]bool) map[string]bool {
	all := map[string]bool{"document": true}
	for destination := range frames {
		all[destination] = true
	}
	return all
}

// isDue reports whether a browser opens a page, so that a token which is due from then on is
// made anew. Each says so by the destination, or, over plain HTTP, by Upgrade-Insecure-Requests.
func isDue(r *http.Request, due int64) bool {
	h := r.Header
	return (h["Sec-Fetch-Dest"] != nil || h["Upgrade-Insecure-Requests"] != nil) && r.Method == "GET" &&
		denial.IsOpening(r) && // guard: nothing but a page is asked for twice
		time.Now().Unix() >= due
}

// renew has the browser keep a new token and ask for the same page again, and reports whether
// it did. The token goes to whoever sent the one before, and nobody may keep the answer.
func renew(g *gate, w http.ResponseWriter, r *http.Request, o *outcome) bool {
	p := g.policy
	now := time.Now()
	purpose := ""
	location := pairing.SamePage(r)
	// The only host that makes cookies sends the browser back.
	isElsewhere := pairing.IsElsewhere(p.Pairing, r)
	if isElsewhere {
		purpose = "elsewhere "
		location = pairing.RenewalAddress(p.Pairing, r)
	}
	if location == "" || !pairing.MayRenew(purpose, o.result.Text, now) {
		return false
	}
	if !isElsewhere {
		fresh := pairing.Token(o.snapshot.Keys, p.TokenRules, o.result.Token.Subject, now.Unix())
		if fresh == "" {
			return false
		}
		pairing.Replace(w, r, p.Pairing, p.Locations, fresh)
	}
	redirect(g, w, r, o, location)
	return true
}

// redirect asks a browser to ask again, with the cookie that it has by then.
func redirect(g *gate, w http.ResponseWriter, r *http.Request, o *outcome, location string) {
	hide(g, r, o)
	r.URL.User = nil
	if o.set != nil {
		r.URL.User = o.set.User
	}
	h := w.Header()
	h["Cache-Control"] = []string{"no-store"} // guard: nobody keeps an answer with a new token
	h["Vary"] = append(h["Vary"], "Cookie")
	h["Location"] = []string{location}
	w.WriteHeader(http.StatusTemporaryRedirect)
}
