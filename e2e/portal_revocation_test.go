package e2e

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/getportal/ptlauth/e2e/traefik"
)

// slack is what a change may take beyond `refresh`.
const slack = time.Second

// attendance is an app that keeps who was there, and echoes WebSockets.
type attendance struct {
	*httptest.Server
	mutex sync.Mutex
	last  map[string]time.Time // by user
	open  map[string]int
}

func newAttendance(t *testing.T) *attendance {
	a := &attendance{last: map[string]time.Time{}, open: map[string]int{}}
	a.Server = httptest.NewServer(a)
	t.Cleanup(a.Close)
	return a
}

func (a *attendance) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	user := r.Header.Get("X-Ptl-User")
	a.mutex.Lock()
	a.last[user] = time.Now()
	a.mutex.Unlock()
	if r.Header.Get("Upgrade") == "" {
		return
	}
	conn, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	defer conn.CloseNow()
	a.enter(user, 1)
	defer a.enter(user, -1)
	for {
		kind, message, err := conn.Read(r.Context())
		if err != nil || conn.Write(r.Context(), kind, message) != nil {
			return
		}
	}
}

func (a *attendance) enter(user string, n int) {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	a.open[user] += n
}

func (a *attendance) lastSeen(user string) time.Time {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	return a.last[user]
}

func (a *attendance) sockets(user string) int {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	return a.open[user]
}

// outcome is what the visitors with one token got.
type outcome struct {
	mutex            sync.Mutex
	granted, refused int
	other            []string // anything but 200 and 401
}

func (o *outcome) note(status int, err error) {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	switch {
	case status == http.StatusOK:
		o.granted++
	case status == http.StatusUnauthorized:
		o.refused++
	default:
		o.other = append(o.other, fmt.Sprintf("%d %v", status, err))
	}
}

// crowd asks over 8 connections with each token until the function that it returns is called, which returns what each
// token got.
func crowd(t *testing.T, url string, tokens ...string) func() []*outcome {
	t.Helper()
	var outcomes []*outcome
	stop := make(chan struct{})
	var all sync.WaitGroup
	for _, token := range tokens {
		o := &outcome{}
		outcomes = append(outcomes, o)
		for range 8 {
			v := newVisitor(t, token)
			all.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
						o.note(v.get(url, ""))
					}
				}
			})
		}
	}
	return func() []*outcome {
		close(stop)
		all.Wait()
		return outcomes
	}
}

