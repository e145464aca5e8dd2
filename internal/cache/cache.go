// Package cache keeps decisions, so that a token that was verified once is not verified
// again while the world is the same.
//
// Nobody needs a clock to use it. Whoever looks at the world renews it after each look;
// what is not renewed in time is forgotten by a timer.
package cache

import (
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/getportal/ptlauth/internal/journal"
)

// Decision is what becomes of an admitted request. Requests share it: they are sent on
// with copies of Values, because a middleware behind may edit a value in place
// (rs/cors#198).
type Decision struct {
	// Names are set in the request, canonical, and one of Values each: who asks, and what
	// is left where a token was.
	Names  []string
	Values []string
	// Removed are the names of which nothing is left.
	Removed []string
	// User and Mark go with the request: see access.Set.
	User *url.Userinfo
	Mark *http.Response
	// Due is from when on whoever opens a page is given the token anew, in seconds since
	// 1970; 0: never.
	Due int64
}

// Cache holds one middleware's decisions, by all that they hang on. Decisions is read
// directly: a call more costs the interpreter as much as the look-up.
type Cache struct {
	Decisions sync.Map

	mutex      sync.Mutex
	isLive     bool                 // somebody looks at the world
	version    int                  // of the world
	end        time.Time            // until when there must be another look
	endSeconds int64                // the same, in seconds since 1970
	keys       []string             // those in Decisions
	expiring   map[string]int64     // when those expire that do, in seconds since 1970
	earliest   int64                // when the first of them does; 0: never
	waiting    map[string]*Decision // those that have to be asked for once more to stay
	bytes      int64
	reserved   int64 // of all caches' bytes, by which this one's may grow
	forget     *time.Timer
}

const (
	// maxCacheBytes bounds what all caches hold together, maxOneCacheBytes what one may.
	maxCacheBytes    = 16 << 20
	maxOneCacheBytes = maxCacheBytes * 3 / 4
	// chunkBytes is what a cache reserves of that at a time.
	chunkBytes = 16 << 10
	// entryBytes is what an entry takes besides its key, in bytes.
	entryBytes = 512
	// maxEntryBytes is what an entry may take, so that a chunk has room for it.
	maxEntryBytes = chunkBytes
)

// reservedBytes is what all caches have reserved.
var reservedBytes int64

// Put keeps a decision that was made in that version of the world until the token expires,
// in seconds since 1970 (0: never). A cache that is full begins anew: under a flood of
// tokens that are seen once, those in use are verified again now and then, and kept all
// the same.
func Put(c *Cache, version int, until int64, key string, d *Decision) {
	weight := int64(len(key) + entryBytes)
	c.mutex.Lock()
	defer c.mutex.Unlock()
	// A slower request may come with a decision of the world before.
	if !c.isLive {
		return
	}
	if version != c.version {
		return
	}
	if until > 0 {
		if until <= c.endSeconds {
			return
		}
	}
	if c.bytes+weight > c.reserved {
		if !makeRoom(c, weight) {
			return
		}
	}
	_, known := c.Decisions.LoadOrStore(key, d)
	if known {
		return
	}
	c.keys = append(c.keys, key)
	c.bytes += weight
	if until > 0 {
		noteExpiry(c, key, until)
	}
}

// noteExpiry notes when a key expires; c.mutex is held.
func noteExpiry(c *Cache, key string, until int64) {
	if c.expiring == nil {
		c.expiring = map[string]int64{}
	}
	c.expiring[key] = until
	if c.earliest == 0 || until < c.earliest {
		c.earliest = until
	}
}

// makeRoom makes room for an entry of that weight, and reports whether there is any.
func makeRoom(c *Cache, weight int64) bool {
	if weight > maxEntryBytes {
		return false
	}
	if c.reserved+chunkBytes > maxOneCacheBytes {
		drop(c)
	}
	if atomic.AddInt64(&reservedBytes, chunkBytes) > maxCacheBytes {
		atomic.AddInt64(&reservedBytes, -chunkBytes)
		return false
	}
	c.reserved += chunkBytes
	return true
}

