package portal

import (
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/getportal/ptlauth/e2e/issuer"
	"github.com/getportal/ptlauth/e2e/meter"
	"github.com/getportal/ptlauth/e2e/poll"
	"github.com/getportal/ptlauth/e2e/source"
	"github.com/getportal/ptlauth/e2e/traefik"
	"github.com/getportal/ptlauth/e2e/traefik/traefiktest"
	"github.com/getportal/ptlauth/e2e/visitor"
	"github.com/getportal/ptlauth/e2e/witness"
)

// slack is what a change may take beyond `refresh`.
const slack = time.Second

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
			v := visitor.New(t, token)
			all.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
						o.note(v.Get(url, ""))
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
	secret, first, second, third := issuer.NewSecret(), issuer.NewSecret(), issuer.NewSecret(), issuer.NewSecret()
	secretFile, firstFile, secondFile := source.File(t, secret), source.File(t, first), source.File(t, second)
	list := source.Paired(phone, tablet)
	listFile := source.File(t, list)
	registry := source.NewServer(t, source.Answer(list))
	app := witness.NewAttendance(t)
	proxy := traefiktest.Start(t, traefik.Options{Dynamic: strings.NewReplacer(
		"SECRET", secretFile, "FIRST", firstFile, "SECOND", secondFile, "LIST", listFile, "URL", registry.URL, "APP", app.URL,
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
			issuer.SignHS256(t, secret, phone), issuer.SignHS256(t, secret, tablet),
			func(t *testing.T) { source.Replace(t, listFile, source.Paired(tablet)) },
			func(t *testing.T) { source.Replace(t, listFile, list) },
		},
		{
			"a terminal that leaves the URL's list", "/url", 500 * time.Millisecond,
			issuer.SignHS256(t, secret, phone), issuer.SignHS256(t, secret, tablet),
			func(t *testing.T) { registry.Up(t, source.Answer(source.Paired(tablet))) },
			func(t *testing.T) { registry.Up(t, source.Answer(list)) },
		},
		{
			"a secret that is rotated beside another", "/keys", 500 * time.Millisecond,
			issuer.SignHS256(t, first, phone), issuer.SignHS256(t, second, tablet),
			func(t *testing.T) { source.Replace(t, firstFile, third) },
			func(t *testing.T) { source.Replace(t, firstFile, first) },
		},
	} {
		t.Run(test.name+" is out within refresh and a second, and nobody else is", func(t *testing.T) {
			stop := crowd(t, proxy.URL("web")+test.path, test.goes, test.stays)
			time.Sleep(300 * time.Millisecond)
			test.revoke(t)
			revoked := time.Now()
			time.Sleep(test.refresh + slack + 500*time.Millisecond)
			outcomes := stop()
			after := app.LastSeen(phone).Sub(revoked)
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
			visitor.New(t, test.goes).AwaitStatus(t, test.refresh+slack, proxy.URL("web")+test.path, "", http.StatusOK)
		})
	}
	t.Run("the rotated secret's tokens are good at once", func(t *testing.T) {
		v := visitor.New(t, issuer.SignHS256(t, third, phone))
		v.WantStatus(t, proxy.URL("web")+"/keys", "", http.StatusUnauthorized)
		source.Replace(t, firstFile, third)
		v.AwaitStatus(t, 500*time.Millisecond+slack, proxy.URL("web")+"/keys", "", http.StatusOK)
	})
}

