package interpreted

import (
	"bufio"
	"fmt"
	"maps"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"
)

// hostile is a request whose size a client chooses.
type hostile struct {
	name string
	// make returns the target's query and the header lines for about that many bytes.
	make func(size int) (target string, lines []string)
}

// repeated is as much of a text as fits.
func repeated(text string, size int) string { return strings.Repeat(text, max(1, size/len(text))) }

func cookieOf(text string) func(int) (string, []string) {
	return func(size int) (string, []string) { return "", []string{"Cookie: " + repeated(text, size)} }
}

func queryOf(text string) func(int) (string, []string) {
	return func(size int) (string, []string) { return "?" + repeated(text, size), nil }
}

func lineOf(name, before, text string) func(int) (string, []string) {
	return func(size int) (string, []string) {
		return "", []string{name + ": " + before + repeated(text, size)}
	}
}

func linesOf(line string) func(int) (string, []string) {
	return func(size int) (string, []string) {
		var lines []string
		for n := 0; n < size; n += len(lines[len(lines)-1]) + 2 {
			text := line
			if strings.Contains(line, "%d") {
				text = fmt.Sprintf(line, len(lines))
			}
			lines = append(lines, text)
		}
		return "", lines
	}
}

// hostiles are what once took the interpreter longer than any server takes to read it, and what is near it.
var hostiles = []hostile{
	{"a cookie's name, repeated", cookieOf("authorization")},
	{"cookies of the name", cookieOf("b=1;authorization=x;")},
	{"cookies whose names end alike", cookieOf("xauthorization=;")},
	{"commas, quotes and spaces", cookieOf(`authorization=", "; `)},
	{"blanks around a name", func(size int) (string, []string) {
		blanks := repeated(" ", size/3)
		return "", []string{"Cookie: a" + blanks + ";authorization" + blanks + "=" + blanks + "x"}
	}},
	{"Cookie lines", linesOf("Cookie: authorization=x")},
	{"what looks like a JWT", cookieOf("eyJ.eyJeyJ.")},
	{"short parameters", queryOf("a&")},
	{"parameters of the name", queryOf("auth=x&")},
	{"escaped letters", queryOf("%61")},
	{"escaped names", queryOf("&%61uth=x")},
	{"a long Referer", lineOf("Referer", "https://a.test/?auth=", "a&%61ut")},
	{"a long Authorization", lineOf("Authorization", "Bearer ", "eyJ.")},
	{"Authorization lines", linesOf("Authorization: Bearer x")},
	{"header names", linesOf("x%d: ")},
	{"as many long header names as are looked at", func(size int) (string, []string) {
		var lines []string
		for i := range 250 {
			lines = append(lines, fmt.Sprintf("x-webauth-%d%s: ", i, repeated("-_", size/250)))
		}
		return "", lines
	}},
	{"a long path", func(size int) (string, []string) { return "/" + repeated("a/b", size), nil }},
	{"an escaped path", func(size int) (string, []string) { return "/" + repeated("%41", size), nil }},
	{"a scheme in a cookie, repeated", func(size int) (string, []string) {
		return "", []string{"Cookie: authorization=" + repeated("Bearer%20", size)}
	}},
	{"blanks behind a scheme in a cookie", func(size int) (string, []string) {
		return "", []string{"Cookie: authorization=Bearer" + repeated("+", size)}
	}},
	{"a long password", lineOf("Authorization", "Basic ", "YWJj")},
	{"languages", func(size int) (string, []string) {
		return "", []string{"Accept: text/html", "Sec-Fetch-Mode: navigate", "Accept-Language: " + repeated("de;q=0.1,", size)}
	}},
	{"a browser's name", func(size int) (string, []string) {
		return "", []string{"Accept: text/html", "Sec-Fetch-Mode: navigate", "User-Agent: " + repeated("Firefox/1 ", size)}
	}},
	{"options of a Connection", func(size int) (string, []string) {
		return "", []string{"Upgrade: websocket", "Connection: " + repeated("upgrad,", size)}
	}},
	{"a long Host", func(size int) (string, []string) { return "", []string{"Host: " + repeated("a.", size)} }},
}

// bytes is the request as it comes in.
func (h *hostile) bytes(path string, size int) string {
	target, lines := h.make(size)
	request := "GET " + path + target + " HTTP/1.1\r\n"
	if len(lines) == 0 || !strings.HasPrefix(lines[0], "Host: ") {
		request += "Host: chat.example.com\r\n"
	}
	return request + strings.Join(lines, "\r\n") + "\r\n\r\n"
}

// BenchmarkHostile measures what a request costs that is as large as its client likes: reading it, as any server must, and
// the middleware, as a multiple of reading it and a plugin that does nothing. The least of several counts: noise only adds.
func BenchmarkHostile(b *testing.B) {
	file := file(b, "secret", secret)
	nothing := build(b, Options{Root: "testdata", Module: "example.com/noop"}, nil)
	for _, setting := range []struct {
		name string
		more map[string]any
	}{
		{"default", nil},
		{"header and query", map[string]any{"token": map[string]any{"header": "Authorization", "query": "auth"}}},
		{"people", map[string]any{"token": map[string]any{"basic": true}, "pairing": true, "terminals": map[string]any{"paired": []any{map[string]any{"id": "abc123"}}}}},
	} {
		config := map[string]any{"secretFile": file, "terminals": "any", "paths": []any{map[string]any{"prefix": "/public", "access": "public"}}}
		maps.Copy(config, setting.more)
		handler := build(b, Options{}, config)
		for _, path := range []string{"/private", "/public"} {
			for i := range hostiles {
				for _, size := range []int{64 << 10, 1 << 20} {
					request := hostiles[i].bytes(path, size)
					bare, took := least(b, nothing, request), least(b, handler, request)
					b.Run(fmt.Sprintf("%s/%s%s/%dKiB", setting.name, hostiles[i].name, path, size>>10), func(b *testing.B) {
						b.ReportMetric(took/bare, "×no-op")
						b.ReportMetric(took/1e6, "ms")
						b.ReportMetric(0, "ns/op")
					})
				}
			}
		}
	}
}

// least is the least time that reading and serving a request took, in nanoseconds.
func least(b *testing.B, handler http.Handler, request string) float64 {
	b.Helper()
	least := math.MaxFloat64
	w := &blank{header: http.Header{}}
	began := time.Now()
	for round := 0; round < 5 || round < 40 && time.Since(began) < 40*time.Millisecond; round++ {
		began := time.Now()
		r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(request)))
		if err != nil {
			b.Fatal(err)
		}
		handler.ServeHTTP(w, r)
		least = min(least, float64(time.Since(began).Nanoseconds()))
	}
	return least
}
