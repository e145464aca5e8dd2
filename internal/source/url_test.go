package source

import (
	"compress/gzip"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// asIs takes what begins with "good".
func asIs(content []byte) (interface{}, string) {
	if !strings.HasPrefix(string(content), "good") {
		return nil, "is not good"
	}
	return string(content), ""
}

func serve(t *testing.T, answer http.HandlerFunc) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(answer)
	t.Cleanup(server.Close)
	return server
}

func good(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "good") }

// trusting makes the client of this package trust a TLS server until the test ends.
func trusting(t *testing.T, server *httptest.Server) {
	t.Helper()
	before := client.Transport
	client.Transport = server.Client().Transport
	t.Cleanup(func() { client.Transport = before })
}

func TestAnswersThatAreRefused(t *testing.T) {
	plain := serve(t, good)
	secure := httptest.NewTLSServer(http.RedirectHandler(plain.URL, http.StatusFound))
	t.Cleanup(secure.Close)
	down := httptest.NewServer(nil)
	down.Close()
	circle := serve(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, r.URL.Path, http.StatusFound) })
	once := serve(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, plain.URL, http.StatusFound) })
	nowhere := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", "http://a secret:x")
		w.WriteHeader(http.StatusFound)
	})
	bomb := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		packed := gzip.NewWriter(w)
		_, _ = packed.Write(make([]byte, 8<<20))
		_ = packed.Close()
	})
	endless := serve(t, func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			if _, err := w.Write(make([]byte, 1<<20)); err != nil {
				return
			}
		}
	})
	large := serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, maxShort+1)) })
	for _, test := range []struct {
		name, address, want string
		trusted             *httptest.Server
	}{
		{"one redirect is followed", once.URL, "", nil},
		{"a redirect from https to http is not", secure.URL, "redirects from https to http, where others could answer in its place: write the https address that answers", secure},
		{"redirects in a circle end", circle.URL, "redirects more than 3 times", nil},
		{"a redirect to no address is not quoted", nowhere.URL, "redirects to what is no address", nil},
		{"a server that signed its own certificate needs SSL_CERT_FILE", secure.URL, "set SSL_CERT_FILE in Traefik's environment", nil},
		{"a server without TLS needs http", strings.Replace(plain.URL, "http:", "https:", 1), "write http:// if it is meant to be without TLS", nil},
		{"a server that is down is to be started", down.URL, "start its server, or correct the address", nil},
		{"what is compressed is not read", bomb.URL, "answers compressed", nil},
		{"an answer without end is cut", endless.URL, "is larger than 1 MiB", nil},
		{"an answer that is too large is cut", large.URL, "is larger than 1 MiB", nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.trusted != nil {
				trusting(t, test.trusted)
			}
			content, _, _, problem := ask(test.address, "", maxShort)
			if !strings.Contains(problem, test.want) || (problem == "") != (test.want == "") || (problem == "") != (string(content) == "good") || strings.Contains(problem, "secret") {
				t.Errorf("got %q and %.20q, want %q", problem, content, test.want)
			}
		})
	}
}

func TestCertificatesThatAreRefused(t *testing.T) {
	for cause, want := range map[string]string{
		"x509: certificate has expired or is not yet valid: current time 2026-01-01T00:00:00Z is after 2025-01-01T00:00:00Z": "cannot be trusted (x509: certificate has expired or is not yet valid): renew",
		"x509: certificate is valid for example.com, not idp":                                                                "write the address with a name that its certificate is for",
	} {
		if got := unreachable(cause); !strings.Contains(got, want) {
			t.Errorf("%s: got %q, want %q", cause, got, want)
		}
	}
}

// TestWaiting: nobody waits longer than a second for all servers together, and once.
func TestWaiting(t *testing.T) {
	stop := make(chan struct{})
	hanging := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-stop:
		case <-r.Context().Done():
		}
	})
	t.Cleanup(func() { close(stop) })
	var sources []*Source
	began := time.Now()
	for _, path := range []string{"/a", "/b", "/c", "/d"} {
		sources = append(sources, URL(t.Name(), hanging.URL+path, false, asIs))
	}
	if took := time.Since(began); took > 500*time.Millisecond {
		t.Errorf("asking took %s", took)
	}
	var flights []context.Context
	for _, s := range sources {
		flights = append(flights, InFlight(s))
	}
	Wait(flights, began.Add(waitLimit))
	if took := time.Since(began); took < waitLimit || took > 2*waitLimit {
		t.Errorf("all together were waited for %s", took)
	}
	for _, s := range sources {
		LookAt(s, time.Second)
		if InFlight(s) != nil || !IsReading([]*Source{s}) || Value(s) != nil {
			t.Errorf("%s is to be waited for again: %+v", s.Name, s)
		}
	}
}

