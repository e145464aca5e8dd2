package command

import (
	"strings"
	"unicode"
)

// Shown is somebody else's text as a person may see it: what is no letter could be an order to the terminal, or turn a line
// around.
func Shown(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.In(r, unicode.Cc, unicode.Bidi_Control, unicode.Zl, unicode.Zp) {
			return unicode.ReplacementChar
		}
		return r
	}, text)
}
