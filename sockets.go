package ptlauth

import (
	"context"
	"net/http"
	"reflect"
	"strings"
	"sync"
	"time"

	"github.com/getportal/ptlauth/internal/access"
	"github.com/getportal/ptlauth/internal/app"
	"github.com/getportal/ptlauth/internal/journal"
	"github.com/getportal/ptlauth/internal/memory"
	"github.com/getportal/ptlauth/internal/terminal"
	"github.com/getportal/ptlauth/internal/token"
)

// sockets are a gate's open WebSockets and event streams. While there are any, the world
// is looked at once per `refresh`, and those that would be refused now, or sent on with
// other headers, are ended. Nothing is done for each as long as nothing has changed.
type sockets struct {
	mutex    sync.Mutex
	open     map[int]*socket
	last     int
	watch    *time.Timer // nil: nobody watches
	seen     *view       // in which they all were good; nil: not even that is known
	earliest int64       // when the first token expires, in seconds since 1970; 0: never
}

type socket struct {
	end   context.CancelFunc
	token string // empty: an anonymous visitor's
	until int64  // when the token expires, in seconds since 1970; 0: never
	rule  *access.Rule
	sent  http.Header   // what the app was told of the visitor
	asked *http.Request // what was asked for, without the headers
}

// visit is a request that is admitted.
type visit struct {
	rule     *access.Rule
	set      *access.Set
	verdict  *verdict
	decision *memory.Decision
}

// isLong reports whether the answer may go on for as long as the visitor likes: a
// WebSocket, or an event stream as a browser's EventSource asks for it, with
// Cache-Control (HTML §9.2.2), which no other request in use has.
func isLong(h http.Header) bool {
	if h["Upgrade"] != nil {
		return true
	}
	accept := h["Accept"]
	return h["Cache-Control"] != nil && len(accept) > 0 && strings.Contains(accept[0], "text/event-stream")
}

// serveLong admits such a request for as long as it would be admitted again: when the
// request's context is cancelled, the proxy closes both sides. For an event stream it does
// so with a panic (http.ErrAbortHandler), hence the defers.
func serveLong(g *gate, current *view, w http.ResponseWriter, r *http.Request, v *visit) {
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	// A middleware behind may change the address in place.
	address := *r.URL
	s := &socket{
		end:   cancel,
		token: v.verdict.text,
		rule:  v.rule,
		sent:  v.set.Header,
		asked: &http.Request{Method: r.Method, Host: r.Host, URL: &address, RequestURI: r.RequestURI},
	}
	if v.verdict.token != nil {
		s.until = v.verdict.token.Until
	}
	id := add(g, s, current)
	defer remove(g.sockets, id)
	admit(g, w, r.WithContext(ctx), v.decision)
}

// add adds a socket that was good in that view.
func add(g *gate, s *socket, current *view) int {
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
	if all.watch == nil {
		all.watch = newWatch(g, current)
		all.seen = current
	} else if all.seen != nil && !isSame(all.seen, current) {
		all.seen = nil
	}
	return id
}

func remove(all *sockets, id int) {
	all.mutex.Lock()
	defer all.mutex.Unlock()
	delete(all.open, id)
}

// newWatch makes one timer for all watches: under Yaegi, a closure holds the frame of
// its maker, and a watch that made the next one would hold all those before it.
func newWatch(g *gate, current *view) *time.Timer {
	return time.AfterFunc(untilEnd(current), func() { watch(g) })
}

// untilEnd is when to watch again. At times of its own, a watch would find a view that
// requests have just renewed, and what has changed since only the time after.
func untilEnd(current *view) time.Duration {
	pause := time.Until(current.end)
	if pause < shortest {
		return shortest
	}
	return pause
}

// shortest is the least time between two watches, where a look takes longer than it holds.
const shortest = 50 * time.Millisecond

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
		all.watch = nil
		all.earliest = 0
		all.mutex.Unlock()
		return
	}
	all.mutex.Unlock()

	current := now(g)
	seconds := time.Now().Unix()
	for _, s := range doubtful(all, current, seconds) {
		if !isGood(g, current, s, seconds) {
			s.end()
		}
	}
	all.mutex.Lock()
	all.watch.Reset(untilEnd(current))
	all.mutex.Unlock()
}

// doubtful are the sockets that may not be good any more.
func doubtful(all *sockets, current *view, seconds int64) []*socket {
	all.mutex.Lock()
	defer all.mutex.Unlock()
	var open []*socket
	if all.seen == nil || !isSame(all.seen, current) || all.earliest > 0 && all.earliest <= seconds {
		all.earliest = 0
		for _, s := range all.open {
			open = append(open, s)
			if s.until > seconds && (all.earliest == 0 || s.until < all.earliest) {
				all.earliest = s.until
			}
		}
	}
	all.seen = current
	return open
}

// isSame reports whether the same keys and terminals are good in both views, and the same
// rules hold.
func isSame(a, b *view) bool {
	if a == b {
		return true
	}
	if a.registry != b.registry || len(a.keys) != len(b.keys) || b.outdated {
		return false
	}
	for i, k := range a.keys {
		if k != b.keys[i] {
			return false
		}
	}
	return true
}

// endAll is for when nobody can tell any more which of them are good.
func endAll(all *sockets) {
	all.mutex.Lock()
	defer all.mutex.Unlock()
	for _, s := range all.open {
		s.end()
	}
	all.watch = nil
}

// isGood reports whether the request would be admitted now, and with the same headers.
func isGood(g *gate, current *view, s *socket, seconds int64) bool {
	rule := s.rule
	if current.outdated {
		rule = ruleNow(g, s)
	}
	if rule == nil || rule.Closed {
		return false
	}
	if s.token == "" {
		return (rule.Public || g.policy.passPreflight) && reflect.DeepEqual(rule.Nobody.Header, s.sent)
	}
	if current.registry == nil {
		return false
	}
	t, problem := token.Verify(s.token, current.keys, g.policy.tokenRules, seconds)
	if problem != "" {
		return false
	}
	who := terminal.Find(current.registry, t.Subject)
	if who == nil {
		return false
	}
	set, problem := access.Values(rule, visitor(&verdict{terminal: who, token: t}))
	return problem == "" && reflect.DeepEqual(set.Header, s.sent)
}

// ruleNow is what holds by now for what was asked for in front of an app that has been
// changed; nil where it has been uninstalled.
func ruleNow(g *gate, s *socket) *access.Rule {
	if !app.IsInstalled(g.app.app) {
		return nil
	}
	rules := app.Look(g.app.app, g.policy.refresh)
	if rules == nil {
		return nil
	}
	return access.Find(rules.Access, s.asked)
}