// TestPortalSockets unpairs one of two terminals that have WebSockets open.
func TestPortalSockets(t *testing.T) {
	if testing.Short() {
		t.Skip("starts Traefik")
	}
	const refresh = 2 * time.Second
	secret := issuer.NewSecret()
	list := source.Paired(phone, tablet)
	listFile := source.File(t, list)
	registry := source.NewServer(t, source.AnswerTagged(list))
	app := witness.NewAttendance(t)
	proxy := traefiktest.Start(t, traefik.Options{Dynamic: strings.NewReplacer(
		"SECRET", source.File(t, secret), "LIST", listFile, "URL", registry.URL, "APP", app.URL,
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
	phoneToken, tabletToken := issuer.SignHS256(t, secret, phone), issuer.SignHS256(t, secret, tablet)
	toFile := func(content string) { source.Replace(t, listFile, content) }
	toURL := func(content string) { registry.Up(t, source.AnswerTagged(content)) }

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
			seen := len(registry.Fetches())
			awaitFetch(t, registry, seen)
			// The sockets are looked at shortly before the list is.
			time.Sleep(refresh - 200*time.Millisecond)
			open()
			awaitFetch(t, registry, len(registry.Fetches()))
		}},
		{"are closed while another router reads the same list", "/url", 10, toURL, func(t *testing.T, open func()) {
			// This router looks at the list first, the other one half a second later, and at the sockets another half
			// second later; in the next round, the list changes between the first two.
			time.Sleep(refresh + 100*time.Millisecond)
			v := visitor.New(t, tabletToken)
			v.WantStatus(t, web+"/url", "", http.StatusOK)
			time.Sleep(refresh / 4)
			v.WantStatus(t, web+"/other-url", "", http.StatusOK)
			time.Sleep(refresh / 4)
			open()
			keepAsking(t, web+"/other-url", tabletToken)
			keepAsking(t, web+"/url", tabletToken)
			time.Sleep(refresh/2 + 200*time.Millisecond)
		}},
	} {
		t.Run("WebSockets "+test.name, func(t *testing.T) {
			test.publish(list)
			visitor.New(t, phoneToken).AwaitStatus(t, refresh+slack, web+test.path, "", http.StatusOK)
			var goes, stays []*websocket.Conn
			test.traffic(t, func() {
				goes = visitor.Dial(t, web+test.path, phoneToken, test.sockets)
				stays = visitor.Dial(t, web+test.path, tabletToken, test.sockets)
			})
			visitor.WantEcho(t, goes)
			if n := app.Sockets(phone); n != test.sockets {
				t.Fatalf("%d are open at the app, want %d", n, test.sockets)
			}

			test.publish(source.Paired(tablet))
			unpaired := time.Now()
			visitor.AwaitClosed(t, goes, refresh+slack)
			t.Logf("closed after %s", time.Since(unpaired).Round(time.Millisecond))
			poll.Until(t, time.Second, func() string {
				if n := app.Sockets(phone); n > 0 {
					return fmt.Sprintf("%d of %d are open at the app", n, test.sockets)
				}
				return ""
			})
			visitor.WantEcho(t, stays)
			if n := app.Sockets(tablet); n != test.sockets {
				t.Errorf("%d of the other terminal's are open at the app, want %d", n, test.sockets)
			}
			for _, conn := range stays {
				conn.CloseNow()
			}
			poll.Until(t, 2*time.Second, func() string {
				if app.Sockets(tablet) > 0 {
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
	v := visitor.New(t, token)
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
			if status, err := v.Get(url, ""); status != http.StatusOK {
				t.Errorf("another terminal's request got %d (%v)", status, err)
				return
			}
		}
	}()
}

func awaitFetch(t *testing.T, registry *source.Server, seen int) {
	t.Helper()
	poll.Until(t, 5*time.Second, func() string {
		if len(registry.Fetches()) == seen {
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
	secret := issuer.NewSecret()
	registry := source.NewServer(t, source.Answer(source.Paired(phone)))
	app := witness.NewAttendance(t)
	behind := func(middlewares string) *traefik.Traefik {
		return traefiktest.Start(t, traefik.Options{Dynamic: strings.NewReplacer(
			"SECRET", source.File(t, secret), "URL", registry.URL, "APP", app.URL, "MIDDLEWARES", middlewares,
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
	open := visitor.Dial(t, guarded.URL("web"), issuer.SignHS256(t, secret, phone), sockets)
	visitor.Dial(t, bare.URL("web"), "", sockets)
	// What the upgrades left to do, the garbage collector above all.
	time.Sleep(3 * time.Second)

	seen := len(registry.Fetches())
	before := [2]time.Duration{meter.CPUTime(t, guarded), meter.CPUTime(t, bare)}
	time.Sleep(idle)
	with := float64(meter.CPUTime(t, guarded)-before[0]) / float64(idle)
	without := float64(meter.CPUTime(t, bare)-before[1]) / float64(idle)
	t.Logf("%.1f %% of a core with ptlauth, %.1f %% without", 100*with, 100*without)
	if with-without > most {
		t.Errorf("%d idle WebSockets cost %.1f %% of a core, and %.1f %% without ptlauth", sockets, 100*with, 100*without)
	}
	if len(registry.Fetches()) == seen {
		t.Error("nobody looked whether the terminal is still paired")
	}
	visitor.WantEcho(t, open)
}
