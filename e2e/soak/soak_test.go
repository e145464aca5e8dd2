// Package soak wears a Traefik down: load with reloads and rotations, floods, hostile requests, and panics.
package soak

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"fmt"
	"io"
	"maps"
	"math"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/golang-jwt/jwt/v4"

	"github.com/getportal/ptlauth/e2e/issuer"
	"github.com/getportal/ptlauth/e2e/meter"
	"github.com/getportal/ptlauth/e2e/source"
	"github.com/getportal/ptlauth/e2e/traefik"
	"github.com/getportal/ptlauth/e2e/traefik/traefiktest"
	"github.com/getportal/ptlauth/e2e/visitor"
	"github.com/getportal/ptlauth/e2e/witness"
)

const (
	soakRefresh = 500 * time.Millisecond
	// soakRate is how many requests a second all clients together ask for: as each of them waits for its answer, a slower
	// machine is asked for less.
	soakRate = 2000
	// Half of the clients are honest, and half of these ask past ptlauth.
	soakHonest, soakBare, soakHostile = 10, 10, 20
	soakPace                          = time.Second * (soakHonest + soakBare + soakHostile) / soakRate
	soakRouters                       = 10
)

// phone and tablet are terminals of these tests; guest is one that is never paired.
const (
	phone  = "abc123"
	tablet = "def456"
	guest  = "zzz999"
)

// slack is what a change may take beyond `refresh`.
const slack = time.Second

// TestSoak has honest and hostile clients ask a Traefik that reloads every second, while terminals come and go, secrets are
// rotated, and files are broken and mended. PTLAUTH_SOAK says for how long.
func TestSoak(t *testing.T) {
	if testing.Short() {
		t.Skip("starts Traefik")
	}
	duration, err := time.ParseDuration(cmp.Or(os.Getenv("PTLAUTH_SOAK"), "30s"))
	if err != nil {
		t.Fatal(err)
	}
	s := newSoak(t)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var all sync.WaitGroup
	defer all.Wait()
	defer stop()
	all.Go(func() { s.reload(ctx) })
	for i := range 4 {
		conn := visitor.Dial(t, fmt.Sprintf("%s/%d/", s.proxy.URL("web"), i), s.mint(s.lasting, residents[i], nil), 1)[0]
		all.Go(func() { s.talk(ctx, conn) })
	}
	for i := range soakHonest + soakBare + soakHostile {
		c := newSoakClient(i)
		defer c.CloseIdleConnections()
		all.Go(func() { s.client(ctx, c, i) })
	}

	began := time.Now()
	var early footprint
	for round := 0; time.Since(began) < duration; round++ {
		s.change(t, round)
		if early.at == 0 && time.Since(began) > duration/3 {
			early = s.footprint(t, began)
		}
	}
	late := s.footprint(t, began)
	took := time.Since(began)
	stop()
	all.Wait()

	t.Logf("%.0f requests a second for %s; %d reloads; %d breaks; %d messages over WebSockets", float64(s.requests.Load())/took.Seconds(),
		took.Round(time.Second), s.reloads.Load(), s.breaks, s.echoes.Load())
	for _, kind := range slices.Sorted(maps.Keys(s.tally)) {
		t.Logf("%-45s %+v", kind, *s.tally[kind])
	}
	for _, how := range slices.Sorted(maps.Keys(s.losses)) {
		t.Logf("lost %d × %s", s.losses[how], how)
	}
	t.Logf("%v, and later %v", early, late)
	s.check(t, took, early, late)
}

