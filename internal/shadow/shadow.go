// Package shadow compares what ptlauth would have done with what another middleware does
// that stands between two mentions of ptlauth in one chain, and decides.
package shadow

import (
	"fmt"
	"net/http"
	"net/url"
	"sort"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/getportal/ptlauth/internal/header"
	"github.com/getportal/ptlauth/internal/journal"
)

// Verdict is what ptlauth would have done with a request.
type Verdict struct {
	// Reason is why the app would not have got it; empty: it would.
	Reason string
	// IsOwn reports that ptlauth would have answered an own path.
	IsOwn bool
	// Names, canonical, and Values are the headers that the app would have been sent.
	Names  []string
	Values []string
	// Stripper knows which headers say who asks.
	Stripper *header.Stripper
}

// Record is what the first mention leaves for the second in the context of a request.
type Record struct {
	verdict *Verdict // nil: nothing could be decided
	mention *Mention
	line    string // which request it is, for the log
	reached int32  // 1: the second mention was
}

// Mention is one place in the chain of one router where the middleware is named.
type Mention struct {
	watch   *Watch
	isFirst *int32 // 1: a request came here without a record
	// before is isFirst of what was made last before this one, of the same configuration; nil:
	// nothing was. Traefik makes a chain from its end, and one router after the other: if this
	// is a first mention and has a second, it is that one.
	before *int32
	isPair int32 // 1: a second mention has found a record of this one
}

// Kinds of what comes of a comparison, as they are counted.
const (
	agreedIn = iota
	agreedOut
	onlyOther
	onlyOurs
	otherUser
	otherHeaders
	ownPath
	brokenOff
	undecided
	kinds
)

const (
	// interval is how often the counts are told, while there is traffic.
	interval = time.Minute
	// maxLines bounds how many differences are told in one interval, each of another kind, app
	// or reason than the others.
	maxLines = 10
	// maxNames bounds how many headers a line names.
	maxNames = 5
)

// Watch is what is known of one middleware, for all chains that name it. Its address is what a
// request's context keeps the record by.
type Watch struct {
	name string

	mutex  sync.Mutex
	counts []int
	told   map[string]bool
	timer  *time.Timer // nil: it was never set
	isSet  bool
	done   <-chan struct{} // of the configuration that last is of
	last   *int32          // isFirst of the mention that was made last
}

// NewWatch makes the watch of the middleware of that name.
func NewWatch(name string) *Watch {
	return &Watch{name: name, counts: make([]int, kinds), told: map[string]bool{}}
}

// Name is the middleware's.
func Name(w *Watch) string { return w.name }

// NewMention is for one more place in a chain, of the configuration that ends with done.
func NewMention(w *Watch, done <-chan struct{}) *Mention {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	m := &Mention{watch: w, isFirst: new(int32)}
	if w.done == done {
		m.before = w.last
	}
	w.done = done
	w.last = m.isFirst
	return m
}

// Begin makes the record of a request that came to a first mention.
func Begin(m *Mention, r *http.Request, v *Verdict) *Record {
	atomic.StoreInt32(m.isFirst, 1)
	return &Record{mention: m, verdict: v, line: fmt.Sprintf(requestLine, url.PathEscape(r.Method), url.PathEscape(r.Host), r.URL.EscapedPath())}
}

const requestLine = "%.20s %.200s%.200s: "

// Found is the record that the first mention has left; nil: there is none.
func Found(w *Watch, r *http.Request) *Record {
	record, ok := r.Context().Value(w).(*Record)
	if !ok {
		return nil
	}
	return record
}

// Reach compares a record with a request on its way to the app. A request that is sent again is
// compared once.
func Reach(record *Record, r *http.Request) {
	if !atomic.CompareAndSwapInt32(&record.reached, 0, 1) {
		return
	}
	m := record.mention
	atomic.StoreInt32(&m.isPair, 1)
	v := record.verdict
	if v == nil {
		count(m.watch, undecided)
	} else if v.IsOwn {
		differ(record, ownPath, r.Host, "ForwardAuth let it in, and ptlauth would have answered this path itself")
	} else if v.Reason != "" {
		differ(record, onlyOther, r.Host, "ForwardAuth let it in, and ptlauth would have refused it: "+v.Reason)
	} else {
		compare(record, r)
	}
}

