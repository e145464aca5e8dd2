package ptlauth

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/getportal/ptlauth/internal/access"
	"github.com/getportal/ptlauth/internal/extractor"
	"github.com/getportal/ptlauth/internal/journal"
	"github.com/getportal/ptlauth/internal/snapshot"
	"github.com/getportal/ptlauth/internal/socket"
)

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

// serveLong sends such a request on for as long as it would be admitted again: when the
// request's context is cancelled, the proxy closes both sides. For an event stream it does
// so with a panic (http.ErrAbortHandler), hence the defers.
func serveLong(g *gate, w http.ResponseWriter, r *http.Request, o *outcome) {
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	s := &socket.Socket{
		End:    cancel,
		Asked:  asked(g, r, o),
		Names:  o.set.Names,
		Values: o.set.Values,
		Until:  o.result.Until,
	}
	if o.result.Token != nil && o.result.Place == extractor.ByCookie {
		s.Terminal = o.result.Token.Subject
	}
	d := remove(g, r, o)
	number, isDoubtful := socket.Add(g.sockets, g.self, o.snapshot.World, s)
	defer socket.Remove(g.sockets, number)
	if isDoubtful {
		hurry(g.sockets)
	}
	send(g, w, r.WithContext(ctx), d)
}

// hurry has what is open judged at once by whoever judges it by now.
func hurry(set *socket.Set) {
	owner, ok := socket.Owner(set).(*gate)
	if ok {
		snapshot.Hurry(owner.keeper)
	}
}

// judged are the headers, beside the token's, by which a request is judged anew.
var judged = strings.Fields("Accept Cache-Control Connection Origin Upgrade Sec-Fetch-Site Sec-Fetch-Mode Sec-Fetch-Dest X-Forwarded-Host X-Forwarded-Proto X-Forwarded-Port")

// asked is what is judged anew of a request: a middleware behind may change the request in
// place, and most of it is nothing to hold for days.
func asked(g *gate, r *http.Request, o *outcome) *http.Request {
	h := http.Header{}
	for _, name := range judged {
		if r.Header[name] != nil {
			h[name] = r.Header[name]
		}
	}
	path, query, _ := strings.Cut(r.RequestURI, "?")
	text := o.result.Text
	switch {
	case text == "":
		query = ""
	case o.result.Place == extractor.ByQuery:
		path += "?" + query
	default:
		query = ""
		name, value := extractor.Line(g.policy.Locations, o.result.Place, text)
		h[name] = []string{value}
	}
	u := &url.URL{Scheme: r.URL.Scheme, Host: r.URL.Host, Opaque: r.URL.Opaque, Path: r.URL.Path, RawPath: r.URL.RawPath}
	if query != "" {
		u.RawQuery = r.URL.RawQuery
	}
	return &http.Request{Method: r.Method, Host: r.Host, URL: u, RequestURI: path, Header: h}
}

// review judges what is open after a look, and says whether another look is needed. It
// runs on a goroutine of its own, where a panic would end Traefik.
func review(g *gate, s *snapshot.Snapshot) snapshot.Need {
	defer func() {
		if recover() != nil {
			journal.Error("open WebSockets could not be judged and were ended: please report this as a bug of ptlauth")
			socket.EndAll(g.sockets)
		}
	}()
	owner := socket.Owner(g.sockets)
	if owner != interface{}(g) {
		return snapshot.Retired
	}
	if !socket.IsAny(g.sockets) {
		return snapshot.Nothing
	}
	if s.Outdated {
		reviewApp(g.app.router, g.app.app.Name)
		return snapshot.Nothing
	}
	for _, one := range socket.Doubtful(g.sockets, s.World, time.Now()) {
		if !isGood(g, one) { // guard: a WebSocket ends with its pairing
			one.End()
		}
	}
	return snapshot.Another
}

// isGood reports whether what is open would be sent on now, and with the same headers.
func isGood(g *gate, s *socket.Socket) bool {
	o := decide(g, s.Asked, access.Find(g.rules, s.Asked))
	return o.result.Status == http.StatusOK && o.set != nil &&
		isSame(o.set.Names, s.Names) && isSame(o.set.Values, s.Values) // guard: a WebSocket ends when its headers would be others
}

func isSame(a, b []string) bool {
	return strings.Join(a, "\n") == strings.Join(b, "\n") && len(a) == len(b)
}
