package cluster

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
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
	conn, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	defer conn.CloseNow()
	for {
		kind, message, err := conn.Read(r.Context())
		if err != nil || conn.Write(r.Context(), kind, message) != nil {
			return
		}
	}
}
