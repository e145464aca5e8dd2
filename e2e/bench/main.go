// Command bench measures what ptlauth costs, side by side with what stands in its place, in one real Traefik: interleaved
// rounds, so that the machine's noise hits all alike, and ratios, because nothing else carries over to another machine.
// It writes docs/bench.md, docs/bench.svg and docs/scale.md.
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v4"

	"github.com/getportal/ptlauth/e2e/traefik"
)

const secret = "a-secret-for-benchmarks-0123456789-abcdefghijklmnopqrstuvwxyz-0123456789"

// browser is what a browser sends beside Host and Cookie.
var browser = []string{
	"Accept: text/html,application/xhtml+xml", "Accept-Encoding: gzip, deflate, br, zstd", "Accept-Language: en-US,en;q=0.9",
	"Priority: u=1, i", "Referer: http://chat.example.com/", `Sec-Ch-Ua: "Chromium";v="140"`, "Sec-Ch-Ua-Mobile: ?0",
	`Sec-Ch-Ua-Platform: "Linux"`, "Sec-Fetch-Dest: empty", "Sec-Fetch-Mode: cors", "Sec-Fetch-Site: same-origin",
	"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36",
}

// contender is one way to be asked.
type contender struct {
	name   string
	router string
	cookie string // empty: a script makes one for each request
	extra  []string
	status int
	runs   map[int][]run // by connections
}

// load is how a Traefik is asked, whoever is the contender.
type load struct {
	tool        string // the path of wrk or h2load
	dir         string // where the tokens are
	proxy       *traefik.Traefik
	connections int
	length      time.Duration
}

// run is what one round measured.
type run struct{ rate, count, p50, p99, cpu float64 }

func main() {
	log.SetFlags(0)
	rounds := flag.Int("rounds", 20, "rounds at 16 connections; a third of it at 1 and 128")
	length := flag.Duration("length", time.Second, "how long each contender is asked in each round")
	distinct := flag.Int("tokens", 1_000_000, "how many distinct tokens Traefik's memory is measured after")
	only := flag.String("only", "", "rates, growth, tokens, reload or scale; empty: all")
	out := flag.String("out", "", "folder for bench.md and bench.svg; empty: print only")
	takes := flag.Duration("auth", -1, "be an auth server that takes so long, until standard input ends")
	flag.Parse()
	if *takes >= 0 {
		beAuthServer(*takes)
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	dir, err := os.MkdirTemp("", "ptlauth-bench-")
	if err != nil {
		log.Fatal(err)
	}
	for _, part := range []struct {
		name    string
		measure func() error
	}{
		{"rates", func() error { return measure(ctx, dir, *rounds, *length, *out) }},
		{"tokens", func() error { return measureTokens(ctx, dir, min(3, *rounds), 20**length, *out) }},
		{"reload", func() error { return measureReload(ctx, dir, max(1, *rounds/2), *out) }},
		{"scale", func() error { return measureScale(ctx, dir, *out) }},
		{"growth", func() error {
			return grow(ctx, &growth{dir: dir, rounds: max(3, *rounds/2), length: max(time.Second, *length/2), distinct: *distinct}, *out)
		}},
	} {
		if err == nil && (*only == "" || *only == part.name) {
			err = part.measure()
		}
	}
	_ = os.RemoveAll(dir)
	if err != nil {
		log.Fatal(err)
	}
}

var errNoWrk = errors.New("wrk is not installed: apt-get install wrk")

// grow measures how the cost grows.
func grow(ctx context.Context, g *growth, out string) error {
	if err := g.prepare(); err != nil {
		return err
	}
	if err := g.measure(ctx); err != nil {
		return err
	}
	return publish(out, beginGrowth, endGrowth, g.table())
}

// measure measures what the ways of being asked cost, side by side.
func measure(ctx context.Context, dir string, rounds int, length time.Duration, out string) error {
	wrk, err := exec.LookPath("wrk")
	if err != nil {
		return errNoWrk
	}
	dynamic, err := arrange(ctx, dir)
	if err != nil {
		return err
	}
	proxy, err := traefik.Start(ctx, traefik.Options{
		Dynamic: dynamic, Static: "{log: {level: ERROR}, accessLog: null}", Progress: os.Stderr,
		Plugins: map[string]string{"example.com/noop": plugin("noop"), "example.com/least": plugin("least")},
	})
	if err != nil {
		return err
	}
	defer proxy.Stop()

	all := contenders()
	if err := takeTurns(ctx, load{tool: wrk, dir: dir, proxy: proxy, length: length}, all, rounds); err != nil {
		return err
	}
	report := write(all, rounds, length, resident(proxy.PID()))
	others, err := travel(ctx, dir, dynamic, max(1, rounds/2), length)
	if err != nil {
		return err
	}
	report += others
	fmt.Print(report)
	if out == "" {
		return nil
	}
	if err := os.WriteFile(filepath.Join(out, "bench.svg"), []byte(chart(all)), 0o644); err != nil {
		return err
	}
	return replaceBetween(filepath.Join(out, "bench.md"), begin, end, report)
}

// takeTurns asks all contenders in rounds, at each number of connections.
func takeTurns(ctx context.Context, l load, all []*contender, rounds int) error {
	for _, connections := range []int{16, 1, 128} {
		l.connections = connections
		n := rounds
		if connections != 16 {
			n = max(1, rounds/3)
		}
		for i := range n {
			// Another order each time: what a contender leaves behind, such as a larger heap, another finds.
			for _, j := range rand.Perm(len(all)) {
				c := all[j]
				one, err := ask(ctx, l, c)
				if err != nil {
					return fmt.Errorf("%s: %w", c.name, err)
				}
				c.runs[connections] = append(c.runs[connections], one)
			}
			log.Printf("%d connections, round %d of %d", connections, i+1, n)
		}
	}
	return nil
}

// plugin is the folder of a plugin that ptlauth is measured against: one that does nothing, or the least.
func plugin(name string) string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(file), "../interpreted/testdata/plugins-local/src/example.com", name)
}

