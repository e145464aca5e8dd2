package witness

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// Recording is an app that keeps what it is sent, byte for byte. Unlike the corpus's recorder it keeps connections open:
// the fast proxy sends the next request on one whose close was announced (RFC 9112 §9.6).
type Recording struct {
	Addr string
	Raw  chan string
}

// NewRecording starts one, until the test ends.
func NewRecording(t *testing.T) *Recording {
	t.Helper()
	a := &Recording{Raw: make(chan string, 100)}
	server := httptest.NewUnstartedServer(a)
	server.Listener = tee{server.Listener}
	server.Config.ConnContext = func(ctx context.Context, conn net.Conn) context.Context {
		return context.WithValue(ctx, a, conn)
	}
	server.Start()
	t.Cleanup(server.Close)
	a.Addr = server.Listener.Addr().String()
	return a
}

func (a *Recording) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	a.Raw <- r.Context().Value(a).(*teeConn).take()
}

type tee struct{ net.Listener }

func (l tee) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	return &teeConn{Conn: conn}, err
}

type teeConn struct {
	net.Conn
	mu   sync.Mutex
	read []byte
}

func (c *teeConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.read = append(c.read, p[:n]...)
	return n, err
}

func (c *teeConn) take() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	read := string(c.read)
	c.read = nil
	return read
}

// Lines are the header and trailer lines of a request, their names as spelled.
func Lines(raw string) http.Header {
	all := http.Header{}
	for line := range strings.SplitSeq(raw, "\r\n") {
		if name, value, ok := strings.Cut(line, ": "); ok {
			all[name] = append(all[name], value)
		}
	}
	return all
}

// WantNothing checks that an app got no request since the last time.
func WantNothing(t *testing.T, at *Recording) {
	t.Helper()
	select {
	case raw := <-at.Raw:
		t.Errorf("the app got %q", raw)
	default:
	}
}
