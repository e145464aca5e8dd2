package terminal

import (
	"testing"

	"github.com/getportal/ptlauth/internal/option"
)

// TestBlankCodes: what ptl leaves of codes in ZooKeeper for a while is no mistake, and what is there by half is told.
func TestBlankCodes(t *testing.T) {
	for _, test := range []struct {
		name    string
		pairing interface{}
		codes   int
		remarks int
	}{
		{"codes", map[string]interface{}{"ends": "7", "link": "l", "code": "c", "watch": "w"}, 3, 0},
		{"blank ones", map[string]interface{}{"ends": " ", "link": " ", "code": " ", "watch": " "}, 0, 0},
		{"an empty text", "", 0, 0},
		{"codes by half", map[string]interface{}{"ends": "7", "link": "l"}, 0, 1},
		{"blank but for their end", map[string]interface{}{"ends": "7", "link": " ", "code": " ", "watch": " "}, 0, 1},
		{"a text", "x", 0, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			report := &option.Report{}
			l := Read(option.Open(report, "", map[string]interface{}{"terminals": map[string]interface{}{
				"paired": map[string]interface{}{"k7p2x9": map[string]interface{}{"name": "Tablet", "pairing": test.pairing}},
			}}))
			if len(report.Problems()) > 0 || l == nil || Find(l.fixed, "k7p2x9") == nil {
				t.Fatalf("the device is out: %s", report)
			}
			if len(l.fixed.codes) != test.codes || len(report.Remarks()) != test.remarks {
				t.Errorf("%d codes and %d remarks, want %d and %d", len(l.fixed.codes), len(report.Remarks()), test.codes, test.remarks)
			}
		})
	}
}
