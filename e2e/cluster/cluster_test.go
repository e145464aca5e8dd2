// Package cluster asks whether several Traefiks that one store configures, behind one balancer, refuse whoever was thrown
// out, and lose no request that they need not lose, when one of their parts fails.
package cluster

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/golang-jwt/jwt/v4"

	"github.com/getportal/ptlauth/e2e/issuer"
	"github.com/getportal/ptlauth/e2e/poll"
	"github.com/getportal/ptlauth/e2e/program"
	"github.com/getportal/ptlauth/e2e/source"
	"github.com/getportal/ptlauth/e2e/traefik"
)

const (
	host    = "one.example.com"
	options = "traefik/http/middlewares/auth/plugin/ptlauth/"
	paired  = options + "terminals/paired/"
)

// names are HAProxy's.
var names = []string{"one", "two", "three"}

// patience is for what comes about by itself, on a machine that has other things to do.
const patience = 60 * time.Second

// cluster is three Traefiks behind HAProxy, each with a way of its own to the store that configures them.
type cluster struct {
	*store
	app      string // its address
	secret   string
	links    []*link
	addrs    []string // the Traefiks'
	proxies  []*traefik.Traefik
	options  []traefik.Options
	balancer *program.Process
	entry    string // HAProxy's address
	env      []string
	site     string // the folder with ptl.yml
	client   *http.Client
	lasts    func(func()) // calls that when the whole test ends
	gone     *gone
}

// device is who is paired, or was.
type device struct{ id, user, token string }

func (c *cluster) device(t *testing.T, name string) device {
	t.Helper()
	id := strings.ReplaceAll(name, " ", "") + "x"
	return device{id: id, user: name + "'s user", token: c.token(t, id, nil)}
}

// token is a terminal's, made an hour ago, with further claims.
func (c *cluster) token(t *testing.T, id string, more jwt.MapClaims) string {
	t.Helper()
	claims := jwt.MapClaims{"sub": id, "iat": time.Now().Add(-time.Hour).Unix()}
	maps.Copy(claims, more)
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(c.secret))
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func (d device) keys() []string { return []string{paired + d.id + "/name", paired + d.id + "/user"} }

func (d device) pairs() []string {
	return []string{paired + d.id + "/name", "Name of " + d.id, paired + d.id + "/user", d.user}
}

func newClient(t *testing.T) *http.Client {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 50}, Timeout: 20 * time.Second}
	t.Cleanup(client.CloseIdleConnections)
	return client
}

