// Package portal is what an operator tells about the Portal that the apps belong to.
package portal

import (
	"strings"

	"github.com/getportal/ptlauth/internal/option"
)

// Portal is what the placeholders {portal.…} stand for; without more, they stand for nothing.
type Portal struct {
	ID     string
	Domain string
}

// Read reads the section `portal`.
func Read(top *option.Section) *Portal {
	s := top.Section("portal")
	if !top.Has("portal") {
		return &Portal{}
	}
	p := &Portal{
		ID:     strings.TrimSpace(s.Text("id", "")),
		Domain: strings.TrimSpace(s.Text("domain", "")),
	}
	s.Unknown()
	return p
}
