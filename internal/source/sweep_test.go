package source

import (
	"path/filepath"
	"testing"
	"time"
)

// TestSweep: what nobody looks at is forgotten, and not by whoever names a source: a thousand middlewares with a list each
// would look through a million.
func TestSweep(t *testing.T) {
	parse := func(content []byte) (interface{}, string) { return content, "" }
	named := func(name string) *Source { return File("sweep", filepath.Join(t.TempDir(), name), parse) }
	unused := named("unused")
	unused.mutex.Lock()
	unused.used = time.Now().Add(-maxUnused - time.Second)
	unused.mutex.Unlock()
	isThere := func() bool {
		mutex.Lock()
		defer mutex.Unlock()
		return all["sweep "+unused.path] == unused
	}
	lookedBefore := func(ago time.Duration) {
		mutex.Lock()
		defer mutex.Unlock()
		swept = time.Now().Add(-ago)
	}

	lookedBefore(time.Second)
	used := named("used")
	if !isThere() {
		t.Error("each that is named looks through all others")
	}
	lookedBefore(sweepInterval + time.Second)
	named("another")
	if isThere() {
		t.Error("what nobody looks at is kept")
	}
	mutex.Lock()
	defer mutex.Unlock()
	if all["sweep "+used.path] != used {
		t.Error("what is in use is forgotten")
	}
}
