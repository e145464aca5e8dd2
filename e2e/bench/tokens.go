package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/getportal/ptlauth/e2e/traefik"
)

// fleet is many tokens in use at once, and requests that come at their own rate, whatever Traefik makes of them.
type fleet struct {
	rounds int
	length time.Duration
	all    []*contender
	proxy  *traefik.Traefik
	client *http.Client
	lines  []string // Cookie lines
	next   int
}

const (
	// fleetTokens are of fleetTerminals devices, four of each, as where one has several browsers and apps.
	fleetTokens    = 10_000
	fleetTerminals = 2_500
	fleetRate      = 500
	// fleetWarmup is asked, and not counted, before each measurement.
	fleetWarmup = 2 * time.Second
	// fleetMost is how many requests may be under way at once, beyond any that a working Traefik leaves waiting.
	fleetMost = 2000
)

// newFleet starts a Traefik with three ways for the same requests.
func newFleet(ctx context.Context, dir string, rounds int, length time.Duration) (*fleet, error) {
	if err := os.WriteFile(filepath.Join(dir, "secret"), []byte(secret), 0o600); err != nil {
		return nil, err
	}
	app, err := serve(http.HandlerFunc(echo))
	if err != nil {
		return nil, err
	}
	g := &growth{dir: dir, app: app}
	middlewares := []string{g.plugin("ptlauth", anyone), noopMiddleware}
	proxy, err := traefik.Start(ctx, traefik.Options{
		Dynamic:  g.dynamic(middlewares, []string{router("bare"), router("noop", "noop"), router("ptlauth", "ptlauth")}),
		Static:   "{log: {level: ERROR}, accessLog: null}",
		Progress: os.Stderr, Plugins: map[string]string{"example.com/noop": plugin("noop")},
	})
	if err != nil {
		return nil, err
	}
	f := &fleet{rounds: rounds, length: length, proxy: proxy, client: &http.Client{
		Timeout:   10 * time.Second,
		Transport: &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: fleetMost},
	}}
	for i := range fleetTokens {
		sub := fmt.Sprintf("t%05d", i%fleetTerminals)
		f.lines = append(f.lines, "theme=dark; authorization="+mint(sub, 1600000000+int64(i))+"; lang=de")
	}
	for _, name := range []string{"bare", "noop", "ptlauth"} {
		f.all = append(f.all, &contender{name: names[name], router: name, status: http.StatusOK, runs: map[int][]run{}})
	}
	return f, nil
}

const noopMiddleware = `noop: {plugin: {noop: {greeting: ""}}}`

// names are how the tables call what stands in front of the app.
var names = map[string]string{"bare": "no middleware", "noop": "a plugin that does nothing", "ptlauth": "ptlauth"}

// measureTokens measures what many tokens in use cost.
func measureTokens(ctx context.Context, dir string, rounds int, length time.Duration, out string) error {
	f, err := newFleet(ctx, dir, rounds, length)
	if err != nil {
		return err
	}
	defer f.proxy.Stop()
	for i := range rounds {
		for _, j := range rand.Perm(len(f.all)) {
			c := f.all[j]
			if _, err := f.ask(ctx, c, fleetWarmup); err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
			one, err := f.ask(ctx, c, length)
			if err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
			c.runs[fleetRate] = append(c.runs[fleetRate], one)
			log.Printf("tokens, round %d of %d: %s: p50 %.2f ms, p99 %.2f ms", i+1, rounds, c.name, one.p50, one.p99)
		}
	}
	return publish(out, beginTokens, endTokens, f.table())
}

// ask sends the tokens in turn at the fixed rate. A latency counts from when its request was due, so that one that
// waits for others, or for this process, is not left out.
func (f *fleet) ask(ctx context.Context, c *contender, length time.Duration) (run, error) {
	n := int(length.Seconds() * fleetRate)
	took, failed := make([]float64, n), make([]error, n)
	used, began := cpu(f.proxy.PID()), time.Now()
	slots := make(chan struct{}, fleetMost)
	var all sync.WaitGroup
	for i := range n {
		due := began.Add(time.Duration(i) * time.Second / fleetRate)
		time.Sleep(time.Until(due))
		slots <- struct{}{}
		line := f.lines[f.next%len(f.lines)]
		f.next++
		all.Go(func() {
			failed[i] = f.send(ctx, c, line)
			took[i] = float64(time.Since(due).Microseconds()) / 1000
			<-slots
		})
	}
	all.Wait()
	for _, err := range failed {
		if err != nil {
			return run{}, err
		}
	}
	rate := float64(n) / time.Since(began).Seconds()
	return run{
		rate: rate, count: float64(n), cpu: (cpu(f.proxy.PID()) - used) / float64(n) * 10_000,
		p50: quantile(took, 0.5), p99: quantile(took, 0.99),
	}, nil
}

func (f *fleet) send(ctx context.Context, c *contender, line string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, f.proxy.URL("web")+"/api/rooms", nil)
	if err != nil {
		return err
	}
	request.Host = c.router
	for _, header := range browser {
		name, value, _ := strings.Cut(header, ": ")
		request.Header[name] = []string{value}
	}
	request.Header.Set("Cookie", line)
	response, err := f.client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	_, err = io.Copy(io.Discard, response.Body)
	if response.StatusCode != c.status {
		return fmt.Errorf("the answer was %s", response.Status)
	}
	return err
}

// table is each contender against bare Traefik, round by round.
func (f *fleet) table() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d valid tokens of %d terminals in turn, %d requests/s whether or not there are answers; a latency counts from when its request was due. %d interleaved rounds of %s, each in another order; ratios are taken round by round; in brackets, their quartiles.\n\n| | p50 against no middleware | p99 against no middleware | Traefik's CPU time per request |\n|---|---|---|---|\n", fleetTokens, fleetTerminals, fleetRate, f.rounds, f.length)
	for _, c := range f.all {
		fmt.Fprintf(&b, "| %s | × %s | × %s | × %s |\n", c.name,
			f.against(c, func(r run) float64 { return r.p50 }),
			f.against(c, func(r run) float64 { return r.p99 }),
			f.against(c, func(r run) float64 { return r.cpu }))
	}
	return b.String()
}

func (f *fleet) against(c *contender, field func(run) float64) string {
	var all []float64
	for i, one := range c.runs[fleetRate] {
		all = append(all, field(one)/field(f.all[0].runs[fleetRate][i]))
	}
	return spreadText(all)
}

func spreadText(values []float64) string {
	low, median, high := spread(values)
	return fmt.Sprintf("%.2f (%.2f to %.2f)", median, low, high)
}
