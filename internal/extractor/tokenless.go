package extractor

import (
	"net/http"
	"strings"
)

// IsTokenless reports whether a glance shows that nothing in the request can be a token.
// It may be false though there is none.
func IsTokenless(c *Locations, r *http.Request) bool {
	cookie := r.Header["Cookie"]
	if len(cookie) > 1 || c.Query != "" && (r.URL.RawQuery != "" || r.Header["Referer"] != nil) || c.Header != "" && r.Header[c.Header] != nil {
		return false
	}
	return cookie == nil || c.Cookie == "" || !strings.Contains(cookie[0], c.Cookie)
}
