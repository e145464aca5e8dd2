package ptlauth

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/getportal/ptlauth/internal/key"
	"github.com/getportal/ptlauth/internal/terminal"
)

// grace is how long the others go on with what was known while one looks.
const grace = time.Second

// present is what a gate knows of the world outside. It is looked at anew once per
// `refresh`, by the request that finds it out of date.
type present struct {
	known atomic.Value // *view
	mutex sync.Mutex
	look  chan struct{} // closed when the look that is under way has ended; nil: none is
}

// view is the world as it was at the beginning of a period.
type view struct {
	period   int
	end      time.Time
	ready    bool       // there are keys and a list of terminals, and the app is as it was
	keys     []*key.Key // those that can be read
	complete bool       // whether that is all of them
	registry *terminal.Registry
	outdated bool // the app has been changed or uninstalled since the gate was made

	sets  sync.Map // the headers of terminals that have asked, by sub
	asked int64    // how many that are
}

// now returns the world as it is, or as it was at most `refresh` ago. Only after a
// long silence do several requests wait for the one that looks.
func now(g *gate) *view {
	v, ok := g.present.known.Load().(*view)
	if ok && time.Now().Before(v.end) {
		return v
	}
	return newest(g, time.Now())
}

// newest looks, or leaves that to the request that is looking already.
func newest(g *gate, at time.Time) *view {
	p := g.present
	p.mutex.Lock()
	v := latest(p)
	if v != nil && at.Before(v.end) {
		p.mutex.Unlock()
		return v
	}
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
	return latest(p)
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
		outdated: g.app != nil && isOutdated(g),
	}
	v.ready = len(keys) > 0 && v.registry != nil && !v.outdated
	if before != nil {
		v.period = before.period + 1
	}
	p.known.Store(v)
	return v
}

// latest is what is known; nil: nothing is.
func latest(p *present) *view {
	v, _ := p.known.Load().(*view)
	return v
}

// ended lets those go on that wait for a look, even where it has panicked.
func ended(p *present) {
	p.mutex.Lock()
	close(p.look)
	p.look = nil
	p.mutex.Unlock()
}
