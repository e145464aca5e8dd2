package inspection

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

var signs = map[Result]string{Passed: "✓", Failed: "✗", Unasked: "-"}

// Write writes a verdict for people: each check on a line, and then what becomes of the visit.
func Write(w io.Writer, v *Verdict) error {
	var b strings.Builder
	for i, token := range v.Tokens {
		if len(v.Tokens) > 1 {
			fmt.Fprintf(&b, "Token %d of %d\n", i+1, len(v.Tokens))
		}
		writeToken(&b, token)
		b.WriteString("\n")
	}
	if v.Good {
		fmt.Fprintf(&b, "✓ Admitted, as %s\n", person(v.Terminal))
		until := "It does not end by itself."
		if v.Until > 0 {
			until = "It is good until " + time.Unix(v.Until, 0).UTC().Format("2006-01-02 15:04:05") + " UTC."
		}
		fmt.Fprintf(&b, "  %s\n", until)
	} else {
		fmt.Fprintf(&b, "✗ Refused, with %d: %s\n", v.Status, v.Reason)
	}
	names := make([]string, 0, len(v.Sent))
	for name := range v.Sent {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		fmt.Fprintf(&b, "  %s: %s\n", name, printable(v.Sent[name]))
	}
	for _, remark := range v.Remarks {
		fmt.Fprintf(&b, "  Note: %s.\n", remark)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func writeToken(b *strings.Builder, token Token) {
	if token.Header != "" {
		fmt.Fprintf(b, "Header  %s\n", printable(token.Header))
	}
	if token.Claims != "" {
		fmt.Fprintf(b, "Claims  %s\n", printable(token.Claims))
	}
	table := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	for _, check := range token.Checks {
		text := check.Text
		if check.Result == Unasked {
			text = "cannot be told"
		}
		fmt.Fprintf(table, "%s %s\t%s\n", signs[check.Result], printable(check.Name), printable(text))
	}
	_ = table.Flush()
}

func person(t *Terminal) string {
	text := printable(t.ID)
	if t.Name != "" {
		text += " (" + printable(t.Name) + ")"
	}
	if t.User != "" && t.User != t.ID {
		text += ", user " + printable(t.User)
	}
	return text
}

// printable is a text of a stranger's, without what would change a terminal's screen.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 {
			return '�'
		}
		return r
	}, text)
}
