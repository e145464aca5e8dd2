// Package origin keeps pages of other origins from using a visitor's cookie. The apps
// of a portal are same-site to one another, so SameSite does not do that.
package origin

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/getportal/ptlauth/internal/address"
	"github.com/getportal/ptlauth/internal/header"
)

// Guard knows which origins may act with a visitor's cookie.
type Guard struct {
	off bool
	// trusted are the origins as browsers send them; the first label of a host may be an asterisk.
	trusted map[string]bool
	// ancestors says in a Content-Security-Policy which pages may frame the app.
	ancestors string
}

// Allows reports whether the request may use a token that came by cookie: whether it is
// one that changes nothing, or comes from the app's own pages, a trusted origin, or no
// browser. It follows Go's http.CrossOriginProtection, and counts among what changes
// something a WebSocket, because it is not subject to CORS (CWE-1385), and a frame.
func Allows(g *Guard, r *http.Request) bool {
	if g.off { // guard: other origins' pages cannot use the cookie
		return true
	}
	framed := IsFramed(r.Header) // guard: a page of another origin cannot show the app in a frame
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
		if !framed && (r.Header["Upgrade"] == nil || !header.IsWebSocket(r.Header)) {
			return true
		}
	}
	origins := r.Header["Origin"]
	if len(origins) == 1 && IsTrusted(g, origins[0]) || framed && IsTrusted(g, referrer(r)) {
		return true
	}
	switch r.Header.Get("Sec-Fetch-Site") {
	case "same-origin", "none":
		return true
	case "":
	default:
		return false
	}
	return origins == nil || len(origins) == 1 && IsOwn(r, origins[0])
}

// IsTrusted reports whether an origin, as a browser sends it, is among `trustedOrigins`.
func IsTrusted(g *Guard, origin string) bool {
	if origin == "" || len(origin) > maxOrigin || len(g.trusted) == 0 {
		return false
	}
	origin = withoutPort(strings.ToLower(origin))
	if g.trusted[origin] { // guard: origins without a host are trusted by their word alone
		return true
	}
	scheme, host, _ := strings.Cut(origin, "://")
	label, rest, _ := strings.Cut(host, ".") // guard: an asterisk is one label
	return label != "" && rest != "" && address.IsHost(label) && g.trusted[scheme+"://*."+rest]
}

// IsOwn reports whether an origin, as a browser sends it, is the one that the request was
// made to: behind a proxy that Traefik trusts, the one that this one was asked for. The
// schemes are not compared, because one in front may have ended TLS without saying so.
func IsOwn(r *http.Request, origin string) bool {
	if len(origin) > maxOrigin {
		return false
	}
	parsed, err := url.Parse(strings.ToLower(origin))
	if err != nil || parsed.Host == "" || parsed.User != nil || parsed.Path != "" {
		return false
	}
	return address.WithoutPort(parsed.Host, parsed.Scheme) == strings.ToLower(address.Host(r, parsed.Scheme))
}

// referrer is the origin of the page that a navigation in a frame began on, which has no
// Origin; empty where it is not said.
func referrer(r *http.Request) string {
	parsed, err := url.Parse(r.Header.Get("Referer"))
	if err != nil || parsed.Host == "" {
		return ""
	}
	return parsed.Scheme + "://" + parsed.Host
}