// check is whether anything went wrong, and whether enough was done for that to mean something.
func (s *soak) check(t *testing.T, took time.Duration, early, late footprint) {
	for _, complaint := range s.complaints {
		t.Error(complaint)
	}
	if s.wrong > len(s.complaints) {
		t.Errorf("and %d more", s.wrong-len(s.complaints))
	}
	honest, bare := s.tally["honest"], s.tally["bare"]
	// Go's proxy cuts off an answer to a POST now and then (golang/go#40747): both are hit alike, but for chance.
	if chance := 2 * math.Sqrt(float64(honest.Lost+bare.Lost)); float64(honest.Lost) > float64(bare.Lost)+chance {
		t.Errorf("%d of %d honest requests were lost, and %d of %d without ptlauth", honest.Lost, honest.sum(), bare.Lost, bare.sum())
	}
	seconds := int(took.Seconds())
	for kind, least := range map[string]tally{"honest": {Granted: 10 * seconds}, "bare": {Granted: 10 * seconds}, "a terminal that comes and goes": {Granted: seconds / 2, Refused: seconds / 2}} {
		if n := s.tally[kind]; n.Granted < least.Granted || n.Refused < least.Refused {
			t.Errorf("%s: %+v is too little to tell", kind, *n)
		}
	}
	for _, h := range hostilities {
		if n := s.tally[h.name]; n == nil || n.Granted+n.Refused < seconds/2 {
			t.Errorf("%s: %+v is too little to tell", h.name, n)
		}
	}
	if n := s.reloads.Load(); int(n) < seconds/2 {
		t.Errorf("there were %d reloads in %s", n, took)
	}
	if n := s.echoes.Load(); int(n) < 4*seconds {
		t.Errorf("there were %d messages over WebSockets", n)
	}
	// Remembered tokens may take 16 MiB, which the collector lets double before it collects them; and it gives memory back to
	// the system only slowly, so the load's own garbage counts as well.
	if late.rss > early.rss+48 {
		t.Errorf("Traefik took %d MiB after a third of the time, and %d at the end", early.rss, late.rss)
	}
	if late.heap > early.heap+16 {
		t.Errorf("the heap was %.1f MB after a third of the time, and %.1f at the end", early.heap, late.heap)
	}
	// A request under way has up to four, and a client one at a time.
	if late.goroutines > early.goroutines+4*(soakHonest+soakBare+soakHostile) {
		t.Errorf("there were %d goroutines after a third of the time, and %d at the end", early.goroutines, late.goroutines)
	}
	s.checkLog(t)
}

// checkLog reads Traefik's log, which may be large.
func (s *soak) checkLog(t *testing.T) {
	file, err := os.Open(filepath.Join(s.proxy.Dir(), "traefik.log"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	broken, mended, denied, others := 0, 0, 0, 0
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		line := lines.Text()
		switch isError := strings.Contains(line, `"level":"error"`); {
		case strings.Contains(line, "panic"), strings.Contains(line, "eyJ"), s.tells(line):
			t.Errorf("the log holds a panic, a token or a secret: %.300s", line)
		case isError && strings.Contains(line, "; its last good content stays in force"):
			broken++
		case isError && strings.Contains(line, " is in order again"):
			mended++
		case isError:
			if others++; others < 10 {
				t.Errorf("no broken file explains: %.500s", line)
			}
		case strings.Contains(line, "ptlauth: auth@file answered 401"):
			denied++
		}
	}
	if lines.Err() != nil || denied == 0 {
		t.Errorf("of %d denials was told: %v", denied, lines.Err())
	}
	// A look may fall between the moment when a file is emptied and when something else is in it: another complaint.
	if broken < s.breaks || broken > 2*s.breaks || mended != s.breaks {
		t.Errorf("%d files were broken and mended; %d and %d lines tell of it", s.breaks, broken, mended)
	}
}

func (s *soak) tells(line string) bool {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return slices.ContainsFunc(s.secrets, func(secret string) bool { return strings.Contains(line, secret) })
}

// residents stay paired; nomads come and go.
var (
	residents = []string{"phone1", "phone2", "tablet", "laptop"}
	nomads    = []string{"visitor1", "visitor2"}
)

// soak is a Traefik under load, and what is known of it.
type soak struct {
	proxy   *traefik.Traefik
	app     *httptest.Server
	list    string    // the registry's path
	keys    [3]string // the secrets' paths; the last one stays
	lasting string    // the secret that stays
	birth   int64     // of tokens
	breaks  int

	requests, reloads, echoes, fresh atomic.Int64

	mutex      sync.Mutex
	secrets    []string        // all that there ever were
	current    [2]string       // the secrets that are rotated
	retired    string          // the last one that was
	resting    int             // which of them honest clients leave alone; -1: none
	facts      map[string]fact // of terminals and secrets, by name
	tally      map[string]*tally
	losses     map[string]int
	complaints []string
	wrong      int
}

// fact is whether something is good, and since when.
type fact struct {
	good  bool
	since time.Time
}

// tally counts the outcomes of a kind of request.
type tally struct{ Granted, Refused, Open, Lost int }

func (n *tally) sum() int { return n.Granted + n.Refused + n.Open + n.Lost }

func newSoak(t *testing.T) *soak {
	s := &soak{
		list: source.File(t, source.Paired(append(nomads, residents...)...)), birth: time.Now().Unix() - 3600,
		resting: -1, facts: map[string]fact{}, tally: map[string]*tally{}, losses: map[string]int{},
	}
	for i := range s.keys {
		s.secrets = append(s.secrets, issuer.NewSecret())
		s.keys[i] = source.File(t, s.secrets[i])
		s.facts[keyName(s.secrets[i])] = fact{good: true}
	}
	s.current, s.lasting, s.retired = [2]string(s.secrets), s.secrets[2], issuer.NewSecret()
	s.secrets = append(s.secrets, s.retired)
	for _, id := range append(nomads, residents...) {
		s.facts[id] = fact{good: true}
	}
	s.app = httptest.NewServer(s)
	t.Cleanup(s.app.Close)

	var routers strings.Builder
	for i := range soakRouters {
		fmt.Fprintf(&routers, "    app-%d: {rule: PathPrefix(`/%[1]d/`), service: app, middlewares: [auth], entryPoints: [web, websecure]}\n", i)
	}
	s.proxy = traefiktest.Start(t, traefik.Options{
		Debug: true, Static: "{accessLog: null, api: {dashboard: false}}",
		Dynamic: strings.NewReplacer("FIRST", s.keys[0], "SECOND", s.keys[1], "THIRD", s.keys[2], "LIST", s.list, "APP", s.app.URL,
			"REFRESH", soakRefresh.String(), "ROUTERS", routers.String()).Replace(`
http:
  middlewares:
    auth: {plugin: {ptlauth: &options {secretFile: FIRST, keys: [{secretFile: SECOND}, {secretFile: THIRD}], terminals: {file: LIST}, refresh: REFRESH}}}
    open: {plugin: {ptlauth: {<<: *options, paths: [{prefix: /open/public, access: public}]}}}
  services:
    app: {loadBalancer: {servers: [{url: "APP"}]}}
  routers:
    open: {rule: PathPrefix("/open/"), service: app, middlewares: [open], entryPoints: [web, websecure]}
    bare: {rule: PathPrefix("/bare/"), service: app, entryPoints: [web, websecure]}
ROUTERS`),
	})
	return s
}

func (s *soak) complain(format string, args ...any) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if s.wrong++; len(s.complaints) < 20 {
		s.complaints = append(s.complaints, fmt.Sprintf(format, args...))
	}
}

