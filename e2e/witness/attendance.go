package witness

import (
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"
)

// Attendance is an app that keeps who was there, and echoes WebSockets.
type Attendance struct {
	*httptest.Server
	mutex sync.Mutex
	last  map[string]time.Time // by user
	open  map[string]int
}

// NewAttendance starts one, until the test ends.
func NewAttendance(t *testing.T) *Attendance {
	a := &Attendance{last: map[string]time.Time{}, open: map[string]int{}}
	a.Server = httptest.NewServer(a)
	t.Cleanup(a.Close)
	return a
}

func (a *Attendance) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	user := r.Header.Get("X-Ptl-User")
	a.mutex.Lock()
	a.last[user] = time.Now()
	a.mutex.Unlock()
	if r.Header.Get("Upgrade") == "" {
		return
	}
	a.enter(user, 1)
	defer a.enter(user, -1)
	Echo(w, r)
}

func (a *Attendance) enter(user string, n int) {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	a.open[user] += n
}

// LastSeen is when a user was there last.
func (a *Attendance) LastSeen(user string) time.Time {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	return a.last[user]
}

// Sockets is how many WebSockets a user has open.
func (a *Attendance) Sockets(user string) int {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	return a.open[user]
}
