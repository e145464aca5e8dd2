package extractor

import (
	"net/http"
	"strings"
)

// IsTokenless reports whether a glance shows that nothing in the request can be a token.
// It may be false though there is none.
func IsTokenless(c *Locations, r *http.Request) bool {
	cookie := r.Header["Cookie"]
	if len(cookie) > 1 || c.Query != "" && (r.URL.RawQuery != "" || r.Header["Referer"] != nil) {
		return false
	}
	if c.Headers != nil && InHeader(c, r.Header) {
		return false
	}
	return cookie == nil || c.Cookie == "" || !strings.Contains(cookie[0], c.Cookie)
}

// InHeader reports whether a header is there that may carry a token.
func InHeader(c *Locations, h http.Header) bool {
	for _, one := range c.Headers {
		if h[one.Name] != nil {
			return true
		}
	}
	return false
}

// IsSole reports whether a request carries one token, in the only cookie of the name.
func IsSole(c *Locations, r *http.Request, found *Found) bool {
	return found.Line != "" || isSole(c, r, found)
}

func isSole(c *Locations, r *http.Request, found *Found) bool {
	if len(found.Tokens) != 1 || found.Tokens[0].Place != ByCookie {
		return false
	}
	values, _, ok := Cut(c, strings.Join(r.Header["Cookie"], "; "))
	return ok && len(values) == 1
}
