package ptlauth

import (
	"sync"
	"time"

	"github.com/getportal/ptlauth/internal/key"
)

// present is what a gate knows of the world outside. It is looked at anew once per
// `refresh`, by the request that finds it out of date, while the others go on with
// what is known.
type present struct {
	mutex   sync.Mutex
	looking bool
	known   view
}

// view is the world as it was at the beginning of a period.
type view struct {
	at     time.Time // now, not the period's beginning
	period int
	end    time.Time
	keys   []*key.Key // those that can be read
}

// now returns the world as it is, or as it was at most `refresh` ago.
func now(g *gate) view {
	at := time.Now()
	p := g.present
	p.mutex.Lock()
	v := p.known
	v.at = at
	if p.looking || v.period > 0 && at.Before(v.end) {
		p.mutex.Unlock()
		return v
	}
	p.looking = true
	p.mutex.Unlock()

	keys := key.Look(g.policy.keys)

	p.mutex.Lock()
	p.looking = false
	v.period++
	v.end = at.Add(g.policy.refresh)
	v.keys = keys
	p.known = v
	p.mutex.Unlock()
	return v
}
