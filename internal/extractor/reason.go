package extractor

import (
	"net/http"
	"regexp"
	"strings"
)

// NoToken is the reason why a request without any token is denied; Why says more.
const NoToken = "there is no token"

// anyJWT is a JWT, or one whose signature was lost.
var anyJWT = regexp.MustCompile(`eyJ[\w-]*\.[\w-]+\.`)

// Why says where a token was looked for and, if one came in another place, which
// option would have it looked for there. It quotes nothing of the request.
func Why(c *Locations, r *http.Request) string {
	h := r.Header
	if h["Authorization"] == nil && r.URL.RawQuery == "" && !mayTell(c, h["Cookie"]) {
		return c.sought
	}
	return c.sought + whyNone(c, r)
}

// mayTell reports whether cookies are worth a closer look.
func mayTell(c *Locations, lines []string) bool {
	return len(lines) > 1 || len(lines) == 1 && (strings.Contains(lines[0], "eyJ") || strings.Contains(lines[0], c.Cookie))
}

func whyNone(c *Locations, r *http.Request) string {
	authorization := r.Header["Authorization"]
	if c.Header == "" && len(authorization) > 0 && len(authorization[0]) > 7 && strings.EqualFold(authorization[0][:7], "Bearer ") {
		return "; one came in Authorization, which is looked at with `token.header: Authorization`"
	}
	query := r.URL.RawQuery
	if c.Query == "" && len(query) < maxSearched && anyJWT.MatchString(query) {
		return "; one came in the query, which is looked at with `token.query: NAME`"
	}
	cookies := r.Header["Cookie"]
	if cookies == nil {
		return ""
	}
	return whyNoCookie(c, cookies)
}

func whyNoCookie(c *Locations, lines []string) string {
	line := lines[0]
	if len(lines) > 1 {
		line = strings.Join(lines, "; ")
	}
	if len(line) > maxSearched {
		return ""
	}
	if anyJWT.MatchString(line) {
		return "; one came in a cookie of another name: name it in `token.cookie`"
	}
	if c.Cookie == "" {
		return ""
	}
	values, _, _ := Cut(c, line)
	if values != nil {
		return "; that cookie is there, and empty"
	}
	return ""
}

// sought says that there is none, and names the places where a token may be.
func sought(c *Locations) string {
	var names []string
	if c.Cookie != "" {
		names = append(names, "the cookie `"+c.Cookie+"`")
	}
	if c.Header != "" {
		names = append(names, "the header `"+c.Header+"`")
	}
	if c.Query != "" {
		names = append(names, "the query parameter `"+c.Query+"`")
	}
	return NoToken + " in " + strings.Join(names, ", ")
}
