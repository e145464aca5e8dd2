package live

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/getportal/ptlauth/e2e/traefik"
)

// crowd are rules of one middleware and that many routers.
func crowd(app string, routers int) *rules {
	r := newRules(app)
	r.routers = tree{}
	delete(r.middlewares, "other")
	for i := range routers {
		name := fmt.Sprintf("app-%d", i)
		r.routers[name] = tree{
			"rule": "PathPrefix(`/" + name + "/`)", "service": "app", "middlewares": list{"auth"}, "entryPoints": list{"web"},
		}
	}
	return r
}

// TestReloads: through 60 reloads of 20 routers, 200 WebSockets stay open and nothing piles up; then one change ends all.
func TestReloads(t *testing.T) {
	if testing.Short() {
		t.Skip("starts Traefik")
	}
	const routers, warmUps, reloads = 20, 10, 60
	app := newApp(t)
	r := crowd(app.url, routers)
	proxy := start(t, traefik.Options{Dynamic: asYAML(t, r.tree()), Debug: true})
	load := func() {
		t.Helper()
		if err := proxy.Reload(t.Context(), asYAML(t, r.tree())); err != nil {
			t.Fatal(err)
		}
	}
	for range warmUps {
		load()
	}
	empty := consumed(t, proxy)
	all := openMany(t, app, proxy, r.secrets, many{routers, 200, 20, []string{phone, tablet}})
	for n := range warmUps {
		reform(r, n)
		load()
	}

	before := consumed(t, proxy)
	began := time.Now()
	for n := range reloads {
		reform(r, warmUps+n)
		load()
	}
	lasted := time.Since(began)
	after := consumed(t, proxy)
	wantAll(t, all)
	t.Logf("%d reloads of %d routers in %s, %d WebSockets and event streams: %s before, %s after", reloads, routers,
		lasted.Round(time.Millisecond), len(all), before, after)
	wantNoMore(t, before, after)

	r.options("auth")["keys"] = list{tree{"secret": newSecret()}}
	written := time.Now()
	load()
	wantNone(t, app, all, written)
	end := consumed(t, proxy)
	t.Logf("%s before there were any, %s when all have ended", empty, end)
	wantNoMore(t, empty, end)
}

// wantAll wants every one to go on.
func wantAll(t *testing.T, all []*long) {
	t.Helper()
	for _, l := range all {
		if err := l.speaks(); err != nil {
			t.Errorf("%s %s of %s does not go on: %v", l.kind, l.id, l.who.name, err)
		}
	}
}

// wantNone wants every one to end soon, by what has just been applied.
func wantNone(t *testing.T, app *app, all []*long, written time.Time) {
	t.Helper()
	applied := time.Now()
	for _, l := range all {
		if !l.hasEnded(applied.Add(soon)) {
			t.Fatalf("%s %s is open %s after Traefik applied the change; at the app, %d are", l.kind, l.id, soon, app.count(""))
		}
	}
	app.wantClosed(t, all)
	t.Logf("one change ends %d WebSockets and event streams, after %s and %s", len(all), took(all, both[0], written, applied),
		took(all, both[1], written, applied))
}

// reform changes nothing for those who are there already.
func reform(r *rules, n int) {
	switch n % 3 {
	case 0:
		r.paired("auth")[fmt.Sprintf("new%d", n)] = tree{"name": "New", "user": "dora@example.com"}
	case 1:
		r.routers["unrelated"] = tree{"rule": fmt.Sprintf("PathPrefix(`/unrelated-%d`)", n), "service": "app", "entryPoints": list{"web"}}
	}
}

// many is how many are to be opened, behind how many routers, and by whom in turn.
type many struct {
	routers, sockets, streams int
	terminals                 []string
}

func openMany(t *testing.T, app *app, proxy *traefik.Traefik, s secrets, m many) []*long {
	t.Helper()
	all := make([]*long, m.sockets+m.streams)
	var opening sync.WaitGroup
	places := make(chan struct{}, 16)
	for i := range all {
		terminal := m.terminals[i/m.routers%len(m.terminals)]
		v := &visitor{name: terminal, path: fmt.Sprintf("/app-%d/", i%m.routers), terminal: terminal}
		k := both[0]
		if i >= m.sockets {
			k = both[1]
		}
		token := s.token(t, v.terminal)
		opening.Go(func() {
			places <- struct{}{}
			defer func() { <-places }()
			l, err := app.open(t, proxy, v, token, k)
			if err != nil {
				t.Errorf("%s %d: %v", k, i, err)
			}
			all[i] = l
		})
	}
	opening.Wait()
	if t.Failed() {
		t.FailNow()
	}
	return all
}

