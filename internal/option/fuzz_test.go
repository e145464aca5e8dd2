package option_test

import (
	"encoding/json"
	"reflect"
	"testing"

	"github.com/getportal/ptlauth/internal/option"
)

// FuzzSection: whatever an operator writes, reading it panics nowhere, and what is told of it is told again in the same
// words.
func FuzzSection(f *testing.F) {
	for _, text := range []string{
		`{"a":"x","A":7,"b":{"a":null},"c":[1,{"a":"30s"},[]]}`, `{"a":[true,"b,c"],"ab":{"":{}},"c":""}`, `{"a":1e300,"b":"x","c":{"a":[]}}`, `[]`, `"x"`, `null`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var value interface{}
		if json.Unmarshal(text, &value) != nil {
			t.Skip()
		}
		first, second := reading(value, readAll), reading(value, readAll)
		if !reflect.DeepEqual(first, second) {
			t.Errorf("%s is told as %q, and then as %q", text, first, second)
		}
	})
}

func readAll(s *option.Section) {
	s.Text("a", "")
	s.Bool("a", false)
	s.Duration("a", 0)
	s.Texts("a")
	s.Section("b").Texts("a")
	for _, inner := range append(s.Sections("c"), s.Entries("c")...) {
		inner.Duration("a", 0)
		inner.Unknown()
	}
	s.Unknown()
}
