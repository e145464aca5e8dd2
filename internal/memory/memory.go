// Package memory remembers decisions, so that a request whose Cookie line was seen a
// moment ago is not verified again.
//
// What was decided within one period was decided with the same keys and terminals,
// and is forgotten when the period ends, by a timer: nobody needs a clock to use it.
package memory

import (
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/getportal/ptlauth/internal/journal"
)

// Decision is what becomes of an admitted request. Requests share it: what they are sent
// on with is a copy of Header, because a middleware behind may edit a value in place
// (rs/cors#198).
type Decision struct {
	// Header is set in the request: who asks, and what is left where a token was; nil
	// where nothing is left.
	Header http.Header
	// User and Mark go with the request: see access.Set.
	User *url.Userinfo
	Mark *http.Response
}

// Memory holds one middleware's decisions, by Cookie line. Decisions is read
// directly: a call more costs the interpreter as much as the look-up.
type Memory struct {
	Decisions sync.Map

	mutex    sync.Mutex
	period   int
	keys     []string
	weight   int64
	reserved int64 // of the budget, by which weight may grow
	forget   *time.Timer
}

const (
	// budget bounds what all memories hold together, share what one may hold, in bytes.
	budget = 12 << 20
	share  = budget / 4
	// step is what a memory reserves of the budget at a time.
	step = 16 << 10
	// overhead is what an entry weighs besides its texts, in bytes.
	overhead = 1 << 10
	// heaviest is what an entry may weigh, so that a step has room for it.
	heaviest = step
)

// held is what all memories have reserved.
var held int64

// Keep remembers a decision until the end of the period in which it was made. A memory
// that is full begins anew: under a flood of tokens that are seen once, those in use
// are verified again now and then, and are remembered all the same.
func Keep(m *Memory, period int, end time.Time, key string, d *Decision) {
	weight := int64(2*len(key) + overhead)
	m.mutex.Lock()
	defer m.mutex.Unlock()
	if (period != m.period || m.weight+weight > m.reserved || weight > heaviest) && !makeRoom(m, period, end, weight) {
		return
	}
	_, known := m.Decisions.LoadOrStore(key, d)
	if !known {
		m.keys = append(m.keys, key)
		m.weight += weight
	}
}

// makeRoom makes room for an entry of that weight, and tells whether there is any.
func makeRoom(m *Memory, period int, end time.Time, weight int64) bool {
	rest := time.Until(end)
	// A slower request may come with a decision of the period before.
	if period < m.period || rest <= 0 || weight > heaviest {
		return false
	}
	if period > m.period || m.reserved+step > share {
		drop(m)
		m.period = period
	}
	if atomic.AddInt64(&held, step) > budget {
		atomic.AddInt64(&held, -step)
		return false
	}
	m.reserved += step
	if m.forget == nil {
		m.forget = forgetAfter(m, period, rest)
	}
	return true
}

func forgetAfter(m *Memory, period int, rest time.Duration) *time.Timer {
	return time.AfterFunc(rest, func() { Forget(m, period) })
}

// Forget forgets what was decided in a period, by its end at the latest. The timer runs it
// on a goroutine of its own, where a panic would end Traefik.
func Forget(m *Memory, period int) {
	defer func() {
		if recover() != nil {
			journal.Error("remembered decisions were forgotten with difficulty: please report this as a bug of ptlauth")
			forgetAll(m)
		}
	}()
	m.mutex.Lock()
	defer m.mutex.Unlock()
	if period == m.period {
		drop(m)
		m.period++
	}
}

// forgetAll relies on nothing but the map: whoever is still found in it is let in.
func forgetAll(m *Memory) {
	m.Decisions.Range(func(key, _ interface{}) bool {
		m.Decisions.Delete(key)
		return true
	})
}

func drop(m *Memory) {
	for _, key := range m.keys {
		m.Decisions.Delete(key)
	}
	atomic.AddInt64(&held, -m.reserved)
	m.keys = nil
	m.weight = 0
	m.reserved = 0
	if m.forget != nil {
		m.forget.Stop()
		m.forget = nil
	}
}