// TestRaces: whoever gets in at the very moment in which the phone is taken out does not stay. That moment is as long as it
// takes Traefik to make all routers: the first of them ends what is open, and until the last one the old ones let in.
func TestRaces(t *testing.T) {
	if testing.Short() {
		t.Skip("starts Traefik")
	}
	const routers, doors, rounds = 300, 8, 4
	app := newApp(t)
	r := crowd(app.url, routers)
	proxy := start(t, traefik.Options{Dynamic: asYAML(t, r.tree())})
	stays := openMany(t, app, proxy, r.secrets, many{routers, routers, 0, []string{tablet}})

	for round := range rounds {
		crush := press(t, app, proxy, r.secrets.token(t, phone), many{routers: routers, sockets: doors})
		applied := toggle(t, proxy, r)
		// They go on trying until then.
		time.Sleep(time.Until(applied.Add(soon)))
		atApp := app.count("ann@example.com")
		all, denied := crush.stop()
		open := 0
		for _, l := range all {
			if !l.hasEnded(time.Now()) {
				open++
			}
			l.hang()
		}
		t.Logf("round %d: of %d WebSockets that the phone opened %d are open after %s, %d at the app, and %d were refused", round+1,
			len(all), open, soon, atApp, denied)
		if open > 0 || atApp > 0 {
			t.Errorf("%d of the phone's %d WebSockets are open %s after it was taken out, and %d at the app", open, len(all), soon, atApp)
		}
		if len(all) < 50 || denied < 50 {
			t.Errorf("only %d were opened and %d refused", len(all), denied)
		}
	}
	wantAll(t, stays)
}

// toggle takes the phone in and out again three times, and returns when it was out for good.
func toggle(t *testing.T, proxy *traefik.Traefik, r *rules) time.Time {
	t.Helper()
	const times = 6
	for n := range times {
		delete(r.paired("auth"), phone)
		if n%2 == 0 {
			r.paired("auth")[phone] = tree{"name": "Phone", "user": "ann@example.com"}
		}
		if err := proxy.Reload(t.Context(), asYAML(t, r.tree())); err != nil {
			t.Fatal(err)
		}
		if n < times-1 {
			time.Sleep(time.Duration(100*(n%3)) * time.Millisecond)
		}
	}
	return time.Now()
}

// crush is a crowd at the door.
type crush struct {
	mutex  sync.Mutex
	opened []*long
	denied atomic.Int64
	once   sync.Once
	ended  chan struct{}
	all    sync.WaitGroup
}

// press opens WebSockets again and again with a token, until it is stopped.
func press(t *testing.T, app *app, proxy *traefik.Traefik, token string, m many) *crush {
	c := &crush{ended: make(chan struct{})}
	t.Cleanup(func() { c.stop() })
	for i := range m.sockets {
		c.all.Go(func() {
			for n := i; ; n++ {
				select {
				case <-c.ended:
					return
				case <-time.After(2 * time.Millisecond):
				}
				v := &visitor{name: "phone", path: fmt.Sprintf("/app-%d/", n%m.routers)}
				c.note(app.open(t, proxy, v, token, both[0]))
			}
		})
	}
	return c
}

// note keeps what has been opened; it may have been ended before the app could speak.
func (c *crush) note(l *long, err error) {
	if l == nil {
		if errors.As(err, new(refused)) {
			c.denied.Add(1)
		}
		return
	}
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.opened = append(c.opened, l)
}

func (c *crush) stop() ([]*long, int64) {
	c.once.Do(func() { close(c.ended) })
	c.all.Wait()
	return c.opened, c.denied.Load()
}

// consumption is what a Traefik holds.
type consumption struct {
	goroutines int
	heap       float64 // MB that are allocated
}

func (c consumption) String() string {
	return fmt.Sprintf("%d goroutines and %.1f MB", c.goroutines, c.heap)
}

// wantNoMore allows for what changed configurations leave for a while; through 600 of them, that came to 5 MB, and no more.
func wantNoMore(t *testing.T, before, after consumption) {
	t.Helper()
	if after.goroutines > before.goroutines+20 || after.heap > before.heap+6 {
		t.Errorf("there were %s, and are %s", before, after)
	}
}

var (
	goroutineTotal = regexp.MustCompile(`goroutine profile: total (\d+)`)
	heapAlloc      = regexp.MustCompile(`# HeapAlloc = (\d+)`)
)

// consumed asks a Traefik that was started with Options.Debug, and lets it collect its garbage first.
func consumed(t *testing.T, proxy *traefik.Traefik) consumption {
	t.Helper()
	number := func(pattern *regexp.Regexp, profile string) int {
		response, err := http.Get(proxy.URL("traefik") + "/debug/pprof/" + profile)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		content, err := io.ReadAll(response.Body)
		match := pattern.FindStringSubmatch(string(content))
		if err != nil || match == nil {
			t.Fatalf("%v and no %s in %.200q", err, pattern, content)
		}
		n, _ := strconv.Atoi(match[1])
		return n
	}
	// What the last reload has replaced may still be in use; and what has a finalizer takes two rounds.
	time.Sleep(1500 * time.Millisecond)
	number(heapAlloc, "heap?gc=1&debug=1")
	heap := number(heapAlloc, "heap?gc=1&debug=1")
	return consumption{number(goroutineTotal, "goroutine?debug=1"), float64(heap) / 1e6}
}
