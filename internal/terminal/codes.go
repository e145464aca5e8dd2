package terminal

import (
	"strconv"
	"strings"

	"github.com/getportal/ptlauth/internal/option"
)

// addCodes notes how the codes of a device are recognised: the members of `pairing`, as in
// {"ends": 1764115200, "link": MAC, "code": MAC, "watch": MAC} (package pairing), and reports
// whether that is what they are, or all are blank, as ptl leaves them in ZooKeeper for a while.
// If not, none is good: another program's, or one that is being written key by key.
func addCodes(r *Registry, t *Terminal, members map[string]interface{}) bool {
	ends, err := strconv.ParseInt(textOf(members, "ends"), 10, 64)
	watch := textOf(members, "watch")
	link := textOf(members, "link")
	code := textOf(members, "code")
	if err != nil || watch == "" || link == "" || code == "" { // guard: a pairing that is not complete lets nobody in
		return members != nil && textOf(members, "ends")+watch+link+code == ""
	}
	t.Ends = ends
	t.Pairing = watch
	if r.codes == nil {
		r.codes = map[string]*Terminal{}
	}
	r.codes[watch] = t
	r.codes[link] = t
	r.codes[code] = t
	return true
}

// textOf is a member as KV stores and labels deliver it, which is as text.
func textOf(members map[string]interface{}, name string) string {
	text, _ := option.Text(members[name])
	return strings.TrimSpace(text)
}

// Awaited returns the device for which there is a code with that MAC; nil: there is none.
// Whether it is still good, its Ends says.
func Awaited(r *Registry, mac string) *Terminal {
	t := r.codes[mac]
	if t == nil || r.byID[t.ID] != t { // Its user may be gone.
		return nil
	}
	return t
}
