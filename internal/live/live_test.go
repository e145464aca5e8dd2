package live

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/getportal/ptlauth/internal/socket"
)

// open opens a socket in a set, and returns whether it has ended.
func open(set *socket.Set) func() bool {
	ctx, cancel := context.WithCancel(context.Background())
	socket.Add(set, nil, 1, &socket.Socket{End: cancel, Asked: &http.Request{}})
	return func() bool { return ctx.Err() != nil }
}

type settings struct{ Options map[string]interface{} }

func with(value interface{}) *settings {
	return &settings{Options: map[string]interface{}{"terminals": value}}
}

func TestMade(t *testing.T) {
	for _, test := range []struct {
		name          string
		before, after *settings
		want          bool // what was made serves again
	}{
		{"of an equal configuration, what was made serves again", with([]interface{}{"a"}), with([]interface{}{"a"}), true},
		{"of another one it does not", with([]interface{}{"a"}), with([]interface{}{"a", "b"}), false},
		{"text is no list", with("a"), with([]interface{}{"a"}), false},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := Enter(context.Background(), t.Name())
			if Made(h, test.before) != nil {
				t.Fatal("something was made before")
			}
			Replace(h, test.before, "made")
			if got := Made(Enter(context.Background(), t.Name()), test.after); (got == "made") != test.want {
				t.Errorf("it got %v", got)
			}
			if Made(Enter(context.Background(), t.Name()+" of another name"), test.before) != nil {
				t.Error("another middleware got it")
			}
		})
	}
}

func TestSockets(t *testing.T) {
	t.Run("a reload names the sets in which something is open, and ends nothing", func(t *testing.T) {
		h := Enter(context.Background(), t.Name())
		Replace(h, with(1), "made")
		hasEnded := open(SetOf(h, "chat"))
		SetOf(h, "photos")
		names := Replace(Enter(context.Background(), t.Name()), with(2), "made anew")
		if len(names) != 1 || names[0] != "chat" || hasEnded() {
			t.Errorf("sets %v; it has ended: %t", names, hasEnded())
		}
	})
	t.Run("a mistake ends all, and what opens late, and a good configuration lets in again", func(t *testing.T) {
		h := Enter(context.Background(), t.Name())
		Replace(h, with(1), "made")
		set := SetOf(h, "")
		early := open(set)
		Close(h)
		late, later := open(set), open(SetOf(h, "another"))
		if !early() || !late() || !later() || Made(h, with(1)) != nil {
			t.Error("something is still open, or serves again")
		}
		Replace(h, with(1), "made")
		socket.Own(set, "owner")
		if open(set)() {
			t.Error("nothing can be opened any more")
		}
	})
}

func TestRemoval(t *testing.T) {
	for _, test := range []struct {
		name  string
		again bool
	}{
		{"a middleware that is not made again ends what is open, some seconds later", false},
		{"one that is made again ends nothing", true},
	} {
		t.Run(test.name, func(t *testing.T) {
			if testing.Short() {
				t.Skip("it lets time pass")
			}
			t.Parallel()
			ctx, cancel := context.WithCancel(context.Background())
			h := Enter(ctx, t.Name())
			Replace(h, with(1), "made")
			hasEnded := open(SetOf(h, ""))
			cancel()
			if test.again {
				time.Sleep(goneAfter / 2)
				if Enter(context.Background(), t.Name()) != h {
					t.Fatal("it has another home")
				}
			}
			time.Sleep(goneAfter - time.Second)
			if hasEnded() && !test.again {
				t.Fatal("it has ended at once")
			}
			time.Sleep(goneAfter + 2*time.Second)
			if hasEnded() == test.again {
				t.Errorf("it has ended: %t", hasEnded())
			}
			if !test.again && Enter(context.Background(), t.Name()) == h {
				t.Error("the next one has the same home")
			}
		})
	}
}
