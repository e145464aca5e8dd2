package people

import (
	"cmp"
	"crypto/rand"
	"fmt"
	"io"
	mathrand "math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/getportal/ptlauth/e2e/demo/app"
)

// guesser tries codes, as fast as it is answered.
type guesser struct {
	client *http.Client
	at     string
	nonce  string // by which a browser is known that has opened the page
}

func newGuesser(t *testing.T, s *site) *guesser {
	return &guesser{s.client(t), s.url(home, ""), rand.Text()}
}

// answer is what a guess came to.
type answer struct {
	status     int
	cookies    int
	retryAfter string
	body       string
	took       time.Duration
}

// try posts a code with the two presses' second one, or the first; from is the address that the balancer saw, empty for none.
func (g *guesser) try(t *testing.T, do, code, from string) answer {
	r, err := http.NewRequest(http.MethodPost, g.at+"/.ptl/pair", strings.NewReader(url.Values{"do": {do}, "code": {code}}.Encode()))
	if err != nil {
		t.Error(err)
		return answer{}
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Origin", g.at)
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	r.AddCookie(&http.Cookie{Name: "ptl-pairing", Value: g.nonce})
	if from != "" {
		r.Header.Set("X-Forwarded-For", from)
	}
	begun := time.Now()
	response, err := g.client.Do(r)
	if err != nil {
		t.Error(err)
		return answer{}
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Error(err)
	}
	return answer{response.StatusCode, len(response.Cookies()), response.Header.Get("Retry-After"), string(body), time.Since(begun)}
}

// TestGuesses tries 10,000 codes from one address and one from each of 10,000.
func TestGuesses(t *testing.T) {
	const guesses, workers = 10_000, 8
	s := newSiteWith(t, false, `entryPoints: {web: {forwardedHeaders: {trustedIPs: ["127.0.0.0/8"]}}}`, host{home, app.New(), "pairing: true"})
	target := s.awaited(t, "never", "nobody")

	for _, test := range []struct {
		name    string
		from    func(i int) string
		limited bool
	}{
		{"from one address", func(int) string { return "198.51.100.7" }, true},
		{"from one network of IPv6", func(i int) string { return fmt.Sprintf("2001:db8:0:7:%x::%x", i&0xffff, i*31&0xffff) }, true},
		{"from 10,000 addresses", func(i int) string { return fmt.Sprintf("10.%d.%d.7", i/250, i%250) }, false},
		{"from one that claims to be 10,000 others", func(i int) string { return fmt.Sprintf("10.%d.%d.7, 198.51.100.8", i/250, i%250) }, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			device, neighbour := s.awaited(t, "honest", "ada"), s.awaited(t, "neighbour", "bea")
			var refused, limited atomic.Int64
			var next atomic.Int64
			var all sync.WaitGroup
			halfway := make(chan struct{})
			for range workers {
				g := newGuesser(t, s)
				all.Go(func() {
					for {
						i := int(next.Add(1)) - 1
						if i >= guesses || t.Failed() {
							return
						}
						if i == guesses/2 {
							close(halfway)
						}
						got := g.try(t, "pair", code(10), test.from(i))
						switch {
						case got.cookies > 0 || got.status < 400:
							t.Errorf("guess %d: status %d, and %d cookies", i, got.status, got.cookies)
						case got.status == http.StatusTooManyRequests && got.retryAfter != "":
							limited.Add(1)
						case got.status == http.StatusTooManyRequests:
							t.Errorf("guess %d: 429 without Retry-After", i)
						default:
							refused.Add(1)
						}
					}
				})
			}
			<-halfway
			honest := newGuesser(t, s)
			if got := honest.try(t, "pair", device.short, "203.0.113.9"); got.status != http.StatusSeeOther || got.cookies == 0 {
				t.Errorf("the right code, from another address meanwhile: status %d, %d cookies\n%s", got.status, got.cookies, got.body)
			}
			if got := honest.try(t, "pair", neighbour.link, test.from(0)); got.status != http.StatusSeeOther || got.cookies == 0 {
				t.Errorf("the right link, from a guesser's address meanwhile: status %d, %d cookies\n%s", got.status, got.cookies, got.body)
			}
			if next.Load() >= guesses {
				t.Error("they came afterwards")
			}
			all.Wait()
			t.Logf("%d were wrong, %d too many", refused.Load(), limited.Load())
			if test.limited && refused.Load() > 50 {
				t.Errorf("%d were looked at", refused.Load())
			}
			if state := s.used(t, target.watch); state.State != "waiting" {
				t.Errorf("the code is %+v", state)
			}
		})
	}
}

// TestRefusalTellsNothing compares answers, and how long they take, for codes that are wrong in different ways.
func TestRefusalTellsNothing(t *testing.T) {
	const each = 300
	s := newSiteWith(t, false, `entryPoints: {web: {forwardedHeaders: {trustedIPs: ["127.0.0.0/8"]}}}`, host{home, app.New(), "pairing: true"})
	g := newGuesser(t, s)
	spent := s.awaited(t, "spent", "ada")
	ends := time.Now().Add(8 * time.Second)
	ended := s.invite(t, "ended", "bea", ends)
	s.await(t, ended)
	if got := g.try(t, "pair", spent.link, ""); got.status != http.StatusSeeOther {
		t.Fatalf("status %d\n%s", got.status, got.body)
	}
	time.Sleep(time.Until(ends.Add(time.Second)))
	g = newGuesser(t, s) // not the browser that took the code

	for _, length := range []int{26, 10} {
		kinds := map[string]string{"wrong": code(length), "spent": spent.link, "ended": ended.link}
		if length == 10 {
			kinds = map[string]string{"wrong": code(length), "spent": spent.short, "ended": ended.short}
		}
		took := map[string][]time.Duration{}
		bodies := map[string]bool{}
		order := slices.Repeat([]string{"wrong", "spent", "ended"}, each)
		mathrand.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
		for i, kind := range order {
			from := net.IPv4(10, byte(length), byte(i/250), byte(i%250)).String()
			got := g.try(t, []string{"look", "pair"}[i%2], kinds[kind], from)
			took[kind] = append(took[kind], got.took)
			bodies[fmt.Sprint(got.status, got.cookies, " ", strings.ReplaceAll(got.body, kinds[kind], "CODE"))] = true
		}
		if len(bodies) != 1 {
			t.Errorf("%d answers: %v", len(bodies), bodies)
		}
		median := func(kind string) time.Duration {
			slices.SortFunc(took[kind], cmp.Compare)
			return took[kind][len(took[kind])/2]
		}
		t.Logf("codes of %d characters: wrong %s, spent %s, ended %s", length, median("wrong"), median("spent"), median("ended"))
		for _, kind := range []string{"spent", "ended"} {
			if ratio := float64(median(kind)) / float64(median("wrong")); ratio < 0.8 || ratio > 1.25 {
				t.Errorf("a code of %d characters that is %s takes %.2f times as long as a wrong one", length, kind, ratio)
			}
		}
	}
}
