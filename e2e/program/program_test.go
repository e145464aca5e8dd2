package program

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestNeed(t *testing.T) {
	if program := os.Getenv("NEEDED_PROGRAM"); program != "" {
		Need(t, program, "its-package")
		return
	}
	const sentence = "left out: TestNeed: no-such-program is not installed; apt-get install its-package\n"
	for name, test := range map[string]struct{ program, noSkip, outcome, said, listed string }{
		"a program that is there is used":                           {"sh", "", "--- PASS", "PASS", ""},
		"a missing one leaves the test out, and is put on the list": {"no-such-program", "", "--- SKIP", sentence, sentence},
		"a missing one fails where nothing may be left out":         {"no-such-program", "1", "--- FAIL", sentence, ""},
	} {
		t.Run(name, func(t *testing.T) {
			list := filepath.Join(t.TempDir(), "list")
			cmd := exec.Command(os.Args[0], "-test.run=^TestNeed$", "-test.v")
			cmd.Env = append(os.Environ(), "NEEDED_PROGRAM="+test.program, "PTLAUTH_NO_SKIP="+test.noSkip, "LEFT_OUT="+list)
			out, _ := cmd.CombinedOutput()
			if !strings.Contains(string(out), test.outcome) || !strings.Contains(string(out), test.said) {
				t.Errorf("want %q and %q, got\n%s", test.outcome, test.said, out)
			}
			if listed, _ := os.ReadFile(list); string(listed) != test.listed {
				t.Errorf("on the list is %q, want %q", listed, test.listed)
			}
		})
	}
}
