// Package extractor finds the tokens that a request carries (in a header, in
// cookies, in the query) and takes them out, so that the app cannot replay them
// elsewhere.
//
// Whatever a client sends is searched natively, forward, and once: a loop over a
// megabyte of it would keep the interpreter busy for minutes.
package extractor

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"

	"github.com/getportal/ptlauth/internal/option"
	"github.com/getportal/ptlauth/internal/pattern"
)

// DefaultCookie is the cookie in which Portal keeps the terminal JWT.
const DefaultCookie = "authorization"

// Locations are the places where a token may be.
type Locations struct {
	Cookie  string   // a cookie's name; empty: none
	Headers []Header // in the order in which they are looked at
	Query   string   // a query parameter's name; empty: none
	Basic   bool     // the password of Authorization: Basic may be one
	Forward bool     // leave the token in the request

	sought string         // the reason where no token is in any of them
	assign string         // what stands before the token in a Cookie line; empty where that is not all
	cookie *regexp.Regexp // the cookie from the semicolon before it to its equals sign
	query  *regexp.Regexp // the parameter with the separator before it; group 1 is its value
}

// Read reads the section `token`.
func Read(s *option.Section, injected []string) *Locations {
	c := &Locations{
		Cookie:  strings.TrimSpace(s.Text("cookie", DefaultCookie)),
		Query:   strings.TrimSpace(s.Text("query", "")),
		Forward: s.Bool("forward", false),
	}
	readHeaders(s, c, injected)
	s.Unknown()
	if strings.ContainsAny(c.Cookie, "=;, \t\"\r\n") {
		s.Problem("cookie", "is not a cookie's name: leave out spaces, quotes and punctuation")
	}
	if !isParameter.MatchString(c.Query) {
		s.Problem("query", "is not a parameter's name: leave out spaces, quotes, letters with accents and & ; = + % #")
		c.Query = ""
	}
	if c.Query == "" && !c.Forward {
		c.assign = "; " + c.Cookie + "="
	}
	if c.Cookie == "" && c.Headers == nil && c.Query == "" {
		s.Problem("", "nothing may carry a token: name a cookie, a header or a query parameter")
	}
	compile(c)
	return c
}

// Named are carriers by the name of a cookie, and Authorization.
func Named(cookie string) *Locations {
	c := &Locations{Cookie: cookie, Headers: []Header{{Name: authorization, Explicit: true}}, Basic: true}
	compile(c)
	return c
}

// isParameter matches names that a query can hold both as they are and escaped.
var isParameter = regexp.MustCompile(`^[!$'()*,\-./0-9:?@A-Z\[\]^_a-z{|}~]*$`)

func compile(c *Locations) {
	c.sought = sought(c)
	if c.Cookie != "" {
		// Many parsers drop blanks around a name.
		c.cookie = pattern.Compile(`(?:^|;)[ \t]*` + regexp.QuoteMeta(c.Cookie) + `[ \t]*=`)
	}
	if c.Query != "" {
		c.query = pattern.Compile("(?:^|[&;])" + escapable(c.Query) + "=([^&;]*)")
	}
}

// escapable matches the name with any of its bytes percent-encoded (RFC 3986 §2.1).
func escapable(name string) string {
	pattern := ""
	for i := 0; i < len(name); i++ {
		high, low := fmt.Sprintf("%X", name[i]>>4), fmt.Sprintf("%X", name[i]&15)
		pattern += "(?:" + regexp.QuoteMeta(name[i:i+1]) + "|(?i:%" + high + low + "))"
	}
	return pattern
}

// Token is what may be a token.
type Token struct {
	Text string
	// Place is where it was: a header's name, or one of the words below.
	Place string
	// Ambient reports that a browser may have sent it of its own accord.
	Ambient bool
	// Ours is set by whoever verifies it: the signature is of one of our keys, whether or
	// not the token is good. It must not reach the app.
	Ours bool
}

// Where a token may be, besides a header of its own.
const (
	ByCookie = ""
	ByBasic  = "Basic"
	ByQuery  = "?"
)

