// Package memory remembers decisions, so that a request whose Cookie line was seen a
// moment ago is not verified again.
//
// What was decided within one period was decided with the same keys and terminals,
// and is forgotten when the period ends, by a timer: nobody needs a clock to use it.
package memory

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/getportal/ptlauth/internal/journal"
)

// Decision is what becomes of an admitted request. Requests share its slices, which
// therefore must not change.
type Decision struct {
	Cookie []string // the Cookie lines without the token; nil: none is left
	Header []string // what is left of the header that carried it; nil: nothing
	Names  []string // of the headers to set
	Values [][]string
}

// Memory holds one middleware's decisions, by Cookie line. Decisions is read
// directly: a call more costs the interpreter as much as the look-up.
type Memory struct {
	Decisions sync.Map

	mutex  sync.Mutex
	period int
	keys   []string
	weight int64
	forget *time.Timer
}

const (
	// budget bounds what all memories hold together, share what one may hold, in bytes.
	budget = 12 << 20
	share  = budget / 4
	// overhead is what an entry weighs besides its texts, in bytes.
	overhead = 1 << 10
)

var held int64

// Keep remembers a decision until the end of the period in which it was made. A memory
// that is full begins anew: under a flood of tokens that are seen once, those in use
// are verified again now and then, and are remembered all the same.
func Keep(m *Memory, period int, end time.Time, key string, d *Decision) {
	weight := int64(2*len(key) + overhead)
	rest := time.Until(end)
	m.mutex.Lock()
	defer m.mutex.Unlock()
	// A slower request may come with a decision of the period before.
	if period < m.period || rest <= 0 {
		return
	}
	if period > m.period {
		drop(m)
		m.period = period
	}
	if m.weight+weight > share {
		drop(m)
	}
	if atomic.LoadInt64(&held)+weight > budget {
		return
	}
	_, known := m.Decisions.LoadOrStore(key, d)
	if known {
		return
	}
	atomic.AddInt64(&held, weight)
	m.keys = append(m.keys, key)
	m.weight += weight
	if m.forget == nil {
		m.forget = forgetAfter(m, period, rest)
	}
}

func forgetAfter(m *Memory, period int, rest time.Duration) *time.Timer {
	return time.AfterFunc(rest, func() { forget(m, period) })
}

// forget runs on a goroutine of its own, where a panic would end Traefik.
func forget(m *Memory, period int) {
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
	atomic.AddInt64(&held, -m.weight)
	m.keys = nil
	m.weight = 0
	if m.forget != nil {
		m.forget.Stop()
		m.forget = nil
	}
}
