package cluster

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/getportal/ptlauth/e2e/poll"
	"github.com/getportal/ptlauth/e2e/source"
	"github.com/getportal/ptlauth/e2e/traefik"
	"github.com/getportal/ptlauth/e2e/traefik/traefiktest"
)

// isHalfWritten takes a configuration apart key by key, and puts it together again, in any order. Whatever is there of it,
// nobody gets in who should not, where the entry point names the middleware; where the router does, a router is open while its
// own line about that is missing.
func (c *cluster) isHalfWritten(t *testing.T) {
	c.gone.whilst("a configuration is half-written")
	at := func(text string) string { return strings.Replace(text, "traefik/", "half/", 1) }
	ann, ben, sold := c.device(t, "ann"), c.device(t, "ben"), c.device(t, "sold")
	pairs := []string{
		"traefik/http/routers/app/rule", "PathPrefix(`/`)", "traefik/http/routers/app/service", "app", "traefik/http/routers/app/middlewares/0", "auth",
		"traefik/http/services/app/loadBalancer/servers/0/url", c.app, options + "secretFile", source.Named(t, "secret", c.secret),
		options + "paths/0/prefix", "/open/", options + "paths/0/access", "public", options + "headers/X-Remote-User", "{auth.user}",
	}
	pairs = append(append(pairs, ann.pairs()...), ben.pairs()...)
	for i := 0; i < len(pairs); i += 2 {
		pairs[i] = at(pairs[i])
	}
	c.change(t, nil, pairs...)
	provider := strings.TrimSuffix(c.static(c.addr), "}") + ", rootKey: half}"
	proxy := traefiktest.Start(t, traefik.Options{Static: fmt.Sprintf(`{entryPoints: {web: {http: {middlewares: [auth@%s]}}, plain: {address: '127.0.0.1:0'}}, providers: {%s}}`,
		strings.ToLower(c.name), provider)})
	poll.Until(t, patience, func() string {
		if got := c.asks(proxy.URL("web"), ann.token); got != http.StatusOK {
			return fmt.Sprintf("whoever is paired gets %d", got)
		}
		return ""
	})
	half := &half{c: c, url: proxy.URL("web"), ann: ann, ben: ben, sold: sold}
	for range setting("PTLAUTH_HALVES", 1) {
		var order []int
		for i := 0; i < len(pairs); i += 2 {
			order = append(order, i)
		}
		rand.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
		for _, i := range order {
			c.change(t, []string{pairs[i]})
			half.check(t, "without "+pairs[i])
		}
		if got := c.asks(half.url, ann.token); got == http.StatusOK {
			t.Errorf("without any key one gets %d", got)
		}
		rand.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
		for _, i := range order {
			c.change(t, nil, pairs[i], pairs[i+1])
			half.check(t, "with "+pairs[i])
		}
		poll.Until(t, patience, func() string {
			if got := c.asks(half.url, ann.token); got != http.StatusOK {
				return fmt.Sprintf("with everything whoever is paired gets %d", got)
			}
			return ""
		})
	}
	t.Logf("%s: of %d answers to whoever is paired %d were the app's", c.name, half.asked, half.in)
	isOpen := func() bool { return c.asks(proxy.URL("plain"), "") == http.StatusOK }
	poll.Until(t, patience, func() string {
		if isOpen() {
			return "a router that names the middleware is open"
		}
		return ""
	})
	c.change(t, []string{pairs[slices.Index(pairs, "half/http/routers/app/middlewares/0")]})
	poll.Until(t, patience, func() string {
		if !isOpen() {
			return "a router whose middleware is not named is closed: say so in docs/operations.md"
		}
		return ""
	})
	half.check(t, "without the router's middleware")
	if os.Getenv("PTLAUTH_HALVES") != "" {
		t.Log(strings.Join(proxy.LogLines(`"level":"error"`), "\n"))
	}
}

// half is a site whose configuration is half there.
type half struct {
	c              *cluster
	url            string
	ann, ben, sold device
	asked, in      int
}

// check asks for a moment as those who are paired, who are themselves or nobody, and as others, who are nobody.
func (h *half) check(t *testing.T, what string) {
	t.Helper()
	for began := time.Now(); time.Since(began) < 150*time.Millisecond; time.Sleep(10 * time.Millisecond) {
		for _, d := range []device{h.ann, h.ben} {
			status, user := h.c.get(h.url+"/", d.token)
			h.asked++
			if status != http.StatusOK {
				continue
			}
			h.in++
			if user != d.user && user != d.id {
				t.Errorf("%s, %s is %q", what, d.id, user)
			}
		}
		for _, token := range []string{"", h.sold.token} {
			if status := h.c.asks(h.url, token); status == http.StatusOK {
				t.Errorf("%s, whoever is not paired gets %d", what, status)
			}
		}
	}
}
