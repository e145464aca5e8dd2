// Package activity tells Portal which app is in use, because that is what wakes a
// stopped app and keeps it from being stopped.
package activity

import (
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/getportal/ptlauth/internal/journal"
	"github.com/getportal/ptlauth/internal/option"
)

// Receiver is who is told, and how often at the most.
type Receiver struct {
	address  string
	Interval time.Duration
}

// Use is one use of an app, as ForwardAuth would tell it.
type Use struct {
	App    string // its name on a Portal; empty: the host stands for it
	Host   string
	URI    string
	Method string
	Proto  string
	Cookie string // the terminal's token as a Cookie line; empty when anonymous
}

const (
	slowest = 5 * time.Second
	// many bounds how many apps are told apart, newcomers how many of them are new within an
	// interval, and atOnce how many calls are under way: a catch-all router takes any host.
	many      = 1000
	newcomers = 32
	atOnce    = 32
	// longest bounds what is told of a request, in bytes.
	longest = 8 << 10
)

// host is a name or an address that an app can have, without its port.
var host = regexp.MustCompile(`^(?:[a-z0-9._-]{1,253}|\[[0-9a-f:.]{1,45}\])$`)

var (
	client = &http.Client{
		Timeout: slowest,
		// The cookie is for the receiver alone.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	mutex sync.Mutex
	// told holds when each app was last told of; a time to come while a call is under way.
	told = map[string]time.Time{}
	// calls is how many are under way.
	calls int
	// arrived is how many apps are new since.
	arrived int
	since   time.Time
)

// Read reads the section `activity`; nil where there is none.
func Read(top *option.Section) *Receiver {
	s := top.Section("activity")
	if !top.Has("activity") {
		return nil
	}
	r := &Receiver{address: s.Text("url", ""), Interval: s.Duration("interval", 5*time.Second)}
	s.Unknown()
	if !option.IsAddress(r.address) {
		s.Problem("url", "is not an address: write http://HOST/PATH")
	}
	if r.Interval < 100*time.Millisecond {
		s.Problem("interval", "is shorter than 100ms")
	}
	return r
}

// Tell tells of a use, at most once per app and interval. It never waits, nothing is
// tried again, and while one call is under way no other is made for the same app.
func Tell(r *Receiver, u Use) {
	app := nameOf(u)
	if app == "" {
		return
	}
	if len(u.URI) > longest {
		u.URI = "/"
	}
	now := time.Now()
	key := r.address + " " + app
	mutex.Lock()
	last, known := told[key]
	if known && now.Sub(last) < r.Interval || calls >= atOnce || !known && !isWelcome(r, now) {
		mutex.Unlock()
		return
	}
	told[key] = now.Add(2 * slowest)
	calls++
	mutex.Unlock()
	inBackground(r, u, key, now)
}

// nameOf is what an app is told apart by; empty where the host is none that an app can
// have. A client may write any port behind it, and the router is the same.
func nameOf(u Use) string {
	if u.App != "" || len(u.Host) > 300 {
		return u.App
	}
	name := strings.ToLower(u.Host)
	i := strings.LastIndexByte(name, ':')
	if i > strings.LastIndexByte(name, ']') {
		name = name[:i]
	}
	if !host.MatchString(name) {
		return ""
	}
	return name
}

// isWelcome reports whether there is room for an app that is not known yet. It forgets
// those that were not in use for long, and nobody else: a flood of hosts must not have the
// apps in use forgotten.
func isWelcome(r *Receiver, now time.Time) bool {
	if now.Sub(since) >= r.Interval {
		since = now
		arrived = 0
	}
	if arrived >= newcomers {
		return false
	}
	arrived++
	if len(told) >= many {
		for key, last := range told {
			if now.Sub(last) > 2*r.Interval+2*slowest {
				delete(told, key)
			}
		}
	}
	return len(told) < many
}

func inBackground(r *Receiver, u Use, key string, start time.Time) {
	go func() {
		defer func() {
			if recover() != nil {
				journal.State("activity "+r.address, "activity could not be told because of a bug in ptlauth: please report it")
			}
			mutex.Lock()
			told[key] = start
			calls--
			mutex.Unlock()
		}()
		problem := call(r, u)
		if problem != "" {
			problem = "activity.url " + problem + "; apps may be stopped while they are in use"
		}
		journal.State("activity "+r.address, problem)
	}()
}

func call(r *Receiver, u Use) string {
	request, err := http.NewRequest(http.MethodGet, r.address, nil)
	if err != nil {
		return "is not an address that can be asked"
	}
	request.Header.Set("X-Forwarded-Host", u.Host)
	request.Header.Set("X-Forwarded-Uri", u.URI)
	request.Header.Set("X-Forwarded-Method", u.Method)
	request.Header.Set("X-Forwarded-Proto", u.Proto)
	if u.Cookie != "" {
		request.Header.Set("Cookie", u.Cookie)
	}
	response, err := client.Do(request)
	if err != nil {
		return "cannot be reached"
	}
	defer func() { _ = response.Body.Close() }()
	_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, 1<<16))
	if response.StatusCode >= http.StatusInternalServerError {
		return "answers " + strconv.Itoa(response.StatusCode)
	}
	return ""
}