// compare tells which headers are not the same. An empty one is as good as none.
func compare(record *Record, r *http.Request) {
	v := record.verdict
	differences := map[string]string{}
	for _, name := range header.Claims(v.Stripper, r.Header) {
		if strings.Join(r.Header[name], "") != "" {
			differences[name] = " (ptlauth sends none)"
		}
	}
	for i, name := range v.Names {
		values := r.Header[name]
		delete(differences, name)
		if strings.Join(values, "") == "" {
			differences[name] = " (ForwardAuth sends none)"
		} else if len(values) > 1 || values[0] != v.Values[i] {
			differences[name] = " (another value)"
		}
	}
	if len(differences) == 0 {
		count(record.mention.watch, agreedIn)
		return
	}
	kind := otherHeaders
	if differences["X-Ptl-User"] != "" {
		kind = otherUser
	}
	var names []string
	for name, text := range differences {
		names = append(names, fmt.Sprintf("%.40s", name)+text)
	}
	sort.Strings(names)
	more := ""
	if len(names) > maxNames {
		more = fmt.Sprint(" and ", len(names)-maxNames, " more")
		names = names[:maxNames]
	}
	differ(record, kind, r.Host, "both let it in, and the app got other headers: "+strings.Join(names, ", ")+more)
}

// End is for a request that has come back to the first mention: where the second was not
// reached, it was refused in between, unless there is no second.
func End(record *Record, r *http.Request) {
	if atomic.LoadInt32(&record.reached) != 0 {
		return
	}
	m := record.mention
	v := record.verdict
	doubt := ""
	if atomic.LoadInt32(&m.isPair) == 0 {
		if m.before == nil || atomic.LoadInt32(m.before) != 0 {
			journal.ErrorOnChange(m.watch.name+" lone", m.watch.name+" is in shadow mode and alone in the chain of a router, where it protects nothing and has nothing to compare with: name it on both sides of the middleware that decides, as in middlewares: [shadow, forward-auth, shadow], or take the option `shadow` out, so that it decides itself")
			return
		}
		doubt = " (nothing has come to the second mention so far)"
	}
	if r.Context().Err() != nil {
		count(m.watch, brokenOff)
	} else if v == nil {
		count(m.watch, undecided)
	} else if v.IsOwn {
		differ(record, ownPath, r.Host, "ForwardAuth refused it, and ptlauth would have answered this path itself")
	} else if v.Reason != "" {
		count(m.watch, agreedOut)
	} else {
		differ(record, onlyOurs, r.Host, "ForwardAuth refused it"+doubt+", and ptlauth would have let it in")
	}
}

// differ counts a difference, and tells of it unless the like was told in this interval.
func differ(record *Record, kind int, host, text string) {
	w := record.mention.watch
	count(w, kind)
	if isNew(w, host+"\n"+text) {
		journal.Error(fmt.Sprintf("%s shadow: %s%.500s", w.name, record.line, text))
	}
}

func isNew(w *Watch, subject string) bool {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	if len(w.told) >= maxLines || w.told[subject] {
		return false
	}
	w.told[subject] = true
	return true
}

// count counts, and has all counts told at the end of an interval that begins with the first.
func count(w *Watch, kind int) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	w.counts[kind]++
	if w.isSet {
		return
	}
	w.isSet = true
	if w.timer == nil {
		w.timer = time.AfterFunc(interval, func() { tell(w) })
	} else {
		w.timer.Reset(interval)
	}
}

const countsLine = "%s shadow: in the last minute ForwardAuth and ptlauth agreed on %d requests (%d let in, %d refused) and differed on %d (%d let in by ForwardAuth alone, %d by ptlauth alone, %d with another user, %d with other headers, %d for own paths of ptlauth); %d were broken off, %d not decided"

// tell runs on a goroutine of its own, where a panic would end Traefik.
func tell(w *Watch) {
	defer func() {
		if recover() != nil {
			journal.Error(w.name + " shadow: the counts could not be told: please report this as a bug of ptlauth")
		}
	}()
	c := take(w)
	differed := c[onlyOther] + c[onlyOurs] + c[otherUser] + c[otherHeaders] + c[ownPath]
	journal.Error(fmt.Sprintf(countsLine, w.name, c[agreedIn]+c[agreedOut], c[agreedIn], c[agreedOut], differed,
		c[onlyOther], c[onlyOurs], c[otherUser], c[otherHeaders], c[ownPath], c[brokenOff], c[undecided]))
}

func take(w *Watch) []int {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	c := w.counts
	w.counts = make([]int, kinds)
	w.told = map[string]bool{}
	w.isSet = false
	return c
}