// state reports whether all of the facts were good (1) or one was not (-1) for long enough before a time that ptlauth has to
// know it; 0 while it need not.
func (s *soak) state(names []string, at time.Time) int {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	all := 1
	for _, name := range names {
		f := s.facts[name]
		switch {
		case f.since.After(at.Add(-soakRefresh - slack)):
			all = min(all, 0)
		case !f.good:
			return -1
		}
	}
	return all
}

// set makes facts true or false by way of an action, which takes a moment.
func (s *soak) set(good bool, names []string, action func()) {
	note := func() {
		s.mutex.Lock()
		defer s.mutex.Unlock()
		for _, name := range names {
			s.facts[name] = fact{good, time.Now()}
		}
	}
	note()
	action()
	note()
}

// ServeHTTP is the app. The client says in Visit-As whom it may be taken for, and in Visit-If what that hangs on.
func (s *soak) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	arrived := time.Now()
	bare := strings.HasPrefix(r.URL.Path, "/bare/")
	if as := r.Header.Get("Visit-As"); !bare && as != "" {
		s.judge(r, as, arrived)
	}
	if r.Header.Get("Upgrade") == "" {
		body, _ := io.ReadAll(r.Body)
		if !bare && len(r.Trailer) > 0 {
			s.complain("%s: trailers reached the app: %v", r.Header.Get("Visit-Kind"), r.Trailer)
		}
		_, _ = w.Write(body)
		return
	}
	witness.Echo(w, r)
}

// ours are the only names of a request that may look like Portal's.
var ours = map[string]bool{"X-Ptl-User": true, "X-Ptl-Client-Type": true, "X-Ptl-Client-Id": true, "X-Ptl-Client-Name": true}

