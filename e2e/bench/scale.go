package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/getportal/ptlauth/e2e/traefik"
)

// scale measures what a device, a router, a request and a Traefik cost, each as a quantity of its own or against what the
// same Traefik takes without ptlauth. No number in docs/scale.md comes from elsewhere.
type scale struct {
	dir, app string
	redis    string // the address of a server; empty: there is none
	devices  []int  // how many stand in a list, each tenfold the one before
	routers  []int
	requests int // of which each round asks so many
	rounds   int // how often each thing is measured; the median counts
	// settles is for how long Traefik must have had next to nothing to do before anything is measured.
	settles  time.Duration
	throttle time.Duration // Traefik's providersThrottleDuration
	sample   bool          // of the kinds of routers the first and the last alone, and no map
	text     strings.Builder
}

// place is where a list of devices stands.
type place struct {
	name   string
	plugin string // who is given the list
	most   int    // the longest list that is measured: what Traefik takes there grows with its square; 0: any
	static string // further providers
	// lay puts a list of so many devices there before Traefik starts.
	lay func(s *scale, n int) error
	// text is the file provider's configuration, of a list in which one device is missing (0: none).
	text func(s *scale, n, missing int) string
	// remove takes one of so many devices out; nil: another text does.
	remove func(s *scale, n, gone int) error
}

// refreshed is how often a list is looked at here.
const refreshed = time.Second

// device is the id of one, which no KV store takes for an index.
func device(i int) string { return fmt.Sprintf("d%06d", i) }

// places are where a list of devices may stand. The first is what Traefik takes by itself: it reads the list, and hands it to
// a plugin that does nothing.
func (s *scale) places() []place {
	inConfiguration := func(plugin string) func(*scale, int, int) string {
		return func(s *scale, n, missing int) string {
			return s.around([]string{inline("auth", plugin, s.path("secret"), n, missing)}, "auth")
		}
	}
	all := []place{
		{name: "in the configuration of a plugin that does nothing", plugin: "noop", text: inConfiguration("noop")},
		{name: "the same, as a map by their ids", plugin: "noop", most: 10_000, text: func(s *scale, n, missing int) string {
			return s.around([]string{asMap(inline("auth", "noop", s.path("secret"), n, missing))}, "auth")
		}},
		{name: "`terminals.file`", plugin: "ptlauth", lay: func(s *scale, n int) error { return layFile(s, n, 0) }, remove: layFile,
			text: func(s *scale, _, _ int) string {
				return s.around([]string{s.listed("auth", "list.json", refreshed)}, "auth")
			}},
		{name: "`terminals.paired`, in Traefik's file", plugin: "ptlauth", text: inConfiguration("ptlauth")},
	}
	if s.redis != "" {
		all = append(all, place{name: "`terminals.paired`, in Redis", plugin: "ptlauth", most: 10_000, lay: layRedis,
			static: ", redis: {endpoints: [" + quoted(s.redis) + "]}",
			text:   func(s *scale, _, _ int) string { return s.around(nil, "auth@redis") },
			remove: func(s *scale, _, gone int) error {
				return s.tell([][]string{{"DEL", redisDevice(gone, "name"), redisDevice(gone, "user")}})
			}})
	}
	return all
}

// listed is a middleware with the list in a file.
func (s *scale) listed(name, file string, refresh time.Duration) string {
	return fmt.Sprintf("%s: {plugin: {ptlauth: {secretFile: %q, refresh: %s, terminals: {file: %q}}}}", name, s.path("secret"), refresh, s.path(file))
}

// inline is a middleware in which the list stands itself, of a plugin: one entry below the other, each with its id.
func inline(name, plugin, secretFile string, n, missing int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s:\n      plugin:\n        %s:\n          secretFile: %q\n          terminals:\n            paired:\n", name, plugin, secretFile)
	for i := 1; i <= n; i++ {
		if i != missing {
			fmt.Fprintf(&b, "              - {id: %s, name: \"Terminal %[2]d\", user: \"user%[2]d@example.com\"}\n", device(i), i)
		}
	}
	return b.String()
}

// asMap makes of a list a map by ids.
func asMap(text string) string {
	return regexp.MustCompile(`- \{id: (\w+), `).ReplaceAllString(text, "  $1: {")
}

func (s *scale) path(name string) string { return filepath.Join(s.dir, name) }

func quoted(text string) string { return fmt.Sprintf("%q", text) }

// around is a configuration with one router that uses a middleware, and one that uses none.
func (s *scale) around(middlewares []string, name string) string {
	g := &growth{app: s.app}
	return g.dynamic(middlewares, []string{router("app", quoted(name)), router("bare")})
}

func layFile(s *scale, n, missing int) error {
	file, err := os.CreateTemp(s.dir, "list-")
	if err != nil {
		return err
	}
	w := bufio.NewWriter(file)
	begin := "["
	for i := 1; i <= n; i++ {
		if i != missing {
			fmt.Fprintf(w, "%s\n{\"id\": %q, \"name\": \"Terminal %[3]d\", \"user\": \"user%[3]d@example.com\"}", begin, device(i), i)
			begin = ","
		}
	}
	_, _ = w.WriteString("]\n")
	if err := errors.Join(w.Flush(), file.Close()); err != nil {
		return err
	}
	return os.Rename(file.Name(), s.path("list.json"))
}

const redisRoot = "traefik/http/middlewares/auth/plugin/ptlauth"

