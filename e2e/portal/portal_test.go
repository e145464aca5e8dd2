// Package portal changes what ptlauth lives on while requests go on: terminals, keys and apps, in files and on servers, in
// order, broken and slow. What was good ends in time, and activity is told of.
package portal

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/getportal/ptlauth/e2e/interpreted"
	"github.com/getportal/ptlauth/e2e/poll"
)

// phone and tablet are the terminals of these tests; guest is one that is never paired.
const (
	phone  = "abc123"
	tablet = "def456"
	guest  = "zzz999"
)

// logbook keeps what the interpreted plugin logs.
type logbook struct {
	mutex sync.Mutex
	text  strings.Builder
}

func (l *logbook) Write(p []byte) (int, error) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return l.text.Write(p)
}

// errorsAbout are the ERROR lines that hold all of the texts.
func (l *logbook) errorsAbout(texts ...string) []string {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return errorLines(l.text.String(), texts...)
}

func errorLines(log string, texts ...string) []string {
	var found []string
next:
	for line := range strings.Lines(log) {
		for _, text := range append(texts, `"level":"error"`) {
			if !strings.Contains(line, text) {
				continue next
			}
		}
		found = append(found, line)
	}
	return found
}

// loaded is ptlauth, interpreted in this process.
type loaded struct {
	plugin *interpreted.Plugin
	log    *logbook
	making sync.Mutex
}

func load(t *testing.T) *loaded {
	t.Helper()
	l := &loaded{log: &logbook{}}
	plugin, err := interpreted.Load(interpreted.Options{Log: l.log})
	if err != nil {
		t.Fatal(err)
	}
	l.plugin = plugin
	return l
}

func (l *loaded) build(t *testing.T, config map[string]any) http.Handler {
	t.Helper()
	return l.buildNamed(t, t.Name()+"@test", config)
}

// buildNamed makes one more router's middleware of that name.
func (l *loaded) buildNamed(t *testing.T, name string, config map[string]any) http.Handler {
	t.Helper()
	app := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.Header.Get("X-Ptl-User"))
	})
	l.making.Lock()
	defer l.making.Unlock()
	began := time.Now()
	defer func() {
		// Traefik makes one middleware after the other, and serves nothing new until it has made them all.
		if took := time.Since(began); took > lookTime {
			t.Errorf("the middleware was made in %s", took)
		}
	}()
	handler, err := l.plugin.New(context.Background(), app, config, name)
	if err != nil {
		t.Fatal(err)
	}
	return handler
}

// about returns what finds the ERROR lines about a source.
func (l *loaded) about(source string) func() []string {
	return func() []string { return l.log.errorsAbout(source) }
}

// request is a request as it arrives at a middleware; an edit may change it.
func request(token, target string, edits ...func(*http.Request)) *http.Request {
	r := httptest.NewRequest(http.MethodGet, target, nil)
	if token != "" {
		r.Header.Set("Cookie", "authorization="+token)
	}
	for _, edit := range edits {
		edit(r)
	}
	return r
}

// awaitGood waits until a middleware that has just been made lets a token in: New waits for its servers for a second
// alone, and a busy machine may need longer.
func awaitGood(t *testing.T, handler http.Handler, token string) {
	t.Helper()
	poll.Until(t, 10*time.Second, func() string {
		if status := askAs(handler, token); status != http.StatusOK {
			return fmt.Sprintf("got %d while all is well", status)
		}
		return ""
	})
}

// serve is the status that a request gets.
func serve(handler http.Handler, r *http.Request) int {
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, r)
	return recorder.Code
}

func askAs(handler http.Handler, token string) int {
	return serve(handler, request(token, "http://chat.example.com/"))
}

// together runs subtests five at a time, however few processors there are: most of them only wait.
func together(t *testing.T, tests map[string]func(t *testing.T)) {
	t.Helper()
	var all sync.WaitGroup
	places := make(chan struct{}, 5)
	for name, test := range tests {
		all.Go(func() {
			places <- struct{}{}
			defer func() { <-places }()
			t.Run(name, test)
		})
	}
	all.Wait()
}
