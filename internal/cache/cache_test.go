package cache

import (
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// in is a time that far from now.
func in(d time.Duration) time.Time { return time.Now().Add(d) }

// at makes a cache in front of a world of that version, which is looked at within a minute.
func at(version int) *Cache {
	c := &Cache{}
	Renew(c, version, in(time.Minute))
	return c
}

func knows(c *Cache, key string) bool {
	_, ok := c.Decisions.Load(key)
	return ok
}

func TestCache(t *testing.T) {
	for _, test := range []struct {
		name string
		test func(c *Cache)
		want bool // whether "a" is known in the end
	}{
		{"a decision is kept while the world is the same", func(c *Cache) {
			Put(c, 1, 0, "a", &Decision{})
			Renew(c, 1, in(time.Minute))
		}, true},
		{"a change of the world forgets it", func(c *Cache) {
			Put(c, 1, 0, "a", &Decision{})
			Renew(c, 2, in(time.Minute))
		}, false},
		{"a decision of the world before is not kept", func(c *Cache) {
			Renew(c, 2, in(time.Minute))
			Put(c, 1, 0, "a", &Decision{})
		}, false},
		{"nor one of a world that the cache has not heard of", func(c *Cache) { Put(c, 2, 0, "a", &Decision{}) }, false},
		{"nothing is kept before anybody has looked", func(c *Cache) {
			Drop(c)
			Put(c, 1, 0, "a", &Decision{})
		}, false},
		{"a token that expires before the next look is not kept", func(c *Cache) { Put(c, 1, in(30*time.Second).Unix(), "a", &Decision{}) }, false},
		{"a token is forgotten by the look before it expires", func(c *Cache) {
			Put(c, 1, in(90*time.Second).Unix(), "a", &Decision{})
			Renew(c, 1, in(2*time.Minute))
		}, false},
		{"one that expires later stays", func(c *Cache) {
			Put(c, 1, in(70*time.Second).Unix(), "b", &Decision{})
			Put(c, 1, in(time.Hour).Unix(), "a", &Decision{})
			Renew(c, 1, in(2*time.Minute))
		}, true},
		{"what is asked for once in a turn stays", func(c *Cache) {
			Put(c, 1, 0, "a", &Decision{})
			for range 3 {
				Turn(c)
				Find(c, "a")
			}
		}, true},
		{"what is not asked for in a turn is forgotten", func(c *Cache) {
			Put(c, 1, 0, "a", &Decision{})
			Turn(c)
			Turn(c)
			Find(c, "a")
		}, false},
		{"a change of the world forgets what waits to be asked for", func(c *Cache) {
			Put(c, 1, 0, "a", &Decision{})
			Turn(c)
			Renew(c, 2, in(time.Minute))
			Find(c, "a")
		}, false},
		{"a token that waits is forgotten before it expires", func(c *Cache) {
			Put(c, 1, in(90*time.Second).Unix(), "a", &Decision{})
			Turn(c)
			Renew(c, 1, in(2*time.Minute))
			Find(c, "a")
		}, false},
		{"a decision that weighs more than a chunk is not kept", func(c *Cache) {
			Put(c, 1, 0, "a", &Decision{})
			if knows(c, strings.Repeat("x", maxEntryBytes)) {
				Drop(c)
			}
		}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := at(1)
			test.test(c)
			if knows(c, "a") != test.want {
				t.Errorf("it is known: %t", !test.want)
			}
			Drop(c)
		})
	}
}

func TestWhatIsNotRenewedIsForgotten(t *testing.T) {
	c := &Cache{}
	Renew(c, 1, in(300*time.Millisecond))
	Put(c, 1, 0, "a", &Decision{})
	if !knows(c, "a") {
		t.Fatal("it is not kept")
	}
	for deadline := in(5 * time.Second); knows(c, "a"); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it is still known")
		}
	}
	Put(c, 1, 0, "a", &Decision{})
	if knows(c, "a") {
		t.Error("it is kept though nobody has looked since")
	}
}

func TestTenThousandTokensFit(t *testing.T) {
	c := at(1)
	defer Drop(c)
	for i := range 10_000 {
		Put(c, 1, 0, strconv.Itoa(i)+strings.Repeat("x", 400), &Decision{})
	}
	for i := range 10_000 {
		if !knows(c, strconv.Itoa(i)+strings.Repeat("x", 400)) {
			t.Fatalf("number %d is forgotten", i)
		}
	}
}

func TestFloods(t *testing.T) {
	t.Run("a flood of tokens stays within bounds, and a token in use is kept again", func(t *testing.T) {
		before := atomic.LoadInt64(&reservedBytes)
		flooded, quiet := at(1), at(1)
		long := strings.Repeat("x", 400)
		for i := range 50_000 {
			Put(flooded, 1, 0, strconv.Itoa(i)+long, &Decision{})
			if weight := atomic.LoadInt64(&reservedBytes) - before; weight > maxOneCacheBytes {
				t.Fatalf("one cache holds %d bytes", weight)
			}
		}
		Put(flooded, 1, 0, "in use", &Decision{})
		Put(quiet, 1, 0, "another app's", &Decision{})
		if !knows(flooded, "in use") || !knows(quiet, "another app's") {
			t.Error("the flood keeps others out")
		}
		Renew(flooded, 2, in(time.Minute))
		Renew(quiet, 2, in(time.Minute))
		if weight := atomic.LoadInt64(&reservedBytes) - before; weight != 0 {
			t.Errorf("%d bytes are still held after a change", weight)
		}
	})
	t.Run("many flooded caches stay within bounds together", func(t *testing.T) {
		long := strings.Repeat("x", 8<<10)
		for i := range 20 {
			c := at(1)
			defer Drop(c)
			for j := range 300 {
				Put(c, 1, 0, strconv.Itoa(i*1000+j)+long, &Decision{})
			}
		}
		if weight := atomic.LoadInt64(&reservedBytes); weight > maxCacheBytes || weight < maxCacheBytes/2 {
			t.Errorf("all together hold %d bytes", weight)
		}
	})
	t.Run("turns do not hold more and more", func(t *testing.T) {
		c := at(1)
		defer Drop(c)
		for i := range 30_000 {
			Put(c, 1, 0, strconv.Itoa(i)+strings.Repeat("x", 400), &Decision{})
			if i%1000 == 0 {
				Turn(c)
			}
		}
		if weight := atomic.LoadInt64(&reservedBytes); weight > maxOneCacheBytes || len(c.waiting)+len(c.keys) > 2000 {
			t.Errorf("it holds %d bytes, %d and %d entries", weight, len(c.waiting), len(c.keys))
		}
	})
}
