package ptlauth

import (
	"sync"
	"time"

	"github.com/getportal/ptlauth/internal/key"
	"github.com/getportal/ptlauth/internal/terminal"
)

// grace is how long the others go on with what was known while one looks.
const grace = time.Second

// present is what a gate knows of the world outside. It is looked at anew once per
// `refresh`, by the request that finds it out of date.
type present struct {
	mutex sync.Mutex
	look  chan struct{} // closed when the look that is under way has ended; nil: none is
	known *view
}

// view is the world as it was at the beginning of a period.
type view struct {
	period   int
	end      time.Time
	keys     []*key.Key // those that can be read
	complete bool       // whether that is all of them
	registry *terminal.Registry
}

// now returns the world as it is, or as it was at most `refresh` ago. Only after a
// long silence do several requests wait for the one that looks.
func now(g *gate) *view {
	at := time.Now()
	p := g.present
	p.mutex.Lock()
	v := p.known
	p.mutex.Unlock()
	if v == nil || !at.Before(v.end) {
		return newest(g, at)
	}
	return v
}

// newest looks, or leaves that to the request that is looking already.
func newest(g *gate, at time.Time) *view {
	p := g.present
	p.mutex.Lock()
	v := p.known
	look := p.look
	if look == nil {
		p.look = make(chan struct{})
		p.mutex.Unlock()
		return renew(g, v, at)
	}
	p.mutex.Unlock()
	if v != nil && at.Before(v.end.Add(grace)) {
		return v
	}
	<-look
	p.mutex.Lock()
	v = p.known
	p.mutex.Unlock()
	return v
}

// renew looks at files and URLs, which takes no longer than a server may.
func renew(g *gate, before *view, at time.Time) *view {
	p := g.present
	defer ended(p)
	refresh := g.policy.refresh
	keys, complete := key.Look(g.policy.keys, refresh)
	v := &view{
		period:   1,
		end:      at.Add(refresh),
		keys:     keys,
		complete: complete,
		registry: terminal.Look(g.policy.terminals, refresh),
	}
	if before != nil {
		v.period = before.period + 1
	}
	p.mutex.Lock()
	p.known = v
	p.mutex.Unlock()
	return v
}

// ended lets those go on that wait for a look, even where it has panicked.
func ended(p *present) {
	p.mutex.Lock()
	close(p.look)
	p.look = nil
	p.mutex.Unlock()
}
