package e2e

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v4"

	"github.com/getportal/ptlauth/e2e/interpreted"
)

// phone and tablet are the terminals of these tests; guest is one that is never paired.
const (
	phone  = "abc123"
	tablet = "def456"
	guest  = "zzz999"
)

// pairedList is a registry's content.
func pairedList(ids ...string) string {
	list := []map[string]string{}
	for _, id := range ids {
		list = append(list, map[string]string{"id": id, "name": "a terminal"})
	}
	text, _ := json.Marshal(list)
	return string(text)
}

// newSecret is a shared secret that nobody has had before.
func newSecret() string { return rand.Text() + rand.Text() }

// signed makes a terminal's token; kid may be empty.
func signed(t *testing.T, method jwt.SigningMethod, key any, kid, terminal string) string {
	t.Helper()
	token := jwt.NewWithClaims(method, jwt.MapClaims{"sub": terminal, "iat": time.Now().Unix() - 10})
	if kid != "" {
		token.Header["kid"] = kid
	}
	text, err := token.SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func signedBySecret(t *testing.T, secret, terminal string) string {
	t.Helper()
	return signed(t, jwt.SigningMethodHS256, []byte(secret), "", terminal)
}

// replaceFile puts another file in a file's place, at once.
func replaceFile(t *testing.T, path, content string) {
	t.Helper()
	fresh := path + ".new"
	if err := os.WriteFile(fresh, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(fresh, path); err != nil {
		t.Fatal(err)
	}
}

// fetched is a server of a registry or of a JWK Set. It can be taken down and put up again, and answers as it was last
// told.
type fetched struct {
	url string

	mutex  sync.Mutex
	server *http.Server
	answer http.HandlerFunc
	asked  []fetch
}

// fetch is one time that it was asked.
type fetch struct {
	at  time.Time
	tag string // If-None-Match
}

// newFetched returns one that is still down where there is no answer.
func newFetched(t *testing.T, answer http.HandlerFunc) *fetched {
	t.Helper()
	f := &fetched{url: "http://" + unusedAddr(t) + "/list"}
	t.Cleanup(f.down)
	if answer != nil {
		f.up(t, answer)
	}
	return f
}

// up sets the answer, and puts the server up if it is down.
func (f *fetched) up(t *testing.T, answer http.HandlerFunc) {
	t.Helper()
	f.mutex.Lock()
	defer f.mutex.Unlock()
	f.answer = answer
	if f.server != nil {
		return
	}
	listener, err := net.Listen("tcp", strings.TrimSuffix(strings.TrimPrefix(f.url, "http://"), "/list"))
	if err != nil {
		t.Fatal(err)
	}
	f.server = &http.Server{Handler: f}
	go f.server.Serve(listener)
}

func (f *fetched) down() {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	if f.server != nil {
		f.server.Close()
		f.server = nil
	}
}

func (f *fetched) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mutex.Lock()
	f.asked = append(f.asked, fetch{time.Now(), r.Header.Get("If-None-Match")})
	answer := f.answer
	f.mutex.Unlock()
	answer(w, r)
}

// fetches are the times that it was asked so far.
func (f *fetched) fetches() []fetch {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	return append([]fetch(nil), f.asked...)
}

func answering(content string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, content) }
}

// answeringTagged knows who has the content already.
func answeringTagged(content string) http.HandlerFunc {
	tag := fmt.Sprintf(`"%x"`, sha256.Sum256([]byte(content)))
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", tag)
		if r.Header.Get("If-None-Match") == tag {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		_, _ = io.WriteString(w, content)
	}
}

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
	handler, err := l.plugin.New(context.Background(), app, config, t.Name()+"@test")
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

// serve is the status that a request gets.
func serve(handler http.Handler, r *http.Request) int {
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, r)
	return recorder.Code
}

func askAs(handler http.Handler, token string) int {
	return serve(handler, request(token, "http://chat.example.com/"))
}

// visitor asks through a Traefik, over connections of its own.
type visitor struct {
	client *http.Client
	token  string
}

func newVisitor(t *testing.T, token string) *visitor {
	transport := &http.Transport{DisableCompression: true}
	t.Cleanup(transport.CloseIdleConnections)
	return &visitor{&http.Client{Transport: transport, Timeout: 20 * time.Second}, token}
}

// get returns the status, or what went wrong; the host may be empty.
func (v *visitor) get(url, host string) (int, error) {
	r, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		return 0, err
	}
	r.Host = host
	if v.token != "" {
		r.Header.Set("Cookie", "authorization="+v.token)
	}
	response, err := v.client.Do(r)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	_, err = io.Copy(io.Discard, response.Body)
	return response.StatusCode, err
}

// wantStatus asks once.
func (v *visitor) wantStatus(t *testing.T, url, host string, want int) {
	t.Helper()
	if got, err := v.get(url, host); got != want {
		t.Errorf("%s %s: got %d (%v), want %d", host, url, got, err, want)
	}
}

// awaitStatus asks until it gets that status.
func (v *visitor) awaitStatus(t *testing.T, within time.Duration, url, host string, want int) {
	t.Helper()
	eventually(t, within, func() string {
		got, err := v.get(url, host)
		if got == want {
			return ""
		}
		return fmt.Sprintf("%s %s: still %d (%v) after %s, want %d", host, url, got, err, within, want)
	})
}

// together runs subtests eight at a time, however few processors there are: most of them only wait.
func together(t *testing.T, tests map[string]func(t *testing.T)) {
	t.Helper()
	var all sync.WaitGroup
	places := make(chan struct{}, 8)
	for name, test := range tests {
		all.Go(func() {
			places <- struct{}{}
			defer func() { <-places }()
			t.Run(name, test)
		})
	}
	all.Wait()
}

func inFile(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "content")
	replaceFile(t, path, content)
	return path
}
