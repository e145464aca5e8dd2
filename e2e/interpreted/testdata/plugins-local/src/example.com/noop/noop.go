// Package noop is a plugin that passes every request on: the price of any plugin at all.
package noop

import (
	"context"
	"fmt"
	"log"
	"net/http"
)

// Config has one option, to see that configurations arrive.
type Config struct {
	// Greeting is printed by fmt and by log when a middleware is made.
	Greeting string
}

// CreateConfig returns the defaults.
func CreateConfig() *Config {
	return &Config{}
}

type handler struct {
	next http.Handler
}

// New makes a middleware.
func New(_ context.Context, next http.Handler, config *Config, name string) (http.Handler, error) {
	if config.Greeting != "" {
		fmt.Println(config.Greeting, name, "by fmt")
		log.Print(config.Greeting, " ", name, " by log")
	}
	return &handler{next: next}, nil
}

// ServeHTTP passes the request on.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.next.ServeHTTP(w, r)
}
