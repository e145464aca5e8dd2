package socket

import (
	"context"
	"net/http"
	"testing"
	"time"
)

// one is a socket that reports whether it was ended.
func one(until int64) (*Socket, func() bool) {
	ctx, cancel := context.WithCancel(context.Background())
	return &Socket{End: cancel, Asked: &http.Request{}, Until: until}, func() bool { return ctx.Err() != nil }
}

func TestDoubtful(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	for _, test := range []struct {
		name string
		test func(s *Set)
		want int // how many have to be judged in world 1
	}{
		{"nothing is judged while nothing changes", func(s *Set) {
			a, _ := one(0)
			Add(s, "owner", 1, a)
		}, 0},
		{"all are judged in another world", func(s *Set) {
			a, _ := one(0)
			b, _ := one(0)
			Add(s, "owner", 2, a)
			Add(s, "owner", 2, b)
		}, 2},
		{"once, and not again", func(s *Set) {
			a, _ := one(0)
			Add(s, "owner", 2, a)
			Doubtful(s, 1, now)
		}, 0},
		{"a token that has expired", func(s *Set) {
			a, _ := one(now.Unix())
			Add(s, "owner", 1, a)
		}, 1},
		{"a token that expires later", func(s *Set) {
			a, _ := one(now.Unix() + 1)
			Add(s, "owner", 1, a)
		}, 0},
		{"what was good in a world that another has seen the end of", func(s *Set) {
			a, _ := one(0)
			b, _ := one(0)
			Add(s, "owner", 1, a)
			Add(s, "owner", 2, b)
		}, 2},
		{"what was open when somebody else became the owner", func(s *Set) {
			a, _ := one(0)
			Add(s, "owner", 1, a)
			Own(s, "another")
		}, 1},
		{"what somebody has admitted who is not the owner any more", func(s *Set) {
			a, _ := one(0)
			b, _ := one(0)
			Own(s, "another")
			Add(s, "another", 1, a)
			Add(s, "owner", 1, b)
		}, 2},
		{"what is closed by the client is not judged", func(s *Set) {
			a, _ := one(0)
			number, _ := Add(s, "owner", 2, a)
			Remove(s, number)
		}, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := &Set{}
			Own(s, "owner")
			test.test(s)
			if got := Doubtful(s, 1, now); len(got) != test.want {
				t.Errorf("%d are judged, want %d", len(got), test.want)
			}
		})
	}
}

func TestOwner(t *testing.T) {
	s := &Set{}
	if Own(s, "first") {
		t.Error("something is open already")
	}
	a, aEnded := one(0)
	if _, isDoubtful := Add(s, "first", 1, a); !isDoubtful {
		t.Error("nobody looks at the first one")
	}
	b, bEnded := one(0)
	if _, isDoubtful := Add(s, "first", 1, b); isDoubtful {
		t.Error("the second one has to be judged at once")
	}
	if !Own(s, "second") || Owner(s) != "second" {
		t.Error("the second owner is told of nothing")
	}
	c, cEnded := one(0)
	if _, isDoubtful := Add(s, "first", 1, c); !isDoubtful {
		t.Error("what the first owner admits late is not judged")
	}
	if aEnded() || bEnded() || cEnded() {
		t.Error("something has ended")
	}
	Close(s)
	d, dEnded := one(0)
	Add(s, "second", 1, d)
	if !aEnded() || !bEnded() || !cEnded() || !dEnded() || Owner(s) != nil {
		t.Error("something is still open")
	}
}

func TestEndOf(t *testing.T) {
	s := &Set{}
	own, ownEnded := one(0)
	own.Terminal = "phone"
	other, otherEnded := one(0)
	other.Terminal = "tablet"
	header, headerEnded := one(0)
	for _, socket := range []*Socket{own, other, header} {
		Add(s, "owner", 1, socket)
	}
	EndOf(s, "")
	if headerEnded() {
		t.Error("what was opened without a cookie ends for nobody")
	}
	EndOf(s, "phone")
	if !ownEnded() || otherEnded() || headerEnded() {
		t.Errorf("ended: its own %v, another's %v, one without a cookie %v", ownEnded(), otherEnded(), headerEnded())
	}
}