// TestPortalRevocation takes away one of two tokens in the middle of a crowd that both are remembered of.
func TestPortalRevocation(t *testing.T) {
	if testing.Short() {
		t.Skip("starts Traefik")
	}
	secret, first, second, third := newSecret(), newSecret(), newSecret(), newSecret()
	secretFile, firstFile, secondFile := inFile(t, secret), inFile(t, first), inFile(t, second)
	list := pairedList(phone, tablet)
	listFile := inFile(t, list)
	registry := newFetched(t, answering(list))
	app := newAttendance(t)
	proxy := start(t, traefik.Options{Dynamic: strings.NewReplacer(
		"SECRET", secretFile, "FIRST", firstFile, "SECOND", secondFile, "LIST", listFile, "URL", registry.url, "APP", app.URL,
	).Replace(`
http:
  middlewares:
    file: {plugin: {ptlauth: {secretFile: SECRET, terminals: {file: LIST}}}}
    url: {plugin: {ptlauth: {secretFile: SECRET, terminals: {url: "URL"}, refresh: 500ms}}}
    keys: {plugin: {ptlauth: {secretFile: FIRST, keys: [{secretFile: SECOND}], terminals: any, refresh: 500ms}}}
  routers:
    file: {rule: PathPrefix("/file"), service: app, middlewares: [file], entryPoints: [web]}
    url: {rule: PathPrefix("/url"), service: app, middlewares: [url], entryPoints: [web]}
    keys: {rule: PathPrefix("/keys"), service: app, middlewares: [keys], entryPoints: [web]}
  services:
    app: {loadBalancer: {servers: [{url: "APP"}]}}
`)})

	for _, test := range []struct {
		name, path   string
		refresh      time.Duration
		goes, stays  string
		revoke, undo func(t *testing.T)
	}{
		{
			"a terminal that leaves the file", "/file", 2 * time.Second,
			signedBySecret(t, secret, phone), signedBySecret(t, secret, tablet),
			func(t *testing.T) { replaceFile(t, listFile, pairedList(tablet)) },
			func(t *testing.T) { replaceFile(t, listFile, list) },
		},
		{
			"a terminal that leaves the URL's list", "/url", 500 * time.Millisecond,
			signedBySecret(t, secret, phone), signedBySecret(t, secret, tablet),
			func(t *testing.T) { registry.up(t, answering(pairedList(tablet))) },
			func(t *testing.T) { registry.up(t, answering(list)) },
		},
		{
			"a secret that is rotated beside another", "/keys", 500 * time.Millisecond,
			signedBySecret(t, first, phone), signedBySecret(t, second, tablet),
			func(t *testing.T) { replaceFile(t, firstFile, third) },
			func(t *testing.T) { replaceFile(t, firstFile, first) },
		},
	} {
		t.Run(test.name+" is out within refresh and a second, and nobody else is", func(t *testing.T) {
			stop := crowd(t, proxy.URL("web")+test.path, test.goes, test.stays)
			time.Sleep(300 * time.Millisecond)
			test.revoke(t)
			revoked := time.Now()
			time.Sleep(test.refresh + slack + 500*time.Millisecond)
			outcomes := stop()
			after := app.lastSeen(phone).Sub(revoked)
			t.Logf("got through for %s; granted %d and refused %d, the other one granted %d", after.Round(time.Millisecond),
				outcomes[0].granted, outcomes[0].refused, outcomes[1].granted)
			if after > test.refresh+slack {
				t.Errorf("a request got through %s after the change", after)
			}
			if outcomes[0].granted < 50 || outcomes[0].refused < 50 || len(outcomes[0].other) > 0 {
				t.Errorf("granted %d, refused %d, and %.200q", outcomes[0].granted, outcomes[0].refused, outcomes[0].other)
			}
			if outcomes[1].granted < 100 || outcomes[1].refused > 0 || len(outcomes[1].other) > 0 {
				t.Errorf("the other: granted %d, refused %d, and %.200q", outcomes[1].granted, outcomes[1].refused, outcomes[1].other)
			}

			test.undo(t)
			newVisitor(t, test.goes).awaitStatus(t, test.refresh+slack, proxy.URL("web")+test.path, "", http.StatusOK)
		})
	}
	t.Run("the rotated secret's tokens are good at once", func(t *testing.T) {
		v := newVisitor(t, signedBySecret(t, third, phone))
		v.wantStatus(t, proxy.URL("web")+"/keys", "", http.StatusUnauthorized)
		replaceFile(t, firstFile, third)
		v.awaitStatus(t, 500*time.Millisecond+slack, proxy.URL("web")+"/keys", "", http.StatusOK)
	})
}

