package interpreted

import (
	"cmp"
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v4"
	"github.com/rs/zerolog"
)

// secret is what the benchmarks' HS256 tokens are signed with.
const secret = "a-secret-for-benchmarks-0123456789-abcdefghijklmnopqrstuvwxyz-0123456789"

// browser is what a browser sends, as it leaves Traefik's entry point: 13 headers with the Cookie line.
var browser = []string{
	"Accept: text/html,application/xhtml+xml", "Accept-Encoding: gzip, deflate, br, zstd", "Accept-Language: en-US,en;q=0.9",
	"Referer: https://chat.example.com/", `Sec-Ch-Ua: "Chromium";v="140"`, "Sec-Fetch-Dest: empty",
	"Sec-Fetch-Mode: cors", "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36",
	"X-Forwarded-For: 192.0.2.7", "X-Forwarded-Host: chat.example.com", "X-Forwarded-Proto: https", "X-Real-Ip: 192.0.2.7",
}

// usual are further headers that browsers, proxies and apps send every day.
var usual = []string{
	"Cache-Control", "Content-Language", "Content-Type", "Dnt", "If-Match", "If-Modified-Since", "If-None-Match", "If-Range",
	"If-Unmodified-Since", "Origin", "Pragma", "Priority", "Range", "Sec-Ch-Ua-Arch", "Sec-Ch-Ua-Bitness", "Sec-Ch-Ua-Mobile",
	"Sec-Ch-Ua-Model", "Sec-Ch-Ua-Platform", "Sec-Ch-Ua-Platform-Version", "Sec-Fetch-Site", "Sec-Fetch-User", "Sec-Gpc",
	"Sec-Purpose", "Upgrade-Insecure-Requests", "X-Csrf-Token", "X-Forwarded-Server", "X-Requested-With",
}

// kind is a kind of request, and the least that one took so far, in nanoseconds.
type kind struct {
	name      string
	handler   http.Handler
	path      string
	cookie    func(i int) string
	extra     []string
	least     float64
	collected float64 // what one took with the garbage collector's share; 0: not measured
}

const (
	benchRounds = 40
	// batch is how long a batch of requests may take: short enough to fall between the machine's other work.
	batch = 4 * time.Millisecond
)

// BenchmarkServeHTTP measures each kind of request as a multiple of a plugin that does nothing. Batches take turns, and
// the least counts: noise only adds. That leaves the garbage collector out, so some kinds are measured with it as well.
func BenchmarkServeHTTP(b *testing.B) {
	kinds := everyKind(b)
	measure(kinds)
	collect(longKinds(func(name string) *kind {
		return kinds[slices.IndexFunc(kinds, func(k *kind) bool { return k.name == name })]
	}))
	base := kinds[1].least - kinds[0].least
	for _, k := range kinds[2:] {
		b.Run(k.name, func(b *testing.B) {
			b.ReportMetric((k.least-kinds[0].least)/base, "×no-op")
			if k.collected > 0 {
				b.ReportMetric(k.collected/kinds[1].collected, "×no-op,GC-in-both")
				b.ReportMetric(k.collected/base, "×no-op,GC-on-top")
			}
			b.ReportMetric(0, "ns/op")
		})
	}
}

