package inspection

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/getportal/ptlauth/internal/extractor"
)

var (
	line   = regexp.MustCompile(`^[A-Za-z0-9-]+:`)
	scheme = regexp.MustCompile(`(?i)^Bearer[ \t]+`)
	// password is a token behind a user name, which may be empty.
	password = regexp.MustCompile(`^[^\s:]*:(?:[^\s:]*:)?eyJ[\w-]*\.[\w-]+\.[\w-]*$`)
	// broken is a token alone with white space in it.
	broken = regexp.MustCompile(`^(?i:Bearer[ \t]+)?eyJ[\w.-]*(?:\s+[\w.-]+)+$`)
)

// Request is a visit of that page, a path or a whole address, with what was pasted: a token alone, NAME=TOKEN, `Bearer …`, a line of a request such
// as `Cookie: …`, a `Set-Cookie: …`, a user name with a colon and the token, or a whole address. A token alone goes where the middleware looks for one.
func Request(c *extractor.Locations, pasted, page string) (*http.Request, error) {
	target, err := url.ParseRequestURI(page)
	if err != nil {
		return nil, err
	}
	r := &http.Request{Method: http.MethodGet, Host: target.Host, Header: http.Header{}}
	r.RequestURI = target.RequestURI()
	if target.Host == "" {
		r.RequestURI = page
	}
	if r.URL, err = url.ParseRequestURI(r.RequestURI); err != nil {
		return nil, err
	}
	pasted = strings.TrimSpace(pasted)
	name, value, _ := strings.Cut(pasted, ":")
	switch {
	case strings.HasPrefix(pasted, "http://") || strings.HasPrefix(pasted, "https://"):
		from, err := url.Parse(pasted)
		if err != nil {
			return nil, err
		}
		r.URL.RawQuery = from.RawQuery
	case c.Basic && password.MatchString(pasted):
		r.Header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(pasted)))
	case line.MatchString(pasted) && strings.EqualFold(name, "Set-Cookie"):
		first, _, _ := strings.Cut(value, ";")
		r.Header.Set("Cookie", strings.TrimSpace(first))
	case line.MatchString(pasted):
		for _, one := range strings.Split(pasted, "\n") {
			name, value, _ := strings.Cut(one, ":")
			r.Header.Add(strings.TrimSpace(name), strings.TrimSpace(value))
		}
	case c.Cookie != "" && strings.HasPrefix(pasted, c.Cookie+"="):
		r.Header.Set("Cookie", pasted)
	default:
		place(c, r, pasted)
	}
	return r, nil
}

// place puts a token where the middleware looks for one.
func place(c *extractor.Locations, r *http.Request, token string) {
	where := extractor.ByQuery
	if c.Cookie != "" {
		where = extractor.ByCookie
	}
	bare := scheme.ReplaceAllString(token, "")
	if len(c.Headers) > 0 && (c.Cookie == "" || bare != token) {
		where = c.Headers[0].Name
		if c.Headers[0].IsBasic {
			where = extractor.ByBasic
		}
		token = bare
	}
	if where == extractor.ByQuery {
		r.URL.RawQuery = url.QueryEscape(c.Query) + "=" + token
		return
	}
	name, value := extractor.Line(c, where, token)
	r.Header.Set(name, value)
}
