package interpreted

import (
	"bytes"
	"context"
	"strings"
	"sync"
	"testing"

	"github.com/getportal/ptlauth/internal/corpus"
)

// TestCorpus runs the conformance corpus interpreted, configured by the decoder that Traefik uses.
func TestCorpus(t *testing.T) {
	cases, err := corpus.Load("../../testdata", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	journal := new(journal)
	plugin, err := Load(Options{Log: journal})
	if err != nil {
		t.Fatal(err)
	}
	transport := corpus.NewHTTP2()
	for _, c := range cases.For(corpus.Interpreted) {
		t.Run(c.ID+" "+c.Name, func(t *testing.T) {
			if testing.Short() && c.Waits() {
				t.Skip("it lets time pass")
			}
			defer transport.CloseIdleConnections()
			recorder, err := corpus.NewRecorder()
			if err != nil {
				t.Fatal(err)
			}
			defer recorder.Close()
			from := journal.length()
			handler, err := plugin.New(context.Background(), corpus.Proxy(recorder), c.Middleware, c.ID+"@"+recorder.Addr())
			if err != nil {
				t.Fatalf("the middleware is not built, for which Traefik drops the router: %v", err)
			}
			server := corpus.Serve(handler)
			defer server.Close()
			defer server.CloseClientConnections()
			corpus.Run(t, c, corpus.Interpreted, corpus.Target{
				Addr: server.Listener.Addr().String(), HTTP2: transport, Recorder: recorder,
				Log: func() string { return journal.since(from) },
			})
		})
	}
}

// journal keeps what is logged; several requests log at once.
type journal struct {
	mutex sync.Mutex
	text  bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mutex.Lock()
	defer j.mutex.Unlock()
	return j.text.Write(p)
}

func (j *journal) length() int {
	j.mutex.Lock()
	defer j.mutex.Unlock()
	return j.text.Len()
}

// since is the log from an offset on, without the quoting of JSON.
func (j *journal) since(offset int) string {
	j.mutex.Lock()
	defer j.mutex.Unlock()
	return strings.ReplaceAll(j.text.String()[offset:], `\"`, `"`)
}
