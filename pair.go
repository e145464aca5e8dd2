package ptlauth

import (
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/getportal/ptlauth/internal/denial/page"
	"github.com/getportal/ptlauth/internal/journal"
	"github.com/getportal/ptlauth/internal/pairing"
	"github.com/getportal/ptlauth/internal/terminal"
)

// A device is let in by two forms: the first asks, the second pairs. Nothing else changes
// anything, because previews and scanners open links too.

// attempt is a code that somebody has come with.
type attempt struct {
	data   *page.Data
	code   string // empty: it is none
	isSure bool   // the person has been asked
	now    int64  // in seconds since 1970
	from   string // where it comes from
}

func newAttempt(v *visit, fields url.Values) *attempt {
	d := aboutPairing(v)
	d.Next = pairing.Next(v.gate.policy.Pairing, v.r, fields.Get("next"))
	return &attempt{
		data:   d,
		code:   pairing.Fold(fields.Get("code")),
		isSure: fields.Get("do") == "pair",
		now:    time.Now().Unix(),
		from:   pairing.From(v.r),
	}
}

// showPairing shows the field for a code.
func showPairing(v *visit) {
	pairing.GiveNonce(v.w, v.r)
	d := aboutPairing(v)
	d.Next = pairing.Next(v.gate.policy.Pairing, v.r, pairing.Query(v.r).Get("next"))
	show(v, http.StatusOK, page.Pair, d)
}

func takeCode(v *visit, a *attempt) {
	wait := pairing.WaitFor(a.from, a.now)
	if len(a.code) != pairing.LongLength && wait > 0 {
		v.w.Header()["Retry-After"] = []string{strconv.FormatInt(wait, 10)}
		show(v, http.StatusTooManyRequests, page.Slow, a.data)
		return
	}
	world := v.outcome.snapshot
	t := pairing.Find(world.Keys, world.Registry, a.code, a.now)
	nonce := pairing.Nonce(v.r)
	if t == nil || !pairing.IsFree(t, nonce, a.now) {
		refuseCode(v, a)
		return
	}
	a.data.Terminal = t.Name
	a.data.User = t.User
	a.data.Code = a.code
	if a.data.User == "" {
		a.data.User = t.ID
	}
	switch {
	case !a.isSure:
		pairing.ChangeNonce(v.w, v.r, t)
		show(v, http.StatusOK, page.Confirm, a.data)
	case nonce == "": // guard: no code is spent on a browser that keeps no cookies
		show(v, http.StatusForbidden, page.NotKept, a.data)
	default:
		letIn(v, a, t, nonce)
	}
}

// letIn takes the code, and gives the device its token. The page that it leads to sees
// whether it was kept.
func letIn(v *visit, a *attempt, t *terminal.Terminal, nonce string) {
	p := v.gate.policy
	use := pairing.Take(t, nonce, pairing.Use{At: a.now, Browser: a.data.Browser, Address: a.from, Replaced: a.data.Paired})
	if use == nil {
		refuseCode(v, a)
		return
	}
	fresh := pairing.Token(v.outcome.snapshot.Keys, p.TokenRules, t.ID, use.At)
	if fresh == "" {
		refuse(v, http.StatusServiceUnavailable)
		return
	}
	pairing.Set(v.w, v.r, p.Pairing, p.Locations, fresh)
	seeOther(v, "./?next="+url.QueryEscape(a.data.Next))
}

// refuseCode says the same whatever is wrong with a code.
func refuseCode(v *visit, a *attempt) {
	if len(a.code) != pairing.LongLength {
		pairing.CountWrong(a.from, a.now)
	}
	journal.Denial(v.gate.denialLine, http.StatusForbidden, v.r, "a code for pairing was wrong, used, or too old: make another one with ptl pair")
	a.data.Code = ""
	show(v, http.StatusForbidden, page.Wrong, a.data)
}

func show(v *visit, status int, name page.Name, d *page.Data) {
	leave(v)
	page.Write(v.w, v.r, status, name, d)
}

// aboutPairing is what a page for pairing says of whoever asks for it.
func aboutPairing(v *visit) *page.Data {
	r, o := v.r, v.outcome
	agent := r.Header.Get("User-Agent")
	d := about(v.gate, r, o)
	d.Browser = page.Browser(agent)
	d.InApp = page.InApp(agent)
	d.HasForm = true
	if isIn(o) {
		d.Paired = o.result.Terminal.Name
		if d.Paired == "" {
			d.Paired = o.result.Terminal.ID
		}
	}
	return d
}

// tellUse tells whoever pairs what became of it. It is asked by no browser.
func tellUse(v *visit) {
	fields, status := pairing.ReadForm(v.w, v.r)
	if status != 0 {
		refuse(v, status)
		return
	}
	world := v.outcome.snapshot
	watch := pairing.Fold(fields.Get("watch"))
	state, use := pairing.State(world.Keys, world.Registry, watch)
	answer := map[string]interface{}{"state": state}
	if use != nil {
		answer["at"] = use.At
		answer["browser"] = use.Browser
		answer["address"] = use.Address
	}
	tell(v, answer)
}
