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
	// below is a scheme and the domain of whose next labels any is trusted, such as
	// https://.example.com.
	below map[string]bool
	// ancestors says in a Content-Security-Policy which pages may frame the app.
	ancestors string
}

// Read reads `crossOriginProtection` and `trustedOrigins`.
func Read(top *option.Section) *Guard {
	g := &Guard{
		off: !top.Bool("crossOriginProtection", true), trusted: map[string]bool{}, below: map[string]bool{},
		ancestors: "frame-ancestors 'self'",
	}
	for _, text := range top.Texts("trustedOrigins") {
		problem := trust(g, strings.ToLower(text))
		if problem != "" {
			top.Problem("trustedOrigins", problem)
		}
	}
	return g
}

// wildcard stands for one label while an origin is read.
const wildcard = "ptlauth-any-label"

// trust adds an origin as an operator writes it, in small letters; or it says what is wrong
// with it.
func trust(g *Guard, text string) string {
	// A sandboxed page and a local file both have the origin null (RFC 6454 §4); some web
	// views write file:// instead.
	if text == "null" || text == "file://" {
		g.trusted[text] = true
		return ""
	}
	address, err := url.Parse(strings.Replace(text, "://*.", "://"+wildcard+".", 1))
	if err != nil || address.Host == "" || address.Path != "" || address.RawQuery != "" || address.Fragment != "" || address.User != nil || strings.Contains(address.Host, "*") {
		return "has an entry that is not an origin: write https://HOST, with nothing behind; https://*.HOST for any one label"
	}
	if strings.Trim(address.Host, ascii) != "" {
		return "has a host with letters that browsers send otherwise: write it as they do, as in https://xn--bcher-kva.example"
	}
	origin := withoutPort(address.Scheme, address.Host)
	rest := strings.TrimPrefix(origin, address.Scheme+"://"+wildcard)
	if rest == origin {
		g.trusted[origin] = true
		g.ancestors += " " + origin
		return ""
	}
	if strings.Count(rest, ".") < 2 {
		return "has an entry that trusts a whole top-level domain: write at least https://*.example.com"
	}
	g.below[address.Scheme+"://"+rest] = true
	g.ancestors += " " + address.Scheme + "://*" + rest
	return ""
}

const ascii = "abcdefghijklmnopqrstuvwxyz0123456789.-:[]"

// withoutPort is an origin without the port that its scheme has anyway, as browsers write
// it (RFC 6454 §6.2).
func withoutPort(scheme, host string) string {
	if scheme == "https" {
		host = strings.TrimSuffix(host, ":443")
	} else if scheme == "http" {
		host = strings.TrimSuffix(host, ":80")
	}
	return scheme + "://" + host
}

// isTrusted reports whether the operator trusts an origin, in small letters.
func isTrusted(g *Guard, origin string) bool {
	if g.trusted[origin] {
		return true
	}
	if len(g.below) == 0 || len(origin) > 300 {
		return false
	}
	scheme, host, ok := strings.Cut(origin, "://")
	i := strings.IndexByte(host, '.')
	return ok && i > 0 && g.below[scheme+"://"+host[i:]]
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
	if isTrusted(g, origin) || framed && isTrusted(g, referrer(r)) {
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
	return isOwn(r, origin)
}

// isOwn reports whether an origin is that of the host that was asked for. Behind a tunnel
// that is X-Forwarded-Host, which Traefik's entry points replace where a client is not
// trusted to set it.
func isOwn(r *http.Request, origin string) bool {
	scheme, host, ok := strings.Cut(origin, "://")
	if !ok || host == "" {
		return false
	}
	origin = withoutPort(scheme, host)
	if origin == withoutPort(scheme, strings.ToLower(r.Host)) {
		return true
	}
	forwarded := r.Header["X-Forwarded-Host"]
	if len(forwarded) != 1 || len(forwarded[0]) > 300 {
		return false
	}
	first, _, _ := strings.Cut(forwarded[0], ",")
	return origin == withoutPort(scheme, strings.ToLower(strings.TrimSpace(first)))
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
