//go:build go1.24

package corpustest

import (
	"net/http"
	"testing"
)

// RunAll runs the cases that a runtime has to pass against the target that each of them gets. The subtests are called
// after the case's file first, so that `go test -run TestCorpus/tokens` runs those of tokens.json.
func RunAll(t *testing.T, all *Corpus, runtime string, target func(t *testing.T, c *Case) Target) {
	t.Helper()
	for _, c := range all.For(runtime) {
		t.Run(c.ID+" "+c.Name, func(t *testing.T) {
			if testing.Short() && c.Waits() {
				t.Skip("it lets time pass")
			}
			Run(t, c, runtime, target(t, c))
		})
	}
}

// Build makes a middleware of that name in front of an app, and returns what it has logged since.
type Build func(app http.Handler, config map[string]any, name string) (http.Handler, func() string, error)

// InProcess is a target within this process: the case's middleware in front of a recorder, until the test ends. No two
// middlewares are called alike, also where a test is run twice: a name says a thing once.
func InProcess(t *testing.T, c *Case, build Build) Target {
	t.Helper()
	if err := c.WriteFiles(); err != nil {
		t.Fatal(err)
	}
	recorder, err := NewRecorder()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { recorder.Close() })
	handler, log, err := build(Proxy(recorder), c.Middleware, c.ID+"@"+recorder.Addr())
	if err != nil {
		t.Fatalf("the middleware is not built, for which Traefik drops the router: %v", err)
	}
	entrance := &entrance{next: handler}
	server := Serve(entrance)
	t.Cleanup(server.Close)
	t.Cleanup(server.CloseClientConnections)
	transport := NewHTTP2()
	t.Cleanup(transport.CloseIdleConnections)
	return Target{Addr: server.Listener.Addr().String(), HTTP2: transport, Recorder: recorder, Log: log, Asked: entrance.asked}
}
