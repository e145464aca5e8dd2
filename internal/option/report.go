package option

import (
	"strconv"
	"strings"
)

// Problem is a mistake, or a remark: what a tool can find the option's line by, and what
// to do about it.
type Problem struct {
	Option string // its full name, such as keys[1].secretFile; empty: it is of none
	Text   string
}

// Report collects every problem of one middleware's configuration, so that an
// operator reads all of them at once.
type Report struct {
	problems []Problem
	remarks  []Problem
}

// Add notes a problem: the option's full name, then what is wrong and what to
// write instead. The text must not hold the value of an option that may be secret.
func (r *Report) Add(name, text string) {
	r.problems = added(r.problems, name, text)
}

// Remark notes what is no mistake, or not yet, and that an operator should know all the
// same: an entry of a KV store that is being typed key by key.
func (r *Report) Remark(name, text string) {
	r.remarks = added(r.remarks, name, text)
}

func added(problems []Problem, name, text string) []Problem {
	for _, known := range problems {
		if known.Option == name && known.Text == text {
			return problems
		}
	}
	return append(problems, Problem{Option: name, Text: text})
}

// Problems returns what was noted, in the order in which it was found.
func (r *Report) Problems() []Problem {
	return r.problems
}

// Remarks returns what was remarked, in the order in which it was found.
func (r *Report) Remarks() []Problem {
	return r.remarks
}

// unknown is how the text of an unknown option begins, which goes on with its name.
const unknown = "unknown option `"

// Line is a problem as it stands in the log.
func Line(p Problem) string {
	if p.Option == "" || strings.HasPrefix(p.Text, unknown) {
		return p.Text
	}
	return p.Option + ": " + p.Text
}

func lines(problems []Problem) []string {
	texts := make([]string, 0, len(problems))
	for _, p := range problems {
		texts = append(texts, Line(p))
	}
	return texts
}

// String is all problems on one line, numbered when there are several.
func (r *Report) String() string {
	texts := lines(r.problems)
	if len(texts) == 1 {
		return texts[0]
	}
	for i, text := range texts {
		texts[i] = "(" + strconv.Itoa(i+1) + ") " + text
	}
	return strconv.Itoa(len(texts)) + " problems: " + strings.Join(texts, "; ")
}

// RemarksText is all remarks on one line; empty: there are none.
func (r *Report) RemarksText() string {
	return strings.Join(lines(r.remarks), "; ")
}
