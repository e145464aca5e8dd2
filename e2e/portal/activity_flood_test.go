package portal

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/getportal/ptlauth/e2e/issuer"
	"github.com/getportal/ptlauth/e2e/poll"
	"github.com/getportal/ptlauth/e2e/source"
	"github.com/getportal/ptlauth/e2e/witness"
)

// TestPortalActivityFlood looks at what activity.url is told while clients make up hosts.
func TestPortalActivityFlood(t *testing.T) {
	secret := issuer.NewSecret()
	secretFile := source.File(t, secret)
	token := issuer.SignHS256(t, secret, phone)
	build := func(t *testing.T, url string, interval time.Duration) (http.Handler, *loaded) {
		l := load(t)
		return l.build(t, map[string]any{
			"secretFile": secretFile, "terminals": "any", "refresh": quick.String(),
			"activity": map[string]any{"url": url, "interval": interval.String()},
			"paths":    []any{map[string]any{"prefix": "/public", "access": "public"}},
		}), l
	}
	ask := func(t *testing.T, handler http.Handler, token, host, path string) {
		t.Helper()
		r := request(token, "http://chat.example.com"+path)
		r.Host = host
		if status := serve(handler, r); status != http.StatusOK {
			t.Fatalf("got %d", status)
		}
	}

	t.Run("a host is one app with any port, in any case", func(t *testing.T) {
		to := witness.NewReceiver(t, ok)
		handler, _ := build(t, to.URL, time.Minute)
		ask(t, handler, token, "chat.example.com", "/")
		for i := range 300 {
			ask(t, handler, token, fmt.Sprintf("Chat.example.com:%d", i), "/")
			ask(t, handler, "", fmt.Sprintf("chat.example.COM.:x%d", i), "/public")
		}
		time.Sleep(200 * time.Millisecond)
		if calls := to.Calls(); len(calls) != 1 || calls["chat.example.com"] != 1 {
			t.Errorf("told of %v, want one call", calls)
		}
	})

	t.Run("what is no host, and a method nobody uses, is not told", func(t *testing.T) {
		to := witness.NewReceiver(t, ok)
		handler, _ := build(t, to.URL, time.Minute)
		ask(t, handler, token, "chat example", "/")
		ask(t, handler, token, strings.Repeat("a", 300)+".example.com", "/")
		r := request(token, "http://chat.example.com/")
		r.Method = strings.Repeat("A", 5000)
		serve(handler, r)
		time.Sleep(200 * time.Millisecond)
		if calls := to.Calls(); len(calls) > 0 {
			t.Errorf("told of %v", calls)
		}
		ask(t, handler, token, "chat.example.com", "/"+strings.Repeat("a", 5000))
		poll.Until(t, slack, func() string {
			if to.Calls()["chat.example.com"] != 1 {
				return "an app with a long address is not told of"
			}
			return ""
		})
		if uri := to.Told[0].Get("X-Forwarded-Uri"); uri != "/" {
			t.Errorf("told of an address of %d bytes", len(uri))
		}
	})

	t.Run("hosts that are made up do not keep apps in use from being told of, nor make a call each", func(t *testing.T) {
		const interval = 400 * time.Millisecond
		to := witness.NewReceiver(t, ok)
		handler, _ := build(t, to.URL, interval)
		ask(t, handler, "", "public.example.com", "/public")
		began := time.Now()
		made := 0
		for time.Since(began) < 5*interval {
			for range 100 {
				made++
				ask(t, handler, "", fmt.Sprintf("h%d.example.net", made), "/public")
			}
			ask(t, handler, "", "public.example.com", "/public")
			ask(t, handler, token, "late.example.com", "/")
		}
		time.Sleep(200 * time.Millisecond)
		calls := to.Calls()
		total := 0
		for _, n := range calls {
			total += n
		}
		t.Logf("%d hosts were made up, %d calls were made", made, total)
		if made < 1000 {
			t.Fatalf("only %d hosts in %s", made, 5*interval)
		}
		if total > 7*(64+1) {
			t.Errorf("%d calls in six intervals", total)
		}
		for _, host := range []string{"public.example.com", "late.example.com"} {
			if n := calls[host]; n < 3 || n > 6 {
				t.Errorf("told of %s %d times in five intervals", host, n)
			}
		}
	})

	t.Run("a receiver that comes and goes makes one line", func(t *testing.T) {
		var n atomic.Int64
		to := witness.NewReceiver(t, func(w http.ResponseWriter, _ *http.Request) {
			if i := n.Add(1); i%2 == 1 {
				w.WriteHeader(http.StatusInternalServerError + int(i/2)%3)
			}
		})
		handler, l := build(t, to.URL, 100*time.Millisecond)
		poll.Until(t, 2*slack, func() string {
			ask(t, handler, token, "chat.example.com", "/")
			if n.Load() < 8 {
				return fmt.Sprintf("told %d times", n.Load())
			}
			return ""
		})
		if lines := l.log.errorsAbout("activity.url"); len(lines) != 1 {
			t.Errorf("want one line, got %q", lines)
		}
	})
}
