package cluster

import (
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// stillIn checks that a device is in at some of the Traefiks, which is what a fault means for one that was thrown out.
func (c *cluster) stillIn(t *testing.T, d device, at ...int) {
	t.Helper()
	for _, i := range at {
		if got := c.at(i, d); got != http.StatusOK {
			t.Errorf("at Traefik %s, which cannot know, %s gets %d", names[i], d.id, got)
		}
	}
}

// outAgain waits until a device is out everywhere, and says how long that took after a fault was over.
func (c *cluster) outAgain(t *testing.T, d device, fault string, over time.Time) {
	t.Helper()
	c.awaitsAll(t, d, http.StatusUnauthorized)
	t.Logf("%s, %s: whoever was thrown out meanwhile is out everywhere %s after it is over", c.name, fault, time.Since(over).Round(time.Millisecond))
	c.gone.add(d)
}

// goesAndComes ends the store as a crash does, and starts it with what it has kept. Meanwhile a Traefik is started too.
func (c *cluster) goesAndComes(t *testing.T) {
	c.gone.whilst(c.name + " is down")
	stays, sold := c.device(t, "stays"), c.in(t, "sold while it is down")
	l := c.loads(stays)
	time.Sleep(500 * time.Millisecond)
	c.process.Kill()
	time.Sleep(time.Duration(setting("PTLAUTH_OUTAGE", 2)) * time.Second)
	out, err := c.ptl(t, "unpair", sold.id)
	if err == nil || strings.Contains(out, "is out") {
		t.Errorf("without %s ptl unpair says %s", c.name, out)
	}
	c.stillIn(t, sold, 0, 1, 2)
	if lost := l.ends(t, c.name+" is down"); len(lost) > 0 {
		t.Errorf("%d requests were lost, such as %+v", len(lost), lost[0])
	}

	said := len(c.balancer.Said())
	c.kill(t, 1)
	c.begin(t, 1)
	c.awaits(t, 1, stays, http.StatusNotFound)
	if got := c.asks(c.proxies[1].URL("traefik")+"/ping", ""); got != http.StatusOK {
		t.Errorf("a Traefik without its store answers %d to a ping", got)
	}
	c.awaitHealth(t, 1, said, false)
	said = len(c.balancer.Said())
	l = c.loads(stays)
	c.begins()
	over := time.Now()
	c.change(t, sold.keys())
	for _, i := range []int{0, 2, 1} {
		c.awaits(t, i, sold, http.StatusUnauthorized)
	}
	c.outAgain(t, sold, "it was down", over)
	c.awaitHealth(t, 1, said, true)
	if lost := l.ends(t, c.name+" is there again"); len(lost) > 0 {
		t.Errorf("%d requests were lost, such as %+v", len(lost), lost[0])
	}
}

// isCutOff keeps one Traefik from the store: its connections end.
func (c *cluster) isCutOff(t *testing.T) {
	c.gone.whilst("one Traefik is cut off")
	sold := c.in(t, "sold while one is cut off")
	l := c.loads(c.device(t, "stays"))
	c.links[2].cuts()
	time.Sleep(time.Duration(setting("PTLAUTH_OUTAGE", 1)) * time.Second)
	began, said := time.Now(), make(chan time.Time, 1)
	go func() {
		out, _ := c.ptl(t, "unpair", sold.id)
		// On a busy machine it may have lost patience, and says so.
		if !strings.Contains(out, "is out.") && !strings.Contains(out, "has not refused it for") {
			t.Errorf("ptl unpair: %s", out)
		}
		said <- time.Now()
	}()
	c.awaits(t, 0, sold, http.StatusUnauthorized)
	c.awaits(t, 1, sold, http.StatusUnauthorized)
	time.Sleep(3 * time.Second)
	c.stillIn(t, sold, 2)
	over := time.Now()
	c.links[2].heals()
	if at := <-said; at.Before(over) && at.Sub(began) < 10*time.Second {
		t.Error("ptl says that it is out while one Traefik lets it in")
	}
	c.outAgain(t, sold, "one Traefik was cut off", over)
	if lost := l.ends(t, "one Traefik is cut off"); len(lost) > 0 {
		t.Errorf("%d requests were lost, such as %+v", len(lost), lost[0])
	}
}

// fallsSilent keeps one Traefik from the store, and nothing tells it.
func (c *cluster) fallsSilent(t *testing.T) {
	c.gone.whilst("nothing from the store arrives at one Traefik")
	sold := c.in(t, "sold while it is silent")
	c.links[2].fallsSilent()
	c.change(t, sold.keys())
	c.awaits(t, 0, sold, http.StatusUnauthorized)
	c.awaits(t, 1, sold, http.StatusUnauthorized)
	time.Sleep(3 * time.Second)
	c.stillIn(t, sold, 2)
	over := time.Now()
	c.links[2].heals()
	c.outAgain(t, sold, "nothing arrived at one Traefik", over)
}

// losesConnections has one Traefik wait for the store's word on a connection that is gone.
func (c *cluster) losesConnections(t *testing.T) {
	c.gone.whilst("one Traefik waits on a connection that is gone")
	sold := c.in(t, "sold while one waits")
	c.links[2].loses()
	c.change(t, sold.keys())
	c.awaits(t, 0, sold, http.StatusUnauthorized)
	c.awaits(t, 1, sold, http.StatusUnauthorized)
	time.Sleep(4 * time.Second)
	c.stillIn(t, sold, 2)
	c.restarts(t, 2)
	c.awaits(t, 2, sold, http.StatusUnauthorized)
	c.awaits(t, 2, c.device(t, "stays"), http.StatusOK)
	c.gone.add(sold)
}

// isSlow delays whatever the store says.
func (c *cluster) isSlow(t *testing.T) {
	c.gone.whilst(c.name + " is slow")
	const delay = 300 * time.Millisecond
	sold := c.in(t, "sold while it is slow")
	for _, l := range c.links {
		l.slows(delay)
	}
	l := c.loads(c.device(t, "stays"))
	took := c.out(t, sold)
	t.Logf("%s, each part of an answer %s late: out everywhere after %s", c.name, delay, took.Round(time.Millisecond))
	if lost := l.ends(t, c.name+" is slow"); len(lost) > 0 {
		t.Errorf("%d requests were lost, such as %+v", len(lost), lost[0])
	}
	for _, l := range c.links {
		l.heals()
	}
}

// restarts restarts Traefiks.
func (c *cluster) restarts(t *testing.T, which ...int) {
	t.Helper()
	for _, i := range which {
		c.kill(t, i)
	}
	c.atOnce(func(i int) {
		if slices.Contains(which, i) {
			c.begin(t, i)
		}
	})
	if t.Failed() {
		t.FailNow()
	}
}

// startsOld has the store forget its last changes: whoever was thrown out with them comes back.
func (c *cluster) startsOld(t *testing.T) {
	c.gone.whilst(c.name + " was started with old data")
	stays, sold := c.device(t, "stays"), c.in(t, "sold and forgotten")
	c.process.Stop()
	old := t.TempDir()
	if err := os.CopyFS(old, os.DirFS(c.store.folder)); err != nil {
		t.Fatal(err)
	}
	c.begins()
	c.change(t, sold.keys())
	c.awaitsAll(t, sold, http.StatusUnauthorized)
	c.process.Kill()
	c.keeps(t, old)
	c.begins()
	over := time.Now()
	if c.isDeafAfterLoss {
		// A Traefik that runs waits for a change later than all that it has seen, which is long in coming.
		c.restarts(t, 1)
		c.awaits(t, 1, sold, http.StatusOK)
	} else {
		c.awaitsAll(t, sold, http.StatusOK)
		t.Logf("%s, started with old data: who was thrown out since is in again everywhere after %s", c.name, time.Since(over).Round(time.Millisecond))
	}
	c.change(t, sold.keys())
	if c.isDeafAfterLoss {
		c.restarts(t, 0, 2)
	}
	c.awaitsAll(t, sold, http.StatusUnauthorized)
	c.awaitsAll(t, stays, http.StatusOK)
	c.gone.add(sold)
}

// startsEmpty has the store lose all that it had.
func (c *cluster) startsEmpty(t *testing.T) {
	c.gone.whilst(c.name + " was started empty")
	stays, sold := c.device(t, "stays"), c.in(t, "sold while it is empty")
	c.process.Kill()
	c.keeps(t, t.TempDir())
	l := c.loads(stays)
	c.begins()
	time.Sleep(4 * time.Second)
	if out, err := c.ptl(t, "unpair", sold.id); err == nil || !strings.Contains(out, "has no middleware") {
		t.Errorf("ptl unpair: %v, %s", err, out)
	}
	c.stillIn(t, sold, 0, 1, 2)
	if lost := l.ends(t, c.name+" is empty"); len(lost) > 0 {
		t.Errorf("%d requests were lost, such as %+v", len(lost), lost[0])
	}
	said := len(c.balancer.Said())
	c.restarts(t, 1)
	c.awaits(t, 1, stays, http.StatusNotFound)
	c.awaitHealth(t, 1, said, false)
	// Whatever else is written first takes everybody's routers.
	c.change(t, nil, "traefik/http/services/unrelated/loadBalancer/servers/0/url", c.app)
	if c.isDeafAfterLoss {
		time.Sleep(3 * time.Second)
		c.stillIn(t, sold, 0, 2)
	} else {
		c.awaitsAll(t, stays, http.StatusNotFound)
	}
	c.change(t, nil, c.configuration(t)...)
	if c.isDeafAfterLoss {
		c.awaits(t, 1, stays, http.StatusOK)
		time.Sleep(3 * time.Second)
		c.stillIn(t, sold, 0, 2)
		c.restarts(t, 0, 2)
	}
	c.awaitsAll(t, stays, http.StatusOK)
	c.awaitsAll(t, sold, http.StatusUnauthorized)
	c.gone.add(sold)
}

// isMute has Redis tell nobody of changes, which is so after its start unless its configuration says otherwise: Traefik asks it
// to when it starts itself, and no more.
func (c *cluster) isMute(t *testing.T) {
	c.gone.whilst("Redis tells nobody of changes")
	byHand, byPtl := c.in(t, "sold by hand"), c.in(t, "sold by ptl")
	c.mutes(t)
	c.change(t, byHand.keys())
	time.Sleep(4 * time.Second)
	c.stillIn(t, byHand, 0, 1, 2)
	if out, err := c.ptl(t, "unpair", byPtl.id); err != nil || !strings.Contains(out, "is out.") {
		t.Errorf("ptl unpair: %v, %s", err, out)
	}
	for _, d := range []device{byPtl, byHand} {
		c.awaitsAll(t, d, http.StatusUnauthorized)
		c.gone.add(d)
	}
	c.restarts(t, 1)
	c.awaits(t, 1, c.device(t, "stays"), http.StatusOK)
	d := c.in(t, "in since one was started")
	c.out(t, d)
}