func (s *soak) judge(r *http.Request, as string, at time.Time) {
	kind := r.Header.Get("Visit-Kind")
	if as == "nobody" || s.state(strings.Fields(r.Header.Get("Visit-If")), at) < 0 {
		s.complain("%s: a request reached the app that must not", kind)
	}
	want := []string{as, "terminal"}
	if as == "anonymous" {
		want = []string{"", "anonymous"}
	}
	if got := []string{strings.Join(r.Header["X-Ptl-User"], ","), strings.Join(r.Header["X-Ptl-Client-Type"], ",")}; !slices.Equal(got, want) {
		s.complain("%s: the app takes for %q whom it should take for %q", kind, got, want)
	}
	for name, values := range r.Header {
		folded := strings.Map(func(c rune) rune {
			if c >= 'a' && c <= 'z' || c >= '0' && c <= '9' {
				return c
			}
			return -1
		}, strings.ToLower(name))
		if strings.HasPrefix(folded, "xptl") && !ours[name] || strings.Contains(strings.Join(values, ""), "eyJ") || strings.Contains(strings.Join(values, ""), forgedUser) {
			s.complain("%s: the app sees %s: %.100q", kind, name, values)
		}
	}
	if r.Header.Get("Upgrade") != "" && r.Header.Get("Upgrade") != "websocket" {
		s.complain("%s: the app is asked to upgrade to %s", kind, r.Header.Get("Upgrade"))
	}
}

// keyName is what stands for a secret among the facts.
func keyName(secret string) string { return fmt.Sprintf("key-%x", sha256.Sum256([]byte(secret))) }

// mint signs a token; the same one for the same arguments.
func (s *soak) mint(secret, terminal string, claims jwt.MapClaims) string {
	all := jwt.MapClaims{"sub": terminal, "iat": s.birth}
	maps.Copy(all, claims)
	text, err := jwt.NewWithClaims(jwt.SigningMethodHS256, all).SignedString([]byte(secret))
	if err != nil {
		panic(err)
	}
	return text
}

// secret is one that an honest client may use now.
func (s *soak) secret() string {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if s.resting >= 0 {
		return s.current[1-s.resting]
	}
	return s.current[rand.IntN(2)]
}

func (s *soak) honest(terminal string) string { return s.mint(s.secret(), terminal, nil) }

// errand is a request, whom it may be taken for, and the facts that this hangs on.
type errand struct {
	kind, path, as string
	facts          []string
	method, body   string
	header         http.Header
	edit           func(*http.Request)
}

func with(token string) http.Header {
	return http.Header{"Cookie": {"theme=dark; authorization=" + token}}
}

const forgedUser = "someone-else"

var disguises = []string{
	"X-Ptl-User", "x-ptl-user", "X_Ptl_User", "X-Ptl_User", "X.Ptl.User", "X~Ptl~User", "x*ptl*user", "X-Ptl-User!", "X--Ptl-User",
	"X-Ptl-Client-Id", "X-Ptl-Client-Type", "X-Ptl-Anything",
}

