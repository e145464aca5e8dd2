package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

const (
	begin       = "<!-- make bench writes from here -->\n"
	end         = "<!-- to here -->\n"
	beginGrowth = "<!-- make bench writes the growth from here -->\n"
	endGrowth   = "<!-- the growth to here -->\n"
	beginTokens = "<!-- make bench writes the tokens from here -->\n"
	endTokens   = "<!-- the tokens to here -->\n"
	beginReload = "<!-- make bench writes the reloads from here -->\n"
	endReload   = "<!-- the reloads to here -->\n"
)

// write makes the tables: each contender against the first one, which is bare Traefik.
func write(all []*contender, rounds int, length time.Duration, resident float64) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d interleaved rounds of %s at 16 connections, a third of them at 1 and 128, each in another order. Ratios are taken round by round; in brackets, their quartiles. Latencies and CPU time are those of this one machine and mean nothing elsewhere.\n", rounds, length)
	for _, connections := range []int{16, 1, 128} {
		fmt.Fprintf(&b, "\n### %s\n\n| | requests/s against no middleware | p50 | p99 | Traefik's CPU time per request |\n|---|---|---|---|---|\n", map[int]string{1: "1 connection", 16: "16 connections", 128: "128 connections"}[connections])
		base := all[0]
		for _, c := range all {
			low, median, high := spread(ratios(c, base, connections))
			runs, baseRuns := c.runs[connections], base.runs[connections]
			fmt.Fprintf(&b, "| %s | %.2f (%.2f to %.2f) | × %.2f | × %.2f | × %.2f |\n", c.name, median, low, high,
				column(runs, func(r run) float64 { return r.p50 })/column(baseRuns, func(r run) float64 { return r.p50 }),
				column(runs, func(r run) float64 { return r.p99 })/column(baseRuns, func(r run) float64 { return r.p99 }),
				column(runs, func(r run) float64 { return r.cpu })/column(baseRuns, func(r run) float64 { return r.cpu }))
		}
	}
	forward, ours := find(all, "ForwardAuth, native Go server"), find(all, "ptlauth, remembered")
	low, median, high := spread(ratios(ours, forward, 16))
	fmt.Fprintf(&b, "\nA remembered token against ForwardAuth with the native server, at 16 connections: **× %.2f** (%.2f to %.2f). Traefik's memory at the end: %.0f MiB.\n", median, low, high, resident)
	watched := find(all, "ForwardAuth, native, between")
	low, median, high = spread(ratios(watched, forward, 16))
	cpu := func(r run) float64 { return r.cpu }
	fmt.Fprintf(&b, "\nShadow mode, around that ForwardAuth, against it alone: **× %.2f** (%.2f to %.2f) of its requests/s, × %.2f of Traefik's CPU time.\n",
		median, low, high, column(watched.runs[16], cpu)/column(forward.runs[16], cpu))
	return b.String()
}

func find(all []*contender, prefix string) *contender {
	for _, c := range all {
		if strings.HasPrefix(c.name, prefix) {
			return c
		}
	}
	panic("no contender called " + prefix)
}

// chart draws requests/s at 16 connections as shares of bare Traefik's.
func chart(all []*contender) string {
	const row, left, width = 34, 290, 420
	var b strings.Builder
	height := row*len(all) + 40
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="system-ui, sans-serif" font-size="14" role="img" aria-label="Requests per second through Traefik, as a share of no middleware">
<style>text { fill: #222 } .bar { fill: #9ab } .ours { fill: #2a7 } @media (prefers-color-scheme: dark) { text { fill: #ddd } }</style>
<text x="10" y="22" font-weight="bold">Requests per second through Traefik, 16 connections, as a share of no middleware</text>
`, left+width+70, height)
	most := 1.0
	for _, c := range all {
		_, median, _ := spread(ratios(c, all[0], 16))
		most = max(most, median)
	}
	for i, c := range all {
		_, median, _ := spread(ratios(c, all[0], 16))
		length := median / most * width
		class := "bar"
		if strings.HasPrefix(c.name, "ptlauth") {
			class = "bar ours"
		}
		y := 40 + i*row
		fmt.Fprintf(&b, `<text x="%d" y="%d" text-anchor="end">%s</text><rect class="%s" x="%d" y="%d" width="%.0f" height="20" rx="3"/><text x="%.0f" y="%d">%.0f %%</text>
`, left-10, y+15, c.name, class, left, y, length, left+length+8, y+15, median*100)
	}
	b.WriteString("</svg>\n")
	return b.String()
}

// publish prints a table, and puts it between two marks of bench.md if there is a folder with one.
func publish(out, begin, end, text string) error {
	fmt.Print(text)
	if out == "" {
		return nil
	}
	return replaceBetween(filepath.Join(out, "bench.md"), begin, end, text)
}

// replaceBetween replaces what is between the two marks of a file.
func replaceBetween(path, begin, end, text string) error {
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	before, rest, ok := strings.Cut(string(content), begin)
	_, after, closed := strings.Cut(rest, end)
	if !ok || !closed {
		return fmt.Errorf("%s lacks the two marks", path)
	}
	return os.WriteFile(path, []byte(before+begin+text+end+after), 0o644)
}
