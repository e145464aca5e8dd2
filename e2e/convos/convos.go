// Package convos stands in for Convos v8.07 with its plugin Auth::Header: the
// app that believes whatever header its proxy sends, as observed of the real one.
package convos

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/coder/websocket"
	"github.com/coder/websocket/wsjson"
)

// Convos is one instance, with the users it has registered on seeing their header.
type Convos struct {
	header, admin string
	mux           *http.ServeMux

	mu       sync.Mutex
	requests int
	users    []string
	base     string
}

// New returns a fresh instance, given CONVOS_AUTH_HEADER and CONVOS_ADMIN.
func New(header, admin string) *Convos {
	c := &Convos{header: header, admin: admin, mux: http.NewServeMux()}
	c.mux.HandleFunc("GET /api/user", c.whoAmI)
	c.mux.HandleFunc("GET /events", c.events)
	c.mux.HandleFunc("GET /", page)
	return c
}

// ServeHTTP counts the request, notes the base URL that it claims, and answers it.
func (c *Convos) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	c.requests++
	if base := r.Header.Get("X-Request-Base"); base != "" {
		c.base = base
	}
	c.mu.Unlock()
	c.mux.ServeHTTP(w, r)
}

// Requests is the number of requests that came through.
func (c *Convos) Requests() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.requests
}

// Users lists whom the header has made a user, first the admin.
func (c *Convos) Users() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.users)
}

// Base is the last X-Request-Base that came through: where Convos thinks it lives.
func (c *Convos) Base() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.base
}

func page(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	io.WriteString(w, "<!doctype html><title>Convos</title>")
}

func (c *Convos) whoAmI(w http.ResponseWriter, r *http.Request) {
	email, err := c.user(r)
	w.Header().Set("Content-Type", "application/json")
	switch {
	case err != nil:
		w.WriteHeader(http.StatusInternalServerError)
		json.NewEncoder(w).Encode(map[string]any{"errors": []any{map[string]string{"message": err.Error()}}})
	case email == "":
		w.WriteHeader(http.StatusUnauthorized)
		io.WriteString(w, `{"errors":[{"message":"Need to log in first.","path":"/"}]}`)
	default:
		json.NewEncoder(w).Encode(map[string]string{"email": email})
	}
}

// Event is what /events answers to each message.
type Event struct {
	Email   string `json:"email"`
	Message string `json:"message"`
}

// events upgrades everyone, and only then looks at who it is.
func (c *Convos) events(w http.ResponseWriter, r *http.Request) {
	email, err := c.user(r)
	conn, acceptErr := websocket.Accept(w, r, &websocket.AcceptOptions{InsecureSkipVerify: true}) // any Origin, as v8.07
	if acceptErr != nil {
		return
	}
	defer conn.CloseNow()
	if err != nil || email == "" {
		conn.Close(websocket.StatusPolicyViolation, "Need to log in first.")
		return
	}
	for {
		_, message, err := conn.Read(r.Context())
		if err != nil {
			return
		}
		if err := wsjson.Write(r.Context(), conn, Event{Email: email, Message: string(message)}); err != nil {
			return
		}
	}
}

// user is the header's value, registered if it is new; empty for nobody.
func (c *Convos) user(r *http.Request) (string, error) {
	io.Copy(io.Discard, r.Body) // Mojolicious dispatches a request once its trailers are in, and counts them as headers
	value := strings.Join(slices.Concat(r.Header.Values(c.header), r.Trailer.Values(c.header)), ", ")
	if value == "" {
		return "", nil
	}
	email := strings.ToLower(strings.TrimSpace(value))
	c.mu.Lock()
	defer c.mu.Unlock()
	if slices.Contains(c.users, email) {
		return email, nil
	}
	if len(c.users) == 0 && c.admin != "" && value != c.admin {
		return "", nil
	}
	if at := strings.IndexByte(email, '@'); at < 1 || at == len(email)-1 {
		return "", errors.New("email does not match (?^:.@.)")
	}
	c.users = append(c.users, email)
	return email, nil
}
