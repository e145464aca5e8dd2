package terminal

import "testing"

// FuzzParse: no list, however broken, admits a terminal without an id or one that it does not name.
func FuzzParse(f *testing.F) {
	for _, text := range []string{`[{"id":"abc123","name":"phone"}]`, `[]`, `null`, `[null]`, `[{"id":1}]`, `{"id":"a"}`, `[{"ID":"a"}]`, "[{\"id\":\"\xff\"}]", `[{"id":"a"},{"id":"a","user":"b"}]`} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		value, problem := parse(content)
		if problem != "" {
			if value != nil {
				t.Errorf("a value in spite of: %s", problem)
			}
			return
		}
		r := value.(*Registry)
		for id, terminal := range r.byID {
			if id == "" || terminal.ID != id || Find(r, id) != terminal {
				t.Errorf("%q is %+v", id, terminal)
			}
		}
		if Find(r, "") != nil || Find(r, "nobody at all") != nil && r.byID["nobody at all"] == nil {
			t.Error("somebody is paired who is not listed")
		}
	})
}
