package pairing

import (
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/getportal/ptlauth/internal/key"
	"github.com/getportal/ptlauth/internal/token"
)

// Due is from when on a good token is to be made anew, in seconds since 1970; 0: never. It is
// where the token is older than `pairing.renew`, or of another shared secret than the first.
//
// What says more than we would write is somebody else's, and what has an end keeps it: a pass
// for 90 days would have none, and an identity provider's hour would become ours.
func Due(s *Settings, keys []*key.Key, rules *token.Rules, t *token.Token, text string) int64 {
	if s.Renew <= 0 ||
		!token.IsBare(t, rules) { // guard: a token that says more than ours is never renewed
		return 0
	}
	if len(keys) == 1 && key.IsShared(keys[0]) {
		return token.Issued(t) + int64(s.Renew/time.Second)
	}
	return dueByKey(s, keys, t, text)
}

// settled is for how long a token of another secret stays as it is, in seconds: a Traefik that
// does not know yet which is the first may have made it just now.
const settled = 60

// dueByKey finds out which of several keys has verified the token.
func dueByKey(s *Settings, keys []*key.Key, t *token.Token, text string) int64 {
	first := true
	for _, k := range keys {
		if !key.IsShared(k) { // guard: a public key's token is never renewed
			continue
		}
		_, problem := token.Signed(text, []*key.Key{k})
		if problem == "" && first {
			return token.Issued(t) + int64(s.Renew/time.Second)
		}
		if problem == "" {
			return token.Issued(t) + settled // guard: two Traefiks that disagree on the first secret send nobody around in circles
		}
		first = false
	}
	return 0
}

const (
	// maxRenewed bounds how many tokens are remembered that were made anew.
	maxRenewed = 10_000
	// renewalInterval is the least time until a token is made anew once more: a browser that
	// keeps no cookies would be sent around in circles.
	renewalInterval = time.Hour
)

// renewed are the signatures of the tokens that were made anew: in the interval that began
// then, and in the one before.
var renewed struct {
	mutex  sync.Mutex
	began  time.Time
	now    map[string]bool
	before map[string]bool
}

// MayRenew reports whether a token may be made anew, for one purpose, and notes that it was.
// Each may once in an hour or two; where there are too many to be noted, none may.
func MayRenew(purpose, text string, at time.Time) bool {
	// The text is a part of a Cookie line, which must not be kept for it.
	name := strings.Clone(purpose + text[strings.LastIndexByte(text, '.')+1:])
	renewed.mutex.Lock()
	defer renewed.mutex.Unlock()
	if at.Sub(renewed.began) >= renewalInterval {
		renewed.before = renewed.now
		if at.Sub(renewed.began) >= 2*renewalInterval {
			renewed.before = nil
		}
		renewed.now = map[string]bool{}
		renewed.began = at
	}
	if renewed.now[name] || renewed.before[name] { // guard: a browser that keeps no cookies is not sent around in circles
		return false
	}
	if len(renewed.now) >= maxRenewed {
		return false
	}
	renewed.now[name] = true
	return true
}

// SamePage is the address that the request was made to, relative to itself, so that nobody
// has to know what proxies in front have made of it; empty where it has none that a browser
// would ask for.
func SamePage(r *http.Request) string {
	u := r.URL
	path := u.EscapedPath()
	if u.Opaque != "" || !strings.HasPrefix(path, "/") {
		return ""
	}
	// An empty path stands for the same one (RFC 3986 §5.2.2).
	if u.RawQuery != "" || u.ForceQuery {
		return "?" + strings.ReplaceAll(u.RawQuery, "#", "%23")
	}
	// What Go has escaped anew says / where %2F was.
	if u.RawPath != "" && path != u.RawPath {
		return ""
	}
	segment := path[strings.LastIndexByte(path, '/')+1:]
	decoded := strings.ReplaceAll(strings.ToLower(segment), "%2e", ".")
	if decoded == "." || decoded == ".." {
		return ""
	}
	// stripPrefix makes a slash of its whole prefix: with one behind it or without, the
	// browser alone knows.
	if path == "/" && r.Header["X-Forwarded-Prefix"] != nil {
		return "?"
	}
	return "./" + segment // guard: a page is not sent to another host by its own path
}
