// Package snapshot keeps what a middleware knows of the world outside: which keys verify,
// and which terminals are paired.
//
// It is looked at once per `refresh` while requests come, by a timer, so that nobody who
// is known waits or pays for it. While the world is the same, what was decided stays; what
// has changed takes everything with it that was decided before.
package snapshot

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/getportal/ptlauth/internal/cache"
	"github.com/getportal/ptlauth/internal/journal"
	"github.com/getportal/ptlauth/internal/key"
	"github.com/getportal/ptlauth/internal/source"
	"github.com/getportal/ptlauth/internal/terminal"
)

const (
	// grace is how much longer than `refresh` a snapshot holds while a look waits for a
	// server or a long list.
	grace = time.Second
	// margin is how much earlier that look ends.
	margin = 30 * time.Millisecond
	// usualLook is how long a look may take for the next one to begin when it is due.
	usualLook = grace / 2
	// missingInterval is how soon what is missing is looked for again.
	missingInterval = 250 * time.Millisecond
	// minInterval is the least time between two looks, where one takes longer than it holds.
	minInterval = 50 * time.Millisecond
	// idleLimit is for how long the world is looked at after the last request that had to
	// be decided.
	idleLimit = 30 * time.Second
	// startLimit is how long the middlewares of one configuration wait for servers and
	// long lists, all of them together. Within startWindow it is the same start.
	startLimit  = time.Second
	startWindow = 10 * time.Second
)

// Sources are what is looked at.
type Sources struct {
	Keys      []*key.Entry
	Terminals *terminal.List
	Refresh   time.Duration
	// IsOutdated reports whether what stands behind the middleware is another app by now;
	// nil: it always is the same.
	IsOutdated func() bool
	// Forgets has every decision forgotten with each look: somebody is told of each.
	Forgets bool
}

// Keeper keeps the newest snapshot of one middleware.
type Keeper struct {
	name     string
	sources  *Sources
	watched  []*source.Source // those of all keys and terminals
	cache    *cache.Cache
	observer func(*Snapshot) Need

	last     atomic.Value // *Snapshot
	mutex    sync.Mutex
	look     context.Context // done when the look that is under way has ended; nil: none is
	since    time.Time       // when what is still being read was begun; zero: nothing is
	finished context.CancelFunc
	timer    *time.Timer
	running  bool      // the timer is set
	turned   time.Time // when decisions that nobody used were last forgotten
}

// Snapshot is the world as it was at the beginning of a period. It never changes.
type Snapshot struct {
	// World counts the changes of the world, Version how often decisions were forgotten.
	World    int
	Version  int
	End      time.Time  // until when it holds
	Ready    bool       // there are keys and a list of terminals, and the app is as it was
	Keys     []*key.Key // those that can be read
	Complete bool       // whether that is all of them
	Registry *terminal.Registry
	Outdated bool // the app has been changed or uninstalled since the keeper was made
	// IsTurned reports that decisions wait to be asked for once more.
	IsTurned bool
	// IsOrdinary reports that it is ready, and none wait.
	IsOrdinary bool
	isOver     bool // it is the one before, gone by until a look has ended
	// Sets are the headers of terminals that have asked, as long as the world is the same.
	Sets *Sets
}

// Sets keep what is worked out once per terminal.
type Sets struct {
	Known sync.Map
	Count int64
}

// unknown is the world when a look takes longer than anybody waits.
var unknown = &Snapshot{Sets: &Sets{}}

// Need is what an observer says after a look.
type Need int

const (
	// Nothing says that it needs no other look.
	Nothing Need = 0
	// Another says that it does.
	Another Need = 1
	// Retired says that another keeper has taken over.
	Retired Need = 2
)

// NewKeeper makes the keeper of a middleware. The cache is emptied when the world changes;
// the observer is called after every look.
func NewKeeper(name string, sources *Sources, c *cache.Cache, observer func(*Snapshot) Need) *Keeper {
	all := key.Sources(sources.Keys)
	list := terminal.Source(sources.Terminals)
	if list != nil {
		all = append(all, list)
	}
	return &Keeper{name: name, sources: sources, watched: all, cache: c, observer: observer}
}

// Begin looks for the first time, and waits no longer than all middlewares of one
// configuration may together: Traefik makes one after the other, and serves nothing new
// until it has made them all.
func Begin(k *Keeper) {
	now := time.Now()
	look := refresh(k, nil, now)
	if look == nil {
		return
	}
	startMutex.Lock()
	if started.IsZero() || now.Sub(started) > startWindow {
		started = now
	}
	until := started.Add(startLimit)
	startMutex.Unlock()
	source.Wait([]context.Context{look}, until)
}

var (
	startMutex sync.Mutex
	started    time.Time // when the first of a configuration's middlewares had to wait
)

// Now returns the world as it is, or as it was at most `refresh` and a second ago.
func Now(k *Keeper) *Snapshot {
	s, ok := k.last.Load().(*Snapshot)
	if ok {
		if time.Until(s.End) > 0 {
			return s
		}
	}
	return nowSlow(k, s, time.Now())
}

