package people

import (
	"net"
	"sync"
	"testing"
	"time"
)

// lossy is a way to the site that can lose an answer.
type lossy struct {
	addr string

	mu    sync.Mutex
	loses bool
	lost  chan struct{} // closed once an answer was lost
	open  []net.Conn
}

func newWire(t *testing.T, target string) *lossy {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	l := &lossy{addr: listener.Addr().String(), lost: make(chan struct{})}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go l.carry(conn, target)
		}
	}()
	return l
}

func (l *lossy) carry(client net.Conn, target string) {
	defer client.Close()
	server, err := net.Dial("tcp", target)
	if err != nil {
		return
	}
	defer server.Close()
	l.mu.Lock()
	l.open = append(l.open, client, server)
	l.mu.Unlock()
	go func() {
		l.copy(server, client, false)
		server.Close()
	}()
	l.copy(client, server, true)
}

// copy carries what comes; what is an answer, and comes when answers are lost, is not.
func (l *lossy) copy(to, from net.Conn, isAnswer bool) {
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		l.mu.Lock()
		loses := l.loses
		l.mu.Unlock()
		if n > 0 && (!isAnswer || !loses) {
			if _, err := to.Write(buffer[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// cut loses all answers from now on, for long enough that the next question is answered; then every connection ends, and
// later ones are good again.
func (l *lossy) cut() {
	l.mu.Lock()
	l.loses = true
	l.mu.Unlock()
	time.AfterFunc(time.Second, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		for _, conn := range l.open {
			conn.Close()
		}
		l.open, l.loses = nil, false
		close(l.lost)
	})
}

func (l *lossy) awaitCut(t *testing.T) {
	t.Helper()
	select {
	case <-l.lost:
	case <-time.After(10 * time.Second):
		t.Fatal("nothing was cut")
	}
}