func TestBackOff(t *testing.T) {
	var asked atomic.Int64
	var isUp atomic.Bool
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		if !isUp.Load() {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		good(w, r)
	})
	s := URL(t.Name(), server.URL, false, asIs)
	lookUntil := func(end time.Time, done func() bool) {
		for time.Now().Before(end) && !done() {
			LookAt(s, time.Second)
			time.Sleep(5 * time.Millisecond)
		}
	}
	// At once, after a quarter of a second, then after a half.
	lookUntil(time.Now().Add(1200*time.Millisecond), func() bool { return false })
	if n := asked.Load(); n < 2 || n > 3 {
		t.Errorf("a server that fails was asked %d times in 1.2 s, want 2 or 3", n)
	}
	if InFlight(s) != nil {
		t.Error("a server that fails is waited for")
	}
	s.mutex.Lock()
	s.next, s.finished = time.Time{}, time.Now().Add(-longSilence-time.Second)
	s.mutex.Unlock()
	LookAt(s, time.Second)
	if InFlight(s) == nil {
		t.Error("after a long silence, a server that failed is not waited for")
	}
	isUp.Store(true)
	lookUntil(time.Now().Add(5*time.Second), func() bool { return Value(s) != nil })
	if Value(s) != "good" {
		t.Error("a server that is up again is not found")
	}
}

// TestAgain: a flood of looks out of turn makes one request, and few of it wait.
func TestAgain(t *testing.T) {
	var asked atomic.Int64
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if asked.Add(1) > 1 {
			time.Sleep(200 * time.Millisecond)
		}
		w.Header().Set("Cache-Control", "max-age=60")
		good(w, r)
	})
	s := URL(t.Name(), server.URL, true, asIs)
	Wait([]context.Context{orDone(InFlight(s))}, time.Now().Add(waitLimit))
	var all sync.WaitGroup
	var waited atomic.Int64
	for range 4 * maxWaiting {
		all.Add(1)
		go func() {
			defer all.Done()
			began := time.Now()
			if !Again([]*Source{s}) {
				t.Error("it is taken for no URL")
			}
			if time.Since(began) > 150*time.Millisecond {
				waited.Add(1)
			}
		}()
	}
	all.Wait()
	if n := asked.Load(); n != 2 {
		t.Errorf("it was asked %d times, want twice", n)
	}
	if n := waited.Load(); n == 0 || n > maxWaiting {
		t.Errorf("%d waited, want 1 to %d", n, maxWaiting)
	}
	if waiting != 0 {
		t.Errorf("%d are said to wait", waiting)
	}
}

func orDone(flight context.Context) context.Context {
	if flight != nil {
		return flight
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

func TestLongFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "list")
	write := func(content string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	release := make(chan struct{})
	slowly := func(content []byte) (interface{}, string) {
		<-release
		return len(content), ""
	}
	write(strings.Repeat("x", maxAtOnce+1))
	s := File(Lists, path, slowly)
	flight := InFlight(s)
	if flight == nil || Value(s) != nil {
		t.Fatal("a long list is not read beside")
	}
	close(release)
	Wait([]context.Context{flight}, time.Now().Add(10*time.Second))
	if Value(s) != maxAtOnce+1 || IsReading([]*Source{s}) {
		t.Errorf("got %v", Value(s))
	}
	if Age(s) > 5*time.Second {
		t.Errorf("what was read just now is %s old", Age(s))
	}

	short := File("short", path, asIs)
	if InFlight(short) != nil || Value(short) != nil {
		t.Error("what is no list is read beside")
	}
	write("good" + strings.Repeat("x", maxShort))
	LookAt(short, 0)
	if Value(short) != nil || !strings.Contains(short.problem, "is larger than 1 MiB") {
		t.Errorf("got %q", short.problem)
	}
	write("good")
	LookAt(short, 0)
	if Value(short) != "good" {
		t.Errorf("got %v and %q", Value(short), short.problem)
	}
}

func TestReadAll(t *testing.T) {
	for _, test := range []struct {
		name, content string
		size          int64
		want          int
	}{
		{"as long as was said", "12345", 5, 5},
		{"shorter", "123", 5, 3},
		{"longer", "1234567", 5, 7},
		{"of unknown length", "12345", -1, 5},
		{"longer than the limit", strings.Repeat("x", 100), 5, 11},
		{"said to be longer than the limit", "12345", 100, 5},
		{"empty", "", 0, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			content, err := readAll(strings.NewReader(test.content), test.size, 10)
			if err != nil || len(content) != test.want || !strings.HasPrefix(test.content, string(content)) {
				t.Errorf("got %q, %v", content, err)
			}
		})
	}
}
