package extractor

import (
	"encoding/base64"
	"net/http"
	"strings"

	"github.com/getportal/ptlauth/internal/header"
	"github.com/getportal/ptlauth/internal/option"
)

// Header is a header that may carry a token.
type Header struct {
	Name string // canonical
	// Explicit reports that a program alone sends the header: no browser does so of its own
	// accord, nor does a proxy make it of a cookie.
	Explicit bool
	// IsBasic reports that it is looked at for a password alone.
	IsBasic bool
}

// authorization is the one header in which apps have credentials of their own.
const authorization = "Authorization"

// readHeaders reads `header` and `basic`.
func readHeaders(s *option.Section, c *Locations, injected []string) {
	c.Basic = s.Bool("basic", false)
	known := map[string]bool{}
	for _, entry := range s.Shorthands("header") {
		name := entry.Key
		where := ""
		if name == "" {
			where = "name"
			name = entry.Text(where, "")
		}
		one := Header{Name: http.CanonicalHeaderKey(strings.TrimSpace(name))}
		one.Explicit = entry.Bool("explicit", one.Name == authorization)
		entry.Unknown()
		folded := header.Fold(one.Name)
		problem := header.TokenProblem(one.Name, injected)
		if known[folded] {
			problem = "is given twice: keep one"
		}
		if problem != "" {
			entry.Problem(where, problem)
		}
		known[folded] = true
		c.Headers = append(c.Headers, one)
	}
	if !c.Basic {
		return
	}
	if header.TokenProblem(authorization, injected) != "" {
		s.Problem("basic", "needs Authorization, which is also injected by `headers`, and therefore taken out of every request: inject another header")
	}
	if !known["authorization"] {
		c.Headers = append(c.Headers, Header{Name: authorization, Explicit: true, IsBasic: true})
	}
}

// Names are the headers that may carry a token, canonical.
func Names(c *Locations) []string {
	var names []string
	for _, one := range c.Headers {
		names = append(names, one.Name)
	}
	return names
}

// Line is a header, by name and value, that carries a token as it was found in that place;
// nothing where that was the query.
func Line(c *Locations, place, token string) (string, string) {
	switch place {
	case ByCookie:
		return "Cookie", c.Cookie + "=" + token
	case ByBasic:
		return authorization, "Basic " + base64.StdEncoding.EncodeToString([]byte(":"+token))
	case ByQuery:
		return "", ""
	}
	return place, "Bearer " + token
}

func findInHeaders(c *Locations, found *Found, h http.Header) {
	for _, one := range c.Headers {
		if h[one.Name] != nil {
			findInHeader(c, found, one, h[one.Name])
		}
	}
}

func findInHeader(c *Locations, found *Found, one Header, values []string) {
	if len(values) > maxLines {
		found.Problem = "the header that carries the token comes more than 8 times"
		return
	}
	for _, value := range values {
		if isLongBasic(c, one, value) {
			found.Problem = "the user name and password in Authorization take more than 16 KiB"
			return
		}
		text, place := credentials(c, one, value)
		if place == ByBasic {
			text = password(text)
		}
		if place != "" {
			add(found, text, place, isAmbient(one, place))
		}
	}
}

// isAmbient reports whether a browser may have sent what is in a header. Once it has asked for
// a password, it sends that with everything, whichever page asks.
func isAmbient(one Header, place string) bool {
	return !one.Explicit || // guard: a header may be made of a cookie
		place == ByBasic // guard: a browser sends a password of its own accord
}

// password is the token behind a user name, and behind another one where the terminal's stands
// there; empty where it is like a password of the app's. What echo has put behind it is no part.
func password(text string) string {
	token := unwrap(strings.TrimSpace(text[strings.LastIndexByte(text, ':')+1:]))
	if strings.HasPrefix(token, "e") && strings.Count(token, ".") >= 2 {
		return token
	}
	return ""
}

// credentials are what a header's value may have that is ours, and the place that this is for
// a token; an empty place: the value is the app's. Of a password they are the user name too,
// and a colon between (RFC 7617 §2). Authorization alone does not carry a token bare
// (RFC 6750 §2.1).
func credentials(c *Locations, one Header, value string) (string, string) {
	value = strings.TrimSpace(value)
	scheme, rest, _ := strings.Cut(value, " ")
	switch {
	case !one.IsBasic && strings.EqualFold(scheme, "Bearer"):
		return strings.TrimSpace(rest), one.Name
	case one.Name != authorization:
		return value, one.Name
	case c.Basic && strings.EqualFold(scheme, "Basic"):
		text := decoded(strings.TrimSpace(rest))
		if strings.Contains(text, ":") {
			return text, ByBasic
		}
	}
	return "", ""
}

// isLongBasic reports whether a password is too long to be looked at: a token takes 8 KiB.
func isLongBasic(c *Locations, one Header, value string) bool {
	if len(value) <= maxSearched || // guard: a password is bounded
		!c.Basic || one.Name != authorization {
		return false
	}
	scheme, _, _ := strings.Cut(strings.TrimSpace(value), " ")
	return strings.EqualFold(scheme, "Basic")
}

// decoded is what a text in base64 says, with padding or without; empty where it is none.
func decoded(text string) string {
	plain, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(text, "="))
	if err != nil {
		return ""
	}
	return string(plain)
}
