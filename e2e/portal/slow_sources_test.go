package portal

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v4"

	"github.com/getportal/ptlauth/e2e/issuer"
	"github.com/getportal/ptlauth/e2e/meter"
	"github.com/getportal/ptlauth/e2e/poll"
	"github.com/getportal/ptlauth/e2e/source"
	"github.com/getportal/ptlauth/e2e/traefik"
	"github.com/getportal/ptlauth/e2e/traefik/traefiktest"
	"github.com/getportal/ptlauth/e2e/visitor"
	"github.com/getportal/ptlauth/e2e/witness"
)

const (
	slowRefresh = 2 * time.Second
	// eachGroup is how long each kind of source is asked for, at askRate requests a second.
	eachGroup = 7 * time.Second
	askRate   = 200
	// noticed is how slow a request is that somebody notices.
	noticed = 100 * time.Millisecond
	// many is how many terminals a long list has: 28 MiB of them.
	many = 350_000
)

// longList lists that many terminals, and one more by the id.
func longList(id string) string {
	var list strings.Builder
	fmt.Fprintf(&list, `[{"id": %q, "name": "a terminal"}`, id)
	for i := range many {
		fmt.Fprintf(&list, ",\n"+`{"id": "id%06d", "name": "device number %06d", "icon": "smartphone", "x": 1}`, i, i)
	}
	list.WriteString("]")
	return list.String()
}

// after delays an answer.
func after(pause time.Duration, answer http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-time.After(pause):
			answer(w, r)
		case <-r.Context().Done():
		}
	}
}

// slowGroup is a middleware whose sources are slow, and what happens to them meanwhile.
type slowGroup struct {
	name string
	// unpair takes the guest out of what the middleware reads; nil: nothing does.
	unpair func()
	// meanwhile runs until the context is done.
	meanwhile func(ctx context.Context)
	// within is how soon who is unpaired is out.
	within time.Duration
}

