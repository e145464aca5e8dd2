package ptlauth

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/getportal/ptlauth/internal/address"
	"github.com/getportal/ptlauth/internal/denial/page"
	"github.com/getportal/ptlauth/internal/pairing"
	"github.com/getportal/ptlauth/internal/terminal"
)

// aboutDenial is what a page says of a denied request, in which no token is left: whom to ask
// and, where a device that is paired would be let in, how it is.
func aboutDenial(g *gate, r *http.Request, o *outcome) *page.Data {
	s := g.policy.Pairing
	d := about(g, r, o)
	d.IsFirst = o.snapshot.Registry != nil && terminal.Count(o.snapshot.Registry) == 0
	if s == nil || o.result.Status != http.StatusUnauthorized {
		return d
	}
	d.InApp = page.InApp(r.Header.Get("User-Agent"))
	d.Base = address.Path(&http.Request{URL: &url.URL{Path: s.Path}, Header: r.Header})
	wanted := ""
	if r.Method == "GET" {
		wanted = pairing.Page(r)
	}
	if !pairing.TakesCodes(s, r) { // guard: an app's page has a field for a code only where apps are trusted
		d.PairURL = pairing.Address(s, r) + "pair?next=" + url.QueryEscape(wanted)
		return d
	}
	d.HasForm = true
	// Within the page's own origin.
	_, rest, _ := strings.Cut(wanted, "://")
	at := strings.IndexByte(rest, '/')
	if at >= 0 {
		d.Next = rest[at:]
	}
	return d
}

// about is what each page says of a request.
func about(g *gate, r *http.Request, o *outcome) *page.Data {
	return &page.Data{
		Host:    address.Host(r, address.Scheme(r)),
		Contact: g.policy.Contact,
		Secure:  pairing.IsSecure(r),
		Locked:  isLocked(o),
	}
}
