package ptlauth

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/getportal/ptlauth/internal/authn"
	"github.com/getportal/ptlauth/internal/denial"
	"github.com/getportal/ptlauth/internal/denial/page"
	"github.com/getportal/ptlauth/internal/extractor"
	"github.com/getportal/ptlauth/internal/option"
	"github.com/getportal/ptlauth/internal/pairing"
	"github.com/getportal/ptlauth/internal/socket"
	"github.com/getportal/ptlauth/internal/terminal"
	"github.com/getportal/ptlauth/internal/token"
)

// What a device is asked and told that is in: who it is, and whether it wants out.

// signOut has the browser forget the cookie, and ends what is open with it. Nothing is
// revoked: a copy of the token is good until the device is taken out.
func signOut(v *visit, fields url.Values) {
	p := v.gate.policy
	o := v.outcome
	d := aboutVisitor(v)
	name := page.Left
	what := fields.Get("delete")
	switch {
	case what != "":
		name = page.Deleted
		// Where a cookie was planted, there alone it can be deleted.
		pairing.DeleteAll(v.w, v.r, p.Locations)
	case pairing.IsElsewhere(p.Pairing, v.r):
		leadHome(v)
		return
	default:
		pairing.Delete(v.w, v.r, p.Pairing, p.Locations) // guard: a sign-out deletes the cookie for every domain
	}
	if what == "site" &&
		pairing.IsSecure(v.r) { // guard: what only https obeys is not promised to others
		pairing.DeleteSite(v.w)
	}
	if isIn(o) && o.result.Place == extractor.ByCookie {
		socket.EndOf(v.gate.sockets, o.result.Token.Subject) // guard: a WebSocket ends with the sign-out
	}
	show(v, http.StatusOK, name, d)
}

// tellMe tells a program who its visitor is.
func tellMe(v *visit) {
	o := v.outcome
	h := v.w.Header()
	h["Vary"] = append(h["Vary"], "Cookie")
	if isIn(o) {
		who := o.result.Terminal
		tell(v, map[string]interface{}{"id": who.ID, "name": who.Name, "user": userOf(o.result)})
		return
	}
	leave(v)
	// A person's browser, too, is answered as a program here.
	asked := v.r.Clone(v.r.Context())
	asked.Header = http.Header{}
	if v.gate.policy.Locations.Basic && mayAsk(v.r, o) {
		denial.Ask(v.w, asked, o.result.ErrorCode)
		return
	}
	denial.Write(v.w, asked, o.result.Status, o.result.ErrorCode)
}

// showDevice tells a person which device this is. Whoever comes from pairing goes on to the
// page that was wanted, once it is seen that the browser has kept the cookie.
func showDevice(v *visit) {
	o := v.outcome
	query := pairing.Query(v.r)
	next := pairing.Next(v.gate.policy.Pairing, v.r, query.Get("next"))
	if v.gate.renews && isIn(o) {
		setDue(v.gate, v.r, o)
		if o.isDue && renew(v.gate, v.w, v.r, o) {
			return
		}
	}
	isRenewed := query.Get("renew") != ""
	// In a reference, "://" may stand anywhere.
	isHere := !option.IsAddress(next) // guard: what is quoted is no address
	d := aboutVisitor(v)
	d.Next = next
	// Once, a person reads that the device before can be taken out.
	if isIn(o) && !isRenewed {
		d.Paired = pairing.Replaced(o.result.Terminal, pairing.Nonce(v.r))
	}
	switch {
	case next != "" && (isRenewed || isIn(o) && isHere && d.Paired == ""):
		seeOther(v, next)
	case isIn(o) && d.Paired != "" && next != "":
		show(v, http.StatusOK, page.Device, d)
	case isIn(o) && next != "":
		leadOn(v, d)
	case isIn(o):
		d.Next = pairing.Home(v.gate.policy.Pairing)
		show(v, http.StatusOK, page.Device, d)
	case query.Has("next"):
		show(v, http.StatusOK, page.NotKept, d)
	default:
		seeOther(v, pairing.Pair)
	}
}

// leadOn is for a page of another host. Browsers hold every redirect after a form to the
// form's own policy, which names no host: so a page leads there, and does so at once.
func leadOn(v *visit, d *page.Data) {
	_, rest, _ := strings.Cut(d.Next, "://")
	d.Host = strings.FieldsFunc(rest, isEndOfHost)[0]
	v.w.Header()["Refresh"] = []string{"0; url=" + d.Next}
	show(v, http.StatusOK, page.Device, d)
}

func isEndOfHost(r rune) bool { return r == '/' || r == '?' || r == '#' }

// isIn reports whether the visitor is a device that is paired.
func isIn(o *outcome) bool {
	return o.result.Status == http.StatusOK && o.result.Token != nil
}

func userOf(v *authn.Result) string {
	if v.Terminal.User == "" {
		return v.Token.Subject
	}
	return v.Terminal.User
}

// isLocked reports whether somebody else may have planted a cookie of the name: there are
// several, or one that is none of our tokens. Where it stays, no pairing helps.
func isLocked(o *outcome) bool {
	if isIn(o) || o.result.Status != http.StatusUnauthorized {
		return false
	}
	count := 0
	for _, one := range o.found.Tokens {
		if one.Place == extractor.ByCookie && !one.Ours {
			return true
		}
		if one.Place == extractor.ByCookie {
			count++
		}
	}
	return count > 1 || o.found.Problem != "" || o.found.Only != "" && !o.result.Ours
}

// aboutVisitor is what a page says of whoever asks for it.
func aboutVisitor(v *visit) *page.Data {
	o := v.outcome
	d := about(v.gate, v.r, o)
	if isIn(o) {
		d.Terminal = o.result.Terminal.Name
		d.User = userOf(o.result)
		d.Since = terminal.Since(o.result.Terminal)
		if d.Since == 0 {
			d.Since = token.Issued(o.result.Token)
		}
	}
	return d
}