// TestSlowSources asks 200 times a second, half of it with tokens that were never seen, while sources are slow, hang, or
// are long and change: nobody notices. A middleware without such sources is asked as often at the same time, so that what
// is the machine's is told from what is theirs.
func TestSlowSources(t *testing.T) {
	if testing.Short() {
		t.Skip("starts Traefik")
	}
	secret := issuer.NewSecret()
	keys := issuer.NewRSA(t, "first")
	var slow, hanging []string
	for range 3 {
		slow = append(slow, source.NewServer(t, after(900*time.Millisecond, source.Answer(issuer.KeySet(keys)))).URL)
	}
	for range 4 {
		hanging = append(hanging, source.NewServer(t, after(time.Minute, source.Answer(issuer.KeySet(keys)))).URL)
	}
	slowList := source.NewServer(t, after(900*time.Millisecond, source.Answer(source.Paired(phone, guest))))
	lateList := source.NewServer(t, source.Answer(source.Paired(phone, guest)))
	both, one := longList(guest), longList("id-of-nobody")
	both, one = strings.Replace(both, "id000000", phone, 1), strings.Replace(one, "id000000", phone, 1)
	longURL := source.NewServer(t, source.Answer(both))
	longFile := filepath.Join(t.TempDir(), "list.json")
	source.Replace(t, longFile, both)

	app := witness.NewAttendance(t)
	began := time.Now()
	proxy := traefiktest.Start(t, traefik.Options{Static: "{log: {level: ERROR}, accessLog: null}", Dynamic: strings.NewReplacer(
		"SECRET", source.File(t, secret), "APP", app.URL, "SLOWLIST", slowList.URL, "LATELIST", lateList.URL, "LONGURL", longURL.URL, "LONGFILE", longFile,
		"S0", slow[0], "S1", slow[1], "S2", slow[2], "H0", hanging[0], "H1", hanging[1], "H2", hanging[2], "H3", hanging[3],
	).Replace(`
http:
  middlewares:
    control: {plugin: {ptlauth: {secretFile: SECRET, terminals: any}}}
    slow: {plugin: {ptlauth: {secretFile: SECRET, keys: [{jwksURL: "S0"}, {jwksURL: "S1"}, {jwksURL: "S2"}], terminals: {url: "SLOWLIST"}}}}
    hanging: {plugin: {ptlauth: {secretFile: SECRET, keys: [{jwksURL: "H0"}, {jwksURL: "H1"}, {jwksURL: "H2"}, {jwksURL: "H3"}], terminals: {url: "LATELIST"}}}}
    longfile: {plugin: {ptlauth: {secretFile: SECRET, terminals: {file: LONGFILE}}}}
    longurl: {plugin: {ptlauth: {secretFile: SECRET, terminals: {url: "LONGURL"}}}}
  routers:
    control: {rule: PathPrefix("/control"), service: app, middlewares: [control], entryPoints: [web]}
    slow: {rule: PathPrefix("/slow"), service: app, middlewares: [slow], entryPoints: [web]}
    hanging: {rule: PathPrefix("/hanging"), service: app, middlewares: [hanging], entryPoints: [web]}
    longfile: {rule: PathPrefix("/longfile"), service: app, middlewares: [longfile], entryPoints: [web]}
    longurl: {rule: PathPrefix("/longurl"), service: app, middlewares: [longurl], entryPoints: [web]}
  services:
    app: {loadBalancer: {servers: [{url: "APP"}]}}
`)})
	t.Logf("Traefik started in %s", time.Since(began).Round(time.Millisecond))
	// Another list each few seconds, as long as the last.
	changing := func(write func(content string)) func(context.Context) {
		return func(ctx context.Context) {
			for i := 0; ctx.Err() == nil; i++ {
				write(strings.Replace(both, "id000001", fmt.Sprintf("no%06d", i), 1))
				select {
				case <-time.After(3 * time.Second):
				case <-ctx.Done():
				}
			}
		}
	}
	for _, group := range []slowGroup{
		{"slow", func() { slowList.Up(t, after(900*time.Millisecond, source.Answer(source.Paired(phone)))) }, nil, slowRefresh + time.Second},
		{"hanging", nil, func(context.Context) { lateList.Up(t, after(time.Minute, source.Answer("[]"))) }, 0},
		{
			"longfile", func() { source.Replace(t, longFile, one) },
			changing(func(content string) { source.Replace(t, longFile, content) }), slowRefresh + time.Second,
		},
		{
			"longurl", func() { longURL.Up(t, source.Answer(one)) },
			changing(func(content string) { longURL.Up(t, source.Answer(content)) }), slowRefresh + 3*time.Second, // the list before is still on its way
		},
	} {
		t.Run(group.name, func(t *testing.T) { checkGroup(t, proxy, group, secret) })
	}
	t.Logf("Traefik takes %d MiB", meter.Resident(proxy.PID())>>20)
}

func checkGroup(t *testing.T, proxy *traefik.Traefik, group slowGroup, secret string) {
	url, control := proxy.URL("web")+"/"+group.name, proxy.URL("web")+"/control"
	v := visitor.New(t, issuer.SignHS256(t, secret, guest))
	v.AwaitStatus(t, 10*time.Second, url, "", http.StatusOK)

	ctx, stop := context.WithCancel(t.Context())
	var changes sync.WaitGroup
	if group.meanwhile != nil {
		changes.Go(func() { group.meanwhile(ctx) })
	}
	own, other := &measured{url: url, secret: secret}, &measured{url: control, secret: secret}
	asker := newAsker(t)
	for range int(eachGroup / time.Second * askRate) {
		asker.ask(own)
		asker.ask(other)
		time.Sleep(time.Second / askRate)
	}
	stop()
	changes.Wait()
	asker.all.Wait()
	t.Logf("with its sources: %s", own)
	t.Logf("without:          %s", other)
	if own.failed.Load() > 0 || other.failed.Load() > 0 {
		t.Errorf("%d requests were not answered with 200, and %d without such sources", own.failed.Load(), other.failed.Load())
	}
	// A hundredth may be bad luck; waiting for a server made a third of them slow.
	if most := 2*other.slow() + len(own.took)/100; own.slow() > most {
		t.Errorf("%d of %d requests took longer than %s, want %d at most", own.slow(), len(own.took), noticed, most)
	}
	if group.unpair == nil {
		return
	}
	load := make(chan struct{})
	var loading sync.WaitGroup
	loading.Go(func() {
		for {
			select {
			case <-load:
				return
			case <-time.After(time.Second / askRate):
				asker.ask(&measured{url: url, secret: secret})
			}
		}
	})
	began := time.Now()
	group.unpair()
	poll.Until(t, group.within+slack, func() string {
		if status, err := v.Get(url, ""); status != http.StatusUnauthorized {
			return fmt.Sprintf("who is unpaired is still in: %d %v", status, err)
		}
		return ""
	})
	t.Logf("who is unpaired is out after %s", time.Since(began).Round(time.Millisecond))
	close(load)
	loading.Wait()
	asker.all.Wait()
}

