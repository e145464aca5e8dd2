package cluster

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// promise is how soon after the change an unpaired device is out at every Traefik, with Traefik's own throttle of two seconds.
const promise = 3 * time.Second

// revokes throws devices out, each at some moment after the one before, and measures when each Traefik refuses it, and ends
// what it has open. PTLAUTH_REVOCATIONS says how many; then the promise is held to the letter, else a busy machine has longer.
func (c *cluster) revokes(t *testing.T) {
	count, within := setting("PTLAUTH_REVOCATIONS", 0), promise
	if count == 0 {
		count, within = 4, 4*promise
	}
	var devices []device
	var all []string
	for i := range count {
		d := c.device(t, fmt.Sprintf("sold %d", i))
		devices = append(devices, d)
		all = append(all, d.pairs()...)
	}
	c.change(t, nil, all...)
	took := map[string][]time.Duration{}
	for n, d := range devices {
		c.awaitsAll(t, d, http.StatusOK)
		// Traefik takes the next change at once, or when two seconds since the last are over.
		time.Sleep(rand.N(2500 * time.Millisecond))
		requests, sockets := c.throwsOut(t, d, n%2 == 1)
		way := []string{"keys deleted", "ptl unpair"}[n%2]
		took[way+", requests"] = append(took[way+", requests"], requests...)
		took[way+", WebSockets"] = append(took[way+", WebSockets"], sockets...)
		c.gone.add(d)
	}
	var worst time.Duration
	for way, times := range took {
		slices.Sort(times)
		t.Logf("%s, %s: of %d the median is %s and the worst %s", c.name, way, len(times), times[len(times)/2].Round(time.Millisecond), times[len(times)-1].Round(time.Millisecond))
		worst = max(worst, times[len(times)-1])
	}
	if worst > within {
		t.Errorf("a device that was thrown out was in for %s", worst)
	}
}

// throwsOut throws a device out, and returns when each Traefik refuses it, and ends its WebSocket.
func (c *cluster) throwsOut(t *testing.T, d device, byPtl bool) (requests, sockets []time.Duration) {
	var ends []<-chan time.Time
	for i := range names {
		ends = append(ends, ended(c.dial(t, "http://"+c.addrs[i], d)))
	}
	refused := make([]time.Time, len(names))
	began := time.Now()
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.atOnce(func(i int) {
			for time.Since(began) < patience {
				if c.at(i, d) == http.StatusUnauthorized {
					refused[i] = time.Now()
					return
				}
				time.Sleep(5 * time.Millisecond)
			}
		})
	}()
	if byPtl {
		if out, err := c.ptl(t, "unpair", d.id); err != nil || !strings.Contains(out, "is out.") {
			t.Errorf("ptl unpair: %v\n%s", err, out)
		}
		for i := range names {
			if got := c.at(i, d); got != http.StatusUnauthorized {
				t.Errorf("ptl says that it is out, and at Traefik %s it gets %d", names[i], got)
			}
		}
	} else {
		c.change(t, d.keys())
	}
	<-done
	for i := range names {
		if refused[i].IsZero() {
			t.Errorf("at Traefik %s %s is in for ever", names[i], d.id)
			continue
		}
		requests = append(requests, refused[i].Sub(began))
		select {
		case at := <-ends[i]:
			sockets = append(sockets, at.Sub(began))
		case <-time.After(time.Until(began.Add(patience))):
			t.Errorf("at Traefik %s the WebSocket of %s is open for ever", names[i], d.id)
		}
	}
	return requests, sockets
}

// out throws a device out where that is known at once, and puts it among those that are gone.
func (c *cluster) out(t *testing.T, d device) time.Duration {
	t.Helper()
	began := time.Now()
	c.change(t, d.keys())
	c.awaitsAll(t, d, http.StatusUnauthorized)
	took := time.Since(began)
	c.gone.add(d)
	return took
}

// in lets a device in everywhere.
func (c *cluster) in(t *testing.T, name string) device {
	t.Helper()
	d := c.device(t, name)
	c.change(t, nil, d.pairs()...)
	c.awaitsAll(t, d, http.StatusOK)
	return d
}
