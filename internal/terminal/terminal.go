// Package terminal knows which of the owner's devices are paired.
package terminal

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/getportal/ptlauth/internal/journal"
	"github.com/getportal/ptlauth/internal/option"
	"github.com/getportal/ptlauth/internal/source"
)

// Terminal is a paired device.
type Terminal struct {
	// encoding/json takes other spellings of a name for the name, unless a field before
	// has them. No text fits into these, so they are found out.
	NotID   [0]bool `json:"ID"`
	NotName [0]bool `json:"NAME"`
	NotUser [0]bool `json:"USER"` // guard: a list's members have one spelling

	ID   string `json:"id"`   // a token's sub
	Name string `json:"name"` // for people; not unique
	User string `json:"user"` // whose device it is; empty: the terminal's id stands for the user

	// Codes is the member `pairing`; nil: no code is good for this device. What it holds is
	// read by addCodes.
	Codes json.RawMessage `json:"pairing"`
	// Paired is the member `since`; Since reads it.
	Paired json.RawMessage `json:"since"`
	// Ends is until when its codes are good, in seconds since 1970.
	Ends int64 `json:"-"`
	// Pairing tells this pairing from others: what its watch code is recognised by; empty:
	// there is none.
	Pairing string `json:"-"`
}

// Registry is the list of paired terminals at one time. Without more, nobody is on it.
type Registry struct {
	byID   map[string]*Terminal
	open   bool                 // whoever has a good token is a terminal
	places map[string]string    // where in the configuration each stands, by id
	codes  map[string]*Terminal // who is waiting for one of its codes, by what that is recognised by
}

// List is what is configured: terminals that do not change, or where to read them. A nil
// List is one that cannot be read, and so is one that is to be read, until it is opened.
type List struct {
	fixed   *Registry
	path    string // empty: it is in no file
	address string // empty: no server has it
	source  *source.Source
	stale   time.Duration // how old an unreadable list may become; 0: as old as it likes
}

// anyone is the list of `terminals: any`.
var anyone = &List{fixed: &Registry{open: true}}

const (
	remedies = "list the devices (terminals.paired, terminals.file or terminals.url), or write `terminals: any` to admit every good token, a device's too that was taken out"
	alone    = "`any` stands alone: write `terminals: any` to admit every good token, or take the word out"
)

// Read reads the section `terminals`, and touches no file and no server: Open does. The
// section is required, because a list whose last entry is deleted through a KV store is
// absent.
func Read(top *option.Section) *List {
	value := top.Value("terminals")
	if isAny(value) { // guard: who may enter must be said
		return anyone
	}
	if value == nil || option.IsEmpty(value) {
		top.Problem("terminals", "does not say who may enter: "+remedies)
		return nil
	}
	_, isMap := option.Map(value)
	texts, _ := option.Texts(value)
	if !isMap && holdsAny(texts) { // guard: the word any stands alone
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
	l := &List{path: strings.TrimSpace(s.Text("file", "")), address: strings.TrimSpace(s.Text("url", "")), fixed: readPaired(s)}
	l.stale = readStale(s, l.path+l.address != "")
	s.Unknown()
	if len(named) > 1 {
		s.Problem("", "has several sources: keep one of "+strings.Join(named, ", "))
	}
	if s.Problems() > before {
		return nil
	}
	problem := ""
	switch {
	case l.path != "":
	case l.address != "":
		if !option.IsAddress(l.address) {
			problem = "is not an address: write http://HOST/PATH"
		}
	case len(named) == 1 && named[0] != "paired":
		problem = "is empty: say where the list of terminals is"
	case l.fixed == nil: // guard: a list without an entry admits nobody
		problem = "does not say who may enter: " + remedies
	}
	if problem != "" {
		s.Problem(strings.Join(named, ""), problem)
		return nil
	}
	return l
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

// MayHaveCodes reports whether whoever pairs can write the list: a file, or the configuration.
func MayHaveCodes(l *List) bool {
	return l.address == "" && l != anyone
}

// Open looks at the file, or begins to ask the server, that has the list.
func Open(l *List) {
	switch {
	case l == nil:
	case l.path != "":
		l.source = source.File(source.Lists, l.path, Parse)
	case l.address != "":
		l.source = source.URL(source.Lists, l.address, false, Parse)
	}
}

// readStale reads how old a list may become that cannot be read any more.
func readStale(s *option.Section, isRead bool) time.Duration {
	if !s.Has("stale") {
		return 0
	}
	before := s.Problems()
	stale := s.Duration("stale", 0)
	switch {
	case s.Problems() > before:
	case stale < time.Second:
		s.Problem("stale", "is less than a second: write for how long the last good list may stay in force, such as 1h, or leave it out for ever")
	case !isRead && s.Has("paired"):
		s.Problem("stale", "is for a list that is read: leave it out, or name the list in terminals.file or terminals.url")
	}
	return stale
}

// Source is where the list is read again and again; nil: nowhere.
func Source(l *List) *source.Source {
	if l == nil {
		return nil
	}
	return l.source
}

// Now returns the list as it is known; nil when it could never be read, or not for
// longer than it may be stale.
func Now(l *List, refresh time.Duration) *Registry {
	if l == nil {
		return nil
	}
	if l.source == nil {
		return l.fixed
	}
	r, _ := source.Value(l.source).(*Registry)
	if l.stale > 0 && r != nil && isStale(l, refresh) {
		return nil
	}
	return r
}

// isStale reports whether the list has been unreadable for too long. A list is looked at
// once in refresh, and its server has a second to answer.
func isStale(l *List, refresh time.Duration) bool {
	age := source.Age(l.source)
	subject := "stale " + l.source.Name + l.stale.String()
	if age <= l.stale || age <= refresh+time.Second { // guard: a list that cannot be read any more grows stale
		journal.ErrorOnChange(subject, "")
		return false
	}
	journal.ErrorOnChange(subject, l.source.Name+" could not be read for longer than terminals.stale ("+l.stale.String()+") allows; requests that need it get 503 until it can be read")
	return true
}

// Again looks out of turn for a terminal that may have been paired a moment ago. Of many
// that are not, few wait, and one makes a file be read or a server be asked.
func Again(l *List, refresh time.Duration, subject string) *Terminal {
	if l == nil || l.source == nil {
		return nil
	}
	source.WaitAgain(source.Look([]*source.Source{l.source}, refresh))
	r := Now(l, refresh)
	if r == nil {
		return nil
	}
	return Find(r, subject)
}

// Count is how many terminals are paired; -1: whoever has a good token is one.
func Count(r *Registry) int {
	if r.open {
		return -1
	}
	return len(r.byID)
}

// Since is when it was paired, in seconds since 1970; 0: the list does not say, or not so.
func Since(t *Terminal) int64 {
	var value interface{}
	if t.Paired == nil || json.Unmarshal(t.Paired, &value) != nil {
		return 0
	}
	seconds, ok := value.(float64)
	if !ok || seconds < 1 || seconds >= 1<<53 {
		return 0
	}
	return int64(seconds)
}

// Find returns the terminal that a token's sub names; nil when it is not paired.
func Find(r *Registry, subject string) *Terminal {
	if r.open { // guard: an unpaired terminal is refused
		return &Terminal{ID: subject}
	}
	return r.byID[subject]
}
