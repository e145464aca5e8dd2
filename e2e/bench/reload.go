package main

import (
	"context"
	"fmt"
	"log"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/getportal/ptlauth/e2e/traefik"
)

// reload is what a change of Traefik's configuration takes that has nothing to do with what stands in front of the app.
type reload struct {
	rounds int
	app    string
	asked  atomic.Int64 // how often the server of the list was asked
	ways   []*way
}

// way is a Traefik of its own, with as many routers as the others and at most one middleware, which all of them share.
type way struct {
	name, middleware, configuration string

	proxy *traefik.Traefik
	text  string
	took  []float64 // seconds
	cpu   []float64 // seconds of CPU time
	asked []float64 // requests for the list
}

const (
	reloadRouters = 1000
	// reloadQuiet is how long the processor and the list's server are watched after a reload.
	reloadQuiet = 500 * time.Millisecond
)

// measureReload measures what reloads take.
func measureReload(ctx context.Context, dir string, rounds int, out string) error {
	r, err := newReload(dir, rounds)
	if err != nil {
		return err
	}
	defer r.stop()
	for _, w := range r.ways {
		if err := r.start(ctx, w); err != nil {
			return err
		}
	}
	for i := range rounds + 1 {
		for _, j := range rand.Perm(len(r.ways)) {
			if err := r.once(ctx, r.ways[j], i > 0); err != nil {
				return fmt.Errorf("%s: %w", r.ways[j].name, err)
			}
		}
		log.Printf("reload, round %d of %d", i, rounds)
	}
	return publish(out, beginReload, endReload, r.table())
}

func newReload(dir string, rounds int) (*reload, error) {
	if err := os.WriteFile(filepath.Join(dir, "secret"), []byte(secret), 0o600); err != nil {
		return nil, err
	}
	r := &reload{rounds: rounds}
	app, err := serve(http.HandlerFunc(echo))
	if err != nil {
		return nil, err
	}
	list, err := serve(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		r.asked.Add(1)
		_, _ = w.Write([]byte(`[{"id":"abc123","name":"phone"}]`))
	}))
	if err != nil {
		return nil, err
	}
	g := &growth{dir: dir, app: app}
	r.app = app
	// The list is asked for again as soon as can be, so that each look that a reload takes shows; nothing else asks for
	// it while there are no requests.
	r.ways = []*way{
		{name: names["bare"]},
		{name: names["noop"], middleware: "noop", configuration: noopMiddleware},
		{name: "ptlauth, `terminals: any`", middleware: "ptlauth", configuration: g.plugin("ptlauth", anyone)},
		{name: "ptlauth, `terminals.url`", middleware: "ptlauth", configuration: g.plugin("ptlauth", fmt.Sprintf(", refresh: 100ms, terminals: {url: %q}", list))},
	}
	return r, nil
}

func (r *reload) start(ctx context.Context, w *way) error {
	g := &growth{app: r.app}
	var routers, middlewares []string
	for i := range reloadRouters {
		if w.middleware == "" {
			routers = append(routers, router(fmt.Sprintf("r%d", i)))
		} else {
			routers = append(routers, router(fmt.Sprintf("r%d", i), w.middleware))
		}
	}
	if w.configuration != "" {
		middlewares = append(middlewares, w.configuration)
	}
	w.text = g.dynamic(middlewares, routers)
	proxy, err := traefik.Start(ctx, traefik.Options{
		Dynamic: w.text, Static: "{log: {level: ERROR}, accessLog: null}", Progress: os.Stderr, Plugins: map[string]string{"example.com/noop": plugin("noop")},
	})
	w.proxy = proxy
	return err
}

func (r *reload) stop() {
	for _, w := range r.ways {
		if w.proxy != nil {
			w.proxy.Stop()
		}
	}
}

// once has a Traefik reload. The text stays as it is: what is new is the router by which Reload knows that it is applied,
// so that Traefik applies one configuration and not, now and then, two.
func (r *reload) once(ctx context.Context, w *way, counts bool) error {
	asked, used, began := r.asked.Load(), cpu(w.proxy.PID()), time.Now()
	if err := w.proxy.Reload(ctx, w.text); err != nil {
		return err
	}
	took := time.Since(began).Seconds()
	time.Sleep(reloadQuiet)
	if counts {
		w.took = append(w.took, took)
		w.cpu = append(w.cpu, cpu(w.proxy.PID())-used)
		w.asked = append(w.asked, float64(r.asked.Load()-asked))
	}
	return nil
}

func (r *reload) table() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d routers, and a reload in which another one comes; %d interleaved rounds, each in another order; medians, in brackets the quartiles.\n\n| | seconds | seconds more than with no middleware | seconds of CPU time more | times that the list was asked for |\n|---|---|---|---|---|\n", reloadRouters, r.rounds)
	bare := r.ways[0]
	for _, w := range r.ways {
		asked := "-"
		if strings.Contains(w.configuration, "url:") {
			asked = fmt.Sprintf("%.0f to %.0f", slices.Min(w.asked), slices.Max(w.asked))
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", w.name, spreadText(w.took), spreadText(differences(w.took, bare.took)), spreadText(differences(w.cpu, bare.cpu)), asked)
	}
	return b.String()
}

func differences(values, base []float64) []float64 {
	var all []float64
	for i, value := range values {
		all = append(all, value-base[i])
	}
	return all
}
