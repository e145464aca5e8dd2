//go:build go1.24

package corpustest

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// settled is how long what a case writes is given to be noticed, where an open WebSocket is looked at after it.
const settled = 600 * time.Millisecond

// Differences sends each request of a case to two targets with one recorder, and returns where the app, or the client, did
// not get the same bytes from both. What the case expects is not looked at. Bytes may come in other pieces, which an app sees,
// so what is not the same must be so three times.
func Differences(c *Case, a, b Target) []string {
	var found []string
	for range 3 {
		if found = c.differences(a, b); len(found) == 0 {
			return nil
		}
	}
	return found
}

func (c *Case) differences(a, b Target) (found []string) {
	tokens, err := c.ring.Mint(time.Now())
	if err != nil {
		return []string{err.Error()}
	}
	if err := c.WriteFiles(); err != nil {
		return []string{err.Error()}
	}
	e := c.expander(tokens)
	var sockets []*socket
	defer func() {
		for _, s := range sockets {
			s.conn.Close()
		}
	}()
	for i, step := range c.steps() {
		if err := write(c.dir, step.Write, e); err != nil {
			return []string{err.Error()}
		}
		if step.Socket != "" {
			time.Sleep(settled)
			for _, s := range sockets {
				if err := s.echo(); err != nil {
					found = append(found, fmt.Sprintf("step %d: a WebSocket is not open: %v", i+1, err))
				}
			}
			continue
		}
		request := e.request(step.Request)
		differences, opened := c.ask(request, a, b)
		for _, difference := range differences {
			found = append(found, fmt.Sprintf("step %d, over %s", i+1, difference))
		}
		sockets = append(sockets, opened...)
	}
	log := b.Log()
	for _, private := range []map[string]string{e.secrets, tokens} {
		for name, text := range private {
			if len(text) >= shortest && strings.Contains(log, text) {
				found = append(found, "the log holds "+name)
			}
		}
	}
	return found
}

// ask asks both the same.
func (c *Case) ask(request *Request, a, b Target) (found []string, sockets []*socket) {
	for version, send := range map[string]func(Target) (*Response, error){
		"HTTP/1.1": func(t Target) (*Response, error) { return sendHTTP1(t.Addr, request, c.ID) },
		"HTTP/2":   func(t Target) (*Response, error) { return sendHTTP2(t.HTTP2, t.Addr, request, c.ID) },
	} {
		if version == "HTTP/2" && !c.hasHTTP2() {
			continue
		}
		of, to := traceOf(a, send), traceOf(b, send)
		sockets = append(append(sockets, of.sockets...), to.sockets...)
		if of.text != to.text {
			found = append(found, fmt.Sprintf("%s:\n%.2000q\n%.2000q", version, of.text, to.text))
		}
	}
	return found, sockets
}

// trace is all that came of a request, on both sides.
type trace struct {
	text    string
	sockets []*socket
}

func traceOf(target Target, send func(Target) (*Response, error)) (t trace) {
	target.Recorder.Take()
	response, err := send(target)
	if err != nil {
		return trace{text: varying.ReplaceAllString(err.Error(), "")}
	}
	if response.socket != nil {
		t.sockets = append(t.sockets, response.socket)
		if err := response.socket.echo(); err != nil {
			t.text = "no echo\n"
		}
	}
	t.text += fmt.Sprintf("%d\n%s\n", response.Status, dates.ReplaceAll(response.Raw, []byte("Date:")))
	for _, one := range target.Recorder.Take() {
		t.text += "\nto the app\n" + unordered(one.Raw)
	}
	return t
}

var (
	dates = regexp.MustCompile(`(?m)^Date: .*$`)
	// varying holds what is another in each: ports, and how much was read.
	varying = regexp.MustCompile(`127\.0\.0\.1:\d+`)
)

// unordered has the lines of a request's head sorted: over HTTP/2, and where a proxy keeps them in a map, they have no order.
func unordered(raw []byte) string {
	head, body, _ := bytes.Cut(raw, []byte("\r\n\r\n"))
	line, fields, _ := strings.Cut(string(head), "\r\n")
	lines := strings.Split(fields, "\r\n")
	slices.SortStableFunc(lines, func(a, b string) int {
		name, _, _ := strings.Cut(a, ":")
		other, _, _ := strings.Cut(b, ":")
		return strings.Compare(name, other)
	})
	return line + "\n" + strings.Join(lines, "\n") + "\n\n" + string(body)
}

// sample is of how many cases one is run interpreted, where each of them takes long. That, and the cases that wait to see
// whether a WebSocket ends, are left to the run through Traefik, unless PTLAUTH_ALL is in the environment.
const sample = 8

// Shadowed runs the cases of a runtime in shadow mode, beside a middleware that lets everybody in and, with one case of four,
// beside one that refuses everybody. No secret and no token is logged.
func Shadowed(t *testing.T, all *Corpus, runtime string, build Build) {
	t.Helper()
	for i, c := range all.For(runtime) {
		t.Run(c.ID+" "+c.Name, func(t *testing.T) {
			if testing.Short() && c.Waits() {
				t.Skip("it lets time pass")
			}
			isRun := runtime != Interpreted || i%sample == 0
			if (!isRun || slices.ContainsFunc(c.Steps, func(s Step) bool { return s.Socket != "" })) && os.Getenv("PTLAUTH_ALL") == "" {
				return
			}
			for _, admits := range []bool{true, false}[:1+(i/sample+1)%4/3] {
				alone, beside := Beside(t, c, build, admits)
				for _, difference := range Differences(c, alone, beside) {
					t.Errorf("%s: %s", c, difference)
				}
			}
		})
	}
}

// Beside are two targets in this process with one recorder as the app: a middleware that decides as ForwardAuth does, alone,
// and between two mentions of the case's middleware, which is in shadow mode.
func Beside(t *testing.T, c *Case, build Build, admits bool) (alone, beside Target) {
	t.Helper()
	recorder, err := NewRecorder()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { recorder.Close() })
	if err := c.WriteFiles(); err != nil {
		t.Fatal(err)
	}
	options := maps.Clone(c.Middleware)
	options["shadow"] = true
	var log func() string
	mention := func(next http.Handler) http.Handler {
		handler, logged, err := build(next, options, c.ID+"@"+recorder.Addr())
		if err != nil {
			t.Fatal(err)
		}
		if log == nil {
			log = logged
		}
		return handler
	}
	serve := func(handler http.Handler) Target {
		server := Serve(handler)
		t.Cleanup(server.Close)
		t.Cleanup(server.CloseClientConnections)
		transport := NewHTTP2()
		t.Cleanup(transport.CloseIdleConnections)
		return Target{Addr: server.Listener.Addr().String(), HTTP2: transport, Recorder: recorder, Log: log}
	}
	alone = serve(forwardAuth{Proxy(recorder), admits})
	beside = serve(mention(forwardAuth{mention(Proxy(recorder)), admits}))
	return alone, beside
}

// forwardAuth does to a request what Traefik's ForwardAuth does with authResponseHeadersRegex: ^X-Ptl-.*, whoever asks.
type forwardAuth struct {
	next   http.Handler
	admits bool
}

func (f forwardAuth) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !f.admits {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusUnauthorized)
		io.WriteString(w, `{"detail":"Unauthorized"}`)
		return
	}
	for name := range r.Header {
		if strings.HasPrefix(name, "X-Ptl-") {
			r.Header.Del(name)
		}
	}
	r.Header.Set("X-Ptl-User", "abc123")
	r.RequestURI = r.URL.RequestURI()
	f.next.ServeHTTP(w, r)
}
