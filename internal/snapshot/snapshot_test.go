package snapshot

import (
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/getportal/ptlauth/internal/cache"
	"github.com/getportal/ptlauth/internal/option"
	"github.com/getportal/ptlauth/internal/policy"
	"github.com/getportal/ptlauth/internal/terminal"
)

const testRefresh = 100 * time.Millisecond

// kept is a keeper with a list in a file, and what belongs to it.
type kept struct {
	keeper *Keeper
	cache  *cache.Cache
	list   string
	looks  atomic.Int64 // how often the observer was called
	needs  atomic.Int64 // what the observer says
}

func keep(t *testing.T, forgets bool) *kept {
	t.Helper()
	k := &kept{cache: &cache.Cache{}, list: filepath.Join(t.TempDir(), "list.json")}
	write(t, k.list, `[{"id": "phone"}]`)
	secret := filepath.Join(t.TempDir(), "secret")
	write(t, secret, strings.Repeat("0123456789abcdef", 4))
	report := &option.Report{}
	p := policy.Read(map[string]interface{}{"secretFile": secret, "terminals": map[string]interface{}{"file": k.list}, "refresh": "100ms"}, report)
	policy.Open(p, report)
	if len(report.Problems()) > 0 {
		t.Fatal(report)
	}
	sources := &Sources{Keys: p.Keys, Terminals: p.Terminals, Refresh: p.Refresh, Forgets: forgets}
	k.keeper = NewKeeper(t.Name(), sources, k.cache, func(*Snapshot) Need {
		k.looks.Add(1)
		return Need(k.needs.Load())
	})
	Begin(k.keeper)
	return k
}

// write replaces a file, so that its identity shows the change.
func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path+".new", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

func (k *kept) knows(key string) bool {
	_, ok := k.cache.Decisions.Load(key)
	return ok
}

func await(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s takes too long", what)
		}
	}
}

func TestKeeper(t *testing.T) {
	t.Run("what was decided stays while the world is the same, and nobody asks", func(t *testing.T) {
		k := keep(t, false)
		cache.Put(k.cache, Now(k.keeper).Version, 0, "phone", &cache.Decision{})
		time.Sleep(10 * testRefresh)
		if !k.knows("phone") {
			t.Error("it is forgotten")
		}
	})
	t.Run("a change takes it away though nobody asks", func(t *testing.T) {
		k := keep(t, false)
		first := Now(k.keeper)
		cache.Put(k.cache, first.Version, 0, "phone", &cache.Decision{})
		write(t, k.list, `[]`)
		await(t, "forgetting", func() bool { return !k.knows("phone") })
		s := Now(k.keeper)
		if s.World == first.World || terminal.Find(s.Registry, "phone") != nil || s.Sets == first.Sets {
			t.Error("the phone is still known")
		}
		cache.Put(k.cache, first.Version, 0, "phone", &cache.Decision{})
		if k.knows("phone") {
			t.Error("what was decided before the change is kept after it")
		}
	})
	t.Run("where somebody is told of each look, nothing stays longer than one", func(t *testing.T) {
		k := keep(t, true)
		first := Now(k.keeper)
		cache.Put(k.cache, first.Version, 0, "phone", &cache.Decision{})
		await(t, "forgetting", func() bool { return !k.knows("phone") })
		if Now(k.keeper).World != first.World {
			t.Error("that is taken for a change of the world")
		}
	})
	t.Run("a hurried look calls the observer", func(t *testing.T) {
		k := keep(t, false)
		before := k.looks.Load()
		Hurry(k.keeper)
		await(t, "the observer", func() bool { return k.looks.Load() > before })
	})
}

func TestNobodyIsLookedForLong(t *testing.T) {
	for _, test := range []struct {
		name  string
		needs Need
		isOld bool // nobody has asked for long
		want  bool // it is still looked at in the end
	}{
		{"while somebody may ask again, it is looked at", Nothing, false, true},
		{"where nobody asks, nothing runs after a while", Nothing, true, false},
		{"while something is open, it does", Another, true, true},
		{"where another keeper has taken over, nothing runs", Retired, false, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			k := keep(t, false)
			await(t, "a look", func() bool { return k.looks.Load() > 2 })
			k.needs.Store(int64(test.needs))
			if test.isOld {
				k.keeper.mutex.Lock()
				k.keeper.turned = time.Now().Add(-2 * idleLimit)
				k.keeper.mutex.Unlock()
			}
			time.Sleep(3 * testRefresh)
			before := k.looks.Load()
			time.Sleep(5 * testRefresh)
			if (k.looks.Load() > before) != test.want {
				t.Errorf("looks went from %d to %d", before, k.looks.Load())
			}
			if s := Now(k.keeper); !s.Ready || !time.Now().Before(s.End) {
				t.Error("who asks then is not served by a new look")
			}
		})
	}
}
