package denial

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/getportal/ptlauth/internal/address"
	"github.com/getportal/ptlauth/internal/option"
)

// Login is the page where a person without a token is sent.
type Login struct {
	text string
	url  *url.URL // without {url}
}

// foreign are placeholders as others write them: $url, ${url}, $request_uri, <url>,
// [url], %url%, :url, %s.
var foreign = regexp.MustCompile(`(?i)\$[a-z{(]|<[a-z_]+>|\[[a-z_]+\]|%url%|[=/]:[a-z]+|%s`)

// ReadLogin reads `loginURL`; nil: there is none.
func ReadLogin(top *option.Section) *Login {
	text := strings.TrimSpace(top.Text("loginURL", ""))
	if text == "" {
		return nil
	}
	bare := strings.ReplaceAll(text, "{url}", "")
	if strings.Contains(bare, "{") || foreign.MatchString(text) {
		top.Problem("loginURL", "has a placeholder that is not understood: the only one here is {url}, as in https://HOST/PATH?next={url}")
		return nil
	}
	isPath := strings.HasPrefix(text, "/") && !strings.HasPrefix(text, "//")
	parsed, err := url.Parse(bare)
	if err != nil || !isPath && !option.IsAddress(bare) {
		top.Problem("loginURL", "is not an address: write https://HOST/PATH?next={url}, or a path of the same host")
		return nil
	}
	return &Login{text: text, url: parsed}
}

// Own is the login page's address where it is a path of the app's own host; else nil.
func Own(l *Login) *url.URL {
	if l.url.Host != "" {
		return nil
	}
	return l.url
}

// Path is the login page's escaped path.
func Path(l *Login) string {
	return l.url.EscapedPath()
}

// Location is where the request is sent, which holds no token any more; empty where it
// is answered here. A frame is: login pages forbid being framed, and then nothing would be seen. So
// is what is fetched before anyone asks for it: it would begin to log in.
func Location(l *Login, r *http.Request) string {
	if !IsOpening(r) {
		return ""
	}
	page := address.Page(r)
	if page == "" {
		return ""
	}
	return strings.ReplaceAll(l.text, "{url}", url.QueryEscape(page))
}

// IsOpening reports whether a person's browser opens a page now, in a window of its own: not
// in a frame, and not before anyone has asked for it.
func IsOpening(r *http.Request) bool {
	if r.Method != "GET" && r.Method != "HEAD" || !IsNavigation(r) {
		return false
	}
	h := r.Header
	dest := h["Sec-Fetch-Dest"]
	return (len(dest) == 0 || dest[0] == "document") && h["Sec-Purpose"] == nil && h["Purpose"] == nil && h["X-Moz"] == nil
}

// IsAt reports whether the request asks for the login page itself, which would send a
// browser there again and again.
func IsAt(l *Login, r *http.Request) bool {
	if strings.TrimSuffix(l.url.EscapedPath(), "/") != strings.TrimSuffix(address.Path(r), "/") {
		return false
	}
	return l.url.Host == "" || isHost(l.url, r)
}

func isHost(u *url.URL, r *http.Request) bool {
	host := address.WithoutPort(u.Host, u.Scheme)
	return strings.EqualFold(host, address.Host(r, address.Scheme(r)))
}
