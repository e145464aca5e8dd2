package option

import (
	"strings"
	"testing"
)

// TestProblemNamesItsOption: by a problem's option a tool finds the line, and the log's line reads as ever.
func TestProblemNamesItsOption(t *testing.T) {
	for _, test := range []struct {
		name, option, line string
		note               func(s *Section)
	}{
		{"of an option", "refresh", "refresh: is too short", func(s *Section) { s.Problem("refresh", "is too short") }},
		{"of an entry of a list", "keys[0]", "keys[0]: is empty: fill it or take it out", func(s *Section) { s.Sections("keys") }},
		{"of an option of a group", "token.forward", "token.forward: is neither true nor false: write true or false", func(s *Section) { s.Section("token").Bool("forward", false) }},
		{"of an unknown option", "Zebra", "unknown option `Zebra`: did you mean `zebras`?", func(s *Section) {
			s.Value("zebras")
			s.Value("keys")
			s.Value("token")
			s.Unknown()
		}},
		{"of none", "", "nothing may carry a token", func(s *Section) { s.Problem("", "nothing may carry a token") }},
	} {
		t.Run(test.name, func(t *testing.T) {
			report := &Report{}
			s := Open(report, "", map[string]interface{}{"keys": []interface{}{nil}, "token": map[string]interface{}{"forward": "maybe"}, "Zebra": 1})
			for range 2 { // the second time says nothing new
				test.note(s)
			}
			problems := report.Problems()
			if len(problems) != 1 || problems[0].Option != test.option || Line(problems[0]) != test.line || report.String() != test.line {
				t.Errorf("got %q, on one line %q; want %q of %q", problems, report, test.line, test.option)
			}
		})
	}
}

// TestReportNumbersProblems: several problems stand on one line, apart from remarks.
func TestReportNumbersProblems(t *testing.T) {
	report := &Report{}
	report.Add("keys", "is empty")
	report.Add("", "nothing may carry a token")
	report.Remark("terminals.paired[0]", "has no `id`")
	report.Remark("terminals.paired[1]", "has no `id`")
	if got, want := report.String(), "2 problems: (1) keys: is empty; (2) nothing may carry a token"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := report.RemarksText(), "terminals.paired[0]: has no `id`; terminals.paired[1]: has no `id`"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := report.Remarks(); len(got) != 2 || got[1].Option != "terminals.paired[1]" || strings.Contains(got[1].Text, "paired") {
		t.Errorf("the remarks are %q", got)
	}
}
