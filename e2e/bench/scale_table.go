package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

const (
	beginScale = "<!-- go run ./bench -only scale writes from here -->\n"
	endScale   = "<!-- the scale to here -->\n"
	// longest is the size of a list that is still read, in bytes, and most how many devices it has (internal/source,
	// internal/terminal).
	longest, most = 32 << 20, 500_000
	million       = 1_000_000
)

// measureScale measures what docs/scale.md says, and writes it there.
func measureScale(ctx context.Context, dir string, out string) error {
	s := &scale{dir: dir, devices: []int{1000, 10_000, 100_000}, routers: []int{1, 100, 1000}, requests: 2000, rounds: 3, settles: 500 * time.Millisecond, throttle: 2 * time.Second}
	if err := s.measure(ctx); err != nil {
		return err
	}
	fmt.Print(s.text.String())
	if out == "" {
		return nil
	}
	return replaceBetween(filepath.Join(out, "scale.md"), beginScale, endScale, s.text.String())
}

func (s *scale) measure(ctx context.Context) error {
	if err := os.WriteFile(s.path("secret"), []byte(secret), 0o600); err != nil {
		return err
	}
	var err error
	if s.app, err = serve(http.HandlerFunc(echo)); err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	if s.redis, err = startRedis(ctx, s.dir); err != nil {
		return err
	}
	fmt.Fprintf(&s.text, "Medians of %d changes, reloads and rounds each, but for the longest list in `terminals.paired`, of one. CPU time is Traefik's, as a multiple of what the same Traefik takes without ptlauth; seconds are those of one machine, at `refresh: %s` and a `providersThrottleDuration` of %s, as it is by itself.\n", s.rounds, refreshed, s.throttle)
	for _, part := range []func(context.Context) error{s.tableDevices, s.tableRouters, s.tableRequests, s.tableTraefik} {
		if err := part(ctx); err != nil {
			return err
		}
	}
	return nil
}

// tableDevices writes what a device costs, and what follows for a million.
func (s *scale) tableDevices(ctx context.Context) error {
	fmt.Fprintf(&s.text, "\n## A device\n\n| devices | where the list is | bytes of heap for each | CPU time of a change, × a reload of the same list by Traefik and a plugin that does nothing | CPU time for each device, × that with %s | seconds to the refusal: median, worst |\n|---|---|---|---|---|---|\n", counted(s.devices[0]))
	places := s.places()
	costs := make([][]*listCost, len(s.devices)) // by size and place; nil: it is too long for that place
	for i, n := range s.devices {
		costs[i] = make([]*listCost, len(places))
		for j, p := range places {
			if p.most > 0 && n > p.most || s.sample && p.plugin == "noop" && p.most > 0 {
				continue
			}
			rounds := s.rounds
			if p.plugin == "ptlauth" && p.remove == nil && n >= 100_000 {
				rounds = 1 // which takes as long as all others
			}
			c, err := s.measureList(ctx, p, n, rounds)
			if err != nil {
				return fmt.Errorf("%d devices, %s: %w", n, p.name, err)
			}
			costs[i][j] = c
			heap, growing, refusal := "", "1.0", "-"
			if i > 0 {
				heap = fmt.Sprintf("%.0f", s.eachDevice(costs, i, j))
				growing = fmt.Sprintf("%.1f", mid(c.worked)/mid(costs[0][j].worked)*float64(s.devices[0])/float64(n))
			}
			if len(c.refusals) > 0 {
				refusal = fmt.Sprintf("%.1f, %.1f", mid(c.refusals), slices.Max(c.refusals))
			}
			against := "-"
			if costs[i][0] != nil {
				against = fmt.Sprintf("%.2f", mid(c.worked)/mid(costs[i][0].worked))
			}
			fmt.Fprintf(&s.text, "| %s | %s | %s | %s | %s | %s |\n", counted(n), p.name, heap, against, growing, refusal)
		}
	}
	return s.extrapolate(places, costs)
}

// eachDevice is the heap for each device in bytes: what a list takes more than the shortest one.
func (s *scale) eachDevice(costs [][]*listCost, i, j int) float64 {
	return (costs[i][j].heap - costs[0][j].heap) * (1 << 20) / float64(s.devices[i]-s.devices[0])
}

