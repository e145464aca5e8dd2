package activity

import (
	"strings"
	"time"

	"github.com/getportal/ptlauth/internal/address"
)

const (
	// maxApps bounds how many apps are told apart that terminals use, and maxAnonymous
	// those that only visitors use of whom nothing is known: a catch-all router takes any
	// host, and anybody can make up hosts for a public path.
	maxApps      = 256
	maxAnonymous = 64
	// maxCalls bounds how many calls are under way, and maxAnonymousCalls those for apps
	// that only such visitors use.
	maxCalls          = 32
	maxAnonymousCalls = 16
	// maxURI bounds what is told of an address, in bytes.
	maxURI = 2000
	// maxMethod is longer than any method in use.
	maxMethod = 32
)

// app is one that is told of.
type app struct {
	start    time.Time // of the last call
	pause    time.Duration
	underWay bool
	paired   bool // a terminal has used it
}

// apps are those that are told of, by receiver and key. The mutex guards all below.
var (
	apps      = map[string]*app{}
	anonymous int       // how many of them no terminal has used
	swept     time.Time // when idle ones were last forgotten
	calls     int       // how many calls are under way
	guests    int       // how many of them for apps that no terminal has used
)

// keyOf is the app's name, where the operator has named apps, else the host as it is
// configured: in lower case, without the port, which any client may choose. It is empty for
// what is no host.
func keyOf(u Use) string {
	if u.App != "" {
		return u.App
	}
	if !address.IsHost(u.Host) {
		return ""
	}
	host := strings.ToLower(u.Host) // guard: another spelling of a host is no other app
	if host[0] == '[' {
		host, _, _ = strings.Cut(host, "]")
	} else {
		host, _, _ = strings.Cut(host, ":")
	}
	return strings.TrimSuffix(host, ".")
}

// begin notes a call that is about to be made; nil where none is due, or where there are
// too many.
func begin(r *Receiver, key string, paired bool, now time.Time) *app {
	mutex.Lock()
	defer mutex.Unlock()
	a := apps[r.address+" "+key]
	if a != nil && (a.underWay || now.Sub(a.start) < r.Interval) { // guard: an app in use is told of once in an interval
		if paired && !a.paired {
			a.paired = true
			anonymous--
			if a.underWay {
				guests--
			}
		}
		return nil
	}
	return admit(r, a, key, paired, now)
}

func admit(r *Receiver, a *app, key string, paired bool, now time.Time) *app {
	if a != nil && a.paired {
		paired = true
	}
	if calls >= maxCalls || // guard: few calls to Portal are under way
		!paired && guests >= maxAnonymousCalls {
		return nil
	}
	if a == nil {
		if isFull(paired) {
			sweep(r.Interval, now)
		}
		if isFull(paired) {
			return nil
		}
		a = &app{}
		apps[r.address+" "+key] = a
		if !paired {
			anonymous++
		}
	} else if paired && !a.paired {
		anonymous--
	}
	a.start = now
	a.pause = r.Interval
	a.underWay = true
	a.paired = paired
	calls++
	if !paired {
		guests++
	}
	return a
}

// end notes that a call is over.
func end(a *app) {
	mutex.Lock()
	defer mutex.Unlock()
	a.underWay = false
	calls--
	if !a.paired {
		guests--
	}
}

// isFull reports whether there is no room for another app. What is there keeps its place.
func isFull(paired bool) bool {
	if paired {
		return len(apps)-anonymous >= maxApps
	}
	return anonymous >= maxAnonymous
}

// sweep forgets the apps that nobody has used for an interval, at most once in one.
func sweep(interval time.Duration, now time.Time) {
	if now.Sub(swept) < interval {
		return
	}
	swept = now
	for key, a := range apps {
		if a.underWay || now.Sub(a.start) < 2*a.pause {
			continue
		}
		if !a.paired {
			anonymous--
		}
		delete(apps, key)
	}
}
