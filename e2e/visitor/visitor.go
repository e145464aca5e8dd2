// Package visitor is who asks: over any way that leads to a Traefik, with or without a token.
package visitor

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/getportal/ptlauth/e2e/poll"
)

// Visitor asks through a Traefik, over connections of its own.
type Visitor struct {
	client *http.Client
	token  string
}

// New returns who asks with a token; without, where it is empty.
func New(t *testing.T, token string) *Visitor {
	transport := &http.Transport{DisableCompression: true}
	t.Cleanup(transport.CloseIdleConnections)
	return &Visitor{&http.Client{Transport: transport, Timeout: 20 * time.Second}, token}
}

// Get returns the status, or what went wrong; the host may be empty.
func (v *Visitor) Get(url, host string) (int, error) {
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

// WantStatus asks once.
func (v *Visitor) WantStatus(t *testing.T, url, host string, want int) {
	t.Helper()
	if got, err := v.Get(url, host); got != want {
		t.Errorf("%s %s: got %d (%v), want %d", host, url, got, err, want)
	}
}

// AwaitStatus asks until it gets that status.
func (v *Visitor) AwaitStatus(t *testing.T, within time.Duration, url, host string, want int) {
	t.Helper()
	poll.Until(t, within, func() string {
		got, err := v.Get(url, host)
		if got == want {
			return ""
		}
		return fmt.Sprintf("%s %s: still %d (%v) after %s, want %d", host, url, got, err, within, want)
	})
}

// StatusOf asks a middleware for its app's first page.
func StatusOf(handler http.Handler, header http.Header) int {
	r := httptest.NewRequest(http.MethodGet, "http://app.example.com/", nil)
	maps.Copy(r.Header, header)
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	return w.Code
}

// Ask sends a GET for a host's first page, and returns the answer's status and body.
func Ask(t *testing.T, url, host string, header http.Header) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = host
	maps.Copy(r.Header, header)
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(body)
}
