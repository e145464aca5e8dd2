package terminal

import (
	"encoding/json"
)

// addCodes notes how the codes of a device are recognised: the member `pairing`, as in
// {"ends": 1764115200, "link": MAC, "code": MAC, "watch": MAC} (package pairing). One that is
// otherwise, such as another program's, says nothing.
func addCodes(r *Registry, t *Terminal) {
	content := t.Codes
	t.Codes = nil
	var members map[string]interface{}
	if json.Unmarshal(content, &members) != nil {
		return
	}
	ends, isNumber := members["ends"].(float64)
	watch, isText := members["watch"].(string)
	if !isNumber || !isText || watch == "" {
		return
	}
	t.Ends = int64(ends)
	t.Pairing = watch
	if r.codes == nil {
		r.codes = map[string]*Terminal{}
	}
	link, _ := members["link"].(string)
	code, _ := members["code"].(string)
	for _, mac := range []string{watch, link, code} {
		if mac != "" {
			r.codes[mac] = t
		}
	}
}

// Awaited returns the device for which there is a code with that MAC; nil: there is none.
// Whether it is still good, its Ends says.
func Awaited(r *Registry, mac string) *Terminal {
	return r.codes[mac]
}
