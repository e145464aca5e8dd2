package soak

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/getportal/ptlauth/e2e/issuer"
	"github.com/getportal/ptlauth/e2e/meter"
	"github.com/getportal/ptlauth/e2e/source"
	"github.com/getportal/ptlauth/e2e/traefik"
	"github.com/getportal/ptlauth/e2e/traefik/traefiktest"
	"github.com/getportal/ptlauth/e2e/witness"
)

const (
	floodRouters = 10 // of each kind
	floodTime    = time.Second
	floodClients = 4
	// floodGrowth is how much larger the heap may be afterwards, in MB: what is remembered is bounded by less.
	floodGrowth = 20
)

// floodKinds are middlewares that keep something of what they see, each in its way.
const floodKinds = `
    plain: {plugin: {ptlauth: {secretFile: SECRET, terminals: {paired: [{id: abc123}]}}}}
    paths: {plugin: {ptlauth: {secretFile: SECRET, terminals: any, paths: PATHS}}}
    apps: {plugin: {ptlauth: {secretFile: SECRET, terminals: any, portal: {id: abcdef, domain: example.com}, apps: {directory: "APPS"}}}}
    places: {plugin: {ptlauth: {secretFile: SECRET, terminals: any, token: {query: token, header: Authorization}}}}
    told: {plugin: {ptlauth: {secretFile: SECRET, terminals: any, activity: {url: "ACTIVITY"}, paths: PATHS}}}
    people: {plugin: {ptlauth: {secretFile: SECRET, terminals: {paired: [{id: abc123}]}, pairing: {path: /people-0/.ptl/}, token: {basic: true}, loginURL: "https://login.example.com/?to={url}"}}}
    keyset: {plugin: {ptlauth: {keys: [{jwksURL: "KEYS"}], terminals: any}}}
`

// flood is a Traefik with routers of every kind, and what honest clients ask of it.
type flood struct {
	proxy  *traefik.Traefik
	honest []func() *http.Request

	mutex    sync.Mutex
	answered int
	slowest  time.Duration
	wrong    []string
}

// floods are what clients make up, in turn. Each is sent to every router, as what a router does with a host, an app or a
// kid depends on its kind.
var floods = []struct {
	name string
	make func(r *http.Request, n int)
}{
	{"names", func(r *http.Request, _ int) {
		for i := range 100 {
			r.Header[fmt.Sprintf("X-%s-%d", rand.Text(), i)] = []string{"1"}
		}
		r.Header["X-"+strings.Repeat(rand.Text(), 1000)] = []string{"1"}
	}},
	{"very many names at once", func(r *http.Request, n int) {
		for i := range 30000 {
			r.Header[fmt.Sprintf("X-%d-%d", n, i)] = []string{"1"}
		}
	}},
	{"hosts", func(r *http.Request, _ int) { r.Host = rand.Text() + ".example.com" }},
	{"long hosts", func(r *http.Request, n int) {
		r.Host = strings.Repeat(rand.Text(), 10000) + ".example.com"
		enterTold(r, n)
	}},
	{"ports", func(r *http.Request, n int) {
		r.Host = "chat.example.com:" + strings.Repeat(rand.Text(), 10000)
		enterTold(r, n)
	}},
	{"cookies", func(r *http.Request, _ int) {
		r.Header["Cookie"] = []string{"a=" + rand.Text() + "; authorization=" + jws(rand.Text(), rand.Text()) + "; b=" + strings.Repeat(rand.Text(), 100)}
	}},
	{"cookies without a token", func(r *http.Request, _ int) {
		r.Header["Cookie"] = []string{rand.Text() + "=" + strings.Repeat(rand.Text(), 500)}
	}},
	{"queries", func(r *http.Request, _ int) {
		r.URL.RawQuery = "token=" + jws(rand.Text(), rand.Text()) + "&" + rand.Text() + "=" + strings.Repeat(rand.Text(), 100)
	}},
	{"paths", func(r *http.Request, _ int) { r.URL.Path += rand.Text() + "/" + strings.Repeat(rand.Text(), 100) }},
	{"kids", func(r *http.Request, _ int) {
		r.Header["Cookie"] = []string{"authorization=" + jws(`{"alg":"ES256","kid":"`+rand.Text()+`"}`, `{"sub":"abc123"}`)}
	}},
	{"passwords", func(r *http.Request, _ int) {
		r.SetBasicAuth(rand.Text(), jws(`{"alg":"HS256"}`, `{"sub":"`+rand.Text()+`"}`))
	}},
	{"codes", func(r *http.Request, _ int) {
		r.Method, r.URL.Path = http.MethodPost, "/people-0/.ptl/pair"
		r.Header = http.Header{"Content-Type": {"application/x-www-form-urlencoded"}, "Origin": {"http://" + r.Host}, "Sec-Fetch-Site": {"same-origin"}, "User-Agent": {rand.Text()}}
		r.Body = io.NopCloser(strings.NewReader("do=pair&code=" + rand.Text()[:10] + "&" + rand.Text() + "=" + strings.Repeat(rand.Text(), 10)))
	}},
	{"pages", func(r *http.Request, _ int) {
		r.Header = http.Header{"Accept": {"text/html"}, "Accept-Language": {rand.Text()[:2] + ", " + rand.Text()}, "User-Agent": {rand.Text()}}
		r.URL.RawQuery = rand.Text()
	}},
	{"bearers", func(r *http.Request, _ int) {
		r.Header["Authorization"] = []string{"Bearer " + jws(`{"alg":"HS256"}`, `{"sub":"`+rand.Text()+`"}`)}
	}},
}

