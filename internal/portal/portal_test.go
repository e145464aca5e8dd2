package portal_test

import (
	"strings"
	"testing"

	"github.com/getportal/ptlauth/internal/option"
	"github.com/getportal/ptlauth/internal/portal"
)

func TestRead(t *testing.T) {
	type dict = map[string]interface{}
	for _, test := range []struct {
		name    string
		options dict
		want    portal.Portal
		problem string
	}{
		{"absent", nil, portal.Portal{}, ""},
		{"empty text, as YAML delivers an empty map", dict{"portal": ""}, portal.Portal{}, ""},
		{"both", dict{"portal": dict{"id": "abcdefghij", "domain": "abcdef.example.com"}}, portal.Portal{ID: "abcdefghij", Domain: "abcdef.example.com"}, ""},
		{"white space around", dict{"portal": dict{"id": " abcdefghij\n"}}, portal.Portal{ID: "abcdefghij"}, ""},
		{"an id that is a number", dict{"portal": dict{"id": 123456.0}}, portal.Portal{ID: "123456"}, ""},
		{"an option that nobody knows", dict{"portal": dict{"domains": "x"}}, portal.Portal{}, "did you mean `domain`?"},
		{"text", dict{"portal": "abcdefghij"}, portal.Portal{}, "portal: is text where options of its own belong"},
	} {
		t.Run(test.name, func(t *testing.T) {
			report := &option.Report{}
			got := portal.Read(option.Open(report, "", test.options))
			if *got != test.want {
				t.Errorf("got %+v, want %+v", *got, test.want)
			}
			if (len(report.Problems()) == 0) != (test.problem == "") || !strings.Contains(report.String(), test.problem) {
				t.Errorf("the problem is %q, want %q", report, test.problem)
			}
		})
	}
}