// layRedis puts all of it into an empty store, before Traefik hears of each key.
func layRedis(s *scale, n int) error {
	commands := [][]string{{"FLUSHALL"}}
	add := []string{"MSET", redisRoot + "/secretFile", s.path("secret")}
	for i := 1; i <= n; i++ {
		add = append(add, redisDevice(i, "name"), fmt.Sprintf("Terminal %d", i), redisDevice(i, "user"), fmt.Sprintf("user%d@example.com", i))
	}
	return s.tell(append(commands, add))
}

func redisDevice(i int, member string) string {
	return redisRoot + "/terminals/paired/" + device(i) + "/" + member
}

// tell sends commands to Redis, and waits until each is done.
func (s *scale) tell(commands [][]string) error {
	conn, err := net.Dial("tcp", s.redis)
	if err != nil {
		return err
	}
	defer conn.Close()
	w, r := bufio.NewWriter(conn), bufio.NewReader(conn)
	for _, words := range commands {
		fmt.Fprintf(w, "*%d\r\n", len(words))
		for _, word := range words {
			fmt.Fprintf(w, "$%d\r\n%s\r\n", len(word), word)
		}
		if err := w.Flush(); err != nil {
			return err
		}
		answer, err := r.ReadString('\n')
		if err != nil || strings.HasPrefix(answer, "-") {
			return fmt.Errorf("Redis: %q, %w", answer, err)
		}
	}
	return nil
}

// subject is a Traefik that is measured, with one file of its own beside the program's.
type subject struct {
	*traefik.Traefik
	generation int
	settles    time.Duration
}

// start starts a Traefik with what each has by itself, throttled as Traefik is when nobody says otherwise.
func (s *scale) start(ctx context.Context, providers string) (*subject, error) {
	proxy, err := traefik.Start(ctx, traefik.Options{
		Static:   "log: {level: ERROR}\naccessLog: null\nproviders: {providersThrottleDuration: " + s.throttle.String() + providers + "}\n",
		Progress: os.Stderr, Debug: true, Plugins: map[string]string{"example.com/noop": plugin("noop")},
	})
	return &subject{Traefik: proxy, settles: s.settles}, err
}

// put has Traefik read a configuration in the place of the one before, and returns when it was written. What applied waits
// for is that one's own.
func (t *subject) put(text string) (time.Time, error) {
	t.generation++
	text = strings.Replace(text, "  routers:\n", "  routers:\n    "+router(fmt.Sprintf("generation-%d", t.generation))+"\n", 1)
	path := filepath.Join(t.Dir(), "list.yml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		return time.Time{}, err
	}
	began := time.Now()
	return began, os.Rename(path, filepath.Join(t.Dir(), "dynamic", "list.yml"))
}

// applied waits until what was put is in force.
func (t *subject) applied(ctx context.Context) error {
	return t.awaits(ctx, fmt.Sprintf("generation-%d", t.generation), "", http.StatusOK)
}

// awaits asks as a device until there is that answer.
func (t *subject) awaits(ctx context.Context, host, id string, want int) error {
	for deadline := time.Now().Add(5 * time.Minute); ; time.Sleep(5 * time.Millisecond) {
		got, err := t.ask(ctx, host, id, 1700000000)
		if got == want || err != nil {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s at %s is still answered %d, not %d\n%s", id, host, got, want, t.Log())
		}
	}
}

// ask asks with a device's token, made at that time.
func (t *subject) ask(ctx context.Context, host, id string, made int64) (int, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, t.URL("web")+"/", nil)
	if err != nil {
		return 0, err
	}
	r.Host = host
	if id != "" {
		r.Header.Set("Cookie", "authorization="+mint(id, made))
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, err
	}
	_, _ = io.Copy(io.Discard, response.Body)
	return response.StatusCode, response.Body.Close()
}

// worked is the time for which a process has had a processor, in seconds.
func (t *subject) worked() float64 {
	threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", t.PID()))
	total := 0.0
	for _, thread := range threads {
		text, _ := os.ReadFile(thread) // It may have ended.
		nanoseconds, _, _ := strings.Cut(string(text), " ")
		value, _ := strconv.ParseFloat(nanoseconds, 64)
		total += value
	}
	return total / 1e9
}

// quiet waits until Traefik has next to nothing to do.
func (t *subject) quiet(ctx context.Context) error {
	for {
		before := t.worked()
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(t.settles):
		}
		if t.worked()-before < t.settles.Seconds()/15 {
			return nil
		}
	}
}

// heap is what is left of Traefik's heap when its garbage is collected, in MiB.
func (t *subject) heap() (float64, error) {
	var text []byte
	for range 2 { // What has a finalizer takes two rounds.
		response, err := http.Get(t.URL("traefik") + "/debug/pprof/heap?gc=1&debug=1")
		if err != nil {
			return 0, err
		}
		text, err = io.ReadAll(response.Body)
		if err = errors.Join(err, response.Body.Close()); err != nil {
			return 0, err
		}
	}
	return number(heapAlloc.FindStringSubmatch(string(text))) / (1 << 20), nil
}

// startRedis starts a server that ends with the context, and returns its address; where there is none, an empty one.
func startRedis(ctx context.Context, dir string) (string, error) {
	server, err := exec.LookPath("redis-server")
	if err != nil {
		return "", nil
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	address := listener.Addr().String()
	_ = listener.Close()
	_, port, _ := net.SplitHostPort(address)
	if err := exec.CommandContext(ctx, server, "--bind", "127.0.0.1", "--port", port, "--save", "", "--dir", dir).Start(); err != nil {
		return "", err
	}
	for range 1000 {
		if conn, err := net.Dial("tcp", address); err == nil {
			return address, conn.Close()
		}
		time.Sleep(10 * time.Millisecond)
	}
	return "", errors.New("redis-server does not answer")
}