// hostilities are what hostile clients ask for, in turn.
var hostilities = []struct {
	name string
	make func(s *soak, n int) errand
}{
	{"a forged name and no token", func(_ *soak, n int) errand {
		return errand{as: "nobody", header: http.Header{disguises[n%len(disguises)]: {forgedUser}}}
	}},
	{"a forged name beside a good token", func(s *soak, n int) errand {
		v := errand{as: residents[n%4], header: with(s.honest(residents[n%4]))}
		v.header[disguises[n%len(disguises)]] = []string{forgedUser}
		return v
	}},
	{"a forged name on a public path", func(_ *soak, n int) errand {
		return errand{as: "anonymous", path: "/open/public/page", header: http.Header{disguises[n%len(disguises)]: {forgedUser}}}
	}},
	{"a name in Connection", func(s *soak, n int) errand {
		v := errand{as: residents[n%4], header: with(s.honest(residents[n%4]))}
		v.header.Set("Connection", "X-Ptl-User")
		return v
	}},
	{"a name in a trailer", func(s *soak, n int) errand {
		return errand{as: residents[n%4], header: with(s.honest(residents[n%4])), method: http.MethodPost, body: "text", edit: func(r *http.Request) {
			r.ContentLength = -1
			r.Trailer = http.Header{"X-Ptl-User": {forgedUser}}
		}}
	}},
	{"an upgrade to another protocol", func(s *soak, n int) errand {
		v := errand{as: residents[n%4], header: with(s.honest(residents[n%4]))}
		v.header.Set("Connection", "Upgrade")
		v.header.Set("Upgrade", "h2c")
		return v
	}},
	{"a token of no key", func(s *soak, _ int) errand {
		return errand{as: "nobody", header: with(s.mint(issuer.NewSecret(), residents[0], nil))}
	}},
	{"a token of a retired key", func(s *soak, _ int) errand {
		s.mutex.Lock()
		secret := s.retired
		s.mutex.Unlock()
		return errand{as: residents[0], facts: []string{keyName(secret)}, header: with(s.mint(secret, residents[0], nil))}
	}},
	{"a token of a key that may be a new one", func(s *soak, n int) errand {
		s.mutex.Lock()
		secret := s.current[n%2]
		s.mutex.Unlock()
		return errand{as: residents[1], facts: []string{keyName(secret)}, header: with(s.mint(secret, residents[1], nil))}
	}},
	{"an expired token", func(s *soak, n int) errand {
		return errand{as: "nobody", header: with(s.mint(s.lasting, residents[0], jwt.MapClaims{"exp": s.birth + int64(n%100)}))}
	}},
	{"an unsigned token", func(s *soak, _ int) errand {
		text, _ := jwt.NewWithClaims(jwt.SigningMethodNone, jwt.MapClaims{"sub": residents[0]}).SignedString(jwt.UnsafeAllowNoneSignatureType)
		return errand{as: "nobody", header: with(text)}
	}},
	{"a token with another's claims", func(s *soak, _ int) errand {
		one, other := strings.Split(s.honest(residents[0]), "."), strings.Split(s.honest(residents[1]), ".")
		return errand{as: "nobody", header: with(one[0] + "." + other[1] + "." + one[2])}
	}},
	{"a terminal that was never paired", func(s *soak, _ int) errand {
		return errand{as: "nobody", header: with(s.honest(guest))}
	}},
	{"a terminal that comes and goes", func(s *soak, n int) errand {
		id := nomads[n%len(nomads)]
		return errand{as: id, facts: []string{id}, header: with(s.honest(id))}
	}},
	{"two terminals at once", func(s *soak, _ int) errand {
		return errand{as: "nobody", header: with(s.honest(residents[0]) + "; authorization=" + s.honest(residents[1]))}
	}},
	{"an oversize token", func(s *soak, n int) errand {
		return errand{as: "nobody", header: with("eyJ" + strings.Repeat("a", 9<<10+n%1000) + "." + s.honest(residents[0]))}
	}},
	{"an oversize cookie", func(_ *soak, n int) errand {
		return errand{as: "nobody", header: http.Header{"Cookie": {"authorization=eyJ" + strings.Repeat(".", 100<<10+n)}}}
	}},
	{"a cross-site POST", func(s *soak, _ int) errand {
		v := errand{as: "nobody", header: with(s.honest(residents[0])), method: http.MethodPost, body: "text"}
		v.header.Set("Sec-Fetch-Site", "cross-site")
		return v
	}},
	{"a flood of distinct good tokens", (*soak).flood},
	{"a flood of more of them", (*soak).flood},
}

func (s *soak) flood(int) errand {
	iat := s.birth - s.fresh.Add(1)
	return errand{as: residents[2], header: with(s.mint(s.lasting, residents[2], jwt.MapClaims{"iat": iat}))}
}

// ordinary is what an honest client asks for.
func (s *soak) ordinary(worker, n int) errand {
	v := errand{as: residents[worker%4], header: with(s.honest(residents[worker%4]))}
	if worker%3 == 2 {
		v.method, v.body = http.MethodPost, strings.Repeat("text ", n%2000)
		v.header.Set("Sec-Fetch-Site", "same-origin")
	}
	return v
}

func newSoakClient(worker int) *http.Client {
	transport := &http.Transport{
		DisableCompression: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: worker%soakHonest%4 == 3,
	}
	return &http.Client{Transport: transport, Timeout: 20 * time.Second}
}

