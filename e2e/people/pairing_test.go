package people

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/getportal/ptlauth/e2e/demo/app"
)

const home = "app.example.com"

// TestThrownOut opens an app in a browser that has a device's cookie, and takes the device out of the list.
func TestThrownOut(t *testing.T) {
	for name, secure := range map[string]bool{"over HTTPS": true, "over HTTP, as on a LAN": false} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, secure, host{home, app.New(), "pairing: true"})
			tablet := s.invite(t, "kitchen tablet", "ada", time.Now().Add(time.Minute))
			w := newProfile(t).open(t, s)
			if status := w.visit(s.url(home, "/")); status != 401 {
				t.Fatalf("without a cookie: status %d", status)
			}
			if secureContext := w.value("isSecureContext"); secureContext != strconv.FormatBool(secure) {
				t.Errorf("the browser thinks that this is a secure context: %s", secureContext)
			}
			w.value("document.cookie = 'authorization=" + s.token(t, tablet.id, time.Now()) + "; path=/'")
			s.greets(t, w, "ada")
			s.unpair(t, tablet.id)
			out := time.Now()
			w.says("(closed)")
			if took := time.Since(out); took > 2*refresh+time.Second/2 {
				t.Errorf("its WebSocket was open for %s more", took)
			}
			if status := w.visit(s.url(home, "/")); status != 401 {
				t.Errorf("the next click: status %d", status)
			}
		})
	}
}

// greets waits until the app greets that user, and its WebSocket does.
func (s *site) greets(t *testing.T, w *window, user string) {
	t.Helper()
	within(t, 5*refresh, func() string {
		if status := w.visit(s.url(home, "/")); status != 200 {
			return fmt.Sprintf("status %d", status)
		}
		return ""
	})
	w.says("Hello, "+user, user+": hello from the page")
}

// soon is in ten minutes, which is what `ptl pair` gives.
func soon() time.Time { return time.Now().Add(10 * time.Minute) }