func newCluster(t *testing.T, s *store, env []string) *cluster {
	t.Helper()
	c := &cluster{store: s, env: env, app: newApp(t), secret: issuer.NewSecret(), site: t.TempDir(), lasts: t.Cleanup, client: newClient(t)}
	program.Need(t, "haproxy", "haproxy")
	s.whole = t
	s.begins()
	s.change(t, nil, c.configuration(t)...)
	c.proxies, c.options = make([]*traefik.Traefik, len(names)), make([]traefik.Options, len(names))
	for i := range names {
		c.links = append(c.links, newLink(t, s.addr))
		c.addrs = append(c.addrs, program.UnusedAddr(t))
		c.options[i] = traefik.Options{Progress: os.Stderr, Static: fmt.Sprintf(
			`{entryPoints: {web: {address: %q, forwardedHeaders: {trustedIPs: [127.0.0.1/32]}, http: {middlewares: [auth@%s]}}}, providers: {providersThrottleDuration: %dms, %s}}`,
			c.addrs[i], strings.ToLower(s.name), setting("PTLAUTH_THROTTLE", 2000), s.static(c.links[i].addr))}
	}
	c.beginAll(t)
	content := fmt.Sprintf("url: http://%s\nregistry: %s\nmiddleware: auth\nsecretFile: %s\n", c.entry, s.url, source.Named(t, "secret", c.secret))
	if err := os.WriteFile(filepath.Join(c.site, "ptl.yml"), []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	c.gone = c.watchGone(t)
	return c
}

// configuration is what the store has: two apps, the middleware, and a device that nobody throws out.
func (c *cluster) configuration(t *testing.T) []string {
	return append([]string{
		"traefik/http/routers/one/rule", "PathPrefix(`/`)", "traefik/http/routers/one/service", "one",
		"traefik/http/routers/two/rule", "Host(`two.example.com`)", "traefik/http/routers/two/service", "two",
		"traefik/http/services/one/loadBalancer/servers/0/url", c.app, "traefik/http/services/two/loadBalancer/servers/0/url", c.app,
		options + "secretFile", source.Named(t, "secret", c.secret),
	}, c.device(t, "stays").pairs()...)
}

// begin starts a Traefik, which may be without its store.
func (c *cluster) begin(t *testing.T, i int) {
	proxy, err := traefik.Start(context.Background(), c.options[i])
	if err != nil {
		t.Error(err)
		return
	}
	c.lasts(proxy.Stop)
	c.proxies[i] = proxy
}

// kill ends a Traefik as a crash does.
func (c *cluster) kill(t *testing.T, i int) {
	t.Helper()
	if err := syscall.Kill(c.proxies[i].PID(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	c.proxies[i].Stop()
}

// balance starts HAProxy with demo/cluster's configuration.
func (c *cluster) balance(t *testing.T, haproxy string) {
	t.Helper()
	c.entry = program.UnusedAddr(t)
	env := append(os.Environ(), "BIND="+c.entry, "HOST="+host)
	for i, addr := range c.addrs {
		env = append(env, fmt.Sprintf("TRAEFIK_%d=%s", i+1, addr))
	}
	c.balancer = program.Start(t, env, c.entry, haproxy, "-f", "../../demo/cluster/haproxy.cfg")
	stays := c.device(t, "stays")
	c.awaitsAll(t, stays, http.StatusOK)
	poll.Until(t, patience, func() string {
		if got := c.asks("http://"+c.entry, stays.token); got != http.StatusOK {
			return fmt.Sprintf("through HAProxy one gets %d\n%s", got, c.balancer.Said())
		}
		return ""
	})
}

// asks is what a device gets at an address; 0: no answer.
func (c *cluster) asks(url, token string) int {
	status, _ := c.get(url+"/", token)
	return status
}

// get is the status and whom the app saw.
func (c *cluster) get(url, token string) (int, string) {
	r, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		return 0, ""
	}
	r.Host = host
	if token != "" {
		r.Header.Set("Cookie", "authorization="+token)
	}
	response, err := c.client.Do(r)
	if err != nil {
		return 0, ""
	}
	response.Body.Close()
	return response.StatusCode, response.Header.Get("X-User")
}

// at is what a device gets at one of the Traefiks.
func (c *cluster) at(i int, d device) int { return c.asks("http://"+c.addrs[i], d.token) }

func (c *cluster) awaits(t *testing.T, i int, d device, want int) {
	t.Helper()
	poll.Until(t, patience, func() string {
		if got := c.at(i, d); got != want {
			return fmt.Sprintf("at Traefik %s %s gets %d, want %d", names[i], d.id, got, want)
		}
		return ""
	})
}

// awaitsAll waits for that at each Traefik.
func (c *cluster) awaitsAll(t *testing.T, d device, want int) {
	t.Helper()
	for i := range names {
		c.awaits(t, i, d, want)
	}
}

// atOnce does something with all three.
func (c *cluster) atOnce(do func(i int)) {
	var all sync.WaitGroup
	for i := range names {
		all.Go(func() { do(i) })
	}
	all.Wait()
}

// ptl returns what it says, and whether it ended well.
func (c *cluster) ptl(t *testing.T, args ...string) (string, error) {
	command := exec.CommandContext(t.Context(), "sh", append([]string{"-c", `exec ptl "$@"`, "sh"}, args...)...)
	command.Dir, command.Env = c.site, c.env
	out, err := command.CombinedOutput()
	return string(out), err
}

// dial opens a WebSocket.
func (c *cluster) dial(t *testing.T, url string, d device) *websocket.Conn {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	conn, _, err := websocket.Dial(ctx, strings.Replace(url, "http", "ws", 1)+"/socket", &websocket.DialOptions{
		HTTPClient: c.client, Host: host, HTTPHeader: http.Header{"Cookie": {"authorization=" + d.token}}})
	if err != nil {
		t.Fatalf("a WebSocket of %s at %s: %v", d.id, url, err)
	}
	t.Cleanup(func() { conn.CloseNow() })
	return conn
}

// ended is when the other side ends a WebSocket.
func ended(conn *websocket.Conn) <-chan time.Time {
	at := make(chan time.Time, 1)
	go func() {
		_, _, _ = conn.Read(context.Background())
		at <- time.Now()
	}()
	return at
}

// setting is a number from the environment.
func setting(name string, usual int) int {
	if n, err := strconv.Atoi(os.Getenv(name)); err == nil {
		return n
	}
	return usual
}

// gone are devices that are out at every Traefik, and must not get in anywhere any more, whatever fails.
type gone struct {
	mutex   sync.Mutex
	devices []device
	asked   int
	while   string
}

// watchGone asks as each of them, everywhere, until the test ends.
func (c *cluster) watchGone(t *testing.T) *gone {
	g := &gone{while: "nothing fails"}
	stop := make(chan struct{})
	var all sync.WaitGroup
	for i := range len(names) + 1 {
		all.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				case <-time.After(20 * time.Millisecond):
				}
				g.mutex.Lock()
				devices, while := g.devices, g.while
				g.asked++
				g.mutex.Unlock()
				if len(devices) == 0 {
					continue
				}
				d, url := devices[n%len(devices)], "http://"+c.entry
				if i < len(names) {
					url = "http://" + c.addrs[i]
				}
				if status := c.asks(url, d.token); status == http.StatusOK {
					t.Errorf("while %s, %s is in again at %s", while, d.id, url)
				}
				if status := c.asks(url, ""); status == http.StatusOK {
					t.Errorf("while %s, whoever has no token is in at %s", while, url)
				}
			}
		})
	}
	t.Cleanup(func() {
		close(stop)
		all.Wait()
		t.Logf("%s: %d devices that were out asked %d times", c.name, len(g.devices), g.asked)
	})
	return g
}

func (g *gone) add(d device) {
	g.mutex.Lock()
	defer g.mutex.Unlock()
	g.devices = append(g.devices[:len(g.devices):len(g.devices)], d)
}

// whilst names what goes wrong from now on.
func (g *gone) whilst(what string) {
	g.mutex.Lock()
	defer g.mutex.Unlock()
	g.while = what
}
