package inspection

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/getportal/ptlauth/cmd/command"
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
		fmt.Fprintf(&b, "  %s: %s\n", name, command.Shown(v.Sent[name]))
	}
	for _, remark := range v.Remarks {
		fmt.Fprintf(&b, "  Note: %s.\n", remark)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func writeToken(b *strings.Builder, token Token) {
	if token.Header != "" {
		fmt.Fprintf(b, "Header  %s\n", command.Shown(token.Header))
	}
	if token.Claims != "" {
		fmt.Fprintf(b, "Claims  %s\n", command.Shown(token.Claims))
	}
	table := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	for _, check := range token.Checks {
		text := check.Text
		if check.Result == Unasked {
			text = "cannot be told"
		}
		fmt.Fprintf(table, "%s %s\t%s\n", signs[check.Result], command.Shown(check.Name), command.Shown(text))
	}
	_ = table.Flush()
}

func person(t *Terminal) string {
	text := command.Shown(t.ID)
	if t.Name != "" {
		text += " (" + command.Shown(t.Name) + ")"
	}
	if t.User != "" && t.User != t.ID {
		text += ", user " + command.Shown(t.User)
	}
	return text
}
