package carrier

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
func Why(c *Carriers, r *http.Request) string {
	reason := NoToken + " in " + sought(c)
	authorization := r.Header["Authorization"]
	if c.Header == "" && len(authorization) > 0 && len(authorization[0]) > 7 && strings.EqualFold(authorization[0][:7], "Bearer ") {
		return reason + "; one came in Authorization, which is looked at with `token.header: Authorization`"
	}
	if c.Query == "" && len(r.URL.RawQuery) < maxSearched && strings.Contains(r.URL.RawQuery, "eyJ") && anyJWT.MatchString(r.URL.RawQuery) {
		return reason + "; one came in the query, which is looked at with `token.query: NAME`"
	}
	cookies := r.Header["Cookie"]
	if cookies == nil {
		return reason
	}
	return reason + whyNoCookie(c, cookies)
}

func whyNoCookie(c *Carriers, lines []string) string {
	line := lines[0]
	if len(lines) > 1 {
		line = strings.Join(lines, "; ")
	}
	if len(line) > maxSearched {
		return ""
	}
	if strings.Contains(line, "eyJ") && anyJWT.MatchString(line) {
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

// sought names the places where a token may be.
func sought(c *Carriers) string {
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
	return strings.Join(names, ", ")
}
