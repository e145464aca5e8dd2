package cluster

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/getportal/ptlauth/e2e/witness"
)

// newApp is what the Traefiks protect, which says as whom it was asked; its address.
func newApp(t *testing.T) string {
	server := httptest.NewServer(http.HandlerFunc(answer))
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	return server.URL
}

func answer(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-User", r.Header.Get("X-Ptl-User"))
	if strings.HasPrefix(r.URL.Path, "/number/") {
		time.Sleep(30 * time.Millisecond) // so that some are under way at any moment
	}
	if r.Header.Get("Upgrade") == "" {
		return
	}
	witness.Echo(w, r)
}