// measured is what is asked of one middleware, and how long it took.
type measured struct {
	url, secret string
	failed      atomic.Int64
	number      atomic.Int64
	mutex       sync.Mutex
	took        []time.Duration
}

func (a *measured) slow() int {
	n := 0
	for _, took := range a.took {
		if took > noticed {
			n++
		}
	}
	return n
}

func (a *measured) String() string {
	slices.Sort(a.took)
	at := func(share float64) time.Duration {
		return a.took[int(share*float64(len(a.took)-1))].Round(100 * time.Microsecond)
	}
	return fmt.Sprintf("%d requests, half of them in %s, 99%% in %s, all in %s, %d slower than %s", len(a.took), at(.5), at(.99), at(1), a.slow(), noticed)
}

type asker struct {
	t      *testing.T
	client *http.Client
	all    sync.WaitGroup
}

func newAsker(t *testing.T) *asker {
	transport := &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 64}
	t.Cleanup(transport.CloseIdleConnections)
	return &asker{t: t, client: &http.Client{Transport: transport, Timeout: 20 * time.Second}}
}

// ask asks once, on another goroutine: one time with a token that is remembered, the next with one that is new.
func (a *asker) ask(what *measured) {
	a.all.Go(func() {
		claims := jwt.MapClaims{"sub": phone, "iat": 1}
		if n := what.number.Add(1); n%2 == 0 {
			claims["jti"] = fmt.Sprint(n, time.Now().UnixNano())
		}
		token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(what.secret))
		if err != nil {
			a.t.Error(err)
			return
		}
		r, err := http.NewRequestWithContext(a.t.Context(), http.MethodGet, what.url, nil)
		if err != nil {
			a.t.Error(err)
			return
		}
		r.Header.Set("Cookie", "authorization="+token)
		began := time.Now()
		response, err := a.client.Do(r)
		if err != nil {
			what.failed.Add(1)
			return
		}
		_, _ = io.Copy(io.Discard, response.Body)
		response.Body.Close()
		took := time.Since(began)
		if response.StatusCode != http.StatusOK {
			what.failed.Add(1)
		}
		what.mutex.Lock()
		what.took = append(what.took, took)
		what.mutex.Unlock()
	})
}

// TestSlowStart makes five middlewares with twenty servers that hang, as Traefik does, one after the other: they wait for
// a second, all together, and no more than the first request does.
func TestSlowStart(t *testing.T) {
	l := load(t)
	secretFile := source.File(t, issuer.NewSecret())
	began := time.Now()
	for range 5 {
		var keys []any
		for range 4 {
			keys = append(keys, map[string]any{"jwksURL": source.NewServer(t, after(time.Minute, source.Answer("{}"))).URL})
		}
		l.build(t, map[string]any{"secretFile": secretFile, "keys": keys, "terminals": "any"})
	}
	if took := time.Since(began); took > time.Second+slack {
		t.Errorf("they were made in %s", took)
	}
}
