// Package witness has the apps behind a Traefik, and the servers that ptlauth calls, which remember what reached them.
package witness

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// App is an app that notes what it was sent last: cookies, and who asks.
type App struct {
	Requests int
	Header   http.Header
}

func (w *App) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	w.Requests++
	w.Header = http.Header{}
	for name, values := range r.Header {
		if name == "Cookie" || strings.Contains(name, "Ptl") || name == "X-Remote-Groups" ||
			strings.Contains(name, "User") && name != "User-Agent" {
			w.Header[name] = values
		}
	}
}

// Listen serves a handler, and returns its address.
func Listen(t *testing.T, handler http.Handler) string {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.URL
}
