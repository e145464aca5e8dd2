// Package terminal knows which of the owner's devices are paired.
package terminal

import (
	"strings"

	"github.com/getportal/ptlauth/internal/header"
	"github.com/getportal/ptlauth/internal/option"
)

// Terminal is a paired device.
type Terminal struct {
	ID   string // a token's sub
	Name string // for people; not unique
	User string // whose device it is; empty: the terminal's id stands for the user
}

// Registry is the list of paired terminals.
type Registry struct {
	byID map[string]*Terminal
}

// Read reads the section `terminals`. Without one there is no registry (nil), and
// whoever has a good token is a terminal.
func Read(top *option.Section) *Registry {
	given := top.Has("terminals")
	s := top.Section("terminals")
	sections := s.Sections("paired")
	for _, name := range []string{"file", "url"} {
		value := s.Value(name)
		if value != nil {
			s.Problem(name, "is not supported yet: list the terminals under "+s.Name("paired"))
		}
	}
	s.Unknown()
	if !given {
		return nil
	}
	r := &Registry{byID: map[string]*Terminal{}}
	for _, entry := range sections {
		readTerminal(r, entry)
	}
	if len(sections) == 0 {
		s.Problem("paired", "lists no terminal, so nobody could enter: add one (`id`, `name`), or leave out `terminals` to admit every good token")
	}
	return r
}

func readTerminal(r *Registry, s *option.Section) {
	t := &Terminal{
		ID:   strings.TrimSpace(s.Text("id", "")),
		Name: strings.TrimSpace(s.Text("name", "")),
		User: strings.TrimSpace(s.Text("user", "")),
	}
	value := s.Value("id")
	s.Unknown()
	_, isText := value.(string)
	switch {
	case t.ID == "" && (value == nil || isText):
		s.Problem("id", "is missing: write the terminal's id, which is its tokens' sub")
	case !isText:
		s.Problem("id", "is "+option.Kind(value)+": quote it, an id is text")
	case r.byID[t.ID] != nil:
		s.Problem("id", "is listed twice: keep one of the two")
	}
	for _, name := range []string{"name", "user"} {
		text := s.Text(name, "")
		problem := header.ValueProblem(strings.TrimSpace(text))
		if problem != "" {
			s.Problem(name, problem+", which no header can carry")
		}
	}
	r.byID[t.ID] = t
}

// Find returns the terminal that a token's sub names; nil when it is not paired.
// Without a registry every one is.
func Find(r *Registry, subject string) *Terminal {
	if r == nil {
		return &Terminal{ID: subject}
	}
	return r.byID[subject]
}
