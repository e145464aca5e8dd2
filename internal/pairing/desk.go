package pairing

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"regexp"
	"strings"
	"sync"

	"github.com/getportal/ptlauth/internal/key"
	"github.com/getportal/ptlauth/internal/terminal"
)

const (
	// maxSpent bounds how many pairings are remembered whose code was taken. Each is one that
	// the operator has made.
	maxSpent = 10_000
	// spentFor is for how long after its end a pairing is remembered, in seconds: whoever
	// pairs asks what became of it.
	spentFor = 600
	// againFor is for how long a browser whose answer was lost gets it again, in seconds. Another
	// app below the same domain can plant a nonce that it knows, and may learn the code later.
	againFor = 60
	// maxNonces bounds how many nonces of one request are looked at.
	maxNonces = 16
	// maxCookies bounds the cookies that are searched for them, in bytes: an expression takes as long
	// for a megabyte as Traefik does for ten requests. Most servers refuse longer ones.
	maxCookies = 16 << 10
	// nonceCookie tells the browser that has taken a code from others.
	nonceCookie = "ptl-pairing"
)

// Use is how a code was taken.
type Use struct {
	At      int64  // in seconds since 1970
	Browser string // "Chrome on Android"
	Address string // where it came from, as far as Traefik knows
	// Replaced is the name of the device as which the browser was paired before; empty: none.
	Replaced string
	nonce    string // hashed
	ends     int64
}

// spent are the pairings whose code was taken, by Terminal.Pairing. They live through reloads.
// What is there does not change.
var (
	spentMutex sync.Mutex
	spent      = map[string]*Use{}
)

func useOf(t *terminal.Terminal) *Use {
	spentMutex.Lock()
	defer spentMutex.Unlock()
	return spent[t.Pairing]
}

// Find returns the terminal that one of its codes is meant for, and that may be paired at that
// time, in seconds since 1970; nil: the code is good for nothing. Which kind a code is of, its
// length says. What becomes of it takes the same time whatever is wrong.
func Find(keys []*key.Key, r *terminal.Registry, code string, now int64) *terminal.Terminal {
	kind := Link
	if len(code) == ShortLength {
		kind = Short
	}
	t := find(keys, r, kind, code)
	if t == nil || t.Ends <= now { // guard: a code ends
		return nil
	}
	return t
}

// find looks with every shared secret, so that a rotation kills no code.
func find(keys []*key.Key, r *terminal.Registry, kind Kind, code string) *terminal.Terminal {
	var found *terminal.Terminal
	for _, k := range keys {
		pairingKey := Key(k)
		if pairingKey == nil {
			continue
		}
		t := terminal.Awaited(r, MAC(pairingKey, kind, code))
		if t != nil {
			found = t
		}
	}
	return found
}

// IsFree reports whether a terminal's code may be taken at that time, in seconds since 1970, by
// whoever has that nonce.
func IsFree(t *terminal.Terminal, nonce string, now int64) bool {
	use := useOf(t)
	return use == nil || nonce != "" && isSame(use, hashed(nonce), now) // guard: a code is good once
}

// isSame reports whether it is the browser again that has taken a code a moment ago.
func isSame(use *Use, nonce string, now int64) bool {
	return use.nonce == nonce && now-use.At <= againFor
}

// Take takes a terminal's code for whoever has that nonce. It returns how it was taken, by the
// same one perhaps a moment before, whose answer was lost; nil: by another, or it cannot be
// taken now.
func Take(t *terminal.Terminal, nonce string, u Use) *Use {
	spentMutex.Lock()
	defer spentMutex.Unlock()
	use := spent[t.Pairing]
	u.nonce = hashed(nonce)
	if use != nil && !isSame(use, u.nonce, u.At) {
		return nil
	}
	if use != nil {
		return use
	}
	if len(spent) >= maxSpent {
		// What nobody asks for any more is forgotten.
		for id, other := range spent {
			if other.ends+spentFor < u.At {
				delete(spent, id)
			}
		}
	}
	if len(spent) >= maxSpent {
		return nil
	}
	u.ends = t.Ends
	use = &u
	spent[t.Pairing] = use
	return use
}