// Found is what a request carries: a sole cookie, or all candidates.
type Found struct {
	Only   string // the one token, found at a glance in the one Cookie line
	Tokens []Token
	Line   string // the Cookie line with the sole token
	// Problem is why nothing here is looked at: no honest request is like this. Empty: it is.
	Problem string
	// Good is set by whoever verifies the candidates: one of them is good, and all keys
	// could be asked about the others.
	Good bool

	before string // what stands before the token's cookie in Line, behind "; " if anything does
	after  string

	cut     bool     // cookies are to be taken out
	cookies []string // what is then left of them
	params  [][]int  // where the parameters are in the query, as findParams says
	dropped bool     // the query holds too many to be searched
}

const (
	// maxLines is how many lines of a header are looked at. RFC 9110 §5.3 allows one
	// Authorization.
	maxLines = 8
	// maxMentions is how often the cookie or the parameter may come.
	maxMentions = 32
	// maxSearched is the length in bytes up to which a Cookie line or a query is searched
	// that mentions the name often, or escaped. Most servers refuse longer ones.
	maxSearched = 16 << 10
)

// FindFast finds the one token in a Cookie line as every browser writes it, in a few
// native calls; nil leaves the request to closer inspection by Find. It is for requests
// without a header that may carry another one.
func FindFast(c *Locations, lines []string) *Found {
	if len(lines) != 1 {
		return nil
	}
	if c.assign == "" {
		return nil
	}
	line := lines[0]
	if strings.Count(line, c.Cookie) != 1 { // guard: a token is found under every spelling of the cookie's name
		return nil
	}
	before, token, _ := strings.Cut("; "+line, c.assign)
	token, after, _ := strings.Cut(token, ";")
	// A JSON object in base64 begins with "e": quotes, spaces and Bearer are left out here.
	if token == "" {
		return nil
	}
	if token[0] != 'e' {
		return nil
	}
	if token[len(token)-1] <= ' ' {
		return nil
	}
	if after != "" {
		if after[0] != ' ' {
			return nil
		}
	}
	return &Found{Only: token, Line: line, before: before, after: after}
}

// CookieWithout is the Cookie line without the sole token; nil: nothing is left.
func CookieWithout(found *Found) []string {
	rest := found.before
	if len(found.after) > 1 {
		rest += ";" + found.after
	}
	if len(rest) < 3 {
		return nil
	}
	return []string{rest[2:]}
}

// Find returns what may be tokens, in the order headers, cookies, query.
func Find(c *Locations, r *http.Request) *Found {
	found := &Found{}
	h := r.Header
	if c.Headers != nil {
		findInHeaders(c, found, h)
	}
	if c.Cookie != "" && h["Cookie"] != nil {
		findInCookies(c, found, h["Cookie"])
	}
	if c.Query != "" && r.URL.RawQuery != "" {
		findInQuery(c, found, r.URL.RawQuery)
	}
	return found
}

func add(found *Found, token, place string, isAmbient bool) {
	if token != "" {
		found.Tokens = append(found.Tokens, Token{Text: token, Place: place, Ambient: isAmbient})
	}
}

// findInCookies reads several lines as one, as HTTP/2 does (RFC 9113 §8.2.3).
func findInCookies(c *Locations, found *Found, lines []string) {
	line := lines[0]
	if len(lines) > 1 {
		line = strings.Join(lines, "; ")
	}
	if !strings.Contains(line, c.Cookie) {
		return
	}
	values, rest, ok := Cut(c, line)
	if !ok {
		found.Problem = "the cookie that carries the token comes more than 32 times, or its name does in more than 16 KiB of cookies"
		found.cut = true
		return
	}
	if values == nil {
		return
	}
	found.cut = true
	if rest != "" {
		found.cookies = []string{rest}
	}
	for _, value := range values {
		add(found, value, ByCookie, true)
	}
}

func findInQuery(c *Locations, found *Found, query string) {
	params, ok := findParams(c, query)
	if !ok {
		// guard: what comes too often is not searched
		found.Problem = "the query parameter that carries the token comes more than 32 times, or in more than 16 KiB"
		found.dropped = true
		return
	}
	found.params = params
	for _, at := range params {
		value, _ := paramValue(query, at)
		// Whoever made the address has put it there: no browser does.
		add(found, value, ByQuery, false)
	}
}
