// Package carrier finds the tokens that a request carries (in a header, in
// cookies, in the query) and takes them out, so that the app cannot replay them
// elsewhere.
package carrier

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/getportal/ptlauth/internal/header"
	"github.com/getportal/ptlauth/internal/option"
)

// DefaultCookie is the cookie in which Portal keeps the terminal JWT.
const DefaultCookie = "authorization"

// Carriers are the places where a token may be.
type Carriers struct {
	Cookie  string // a cookie's name; empty: none
	Header  string // a header's canonical name; empty: none
	Query   string // a query parameter's name; empty: none
	Forward bool   // leave the token in the request

	assign string // what stands before the token in a Cookie line; empty where that is not all
}

// Read reads the section `token`.
func Read(s *option.Section, injected []string) *Carriers {
	c := &Carriers{
		Cookie:  strings.TrimSpace(s.Text("cookie", DefaultCookie)),
		Query:   strings.TrimSpace(s.Text("query", "")),
		Forward: s.Bool("forward", false),
	}
	name := strings.TrimSpace(s.Text("header", ""))
	s.Unknown()
	if name != "" {
		problem := header.NameProblem(name)
		if problem == "" && header.IsReserved(header.Fold(name)) {
			problem = "begins with X-Ptl-, which is taken out of every request: choose another header, such as Authorization"
		}
		for _, other := range injected {
			if header.Fold(other) == header.Fold(name) {
				problem = "is also injected by `headers`, and therefore taken out of every request: choose another header"
			}
		}
		if problem != "" {
			s.Problem("header", problem)
		}
		c.Header = http.CanonicalHeaderKey(name)
	}
	if strings.ContainsAny(c.Cookie, "=;, \t\"\r\n") {
		s.Problem("cookie", "is not a cookie's name: leave out spaces, quotes and punctuation")
	}
	if c.Header == "" && c.Query == "" && !c.Forward {
		c.assign = "; " + c.Cookie + "="
	}
	if c.Cookie == "" && c.Header == "" && c.Query == "" {
		s.Problem("", "nothing may carry a token: name a cookie, a header or a query parameter")
	}
	return c
}

// Candidate is what may be a token.
type Candidate struct {
	Token string
	// ByCookie tells that a browser may have sent it of its own accord.
	ByCookie bool
}

// Found is what a request carries: a sole cookie, or all candidates.
type Found struct {
	Sole       string // the one token, found at a glance in the one Cookie line
	Candidates []Candidate
	Line       string // the Cookie line with the sole token

	before string // what stands before the token's cookie in Line, behind "; " if anything does
	after  string
}

// Glance finds the one token in a Cookie line as every browser writes it, in a few
// native calls; nil leaves the request to closer inspection by Find.
func Glance(c *Carriers, lines []string) *Found {
	if len(lines) != 1 || c.assign == "" {
		return nil
	}
	line := lines[0]
	if strings.Count(line, c.Cookie) != 1 {
		return nil
	}
	before, value, _ := strings.Cut("; "+line, c.assign)
	token, after, _ := strings.Cut(value, ";")
	// A JSON object in base64 begins with "e": quotes, spaces and Bearer are left out here.
	if !strings.HasPrefix(token, "e") || token[len(token)-1] <= ' ' || after != "" && after[0] != ' ' {
		return nil
	}
	return &Found{Sole: token, Line: line, before: before, after: after}
}

// Find returns what may be tokens, in the order header, cookies, query.
func Find(c *Carriers, r *http.Request) *Found {
	return &Found{Candidates: findAll(c, r)}
}

// Rest is the Cookie line without the sole token; nil: nothing is left.
func Rest(found *Found) []string {
	rest := found.before
	if len(found.after) > 1 {
		rest += ";" + found.after
	}
	if len(rest) < 3 {
		return nil
	}
	return []string{rest[2:]}
}

func findAll(c *Carriers, r *http.Request) []Candidate {
	var found []Candidate
	if c.Header != "" {
		for _, value := range r.Header[c.Header] {
			token, ok := bearer(c, value)
			if ok && token != "" {
				found = append(found, Candidate{Token: token})
			}
		}
	}
	if c.Cookie != "" {
		for _, line := range r.Header["Cookie"] {
			values, _ := Cut(line, c.Cookie)
			for _, value := range values {
				if value != "" {
					found = append(found, Candidate{Token: value, ByCookie: true})
				}
			}
		}
	}
	if c.Query != "" && r.URL.RawQuery != "" {
		values, _ := cutQuery(r.URL.RawQuery, c.Query)
		for _, value := range values {
			found = append(found, Candidate{Token: value})
		}
	}
	return found
}

// Remove takes every token out of the request, good or not; whatever else is there
// stays byte for byte.
func Remove(c *Carriers, r *http.Request) {
	if c.Forward {
		return
	}
	if c.Header != "" && r.Header[c.Header] != nil {
		removeHeader(c, r.Header)
	}
	if c.Cookie != "" {
		removeCookie(c, r.Header)
	}
	if c.Query != "" {
		removeQuery(c, r)
	}
}