// What became of a pairing.
const (
	Unknown = "unknown" // there is none with that watch code
	Waiting = "waiting" // nobody has taken its code yet
	Taken   = "used"
)

// State is what became of the pairing with that watch code, and how its code was taken, if it
// was.
func State(keys []*key.Key, r *terminal.Registry, watch string) (string, *Use) {
	t := find(keys, r, Watch, watch)
	if t == nil {
		return Unknown, nil
	}
	use := useOf(t)
	if use == nil {
		return Waiting, nil
	}
	return Taken, use
}

// Replaced is as which device a browser was paired until it took that terminal's code; empty:
// as none, or it was another browser.
func Replaced(t *terminal.Terminal, nonce string) string {
	use := useOf(t)
	if use == nil || t.Pairing == "" || nonce == "" || use.nonce != hashed(nonce) {
		return ""
	}
	return use.Replaced
}

func hashed(nonce string) string {
	sum := sha256.Sum256([]byte(nonce))
	return string(sum[:])
}

var nonces = regexp.MustCompile(nonceCookie + "=[^;]*")

// Nonce is what tells the request's browser from others; empty: nothing does. Of several
// cookies of the name, all count: another app below the same domain can plant some, which it
// knows, but cannot take away ours.
func Nonce(r *http.Request) string {
	cookies := strings.Join(r.Header["Cookie"], ";")
	if len(cookies) > maxCookies { // guard: in very many cookies no nonce is looked for
		return ""
	}
	found := nonces.FindAllString(cookies, maxNonces+1)
	if len(found) > maxNonces {
		return ""
	}
	return strings.Join(found, ";") // guard: a planted nonce alone gets no answer again
}

// GiveNonce has a browser that has none keep one for a quarter of an hour. Without a path it
// is sent back to the own pages alone, wherever a proxy has put them.
func GiveNonce(w http.ResponseWriter, r *http.Request) {
	if Nonce(r) == "" {
		addNonce(w, r)
	}
}

// ChangeNonce gives a browser that may take a terminal's code a new one, unless it has taken
// the code with the one that it has.
func ChangeNonce(w http.ResponseWriter, r *http.Request, t *terminal.Terminal) {
	if useOf(t) == nil { // guard: no code is taken with a nonce that others may have planted
		addNonce(w, r)
	}
}

func addNonce(w http.ResponseWriter, r *http.Request) {
	bytes := make([]byte, 16)
	_, err := rand.Read(bytes)
	if err != nil {
		return
	}
	line := nonceCookie + "=" + base64.RawURLEncoding.EncodeToString(bytes) + "; Max-Age=900; HttpOnly; SameSite=Strict"
	if IsSecure(r) {
		line += "; Secure"
	}
	add(w, line)
}

const (
	// maxWrong is how many wrong short codes one address may send in a minute. The security is
	// in the codes' length, not in this.
	maxWrong      = 5
	wrongInterval = 60
	// maxAddresses bounds how many addresses are remembered.
	maxAddresses = 4096
)

// guess are the wrong short codes of one address, in the minute that began then.
type guess struct {
	began int64
	count int
}

var (
	guessMutex sync.Mutex
	guesses    = map[string]*guess{}
)

// WaitFor is in how many seconds an address may try another short code; 0: now.
func WaitFor(address string, now int64) int64 {
	guessMutex.Lock()
	defer guessMutex.Unlock()
	one := guesses[address]
	if one == nil || now-one.began >= wrongInterval || one.count < maxWrong { // guard: wrong codes are counted
		return 0
	}
	return one.began + wrongInterval - now
}

// CountWrong counts a wrong short code of that address.
func CountWrong(address string, now int64) {
	guessMutex.Lock()
	defer guessMutex.Unlock()
	one := guesses[address]
	if one == nil && len(guesses) >= maxAddresses {
		// Those of the minutes before are forgotten, and all where that is not enough.
		for other, before := range guesses {
			if now-before.began >= wrongInterval {
				delete(guesses, other)
			}
		}
		if len(guesses) >= maxAddresses {
			guesses = map[string]*guess{}
		}
	}
	if one == nil || now-one.began >= wrongInterval {
		one = &guess{began: now}
		guesses[address] = one
	}
	one.count++
}