// enterTold lets every other request in where a host is told of.
func enterTold(r *http.Request, n int) {
	if n%2 == 0 {
		r.URL.Path = "/told-0/public/"
	}
}

// jws is what a token looks like, signed by nobody.
func jws(header, claims string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + "." + strings.Repeat("A", 43)
}

// TestFlood has clients make up names, hosts, cookies, queries, paths, kids and apps, on every router: nothing of it is
// kept, and honest clients are served meanwhile.
func TestFlood(t *testing.T) {
	if testing.Short() {
		t.Skip("starts Traefik")
	}
	f := newFlood(t)
	ctx, stop := context.WithCancel(t.Context())
	var honest sync.WaitGroup
	defer honest.Wait()
	defer stop()
	for i := range floodClients {
		honest.Go(func() { f.beHonest(ctx, i) })
	}
	time.Sleep(floodTime)
	before := meter.Consumed(t, f.proxy)
	last := before.Allocated
	for _, kind := range floods {
		served := f.served()
		n, refused := f.rise(t, kind.make)
		served = f.served() - served
		after := meter.Consumed(t, f.proxy)
		t.Logf("%-40s %6d requests, %6d of them refused; %5d honest ones; the heap was %.1f MB, and is %.1f", kind.name, n, refused, served, last, after.Allocated)
		if after.Allocated > before.Allocated+floodGrowth && after.Allocated > last+1 {
			t.Errorf("%s: the heap was %.1f MB before all floods, %.1f before this one, and is %.1f", kind.name, before.Allocated, last, after.Allocated)
		}
		if n < 7*floodRouters || refused == 0 || served < 7*floodRouters {
			t.Errorf("%s: %d requests, %d of them refused, and %d honest ones are too little to tell", kind.name, n, refused, served)
		}
		last = after.Allocated
	}
	stop()
	honest.Wait()
	t.Logf("%d honest requests, the slowest took %s; %d goroutines, and before %d", f.answered, f.slowest, meter.Consumed(t, f.proxy).Goroutines, before.Goroutines)
	for _, complaint := range f.wrong {
		t.Error(complaint)
	}
}

