package live

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/getportal/ptlauth/e2e/traefik"
	"github.com/getportal/ptlauth/e2e/witness"
)

// kind is what a visitor has open.
type kind string

var both = []kind{"the WebSocket", "the event stream"}

// visitor is who opens something, and where.
type visitor struct {
	name, path       string
	terminal, origin string // empty: none
	kinds            []kind
}

// app echoes what comes by WebSocket, and tells event streams the time.
type app struct {
	url   string
	mutex sync.Mutex
	now   map[string]string // which are open, and whose they are
	last  atomic.Int64
}

func newApp(t *testing.T) *app {
	a := &app{now: map[string]string{}}
	server := httptest.NewServer(a)
	t.Cleanup(server.Close)
	a.url = server.URL
	return a
}

func (a *app) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	id := r.URL.Query().Get("id")
	switch {
	case r.Header.Get("Upgrade") != "":
		defer a.enter(id, r.Header.Get("X-Ptl-User"))()
		witness.Echo(w, r)
	case r.Header.Get("Accept") == "text/event-stream":
		defer a.enter(id, r.Header.Get("X-Ptl-User"))()
		w.Header().Set("Content-Type", "text/event-stream")
		for r.Context().Err() == nil {
			fmt.Fprintf(w, "data: %s\n\n", time.Now())
			w.(http.Flusher).Flush()
			select {
			case <-r.Context().Done():
			case <-time.After(100 * time.Millisecond):
			}
		}
	}
}

// enter notes that one is open; what it returns notes that it is not.
func (a *app) enter(id, user string) func() {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	a.now[id] = user
	return func() {
		a.mutex.Lock()
		defer a.mutex.Unlock()
		delete(a.now, id)
	}
}

// count is how many a user has open; empty: all have.
func (a *app) count(user string) int {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	n := 0
	for _, other := range a.now {
		if user == "" || user == other {
			n++
		}
	}
	return n
}

func (a *app) isOpen(id string) bool {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	_, ok := a.now[id]
	return ok
}

// wantClosed wants those that have ended at the visitors' side to end at the app's.
func (a *app) wantClosed(t *testing.T, all []*long) {
	t.Helper()
	for _, l := range all {
		for deadline := time.Now().Add(time.Second); l.hasEnded(time.Now()) && a.isOpen(l.id); time.Sleep(5 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Errorf("%s of %s is open at the app", l.kind, l.who.name)
				break
			}
		}
	}
}

// isRouted reports whether Traefik knows a path.
func (a *app) isRouted(proxy *traefik.Traefik, path string) bool {
	response, err := http.Get(proxy.URL("web") + path)
	if err != nil {
		return false
	}
	response.Body.Close()
	return response.StatusCode != http.StatusNotFound
}

// long is a WebSocket or an event stream.
type long struct {
	id   string
	who  *visitor
	kind kind
	hang func()
	ask  func(text string) error // nil: it speaks without being asked
	said chan string
	over chan struct{} // closed when it has ended, at
	at   time.Time
}

// open opens one, and returns when the app has spoken.
func (a *app) open(t *testing.T, proxy *traefik.Traefik, v *visitor, token string, k kind) (*long, error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	l := &long{
		id: strconv.FormatInt(a.last.Add(1), 10), who: v, kind: k, hang: cancel, said: make(chan string, 16), over: make(chan struct{}),
	}
	header := http.Header{}
	if token != "" {
		header.Set("Cookie", "authorization="+token)
	}
	if v.origin != "" {
		header.Set("Origin", v.origin)
		header.Set("Sec-Fetch-Site", "cross-site")
	}
	url := proxy.URL("web") + v.path + "?id=" + l.id
	dial := l.dial
	if k == both[1] {
		dial = l.subscribe
	}
	if err := dial(ctx, url, header); err != nil {
		cancel()
		return nil, err
	}
	return l, l.speaks()
}

func (l *long) dial(ctx context.Context, url string, header http.Header) error {
	conn, response, err := websocket.Dial(ctx, url, &websocket.DialOptions{HTTPHeader: header})
	if err != nil {
		if response != nil {
			return refused(response.StatusCode)
		}
		return err
	}
	l.ask = func(text string) error { return conn.Write(ctx, websocket.MessageText, []byte(text)) }
	go func() {
		defer conn.CloseNow()
		for {
			_, message, err := conn.Read(ctx)
			if err != nil {
				l.end()
				return
			}
			l.hear(string(message))
		}
	}()
	return nil
}

// subscribe opens an event stream as a browser's EventSource does.
func (l *long) subscribe(ctx context.Context, url string, header http.Header) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	header.Set("Accept", "text/event-stream")
	header.Set("Cache-Control", "no-cache")
	r.Header = header
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		response.Body.Close()
		return refused(response.StatusCode)
	}
	go func() {
		defer response.Body.Close()
		lines := bufio.NewScanner(response.Body)
		for lines.Scan() {
			if event, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
				l.hear(event)
			}
		}
		l.end()
	}()
	return nil
}

// refused is the status of who does not get in.
type refused int

func (r refused) Error() string { return fmt.Sprintf("refused with %d", int(r)) }

func (l *long) hear(text string) {
	select {
	case l.said <- text:
	default: // nobody listens
	}
}

func (l *long) end() {
	l.at = time.Now()
	close(l.over)
}

// hasEnded waits for the end.
func (l *long) hasEnded(deadline time.Time) bool {
	select {
	case <-l.over:
		return true
	default:
	}
	select {
	case <-l.over:
		return true
	case <-time.After(time.Until(deadline)):
		return false
	}
}

// speaks returns an error unless something new comes from the app.
func (l *long) speaks() error {
	for len(l.said) > 0 {
		<-l.said
	}
	want := ""
	if l.ask != nil {
		want = time.Now().String()
		if err := l.ask(want); err != nil {
			return err
		}
	}
	select {
	case text := <-l.said:
		if want != "" && text != want {
			return fmt.Errorf("the echo of %q is %q", want, text)
		}
		return nil
	case <-l.over:
		return errors.New("it has ended")
	case <-time.After(10 * time.Second):
		return errors.New("it is silent")
	}
}
