package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"math/rand/v2"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/getportal/ptlauth/e2e/traefik"
)

// listCost is what a list of so many devices in one place came to.
type listCost struct {
	heap     float64   // MiB
	worked   []float64 // seconds of CPU time for each change
	refusals []float64 // seconds from a change to the refusal
}

// measureList measures changes of a list.
func (s *scale) measureList(ctx context.Context, p place, n, rounds int) (*listCost, error) {
	if p.lay != nil {
		if err := p.lay(s, n); err != nil {
			return nil, err
		}
	}
	t, err := s.start(ctx, p.static)
	if err != nil {
		return nil, err
	}
	defer t.Stop()
	if _, err := t.put(p.text(s, n, 0)); err != nil {
		return nil, err
	}
	if err := t.applied(ctx); err != nil {
		return nil, err
	}
	if err := t.awaits(ctx, "app", device(n), http.StatusOK); err != nil {
		return nil, err
	}
	if err := t.quiet(ctx); err != nil {
		return nil, err
	}
	c := &listCost{}
	if c.heap, err = t.heap(); err != nil {
		return nil, err
	}
	for i := range rounds {
		time.Sleep(rand.N(refreshed)) // or each change would come as long after a look
		if err := c.note(ctx, t, s.removal(t, p, n, 1+i*(n-1)/rounds)); err != nil {
			return nil, err
		}
	}
	log.Printf("%d devices, %s: %.1f MiB, CPU %.3f, refusals %.2f", n, p.name, c.heap, c.worked, c.refusals)
	return c, nil
}

// removal is a change that takes a device out of a list.
type removal struct {
	do   func() (written time.Time, err error)
	gone string // whom it leaves out; empty: nobody would refuse that device
}

func (s *scale) removal(t *subject, p place, n, gone int) removal {
	r := removal{do: func() (time.Time, error) { return t.put(p.text(s, n, gone)) }, gone: device(gone)}
	if p.remove != nil {
		r.do = func() (time.Time, error) {
			err := p.remove(s, n, gone)
			return time.Now(), err
		}
	}
	if p.plugin == "noop" {
		r.gone = ""
	}
	return r
}

// note takes a device out, and notes what that takes.
func (c *listCost) note(ctx context.Context, t *subject, r removal) error {
	used := t.worked()
	began, err := r.do()
	if err != nil {
		return err
	}
	if r.gone == "" {
		err = t.applied(ctx)
	} else {
		err = t.awaits(ctx, "app", r.gone, http.StatusUnauthorized)
		c.refusals = append(c.refusals, time.Since(began).Seconds())
	}
	if err != nil {
		return err
	}
	if err := t.quiet(ctx); err != nil {
		return err
	}
	c.worked = append(c.worked, t.worked()-used)
	return nil
}

// routerKinds are what routers use. Lists are looked at once in a minute there: what a look takes is measured alone.
var routerKinds = []struct {
	name string
	// use is a middleware for each of so many routers, or one for all of them.
	use func(s *scale, i int) (name, text string)
}{
	{"no middleware", func(*scale, int) (string, string) { return "", "" }},
	{"a plugin that does nothing, one for all", func(*scale, int) (string, string) { return "noop", noopMiddleware }},
	{"ptlauth, one for all", func(s *scale, _ int) (string, string) { return "auth", s.listed("auth", "list.json", time.Minute) }},
	{"ptlauth, one for each, and the same list", func(s *scale, i int) (string, string) {
		name := fmt.Sprintf("m%d", i)
		return name, s.listed(name, "list.json", time.Minute)
	}},
	{"ptlauth, one for each, and a list for each", func(s *scale, i int) (string, string) {
		name := fmt.Sprintf("m%d", i)
		return name, s.listed(name, "list-"+name+".json", time.Minute)
	}},
}

// routerCost is what so many routers of one kind came to.
type routerCost struct {
	heap   float64   // MiB
	worked []float64 // seconds of CPU time for each reload
}

// routersText is the configuration of so many routers of a kind, whose lists are there.
func (s *scale) routersText(kind, n, devices int) (string, error) {
	var middlewares, routers []string
	seen := map[string]bool{}
	for i := range n {
		name, text := routerKinds[kind].use(s, i)
		if !seen[name] && name != "" {
			middlewares = append(middlewares, text)
		}
		if err := layFile(s, devices, 0); err != nil {
			return "", err
		}
		if strings.Contains(text, "list-"+name) {
			if err := os.Rename(s.path("list.json"), s.path("list-"+name+".json")); err != nil {
				return "", err
			}
		}
		seen[name] = true
		routers = append(routers, router(fmt.Sprintf("r%d", i), name))
	}
	return (&growth{app: s.app}).dynamic(middlewares, routers), nil
}

