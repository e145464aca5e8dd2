package activity

import (
	"time"

	"github.com/getportal/ptlauth/internal/journal"
)

// calm is how long a receiver must have been well before a further line says that it is not.
const calm = time.Minute

// trouble is a receiver that does not answer as it should.
type trouble struct {
	well time.Time // since when it answers again; zero: it does not
}

// troubles are by the receivers' addresses, which the operator has named.
var troubles = map[string]*trouble{}

// note writes a line where a receiver ceases to answer. One that comes and goes under load
// makes no further lines.
func note(address, problem string, now time.Time) {
	if isNews(address, problem != "", now) {
		journal.Error("activity.url " + problem + "; apps may be stopped while they are in use")
	}
}

func isNews(address string, bad bool, now time.Time) bool {
	mutex.Lock()
	defer mutex.Unlock()
	t := troubles[address]
	if t == nil {
		if bad {
			troubles[address] = &trouble{}
		}
		return bad
	}
	switch {
	case !bad && t.well.IsZero():
		t.well = now
	case !bad && now.Sub(t.well) >= calm:
		delete(troubles, address)
	case bad && !t.well.IsZero():
		isLong := now.Sub(t.well) >= calm
		t.well = time.Time{}
		return isLong
	}
	return false
}
