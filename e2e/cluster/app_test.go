package cluster

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// app is what the Traefiks protect. It remembers whom they led to it.
type app struct {
	url   string
	mutex sync.Mutex
	last  map[string]time.Time // by user
	by    map[string]string    // a request's number → the Traefik that HAProxy had chosen for it
}

func newApp(t *testing.T) *app {
	a := &app{last: map[string]time.Time{}, by: map[string]string{}}
	server := httptest.NewServer(a)
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	a.url = server.URL
	return a
}

func (a *app) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	user := r.Header.Get("X-Ptl-User")
	a.mutex.Lock()
	a.last[user] = time.Now()
	a.by[strings.TrimPrefix(r.URL.Path, "/number/")] = r.Header.Get("X-Traefik")
	a.mutex.Unlock()
	w.Header().Set("X-User", user)
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

// lastSeen is when a user was there last.
func (a *app) lastSeen(user string) time.Time {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	return a.last[user]
}

// led is the Traefik that led a request there; empty: none did.
func (a *app) led(number string) string {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	return a.by[number]
}
