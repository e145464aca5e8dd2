package activity

import (
	"strconv"
	"testing"
	"time"
)

// Fresh waits for the calls of other tests and forgets their apps. The bounds and the clock cannot be seen from outside.
func Fresh(t *testing.T) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(time.Millisecond) {
		mutex.Lock()
		underWay := calls
		if underWay == 0 {
			apps, anonymous, swept, troubles = map[string]*app{}, 0, time.Time{}, map[string]time.Time{}
		}
		mutex.Unlock()
		if underWay == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d calls do not end", underWay)
		}
	}
}

var receiver = &Receiver{address: "http://portal/used", Interval: 10 * time.Second}

// tellMany begins and ends a call for each of so many apps, and returns for how many one was due.
func tellMany(prefix string, n int, paired bool, now time.Time) int {
	told := 0
	for i := 0; i < n; i++ {
		a := begin(receiver, prefix+strconv.Itoa(i), paired, now)
		if a != nil {
			told++
			end(a)
		}
	}
	return told
}

func TestBounds(t *testing.T) {
	start := time.Unix(1800000000, 0)
	at := func(seconds int) time.Time { return start.Add(time.Duration(seconds) * time.Second) }
	type step struct {
		prefix string
		paired bool
		after  int // seconds
		told   int // of a thousand
	}
	for _, test := range []struct {
		name  string
		steps []step
	}{
		{"256 apps of terminals", []step{{"a", true, 0, 256}}},
		{"64 apps of visitors", []step{{"a", false, 0, 64}}},
		{"visitors take no room from terminals", []step{{"a", false, 0, 64}, {"b", true, 0, 256}}},
		{"nor terminals from visitors", []step{{"a", true, 0, 256}, {"b", false, 0, 64}}},
		{"what is there keeps its place within an interval", []step{{"a", true, 0, 256}, {"b", true, 9, 0}}},
		{"and for one more", []step{{"a", true, 0, 256}, {"b", true, 19, 0}}},
		{"then others may come", []step{{"a", true, 0, 256}, {"b", true, 20, 256}}},
		{"apps in use are told again and keep their place", []step{{"a", true, 0, 256}, {"a", true, 10, 256}, {"b", true, 20, 0}}},
		{"no app is told again within an interval", []step{{"a", false, 0, 64}, {"a", false, 9, 0}}},
		{"and each is after it", []step{{"a", false, 0, 64}, {"a", false, 10, 64}}},
		{"an app that a terminal uses is a visitor's no more", []step{{"a", false, 0, 64}, {"a", true, 10, 64 + 192}, {"b", false, 10, 64}}},
		{"and not again when visitors use it", []step{{"a", true, 0, 256}, {"a", false, 10, 256 + 64}, {"b", true, 10, 0}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			Fresh(t)
			defer Fresh(t)
			for i, s := range test.steps {
				if told := tellMany(s.prefix, 1000, s.paired, at(s.after)); told != s.told {
					t.Errorf("step %d: %d apps are told, want %d", i, told, s.told)
				}
			}
			if calls != 0 || guests != 0 || anonymous < 0 || anonymous > maxAnonymous || len(apps) > maxApps+maxAnonymous {
				t.Errorf("%d calls, %d of visitors, %d of %d apps are counted", calls, guests, anonymous, len(apps))
			}
		})
	}
}

func TestCallsUnderWay(t *testing.T) {
	now := time.Unix(1800000000, 0)
	later := now.Add(time.Hour)
	beginMany := func(prefix string, paired bool) []*app {
		var begun []*app
		for i := 0; i < 100; i++ {
			a := begin(receiver, prefix+strconv.Itoa(i), paired, now)
			if a != nil {
				begun = append(begun, a)
			}
		}
		return begun
	}
	Fresh(t)
	defer Fresh(t)
	visitors := beginMany("a", false)
	terminals := beginMany("b", true)
	if len(visitors) != 16 || len(terminals) != 16 {
		t.Fatalf("%d and %d calls are under way, want 16 each", len(visitors), len(terminals))
	}
	if begin(receiver, "a0", true, later) != nil || begin(receiver, "b0", true, later) != nil {
		t.Error("a second call begins for an app")
	}
	if guests != 15 {
		t.Errorf("%d calls are visitors', want 15: a terminal has used one of the apps", guests)
	}
	for _, a := range append(visitors, terminals...) {
		end(a)
	}
	if calls != 0 || guests != 0 {
		t.Errorf("%d calls are counted, %d of them visitors'", calls, guests)
	}
	if a := begin(receiver, "a0", false, later); a == nil {
		t.Error("no call begins though all are over")
	} else {
		end(a)
	}
}

// TestNews is of when a line is written about a receiver.
func TestNews(t *testing.T) {
	start := time.Unix(1800000000, 0)
	type look struct {
		after  int // seconds
		bad    bool
		isNews bool
	}
	for _, test := range []struct {
		name  string
		looks []look
	}{
		{"one that is well", []look{{0, false, false}, {1, false, false}}},
		{"one that ceases to answer, once", []look{{0, false, false}, {1, true, true}, {2, true, false}, {1000, true, false}}},
		{"one that comes and goes makes no further line", []look{{0, true, true}, {1, false, false}, {60, true, false}, {61, false, false}, {120, true, false}}},
		{"one that was well for a minute makes one", []look{{0, true, true}, {1, false, false}, {61, true, true}}},
		{"and so does one that was seen well after it", []look{{0, true, true}, {1, false, false}, {61, false, false}, {62, true, true}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			Fresh(t)
			defer Fresh(t)
			for i, l := range test.looks {
				if got := isNews("http://portal/", l.bad, start.Add(time.Duration(l.after)*time.Second)); got != l.isNews {
					t.Errorf("look %d: it is %t, want %t", i, got, l.isNews)
				}
			}
		})
	}
}
