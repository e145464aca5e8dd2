package denial_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/getportal/ptlauth/internal/denial"
)

// person and program are what a person's browser and a program send.
var (
	person  = http.Header{"Sec-Fetch-Mode": {"navigate"}, "Accept": {"text/html"}}
	program = http.Header{"Accept": {"application/json"}}
)

// answered is what a request with that method and those headers is denied with.
func answered(method string, h http.Header, status int, failure string) *http.Response {
	r := httptest.NewRequest(method, "http://chat.example.com/room", nil)
	r.Header = h
	w := httptest.NewRecorder()
	denial.Write(w, r, status, failure)
	return w.Result()
}

func TestAnswers(t *testing.T) {
	const (
		nobody   = `Bearer realm="ptlauth"`
		bad      = `Bearer realm="ptlauth", error="invalid_token"`
		lessThan = `Bearer realm="ptlauth", error="insufficient_scope"`
	)
	for _, test := range []struct {
		name      string
		status    int
		failure   string
		challenge string // of WWW-Authenticate (RFC 6750 §3)
		sentence  string // of the page
	}{
		{"without a token no error is named", http.StatusUnauthorized, denial.NoToken, nobody, "is not paired with"},
		{"a bad token is told apart", http.StatusUnauthorized, denial.BadToken, bad, "is no longer paired with"},
		{"a token that is not enough is told apart", http.StatusForbidden, denial.Insufficient, lessThan, "may not open this page"},
		{"who may not is not challenged", http.StatusForbidden, denial.NoToken, "", "may not open this page"},
		{"a terminal that is not paired is not challenged", http.StatusForbidden, denial.BadToken, "", "may not open this page"},
		{"an app that is not there", http.StatusNotFound, denial.NoToken, "", "no such app"},
		{"a method that is not available", http.StatusMethodNotAllowed, denial.NoToken, "", "not available"},
		{"a flood of headers", http.StatusRequestHeaderFieldsTooLarge, denial.NoToken, "", "too many headers"},
		{"a middleware that is misconfigured", http.StatusServiceUnavailable, denial.NoToken, "", "Traefik’s log"},
	} {
		t.Run(test.name, func(t *testing.T) {
			for _, client := range []http.Header{person, program} {
				for _, method := range []string{"GET", "HEAD", "POST", "PROPFIND"} {
					w := answered(method, client, test.status, test.failure)
					checkHeaders(t, w, test.status, test.challenge)
					checkBody(t, w, method, test.sentence)
				}
			}
		})
	}
}

func checkHeaders(t *testing.T, w *http.Response, status int, challenge string) {
	t.Helper()
	h := w.Header
	if w.StatusCode != status {
		t.Errorf("the status is %d, want %d", w.StatusCode, status)
	}
	if got := h.Values("WWW-Authenticate"); strings.Join(got, "|") != challenge {
		t.Errorf("WWW-Authenticate is %q, want %q", got, challenge)
	}
	if h.Get("Cache-Control") != "no-store" || h.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("it could be stored, or taken for something else: %v", h)
	}
	if (h.Get("Allow") != "") != (status == http.StatusMethodNotAllowed) {
		t.Errorf("Allow is %q (RFC 9110 §15.5.6)", h.Get("Allow"))
	}
	if h.Get("Location") != "" || h.Get("Set-Cookie") != "" {
		t.Errorf("it says too much: %v", h)
	}
}

func checkBody(t *testing.T, w *http.Response, method, sentence string) {
	t.Helper()
	var body strings.Builder
	if err := w.Write(&body); err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(body.String(), "\r\n\r\n")
	isPage := strings.HasPrefix(w.Header.Get("Content-Type"), "text/html")
	switch {
	case method == "HEAD":
		if text != "" {
			t.Errorf("HEAD has a body: %q", text)
		}
	case isPage:
		if !strings.Contains(text, sentence) || w.Header.Get("Content-Security-Policy") == "" {
			t.Errorf("the page is %q with %v, want %q", text, w.Header, sentence)
		}
	default:
		checkProblem(t, w, text)
	}
}