// everyKind begins with no plugin, and one that does nothing.
func everyKind(b *testing.B) []*kind {
	b.Helper()
	good := mint(b, jwt.SigningMethodHS256, []byte(secret))
	same := func(int) string { return "theme=dark; authorization=" + good + "; lang=de" }
	crumbs := strings.Repeat("c=0123456789; ", 19)
	plain := map[string]any{"secretFile": file(b, "secret", secret), "terminals": "any"}
	public := map[string]any{"secretFile": plain["secretFile"], "terminals": "any", "paths": []any{map[string]any{"prefix": "/public", "access": "public"}}}
	gate := build(b, Options{}, plain)
	list := file(b, "list.json", `[{"id": "abc123"}]`)
	pairing := build(b, Options{}, map[string]any{"secretFile": plain["secretFile"], "terminals": map[string]any{"file": list}, "pairing": true})
	gates := build(b, Options{}, public)
	basic := build(b, Options{}, map[string]any{"secretFile": plain["secretFile"], "terminals": "any", "token": map[string]any{"basic": true}})
	password := "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte("k7p2x9:"+good))
	portal := build(b, Options{}, map[string]any{"secretFile": plain["secretFile"], "terminals": "any", "portal": map[string]any{"id": "abcdef123"}, "apps": map[string]any{"directory": apps(b)}})

	kinds := []*kind{
		{name: "nothing", handler: quiet, cookie: same},
		{name: "a plugin that does nothing", handler: build(b, Options{Root: "testdata", Module: "example.com/noop"}, nil), cookie: same},
		{name: "the least that a gate must do", handler: build(b, Options{Root: "testdata", Module: "example.com/least"}, map[string]any{"cookie": same(0), "user": "abc123"}), cookie: same},
		{name: "remembered", handler: gate, cookie: same},
		{name: "remembered, no other cookie", handler: gate, cookie: func(int) string { return "authorization=" + good }},
		{name: "remembered, 20 cookies", handler: gate, cookie: func(int) string { return crumbs + "authorization=" + good }},
		{name: "remembered, a page with 40 headers", handler: gate, cookie: same, extra: append(named(usual), "Sec-Fetch-Dest: document", "Sec-Fetch-Mode: navigate")},
		{name: "remembered, an unusual header", handler: gate, cookie: same, extra: []string{"X-Custom-Thing: 1"}},
		{name: "remembered, 27 unusual headers", handler: gate, cookie: same, extra: many(27)},
		{name: "remembered, with pairing", handler: pairing, cookie: same},
		{name: "first sight, with pairing", handler: pairing, cookie: anew(good)},
		{name: "remembered, with paths", handler: gates, path: "/api/rooms", cookie: same},
		{name: "remembered, beside passwords", handler: basic, cookie: same},
		{name: "a password, remembered", handler: basic, cookie: func(int) string { return "theme=dark" }, extra: []string{password}},
		{name: "a public path, remembered", handler: gates, path: "/public/style.css", cookie: same},
		{name: "a public path, no token", handler: gates, path: "/public/style.css", cookie: func(int) string { return "theme=dark" }},
		{name: "an app of a Portal, remembered", handler: portal, path: "/api/rooms", cookie: same},
		{name: "an app of a Portal, first sight", handler: portal, path: "/api/rooms", cookie: anew(good)},
		{name: "first sight, with paths", handler: gates, path: "/api/rooms", cookie: anew(good)},
		{name: "first sight, HS256", handler: gate, cookie: anew(good)},
		{name: "first sight, HS256, a third claim", handler: gate, cookie: anew(newMinter(aName).token(0))},
		{name: "first sight, HS256, with exp", handler: gate, cookie: anew(newMinter(anExpiry).token(0))},
		{name: "forged", handler: gate, cookie: forge(good, len(good)-1)},
		{name: "forged, only the first character is wrong", handler: gate, cookie: forge(good, strings.LastIndexByte(good, '.')+1)},
		{name: "no token", handler: gate, cookie: func(int) string { return "theme=dark" }},
	}
	for _, signed := range signers(b) {
		handler := build(b, Options{}, map[string]any{"keys": []any{map[string]any{"publicKeyFile": signed.file}}, "terminals": "any"})
		kinds = append(kinds, &kind{name: "first sight, " + signed.method.Alg(), handler: handler, cookie: anew(mint(b, signed.method, signed.key))})
	}
	return kinds
}