// client asks again and again until the soak ends.
func (s *soak) client(ctx context.Context, client *http.Client, worker int) {
	for n := worker; ctx.Err() == nil; n++ {
		began := time.Now()
		var v errand
		base := s.proxy.URL("web")
		if client.Transport.(*http.Transport).ForceAttemptHTTP2 {
			base = s.proxy.URL("websecure")
		}
		switch {
		case worker < soakHonest:
			v = s.ordinary(worker, n)
			v.kind = "honest"
		case worker < soakHonest+soakBare:
			v = s.ordinary(worker-soakHonest, n)
			v.kind, v.path = "bare", "/bare/page"
		default:
			h := hostilities[n%len(hostilities)]
			v = h.make(s, n/len(hostilities))
			v.kind = h.name
			// Only HTTP/1.1 has these headers.
			if v.header.Get("Connection") != "" {
				base = s.proxy.URL("web")
			}
		}
		if v.path == "" {
			v.path = fmt.Sprintf("/%d/page", n%soakRouters)
			if n%7 == 0 {
				v.path = "/open/page"
			}
		}
		s.ask(client, base, v)
		// Clients in step would meet the same others each time.
		pause(ctx, soakPace/2+rand.N(soakPace)-time.Since(began))
	}
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// ask asks once, and sees what came of it.
func (s *soak) ask(client *http.Client, base string, v errand) {
	// Not the soak's context: what is under way when it ends is answered.
	r, err := http.NewRequest(cmp.Or(v.method, http.MethodGet), base+v.path, strings.NewReader(v.body))
	if err != nil {
		s.complain("%s: %v", v.kind, err)
		return
	}
	r.Header = v.header
	r.Header["Visit-As"], r.Header["Visit-Kind"] = []string{v.as}, []string{v.kind}
	r.Header["Visit-If"] = []string{strings.Join(v.facts, " ")}
	if v.edit != nil {
		v.edit(r)
	}
	began := time.Now()
	status, body := 0, []byte(nil)
	response, err := client.Do(r)
	if err == nil {
		status = response.StatusCode
		body, err = io.ReadAll(response.Body)
		response.Body.Close()
	}
	s.requests.Add(1)
	state := s.state(v.facts, began)
	if v.as == "nobody" {
		state = -1
	}
	lost := err != nil || status == http.StatusNotFound || status == http.StatusBadGateway || status == http.StatusGatewayTimeout
	s.count(v.kind, status, state, lost)
	if lost {
		s.lose(fmt.Sprintf("%s %s: %d and %v", v.kind, r.Method, status, err))
	}
	switch {
	case lost && v.kind != "honest" && v.kind != "bare":
		s.complain("%s: got %d and %v", v.kind, status, err)
	case lost:
	case state > 0 && (status != http.StatusOK || !bytes.Equal(body, []byte(v.body))):
		s.complain("%s: %s %s as %s got %d and %.100q", v.kind, r.Method, v.path, v.as, status, body)
	case state < 0 && status != http.StatusUnauthorized && status != http.StatusForbidden:
		s.complain("%s: %s %s got %d, and should be refused", v.kind, r.Method, v.path, status)
	case state == 0 && status != http.StatusOK && status != http.StatusUnauthorized:
		s.complain("%s: got %d", v.kind, status)
	}
}

// lose counts how requests are lost, without the ports that differ each time.
func (s *soak) lose(how string) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.losses[port.ReplaceAllString(how, ":0")]++
}

var port = regexp.MustCompile(`:\d{4,5}\b`)

func (s *soak) count(kind string, status, state int, lost bool) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	n := s.tally[kind]
	if n == nil {
		n = &tally{}
		s.tally[kind] = n
	}
	switch {
	case lost:
		n.Lost++
	case state == 0:
		n.Open++
	case status == http.StatusOK:
		n.Granted++
	default:
		n.Refused++
	}
}

// talk keeps a WebSocket in use, which nothing may end.
func (s *soak) talk(ctx context.Context, conn *websocket.Conn) {
	for n := 0; ctx.Err() == nil; n++ {
		text := []byte(strconv.Itoa(n))
		err := conn.Write(context.Background(), websocket.MessageText, text)
		var echo []byte
		if err == nil {
			within, cancel := context.WithTimeout(context.Background(), 20*time.Second)
			_, echo, err = conn.Read(within)
			cancel()
		}
		if err != nil || !bytes.Equal(echo, text) {
			s.complain("a WebSocket: got %q and %v for %q", echo, err, text)
			return
		}
		s.echoes.Add(1)
		pause(ctx, 100*time.Millisecond)
	}
}

