package cluster

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// load is many visitors of whom each asks through HAProxy again and again.
type load struct {
	mutex sync.Mutex
	asked int
	lost  []lost
	stop  chan struct{}
	all   sync.WaitGroup
}

// lost is a request that was not answered as it should be.
type lost struct {
	number string
	status int
	at     time.Time
}

// loads begins to ask as a device, and stops with the returned load's end.
func (c *cluster) loads(d device) *load {
	const visitors = 12
	l := &load{stop: make(chan struct{})}
	for v := range visitors {
		l.all.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-l.stop:
					return
				default:
				}
				number := fmt.Sprintf("%d-%d-%d", time.Now().UnixNano(), v, n)
				status, user := c.get("http://"+c.entry+"/number/"+number, d.token)
				l.mutex.Lock()
				l.asked++
				if status != http.StatusOK || user != d.user {
					l.lost = append(l.lost, lost{number, status, time.Now()})
				}
				l.mutex.Unlock()
			}
		})
	}
	return l
}

// ends returns what was lost.
func (l *load) ends(t *testing.T, what string) []lost {
	t.Helper()
	close(l.stop)
	l.all.Wait()
	t.Logf("%s: of %d requests %d were lost", what, l.asked, len(l.lost))
	return l.lost
}

// says is what HAProxy says of a request: to which Traefik it led it.
func (c *cluster) says(number string) string {
	for line := range strings.Lines(c.balancer.Said()) {
		if strings.Contains(line, "/number/"+number+" ") {
			return line
		}
	}
	return ""
}

// isWell reports whether HAProxy has said last that a Traefik is well.
func (c *cluster) awaitHealth(t *testing.T, i, since int, isUp bool) {
	t.Helper()
	word := map[bool]string{true: "UP", false: "DOWN"}[isUp]
	text := fmt.Sprintf("Server traefiks/%s is %s", names[i], word)
	deadline := time.Now().Add(patience)
	for !strings.Contains(c.balancer.Said()[since:], text) {
		if time.Now().After(deadline) {
			t.Fatalf("HAProxy does not say that %s\n%s", text, c.balancer.Said())
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// oneIsKilled kills a Traefik under load, and starts it again.
func (c *cluster) oneIsKilled(t *testing.T) {
	c.gone.whilst("one Traefik is killed and started")
	stays := c.device(t, "stays")
	others := []<-chan time.Time{ended(c.dial(t, "http://"+c.addrs[0], stays)), ended(c.dial(t, "http://"+c.addrs[2], stays))}
	own := ended(c.dial(t, "http://"+c.addrs[1], stays))
	l := c.loads(stays)
	time.Sleep(time.Second)
	said := len(c.balancer.Said())
	c.kill(t, 1)
	c.awaitHealth(t, 1, said, false)
	sold := c.device(t, "sold while one is down")
	c.change(t, nil, sold.pairs()...)
	c.awaits(t, 0, sold, http.StatusOK)
	c.change(t, sold.keys())
	c.awaits(t, 0, sold, http.StatusUnauthorized)
	c.awaits(t, 2, sold, http.StatusUnauthorized)
	c.gone.add(sold)
	c.begin(t, 1)
	c.awaitHealth(t, 1, said, true)
	time.Sleep(time.Second)
	for _, one := range l.ends(t, c.name+", one Traefik killed and started") {
		// Its server, or the one that it was given to in the end.
		line := c.says(one.number)
		if !strings.Contains(line, " traefiks/two ") {
			t.Errorf("a request that Traefik two did not have got %d: %s", one.status, line)
		}
	}
	if len(l.lost) > 12 {
		t.Errorf("%d requests were lost, of which no more than 12 can have been open", len(l.lost))
	}
	select {
	case <-own:
	case <-time.After(patience):
		t.Error("the WebSocket through the Traefik that was killed is open")
	}
	for _, other := range others {
		select {
		case <-other:
			t.Error("a WebSocket through another Traefik has ended")
		default:
		}
	}
	c.awaits(t, 1, stays, http.StatusOK)
}
