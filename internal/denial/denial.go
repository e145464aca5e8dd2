// Package denial answers the requests that do not reach the app: a page for a
// person, a problem document (RFC 9457) for a program, and never the reason, which
// is the operator's alone.
package denial

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/getportal/ptlauth/internal/address"
	"github.com/getportal/ptlauth/internal/denial/page"
	"github.com/getportal/ptlauth/internal/header"
)

// Why a request is denied, as far as the client may know.
const (
	NoToken      = "" // RFC 6750 §3.1: without a token there is no error to name
	BadToken     = "invalid_token"
	Insufficient = "insufficient_scope"
)

// names are the pages for a person, by the status.
var names = map[int]page.Name{
	http.StatusUnauthorized:                page.Refused,
	http.StatusForbidden:                   page.Forbidden,
	http.StatusNotFound:                    page.NoApp,
	http.StatusRequestHeaderFieldsTooLarge: page.TooManyHeaders,
	http.StatusMethodNotAllowed:            page.Method,
	http.StatusServiceUnavailable:          page.NotReady,
}

// answer is a response that is ready to be written: its names, canonical, and a value for each.
type answer struct {
	names  []string
	values []string
	body   []byte
}

var answers = newAnswers()

// newAnswers makes the answers by failure and status.
func newAnswers() map[string]map[int]*answer {
	all := map[string]map[int]*answer{}
	for _, failure := range []string{NoToken, BadToken, Insufficient} {
		all[failure] = map[int]*answer{}
		for status := range names {
			all[failure][status] = newAnswer(status, failure)
		}
	}
	return all
}

func newAnswer(status int, failure string) *answer {
	title := http.StatusText(status)
	a := &answer{
		names:  []string{"Cache-Control", "Content-Type", "X-Content-Type-Options"},
		values: []string{"no-store", "application/problem+json", "nosniff"},
		body:   []byte(`{"type":"about:blank","title":"` + title + `","status":` + strconv.Itoa(status) + `,"detail":"` + title + `"}` + "\n"),
	}
	if status == http.StatusMethodNotAllowed {
		a.names = append(a.names, "Allow")
		a.values = append(a.values, "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS")
	}
	if status == http.StatusUnauthorized || failure == Insufficient {
		challenge := `Bearer realm="ptlauth"`
		if failure != NoToken {
			challenge += `, error="` + failure + `"`
		}
		a.names = append(a.names, "Www-Authenticate")
		a.values = append(a.values, challenge)
	}
	return a
}

// Write answers with that status: a program with a problem document, a person with a page that
// says no more than where it is. The failure is one of the constants above.
func Write(w http.ResponseWriter, r *http.Request, status int, failure string) {
	if IsNavigation(r) {
		explain(w, r, status, failure)
		return
	}
	Tell(w, r, status, failure)
}

// Tell answers a program with a problem document. Its values are the response's own: what the
// next request is answered with must not change when a middleware edits one in place
// (rs/cors#198).
func Tell(w http.ResponseWriter, r *http.Request, status int, failure string) {
	a := answers[failure][status]
	h := w.Header()
	for i, name := range a.names {
		h[name] = []string{a.values[i]}
	}
	w.WriteHeader(status)
	if r.Method != "HEAD" {
		_, _ = w.Write(a.body)
	}
}

// Ask answers a program that has no good token with 401, and asks it for a user name and a
// password: first (RFC 7617 §2), for clients that read no further.
func Ask(w http.ResponseWriter, r *http.Request, failure string) {
	a := answers[failure][http.StatusUnauthorized]
	setHeader(w, a)
	h := w.Header()
	h["Www-Authenticate"] = append([]string{`Basic realm="ptlauth", charset="UTF-8"`}, h["Www-Authenticate"]...)
	w.WriteHeader(http.StatusUnauthorized)
	if r.Method != "HEAD" {
		_, _ = w.Write(a.body)
	}
}

func setHeader(w http.ResponseWriter, a *answer) {
	h := w.Header()
	for i, name := range a.names {
		h[name] = []string{a.values[i]}
	}
}

// explain answers a person of whom nothing else is known.
func explain(w http.ResponseWriter, r *http.Request, status int, failure string) {
	Explain(w, r, status, failure, &page.Data{Host: address.Host(r, address.Scheme(r))})
}

// Explain answers a person with a page that says as much as the data do.
func Explain(w http.ResponseWriter, r *http.Request, status int, failure string, d *page.Data) {
	setHeader(w, answers[failure][status])
	name := names[status]
	if status == http.StatusUnauthorized && d.IsFirst {
		name = page.Nobody
	} else if status == http.StatusUnauthorized && failure == BadToken {
		name = page.Unpaired
	}
	page.Write(w, r, status, name, d)
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
		if mode[0] != "navigate" {
			return false
		}
		return r.Header["Upgrade"] == nil
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
