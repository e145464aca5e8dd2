// Package traefiktest starts a Traefik for as long as a test.
package traefiktest

import (
	"testing"

	"github.com/getportal/ptlauth/e2e/traefik"
)

// Start starts a Traefik for the duration of the test.
func Start(t *testing.T, options traefik.Options) *traefik.Traefik {
	t.Helper()
	options.Progress = writer{t}
	proxy, err := traefik.Start(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(proxy.Stop)
	return proxy
}

type writer struct{ t *testing.T }

func (w writer) Write(p []byte) (int, error) {
	w.t.Logf("%s", p)
	return len(p), nil
}