// measureRouters measures reloads in which nothing changes but another router.
func (s *scale) measureRouters(ctx context.Context, kind, n, devices int) (*routerCost, error) {
	text, err := s.routersText(kind, n, devices)
	if err != nil {
		return nil, err
	}
	t, err := s.start(ctx, "")
	if err != nil {
		return nil, err
	}
	defer t.Stop()
	c := &routerCost{}
	for i := range s.rounds + 1 {
		used := t.worked()
		if _, err := t.put(text); err != nil {
			return nil, err
		}
		if err := t.applied(ctx); err != nil {
			return nil, err
		}
		if err := t.quiet(ctx); err != nil {
			return nil, err
		}
		if i > 0 { // The first makes what there was not.
			c.worked = append(c.worked, t.worked()-used)
		}
	}
	if kind > 1 {
		last := fmt.Sprintf("r%d", n-1)
		if err := errors.Join(t.awaits(ctx, last, device(devices), http.StatusOK), t.awaits(ctx, last, "stranger", http.StatusUnauthorized)); err != nil {
			return nil, err
		}
	}
	c.heap, err = t.heap()
	log.Printf("%d routers, %s: %.1f MiB, CPU %.3f", n, routerKinds[kind].name, c.heap, c.worked)
	return c, err
}

// measureLooks is the CPU time, in seconds, of one middleware's look at its list, which has not changed.
func (s *scale) measureLooks(ctx context.Context, middlewares int) (float64, error) {
	const every = 100 * time.Millisecond
	watched := 8 * s.settles
	text, err := s.routersText(3, middlewares, 1000)
	if err != nil {
		return 0, err
	}
	t, err := s.start(ctx, "")
	if err != nil {
		return 0, err
	}
	defer t.Stop()
	var worked [2]float64
	for i, refresh := range []time.Duration{time.Minute, every} {
		if _, err := t.put(strings.ReplaceAll(text, "refresh: "+time.Minute.String(), "refresh: "+refresh.String())); err != nil {
			return 0, err
		}
		if err := t.applied(ctx); err != nil {
			return 0, err
		}
		time.Sleep(2 * s.settles) // until all that was made is made
		used := t.worked()
		time.Sleep(watched)
		worked[i] = t.worked() - used
	}
	look := (worked[1] - worked[0]) / float64(middlewares) / (watched.Seconds() / every.Seconds())
	log.Printf("a look takes %.6f", look)
	return look, nil
}

// requestCost is what a request costs, by how many devices there are: seconds of CPU time.
type requestCost struct{ bare, remembered, fresh []float64 }

func (s *scale) measureRequests(ctx context.Context, devices int) (*requestCost, error) {
	if err := layFile(s, devices, 0); err != nil {
		return nil, err
	}
	t, err := s.start(ctx, "")
	if err != nil {
		return nil, err
	}
	defer t.Stop()
	if _, err := t.put(s.around([]string{s.listed("auth", "list.json", refreshed)}, "auth")); err != nil {
		return nil, err
	}
	if err := t.awaits(ctx, "app", device(devices), http.StatusOK); err != nil {
		return nil, err
	}
	if err := t.quiet(ctx); err != nil {
		return nil, err
	}
	c, made := &requestCost{}, int64(1700000001)
	for range s.rounds {
		for _, one := range []struct {
			host string
			step int64
			into *[]float64
		}{{"bare", 0, &c.bare}, {"app", 0, &c.remembered}, {"app", 1, &c.fresh}} {
			used := t.worked()
			for i := range s.requests {
				made += one.step
				got, err := t.ask(ctx, one.host, device(1+i*int(one.step)%devices), made)
				if err != nil || got != http.StatusOK {
					return nil, fmt.Errorf("%s: got %d, %w", one.host, got, err)
				}
			}
			*one.into = append(*one.into, (t.worked()-used)/float64(s.requests))
		}
	}
	log.Printf("%d devices: requests %v", devices, *c)
	return c, nil
}

// traefikCost is what a Traefik takes that has no router.
type traefikCost struct {
	heap, resident, worked []float64 // MiB, MiB, and seconds of CPU time for the start
}

// measureTraefik starts a Traefik without plugins and one with ptlauth, and nothing else.
func (s *scale) measureTraefik(ctx context.Context) (without, with *traefikCost, err error) {
	without, with = &traefikCost{}, &traefikCost{}
	for range s.rounds {
		for i, c := range []*traefikCost{without, with} {
			experimental := []string{"experimental: null\n", ""}[i]
			proxy, err := traefik.Start(ctx, traefik.Options{Static: "log: {level: ERROR}\naccessLog: null\n" + experimental, Progress: os.Stderr, Debug: true})
			if err != nil {
				return nil, nil, err
			}
			t := &subject{Traefik: proxy, settles: s.settles}
			err = t.quiet(ctx)
			worked := t.worked()
			heap, failed := t.heap()
			c.heap, c.resident, c.worked = append(c.heap, heap), append(c.resident, resident(proxy.PID())), append(c.worked, worked)
			proxy.Stop()
			if err := errors.Join(err, failed); err != nil {
				return nil, nil, err
			}
		}
	}
	log.Printf("Traefik: without %v, with %v", *without, *with)
	return without, with, nil
}
