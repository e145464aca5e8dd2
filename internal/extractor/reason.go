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
	sought := c.sought
	destination := h["Sec-Fetch-Dest"]
	if len(destination) > 0 && destination[0] == "manifest" {
		sought += manifest
	}
	if h["Authorization"] == nil && r.URL.RawQuery == "" && !mayTell(c, h["Cookie"]) {
		return sought
	}
	return sought + whyNone(c, r)
}

// manifest is what an installable app needs (HTML, link type manifest).
const manifest = "; browsers fetch an app's manifest without cookies: make it public, by its path as a prefix in `paths`, or have the app's page link it with crossorigin=\"use-credentials\""

// mayTell reports whether cookies are worth a closer look.
func mayTell(c *Locations, lines []string) bool {
	return len(lines) > 1 || len(lines) == 1 && (strings.Contains(lines[0], "eyJ") || strings.Contains(lines[0], c.Cookie))
}

func whyNone(c *Locations, r *http.Request) string {
	authorization := r.Header["Authorization"]
	if len(authorization) > 0 {
		why := whyNotIn(c, authorization[0])
		if why != "" {
			return why
		}
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

// whyNotIn is for a value of Authorization in which nothing was found.
func whyNotIn(c *Locations, value string) string {
	scheme, rest, _ := strings.Cut(value, " ")
	switch {
	case strings.EqualFold(scheme, "Bearer") && rest != "" && !takesBearer(c):
		return "; one came in Authorization, which is looked at with `token.header: Authorization`"
	case !strings.EqualFold(scheme, "Basic") || len(rest) > maxSearched:
		return ""
	case c.Basic:
		return "; a user name and a password came, which is no token"
	case password(decoded(rest)) != "":
		return "; one came as a password, which is looked at with `token.basic: true`"
	}
	return ""
}

func takesBearer(c *Locations) bool {
	for _, one := range c.Headers {
		if one.Name == authorization && !one.IsBasic {
			return true
		}
	}
	return false
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
	for _, one := range c.Headers {
		if !one.IsBasic {
			names = append(names, "the header `"+one.Name+"`")
		}
	}
	if c.Basic {
		names = append(names, "the password of Authorization: Basic")
	}
	if c.Query != "" {
		names = append(names, "the query parameter `"+c.Query+"`")
	}
	return NoToken + " in " + strings.Join(names, ", ")
}