// BenchmarkLoad is what a start of Traefik takes longer with a plugin.
func BenchmarkLoad(b *testing.B) {
	for name, options := range map[string]Options{"ptlauth": {}, "a plugin that does nothing": {Root: "testdata", Module: "example.com/noop"}} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := Load(options); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkNew is what a reload of Traefik takes longer for each router.
func BenchmarkNew(b *testing.B) {
	for _, test := range []struct {
		name    string
		options Options
		config  map[string]any
	}{
		{"ptlauth", Options{}, map[string]any{"secretFile": file(b, "secret", secret), "terminals": "any"}},
		{"a plugin that does nothing", Options{Root: "testdata", Module: "example.com/noop"}, nil},
	} {
		b.Run(test.name, func(b *testing.B) {
			plugin, err := Load(test.options)
			if err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				if _, err := plugin.New(context.Background(), quiet, test.config, b.Name()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func measure(kinds []*kind) {
	for _, k := range kinds {
		k.least = math.MaxFloat64
	}
	next := 0
	for round := range benchRounds + 2 {
		for _, k := range kinds {
			took, n := k.serve(next)
			next += n
			if round >= 2 {
				k.least = min(k.least, took)
			}
		}
	}
}

// serve serves a batch of requests and returns how long one took, in nanoseconds, and how many there were.
func (k *kind) serve(from int) (float64, int) {
	request, values := k.request()
	cookies := make([][]string, 32)
	w := &blank{header: http.Header{}}
	n := 0
	took := time.Duration(0)
	for took < batch {
		for i := range cookies {
			cookies[i] = []string{k.cookie(from + n + i)}
		}
		began := time.Now()
		for _, cookie := range cookies {
			clear(request.Header)
			request.Response = nil
			for name, value := range values {
				request.Header[name] = value
			}
			request.Header["Cookie"] = cookie
			k.handler.ServeHTTP(w, request)
		}
		took += time.Since(began)
		n += len(cookies)
	}
	return float64(took.Nanoseconds()) / float64(n), n
}

// request is a request of that kind, and its headers but for the Cookie line.
func (k *kind) request() (*http.Request, map[string][]string) {
	request := httptest.NewRequest(http.MethodGet, cmp.Or(k.path, "/"), nil)
	request.Host = "chat.example.com"
	values := map[string][]string{}
	for _, line := range append(browser, k.extra...) {
		name, value, _ := strings.Cut(line, ": ")
		values[name] = []string{value}
	}
	return request, values
}

// anew has every request look new: the Cookie line differs, the token does not.
func anew(token string) func(int) string {
	began := time.Now().UnixNano()
	return func(i int) string { return fmt.Sprintf("n=%d-%d; authorization=%s", began, i, token) }
}

// forge has every request carry a token with one other character at that place.
func forge(token string, at int) func(int) string {
	wrong := "A"
	if token[at] == 'A' {
		wrong = "Q"
	}
	forged := token[:at] + wrong + token[at+1:]
	return func(i int) string { return fmt.Sprintf("n=%d; authorization=%s", i, forged) }
}

func mint(b *testing.B, method jwt.SigningMethod, key any) string {
	b.Helper()
	text, err := jwt.NewWithClaims(method, jwt.MapClaims{"sub": "abc123", "iat": 1700000000}).SignedString(key)
	if err != nil {
		b.Fatal(err)
	}
	return text
}

// signer is a private key, and the file with its public half.
type signer struct {
	method jwt.SigningMethod
	key    any
	file   string
}

func signers(b *testing.B) []signer {
	b.Helper()
	r, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		b.Fatal(err)
	}
	e, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	all := []signer{{method: jwt.SigningMethodRS256, key: r}, {method: jwt.SigningMethodES256, key: e}, {method: jwt.SigningMethodEdDSA, key: private}}
	for i, key := range []any{&r.PublicKey, &e.PublicKey, public} {
		der, err := x509.MarshalPKIXPublicKey(key)
		if err != nil {
			b.Fatal(err)
		}
		all[i].file = file(b, all[i].method.Alg(), string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})))
	}
	return all
}

func file(b *testing.B, name, content string) string {
	b.Helper()
	path := filepath.Join(b.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		b.Fatal(err)
	}
	return path
}

// apps is a folder with an installed app that has a public path.
func apps(b *testing.B) string {
	b.Helper()
	dir := b.TempDir()
	app := filepath.Join(dir, "chat")
	meta := `{"paths": {"": {"access": "private", "headers": {"X-Ptl-User": "{{ portal.id[:6] }}@example.com"}}, "/public": {"access": "public"}}}`
	if err := errors.Join(os.Mkdir(app, 0o700), os.WriteFile(filepath.Join(app, "app_meta.json"), []byte(meta), 0o600)); err != nil {
		b.Fatal(err)
	}
	return dir
}

// quiet is the end of the way: nothing.
var quiet = http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})

// build makes a middleware with Traefik's log at its default level.
func build(b *testing.B, options Options, config map[string]any) http.Handler {
	b.Helper()
	options.Level = zerolog.ErrorLevel
	plugin, err := Load(options)
	if err != nil {
		b.Fatal(err)
	}
	handler, err := plugin.New(context.Background(), quiet, config, b.Name())
	if err != nil {
		b.Fatal(err)
	}
	return handler
}

// blank is a ResponseWriter that keeps nothing.
type blank struct{ header http.Header }

func (w *blank) Header() http.Header         { return w.header }
func (w *blank) Write(p []byte) (int, error) { return len(p), nil }
func (w *blank) WriteHeader(int)             {}

func named(names []string) []string {
	var lines []string
	for _, name := range names {
		lines = append(lines, name+": 1")
	}
	return lines
}

func many(n int) []string {
	var lines []string
	for i := range n {
		lines = append(lines, fmt.Sprintf("X-Custom-%d: 1", i))
	}
	return lines
}
