package journal_test

import (
	"bytes"
	"log"
	"strings"
	"testing"

	"github.com/getportal/ptlauth/internal/journal"
)

func TestErrorIsOneLine(t *testing.T) {
	for _, test := range []struct{ name, text, want string }{
		{"as it is", "auth@file is misconfigured: ü", "ptlauth: auth@file is misconfigured: ü\n"},
		{"line breaks", "a\r\nb", "ptlauth: a  b\n"},
		{"a terminal's commands", "a\x1b[2Jb\x7f\x00", "ptlauth: a [2Jb  \n"},
		{"what is long", strings.Repeat("a", 1<<20), "ptlauth: " + strings.Repeat("a", 16<<10) + " …\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var lines bytes.Buffer
			before := log.Writer()
			log.SetOutput(&lines)
			defer log.SetOutput(before)
			journal.Error(test.text)
			if lines.String() != test.want {
				t.Errorf("got %.300q, want %.300q", lines.String(), test.want)
			}
		})
	}
}
