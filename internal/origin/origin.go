// Package origin keeps pages of other origins from using a visitor's cookie. The apps
// of a portal are same-site to one another, so SameSite does not do that.
package origin

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/getportal/ptlauth/internal/header"
	"github.com/getportal/ptlauth/internal/option"
)

// Guard knows which origins may act with a visitor's cookie.
type Guard struct {
	off     bool
	trusted map[string]bool
	// ancestors says in a Content-Security-Policy which pages may frame the app.
	ancestors string
}

// Read reads `crossOriginProtection` and `trustedOrigins`.
func Read(top *option.Section) *Guard {
	g := &Guard{off: !top.Bool("crossOriginProtection", true), trusted: map[string]bool{}, ancestors: "frame-ancestors 'self'"}
	for _, text := range top.Texts("trustedOrigins") {
		address, err := url.Parse(text)
		if err != nil || address.Host == "" || address.Scheme+"://"+address.Host != text {
			top.Problem("trustedOrigins", "has an entry that is not an origin: write https://HOST, with nothing behind")
			continue
		}
		g.trusted[strings.ToLower(text)] = true
		g.ancestors += " " + strings.ToLower(text)
	}
	return g
}

// Allows reports whether the request may use a token that came by cookie: whether it is
// one that changes nothing, or comes from the app's own pages, a trusted origin, or no
// browser. It follows Go's http.CrossOriginProtection, and counts among what changes
// something a WebSocket, because it is not subject to CORS (CWE-1385), and a frame.
func Allows(g *Guard, r *http.Request) bool {
	if g.off {
		return true
	}
	framed := IsFramed(r.Header)
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
		if !framed && (r.Header["Upgrade"] == nil || !header.IsWebSocket(r.Header)) {
			return true
		}
	}
	origin := strings.ToLower(r.Header.Get("Origin"))
	if g.trusted[origin] || framed && g.trusted[referrer(r)] {
		return true
	}
	switch r.Header.Get("Sec-Fetch-Site") {
	case "same-origin", "none":
		return true
	case "":
	default:
		return false
	}
	if r.Header["Origin"] == nil {
		return true
	}
	address, err := url.Parse(origin)
	return err == nil && address.Host != "" && strings.EqualFold(address.Host, r.Host)
}

// referrer is the origin of the page that a navigation in a frame began on, which has no
// Origin; empty where it is not said.
func referrer(r *http.Request) string {
	address, err := url.Parse(r.Header.Get("Referer"))
	if err != nil || address.Host == "" {
		return ""
	}
	return strings.ToLower(address.Scheme + "://" + address.Host)
}
