package store

import (
	"fmt"
	"strings"
	"testing"
)

// TestParts: what a transaction cannot hold is divided between things, and never within one.
func TestParts(t *testing.T) {
	for _, test := range []struct{ of, want string }{
		{"a a b", "aab"},
		{"a a b b", "aa bb"},
		{"a b c d", "abc d"},
		{"a a a a b", "aaaa b"},
		{"a b b b", "a bbb"},
	} {
		var changes []Change
		for of := range strings.FieldsSeq(test.of) {
			changes = append(changes, Change{Of: of})
		}
		var got []string
		for _, part := range parts(changes, 3) {
			text := ""
			for _, c := range part {
				text += c.Of
			}
			got = append(got, text)
		}
		if strings.Join(got, " ") != test.want {
			t.Errorf("%s becomes %q, want %s", test.of, got, test.want)
		}
	}
	for i, test := range []struct {
		answers []bool
		done    bool
		said    string
	}{
		{[]bool{true, true}, true, ""},
		{[]bool{false}, false, ""},
		{[]bool{true, false}, false, "a part was done"},
	} {
		next := 0
		done, err := inParts([]Change{{Of: "a"}, {Of: "b"}}, 1, func([]Change) (bool, error) { next++; return test.answers[next-1], nil })
		if done != test.done || (err != nil) != (test.said != "") || !strings.Contains(fmt.Sprint(err), test.said) {
			t.Errorf("%d: %t, %v", i, done, err)
		}
	}
	if got := common([]Change{{Key: "a/b/c/d"}, {Key: "a/b/cc/e"}}); got != "a/b/" {
		t.Errorf("the common folder is %s", got)
	}
}
