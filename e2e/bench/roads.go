package main

import (
	"context"
	"fmt"
	"log"
	"math/rand/v2"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/getportal/ptlauth/e2e/traefik"
)

// road is another way for requests to come and go than HTTP/1.1 in and Traefik's default proxy out.
type road struct {
	name   string
	static string // over Traefik's static configuration
	tool   string
	ask    func(context.Context, load, *contender) (run, error)

	all []*contender
}

// roadConnections is how many connections there are at once.
const roadConnections = 16

func roads() []*road {
	return []*road{
		{
			name:   "As browsers come: HTTPS and HTTP/2",
			static: "{log: {level: ERROR}, accessLog: null}", tool: "h2load", ask: askHTTP2,
		},
		{
			name:   "With Traefik's fast proxy (`experimental.fastProxy`)",
			static: "{log: {level: ERROR}, accessLog: null, experimental: {fastProxy: {}}}", tool: "wrk", ask: ask,
		},
	}
}

// travel measures on each road what ptlauth costs, and returns the tables.
func travel(ctx context.Context, dir, dynamic string, rounds int, length time.Duration) (string, error) {
	text := ""
	for _, r := range roads() {
		if err := r.measure(ctx, dir, dynamic, rounds, length); err != nil {
			return "", fmt.Errorf("%s: %w", r.name, err)
		}
		text += fmt.Sprintf("\n### %s\n\n%s", r.name, table(r.all, roadConnections))
	}
	return text, nil
}

func (r *road) measure(ctx context.Context, dir, dynamic string, rounds int, length time.Duration) error {
	tool, err := exec.LookPath(r.tool)
	if err != nil {
		return fmt.Errorf("%s is not installed (Debian: wrk, nghttp2-client)", r.tool)
	}
	proxy, err := traefik.Start(ctx, traefik.Options{
		Dynamic: dynamic, Static: r.static, Progress: os.Stderr,
		Plugins: map[string]string{"example.com/noop": plugin("noop"), "example.com/least": plugin("least")},
	})
	if err != nil {
		return err
	}
	defer proxy.Stop()
	for _, c := range contenders() {
		if c.router != "forward" && c.router != "slow" && c.router != "watched" && c.cookie != "" {
			r.all = append(r.all, c)
		}
	}
	l := load{tool: tool, dir: dir, proxy: proxy, connections: roadConnections, length: length}
	for i := range rounds {
		for _, j := range rand.Perm(len(r.all)) {
			c := r.all[j]
			one, err := r.ask(ctx, l, c)
			if err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
			c.runs[roadConnections] = append(c.runs[roadConnections], one)
		}
		log.Printf("%s, round %d of %d", r.name, i+1, rounds)
	}
	return nil
}

var (
	http2Rate     = regexp.MustCompile(`finished in [\d.]+\w+, ([\d.]+) req/s`)
	http2Statuses = regexp.MustCompile(`status codes: (\d+) 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx`)
)

// askHTTP2 asks over TLS, with four requests under way on each connection.
func askHTTP2(ctx context.Context, l load, c *contender) (run, error) {
	args := []string{"-t1", "-c" + strconv.Itoa(l.connections), "-m4", fmt.Sprintf("-D%.0f", max(1, l.length.Seconds())), "-H", ":authority: " + c.router}
	for _, line := range append(append([]string{}, browser...), "Cookie: "+c.cookie) {
		args = append(args, "-H", strings.ToLower(line[:strings.IndexByte(line, ':')])+line[strings.IndexByte(line, ':'):])
	}
	before := cpu(l.proxy.PID())
	output, err := exec.CommandContext(ctx, l.tool, append(args, l.proxy.URL("websecure")+"/api/rooms")...).CombinedOutput()
	if err != nil {
		return run{}, fmt.Errorf("%w: %s", err, output)
	}
	used := cpu(l.proxy.PID()) - before
	statuses := http2Statuses.FindStringSubmatch(string(output))
	if statuses == nil {
		return run{}, fmt.Errorf("it says %s", output)
	}
	good, refused := number(statuses[:2]), number([]string{"", statuses[3]})
	count := good + refused
	if want := map[bool]float64{true: good, false: refused}[c.status < 300]; count == 0 || want < count*0.99 {
		return run{}, fmt.Errorf("not every answer was %d: %s", c.status, statuses[0])
	}
	return run{rate: number(http2Rate.FindStringSubmatch(string(output))), count: count, cpu: used / count * 10_000}, nil
}

// table is a table of rates and CPU time, each against the first contender, which is bare Traefik.
func table(all []*contender, connections int) string {
	var b strings.Builder
	fmt.Fprint(&b, "| | requests/s against no middleware | Traefik's CPU time per request |\n|---|---|---|\n")
	for _, c := range all {
		low, median, high := spread(ratios(c, all[0], connections))
		fmt.Fprintf(&b, "| %s | %.2f (%.2f to %.2f) | × %.2f |\n", c.name, median, low, high,
			column(c.runs[connections], func(r run) float64 { return r.cpu })/column(all[0].runs[connections], func(r run) float64 { return r.cpu }))
	}
	return b.String()
}
