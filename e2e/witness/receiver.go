package witness

import (
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
)

// Receiver is who is told which app is in use.
type Receiver struct {
	*httptest.Server
	mutex  sync.Mutex
	answer http.HandlerFunc
	Told   []http.Header // to be read when no call is under way
	within int           // how many calls are under way
	most   int
}

// NewReceiver starts one, until the test ends.
func NewReceiver(t *testing.T, answer http.HandlerFunc) *Receiver {
	r := &Receiver{answer: answer}
	r.Server = httptest.NewServer(r)
	t.Cleanup(func() {
		r.CloseClientConnections()
		r.Close()
	})
	return r
}

func (r *Receiver) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	r.mutex.Lock()
	r.Told = append(r.Told, request.Header)
	r.within++
	r.most = max(r.most, r.within)
	answer := r.answer
	r.mutex.Unlock()
	defer func() {
		r.mutex.Lock()
		defer r.mutex.Unlock()
		r.within--
	}()
	answer(w, request)
}

// Calls are those so far, by host.
func (r *Receiver) Calls() map[string]int {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	calls := map[string]int{}
	for _, header := range r.Told {
		calls[header.Get("X-Forwarded-Host")]++
	}
	return calls
}

// AtOnce is how many calls were under way at the same time, at most.
func (r *Receiver) AtOnce() int {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	return r.most
}

// NowAnswers has it answer otherwise.
func (r *Receiver) NowAnswers(answer http.HandlerFunc) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.answer = answer
}
