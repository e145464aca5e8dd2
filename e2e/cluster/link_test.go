package cluster

import (
	"io"
	"net"
	"sync"
	"testing"
	"time"
)

// link is the way from one Traefik to its store, which breaks in one of the ways in which networks do.
type link struct {
	addr string

	mutex sync.Mutex
	// open is closed while bytes go through; another one is made when they no longer do.
	open  chan struct{}
	isCut bool
	delay time.Duration
	conns map[net.Conn]bool
	// made counts the connections; of those before lost nothing arrives any more, until over is closed.
	made, lost int
	over       chan struct{}
}

func newLink(t *testing.T, to string) *link {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &link{addr: listener.Addr().String(), open: make(chan struct{}), over: make(chan struct{}), conns: map[net.Conn]bool{}}
	close(l.open)
	t.Cleanup(func() {
		listener.Close()
		close(l.over)
		l.heals()
		l.cuts()
	})
	go func() {
		for {
			here, err := listener.Accept()
			if err != nil {
				return
			}
			go l.join(here, to)
		}
	}()
	return l
}

func (l *link) join(here net.Conn, to string) {
	defer here.Close()
	there, err := net.DialTimeout("tcp", to, 5*time.Second)
	if err != nil {
		return
	}
	defer there.Close()
	number, isOpen := l.keeps(here, there)
	if !isOpen {
		return
	}
	ended := make(chan struct{}, 2)
	go l.carry(number, there, here, ended)
	go l.carry(number, here, there, ended)
	<-ended
}

// keeps numbers a connection, and reports that it may be; a cut ends it.
func (l *link) keeps(conns ...net.Conn) (int, bool) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	for _, conn := range conns {
		l.conns[conn] = true
	}
	l.made++
	return l.made, !l.isCut
}

func (l *link) carry(number int, to io.Writer, from io.Reader, ended chan<- struct{}) {
	defer func() { ended <- struct{}{} }()
	part := make([]byte, 32<<10)
	for {
		n, err := from.Read(part)
		if n > 0 {
			l.mutex.Lock()
			open, delay, isLost := l.open, l.delay, number <= l.lost
			l.mutex.Unlock()
			if isLost {
				<-l.over
				return
			}
			<-open
			time.Sleep(delay)
			if _, err := to.Write(part[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// cuts ends what is connected, and whatever will be, until it heals.
func (l *link) cuts() {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.isCut = true
	for conn := range l.conns {
		conn.Close()
	}
	clear(l.conns)
}

// loses the connections that there are, and tells nobody: a firewall, or a machine that is gone. Others can be made.
func (l *link) loses() {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.lost = l.made
}

// fallsSilent: what is sent does not arrive, and nobody is told, until it heals.
func (l *link) fallsSilent() {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.open = make(chan struct{})
}

// slows delays each part that is sent.
func (l *link) slows(by time.Duration) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.delay = by
}

func (l *link) heals() {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.isCut, l.delay = false, 0
	select {
	case <-l.open:
	default:
		close(l.open)
	}
}
