package pairing

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"github.com/getportal/ptlauth/internal/address"
	"github.com/getportal/ptlauth/internal/extractor"
)

const (
	// maxAge is for how long a browser keeps the cookie, in seconds: 400 days, the most that
	// any of them does (RFC 6265bis §5.6.2).
	maxAge = "34560000"
	// maxForms bounds how many forms of a cookie are deleted at once: a proxy in front may
	// have room for 4 KiB of headers.
	maxForms = 40
	// maxDomains bounds how many parents of a host are looked at.
	maxDomains = 6
)

// Set has the browser keep a token that it was paired with, in the one cookie of the name:
// with another form of it, a request would carry two.
func Set(w http.ResponseWriter, r *http.Request, s *Settings, c *extractor.Locations, token string) {
	if strings.Contains(strings.Join(r.Header["Cookie"], ";"), c.Cookie) {
		for _, domain := range domains(r, c.Cookie) {
			if domain != "" && domain != s.Domain {
				forget(w, c.Cookie, "/", domain)
			}
		}
	}
	Replace(w, r, s, c, token)
}

// Replace has the browser keep a token in the place of the one that came in the only cookie
// of the name. Its other forms are left alone: they may be another app's. Only the host's own
// is nobody else's where cookies are a domain's.
func Replace(w http.ResponseWriter, r *http.Request, s *Settings, c *extractor.Locations, token string) {
	// Lax: Strict is not sent after a link in another app, None not kept by home-screen apps.
	line := c.Cookie + "=" + token + "; Path=/; Max-Age=" + maxAge + "; HttpOnly; SameSite=Lax"
	if s.Domain != "" {
		forget(w, c.Cookie, "/", "")
		line += "; Domain=" + s.Domain
	}
	if IsSecure(r) || isPrefixed(c.Cookie) {
		line += "; Secure"
	}
	add(w, line)
}

// Delete has the browser forget the cookie, for whichever of the host's domains it was set.
func Delete(w http.ResponseWriter, r *http.Request, s *Settings, c *extractor.Locations) {
	all := domains(r, c.Cookie)
	for _, domain := range all {
		forget(w, c.Cookie, "/", domain)
	}
	if s.Domain != "" && !contains(all, s.Domain) {
		forget(w, c.Cookie, "/", s.Domain)
	}
}

// DeleteAll has the browser forget every cookie of the name that it may send with a request
// for the page that the request came from: somebody else may have planted one.
func DeleteAll(w http.ResponseWriter, r *http.Request, c *extractor.Locations) {
	count := 0
	hosts := domains(r, c.Cookie)
	for _, path := range paths(r) {
		for _, domain := range hosts {
			if count == maxForms {
				return
			}
			count++
			forget(w, c.Cookie, path, domain)
		}
	}
}

// DeleteSite has the browser forget all cookies of the site, whoever set them; over https
// alone does a browser obey.
func DeleteSite(w http.ResponseWriter) {
	w.Header().Set("Clear-Site-Data", `"cookies"`)
}

// forget deletes one form of a cookie: of that path, and of that domain, or, where that is
// empty, of the host alone.
func forget(w http.ResponseWriter, name, path, domain string) {
	line := name + "=; Path=" + path + "; Max-Age=0"
	if domain != "" {
		line += "; Domain=" + domain
	}
	if isPrefixed(name) {
		line += "; Secure"
	}
	add(w, line)
}

func add(w http.ResponseWriter, line string) {
	h := w.Header()
	h["Set-Cookie"] = append(h["Set-Cookie"], line)
}

// isPrefixed reports whether browsers keep a cookie of the name over https alone (RFC 6265bis
// §4.1.3).
func isPrefixed(name string) bool {
	lower := strings.ToLower(name)
	return strings.HasPrefix(lower, "__host-") || strings.HasPrefix(lower, "__secure-") || strings.HasPrefix(lower, "__http-")
}

// IsSecure reports whether the visitor's browser speaks https, whoever ends it on the way. A
// browser says so by its Origin, or by Sec-Fetch-Mode, which it sends to nobody else but to
// its own machine.
func IsSecure(r *http.Request) bool {
	origins := r.Header["Origin"]
	if len(origins) == 1 && strings.Contains(origins[0], "://") {
		return strings.HasPrefix(strings.ToLower(origins[0]), "https://")
	}
	if address.Scheme(r) == "https" {
		return true
	}
	host := hostName(r)
	ip, _ := netip.ParseAddr(host)
	isOwn := host == "" || host == "localhost" || strings.HasSuffix(host, ".localhost") || ip.IsLoopback()
	return r.Header["Sec-Fetch-Mode"] != nil && !isOwn
}

// hostName is the request's host in lower case, without port and brackets.
func hostName(r *http.Request) string {
	return withoutPort(address.Host(r, ""))
}

func withoutPort(host string) string {
	host = strings.ToLower(host)
	name, _, err := net.SplitHostPort(host)
	if err != nil {
		name = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	}
	return strings.TrimSuffix(name, ".")
}

// domains are all domains for which a cookie of the request's host can have been set, the
// host alone, which is empty, first.
func domains(r *http.Request, name string) []string {
	all := []string{""}
	host := hostName(r)
	_, err := netip.ParseAddr(host)
	if err == nil || strings.HasPrefix(strings.ToLower(name), "__host-") {
		return all
	}
	// No browser takes a cookie for a whole top-level domain.
	for strings.Contains(host, ".") && len(all) < maxDomains {
		all = append(all, host)
		_, parent, _ := strings.Cut(host, ".")
		host = parent
	}
	return all
}

// paths are all paths of cookies that a browser sends with the page that a request came
// from, and with the request itself (RFC 6265 §5.1.4), the shortest first.
func paths(r *http.Request) []string {
	all := []string{"/"}
	page := ""
	from, err := url.Parse(r.Header.Get("Referer"))
	if err == nil {
		page = from.EscapedPath()
	}
	own := address.Path(r)
	for depth := 1; depth < maxForms; depth++ {
		before := len(all)
		for _, path := range []string{page, own} {
			head, ok := beginning(path, depth)
			if ok && !contains(all, head) {
				all = append(all, head)
				if head != path {
					all = append(all, head+"/")
				}
			}
		}
		if len(all) == before {
			break
		}
	}
	return all
}

// beginning is a path up to its segment of that number, counted from one; false: it has not
// as many, or is none that can stand in a cookie.
func beginning(path string, depth int) (string, bool) {
	if len(path) > 1024 || strings.ContainsAny(path, ";, \"") || !strings.HasPrefix(path, "/") {
		return "", false
	}
	parts := strings.SplitN(path[1:], "/", depth+1)
	if len(parts) < depth || parts[depth-1] == "" {
		return "", false
	}
	return "/" + strings.Join(parts[:depth], "/"), true
}

func contains(all []string, one string) bool {
	for _, text := range all {
		if text == one {
			return true
		}
	}
	return false
}
