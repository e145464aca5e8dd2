package visitor

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// Dial opens that many WebSockets.
func Dial(t *testing.T, url, token string, n int) []*websocket.Conn {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	conns := make([]*websocket.Conn, n)
	var all sync.WaitGroup
	limit := make(chan struct{}, 16)
	for i := range conns {
		all.Go(func() {
			limit <- struct{}{}
			defer func() { <-limit }()
			options := &websocket.DialOptions{HTTPHeader: http.Header{}}
			if token != "" {
				options.HTTPHeader.Set("Cookie", "authorization="+token)
			}
			conn, _, err := websocket.Dial(ctx, url, options)
			if err != nil {
				t.Errorf("WebSocket %d: %v", i, err)
				return
			}
			t.Cleanup(func() { conn.CloseNow() })
			conns[i] = conn
		})
	}
	all.Wait()
	if t.Failed() {
		t.FailNow()
	}
	return conns
}

// AwaitClosed waits for the other side to close every one of them; it returns when the last one was.
func AwaitClosed(t *testing.T, conns []*websocket.Conn, within time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	var all sync.WaitGroup
	open := make(chan int, len(conns))
	for i, conn := range conns {
		all.Go(func() {
			if _, _, err := conn.Read(ctx); err == nil || ctx.Err() != nil {
				open <- i
			}
		})
	}
	all.Wait()
	if len(open) > 0 {
		t.Errorf("%d of %d are open after %s", len(open), len(conns), within)
	}
}

// WantEcho wants each of them to answer.
func WantEcho(t *testing.T, conns []*websocket.Conn) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for i, conn := range conns {
		text := fmt.Sprintf("message %d", i)
		if err := conn.Write(ctx, websocket.MessageText, []byte(text)); err != nil {
			t.Fatalf("WebSocket %d: %v", i, err)
		}
		if _, echo, err := conn.Read(ctx); err != nil || string(echo) != text {
			t.Fatalf("WebSocket %d: got %q and %v", i, echo, err)
		}
	}
}
