// Package activity tells Portal which app is in use, because that is what wakes a
// stopped app and keeps it from being stopped.
package activity

import (
	"io"
	"net/http"
	"strconv"
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
	App    string // the app's name, where apps are told apart by it; empty: by their hosts
	Host   string
	URI    string
	Method string
	Proto  string
	Cookie string // the terminal's token as a Cookie line; empty when anonymous
}

// slowest is how long a call may take.
const slowest = 5 * time.Second

var (
	client = &http.Client{
		Timeout: slowest,
		// guard: the cookie is for the receiver alone
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	mutex sync.Mutex
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
	key := keyOf(u)
	if key == "" || len(u.Method) > maxMethod {
		return
	}
	a := begin(r, key, u.Cookie != "", time.Now())
	if a == nil {
		return
	}
	if len(u.URI) > maxURI { // guard: a long address is not told
		u.URI = "/"
	}
	inBackground(r, u, a)
}

func inBackground(r *Receiver, u Use, a *app) {
	go func() {
		defer func() {
			if recover() != nil {
				journal.ErrorOnChange("activity "+r.address, "activity could not be told because of a bug in ptlauth: please report it")
			}
			end(a)
		}()
		problem := call(r, u)
		note(r.address, problem, time.Now())
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