// dialMany opens that many WebSockets.
func dialMany(t *testing.T, url, token string, n int) []*websocket.Conn {
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

// awaitClosed waits for the other side to close every one of them; it returns when the last one was.
func awaitClosed(t *testing.T, conns []*websocket.Conn, within time.Duration) {
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

func wantEcho(t *testing.T, conns []*websocket.Conn) {
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

// TestPortalSockets unpairs one of two terminals that have WebSockets open.
func TestPortalSockets(t *testing.T) {
	if testing.Short() {
		t.Skip("starts Traefik")
	}
	const refresh = 2 * time.Second
	secret := newSecret()
	list := pairedList(phone, tablet)
	listFile := inFile(t, list)
	registry := newFetched(t, answeringTagged(list))
	app := newAttendance(t)
	proxy := start(t, traefik.Options{Dynamic: strings.NewReplacer(
		"SECRET", inFile(t, secret), "LIST", listFile, "URL", registry.url, "APP", app.URL,
	).Replace(`
http:
  middlewares:
    file: {plugin: {ptlauth: {secretFile: SECRET, terminals: {file: LIST}}}}
    url: {plugin: {ptlauth: {secretFile: SECRET, terminals: {url: "URL"}}}}
  routers:
    file: {rule: PathPrefix("/file"), service: app, middlewares: [file], entryPoints: [web]}
    url: {rule: PathPrefix("/url"), service: app, middlewares: [url], entryPoints: [web]}
    other-url: {rule: PathPrefix("/other-url"), service: app, middlewares: [url], entryPoints: [web]}
  services:
    app: {loadBalancer: {servers: [{url: "APP"}]}}
`)})
	web := proxy.URL("web")
	phoneToken, tabletToken := signedBySecret(t, secret, phone), signedBySecret(t, secret, tablet)
	toFile := func(content string) { replaceFile(t, listFile, content) }
	toURL := func(content string) { registry.up(t, answeringTagged(content)) }

	for _, test := range []struct {
		name, path string
		sockets    int // of each
		publish    func(list string)
		// traffic goes on until the test ends, and is at the worst moment when it returns.
		traffic func(t *testing.T, open func())
	}{
		{"of a terminal that leaves the file are closed without any request", "/file", 100, toFile, func(_ *testing.T, open func()) { open() }},
		{"of a terminal that leaves the URL's list are closed without any request", "/url", 100, toURL, func(_ *testing.T, open func()) { open() }},
		{"are closed while requests are served", "/url", 10, toURL, func(t *testing.T, open func()) {
			keepAsking(t, web+"/url", tabletToken)
			seen := len(registry.fetches())
			awaitFetch(t, registry, seen)
			// The sockets are looked at shortly before the list is.
			time.Sleep(refresh - 200*time.Millisecond)
			open()
			awaitFetch(t, registry, len(registry.fetches()))
		}},
		{"are closed while another router reads the same list", "/url", 10, toURL, func(t *testing.T, open func()) {
			// This router looks at the list first, the other one half a second later, and at the sockets another half
			// second later; in the next round, the list changes between the first two.
			time.Sleep(refresh + 100*time.Millisecond)
			v := newVisitor(t, tabletToken)
			v.wantStatus(t, web+"/url", "", http.StatusOK)
			time.Sleep(refresh / 4)
			v.wantStatus(t, web+"/other-url", "", http.StatusOK)
			time.Sleep(refresh / 4)
			open()
			keepAsking(t, web+"/other-url", tabletToken)
			keepAsking(t, web+"/url", tabletToken)
			time.Sleep(refresh/2 + 200*time.Millisecond)
		}},
	} {
		t.Run("WebSockets "+test.name, func(t *testing.T) {
			test.publish(list)
			newVisitor(t, phoneToken).awaitStatus(t, refresh+slack, web+test.path, "", http.StatusOK)
			var goes, stays []*websocket.Conn
			test.traffic(t, func() {
				goes = dialMany(t, web+test.path, phoneToken, test.sockets)
				stays = dialMany(t, web+test.path, tabletToken, test.sockets)
			})
			wantEcho(t, goes)
			if n := app.sockets(phone); n != test.sockets {
				t.Fatalf("%d are open at the app, want %d", n, test.sockets)
			}

			test.publish(pairedList(tablet))
			unpaired := time.Now()
			awaitClosed(t, goes, refresh+slack)
			t.Logf("closed after %s", time.Since(unpaired).Round(time.Millisecond))
			eventually(t, time.Second, func() string {
				if n := app.sockets(phone); n > 0 {
					return fmt.Sprintf("%d of %d are open at the app", n, test.sockets)
				}
				return ""
			})
			wantEcho(t, stays)
			if n := app.sockets(tablet); n != test.sockets {
				t.Errorf("%d of the other terminal's are open at the app, want %d", n, test.sockets)
			}
			for _, conn := range stays {
				conn.CloseNow()
			}
			eventually(t, 2*time.Second, func() string {
				if app.sockets(tablet) > 0 {
					return "the other terminal's are not closed when it closes them"
				}
				return ""
			})
		})
	}
}

// keepAsking asks some 50 times a second until the test ends.
func keepAsking(t *testing.T, url, token string) {
	t.Helper()
	v := newVisitor(t, token)
	stop, stopped := make(chan struct{}), make(chan struct{})
	t.Cleanup(func() {
		close(stop)
		<-stopped
	})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			case <-time.After(20 * time.Millisecond):
			}
			if status, err := v.get(url, ""); status != http.StatusOK {
				t.Errorf("another terminal's request got %d (%v)", status, err)
				return
			}
		}
	}()
}

