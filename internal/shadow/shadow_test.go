package shadow

import (
	"bytes"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/getportal/ptlauth/internal/header"
)

// TestShared has many goroutines compare, and counts told meanwhile: none is lost, and none is told twice.
func TestShared(t *testing.T) {
	written := &lines{}
	log.SetOutput(written)
	t.Cleanup(func() { log.SetOutput(os.Stderr) })
	w := NewWatch("shared@test")
	done := make(chan struct{})
	NewMention(w, done) // the second one, which Traefik makes first
	first := NewMention(w, done)
	verdict := &Verdict{Names: []string{"X-Ptl-User"}, Values: []string{"anna"}, Stripper: header.NewStripper(header.Names{Strip: &header.Strip{}})}
	const visitors, visits = 8, 300
	var all sync.WaitGroup
	for range visitors {
		all.Add(1)
		go func() {
			defer all.Done()
			for i := range visits {
				r := httptest.NewRequest(http.MethodGet, "http://app.example.com/", nil)
				record := Begin(first, r, verdict)
				switch i % 3 {
				case 0:
					r.Header["X-Ptl-User"] = []string{"anna"}
					Reach(record, r)
					Reach(record, r) // a second attempt
				case 1:
					Reach(record, r)
				}
				End(record, r)
			}
		}()
	}
	for range 50 {
		tell(w)
	}
	all.Wait()
	tell(w)
	w.timer.Stop()
	got := map[string]int{}
	for _, kind := range []string{"let in, ", "by ptlauth alone", "with another user", "refused)", "were broken off"} {
		for _, match := range regexp.MustCompile(`(\d+) `+regexp.QuoteMeta(kind)).FindAllStringSubmatch(written.String(), -1) {
			n, err := strconv.Atoi(match[1])
			if err != nil {
				t.Fatal(err)
			}
			got[kind] += n
		}
	}
	for kind, want := range map[string]int{"let in, ": 800, "by ptlauth alone": 800, "with another user": 800, "refused)": 0, "were broken off": 0} {
		if got[kind] != want {
			t.Errorf("%d %s, want %d", got[kind], kind, want)
		}
	}
	if n := strings.Count(written.String(), "alone in the chain"); n != 0 {
		t.Errorf("it is called lone %d times", n)
	}
}

// TestLone says when it is certain that a mention has no second one: the order in which Traefik makes them tells.
func TestLone(t *testing.T) {
	const first, second = "first", "second" // what the last mention that was made in a chain acts as
	for _, test := range []struct {
		name string
		made []string // in this order, of one configuration
		lone int      // how many of the first ones are told
	}{
		{"a pair", []string{second, first}, 0},
		{"two pairs", []string{second, first, second, first}, 0},
		{"one alone", []string{first}, 1},
		{"one before a pair", []string{first, second, first}, 1},
		{"one behind a pair", []string{second, first, first}, 1},
		{"two alone", []string{first, first}, 2},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := NewWatch(t.Name())
			done := make(chan struct{})
			NewMention(w, make(chan struct{})) // of another configuration
			var firsts []*Mention
			for _, acts := range test.made {
				m := NewMention(w, done)
				if acts == first {
					firsts = append(firsts, m)
				}
			}
			lone := 0
			for _, m := range firsts {
				written := &lines{}
				log.SetOutput(written)
				r := httptest.NewRequest(http.MethodGet, "http://app.example.com/", nil)
				End(Begin(m, r, &Verdict{Reason: "401, no"}), r)
				if w.counts[agreedOut] == 0 {
					lone++
				}
				w.counts[agreedOut] = 0
			}
			log.SetOutput(os.Stderr)
			if w.timer != nil {
				w.timer.Stop()
			}
			if lone != test.lone {
				t.Errorf("%d are told alone, want %d", lone, test.lone)
			}
		})
	}
}

// lines keep what is logged.
type lines struct {
	mutex sync.Mutex
	text  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return l.text.String()
}