func removeHeader(c *Carriers, h http.Header) {
	var rest []string
	for _, value := range h[c.Header] {
		_, ok := bearer(c, value)
		if !ok {
			rest = append(rest, value)
		}
	}
	if rest == nil {
		delete(h, c.Header)
	} else {
		h[c.Header] = rest
	}
}

func removeCookie(c *Carriers, h http.Header) {
	var rest []string
	for _, line := range h["Cookie"] {
		_, others := Cut(line, c.Cookie)
		if others != "" {
			rest = append(rest, others)
		}
	}
	if rest == nil {
		delete(h, "Cookie")
	} else {
		h["Cookie"] = rest
	}
}

// removeQuery also takes the token out of Referer: a page's address is sent along
// with everything that the page loads.
func removeQuery(c *Carriers, r *http.Request) {
	referer := r.Header["Referer"]
	if len(referer) > 0 {
		r.Header["Referer"] = []string{WithoutQuery(c, referer[0])}
	}
	if r.URL.RawQuery == "" {
		return
	}
	_, rest := cutQuery(r.URL.RawQuery, c.Query)
	r.URL.RawQuery = rest
	// Traefik's proxies read the path and the query from here.
	r.RequestURI = WithoutQuery(c, r.RequestURI)
}

// WithoutQuery is an address without the query parameter that carries the token.
func WithoutQuery(c *Carriers, address string) string {
	i := strings.IndexByte(address, '?')
	if c.Query == "" || i < 0 {
		return address
	}
	query := address[i+1:]
	fragment := ""
	j := strings.IndexByte(query, '#')
	if j >= 0 {
		fragment = query[j:]
		query = query[:j]
	}
	_, rest := cutQuery(query, c.Query)
	if rest == "" {
		return address[:i] + fragment
	}
	return address[:i+1] + rest + fragment
}

// bearer is the token in a header's value (RFC 6750 §2.1). A header other than
// Authorization may also carry it bare.
func bearer(c *Carriers, value string) (string, bool) {
	value = strings.TrimSpace(value)
	if len(value) >= 7 && strings.EqualFold(value[:7], "Bearer ") {
		return strings.TrimSpace(value[7:]), true
	}
	return value, c.Header != "Authorization"
}

// Cut returns the values of every cookie of that name in a Cookie line, and the
// line without them. Semicolons divide even within quotes: an app that divides
// there would otherwise still see the token.
func Cut(line, name string) ([]string, string) {
	if !strings.Contains(line, name) {
		return nil, line
	}
	return cut(line, name)
}

func cut(line, name string) ([]string, string) {
	var values []string
	rest := ""
	kept := 0 // line[kept:] is not in rest yet
	at := 0
	for {
		i := strings.Index(line[at:], name)
		if i < 0 {
			break
		}
		i += at
		at = i + len(name)
		start := strings.LastIndexByte(line[:i], ';') + 1
		after := strings.TrimLeft(line[at:], " \t")
		if strings.TrimLeft(line[start:i], " \t") != "" || after == "" || after[0] != '=' {
			continue
		}
		end := len(line)
		j := strings.IndexByte(after, ';')
		if j >= 0 {
			end = len(line) - len(after) + j
			after = after[:j]
		}
		values = append(values, plain(after[1:]))
		rest += line[kept:start]
		kept = end
		if kept < len(line) {
			kept++
		}
		at = kept
	}
	if values == nil {
		return nil, line
	}
	rest += line[kept:]
	// The separators that stood around the cookies are gone; those between the others stay.
	rest = strings.TrimRight(strings.TrimLeft(rest, " \t"), " \t;")
	return values, rest
}

// plain is a cookie's value without the quotes and the scheme that Portal's own
// library writes around a token.
func plain(value string) string {
	value = strings.Trim(value, " \t")
	if len(value) >= 2 && value[0] == '"' && value[len(value)-1] == '"' {
		value = value[1 : len(value)-1]
	}
	return strings.TrimPrefix(value, "Bearer ")
}

// cutQuery divides at semicolons too: Traefik turns them into ampersands on the way.
func cutQuery(query, name string) ([]string, string) {
	var values []string
	rest := ""
	for query != "" {
		part := query
		separator := ""
		i := strings.IndexAny(query, "&;")
		if i >= 0 {
			part = query[:i]
			separator = query[i : i+1]
		}
		query = query[len(part)+len(separator):]
		key, value, _ := strings.Cut(part, "=")
		key, err := url.QueryUnescape(key)
		if err != nil || key != name {
			rest += part + separator
			continue
		}
		value, err = url.QueryUnescape(value)
		if err == nil && value != "" {
			values = append(values, value)
		}
	}
	return values, strings.TrimRight(rest, "&;")
}
