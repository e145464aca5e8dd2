package pairing

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/getportal/ptlauth/internal/address"
)

// maxNext bounds the address of a page that was wanted, in bytes.
const maxNext = 4096

// maxQuery bounds the query that is read, in bytes: escaping triples a page's address.
const maxQuery = 16 << 10

// Query returns the fields of an own path's query; none where it is longer than any of ours.
func Query(r *http.Request) url.Values {
	if len(r.URL.RawQuery) > maxQuery { // guard: of a long query nothing is read
		return nil
	}
	return r.URL.Query()
}

// Next is where a visitor goes on to, of what a request asks for: a reference within its own
// origin, as it stands; or, with `pairing.host`, an address of a host below the domain. Empty:
// there is none, or it leads elsewhere.
func Next(s *Settings, r *http.Request, text string) string {
	if text == "" || len(text) > maxNext ||
		text[0] == '#' || // guard: a place on the page that leads on leads back to it
		strings.IndexFunc(text, isOdd) >= 0 { // guard: nobody is led to what browsers take for another site
		return ""
	}
	u, err := url.Parse(text)
	if err != nil || u.User != nil || u.Opaque != "" {
		return ""
	}
	if u.Scheme == "" && u.Host == "" &&
		!strings.HasPrefix(text, "//") { // guard: three slashes are two
		return text
	}
	if s.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return ""
	}
	if u.Scheme == "http" && IsSecure(r) { // guard: nobody is led from https to where anyone can listen
		return ""
	}
	if !address.IsHost(u.Host) ||
		!isBelow(strings.ToLower(u.Hostname()), s.Domain) { // guard: nobody is led to a host that is not below the domain
		return ""
	}
	return u.String()
}

// IsElsewhere reports whether cookies are made on another host than the request's alone.
func IsElsewhere(s *Settings, r *http.Request) bool {
	return s.Host != "" && hostName(r) != withoutPort(s.Host)
}

// TakesCodes reports whether codes are taken on the request's host: on the only one that makes
// cookies, and, where the apps are trusted, on theirs.
func TakesCodes(s *Settings, r *http.Request) bool {
	if !IsElsewhere(s, r) {
		return true
	}
	return s.OnApps &&
		isBelow(hostName(r), s.Domain) // guard: no code is spent where the cookie would not be kept
}

// Address is where the own paths are on the only host that makes cookies.
func Address(s *Settings, r *http.Request) string {
	return Scheme(r) + "://" + s.Host + s.Path
}

// Scheme is the one that the visitor's browser speaks, with the only host that makes cookies too.
func Scheme(r *http.Request) string {
	if IsSecure(r) {
		return "https"
	}
	return "http"
}

// Page is the address of the page that a request asks for, as the visitor's browser spells it;
// empty where address.Page is.
func Page(r *http.Request) string {
	_, rest, isPage := strings.Cut(address.Page(r), "://")
	if !isPage {
		return ""
	}
	return Scheme(r) + "://" + rest
}

// RenewalAddress is where a visitor of another host is given a new token, and from where the
// way leads back to the page; empty where it would not.
func RenewalAddress(s *Settings, r *http.Request) string {
	page := Page(r)
	// A long one is cut.
	if !strings.HasSuffix(page, r.URL.RequestURI()) {
		return ""
	}
	page = Next(s, r, page)
	if page == "" {
		return ""
	}
	return Address(s, r) + "?renew=1&next=" + url.QueryEscape(page)
}

// isOdd reports characters that browsers drop, or take for a slash.
func isOdd(r rune) bool {
	return r <= ' ' || r == '\\' || r >= 0x7f
}

// isBelow reports whether a host is a domain's own, or below it.
func isBelow(host, domain string) bool {
	return domain != "" && (host == domain || strings.HasSuffix(host, "."+domain))
}

// Home is where the site begins, seen from its page of this device; empty: no app is on that
// host. It is relative, because a proxy in front may have taken a prefix away.
func Home(s *Settings) string {
	if s.Host != "" {
		return ""
	}
	return "./" + strings.Repeat("../", strings.Count(s.Path, "/")-1)
}