// extrapolate says what follows for a million devices, where the list is ptlauth's.
func (s *scale) extrapolate(places []place, costs [][]*listCost) error {
	n := s.devices[len(s.devices)-1]
	if err := layFile(s, n, 0); err != nil {
		return err
	}
	info, err := os.Stat(s.path("list.json"))
	if err != nil {
		return err
	}
	each := float64(info.Size()) / float64(n)
	fmt.Fprintf(&s.text, "\nWhat follows for a million devices, extrapolated, each in proportion to its longest list above:\n\n| where the list is | MiB of heap | CPU time of a change, × that of Traefik's own reload of %s |\n|---|---|---|\n", counted(n))
	for j, p := range places {
		i := len(costs) - 1
		for i > 0 && costs[i][j] == nil {
			i--
		}
		if i == 0 || p.plugin == "noop" || p.most > 0 { // What grows with the square is in no proportion.
			continue
		}
		name := p.name
		if strings.Contains(name, "file`") {
			name += fmt.Sprintf(", in as many as it takes: one is read up to %d MiB and %s devices, which is %s of %.0f bytes", longest>>20, counted(most), counted(min(most, int(longest/each))), each)
		}
		fmt.Fprintf(&s.text, "| %s | %.0f | %.0f |\n", name, s.eachDevice(costs, i, j)*million/(1<<20), mid(costs[i][j].worked)*million/float64(s.devices[i])/mid(costs[len(costs)-1][0].worked))
	}
	return nil
}

// tableRouters writes what a router costs.
func (s *scale) tableRouters(ctx context.Context) error {
	const devices = 100
	fmt.Fprintf(&s.text, "\n## A router\n\nLists of %d devices; a reload in which another router comes.\n\n| routers | what they use | KiB of heap for each, more than without | CPU time of a reload, × that without |\n|---|---|---|---|\n", devices)
	for _, n := range s.routers {
		var bare *routerCost
		for kind := range routerKinds {
			if s.sample && kind > 0 && kind < len(routerKinds)-1 {
				continue
			}
			c, err := s.measureRouters(ctx, kind, n, devices)
			if err != nil {
				return fmt.Errorf("%d routers, %s: %w", n, routerKinds[kind].name, err)
			}
			heap := "-"
			if bare == nil {
				bare = c
			} else if n > 1 {
				heap = fmt.Sprintf("%.1f", (c.heap-bare.heap)*1024/float64(n))
			}
			fmt.Fprintf(&s.text, "| %s | %s | %s | %.1f |\n", counted(n), routerKinds[kind].name, heap, mid(c.worked)/mid(bare.worked))
		}
	}
	return nil
}

// tableRequests writes what a request costs, and a look.
func (s *scale) tableRequests(ctx context.Context) error {
	fmt.Fprintf(&s.text, "\n## A request\n\nOne at a time, over one connection; CPU time, × a request without a middleware. Tokens that were never seen are of one device after the other.\n\n| devices | remembered token | a token that was never seen |\n|---|---|---|\n")
	var bare float64
	for _, n := range []int{s.devices[0], s.devices[len(s.devices)-1]} {
		c, err := s.measureRequests(ctx, n)
		if err != nil {
			return err
		}
		bare = mid(c.bare)
		fmt.Fprintf(&s.text, "| %s | %.1f | %.1f |\n", counted(n), mid(c.remembered)/bare, mid(c.fresh)/bare)
	}
	look, err := s.measureLooks(ctx, min(200, s.routers[len(s.routers)-1]))
	if err != nil {
		return err
	}
	fmt.Fprintf(&s.text, "\nA middleware that was asked in the last half minute, or made, looks at its list once in `refresh`, by itself. Where nothing has changed, that takes as much CPU time as %.1f requests without a middleware.\n", look/bare)
	return nil
}

// tableTraefik writes what each Traefik costs that has the plugin, with nothing behind it.
func (s *scale) tableTraefik(ctx context.Context) error {
	without, with, err := s.measureTraefik(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(&s.text, "\n## A Traefik\n\n| | heap, MiB | memory, MiB | CPU time of a start, × that without plugins |\n|---|---|---|---|\n")
	for i, c := range []*traefikCost{without, with} {
		fmt.Fprintf(&s.text, "| %s | %.0f | %.0f | %.1f |\n", []string{"without plugins", "with ptlauth, and no router"}[i], mid(c.heap), mid(c.resident), mid(c.worked)/mid(without.worked))
	}
	return nil
}

func mid(values []float64) float64 { return quantile(values, 0.5) }

// counted is a number with its thousands apart.
func counted(n int) string {
	text := fmt.Sprint(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}
