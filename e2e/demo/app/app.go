// Package app is what the demo protects: an app without a login of its own, which
// believes X-Ptl-User and shows every header that it was sent.
package app

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/coder/websocket"
)

//go:embed page.html
var source string

var page = template.Must(template.New("page").Parse(source))

type visit struct {
	User, Device string
	Headers      []header
}

type header struct{ Name, Value string }

// Injected reports whether the header is one of those that ptlauth answers for.
func (h header) Injected() bool { return strings.HasPrefix(h.Name, "X-Ptl-") }

// New returns the app.
func New() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", greet)
	mux.HandleFunc("GET /echo", echo)
	return mux
}

func greet(w http.ResponseWriter, r *http.Request) {
	v := visit{User: r.Header.Get("X-Ptl-User"), Device: r.Header.Get("X-Ptl-Client-Name")}
	for _, name := range slices.Sorted(maps.Keys(r.Header)) {
		for _, value := range r.Header[name] {
			v.Headers = append(v.Headers, header{name, value})
		}
	}
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Vary", "Accept")
	if !strings.Contains(r.Header.Get("Accept"), "text/html") {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		fmt.Fprintf(w, "Hello, %s, on %s!\n\nThe headers that I was sent:\n", v.User, v.Device)
		for _, h := range v.Headers {
			fmt.Fprintf(w, "  %s: %s\n", h.Name, h.Value)
		}
		return
	}
	var html bytes.Buffer
	if err := page.Execute(&html, v); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Write(html.Bytes())
}

// echo answers by name: an upgrade request carries the header like any other.
func echo(w http.ResponseWriter, r *http.Request) {
	conn, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	defer conn.CloseNow()
	for {
		kind, message, err := conn.Read(r.Context())
		if err != nil {
			return
		}
		answer := fmt.Appendf(nil, "%s: %s", r.Header.Get("X-Ptl-User"), message)
		if err := conn.Write(r.Context(), kind, answer); err != nil {
			return
		}
	}
}