// remembered is the Cookie line of whoever is known.
func remembered() string {
	return "theme=dark; authorization=" + mint("abc123", 1700000000) + "; lang=de"
}

func contenders() []*contender {
	good := remembered()
	forged := good[:len(good)-len("; lang=de")-12] + "AAAAAAAAAAAA; lang=de"
	all := []*contender{
		{name: "no middleware", router: "bare", cookie: good},
		{name: "Traefik's headers middleware", router: "headers", cookie: good},
		{name: "a plugin that does nothing", router: "noop", cookie: good},
		{name: "the least that a gate must do, as a plugin", router: "least", cookie: good},
		{name: "ptlauth, remembered token", router: "ptlauth", cookie: good},
		{name: "ptlauth, a new valid token each time", router: "ptlauth"},
		{name: "ptlauth, forged token", router: "ptlauth", cookie: forged, status: http.StatusUnauthorized},
		{name: "ForwardAuth, native Go server", router: "forward", cookie: good},
		{name: "ForwardAuth, 5 ms to decide", router: "slow", cookie: good},
		{name: "ForwardAuth, native, between ptlauth in shadow mode", router: "watched", cookie: good},
	}
	for _, c := range all {
		c.runs = map[int][]run{}
		if c.status == 0 {
			c.status = http.StatusOK
		}
	}
	return all
}

