package interpreted

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v4"
)

// TestNothingIsShared: a middleware behind ptlauth that edits header values in place, as it may, changes its own request
// and no other one (rs/cors#198).
func TestNothingIsShared(t *testing.T) {
	const secret = "a-secret-for-tests-0123456789-abcdefghijklmnopqrstuvwxyz"
	path := fileOf(t, secret)
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"sub": "abc123", "iat": time.Now().Unix()}).SignedString([]byte(secret))
	if err != nil {
		t.Fatal(err)
	}
	plugin, err := Load(Options{})
	if err != nil {
		t.Fatal(err)
	}
	paths := []any{map[string]any{"prefix": "/public", "access": "public", "headers": map[string]any{"X-Area": "open"}}}
	for name, test := range map[string]struct {
		options map[string]any
		path    string
		cookie  string
		want    string
	}{
		"on a private path":                  {nil, "/", "theme=dark; authorization=" + token, "abc123 theme=dark"},
		"where paths differ":                 {map[string]any{"paths": paths}, "/", "theme=dark; authorization=" + token, "abc123 theme=dark"},
		"of a terminal on a public path":     {map[string]any{"paths": paths}, "/public", "theme=dark; authorization=" + token, "abc123 theme=dark open"},
		"of nobody on a public path":         {map[string]any{"paths": paths}, "/public", "theme=dark", "theme=dark open"},
		"where a header carries the token":   {map[string]any{"token": map[string]any{"header": "X-Token"}}, "/", "theme=dark; authorization=" + token, "abc123 theme=dark"},
		"where the token is not taken out":   {map[string]any{"token": map[string]any{"forward": true}}, "/", "authorization=" + token, "abc123 authorization=" + token},
		"where the one cookie was the token": {nil, "/", "authorization=" + token, "abc123"},
	} {
		t.Run(name, func(t *testing.T) {
			var seen string
			options := map[string]any{"secretFile": path, "terminals": "any"}
			for option, value := range test.options {
				options[option] = value
			}
			handler, err := plugin.New(context.Background(), vandal(&seen), options, t.Name())
			if err != nil {
				t.Fatal(err)
			}
			for i := range 4 {
				r := httptest.NewRequest(http.MethodGet, "http://chat.example.com"+test.path, nil)
				r.Header.Set("Cookie", test.cookie)
				seen = "nothing"
				handler.ServeHTTP(httptest.NewRecorder(), r)
				if seen != test.want {
					t.Errorf("request %d: the app saw %q, want %q", i, seen, test.want)
				}
			}
		})
	}
}

// vandal is an app that notes what it sees and then changes it in place.
func vandal(seen *string) http.Handler {
	return http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		*seen = strings.Join(strings.Fields(fmt.Sprint(r.Header.Get("X-Ptl-User"), " ", r.Header.Get("Cookie"), " ", r.Header.Get("X-Area"))), " ")
		for _, values := range r.Header {
			for i := range values {
				values[i] = "mallory"
			}
			_ = append(values, "mallory")
		}
	})
}
