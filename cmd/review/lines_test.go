package review

import (
	"regexp"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"github.com/getportal/ptlauth/internal/corpustest"
	"github.com/getportal/ptlauth/internal/option"
	"github.com/getportal/ptlauth/internal/policy"
)

// TestLines: each mistake of each configuration of the corpus is found on the line that has its option.
func TestLines(t *testing.T) {
	all, err := corpustest.Load("../../testdata", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	found, missing := 0, 0
	for _, c := range all.Cases {
		text, err := yaml.Marshal(c.Middleware)
		if err != nil {
			t.Fatal(err)
		}
		var root yaml.Node
		if err := yaml.Unmarshal(text, &root); err != nil {
			t.Fatal(err)
		}
		options, err := decodeResource(&root)
		if err != nil {
			continue
		}
		report := &option.Report{}
		policy.Read(options, report)
		lines := strings.Split(string(text), "\n")
		for _, p := range report.Problems() {
			line := lineBelow(root.Content[0], 0, p.Option)
			last := regexp.MustCompile(`^.*[.\]]`).ReplaceAllString(p.Option, "")
			switch {
			case line == 0:
				// It stands nowhere, or what is wrong is that it is missing.
				missing++
				if top, _, _ := strings.Cut(p.Option, "."); top != "" && at(root.Content[0], regexp.MustCompile(`\[.*`).ReplaceAllString(top, "")) != nil {
					t.Errorf("%s: %s is on no line of\n%s", c, p.Option, text)
				}
			case last != "" && strings.Contains(strings.ToLower(lines[line-1]), strings.ToLower(last)), strings.HasSuffix(p.Option, "]") && strings.Contains(lines[line-1], "- "):
				found++
			default:
				missing++
				if strings.Contains(strings.ToLower(string(text)), "\n"+strings.ToLower(last)+":") {
					t.Errorf("%s: %s is on the line %q of\n%s", c, p.Option, lines[line-1], text)
				}
			}
		}
	}
	t.Logf("%d options were found, and %d are not there", found, missing)
	if found < 150 {
		t.Errorf("only %d options were found", found)
	}
}