// nowSlow looks, or leaves that to whoever is looking already. Only after a long silence do
// requests wait for it, once. It tries twice because a look that is under way may have had
// its snapshot already.
func nowSlow(k *Keeper, before *Snapshot, at time.Time) *Snapshot {
	for i := 0; i < 2; i++ {
		look := refresh(k, before, at)
		s := Last(k)
		if look != nil && (s == nil || !at.Before(s.End)) {
			// The look itself waits for no longer than grace; more is for a disk that hangs.
			source.Wait([]context.Context{look}, at.Add(2*grace))
			s = Last(k)
		}
		if s != nil && (at.Before(s.End) || s != before && !s.isOver) {
			return s
		}
		before = s
	}
	return unknown
}

// refresh begins to look, unless a look is under way. It returns what there is to wait
// for; nil when the snapshot is as new as it can be.
func refresh(k *Keeper, before *Snapshot, at time.Time) context.Context {
	k.mutex.Lock()
	under := k.look
	if under != nil || Last(k) != before {
		k.mutex.Unlock()
		return under
	}
	// The snapshot before goes on for as long as a look may take, before anybody can see that
	// there is one to wait for.
	if before != nil && before.Ready && !before.isOver && at.Before(before.End.Add(grace)) {
		over := *before
		over.End = before.End.Add(grace)
		over.isOver = true
		k.last.Store(&over)
	}
	ctx, finished := context.WithCancel(context.Background())
	k.look = ctx
	k.finished = finished
	k.mutex.Unlock()
	if look(k, at) {
		return nil
	}
	return ctx
}

// look has all sources read at once, and reports whether there is a new snapshot. What
// takes longer is waited for on another goroutine.
func look(k *Keeper, at time.Time) bool {
	isHandedOver := false
	defer func() {
		if !isHandedOver {
			endLook(k)
		}
	}()
	flights := source.Look(k.watched, k.sources.Refresh)
	if len(flights) == 0 {
		renew(k, at)
		return true
	}
	isHandedOver = true
	finish(k, flights, at)
	return false
}

// finish waits for all servers and long lists together, on a goroutine of its own, where
// a panic would end Traefik.
func finish(k *Keeper, flights []context.Context, at time.Time) {
	go func() {
		defer func() {
			if recover() != nil {
				journal.Error(k.name + " could not look at its keys and terminals: please report this as a bug of ptlauth")
				cache.Drop(k.cache)
			}
			endLook(k)
		}()
		source.Wait(flights, at.Add(grace-margin))
		renew(k, at)
	}()
}

// endLook lets those go on that wait for a look, even where it has panicked.
func endLook(k *Keeper) {
	k.mutex.Lock()
	k.finished()
	k.look = nil
	k.mutex.Unlock()
}

// renew puts a new snapshot in the place of the one before. What was decided by that one
// goes on only where the world is the same.
func renew(k *Keeper, at time.Time) {
	before := Last(k)
	s := read(k, at)
	s.World = 1
	s.Version = 1
	s.Sets = &Sets{}
	if before != nil {
		s.World = before.World
		s.Version = before.Version + 1
		if !isSame(before, s) {
			s.World++
		} else if !k.sources.Forgets {
			s.Version = before.Version
			s.Sets = before.Sets
		}
	}
	s.IsTurned = cache.IsWaiting(k.cache)
	s.IsOrdinary = s.Ready && !s.IsTurned
	k.last.Store(s)
	cache.Renew(k.cache, s.Version, s.End.Add(grace))
	arm(k, s)
}

// isSame reports whether the same keys and terminals are good in both, and the same rules
// hold.
func isSame(a, b *Snapshot) bool {
	if a.Registry != b.Registry || len(a.Keys) != len(b.Keys) || a.Complete != b.Complete || a.Ready != b.Ready || b.Outdated {
		return false
	}
	for i, k := range a.Keys {
		if k != b.Keys[i] {
			return false
		}
	}
	return true
}

// read is the world by what has been read so far.
func read(k *Keeper, at time.Time) *Snapshot {
	from := k.sources
	isReading := source.IsReading(k.watched)
	keys, complete := key.Ready(from.Keys)
	// A look ends before what it waits for; the next ones go on with it.
	began := at
	if !k.since.IsZero() {
		began = k.since
	}
	k.since = time.Time{}
	if isReading {
		k.since = began
	}
	s := &Snapshot{
		End:      due(began, time.Now(), from.Refresh),
		Keys:     keys,
		Complete: complete,
		Registry: terminal.Now(from.Terminals, from.Refresh),
		Outdated: from.IsOutdated != nil && from.IsOutdated(),
	}
	s.Ready = len(keys) > 0 && s.Registry != nil && !s.Outdated
	// It is looked at again soon where something is missing or still being read, and not at once
	// where the look has taken as long as a period.
	pause := missingInterval
	if from.Refresh < pause {
		pause = from.Refresh
	}
	soon := time.Now().Add(pause)
	if isReading || !s.Complete || !s.Ready || s.End.Before(soon) {
		s.End = soon
	}
	return s
}

// due is when the next look begins after one that took so long: a period later, but earlier where
// what it finds would not count within a period and a second. A server is left alone for a quarter
// of a period.
func due(began, ended time.Time, refresh time.Duration) time.Time {
	next := began.Add(refresh)
	early := ended.Sub(began) - usualLook
	if early <= 0 {
		return next
	}
	if early > refresh/4 {
		early = refresh / 4
	}
	next = next.Add(-early)
	least := ended.Add(refresh / 4)
	if next.Before(least) {
		return least
	}
	return next
}

// Last is the newest snapshot; nil: there is none.
func Last(k *Keeper) *Snapshot {
	s, _ := k.last.Load().(*Snapshot)
	return s
}
