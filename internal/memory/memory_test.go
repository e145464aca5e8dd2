package memory

import (
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestMemory(t *testing.T) {
	soon := func() time.Time { return time.Now().Add(time.Minute) }
	knows := func(m *Memory, key string) bool {
		_, ok := m.Decisions.Load(key)
		return ok
	}

	t.Run("a decision is remembered until its period ends", func(t *testing.T) {
		m := &Memory{}
		Keep(m, 1, time.Now().Add(50*time.Millisecond), "a", &Decision{})
		if !knows(m, "a") {
			t.Fatal("it is not remembered")
		}
		for deadline := time.Now().Add(5 * time.Second); knows(m, "a"); time.Sleep(5 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatal("it is still remembered")
			}
		}
	})
	t.Run("a decision of the period before is not remembered", func(t *testing.T) {
		m := &Memory{}
		Keep(m, 2, soon(), "new", &Decision{})
		Keep(m, 1, soon(), "old", &Decision{})
		if knows(m, "old") || !knows(m, "new") {
			t.Error("the old one is remembered, or the new one is not")
		}
	})
	t.Run("a decision of a period that is over is not remembered", func(t *testing.T) {
		m := &Memory{}
		Keep(m, 1, time.Now(), "a", &Decision{})
		if knows(m, "a") {
			t.Error("it is remembered")
		}
	})
	t.Run("a new period forgets the one before", func(t *testing.T) {
		m := &Memory{}
		Keep(m, 1, soon(), "old", &Decision{})
		Keep(m, 2, soon(), "new", &Decision{})
		if knows(m, "old") {
			t.Error("the old one is remembered")
		}
	})
	t.Run("a flood of tokens stays within bounds, and a token in use is remembered again", func(t *testing.T) {
		before := atomic.LoadInt64(&held)
		flooded, quiet := &Memory{}, &Memory{}
		long := strings.Repeat("x", 400)
		for i := range 50_000 {
			Keep(flooded, 1, soon(), strconv.Itoa(i)+long, &Decision{})
			if weight := atomic.LoadInt64(&held) - before; weight > share {
				t.Fatalf("one memory holds %d bytes", weight)
			}
		}
		Keep(flooded, 1, soon(), "in use", &Decision{})
		Keep(quiet, 1, soon(), "another app's", &Decision{})
		if !knows(flooded, "in use") || !knows(quiet, "another app's") {
			t.Error("the flood keeps others from being remembered")
		}
		Keep(flooded, 2, soon(), "", &Decision{})
		Keep(quiet, 2, soon(), "", &Decision{})
		if weight := atomic.LoadInt64(&held) - before; weight > 2*step {
			t.Errorf("%d bytes are still held after the period", weight)
		}
	})
	t.Run("many flooded memories stay within bounds together", func(t *testing.T) {
		long := strings.Repeat("x", 8<<10)
		for i := range 20 {
			m := &Memory{}
			for j := range 300 {
				Keep(m, 1, soon(), strconv.Itoa(i*1000+j)+long, &Decision{})
			}
			defer Keep(m, 2, soon(), "", &Decision{})
		}
		if weight := atomic.LoadInt64(&held); weight > budget {
			t.Errorf("all together hold %d bytes", weight)
		}
	})
}
