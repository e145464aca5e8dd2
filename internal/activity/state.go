package activity

import (
	"time"

	"github.com/getportal/ptlauth/internal/journal"
)

// calm is how long a receiver must have been well before a further line says that it is not.
const calm = time.Minute

// troubles are the receivers that did not answer as they should, by their addresses, which the
// operator has named: since when each answers again; zero: it does not.
var troubles = map[string]time.Time{}

// note writes a line where a receiver ceases to answer. One that comes and goes under load
// makes no further lines.
func note(address, problem string, now time.Time) {
	if isNews(address, problem != "", now) {
		journal.Error("activity.url " + problem + "; apps may be stopped while they are in use")
	}
}

func isNews(address string, isBad bool, now time.Time) bool {
	mutex.Lock()
	defer mutex.Unlock()
	well, isKnown := troubles[address]
	isCalm := !isKnown || !well.IsZero() && now.Sub(well) >= calm
	switch {
	case isBad:
		troubles[address] = time.Time{}
	case isCalm:
		delete(troubles, address)
	case well.IsZero():
		troubles[address] = now
	}
	return isBad && isCalm
}
