// Package vandal is a plugin that changes the values of headers in place, as some middlewares do
// (rs/cors#198): those of the request that it passes on, and those of the answer that it has got.
package vandal

import (
	"context"
	"net/http"
	"strings"
)

// Config has one option.
type Config struct {
	// Spares is whose values stay as they are: a request's, or an answer's.
	Spares string
}

// CreateConfig returns the defaults.
func CreateConfig() *Config {
	return &Config{}
}

// New makes a middleware.
func New(_ context.Context, next http.Handler, config *Config, _ string) (http.Handler, error) {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if config.Spares != "request" {
			saw := strings.Join(append(append([]string{}, r.Header["X-Ptl-User"]...), r.Header["Cookie"]...), " ")
			damage(r.Header)
			r.Header["X-Saw"] = []string{saw}
		}
		next.ServeHTTP(w, r)
		if config.Spares != "answer" {
			damage(w.Header())
		}
	}), nil
}

func damage(h http.Header) {
	for _, values := range h {
		for i := range values {
			values[i] = "mallory"
		}
		_ = append(values, "mallory")
	}
}
