// Package source reads what changes under a running Traefik: secrets, keys and lists
// in files and behind URLs. The last good content wins: what breaks goes on as it was
// until it can be read again, and each change of state is one line in the log.
//
// Sources belong to the package, not to a middleware: Traefik builds every middleware
// anew for each of its routers and at every reload, while the plugin's package
// outlives them all. What several routers name is read once, and forgotten when
// nobody has looked at it for a while. Nothing runs while nobody looks.
//
// What takes time, a server's answer or a long list, is read beside, on a goroutine of
// its own, and takes the place of what was good before when it is ready.
package source

import (
	"context"
	"crypto/sha256"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/getportal/ptlauth/internal/journal"
)

const (
	// Lists is the kind of what may be long: a list of terminals.
	Lists = "terminals"
	// maxLong and maxShort bound what is read, in bytes.
	maxLong  = 32 << 20
	maxShort = 1 << 20
	// waitLimit is how long anybody waits for what is read beside.
	waitLimit = time.Second
	// atStart stands for `refresh` where a source is first met.
	atStart = time.Second
	// longSilence is how long nobody has looked when a server that fails is waited for again:
	// longer than any pause.
	longSilence = 2 * maxPause
	// maxWaiting is how many requests may wait at once for a look out of turn.
	maxWaiting = 64
	// maxUnused is how long a source is kept that nobody looks at, and sweepInterval how often
	// it is looked whether any is: a thousand middlewares, each with a list of its own, are made
	// in a time that grows with their number, not with its square.
	maxUnused     = 10 * time.Minute
	sweepInterval = time.Minute
)

// Parse makes a value of a content, or says what is wrong with it, in words that do
// not quote it. The value is shared and must not be changed.
type Parse func(content []byte) (interface{}, string)

// Source is something that is looked at again and again.
type Source struct {
	// Name is the file's path or the URL without what may be secret in it.
	Name string

	parse Parse
	limit int
	mutex sync.Mutex
	value interface{}
	// version counts the good contents; 0: there never was one.
	version   int
	digest    string // of the last good content
	problem   string
	confirmed time.Time // when the value was last found to be what it should be
	used      time.Time

	// what is read beside
	inFlight  context.Context // done when it is read; nil: nothing is being read
	waitUntil time.Time       // until when anybody waits for it
	finished  time.Time       // when the last flight ended
	failures  int
	forced    bool // it is a look out of turn

	// a file's
	path    string
	looking bool
	info    os.FileInfo

	// a URL's
	address    string
	caching    bool // as long as its Cache-Control says
	tag        string
	next       time.Time
	lastForced time.Time
}

var (
	mutex sync.Mutex
	all   = map[string]*Source{}
	swept time.Time // when it was last looked whether any is unused
)

// File returns the file of that path, looked at once. The kind says what it is parsed
// as: the same path read as something else is another source.
func File(kind, path string, parse Parse) *Source {
	s := known(kind+" "+path, &Source{Name: shown(path), path: path, limit: limitOf(kind), parse: parse})
	LookAt(s, atStart)
	return s
}

// URL returns what the address answers with, which is being asked. Where caching is set,
// it is asked again no sooner than the answer's Cache-Control says.
func URL(kind, address string, caching bool, parse Parse) *Source {
	s := known(kind+" "+address, &Source{
		Name: withoutSecrets(address), address: address, limit: limitOf(kind), caching: caching, parse: parse,
	})
	LookAt(s, atStart)
	return s
}

func limitOf(kind string) int {
	if kind == Lists {
		return maxLong
	}
	return maxShort
}

// known returns the source of that key, and forgets those that nobody uses any more.
func known(key string, fresh *Source) *Source {
	now := time.Now()
	mutex.Lock()
	defer mutex.Unlock()
	if now.Sub(swept) > sweepInterval {
		swept = now
		forgetUnused(now)
	}
	s := all[key]
	if s == nil {
		s = fresh
		s.used = now
		all[key] = s
	}
	return s
}

// forgetUnused forgets what nobody has looked at for long; mutex is held.
func forgetUnused(now time.Time) {
	for key, s := range all {
		if now.Sub(lastUse(s)) > maxUnused {
			delete(all, key)
		}
	}
}

func lastUse(s *Source) time.Time {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.used
}

// Look brings all of them up to date, and returns what there is to wait for.
func Look(sources []*Source, refresh time.Duration) []context.Context {
	var flights []context.Context
	for _, s := range sources {
		LookAt(s, refresh)
		flight := InFlight(s)
		if flight != nil {
			flights = append(flights, flight)
		}
	}
	return flights
}

