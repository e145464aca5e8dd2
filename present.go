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
	known view
}

// view is the world as it was at the beginning of a period.
type view struct {
	at       time.Time // now, not the period's beginning
	period   int
	end      time.Time
	keys     []*key.Key // those that can be read
	complete bool       // whether that is all of them
	registry *terminal.Registry
}

// now returns the world as it is, or as it was at most `refresh` ago. Only after a
// long silence do several requests wait for the one that looks.
func now(g *gate) view {
	at := time.Now()
	p := g.present
	p.mutex.Lock()
	v := p.known
	if v.period > 0 && at.Before(v.end) {
		p.mutex.Unlock()
		v.at = at
		return v
	}
	look := p.look
	if look == nil {
		p.look = make(chan struct{})
		p.mutex.Unlock()
		return renew(g, v.period+1, at)
	}
	p.mutex.Unlock()
	if v.period == 0 || at.After(v.end.Add(grace)) {
		<-look
		p.mutex.Lock()
		v = p.known
		p.mutex.Unlock()
	}
	v.at = at
	return v
}

// renew looks at files and URLs, which takes no longer than a server may.
func renew(g *gate, period int, at time.Time) view {
	refresh := g.policy.refresh
	keys, complete := key.Look(g.policy.keys, refresh)
	v := view{
		at:       at,
		period:   period,
		end:      at.Add(refresh),
		keys:     keys,
		complete: complete,
		registry: terminal.Look(g.policy.terminals, refresh),
	}
	p := g.present
	p.mutex.Lock()
	p.known = v
	close(p.look)
	p.look = nil
	p.mutex.Unlock()
	return v
}
