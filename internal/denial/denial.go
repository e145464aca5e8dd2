// Package denial answers the requests that do not reach the app: a page for a
// person, a problem document (RFC 9457) for a program, and never the reason, which
// is the operator's alone.
package denial

import (
	"net/http"
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
	http.StatusUnauthorized:                "This device is not signed in here. Pair it, or open this page on a device that is paired.",
	http.StatusForbidden:                   "This device is signed in, but it may not open this page.",
	http.StatusNotFound:                    "There is no such app here.",
	http.StatusRequestHeaderFieldsTooLarge: "This request has too many headers.",
	http.StatusMethodNotAllowed:            "This way of asking is not available here.",
	http.StatusServiceUnavailable:          "The sign-in check in front of this page is not ready. Whoever runs it finds the reason in Traefik's log.",
}

// answer is a response that is ready to be written.
type answer struct {
	// values are those of Cache-Control, Content-Type, X-Content-Type-Options and
	// WWW-Authenticate, where it has one.
	values []string
	body   []byte
	more   map[string]string // other headers, canonical
	page   *answer           // what a person's browser is answered instead
}

var answers = newAnswers()

// newAnswers makes the answers by failure and status.
func newAnswers() map[string]map[int]*answer {
	all := map[string]map[int]*answer{}
	for _, failure := range []string{NoToken, BadToken, Insufficient} {
		all[failure] = map[int]*answer{}
		for status, sentence := range sentences {
			a := newAnswer(status, failure, sentence, false)
			a.page = newAnswer(status, failure, sentence, true)
			all[failure][status] = a
		}
	}
	return all
}

func newAnswer(status int, failure, sentence string, isPage bool) *answer {
	title := http.StatusText(status)
	a := &answer{}
	kind := "application/problem+json"
	if isPage {
		a.body = []byte(page(title, sentence))
		kind = "text/html; charset=utf-8"
		a.more = map[string]string{"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"}
	} else {
		a.body = []byte(`{"type":"about:blank","title":"` + title + `","status":` + strconv.Itoa(status) + `,"detail":"` + title + `"}` + "\n")
	}
	a.values = []string{"no-store", kind, "nosniff"}
	if status == http.StatusMethodNotAllowed {
		more := map[string]string{"Allow": "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"}
		for name, value := range a.more {
			more[name] = value
		}
		a.more = more
	}
	if status == http.StatusUnauthorized || failure == Insufficient {
		challenge := `Bearer realm="ptlauth"`
		if failure != NoToken {
			challenge += `, error="` + failure + `"`
		}
		a.values = append(a.values, challenge)
	}
	return a
}

// Write answers with that status. The failure is one of the constants above.
func Write(w http.ResponseWriter, r *http.Request, status int, failure string) {
	a := answers[failure][status]
	if IsNavigation(r) {
		a = a.page
	}
	h := w.Header()
	// What the next request is answered with must not change when a middleware edits a
	// value in place (rs/cors#198).
	values := append([]string(nil), a.values...)
	h["Cache-Control"] = values[0:1:1]
	h["Content-Type"] = values[1:2:2]
	h["X-Content-Type-Options"] = values[2:3:3]
	if len(values) > 3 {
		h["Www-Authenticate"] = values[3:4:4]
	}
	if a.more != nil {
		setMore(h, a)
	}
	w.WriteHeader(status)
	if r.Method != "HEAD" {
		_, _ = w.Write(a.body)
	}
}

func setMore(h http.Header, a *answer) {
	for name, value := range a.more {
		h[name] = []string{value}
	}
}

// Redirect sends a person's browser to the login page.
func Redirect(w http.ResponseWriter, location string) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Location", location)
	w.WriteHeader(http.StatusFound)
}

// IsNavigation reports whether a person's browser wants a page, by any method.
func IsNavigation(r *http.Request) bool {
	mode := r.Header["Sec-Fetch-Mode"]
	if len(mode) > 0 {
		return mode[0] == "navigate" && r.Header["Upgrade"] == nil
	}
	return wantsPage(r.Header)
}

// wantsPage is for browsers that do not send Sec-Fetch-Mode: old ones, and all of them
// over plain HTTP (Fetch Metadata §2).
func wantsPage(h http.Header) bool {
	accept := h["Accept"]
	return len(accept) > 0 && strings.Contains(accept[0], "text/html") &&
		!isScript(h) // guard: a script is not sent to log in
}

// scripts are what libraries say that fetch pages, or parts of them: htmx, Turbo,
// Inertia, jquery-pjax, Unpoly, Livewire, Alpine AJAX.
var scripts = []string{"Hx-Request", "Turbo-Frame", "X-Turbo-Request-Id", "X-Inertia", "X-Pjax", "X-Up-Version", "X-Livewire", "X-Alpine-Request"}

func isScript(h http.Header) bool {
	for _, name := range scripts {
		if h[name] != nil {
			return true
		}
	}
	if h["Upgrade"] != nil && header.IsWebSocket(h) {
		return true
	}
	// Android's WebView names its app here, com.example.app, also when it opens a page.
	with := h["X-Requested-With"]
	return len(with) > 0 && !strings.Contains(with[0], ".")
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
