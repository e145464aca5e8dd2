package pairing

import (
	"strings"
	"testing"

	"github.com/getportal/ptlauth/internal/key"
	"github.com/getportal/ptlauth/internal/option"
)

func TestFold(t *testing.T) {
	long := strings.Repeat("0123456789ABC", 2)
	for name, test := range map[string]struct{ typed, want string }{
		"a short code stays":                {"7K2P9XQRWT", "7K2P9XQRWT"},
		"in small letters, with a hyphen":   {"7k2p9-xqrwt", "7K2P9XQRWT"},
		"with blanks around and within":     {" 7k2p9 xqrwt\n", "7K2P9XQRWT"},
		"look-alikes are what they look as": {"OIL0OIL0OI", "0110011001"},
		"a link's code stays":               {long, long},
		"one character too few":             {"7K2P9XQRW", ""},
		"a character that no code has":      {"7K2P9XQRWU", ""},
		"nothing":                           {"", ""},
		"more than anybody types":           {strings.Repeat(" ", 200) + "7K2P9XQRWT", ""},
	} {
		t.Run(name, func(t *testing.T) {
			if got := Fold(test.typed); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

// TestMAC pins what is written into registries: another version must still know it.
func TestMAC(t *testing.T) {
	report := &option.Report{}
	entries := key.Read(option.Open(report, "", map[string]interface{}{
		"keys": []interface{}{map[string]interface{}{"secret": "0123456789abcdef0123456789abcdef"}},
	}))
	key.Open(entries, report)
	keys, _ := key.Ready(entries)
	if len(keys) != 1 {
		t.Fatal(report.String())
	}
	pairingKey := Key(keys[0])
	for kind, want := range map[Kind]string{
		Link:  "mfXOnWSl97E8upVusr2gg-FUReAXbJmcCk1ZN0F9WgY",
		Short: "iqNz8tWo_Up6iJf_z9uj7BoUZ1-JiBQrNPiCk-0s8ro",
		Watch: "z7JOZlJIrq9fLmfryDXN0lVNPpQjRdunMig_-umG6k8",
	} {
		if got := MAC(pairingKey, kind, "7K2P9XQRWT"); got != want {
			t.Errorf("%s: got %s, want %s", kind, got, want)
		}
	}
}
