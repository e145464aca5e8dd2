// Package denial answers the requests that do not reach the app: a page for a
// person, a problem document (RFC 9457) for a program, and never the reason, which
// is the operator's alone.
package denial

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/getportal/ptlauth/internal/header"
)

// Why a request is denied, as far as the client may know.
const (
	NoToken      = "" // RFC 6750 §3.1: without a token there is no error to name
	BadToken     = "invalid_token"
	Insufficient = "insufficient_scope"
)

var sentences = map[int]string{
	http.StatusUnauthorized:       "This device is not signed in here. Pair it, or open this page on a device that is paired.",
	http.StatusForbidden:          "This device is signed in, but it may not open this page.",
	http.StatusNotFound:           "There is no such app here.",
	http.StatusMethodNotAllowed:   "This way of asking is not available here.",
	http.StatusServiceUnavailable: "The sign-in check in front of this page is not ready. Whoever runs it finds the reason in Traefik's log.",
}

// answer is a response that is ready to be written. Requests share it.
type answer struct {
	name    string
	page    []byte
	problem []byte
	lengths [2][]string // of page and problem
}

var (
	answers     = newAnswers()
	noStore     = []string{"no-store"}
	noSniff     = []string{"nosniff"}
	allowed     = []string{"GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"}
	contentPage = []string{"text/html; charset=utf-8"}
	contentJSON = []string{"application/problem+json"}
	pagePolicy  = []string{"default-src 'none'; style-src 'unsafe-inline'"}
	challenges  = map[string][]string{
		NoToken:      {`Bearer realm="ptlauth"`},
		BadToken:     {`Bearer realm="ptlauth", error="` + BadToken + `"`},
		Insufficient: {`Bearer realm="ptlauth", error="` + Insufficient + `"`},
	}
)

func newAnswers() map[int]*answer {
	all := map[int]*answer{}
	for status, sentence := range sentences {
		title := http.StatusText(status)
		a := &answer{
			name: strconv.Itoa(status),
			page: []byte(page(title, sentence)),
			problem: []byte(`{"type":"about:blank","title":"` + title + `","status":` + strconv.Itoa(status) +
				`,"detail":"` + title + `"}` + "\n"),
		}
		a.lengths = [2][]string{{strconv.Itoa(len(a.page))}, {strconv.Itoa(len(a.problem))}}
		all[status] = a
	}
	return all
}

// Name is the status as text.
func Name(status int) string {
	return answers[status].name
}

// Write answers with that status. The failure is one of the constants above.
func Write(w http.ResponseWriter, r *http.Request, status int, failure string) {
	h := w.Header()
	a := answers[status]
	h["Cache-Control"] = noStore
	h["X-Content-Type-Options"] = noSniff
	if status == http.StatusUnauthorized || failure == Insufficient {
		h["Www-Authenticate"] = challenges[failure]
	} else if status == http.StatusMethodNotAllowed {
		h["Allow"] = allowed
	}
	body := a.problem
	if r.Method == "GET" && IsNavigation(r) {
		body = a.page
		h["Content-Type"] = contentPage
		h["Content-Length"] = a.lengths[0]
		h["Content-Security-Policy"] = pagePolicy
	} else {
		h["Content-Type"] = contentJSON
		h["Content-Length"] = a.lengths[1]
	}
	w.WriteHeader(status)
	if r.Method != "HEAD" {
		_, _ = w.Write(body)
	}
}

// Redirect sends a person's browser to the login page.
func Redirect(w http.ResponseWriter, location string) {
	h := w.Header()
	h["Cache-Control"] = noStore
	h.Set("Location", location)
	w.WriteHeader(http.StatusFound)
}

// Login is the login page's address for somebody who wanted that page.
func Login(loginURL, wanted string) string {
	return strings.ReplaceAll(loginURL, "{url}", url.QueryEscape(wanted))
}

// IsNavigation tells whether a person opens a page, as far as can be seen.
func IsNavigation(r *http.Request) bool {
	h := r.Header
	if r.Method != "GET" || h["Upgrade"] != nil && header.IsWebSocket(h) {
		return false
	}
	mode := h["Sec-Fetch-Mode"]
	if len(mode) > 0 {
		return mode[0] == "navigate"
	}
	accept := h["Accept"]
	return len(accept) > 0 && strings.Contains(accept[0], "text/html")
}

func page(title, sentence string) string {
	return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>` + title + `</title>
<style>
:root { color-scheme: light dark; font: 1.1rem/1.5 system-ui, sans-serif }
body { max-width: 32rem; margin: 20vh auto; padding: 0 1.5rem }
</style>
<h1>` + title + `</h1>
<p>` + sentence + `</p>
</html>
`
}
