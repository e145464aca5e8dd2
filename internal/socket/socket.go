// Package socket keeps the WebSockets and event streams that are open, so that they end
// when they would be refused, or sent on with other headers. It knows no rules: whoever
// owns a set judges them.
package socket

import (
	"context"
	"net/http"
	"sync"
	"time"
)

// Socket is a WebSocket or an event stream that is open.
type Socket struct {
	// End ends it: the proxy closes both sides.
	End context.CancelFunc
	// Asked is what is judged anew: the request as it came, less all that nobody looks at.
	Asked *http.Request
	// Names and Values are what the app was told of the visitor.
	Names  []string
	Values []string
	// Until is when the token expires, in seconds since 1970; 0: never.
	Until int64
	// Terminal is the id of the device whose cookie it was opened with; empty: it was opened
	// otherwise.
	Terminal string
}

// Set holds the sockets that one owner judges. A reload makes a new owner for the same set.
type Set struct {
	mutex    sync.Mutex
	open     map[int]*Socket
	last     int
	earliest int64 // when the first token expires, in seconds since 1970; 0: never
	// owner and world are by what all of them were good when they were last judged; a
	// world of 0: not even that is known.
	owner  interface{}
	world  int
	closed bool // nobody is let in any more
}

// Own makes somebody the owner of all that is open and of what will be: only the newest
// one judges. It reports whether there is anything to judge.
func Own(s *Set, owner interface{}) bool {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.owner = owner
	s.world = 0
	s.closed = false
	return len(s.open) > 0
}

// Owner is who judges by now; nil: nobody does.
func Owner(s *Set) interface{} {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.owner
}

// Add adds a socket that was good to an owner in that world. It returns its number, and
// whether it has to be judged by the owner, who is another one by now, or not yet looking.
func Add(s *Set, owner interface{}, world int, added *Socket) (int, bool) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if s.open == nil {
		s.open = map[int]*Socket{}
	}
	s.last++
	s.open[s.last] = added
	if s.closed {
		added.End()
	}
	if added.Until > 0 && (s.earliest == 0 || added.Until < s.earliest) {
		s.earliest = added.Until
	}
	if len(s.open) == 1 && s.owner == owner {
		s.world = world
		return s.last, true
	}
	if s.owner != owner || s.world != world {
		s.world = 0
		return s.last, true
	}
	return s.last, false
}

// Remove removes a socket by its number.
func Remove(s *Set, number int) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	delete(s.open, number)
}

// IsAny reports whether any is open.
func IsAny(s *Set) bool {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return len(s.open) > 0
}

// Doubtful returns the sockets that may not be good any more in a world. While nothing
// changes and no token expires there are none, and nothing is done for each.
func Doubtful(s *Set, world int, now time.Time) []*Socket {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	seconds := now.Unix()
	if world != 0 && s.world == world && (s.earliest == 0 || s.earliest > seconds) {
		return nil
	}
	s.world = world
	s.earliest = 0
	all := make([]*Socket, 0, len(s.open))
	for _, one := range s.open {
		all = append(all, one)
		if one.Until > seconds && (s.earliest == 0 || one.Until < s.earliest) {
			s.earliest = one.Until
		}
	}
	return all
}

// EndAll ends all of them, where nobody can tell any more which are good.
func EndAll(s *Set) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	for _, one := range s.open {
		one.End()
	}
}

// EndOf ends those that were opened with a device's cookie.
func EndOf(s *Set, terminal string) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	for _, one := range s.open {
		if one.Terminal == terminal && terminal != "" { // guard: a sign-out ends nobody else's WebSocket
			one.End()
		}
	}
}

// Close ends all of them, and whatever is added until there is a new owner.
func Close(s *Set) {
	EndAll(s)
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.owner = nil
	s.closed = true
}
