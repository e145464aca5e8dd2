package terminal

import (
	"sync"

	"github.com/getportal/ptlauth/internal/option"
)

// What each middleware listed last, id → user, by the middleware's name: Traefik makes
// every middleware anew at each change of its configuration.
var (
	mutex  sync.Mutex
	listed = map[string]map[string]string{}
)

// Compare compares a list with what the middleware of that name listed before. A device
// whose user is gone is nobody's: where a KV store's keys are deleted one by one, what is
// left of its entry would make it a user of its own. After a restart of Traefik nothing
// is known of before.
func Compare(name string, l *List, report *option.Report) {
	mutex.Lock()
	defer mutex.Unlock()
	before := listed[name]
	delete(listed, name)
	if l == nil || l.fixed == nil {
		return
	}
	if l == anyone {
		if before != nil {
			report.Remark("terminals", "is `any` now, after a list: every good token is admitted, a device's too that was taken out")
		}
		return
	}
	users := map[string]string{}
	for id, place := range l.fixed.places {
		users[id] = userNow(l.fixed, id, place, before[id], report)
	}
	listed[name] = users
}

// userNow returns whose the device is, or whose it was last. A function of its own
// because in a loop Yaegi keeps what a failed look-up found before.
func userNow(r *Registry, id, place, before string, report *option.Report) string {
	t := r.byID[id]
	if t != nil && (t.User != "" || before == "") {
		return t.User
	}
	if t != nil {
		delete(r.byID, id)
		report.Remark(place, "its `user` is gone, so the device is nobody's: take out the rest of the entry, or write whose it is (its own id, if it shall be a user of its own)")
	}
	return before
}
