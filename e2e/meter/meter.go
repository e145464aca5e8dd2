// Package meter reads what a Traefik consumes: time, memory and goroutines.
package meter

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/getportal/ptlauth/e2e/traefik"
)

// Consumption is what a Traefik holds, in MB where it is memory.
type Consumption struct {
	Goroutines       int
	Allocated, InUse float64
}

var (
	goroutineTotal = regexp.MustCompile(`goroutine profile: total (\d+)`)
	heapAlloc      = regexp.MustCompile(`# HeapAlloc = (\d+)`)
	heapInuse      = regexp.MustCompile(`# HeapInuse = (\d+)`)
)

// Consumed asks a Traefik that was started with Options.Debug, and lets it collect its garbage first.
func Consumed(t *testing.T, proxy *traefik.Traefik) Consumption {
	t.Helper()
	ask := func(profile string) string {
		response, err := http.Get(proxy.URL("traefik") + "/debug/pprof/" + profile)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		content, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		return string(content)
	}
	number := func(pattern *regexp.Regexp, profile string) int {
		match := pattern.FindStringSubmatch(profile)
		if match == nil {
			t.Fatalf("no %s in %.200q", pattern, profile)
		}
		n, _ := strconv.Atoi(match[1])
		return n
	}
	// What the last reload has replaced may still be in use; and what has a finalizer takes two rounds.
	time.Sleep(1500 * time.Millisecond)
	ask("heap?gc=1&debug=1")
	heap := ask("heap?gc=1&debug=1")
	return Consumption{
		number(goroutineTotal, ask("goroutine?debug=1")),
		float64(number(heapAlloc, heap)) / 1e6, float64(number(heapInuse, heap)) / 1e6,
	}
}

// CPUTime is how long a Traefik has computed: utime and stime of /proc/PID/stat, in hundredths of a second.
func CPUTime(t *testing.T, proxy *traefik.Traefik) time.Duration {
	t.Helper()
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", proxy.PID()))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(content), ") ")
	fields := strings.Fields(rest)
	total := 0
	for _, field := range fields[11:13] {
		ticks, err := strconv.Atoi(field)
		if err != nil {
			t.Fatal(err)
		}
		total += ticks
	}
	return time.Duration(total) * 10 * time.Millisecond
}

var residentSize = regexp.MustCompile(`(?m)^VmRSS:\s+(\d+) kB$`)

// Resident is a process's memory in bytes; 0 when it cannot be read.
func Resident(pid int) int64 {
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	match := residentSize.FindSubmatch(status)
	if match == nil {
		return 0
	}
	kib, _ := strconv.ParseInt(string(match[1]), 10, 64)
	return kib << 10
}