func awaitFetch(t *testing.T, registry *fetched, seen int) {
	t.Helper()
	eventually(t, 5*time.Second, func() string {
		if len(registry.fetches()) == seen {
			return "the list was not fetched"
		}
		return ""
	})
}

// TestPortalIdleSockets compares a thousand open WebSockets behind ptlauth, whose list is a URL's without ETag, with as many
// behind a bare router.
func TestPortalIdleSockets(t *testing.T) {
	if testing.Short() || runtime.GOOS != "linux" {
		t.Skip("starts Traefik, and reads its CPU time in /proc")
	}
	const sockets, idle, most = 1000, 5 * time.Second, 0.02
	secret := newSecret()
	registry := newFetched(t, answering(pairedList(phone)))
	app := newAttendance(t)
	behind := func(middlewares string) *traefik.Traefik {
		return start(t, traefik.Options{Dynamic: strings.NewReplacer(
			"SECRET", inFile(t, secret), "URL", registry.url, "APP", app.URL, "MIDDLEWARES", middlewares,
		).Replace(`
http:
  middlewares:
    auth: {plugin: {ptlauth: {secretFile: SECRET, terminals: {url: "URL"}}}}
  routers:
    app: {rule: PathPrefix("/"), service: app, middlewares: [MIDDLEWARES], entryPoints: [web]}
  services:
    app: {loadBalancer: {servers: [{url: "APP"}]}}
`)})
	}
	guarded, bare := behind("auth"), behind("")
	open := dialMany(t, guarded.URL("web"), signedBySecret(t, secret, phone), sockets)
	dialMany(t, bare.URL("web"), "", sockets)
	// What the upgrades left to do, the garbage collector above all.
	time.Sleep(3 * time.Second)

	seen := len(registry.fetches())
	before := [2]time.Duration{cpuTime(t, guarded), cpuTime(t, bare)}
	time.Sleep(idle)
	with := float64(cpuTime(t, guarded)-before[0]) / float64(idle)
	without := float64(cpuTime(t, bare)-before[1]) / float64(idle)
	t.Logf("%.1f %% of a core with ptlauth, %.1f %% without", 100*with, 100*without)
	if with-without > most {
		t.Errorf("%d idle WebSockets cost %.1f %% of a core, and %.1f %% without ptlauth", sockets, 100*with, 100*without)
	}
	if len(registry.fetches()) == seen {
		t.Error("nobody looked whether the terminal is still paired")
	}
	wantEcho(t, open)
}

// cpuTime is how long a Traefik has computed: utime and stime of /proc/PID/stat, in hundredths of a second.
func cpuTime(t *testing.T, proxy *traefik.Traefik) time.Duration {
	t.Helper()
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", proxy.PID()))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(content), ") ")
	fields := strings.Fields(rest)
	total := 0
	for _, field := range fields[11:13] {
		ticks, err := strconv.Atoi(field)
		if err != nil {
			t.Fatal(err)
		}
		total += ticks
	}
	return time.Duration(total) * 10 * time.Millisecond
}
