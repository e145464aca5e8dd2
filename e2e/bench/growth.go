package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/coder/websocket"

	"github.com/getportal/ptlauth/e2e/traefik"
)

// growth measures how ptlauth's cost grows, one thing at a time.
type growth struct {
	wrk, dir, app string
	rounds        int
	length        time.Duration
	distinct      int // tokens
	rows          []row
}

// row is a line of the table.
type row struct{ what, size, against, result string }

func (g *growth) note(what, size, against, result string) {
	g.rows = append(g.rows, row{what, size, against, result})
	log.Printf("%s, %s, %s: %s", what, size, against, result)
}

func (g *growth) measure(ctx context.Context) error {
	for _, step := range []func(context.Context) error{g.requests, g.routers, g.terminals, g.tokens, g.sockets} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// start starts a Traefik with those middlewares and routers, given as one line each.
func (g *growth) start(ctx context.Context, middlewares, routers []string) (*traefik.Traefik, error) {
	return traefik.Start(ctx, traefik.Options{
		Dynamic: g.dynamic(middlewares, routers), Static: "{log: {level: ERROR}, accessLog: null}", Progress: os.Stderr, Debug: true,
	})
}

func (g *growth) dynamic(middlewares, routers []string) string {
	text := "http:\n  services:\n    app: {loadBalancer: {servers: [{url: \"" + g.app + "\"}]}}\n  routers:\n    " + strings.Join(routers, "\n    ") + "\n"
	if len(middlewares) > 0 {
		text += "  middlewares:\n    " + strings.Join(middlewares, "\n    ") + "\n"
	}
	return text
}

func router(name string, middlewares ...string) string {
	return fmt.Sprintf("%s: {rule: \"Host(`%[1]s`)\", service: app, middlewares: [%s], entryPoints: [web]}", name, strings.Join(middlewares, ", "))
}

// anyone is what most middlewares say of who may enter.
const anyone = ", terminals: any"

func (g *growth) plugin(name, more string) string {
	return fmt.Sprintf("%s: {plugin: {ptlauth: {secretFile: %q%s}}}", name, filepath.Join(g.dir, "secret"), more)
}

func (g *growth) load(proxy *traefik.Traefik, length time.Duration) load {
	return load{tool: g.wrk, dir: g.dir, proxy: proxy, connections: 16, length: length}
}

// compare asks two contenders in turn and returns the ratio of their rates.
func (g *growth) compare(ctx context.Context, proxies [2]*traefik.Traefik, pair [2]*contender) (string, error) {
	var all []float64
	for i := range g.rounds {
		var rates [2]float64
		for j := range pair {
			at := (i + j) % 2
			one, err := ask(ctx, g.load(proxies[at], g.length), pair[at])
			if err != nil {
				return "", err
			}
			rates[at] = one.rate
		}
		all = append(all, rates[0]/rates[1])
	}
	low, median, high := spread(all)
	return fmt.Sprintf("%.2f (%.2f to %.2f)", median, low, high), nil
}

func cookieLine(others int) string {
	return strings.Repeat("c=0123456789; ", others) + "authorization=" + mint("abc123", 1700000000)
}

func (g *growth) requests(ctx context.Context) error {
	proxy, err := g.start(ctx, []string{g.plugin("ptlauth", anyone)}, []string{router("bare"), router("ptlauth", "ptlauth")})
	if err != nil {
		return err
	}
	defer proxy.Stop()
	var usual, unusual []string
	for _, name := range []string{
		"Content-Language", "Content-Type", "Dnt", "If-Match", "If-Modified-Since", "If-None-Match", "If-Range", "If-Unmodified-Since",
		"Origin", "Pragma", "Priority", "Range", "Sec-Ch-Ua-Arch", "Sec-Ch-Ua-Bitness", "Sec-Ch-Ua-Model", "Sec-Ch-Ua-Platform-Version",
		"Sec-Fetch-User", "Sec-Gpc", "Sec-Purpose", "Upgrade-Insecure-Requests", "X-Csrf-Token", "X-Requested-With",
	} {
		usual = append(usual, name+": 1")
		unusual = append(unusual, "X-App-"+name+": 1")
	}
	for _, one := range []struct {
		what, size, cookie string
		extra              []string
	}{
		{"cookies", "1", cookieLine(0), nil},
		{"", "20", cookieLine(19), nil},
		{"", "100", cookieLine(99), nil},
		{"headers", "18", cookieLine(2), nil},
		{"", "40, of which a browser sends all", cookieLine(2), usual},
		{"", "40, of which no browser sends 22", cookieLine(2), unusual},
	} {
		ours := &contender{name: "ptlauth", router: "ptlauth", status: http.StatusOK, cookie: one.cookie, extra: one.extra}
		bare := &contender{name: "bare", router: "bare", status: http.StatusOK, cookie: one.cookie, extra: one.extra}
		ratio, err := g.compare(ctx, [2]*traefik.Traefik{proxy, proxy}, [2]*contender{ours, bare})
		if err != nil {
			return err
		}
		g.note(one.what, one.size, "requests/s against no middleware", ratio)
	}
	return nil
}

func (g *growth) routers(ctx context.Context) error {
	for i, n := range []int{1, 100, 1000} {
		if err := g.manyRouters(ctx, n, []string{"routers", "", ""}[i]); err != nil {
			return err
		}
	}
	return nil
}

func (g *growth) manyRouters(ctx context.Context, n int, what string) error {
	texts := g.manyTexts(n)
	var proxies []*traefik.Traefik
	for _, text := range texts {
		proxy, err := traefik.Start(ctx, traefik.Options{Dynamic: text, Static: "{log: {level: ERROR}, accessLog: null}", Progress: os.Stderr, Debug: true})
		if err != nil {
			return err
		}
		defer proxy.Stop()
		proxies = append(proxies, proxy)
	}
	c := &contender{name: "router", router: "r0", status: http.StatusOK, cookie: cookieLine(2)}
	ratio, err := g.compare(ctx, [2]*traefik.Traefik{proxies[1], proxies[0]}, [2]*contender{c, c})
	if err != nil {
		return err
	}
	g.note(what, fmt.Sprint(n), "requests/s against no middleware", ratio)
	if err := g.reloadTimes(ctx, proxies, texts); err != nil {
		return err
	}
	if n < 1000 {
		return nil
	}
	return g.reloadHeaps(ctx, proxies[1], texts[1])
}

// manyTexts are configurations of so many routers: bare, with one middleware for all, and with one for each.
func (g *growth) manyTexts(n int) []string {
	var bare, shared, own, middlewares []string
	for i := range n {
		bare = append(bare, router(fmt.Sprintf("r%d", i)))
		shared = append(shared, router(fmt.Sprintf("r%d", i), "ptlauth"))
		own = append(own, router(fmt.Sprintf("r%d", i), fmt.Sprintf("m%d", i)))
		middlewares = append(middlewares, g.plugin(fmt.Sprintf("m%d", i), anyone))
	}
	one := []string{g.plugin("ptlauth", anyone)}
	return []string{g.dynamic(nil, bare), g.dynamic(one, shared), g.dynamic(middlewares, own)}
}

// reloadTimes measures what a reload of each takes longer than that of the first.
func (g *growth) reloadTimes(ctx context.Context, proxies []*traefik.Traefik, texts []string) error {
	var more [2][]float64
	for range g.rounds {
		var took []float64
		for i, proxy := range proxies {
			began := time.Now()
			if err := proxy.Reload(ctx, texts[i]); err != nil {
				return err
			}
			took = append(took, time.Since(began).Seconds())
		}
		more[0], more[1] = append(more[0], took[1]-took[0]), append(more[1], took[2]-took[0])
	}
	for i, how := range []string{"one middleware for all", "a middleware for each"} {
		low, median, high := spread(more[i])
		g.note("", how, "seconds that a reload takes longer than with bare routers", fmt.Sprintf("%.2f (%.2f to %.2f)", median, low, high))
	}
	return nil
}

// reloadHeaps looks at what reloads leave behind.
func (g *growth) reloadHeaps(ctx context.Context, proxy *traefik.Traefik, text string) error {
	var heaps []string
	for done := 0; done < 50; {
		for range 10 {
			if err := proxy.Reload(ctx, text); err != nil {
				return err
			}
			done++
		}
		heap, routines, err := held(proxy)
		if err != nil {
			return err
		}
		heaps = append(heaps, fmt.Sprintf("%.0f/%d", heap, routines))
	}
	g.note("", "50 reloads", "MiB of heap and goroutines after each ten", strings.Join(heaps, ", "))
	return nil
}

func (g *growth) terminals(ctx context.Context) error {
	var middlewares, routers []string
	sizes := []int{1, 1000, 100_000}
	for _, n := range sizes {
		path := filepath.Join(g.dir, fmt.Sprintf("terminals-%d.json", n))
		if err := writeTerminals(path, n); err != nil {
			return err
		}
		name := fmt.Sprintf("t%d", n)
		middlewares = append(middlewares, g.plugin(name, fmt.Sprintf(", terminals: {file: %q}", path)))
		routers = append(routers, router(name, name))
	}
	proxy, err := g.start(ctx, middlewares, routers)
	if err != nil {
		return err
	}
	defer proxy.Stop()
	both := [2]*traefik.Traefik{proxy, proxy}
	for i, n := range sizes {
		c := contender{name: "terminals", router: fmt.Sprintf("t%d", n), status: http.StatusOK, cookie: cookieLine(2)}
		base := c
		base.router = "t1"
		remembered, err := g.compare(ctx, both, [2]*contender{&c, &base})
		if err != nil {
			return err
		}
		c.cookie, base.cookie = "", ""
		anew, err := g.compare(ctx, both, [2]*contender{&c, &base})
		if err != nil {
			return err
		}
		what := []string{"terminals", "", ""}[i]
		g.note(what, fmt.Sprint(n), "requests/s against one terminal: remembered; a new token each time", remembered+"; "+anew)
	}
	for _, n := range sizes[1:] {
		if err := g.changing(ctx, proxy, n); err != nil {
			return err
		}
	}
	return nil
}

// changing asks while the list is written anew once a second.
func (g *growth) changing(ctx context.Context, proxy *traefik.Traefik, n int) error {
	c := &contender{name: "changing", router: fmt.Sprintf("t%d", n), status: http.StatusOK, cookie: cookieLine(2)}
	path := filepath.Join(g.dir, fmt.Sprintf("terminals-%d.json", n))
	var rates, tails []float64
	for i := range g.rounds {
		// The last list has been read by then.
		if _, err := ask(ctx, g.load(proxy, 4*time.Second), c); err != nil {
			return err
		}
		still, err := ask(ctx, g.load(proxy, 2*g.length), c)
		if err != nil {
			return err
		}
		stop, ended := make(chan struct{}), make(chan error, 1)
		go func() {
			for j := 0; ; j++ {
				select {
				case <-stop:
					ended <- nil
					return
				case <-time.After(time.Second):
				}
				if err := writeTerminals(path, n+i*100+j); err != nil {
					ended <- err
					return
				}
			}
		}()
		moving, err := ask(ctx, g.load(proxy, 2*g.length), c)
		close(stop)
		if err = errors.Join(err, <-ended); err != nil {
			return err
		}
		rates, tails = append(rates, moving.rate/still.rate), append(tails, moving.p99/still.p99)
	}
	low, median, high := spread(rates)
	_, tail, _ := spread(tails)
	g.note("", fmt.Sprintf("%d, another list each second", n), "requests/s and p99 against a list that stays", fmt.Sprintf("%.2f (%.2f to %.2f); × %.1f", median, low, high, tail))
	return nil
}

func writeTerminals(path string, n int) error {
	file, err := os.CreateTemp(filepath.Dir(path), "list-")
	if err != nil {
		return err
	}
	w := bufio.NewWriter(file)
	_, _ = w.WriteString(`[{"id":"abc123","name":"phone","icon":"smartphone","last_connection":null}`)
	for i := 1; i < n; i++ {
		_, _ = fmt.Fprintf(w, `,{"id":"t%d","name":"terminal %[1]d","icon":"smartphone","last_connection":null}`, i)
	}
	_, _ = w.WriteString("]")
	if err := errors.Join(w.Flush(), file.Close()); err != nil {
		return err
	}
	return os.Rename(file.Name(), path)
}

func (g *growth) tokens(ctx context.Context) error {
	const long = ", refresh: 1h"
	proxy, err := g.start(ctx, []string{g.plugin("one", long), g.plugin("many", long)}, []string{router("one", "one"), router("many", "many")})
	if err != nil {
		return err
	}
	defer proxy.Stop()
	one := &contender{name: "one", router: "one", status: http.StatusOK, cookie: cookieLine(2)}
	many := &contender{name: "many", router: "many", status: http.StatusOK}
	both := [2]*traefik.Traefik{proxy, proxy}
	for i, n := range []int{100, 1000, 100_000} {
		if err := writeTokens(g.dir, n); err != nil {
			return err
		}
		ratio, err := g.compare(ctx, both, [2]*contender{many, one})
		if err != nil {
			return err
		}
		g.note([]string{"tokens in use", "", ""}[i], fmt.Sprint(n), "requests/s against one token", ratio)
	}

	if err := writeTokens(g.dir, g.distinct); err != nil {
		return err
	}
	// As many requests with one token, so that all that a busy Traefik keeps is there before.
	if _, err := ask(ctx, g.load(proxy, 10*g.length), one); err != nil {
		return err
	}
	before, _, err := held(proxy)
	if err != nil {
		return err
	}
	run, err := ask(ctx, g.load(proxy, 5*g.length), many)
	if err != nil {
		return err
	}
	// Long enough for each to be sent once.
	run, err = ask(ctx, g.load(proxy, time.Duration(float64(g.distinct)/run.rate*1.1)*time.Second), many)
	if err != nil {
		return err
	}
	after, _, err := held(proxy)
	if err != nil {
		return err
	}
	g.note("", fmt.Sprintf("%.0f requests with %d tokens", run.count, g.distinct), "MiB of heap more than with one", fmt.Sprintf("%.1f", after-before))
	return writeTokens(g.dir, usualTokens)
}

// sockets compares idle WebSockets through ptlauth and past it.
func (g *growth) sockets(ctx context.Context) error {
	const n, idle = 2000, 20 * time.Second
	var cpus, memory [2]float64
	for i, middlewares := range [][]string{{"ptlauth"}, nil} {
		proxy, err := g.start(ctx, []string{g.plugin("ptlauth", anyone)}, []string{router("app", middlewares...)})
		if err != nil {
			return err
		}
		defer proxy.Stop()
		before := resident(proxy.PID())
		for range n {
			conn, response, err := websocket.Dial(ctx, proxy.URL("web")+"/socket", &websocket.DialOptions{
				Host: "app", HTTPHeader: http.Header{"Cookie": {cookieLine(2)}},
			})
			if err != nil {
				return fmt.Errorf("a WebSocket: %w (%v)", err, response)
			}
			defer func() { _ = conn.CloseNow() }()
		}
		used := cpu(proxy.PID())
		time.Sleep(idle)
		cpus[i] = 100 * (cpu(proxy.PID()) - used) / idle.Seconds()
		memory[i] = (resident(proxy.PID()) - before) * 1024 / n
	}
	g.note("idle WebSockets", fmt.Sprint(n), "percent of a core; past ptlauth", fmt.Sprintf("%.1f; %.1f", cpus[0], cpus[1]))
	g.note("", "", "KiB of Traefik's memory for each; past ptlauth", fmt.Sprintf("%.0f; %.0f", memory[0], memory[1]))
	return nil
}

var (
	heapAlloc = regexp.MustCompile(`# HeapAlloc = (\d+)`)
	routines  = regexp.MustCompile(`goroutine profile: total (\d+)`)
)

// held is what is left of a Traefik's heap when its garbage is collected, in MiB, and how many goroutines it has.
func held(proxy *traefik.Traefik) (float64, int, error) {
	// What a reload has replaced may still be in use; and what has a finalizer takes two rounds.
	time.Sleep(1500 * time.Millisecond)
	var text string
	for _, profile := range []string{"heap?gc=1&debug=1", "heap?gc=1&debug=1", "goroutine?debug=1"} {
		response, err := http.Get(proxy.URL("traefik") + "/debug/pprof/" + profile)
		if err != nil {
			return 0, 0, err
		}
		content, err := io.ReadAll(response.Body)
		_ = response.Body.Close()
		if err != nil {
			return 0, 0, err
		}
		text = string(content) + text
	}
	// The newest comes first.
	return number(heapAlloc.FindStringSubmatch(text)) / (1 << 20), int(number(routines.FindStringSubmatch(text))), nil
}

// echo is the app: five bytes, or a WebSocket that stays open.
func echo(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Upgrade") == "" {
		_, _ = w.Write([]byte("hello"))
		return
	}
	conn, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	defer func() { _ = conn.CloseNow() }()
	_, _, _ = conn.Read(r.Context())
}

// table is the rows as they stand in docs/bench.md.
func (g *growth) table() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d interleaved rounds of %s at 16 connections; medians, in brackets the quartiles.\n\n| | | | |\n|---|---|---|---|\n", g.rounds, g.length)
	for _, r := range g.rows {
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", r.what, r.size, r.against, r.result)
	}
	return b.String()
}

// prepare gets ready what all steps need.
func (g *growth) prepare() error {
	wrk, err := exec.LookPath("wrk")
	if err != nil {
		return errNoWrk
	}
	if err := os.WriteFile(filepath.Join(g.dir, "secret"), []byte(secret), 0o600); err != nil {
		return err
	}
	if err := writeTokens(g.dir, usualTokens); err != nil {
		return err
	}
	g.wrk = wrk
	g.app, err = serve(http.HandlerFunc(echo))
	return err
}