// reload changes Traefik's configuration every second, and counts how often that is applied.
func (s *soak) reload(ctx context.Context) {
	path := filepath.Join(s.proxy.Dir(), "soak.yml")
	for n := 0; ctx.Err() == nil; n++ {
		began := time.Now()
		content := fmt.Sprintf("http: {routers: {soak-%d: {rule: 'Path(`/soak`)', service: ping@internal, entryPoints: [traefik]}}}\n", n)
		err := os.WriteFile(path, []byte(content), 0o600)
		if err == nil {
			err = os.Rename(path, filepath.Join(s.proxy.Dir(), "dynamic", "soak.yml"))
		}
		if err != nil {
			s.complain("a reload: %v", err)
			return
		}
		pause(ctx, time.Second-time.Since(began))
		response, err := http.Get(fmt.Sprintf("%s/api/http/routers/soak-%d@file", s.proxy.URL("traefik"), n))
		if err != nil {
			s.complain("a reload: %v", err)
			continue
		}
		response.Body.Close()
		if response.StatusCode == http.StatusOK {
			s.reloads.Add(1)
		}
	}
}

// change is one round of what may happen to terminals, secrets and files. It takes some 10 s.
func (s *soak) change(t *testing.T, round int) {
	settle := func() { time.Sleep(soakRefresh + slack + soakRefresh/2) }
	goes, stays := nomads[round%2], nomads[1-round%2]
	turn := round % 2

	// A terminal goes, and its WebSockets with it.
	settle()
	open := visitor.Dial(t, s.proxy.URL("web")+"/0/", s.honest(goes), 3)
	s.set(false, []string{goes}, func() { source.Replace(t, s.list, source.Paired(append(residents, stays)...)) })
	visitor.AwaitClosed(t, open, soakRefresh+slack)
	settle()

	// The list is broken, and comes back with the terminal in it.
	s.spoil(t, s.list, source.Paired(append(residents, stays)...), round)
	s.set(true, []string{goes}, func() { source.Replace(t, s.list, source.Paired(append(residents, nomads...)...)) })
	settle()

	// A secret is rotated, once nobody honest uses it.
	s.mutex.Lock()
	s.resting = turn
	before, after := s.current[turn], issuer.NewSecret()
	s.secrets = append(s.secrets, after)
	s.mutex.Unlock()
	open = visitor.Dial(t, s.proxy.URL("web")+"/1/", s.mint(before, residents[3], nil), 3)
	time.Sleep(slack)
	s.set(false, []string{keyName(before), keyName(after)}, func() {
		s.mutex.Lock()
		s.current[turn], s.retired = after, before
		s.mutex.Unlock()
		source.Replace(t, s.keys[turn], after)
	})
	s.set(true, []string{keyName(after)}, func() {})
	visitor.AwaitClosed(t, open, soakRefresh+slack)
	settle()
	s.mutex.Lock()
	s.resting = -1
	s.mutex.Unlock()

	// A secret's file is broken, and mended as it was.
	s.spoil(t, s.keys[turn], after, round)
	source.Replace(t, s.keys[turn], after)
	settle()
}

// spoil breaks a file for a while, each time in another way.
func (s *soak) spoil(t *testing.T, path, content string, round int) {
	t.Helper()
	var err error
	switch round % 4 {
	case 0:
		err = os.WriteFile(path, []byte(content[:10]), 0o600)
	case 1:
		err = os.Remove(path)
	case 2:
		err = os.WriteFile(path, []byte("-----BEGIN\x00\xff\xfe"), 0o600)
	case 3:
		err = os.WriteFile(path, nil, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	s.breaks++
	time.Sleep(2 * soakRefresh)
}

// footprint is what Traefik takes: MiB, MB on the heap, and goroutines.
type footprint struct {
	at              time.Duration
	rss, goroutines int
	heap            float64
}

func (f footprint) String() string {
	return fmt.Sprintf("%d MiB, %.1f MB of it in use, and %d goroutines after %s", f.rss, f.heap, f.goroutines, f.at.Round(time.Second))
}

func (s *soak) footprint(t *testing.T, began time.Time) footprint {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.proxy.PID()))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "VmRSS:")
	kib, err := strconv.Atoi(strings.Fields(rest)[0])
	if err != nil {
		t.Fatal(err)
	}
	held := meter.Consumed(t, s.proxy)
	return footprint{time.Since(began), kib >> 10, held.Goroutines, held.Allocated}
}