// Find returns the decision by a key; nil: there is none.
func Find(c *Cache, key string) *Decision {
	known, ok := c.Decisions.Load(key)
	if ok {
		return known.(*Decision)
	}
	c.mutex.Lock()
	defer c.mutex.Unlock()
	d := c.waiting[key]
	if d == nil {
		return nil
	}
	delete(c.waiting, key)
	c.Decisions.Store(key, d)
	c.keys = append(c.keys, key)
	return d
}

// IsWaiting reports whether decisions wait to be asked for once more.
func IsWaiting(c *Cache) bool {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return len(c.waiting) > 0
}

// Renew says that a look has found the world in that version, and that the next one will be
// before end. Decisions of another version are forgotten, and tokens that expire before.
func Renew(c *Cache, version int, end time.Time) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if !c.isLive || version != c.version {
		drop(c)
	}
	c.isLive = true
	c.version = version
	c.end = end
	c.endSeconds = end.Unix()
	if c.earliest > 0 && c.earliest <= c.endSeconds {
		expire(c, c.endSeconds)
	}
	if c.forget == nil {
		c.forget = newTimer(c, time.Until(end))
	} else {
		c.forget.Reset(time.Until(end))
	}
}

// newTimer makes one timer for a cache's life: under Yaegi, a closure holds its maker's
// frame.
func newTimer(c *Cache, pause time.Duration) *time.Timer {
	return time.AfterFunc(pause, func() { dropOverdue(c) })
}

// dropOverdue runs on a goroutine of its own, where a panic would end Traefik.
func dropOverdue(c *Cache) {
	defer func() {
		if recover() != nil {
			dropAll(c)
		}
	}()
	c.mutex.Lock()
	defer c.mutex.Unlock()
	// It may have been renewed at this moment.
	if !time.Now().Before(c.end) {
		drop(c)
		c.isLive = false
	}
}

// Drop forgets everything, until the next look, whatever has gone wrong before.
func Drop(c *Cache) {
	defer func() {
		if recover() != nil {
			dropAll(c)
		}
	}()
	c.mutex.Lock()
	defer c.mutex.Unlock()
	drop(c)
	c.isLive = false
}

// dropAll relies on nothing but the map: whoever is still found in it is let in.
func dropAll(c *Cache) {
	journal.Error("decisions were forgotten with difficulty: please report this as a bug of ptlauth")
	c.Decisions.Range(func(key, _ interface{}) bool {
		c.Decisions.Delete(key)
		return true
	})
}

// drop forgets everything; c.mutex is held.
func drop(c *Cache) {
	// guard: what was decided is forgotten
	for _, key := range c.keys {
		c.Decisions.Delete(key)
	}
	atomic.AddInt64(&reservedBytes, -c.reserved)
	c.keys = nil
	c.expiring = nil
	c.earliest = 0
	c.bytes = 0
	c.reserved = 0
	c.waiting = nil
}

// expire forgets the tokens that expire by then; c.mutex is held.
func expire(c *Cache, end int64) {
	before := c.expiring
	c.expiring = nil
	c.earliest = 0
	for key, until := range before {
		if until > end {
			noteExpiry(c, key, until)
			continue
		}
		c.Decisions.Delete(key)
		delete(c.waiting, key)
	}
	tidy(c)
}

// tidy takes the keys out that are not known any more; c.mutex is held.
func tidy(c *Cache) {
	kept := make([]string, 0, len(c.keys))
	c.bytes = 0
	for _, key := range c.keys {
		_, ok := c.Decisions.Load(key)
		if ok {
			kept = append(kept, key)
			c.bytes += int64(len(key) + entryBytes)
		}
	}
	c.keys = kept
	for key := range c.waiting {
		c.bytes += int64(len(key) + entryBytes)
	}
}

// Turn forgets what has not been asked for since the last turn, and has everything else
// asked for once more. It reports whether anything is left.
func Turn(c *Cache) bool {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	for key := range c.waiting {
		delete(c.expiring, key)
	}
	next := make(map[string]*Decision, len(c.keys))
	c.bytes = 0
	for _, key := range c.keys {
		known, ok := c.Decisions.Load(key)
		if ok {
			next[key] = known.(*Decision)
			c.bytes += int64(len(key) + entryBytes)
			c.Decisions.Delete(key)
		}
	}
	c.keys = nil
	c.waiting = next
	if len(next) == 0 {
		drop(c)
		return false
	}
	return true
}
