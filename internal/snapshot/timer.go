package snapshot

import (
	"context"
	"time"

	"github.com/getportal/ptlauth/internal/cache"
	"github.com/getportal/ptlauth/internal/journal"
	"github.com/getportal/ptlauth/internal/source"
)

// arm has the world looked at again when a snapshot ends. One timer serves a keeper for
// ever: under Yaegi, a closure holds the frame of its maker, and a timer that made the
// next one would hold all those before it.
func arm(k *Keeper, s *Snapshot) {
	k.mutex.Lock()
	defer k.mutex.Unlock()
	if k.running {
		return
	}
	k.running = true
	if k.turned.IsZero() {
		k.turned = time.Now()
	}
	setTimer(k, untilEnd(s))
}

// setTimer sets the timer; k.mutex is held.
func setTimer(k *Keeper, pause time.Duration) {
	if k.timer == nil {
		k.timer = time.AfterFunc(pause, func() { tick(k) })
	} else {
		k.timer.Reset(pause)
	}
}

func untilEnd(s *Snapshot) time.Duration {
	pause := time.Until(s.End)
	if pause < minInterval {
		return minInterval
	}
	return pause
}

// Hurry has the world looked at, and the observer called, at once.
func Hurry(k *Keeper) {
	k.mutex.Lock()
	defer k.mutex.Unlock()
	k.running = true
	setTimer(k, time.Millisecond)
}

// tick runs on a goroutine of its own, where a panic would end Traefik.
func tick(k *Keeper) {
	defer func() {
		if recover() != nil {
			journal.Error(k.name + " could not look at its keys and terminals: please report this as a bug of ptlauth")
			cache.Drop(k.cache)
			again(k, minInterval)
		}
	}()
	s := lookAgain(k)
	need := k.observer(s)
	if need == Retired || need == Nothing && isIdle(k) {
		// The next look is left to the next request.
		k.mutex.Lock()
		k.running = false
		k.turned = time.Time{}
		cache.Drop(k.cache)
		k.mutex.Unlock()
		return
	}
	again(k, untilEnd(s))
}

// lookAgain returns the world after a look, for which it waits: nobody else does.
func lookAgain(k *Keeper) *Snapshot {
	now := time.Now()
	s := Last(k)
	if s == nil || !now.Before(s.End) {
		look := refresh(k, s, now)
		if look != nil {
			source.Wait([]context.Context{look}, now.Add(2*grace))
		}
		s = Last(k)
	}
	if s == nil || !time.Now().Before(s.End) {
		return unknown
	}
	return s
}

func again(k *Keeper, pause time.Duration) {
	k.mutex.Lock()
	defer k.mutex.Unlock()
	setTimer(k, pause)
}

// isIdle reports whether nobody who is known has asked for long. Now and then, what was
// decided has to be asked for once more to stay.
func isIdle(k *Keeper) bool {
	k.mutex.Lock()
	isEarly := time.Since(k.turned) < idleLimit
	if !isEarly {
		k.turned = time.Now()
	}
	k.mutex.Unlock()
	if isEarly {
		return false
	}
	if !cache.Turn(k.cache) {
		return true
	}
	before := Last(k)
	turned := *before
	turned.IsTurned = true
	turned.IsOrdinary = false
	// A look that has ended meanwhile must not be undone: it says so itself.
	k.last.CompareAndSwap(before, &turned)
	return false
}
