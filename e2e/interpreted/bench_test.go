package interpreted

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v4"
)

const secret = "a-secret-for-benchmarks-0123456789-abcdefghijklmnopqrstuvwxyz-0123456789"

// browser is what a browser sends, as it leaves Traefik's entry point: 13 headers.
var browser = map[string]string{
	"Accept": "text/html,application/xhtml+xml", "Accept-Encoding": "gzip, deflate, br, zstd", "Accept-Language": "en-US,en;q=0.9",
	"Referer": "https://chat.example.com/", "Sec-Ch-Ua": `"Chromium";v="140"`, "Sec-Fetch-Dest": "empty",
	"Sec-Fetch-Mode": "cors", "Sec-Fetch-Site": "same-origin", "User-Agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36",
	"X-Forwarded-For": "192.0.2.7", "X-Forwarded-Host": "chat.example.com", "X-Forwarded-Proto": "https", "X-Real-Ip": "192.0.2.7",
}

func mint(b *testing.B, method jwt.SigningMethod, key any, sub string) string {
	b.Helper()
	text, err := jwt.NewWithClaims(method, jwt.MapClaims{"sub": sub, "iat": 1700000000}).SignedString(key)
	if err != nil {
		b.Fatal(err)
	}
	return text
}

// quiet is the end of the way: nothing.
var quiet = http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})

func build(b *testing.B, options Options, config map[string]any) http.Handler {
	b.Helper()
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

// run serves requests that differ only in their Cookie line; filling the headers anew is not counted into the ratio,
// because the no-op plugin is measured with it too and then taken off both.
func run(b *testing.B, handler http.Handler, cookie func(i int) string, extra ...string) float64 {
	b.Helper()
	request := httptest.NewRequest(http.MethodGet, "/api/rooms", nil)
	values := map[string][]string{}
	for name, value := range browser {
		values[name] = []string{value}
	}
	for _, line := range extra {
		name, value, _ := strings.Cut(line, ": ")
		values[name] = []string{value}
	}
	w := &blank{header: http.Header{}}
	lines := make([]string, min(b.N, 1<<16))
	for i := range lines {
		lines[i] = cookie(i)
	}
	b.ResetTimer()
	for i := 0; i < b.N; i++ {
		clear(request.Header)
		for name, value := range values {
			request.Header[name] = value
		}
		request.Header["Cookie"] = []string{lines[i%len(lines)]}
		handler.ServeHTTP(w, request)
	}
	return float64(b.Elapsed().Nanoseconds()) / float64(b.N)
}

// BenchmarkServeHTTP measures each kind of request as a multiple of a plugin that does nothing.
func BenchmarkServeHTTP(b *testing.B) {
	dir := b.TempDir()
	file := filepath.Join(dir, "secret")
	if err := os.WriteFile(file, []byte(secret), 0o600); err != nil {
		b.Fatal(err)
	}
	config := map[string]any{"secretFile": file}
	noop := build(b, Options{Root: "testdata", Module: "example.com/noop"}, nil)
	gate := build(b, Options{}, config)
	token := mint(b, jwt.SigningMethodHS256, []byte(secret), "abc123")
	same := func(int) string { return "theme=dark; authorization=" + token + "; lang=de" }
	crumbs := strings.Repeat("c=0123456789; ", 19)

	var base, filling float64
	b.Run("nothing", func(b *testing.B) { filling = run(b, quiet, same) })
	b.Run("no-op", func(b *testing.B) { base = run(b, noop, same) - filling })
	for _, test := range []struct {
		name   string
		cookie func(i int) string
		extra  []string
	}{
		{"remembered", same, nil},
		{"remembered, 20 cookies", func(int) string { return crumbs + "authorization=" + token }, nil},
		{"remembered, an unusual header", same, []string{"X-Custom-Thing: 1"}},
		{"remembered, 27 unusual headers", same, many(27)},
		{"first sight", func(i int) string { return fmt.Sprintf("n=%d-%d; authorization=%s", time.Now().UnixNano(), i, token) }, nil},
		{"forged", func(i int) string { return fmt.Sprintf("authorization=%s%08dxx", token[:len(token)-10], i) }, nil},
		{"no token", func(int) string { return "theme=dark" }, nil},
	} {
		b.Run(test.name, func(b *testing.B) {
			b.ReportMetric((run(b, gate, test.cookie, test.extra...)-filling)/base, "×no-op")
		})
	}
}

func many(n int) []string {
	var lines []string
	for i := range n {
		lines = append(lines, fmt.Sprintf("X-Custom-%d: 1", i))
	}
	return lines
}