func newFlood(t *testing.T) *flood {
	t.Helper()
	secret := issuer.NewSecret()
	key := issuer.NewEC(t, "first")
	keys, activity := source.NewServer(t, source.Answer(issuer.KeySet(key))), witness.NewReceiver(t, source.Answer(""))
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.Header.Get("X-Ptl-Client-Type"))
	}))
	t.Cleanup(app.Close)
	apps := t.TempDir()
	if err := os.Mkdir(filepath.Join(apps, "chat"), 0o700); err != nil {
		t.Fatal(err)
	}
	source.Replace(t, filepath.Join(apps, "chat", "app_meta.json"), `{"paths": {"": {"access": "private", "headers": {"X-Ptl-Client-Type": "{{ auth.client_type }}"}}}}`)

	f := &flood{}
	var routers, paths strings.Builder
	token, listed := issuer.SignHS256(t, secret, phone), key.Token(t, phone)
	for _, kind := range []string{"plain", "paths", "apps", "places", "told", "people", "keyset"} {
		for i := range floodRouters {
			path := fmt.Sprintf("/%s-%d/", kind, i)
			fmt.Fprintf(&routers, "    %s-%d: {rule: PathPrefix(`%s`), service: app, middlewares: [%[1]s]}\n", kind, i, path)
			header := http.Header{"Cookie": {"theme=dark; authorization=" + token}}
			switch kind {
			case "places":
				header = http.Header{"Authorization": {"Bearer " + token}}
			case "keyset":
				header = http.Header{"Cookie": {"authorization=" + listed}}
			case "paths", "told":
				fmt.Fprintf(&paths, "{prefix: %spublic/, access: public}, ", path)
			}
			f.honest = append(f.honest, func() *http.Request { return f.request(path+"page", header) })
		}
	}
	f.proxy = traefiktest.Start(t, traefik.Options{
		Debug: true, Static: "{accessLog: null, log: {level: ERROR}, api: {dashboard: false}}",
		Dynamic: "http:\n  middlewares:" + strings.NewReplacer("SECRET", source.File(t, secret), "PATHS", "["+paths.String()+"]", "APPS", apps,
			"ACTIVITY", activity.URL, "KEYS", keys.URL).Replace(floodKinds) + "  services:\n    app: {loadBalancer: {servers: [{url: \"" + app.URL + "\"}]}}\n  routers:\n" + routers.String(),
	})
	return f
}

func (f *flood) request(path string, header http.Header) *http.Request {
	r, err := http.NewRequest(http.MethodGet, f.proxy.URL("web")+path, nil)
	if err != nil {
		panic(err)
	}
	r.Host = "chat.example.com"
	r.Header = header.Clone()
	return r
}

// beHonest asks every router in turn, and complains of anything but what it should get.
func (f *flood) beHonest(ctx context.Context, worker int) {
	client := &http.Client{Transport: &http.Transport{DisableCompression: true}, Timeout: 20 * time.Second}
	defer client.CloseIdleConnections()
	for n := worker * floodRouters; ctx.Err() == nil; n++ {
		r := f.honest[n%len(f.honest)]()
		began := time.Now()
		status, body, err := fetchAll(client, r)
		took := time.Since(began)
		f.mutex.Lock()
		f.answered++
		f.slowest = max(f.slowest, took)
		if (err != nil || status != http.StatusOK || body != "terminal") && len(f.wrong) < 10 {
			f.wrong = append(f.wrong, fmt.Sprintf("an honest request to %s got %d, %.100q and %v", r.URL.Path, status, body, err))
		}
		f.mutex.Unlock()
		pause(ctx, 2*time.Millisecond)
	}
}

func (f *flood) served() int {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	return f.answered
}

// rise floods all routers for a while, and returns how many requests were answered, and how many of them refused.
func (f *flood) rise(t *testing.T, edit func(*http.Request, int)) (int, int) {
	t.Helper()
	var all sync.WaitGroup
	counts := make([][2]int, floodClients)
	until := time.Now().Add(floodTime)
	for i := range floodClients {
		all.Go(func() {
			client := &http.Client{Transport: &http.Transport{DisableCompression: true}, Timeout: 20 * time.Second}
			defer client.CloseIdleConnections()
			for n := i; time.Now().Before(until) || counts[i][0] < 2*floodRouters; n += floodClients {
				r := f.honest[n%len(f.honest)]()
				r.Header = http.Header{}
				// The public paths as well, where there are any.
				if n/len(f.honest)%2 == 0 {
					r.URL.Path = strings.TrimSuffix(r.URL.Path, "page") + "public/"
				}
				edit(r, n)
				status, _, err := fetchAll(client, r)
				if err != nil {
					t.Errorf("a flood's request to %.100s: %v", r.URL.Path, err)
					return
				}
				counts[i][0]++
				if status != http.StatusOK {
					counts[i][1]++
				}
			}
		})
	}
	all.Wait()
	n, refused := 0, 0
	for _, count := range counts {
		n += count[0]
		refused += count[1]
	}
	return n, refused
}

func fetchAll(client *http.Client, r *http.Request) (int, string, error) {
	response, err := client.Do(r)
	if err != nil {
		return 0, "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return response.StatusCode, string(body), err
}
