package ptlauth

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/getportal/ptlauth/internal/journal"
	"github.com/getportal/ptlauth/internal/key"
	"github.com/getportal/ptlauth/internal/memory"
	"github.com/getportal/ptlauth/internal/source"
	"github.com/getportal/ptlauth/internal/terminal"
)

const (
	// grace is how much longer than `refresh` a view may be gone by while a look waits for
	// a server or a long list.
	grace = time.Second
	// margin is how much earlier that look ends.
	margin = 30 * time.Millisecond
	// shortPeriod is how soon what is missing is looked for again.
	shortPeriod = 250 * time.Millisecond
	// startLimit is how long the middlewares of one configuration wait for servers and
	// long lists, all of them together. Within startWindow it is the same start.
	startLimit  = time.Second
	startWindow = 10 * time.Second
)

// present is what a gate knows of the world outside. It is looked at anew once per
// `refresh`, by the request that finds it out of date.
type present struct {
	known atomic.Value // *view
	mutex sync.Mutex
	look  context.Context // done when the look that is under way has ended; nil: none is
	ended context.CancelFunc
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
	isOver   bool // it is the view before, gone by until a look has ended

	sets  sync.Map // the headers of terminals that have asked, by sub
	asked int64    // how many that are
}

// unknown is the view when a look takes longer than anybody waits.
var unknown = &view{}

// begin looks at the world for the first time, and waits no longer than all middlewares
// of one configuration may together: Traefik makes one after the other, and serves
// nothing new until it has made them all.
func begin(g *gate) {
	now := time.Now()
	look := newest(g, nil, now)
	if look != nil {
		source.Wait([]context.Context{look}, startDeadline(now))
	}
}

var (
	startMutex sync.Mutex
	started    time.Time // when the first of a configuration's middlewares had to wait
)

func startDeadline(now time.Time) time.Time {
	startMutex.Lock()
	defer startMutex.Unlock()
	if started.IsZero() || now.Sub(started) > startWindow {
		started = now
	}
	return started.Add(startLimit)
}

// now returns the world as it is, or as it was at most `refresh` and a second ago.
func now(g *gate) *view {
	v, ok := g.present.known.Load().(*view)
	if ok && time.Now().Before(v.end) {
		return v
	}
	return nowSlow(g, v, time.Now())
}

// nowSlow looks, or leaves that to the request that is looking already. Only after a long
// silence do requests wait for it, once. It tries twice because a look that is under way
// may have had its view already.
func nowSlow(g *gate, before *view, at time.Time) *view {
	for i := 0; i < 2; i++ {
		look := newest(g, before, at)
		v := latest(g.present)
		if look != nil && (v == nil || !at.Before(v.end)) {
			// The look itself waits for no longer than grace; more is for a disk that hangs.
			source.Wait([]context.Context{look}, at.Add(2*grace))
			v = latest(g.present)
		}
		if v != nil && (at.Before(v.end) || v != before && !v.isOver) {
			return v
		}
		before = v
	}
	return unknown
}

// newest begins to look, unless a look is under way. It returns what there is to wait
// for; nil when the view is as new as it can be.
func newest(g *gate, before *view, at time.Time) context.Context {
	p := g.present
	p.mutex.Lock()
	under := p.look
	if under != nil || latest(p) != before {
		p.mutex.Unlock()
		return under
	}
	// It goes on before anybody can see that there is a look to wait for.
	if before != nil && before.ready && !before.isOver && at.Before(before.end.Add(grace)) {
		p.known.Store(goOn(before))
	}
	ctx, ended := context.WithCancel(context.Background())
	p.look = ctx
	p.ended = ended
	p.mutex.Unlock()
	if look(g, at) {
		return nil
	}
	return ctx
}

// goOn is the view before, for as long as a look may take.
func goOn(before *view) *view {
	return &view{
		period:   before.period + 1,
		end:      before.end.Add(grace),
		ready:    true,
		keys:     before.keys,
		complete: before.complete,
		registry: before.registry,
		isOver:   true,
	}
}

// look has all sources read at once, and reports whether there is a new view. What takes
// longer is waited for on another goroutine.
func look(g *gate, at time.Time) bool {
	isHandedOver := false
	defer func() {
		if !isHandedOver {
			endLook(g.present)
		}
	}()
	flights := key.Look(g.policy.keys, g.policy.refresh, nil)
	flights = terminal.Look(g.policy.terminals, g.policy.refresh, flights)
	if len(flights) == 0 {
		renew(g, at)
		return true
	}
	isHandedOver = true
	finish(g, flights, at)
	return false
}

// renew puts a new view in the place of the one before, with all that was decided by it.
func renew(g *gate, at time.Time) {
	before := latest(g.present)
	v := newView(g, before, at)
	g.present.known.Store(v)
	if before != nil {
		memory.Forget(g.memory, before.period)
	}
}

// finish waits for all servers and long lists together, on a goroutine of its own, where
// a panic would end Traefik.
func finish(g *gate, flights []context.Context, at time.Time) {
	p := g.present
	go func() {
		defer func() {
			if recover() != nil {
				journal.Error(g.name + " could not look at its keys and terminals: please report this as a bug of ptlauth")
			}
			endLook(p)
		}()
		source.Wait(flights, at.Add(grace-margin))
		renew(g, at)
	}()
}

// newView is the world by what has been read so far.
func newView(g *gate, before *view, at time.Time) *view {
	refresh := g.policy.refresh
	isReading := key.IsReading(g.policy.keys) || terminal.IsReading(g.policy.terminals)
	keys, complete := key.Ready(g.policy.keys)
	v := &view{
		period:   1,
		end:      at.Add(refresh),
		keys:     keys,
		complete: complete,
		registry: terminal.Now(g.policy.terminals, refresh),
		outdated: g.app != nil && isOutdated(g),
	}
	v.ready = len(keys) > 0 && v.registry != nil && !v.outdated
	if before != nil {
		v.period = before.period + 1
	}
	v.end = endOf(v, time.Now(), refresh, isReading)
	return v
}

// endOf is when to look again: soon where something is missing or still being read, and
// not at once where the look has taken as long as a period.
func endOf(v *view, now time.Time, refresh time.Duration, isReading bool) time.Time {
	soon := now.Add(shortPeriod)
	if refresh < shortPeriod {
		soon = now.Add(refresh)
	}
	if isReading || !v.complete || !v.ready || v.end.Before(soon) {
		return soon
	}
	return v.end
}

// latest is what is known; nil: nothing is.
func latest(p *present) *view {
	v, _ := p.known.Load().(*view)
	return v
}

// endLook lets those go on that wait for a look, even where it has panicked.
func endLook(p *present) {
	p.mutex.Lock()
	p.ended()
	p.look = nil
	p.mutex.Unlock()
}
