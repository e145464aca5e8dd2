// Package least is a plugin that does the least that any gate must which trusts no client: it looks at
// every header's name, finds whose Cookie line it is, and says so to the app. It checks no token, and
// what it leaves out (frames, trailers, other methods, a name in the access log, a second gate in the
// chain) it has no use for: it is there to be measured.
package least

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync"
)

// Config is who may enter.
type Config struct {
	// Cookie is the one Cookie line that is known.
	Cookie string
	// User is whose it is.
	User string
}

type decision struct {
	names, values []string
}

// CreateConfig returns the defaults.
func CreateConfig() *Config {
	return &Config{}
}

// New makes a middleware.
func New(_ context.Context, next http.Handler, config *Config, _ string) (http.Handler, error) {
	usual := map[string]bool{}
	for _, name := range strings.Fields("Accept Accept-Encoding Accept-Language Cookie Priority Referer Sec-Ch-Ua Sec-Ch-Ua-Mobile Sec-Ch-Ua-Platform Sec-Fetch-Dest Sec-Fetch-Mode Sec-Fetch-Site User-Agent X-Forwarded-For X-Forwarded-Host X-Forwarded-Port X-Forwarded-Proto X-Forwarded-Server X-Real-Ip") {
		usual[name] = true
	}
	reader, fails := io.Pipe()
	_ = reader.Close()
	decisions := &sync.Map{}
	decisions.Store(config.Cookie, &decision{
		names:  []string{"X-Ptl-User", "X-Ptl-Client-Type", "X-Ptl-Client-Id", "Cookie"},
		values: []string{config.User, "terminal", config.User, "theme=dark; lang=de"},
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := r.Header
		if h.WriteSubset(fails, usual) != nil {
			http.Error(w, "an unusual header", http.StatusBadRequest)
			return
		}
		values := h["Cookie"]
		if len(values) == 1 {
			known, _ := decisions.Load(values[0])
			d, ok := known.(*decision)
			if ok {
				for i, name := range d.names {
					h[name] = []string{d.values[i]}
				}
				next.ServeHTTP(w, r)
				return
			}
		}
		http.Error(w, "nobody is known by that", http.StatusUnauthorized)
	}), nil
}