// LookAt brings the source up to date: a file if its time, size or identity has changed,
// a URL if refresh has passed. A URL's answer and a long list are not waited for. Of
// several that look at once one reads.
func LookAt(s *Source, refresh time.Duration) {
	if s.path != "" {
		lookAtFile(s)
	} else {
		lookAtURL(s, refresh)
	}
}

// InFlight is what a look has left to be waited for: it is done when the source is up to
// date. It is nil when nothing is, or when nobody should wait: for a server that fails or
// hangs, waiting once was enough.
func InFlight(s *Source) context.Context {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if s.inFlight == nil || !time.Now().Before(s.waitUntil) {
		return nil
	}
	return s.inFlight
}

// IsReading reports whether any of them is read beside, be it by a server that hangs.
func IsReading(sources []*Source) bool {
	for _, s := range sources {
		s.mutex.Lock()
		isReading := s.inFlight != nil
		s.mutex.Unlock()
		if isReading {
			return true
		}
	}
	return false
}

// Wait waits for all of them, until one common time.
func Wait(flights []context.Context, until time.Time) {
	for _, flight := range flights {
		wait(flight, until)
	}
}

// wait has no select: under Yaegi, all goroutines at the same one share its channels.
func wait(flight context.Context, until time.Time) {
	ctx, cancel := context.WithDeadline(flight, until)
	defer cancel()
	<-ctx.Done()
}

var waiting int64

// WaitAgain waits for what a look out of turn has left, with few others at most: requests
// that will be refused must not pile up.
func WaitAgain(flights []context.Context) {
	if len(flights) == 0 {
		return
	}
	if atomic.AddInt64(&waiting, 1) <= maxWaiting {
		Wait(flights, time.Now().Add(waitLimit))
	}
	atomic.AddInt64(&waiting, -1)
}

// Value is what the last good content was parsed to, the same value for the same
// content; nil when there never was one.
func Value(s *Source) interface{} {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.value
}

// Age is how long ago the value was last found to be what it should be.
func Age(s *Source) time.Duration {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return time.Since(s.confirmed)
}

// start starts a flight; s.mutex is held. For a server that has failed nobody waits
// again, unless it has not been asked for long: what it last said may be wrong by now.
func start(s *Source, now time.Time) context.CancelFunc {
	ctx, landed := context.WithCancel(context.Background())
	s.inFlight = ctx
	s.waitUntil = now
	if s.failures == 0 || now.Sub(s.finished) > longSilence {
		s.waitUntil = now.Add(waitLimit)
	}
	return landed
}

// bug is what is wrong after a panic.
const bug = "could not be read because of a bug in ptlauth: please report it"

type outcome struct {
	value   interface{}
	problem string
}

// parse has a panic spoil one content: while Traefik makes a middleware, it would end
// the goroutine that applies configurations. Under Yaegi, a named result would keep its
// value until the next call.
func parse(s *Source, content []byte, o *outcome) {
	defer func() {
		if recover() != nil {
			o.value = nil
			o.problem = bug
		}
	}()
	value, problem := s.parse(content)
	o.value = value
	o.problem = problem
}

// settle notes the outcome of a look and returns what is wrong. A nil content is one
// that has not changed.
func settle(s *Source, content []byte, problem string) string {
	digest := ""
	if problem == "" && content != nil {
		sum := sha256.Sum256(content)
		digest = string(sum[:])
	}
	s.mutex.Lock()
	isNew := digest != "" && digest != s.digest
	s.mutex.Unlock()
	var value interface{}
	if isNew {
		o := &outcome{}
		parse(s, content, o)
		value = o.value
		problem = o.problem
	}
	s.mutex.Lock()
	if isNew &&
		problem == "" { // guard: the last good list stays in force
		s.value = value
		s.digest = digest
		s.version++
	}
	if problem == "" {
		s.confirmed = time.Now()
	}
	told := s.problem
	s.problem = problem
	version := s.version
	s.mutex.Unlock()
	if problem == told {
		return problem
	}
	switch {
	case problem == "":
		journal.Error(s.Name + " is in order again")
	case version > 0:
		journal.Error(s.Name + " " + problem + "; its last good content stays in force")
	default:
		journal.Error(s.Name + " " + problem + "; requests that need it get 503 until then")
	}
	return problem
}

func tooLarge(limit int) string {
	return "is larger than " + strconv.Itoa(limit>>20) + " MiB: put the right one in its place"
}