// arrange starts the app and the auth servers, and returns Traefik's configuration in front of them.
func arrange(ctx context.Context, dir string) (string, error) {
	if err := os.WriteFile(filepath.Join(dir, "secret"), []byte(secret), 0o600); err != nil {
		return "", err
	}
	if err := writeTokens(dir, usualTokens); err != nil {
		return "", err
	}
	app, err := serve(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("hello"))
	}))
	if err != nil {
		return "", err
	}
	quick, err := startAuthServer(ctx, 0)
	if err != nil {
		return "", err
	}
	slow, err := startAuthServer(ctx, 5*time.Millisecond)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf(`
http:
  routers:
    bare: {rule: "Host(`+"`bare`"+`)", service: app}
    headers: {rule: "Host(`+"`headers`"+`)", service: app, middlewares: [headers]}
    noop: {rule: "Host(`+"`noop`"+`)", service: app, middlewares: [noop]}
    least: {rule: "Host(`+"`least`"+`)", service: app, middlewares: [least]}
    ptlauth: {rule: "Host(`+"`ptlauth`"+`)", service: app, middlewares: [ptlauth]}
    forward: {rule: "Host(`+"`forward`"+`)", service: app, middlewares: [forward]}
    slow: {rule: "Host(`+"`slow`"+`)", service: app, middlewares: [slow]}
    watched: {rule: "Host(`+"`watched`"+`)", service: app, middlewares: [shadow, forward, shadow]}
  middlewares:
    headers: {headers: {customRequestHeaders: {X-Ptl-User: abc123, X-Ptl-Client-Type: terminal, X-Ptl-Client-Id: abc123}}}
    noop: {plugin: {noop: {greeting: ""}}}
    least: {plugin: {least: {cookie: %[1]q, user: abc123}}}
    ptlauth: {plugin: {ptlauth: {secretFile: %[2]q, terminals: any}}}
    shadow: {plugin: {ptlauth: {secretFile: %[2]q, terminals: any, shadow: true}}}
    forward: {forwardAuth: {address: %[3]q, authResponseHeadersRegex: "^X-Ptl-.*"}}
    slow: {forwardAuth: {address: %[4]q, authResponseHeadersRegex: "^X-Ptl-.*"}}
  services:
    app: {loadBalancer: {servers: [{url: %[5]q}]}}
`, remembered(), filepath.Join(dir, "secret"), quick, slow, app), nil
}

func serve(handler http.Handler) (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	go func() { _ = http.Serve(listener, handler) }()
	return "http://" + listener.Addr().String(), nil
}

// startAuthServer starts an auth server, a process of its own as it would be anywhere, and returns its address. It ends
// with this process.
func startAuthServer(ctx context.Context, takes time.Duration) (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	server := exec.CommandContext(ctx, self, "-auth", takes.String())
	server.Stderr = os.Stderr
	if _, err := server.StdinPipe(); err != nil {
		return "", err
	}
	output, err := server.StdoutPipe()
	if err != nil {
		return "", err
	}
	if err := server.Start(); err != nil {
		return "", err
	}
	address, err := bufio.NewReader(output).ReadString('\n')
	return strings.TrimSpace(address), err
}

func beAuthServer(takes time.Duration) {
	address, err := serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(takes)
		authenticate(w, r)
	}))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(address)
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// authenticate does ptlauth's job behind ForwardAuth.
func authenticate(w http.ResponseWriter, r *http.Request) {
	cookie, err := r.Cookie("authorization")
	if err != nil {
		http.Error(w, "Unauthorized", http.StatusUnauthorized)
		return
	}
	var claims jwt.RegisteredClaims
	_, err = jwt.ParseWithClaims(cookie.Value, &claims, func(*jwt.Token) (any, error) { return []byte(secret), nil }, jwt.WithValidMethods([]string{"HS256"}))
	if err != nil || claims.Subject == "" {
		http.Error(w, "Unauthorized", http.StatusUnauthorized)
		return
	}
	h := w.Header()
	h.Set("X-Ptl-User", claims.Subject)
	h.Set("X-Ptl-Client-Type", "terminal")
	h.Set("X-Ptl-Client-Id", claims.Subject)
}

func mint(sub string, iat int64) string {
	text, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"sub": sub, "iat": iat}).SignedString([]byte(secret))
	if err != nil {
		panic(err)
	}
	return text
}

// usualTokens are enough for none to be sent twice while it is remembered.
const usualTokens = 100_000

