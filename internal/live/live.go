// Package live is the home of what outlives a reload: for each middleware, by its name,
// what New made of its configuration, and the WebSockets and event streams that are open.
//
// Traefik makes every middleware anew for each of its routers and at every reload. It
// cancels the context of the configuration before first, then calls New in any order, and
// nothing marks the end.
package live

import (
	"context"
	"reflect"
	"sync"
	"time"

	"github.com/getportal/ptlauth/internal/journal"
	"github.com/getportal/ptlauth/internal/socket"
)

// goneAfter is how long after the last New of any name a middleware is taken for removed
// that was not made again: a thousand routers take a while under load.
const goneAfter = 5 * time.Second

// lookInterval is how often it is looked whether it was.
const lookInterval = 500 * time.Millisecond

// maxSets bounds how many sets of sockets a middleware has: one for each app in use.
const maxSets = 10_000

// Home is what outlives a reload of one middleware.
type Home struct {
	name string

	mutex sync.Mutex
	// config is what made is made of; nil: of nothing that may serve again.
	config interface{}
	made   interface{}
	// done is the newest configuration's, and turn counts them.
	done <-chan struct{}
	turn int
	sets map[string]*socket.Set
	// closed reports that the middleware admits nobody, so that no set is handed out open.
	closed bool
}

var (
	mutex sync.Mutex
	homes = map[string]*Home{}
	last  time.Time // of the last New of any name
)

// Enter returns the home of a middleware for one more New, of the configuration that ctx
// belongs to.
func Enter(ctx context.Context, name string) *Home {
	mutex.Lock()
	defer mutex.Unlock()
	last = time.Now()
	h := homes[name]
	if h == nil {
		h = &Home{name: name, sets: map[string]*socket.Set{}}
		homes[name] = h
	}
	h.mutex.Lock()
	defer h.mutex.Unlock()
	done := ctx.Done()
	if h.done != done || h.turn == 0 {
		h.done = done
		h.turn++
		// Some time after its configuration's context was cancelled, the home is given up,
		// unless the middleware was made again.
		turn := h.turn
		context.AfterFunc(ctx, func() { giveUpLater(h, turn) })
	}
	return h
}

// Made is what was made last, where it was made of an equal configuration and may serve
// again; else nil.
func Made(h *Home, config interface{}) interface{} {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	if h.made == nil || !reflect.DeepEqual(h.config, config) {
		return nil
	}
	return h.made
}

// Replace puts what was made of a configuration in the place of what was there, and returns
// the names of the sets that have to be judged by it.
func Replace(h *Home, config, made interface{}) []string {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	h.config = config
	h.made = made
	h.closed = false
	names := make([]string, 0, len(h.sets))
	for name, set := range h.sets {
		if socket.IsAny(set) {
			names = append(names, name)
		}
	}
	return names
}

// Close ends all that is open: the middleware admits nobody any more.
func Close(h *Home) {
	h.mutex.Lock()
	h.config = nil
	h.made = nil
	h.closed = true
	sets := make([]*socket.Set, 0, len(h.sets))
	for _, set := range h.sets {
		sets = append(sets, set)
	}
	h.mutex.Unlock()
	for _, set := range sets {
		socket.Close(set)
	}
}

// SetOf returns the set of sockets of that name: an app's, or of the only one.
func SetOf(h *Home, name string) *socket.Set {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	set := h.sets[name]
	if set != nil {
		return set
	}
	set = &socket.Set{}
	if len(h.sets) >= maxSets {
		for other, one := range h.sets {
			if !socket.IsAny(one) {
				delete(h.sets, other)
			}
		}
	}
	if h.closed || len(h.sets) >= maxSets {
		socket.Close(set)
	} else {
		h.sets[name] = set
	}
	return set
}

// giveUpLater runs on a goroutine of its own, where a panic would end Traefik.
func giveUpLater(h *Home, turn int) {
	defer func() {
		if recover() != nil {
			journal.Error(h.name + " could not end what was open after its removal: please report this as a bug of ptlauth")
		}
	}()
	began := time.Now()
	for time.Since(began) < goneAfter || sinceLast() < goneAfter {
		if isMadeAgain(h, turn) {
			return
		}
		time.Sleep(lookInterval)
	}
	if forget(h, turn) {
		Close(h)
	}
}

// forget has the next New of the name find another home, and reports whether there was none
// of it meanwhile.
func forget(h *Home, turn int) bool {
	mutex.Lock()
	defer mutex.Unlock()
	if isMadeAgain(h, turn) {
		return false
	}
	delete(homes, h.name)
	return true
}

func isMadeAgain(h *Home, turn int) bool {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	return h.turn != turn
}

func sinceLast() time.Duration {
	mutex.Lock()
	defer mutex.Unlock()
	return time.Since(last)
}
