package source

import (
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/getportal/ptlauth/e2e/program"
)

// Server is a server of a registry or of a JWK Set. It can be taken down and put up again, and answers as it was last
// told.
type Server struct {
	URL string

	mutex  sync.Mutex
	server *http.Server
	answer http.HandlerFunc
	asked  []Fetch
}

// Fetch is one time that it was asked.
type Fetch struct {
	At  time.Time
	Tag string // If-None-Match
}

// NewServer returns one that is still down where there is no answer.
func NewServer(t *testing.T, answer http.HandlerFunc) *Server {
	t.Helper()
	f := &Server{URL: "http://" + program.UnusedAddr(t) + "/list"}
	t.Cleanup(f.Down)
	if answer != nil {
		f.Up(t, answer)
	}
	return f
}

// Up sets the answer, and puts the server up if it is down.
func (f *Server) Up(t *testing.T, answer http.HandlerFunc) {
	t.Helper()
	f.mutex.Lock()
	defer f.mutex.Unlock()
	f.answer = answer
	if f.server != nil {
		return
	}
	listener, err := net.Listen("tcp", strings.TrimSuffix(strings.TrimPrefix(f.URL, "http://"), "/list"))
	if err != nil {
		t.Fatal(err)
	}
	f.server = &http.Server{Handler: f}
	go f.server.Serve(listener)
}

// Down takes the server down, with its connections.
func (f *Server) Down() {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	if f.server != nil {
		f.server.Close()
		f.server = nil
	}
}

func (f *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mutex.Lock()
	f.asked = append(f.asked, Fetch{time.Now(), r.Header.Get("If-None-Match")})
	answer := f.answer
	f.mutex.Unlock()
	answer(w, r)
}

// Fetches are the times that it was asked so far.
func (f *Server) Fetches() []Fetch {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	return append([]Fetch(nil), f.asked...)
}

// Answer is that content, every time.
func Answer(content string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, content) }
}

// AnswerTagged is that content for who does not have it already.
func AnswerTagged(content string) http.HandlerFunc {
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
