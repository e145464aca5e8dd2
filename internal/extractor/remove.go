package extractor

import (
	"net/http"
	"strings"
)

// Remove takes out of the request what was found in it and must not reach the app:
// cookies of the name in any case, and what isOurs says of Authorization and the query,
// in which apps have tokens of their own.
func Remove(c *Locations, r *http.Request, found *Found) {
	if c.Forward {
		return
	}
	if found.cut {
		replace(r.Header, "Cookie", found.cookies)
	}
	for _, one := range c.Headers {
		if r.Header[one.Name] != nil {
			removeHeader(c, r.Header, found, one)
		}
	}
	if c.Query != "" {
		removeQuery(c, r, found)
	}
}

func replace(h http.Header, name string, values []string) {
	if values == nil {
		delete(h, name)
	} else {
		h[name] = values
	}
}

// isOurs reports whether a value is, or holds, a token that one of our keys has signed.
// Where no token is good, whatever looks like a JWT may be one.
func isOurs(found *Found, value string) bool {
	for _, candidate := range found.Tokens {
		if candidate.Ours && strings.Contains(value, candidate.Text) {
			return true
		}
	}
	return !found.Good && looksLikeJWT(value) // guard: what looks like a token goes where none is good
}

// looksLikeJWT also holds for a JWT with something around it. {" in base64 is eyJ.
func looksLikeJWT(value string) bool {
	return strings.Contains(value, "eyJ") && strings.Count(value, ".") >= 2
}

// removeHeader leaves nothing in a header that was named for tokens alone.
func removeHeader(c *Locations, h http.Header, found *Found, one Header) {
	values := h[one.Name]
	if len(values) > maxLines || one.Name != authorization {
		delete(h, one.Name)
		return
	}
	var rest []string
	for _, value := range values {
		if isLongBasic(c, one, value) {
			continue
		}
		text, place := credentials(c, one, value)
		if place == "" || !isOurs(found, text) {
			rest = append(rest, value)
		}
	}
	replace(h, one.Name, rest)
}

// removeQuery also takes the token out of Referer: a page's address is sent along
// with everything that the page loads.
func removeQuery(c *Locations, r *http.Request, found *Found) {
	referer := r.Header["Referer"]
	if len(referer) > 0 {
		r.Header["Referer"] = []string{withoutQuery(c, found, referer[0])}
	}
	before := r.URL.RawQuery
	if before == "" {
		return
	}
	rest := ""
	if !found.dropped {
		rest = cutQuery(found, before, found.params)
	}
	r.URL.RawQuery = rest
	// Traefik's proxies read the path and the query from here.
	path, query, _ := strings.Cut(r.RequestURI, "?")
	if query == before {
		r.RequestURI = joined(path, rest)
	} else {
		r.RequestURI = withoutQuery(c, found, r.RequestURI)
	}
}
