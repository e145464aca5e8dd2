package ptlauth

import (
	"encoding/json"
	"net/http"
	"strings"

	"github.com/getportal/ptlauth/internal/address"
	"github.com/getportal/ptlauth/internal/authn"
	"github.com/getportal/ptlauth/internal/denial"
	"github.com/getportal/ptlauth/internal/denial/page"
	"github.com/getportal/ptlauth/internal/pairing"
	"github.com/getportal/ptlauth/internal/socket"
	"github.com/getportal/ptlauth/internal/token"
)

// What a device is asked and told that is in: who it is, and whether it wants out.

// askOut asks whether the visitor wants out: a link changes nothing.
func askOut(g *gate, w http.ResponseWriter, r *http.Request, o *outcome) {
	page.Write(w, r, http.StatusOK, page.LeaveAsk, aboutVisitor(g, r, o))
}

// signOut has the browser forget the cookie, and ends what is open with it. Nothing is
// revoked: a copy of the token is good until the device is taken out.
func signOut(g *gate, w http.ResponseWriter, r *http.Request, o *outcome) {
	p := g.policy
	d := aboutVisitor(g, r, o)
	what := r.PostForm.Get("delete")
	if what == "" {
		pairing.Delete(w, r, p.Pairing, p.Locations) // guard: a sign-out deletes the cookie for every domain
	} else {
		pairing.DeleteAll(w, r, p.Locations)
	}
	if what == "site" &&
		pairing.IsSecure(r) { // guard: what only https obeys is not promised to others
		pairing.DeleteSite(w)
	}
	if isIn(o) && o.result.ByCookie {
		socket.EndOf(g.sockets, o.result.Token.Subject) // guard: a WebSocket ends with the sign-out
	}
	page.Write(w, r, http.StatusOK, page.Left, d)
}

// tellMe tells a program who its visitor is.
func tellMe(g *gate, w http.ResponseWriter, r *http.Request, o *outcome) {
	hide(g, r, o)
	h := w.Header()
	h["Vary"] = append(h["Vary"], "Cookie")
	if !isIn(o) {
		// A person's browser, too, is answered as a program here.
		asked := r.Clone(r.Context())
		asked.Header = http.Header{}
		denial.Write(w, asked, o.result.Status, o.result.ErrorCode)
		return
	}
	who := o.result.Terminal
	text, err := json.Marshal(map[string]string{"id": who.ID, "name": who.Name, "user": userOf(o.result)})
	if err != nil {
		text = []byte("{}")
	}
	h["Content-Type"] = []string{"application/json"}
	h["Cache-Control"] = []string{"no-store"}
	h["X-Content-Type-Options"] = []string{"nosniff"}
	w.WriteHeader(http.StatusOK)
	if r.Method != "HEAD" {
		_, _ = w.Write(append(text, '\n'))
	}
}

// showDevice tells a person which device this is. Whoever comes from pairing goes on to the
// page that was wanted, once it is seen that the browser has kept the cookie.
func showDevice(g *gate, w http.ResponseWriter, r *http.Request, o *outcome) {
	query := r.URL.Query()
	next := pairing.Next(g.policy.Pairing, r, query.Get("next"))
	if isIn(o) {
		setDue(g, r, o)
		if o.isDue && renew(g, w, r, o) {
			return
		}
	}
	isRenewed := query.Get("renew") != ""
	isHere := !strings.Contains(next, "://")
	if next != "" && (isRenewed || isIn(o) && isHere) {
		goOn(w, next)
		return
	}
	d := aboutVisitor(g, r, o)
	d.Next = next
	switch {
	case isIn(o) && next != "":
		leadOn(w, r, d)
	case isIn(o):
		page.Write(w, r, http.StatusOK, page.Device, d)
	case query.Has("next"):
		page.Write(w, r, http.StatusOK, page.NotKept, d)
	default:
		goOn(w, "pair")
	}
}

func goOn(w http.ResponseWriter, location string) {
	h := w.Header()
	h["Cache-Control"] = []string{"no-store"}
	h["Vary"] = append(h["Vary"], "Cookie")
	h["Location"] = []string{location}
	w.WriteHeader(http.StatusSeeOther)
}

// leadOn is for a page of another host. Browsers hold every redirect after a form to the
// form's own policy, which names no host: so a page leads there, and does so at once.
func leadOn(w http.ResponseWriter, r *http.Request, d *page.Data) {
	_, rest, _ := strings.Cut(d.Next, "://")
	d.Host = strings.FieldsFunc(rest, isEndOfHost)[0]
	w.Header()["Refresh"] = []string{"0; url=" + d.Next}
	page.Write(w, r, http.StatusOK, page.Device, d)
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

// aboutVisitor is what a page says of whoever asks for it.
func aboutVisitor(g *gate, r *http.Request, o *outcome) *page.Data {
	d := &page.Data{
		Host:    address.Host(r, address.Scheme(r)),
		Contact: g.policy.Contact,
		Secure:  pairing.IsSecure(r),
	}
	if isIn(o) {
		d.Terminal = o.result.Terminal.Name
		d.User = userOf(o.result)
		d.Since = token.Issued(o.result.Token)
	}
	return d
}
