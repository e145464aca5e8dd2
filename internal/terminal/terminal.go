// Package terminal knows which of the owner's devices are paired.
package terminal

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/getportal/ptlauth/internal/header"
	"github.com/getportal/ptlauth/internal/option"
	"github.com/getportal/ptlauth/internal/source"
)

// Terminal is a paired device.
type Terminal struct {
	ID   string // a token's sub
	Name string // for people; not unique
	User string // whose device it is; empty: the terminal's id stands for the user
}

// Registry is the list of paired terminals at one time.
type Registry struct {
	byID map[string]*Terminal
}

// List is what is configured: terminals that do not change, or where to read them.
// A nil List means that whoever has a good token is a terminal.
type List struct {
	fixed  *Registry
	source *source.Source
}

// Read reads the section `terminals`.
func Read(top *option.Section) *List {
	text, isText := option.Text(top.Value("terminals"))
	if isText && strings.EqualFold(strings.TrimSpace(text), "any") {
		return nil
	}
	s := top.Section("terminals")
	if !top.Has("terminals") {
		return nil
	}
	var named []string
	for _, name := range []string{"paired", "file", "url"} {
		if s.Has(name) {
			named = append(named, name)
		}
	}
	paired := s.Sections("paired")
	path := strings.TrimSpace(s.Text("file", ""))
	address := strings.TrimSpace(s.Text("url", ""))
	s.Unknown()
	if len(named) > 1 {
		s.Problem("", "has several sources: keep one of "+strings.Join(named, ", "))
		return nil
	}
	if path != "" {
		return &List{source: source.File("terminals", path, parse)}
	}
	if address != "" {
		return readURL(s, address)
	}
	if len(named) == 1 && named[0] != "paired" {
		s.Problem(named[0], "is empty: say where the list of terminals is")
		return nil
	}
	if option.IsEmpty(s.Value("paired")) || !s.Has("paired") {
		s.Problem("paired", "lists no terminal, so nobody could enter: add one (`id`, `name`), or leave out `terminals` to admit every good token")
	}
	r := &Registry{byID: map[string]*Terminal{}}
	for _, entry := range paired {
		readTerminal(r, entry)
	}
	return &List{fixed: r}
}

func readURL(s *option.Section, address string) *List {
	if !option.IsAddress(address) {
		s.Problem("url", "is not an address: write http://HOST/PATH")
		return nil
	}
	return &List{source: source.URL("terminals", address, false, parse)}
}

func readTerminal(r *Registry, s *option.Section) {
	value := s.Value("id")
	t := &Terminal{
		ID:   strings.TrimSpace(s.Text("id", "")),
		Name: strings.TrimSpace(s.Text("name", "")),
		User: strings.TrimSpace(s.Text("user", "")),
	}
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
	report(s, "name", t.Name)
	report(s, "user", t.User)
	r.byID[t.ID] = t
}

func report(s *option.Section, name, text string) {
	problem := header.ValueProblem(text)
	if problem != "" {
		s.Problem(name, problem+", which no header can carry")
	}
}

// parse reads a JSON array of terminals, as Portal's own terminals endpoint returns it.
// Members other than id, name and user are not looked at. One entry that is not as it
// should be spoils the list: it may have been written by half.
func parse(content []byte) (interface{}, string) {
	if !utf8.Valid(content) {
		return nil, "is not UTF-8: it should be a JSON list of terminals"
	}
	var entries []map[string]interface{}
	err := json.Unmarshal(content, &entries)
	if err != nil || entries == nil {
		return nil, "is not a JSON list of terminals, such as [{\"id\": \"abc123\", \"name\": \"phone\"}]"
	}
	r := &Registry{byID: make(map[string]*Terminal, len(entries))}
	for i, entry := range entries {
		t := &Terminal{ID: text(entry, "id"), Name: text(entry, "name"), User: text(entry, "user")}
		if t.ID == "" {
			return nil, "has a terminal without an id, or with one that is not text: number " + strconv.Itoa(i+1)
		}
		r.byID[t.ID] = t
	}
	return r, ""
}

// text is a function of its own because in a loop a failed assertion would leave the
// value of the entry before under Yaegi.
func text(entry map[string]interface{}, name string) string {
	value, _ := entry[name].(string)
	return strings.TrimSpace(value)
}

// Look brings the list up to date. It returns nil when the list could never be read.
func Look(l *List, refresh time.Duration) *Registry {
	if l == nil {
		return everyone
	}
	if l.source == nil {
		return l.fixed
	}
	source.Look(l.source, refresh)
	r, _ := source.Value(l.source).(*Registry)
	return r
}

// everyone is the registry of whoever has a good token.
var everyone = &Registry{}

// Find returns the terminal that a token's sub names; nil when it is not paired.
func Find(r *Registry, subject string) *Terminal {
	if r.byID == nil {
		return &Terminal{ID: subject}
	}
	return r.byID[subject]
}
