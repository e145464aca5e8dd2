package option

import (
	"strconv"
	"strings"
)

// Report collects every problem of one middleware's configuration, so that an
// operator reads all of them at once.
type Report struct {
	problems []string
	remarks  []string
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

func added(texts []string, name, text string) []string {
	if name != "" {
		text = name + ": " + text
	}
	for _, known := range texts {
		if known == text {
			return texts
		}
	}
	return append(texts, text)
}

// Problems returns what was noted, in the order in which it was found.
func (r *Report) Problems() []string {
	return r.problems
}

// String is all problems on one line, numbered when there are several.
func (r *Report) String() string {
	if len(r.problems) == 1 {
		return r.problems[0]
	}
	lines := make([]string, 0, len(r.problems))
	for i, problem := range r.problems {
		lines = append(lines, "("+strconv.Itoa(i+1)+") "+problem)
	}
	return strconv.Itoa(len(lines)) + " problems: " + strings.Join(lines, "; ")
}

// Remarks is all remarks on one line; empty: there are none.
func (r *Report) Remarks() string {
	return strings.Join(r.remarks, "; ")
}
