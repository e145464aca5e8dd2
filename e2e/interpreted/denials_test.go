package interpreted

import (
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// TestDenialsShareNothing has a middleware in front edit the headers of a denial in place: the next one is as it was.
func TestDenialsShareNothing(t *testing.T) {
	plugin, err := Load(Options{Log: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	handler, err := plugin.New(t.Context(), http.NotFoundHandler(), map[string]any{
		"secretFile": fileOf(t, secret), "terminals": "any", "loginURL": "https://login.example.com/?next={url}",
	}, "auth@file")
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name   string
		method string
		header http.Header
		status int
		least  int // headers
	}{
		{"a document", "GET", http.Header{"Accept": {"application/json"}}, http.StatusUnauthorized, 4},
		{"a page", "POST", http.Header{"Sec-Fetch-Mode": {"navigate"}}, http.StatusUnauthorized, 5},
		{"the way to the login page", "GET", http.Header{"Sec-Fetch-Mode": {"navigate"}}, http.StatusFound, 2},
		{"a tunnel's refusal", "CONNECT", http.Header{}, http.StatusMethodNotAllowed, 4},
	} {
		t.Run(test.name, func(t *testing.T) {
			first := denied(t, handler, test.method, test.header, test.status)
			want := first.Clone()
			for _, values := range first {
				for i := range values {
					values[i] = "edited"
				}
			}
			got := denied(t, handler, test.method, test.header, test.status)
			if len(want) < test.least || !maps.EqualFunc(got, want, slices.Equal[[]string]) {
				t.Errorf("the next one has %v, want %v", got, want)
			}
		})
	}
}

// denied are the headers that a request is answered with.
func denied(t *testing.T, handler http.Handler, method string, header http.Header, status int) http.Header {
	t.Helper()
	r := httptest.NewRequest(method, "/", nil)
	r.Header = header.Clone()
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	if w.Code != status {
		t.Fatalf("status %d, want %d", w.Code, status)
	}
	return w.Header()
}

// fileOf is a file that holds a secret.
func fileOf(t *testing.T, secret string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte(secret), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
