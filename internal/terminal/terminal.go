// Package terminal knows which of the owner's devices are paired.
package terminal

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/getportal/ptlauth/internal/option"
	"github.com/getportal/ptlauth/internal/source"
)

// Terminal is a paired device.
type Terminal struct {
	ID   string // a token's sub
	Name string // for people; not unique
	User string // whose device it is; empty: the terminal's id stands for the user
}

// Registry is the list of paired terminals at one time. Without more, nobody is on it.
type Registry struct {
	byID   map[string]*Terminal
	open   bool              // whoever has a good token is a terminal
	places map[string]string // where in the configuration each stands, by id
}

// List is what is configured: terminals that do not change, or where to read them. A nil
// List is one that cannot be read.
type List struct {
	fixed  *Registry
	source *source.Source
}

// anyone is the list of `terminals: any`.
var anyone = &List{fixed: &Registry{open: true}}

const (
	remedies = "list the devices (terminals.paired, terminals.file or terminals.url), or write `terminals: any` to admit every good token, a device's too that was taken out"
	alone    = "`any` stands alone: write `terminals: any` to admit every good token, or take the word out"
)

// Read reads the section `terminals`. It is required, because a list whose last entry is
// deleted through a KV store is absent.
func Read(top *option.Section) *List {
	value := top.Value("terminals")
	if isAny(value) {
		return anyone
	}
	if value == nil || option.IsEmpty(value) {
		top.Problem("terminals", "does not say who may enter: "+remedies)
		return nil
	}
	_, isMap := option.Map(value)
	texts, _ := option.Texts(value)
	if !isMap && holdsAny(texts) {
		top.Problem("terminals", alone)
		return nil
	}
	if !isMap {
		top.Problem("terminals", "is "+option.Kind(value)+", which does not say who may enter: "+remedies)
		return nil
	}
	return readPlace(top.Section("terminals"))
}

// readPlace reads the list, or where it is.
func readPlace(s *option.Section) *List {
	before := s.Problems()
	if s.Has("any") {
		s.Value("any")
		s.Problem("any", alone)
	}
	var named []string
	for _, name := range []string{"paired", "file", "url"} {
		if s.Has(name) {
			named = append(named, name)
		}
	}
	path := strings.TrimSpace(s.Text("file", ""))
	address := strings.TrimSpace(s.Text("url", ""))
	paired := readPaired(s)
	s.Unknown()
	if len(named) > 1 {
		s.Problem("", "has several sources: keep one of "+strings.Join(named, ", "))
	}
	if s.Problems() > before {
		return nil
	}
	switch {
	case path != "":
		return &List{source: source.File("terminals", path, parse)}
	case address != "":
		return readURL(s, address)
	case len(named) == 1 && named[0] != "paired":
		s.Problem(named[0], "is empty: say where the list of terminals is")
		return nil
	case paired == nil:
		s.Problem(strings.Join(named, ""), "does not say who may enter: "+remedies)
		return nil
	}
	return &List{fixed: paired}
}

func isAny(value interface{}) bool {
	text, isText := option.Text(value)
	return isText && strings.EqualFold(strings.TrimSpace(text), "any")
}

func holdsAny(texts []string) bool {
	for _, text := range texts {
		if isAny(text) {
			return true
		}
	}
	return false
}

func readURL(s *option.Section, address string) *List {
	if !option.IsAddress(address) {
		s.Problem("url", "is not an address: write http://HOST/PATH")
		return nil
	}
	return &List{source: source.URL("terminals", address, false, parse)}
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
		return nil
	}
	if l.source == nil {
		return l.fixed
	}
	source.Look(l.source, refresh)
	r, _ := source.Value(l.source).(*Registry)
	return r
}

// Find returns the terminal that a token's sub names; nil when it is not paired.
func Find(r *Registry, subject string) *Terminal {
	if r.open {
		return &Terminal{ID: subject}
	}
	return r.byID[subject]
}