// writeTokens writes a script for wrk that sends one after the other of so many valid tokens.
func writeTokens(dir string, n int) error {
	file, err := os.Create(filepath.Join(dir, "tokens"))
	if err != nil {
		return err
	}
	w := bufio.NewWriter(file)
	for i := range n {
		fmt.Fprintln(w, mint("abc123", 1600000000+int64(i)))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if err := file.Close(); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "tokens.lua"), []byte(`
local tokens, n = {}, 0
for line in io.lines("`+filepath.Join(dir, "tokens")+`") do tokens[#tokens + 1] = line end
math.randomseed(os.time())
n = math.random(#tokens)
request = function()
  n = n % #tokens + 1
  wrk.headers["Cookie"] = "theme=dark; authorization=" .. tokens[n] .. "; lang=de"
  return wrk.format()
end
`), 0o600)
}

var (
	rateLine    = regexp.MustCompile(`Requests/sec:\s+([\d.]+)`)
	latencyLine = regexp.MustCompile(`(?m)^\s+(50|99)%\s+([\d.]+)(us|ms|s)`)
	errorLine   = regexp.MustCompile(`Non-2xx or 3xx responses: (\d+)`)
	countLine   = regexp.MustCompile(`(\d+) requests in`)
)

// ask asks with wrk.
func ask(ctx context.Context, l load, c *contender) (run, error) {
	args := []string{"-t1", "-c" + strconv.Itoa(l.connections), fmt.Sprintf("-d%.0f", max(1, l.length.Seconds())), "--latency", "-H", "Host: " + c.router}
	for _, line := range append(slices.Clone(browser), c.extra...) {
		args = append(args, "-H", line)
	}
	if c.cookie != "" {
		args = append(args, "-H", "Cookie: "+c.cookie)
	} else {
		args = append(args, "-s", filepath.Join(l.dir, "tokens.lua"))
	}
	before := cpu(l.proxy.PID())
	output, err := exec.CommandContext(ctx, l.tool, append(args, l.proxy.URL("web")+"/api/rooms")...).CombinedOutput()
	if err != nil {
		return run{}, fmt.Errorf("%w: %s", err, output)
	}
	used := cpu(l.proxy.PID()) - before
	text := string(output)
	count := number(countLine.FindStringSubmatch(text))
	refused := number(errorLine.FindStringSubmatch(text))
	if c.status == http.StatusOK && refused > 0 || c.status != http.StatusOK && refused < count*0.99 || count == 0 {
		return run{}, fmt.Errorf("not every answer was %d:\n%s", c.status, text)
	}
	one := run{rate: number(rateLine.FindStringSubmatch(text)), count: count, cpu: used / count * 10_000}
	for _, match := range latencyLine.FindAllStringSubmatch(text, -1) {
		value, _ := strconv.ParseFloat(match[2], 64)
		value *= map[string]float64{"us": 1e-3, "ms": 1, "s": 1e3}[match[3]]
		if match[1] == "50" {
			one.p50 = value
		} else {
			one.p99 = value
		}
	}
	return one, nil
}

func number(match []string) float64 {
	if match == nil {
		return 0
	}
	value, _ := strconv.ParseFloat(match[1], 64)
	return value
}

// cpu is the time that a process has used so far, in seconds.
func cpu(pid int) float64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	user, _ := strconv.ParseFloat(fields[11], 64)
	system, _ := strconv.ParseFloat(fields[12], 64)
	return (user + system) / 100
}

// resident is a process's memory in MiB.
func resident(pid int) float64 {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	return number(regexp.MustCompile(`VmRSS:\s+(\d+)`).FindStringSubmatch(string(text))) / 1024
}

// spread is the median of values and their quartiles.
func spread(values []float64) (low, median, high float64) {
	return quantile(values, 0.25), quantile(values, 0.5), quantile(values, 0.75)
}

// quantile is the value that such a share of them does not exceed.
func quantile(values []float64, q float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[int(q*float64(len(sorted)-1)+0.5)]
}

// ratios are a contender's rates against another's, round by round.
func ratios(c, base *contender, connections int) []float64 {
	var all []float64
	for i, one := range c.runs[connections] {
		all = append(all, one.rate/base.runs[connections][i].rate)
	}
	return all
}

func column(runs []run, field func(run) float64) float64 {
	var values []float64
	for _, one := range runs {
		values = append(values, field(one))
	}
	_, median, _ := spread(values)
	return median
}
