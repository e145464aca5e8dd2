package ptlauth

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/getportal/ptlauth/internal/journal"
	"github.com/getportal/ptlauth/internal/memory"
	"github.com/getportal/ptlauth/internal/source"
	"github.com/getportal/ptlauth/internal/terminal"
	"github.com/getportal/ptlauth/internal/token"
)

// sockets are a gate's open WebSockets. While there are any, the world is looked at
// once per `refresh`, and those whose token has expired, or is not good any more, are
// ended. Nothing is done for each as long as nothing has changed.
type sockets struct {
	mutex    sync.Mutex
	open     map[int]*socket
	last     int
	watching bool
	changes  int64
	earliest int64 // when the first token expires, in seconds since 1970; 0: never
}

type socket struct {
	end   context.CancelFunc
	token string
	until int64
}

// serveSocket admits a WebSocket, for as long as its token is good: when the request's
// context is cancelled, the proxy closes both sides.
func serveSocket(g *gate, w http.ResponseWriter, r *http.Request, d *memory.Decision, v *verdict) {
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	s := &socket{end: cancel, token: v.text, until: v.token.Until}
	id := add(g, s)
	defer remove(g.sockets, id)
	admit(g, w, r.WithContext(ctx), d)
}

func add(g *gate, s *socket) int {
	all := g.sockets
	all.mutex.Lock()
	defer all.mutex.Unlock()
	if all.open == nil {
		all.open = map[int]*socket{}
	}
	all.last++
	id := all.last
	all.open[id] = s
	if s.until > 0 && (all.earliest == 0 || s.until < all.earliest) {
		all.earliest = s.until
	}
	if !all.watching {
		all.watching = true
		// Something may have changed since this token was verified.
		all.changes = -1
		watchAfter(g, g.policy.refresh)
	}
	return id
}

func remove(all *sockets, id int) {
	all.mutex.Lock()
	defer all.mutex.Unlock()
	delete(all.open, id)
}

func watchAfter(g *gate, pause time.Duration) {
	time.AfterFunc(pause, func() { watch(g) })
}

// watch runs on a goroutine of its own, where a panic would end Traefik.
func watch(g *gate) {
	defer func() {
		if recover() != nil {
			journal.Error("open WebSockets could not be watched and were ended: please report this as a bug of ptlauth")
			endAll(g.sockets)
		}
	}()
	all := g.sockets
	all.mutex.Lock()
	if len(all.open) == 0 {
		all.watching = false
		all.earliest = 0
		all.mutex.Unlock()
		return
	}
	all.mutex.Unlock()

	current := now(g)
	changes := source.Changes()
	seconds := time.Now().Unix()

	all.mutex.Lock()
	var open []*socket
	if changes != all.changes || all.earliest > 0 && all.earliest <= seconds {
		for _, s := range all.open {
			open = append(open, s)
		}
	}
	all.changes = changes
	all.mutex.Unlock()

	earliest := int64(0)
	for _, s := range open {
		if !isGood(g, current, s, seconds) {
			s.end()
		} else if s.until > 0 && (earliest == 0 || s.until < earliest) {
			earliest = s.until
		}
	}
	if open != nil {
		all.mutex.Lock()
		all.earliest = earliest
		all.mutex.Unlock()
	}
	watchAfter(g, g.policy.refresh)
}

// endAll is for when nobody can tell any more which of them are good.
func endAll(all *sockets) {
	all.mutex.Lock()
	defer all.mutex.Unlock()
	for _, s := range all.open {
		s.end()
	}
	all.watching = false
}

func isGood(g *gate, current *view, s *socket, seconds int64) bool {
	if current.registry == nil {
		return true
	}
	t, problem := token.Verify(s.token, current.keys, g.policy.tokenRules, seconds)
	return problem == "" && terminal.Find(current.registry, t.Subject) != nil
}
