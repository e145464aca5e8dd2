// Package address finds the address that a client asked for, behind Traefik's own
// middlewares and the proxies in front of it.
//
// X-Forwarded-Proto, X-Forwarded-Host and X-Forwarded-Prefix are believed, because
// Traefik's entry points delete them where a peer is not among
// `forwardedHeaders.trustedIPs` (pkg/middlewares/forwardedheaders) and set the first
// two themselves. X-Forwarded-Port is not: Traefik fills it in with its own port.
package address

import (
	"net/http"
	"net/url"
	"strings"
)

const (
	// maxPage bounds a page's address in bytes, which escaping may triple: servers
	// take request lines of 8,000 bytes (RFC 9112 §3).
	maxPage = 2000
	// maxHost is a domain name (RFC 1035 §2.3.4) with a port.
	maxHost = 255 + len(":65535")
	// HostBytes are those of a domain name, an IP address and a port.
	HostBytes = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._:[]"
)

// Scheme is http or https. Of several proxies' words the first is the outermost one's.
func Scheme(r *http.Request) string {
	switch strings.ToLower(first(r.Header["X-Forwarded-Proto"])) {
	case "https", "wss":
		return "https"
	case "http", "ws":
		return "http"
	}
	if r.TLS != nil {
		return "https"
	}
	return "http"
}

// Host is the host with its port, less the scheme's own port; empty where the client's
// is not one that a browser would send.
func Host(r *http.Request, scheme string) string {
	host := plainHost(first(r.Header["X-Forwarded-Host"]))
	if host == "" { // guard: an inner host is nobody's origin
		host = plainHost(r.Host)
	}
	return WithoutPort(host, scheme)
}

// IsHost reports whether the text is a host, perhaps with a port, that needs no escaping.
func IsHost(text string) bool {
	return text != "" && len(text) <= maxHost && strings.TrimLeft(text, HostBytes) == ""
}

// Path is the escaped path with what stripPrefix has taken off; empty where the
// request's target is no path.
func Path(r *http.Request) string {
	path := r.URL.EscapedPath()
	if r.URL.Opaque != "" || // guard: a target that is no path is not sent along
		path != "" && path[0] != '/' {
		return ""
	}
	prefixes := r.Header["X-Forwarded-Prefix"]
	if len(prefixes) > 0 {
		path = prefix(prefixes) + path
	}
	if path == "" {
		return "/"
	}
	return path
}

// Page is the address of a page, with its query; empty where the client's is not one
// that a browser would send. What is too long is left out, first the query.
func Page(r *http.Request) string {
	scheme := Scheme(r)
	host := Host(r, scheme)
	path := Path(r)
	if host == "" || path == "" {
		return ""
	}
	page := scheme + "://" + host
	if len(path) > maxPage { // guard: a long page is not sent along
		return page + "/"
	}
	query := r.URL.RawQuery
	if query != "" && len(path)+len(query) < maxPage {
		return page + path + "?" + query
	}
	return page + path
}

// first is the first element of a list that may be spread over several lines.
func first(values []string) string {
	if len(values) == 0 {
		return ""
	}
	element, _, _ := strings.Cut(values[0], ",")
	return strings.TrimSpace(element)
}

func plainHost(host string) string {
	if !IsHost(host) { // guard: a forwarded host is one
		return ""
	}
	return host
}

// WithoutPort is the host less the port that the scheme has anyway.
func WithoutPort(host, scheme string) string {
	if scheme == "https" { // guard: another scheme's port is another origin
		return strings.TrimSuffix(host, ":443")
	}
	return strings.TrimSuffix(host, ":80")
}

// prefix joins what each stripPrefix noted, decoded and the outermost first. It may end
// in a slash, which the rest of the path then begins with.
func prefix(values []string) string {
	joined := strings.ReplaceAll(strings.Join(values, ","), ", ", ",")
	if len(joined) > maxPage || !strings.HasPrefix(joined, "/") {
		return ""
	}
	joined = strings.ReplaceAll(strings.ReplaceAll(joined, "/,", ","), ",", "")
	if strings.HasPrefix(joined, "//") { // guard: a prefix is no host
		return ""
	}
	return (&url.URL{Path: strings.TrimSuffix(joined, "/")}).EscapedPath()
}
