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

const methods = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"

var sentences = map[int]string{
	http.StatusUnauthorized:       "This device is not signed in here. Pair it, or open this page on a device that is paired.",
	http.StatusForbidden:          "This device is signed in, but it may not open this page.",
	http.StatusNotFound:           "There is no such app here.",
	http.StatusMethodNotAllowed:   "This way of asking is not available here.",
	http.StatusServiceUnavailable: "The sign-in check in front of this page is not ready. Whoever runs it finds the reason in Traefik's log.",
}

// Write answers with that status. The failure is one of the constants above.
func Write(w http.ResponseWriter, r *http.Request, status int, failure string) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	switch status {
	case http.StatusUnauthorized:
		h.Set("WWW-Authenticate", challenge(failure))
	case http.StatusForbidden:
		if failure != NoToken {
			h.Set("WWW-Authenticate", challenge(failure))
		}
	case http.StatusMethodNotAllowed:
		h.Set("Allow", methods)
	}
	title := http.StatusText(status)
	body := `{"type":"about:blank","title":"` + title + `","status":` + strconv.Itoa(status) + `,"detail":"` + title + `"}` + "\n"
	if IsNavigation(r) {
		h.Set("Content-Type", "text/html; charset=utf-8")
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
		body = page(title, sentences[status])
	} else {
		h.Set("Content-Type", "application/problem+json")
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write([]byte(body))
	}
}

func challenge(failure string) string {
	if failure == NoToken {
		return `Bearer realm="ptlauth"`
	}
	return `Bearer realm="ptlauth", error="` + failure + `"`
}

// Redirect sends a person's browser to the login page.
func Redirect(w http.ResponseWriter, location string) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Location", location)
	w.WriteHeader(http.StatusFound)
}

// Login is the login page's address for somebody who wanted that page.
func Login(loginURL, wanted string) string {
	return strings.ReplaceAll(loginURL, "{url}", url.QueryEscape(wanted))
}

// IsNavigation tells whether a person opens a page, as far as can be seen.
func IsNavigation(r *http.Request) bool {
	if r.Method != http.MethodGet || header.IsWebSocket(r.Header) {
		return false
	}
	mode := r.Header.Get("Sec-Fetch-Mode")
	if mode != "" {
		return mode == "navigate"
	}
	return strings.Contains(r.Header.Get("Accept"), "text/html")
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