// checkProblem looks at a problem document (RFC 9457), whose detail says no more than the status does.
func checkProblem(t *testing.T, w *http.Response, text string) {
	t.Helper()
	var problem struct {
		Type, Title, Detail string
		Status              int
	}
	err := json.Unmarshal([]byte(text), &problem)
	title := http.StatusText(w.StatusCode)
	if err != nil || problem.Type != "about:blank" || problem.Title != title || problem.Detail != title || problem.Status != w.StatusCode {
		t.Errorf("the document is %q, %v", text, err)
	}
	if w.Header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("it is of %q", w.Header.Get("Content-Type"))
	}
}

func TestAnswersShareNothing(t *testing.T) {
	for _, client := range []http.Header{person, program} {
		first := httptest.NewRecorder()
		r := httptest.NewRequest("GET", "/", nil)
		r.Header = client
		denial.Write(first, r, http.StatusUnauthorized, denial.NoToken)
		for name, values := range first.Header() {
			for i := range values {
				values[i] = "changed"
			}
			first.Header()[name] = append(values, "more")
		}
		checkHeaders(t, answered("GET", client, http.StatusUnauthorized, denial.NoToken), http.StatusUnauthorized, `Bearer realm="ptlauth"`)
	}
}

func TestIsNavigation(t *testing.T) {
	const html = "text/html,application/xhtml+xml,*/*;q=0.8"
	for _, test := range []struct {
		name   string
		header http.Header
		want   bool
	}{
		{"nothing said", http.Header{}, false},
		{"a browser's navigation", http.Header{"Sec-Fetch-Mode": {"navigate"}}, true},
		{"a script's fetch, whatever it accepts", http.Header{"Sec-Fetch-Mode": {"cors"}, "Accept": {html}}, false},
		{"an image", http.Header{"Sec-Fetch-Mode": {"no-cors"}, "Accept": {html}}, false},
		{"a WebSocket", http.Header{"Sec-Fetch-Mode": {"websocket"}, "Accept": {html}}, false},
		{"a WebSocket that says it navigates", http.Header{"Sec-Fetch-Mode": {"navigate"}, "Upgrade": {"websocket"}}, false},
		{"a mode that is empty", http.Header{"Sec-Fetch-Mode": {""}, "Accept": {html}}, false},
		{"an older browser", http.Header{"Accept": {html}}, true},
		{"curl", http.Header{"Accept": {"*/*"}}, false},
		{"a program", http.Header{"Accept": {"application/json"}}, false},
		{"an Accept of no line", http.Header{"Accept": {}}, false},
		{"jQuery", http.Header{"Accept": {html}, "X-Requested-With": {"XMLHttpRequest"}}, false},
		{"Android's WebView, which names its app", http.Header{"Accept": {html}, "X-Requested-With": {"com.example.app"}}, true},
		{"htmx", http.Header{"Accept": {html}, "Hx-Request": {"true"}}, false},
		{"Turbo", http.Header{"Accept": {html}, "Turbo-Frame": {"main"}}, false},
		{"Turbo Drive", http.Header{"Accept": {html}, "X-Turbo-Request-Id": {"1"}}, false},
		{"Inertia", http.Header{"Accept": {html}, "X-Inertia": {"true"}}, false},
		{"pjax", http.Header{"Accept": {html}, "X-Pjax": {"true"}}, false},
		{"Unpoly", http.Header{"Accept": {html}, "X-Up-Version": {"3"}}, false},
		{"Livewire", http.Header{"Accept": {html}, "X-Livewire": {""}}, false},
		{"Alpine AJAX", http.Header{"Accept": {html}, "X-Alpine-Request": {"true"}}, false},
		{"an older browser's WebSocket", http.Header{"Accept": {html}, "Upgrade": {"websocket"}, "Connection": {"Upgrade"}}, false},
		{"an older browser that would speak HTTP/2", http.Header{"Accept": {html}, "Upgrade": {"h2c"}, "Connection": {"Upgrade"}}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := httptest.NewRequest("POST", "/", nil)
			r.Header = test.header
			if got := denial.IsNavigation(r); got != test.want {
				t.Errorf("it is %t, want %t", got, test.want)
			}
			kind := "application/problem+json"
			if test.want {
				kind = "text/html; charset=utf-8"
			}
			if got := answered("GET", test.header, http.StatusUnauthorized, denial.NoToken).Header.Get("Content-Type"); got != kind {
				t.Errorf("it is answered with %s, want %s", got, kind)
			}
		})
	}
}
