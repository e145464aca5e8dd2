// Package registry keeps the list of terminals in a file or a store, which Traefik reads at any moment and several people may
// change.
package registry

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/getportal/ptlauth/internal/source"
	"github.com/getportal/ptlauth/internal/terminal"
)

// List is the content of a list of terminals. What is not changed stays as it was written, to the letter.
type List struct {
	Terminals []*Terminal
}

// Terminal is an entry of a list: an object of JSON whose members keep their order, also those that mean nothing here.
type Terminal struct {
	raw     json.RawMessage // nil: it is changed
	tall    bool            // it was written in several lines
	members []member

	stored    string            // what its key in a store is called; empty: it is in none yet
	asStored  map[string]string // its members there
	isNobodys bool
}

type member struct {
	name  string
	value json.RawMessage
}

// Pairing is what a list says of a terminal whose codes are good: until when, in seconds since 1970, and what each is
// recognised by (package pairing).
type Pairing struct {
	Ends  int64  `json:"ends"`
	Link  string `json:"link"`
	Code  string `json:"code"`
	Watch string `json:"watch"`
}

// Parse reads a list as the middleware does, and refuses what that does.
func Parse(content []byte) (*List, error) {
	if _, problem := terminal.Parse(content); problem != "" {
		return nil, errors.New(problem)
	}
	var raws []json.RawMessage
	if err := json.Unmarshal(source.Text(content), &raws); err != nil {
		return nil, err
	}
	l := &List{}
	for _, raw := range raws {
		members, err := membersOf(raw)
		if err != nil {
			return nil, err
		}
		l.Terminals = append(l.Terminals, &Terminal{raw: raw, tall: bytes.ContainsRune(raw, '\n'), members: members})
	}
	return l, nil
}

func membersOf(raw json.RawMessage) ([]member, error) {
	decoder := json.NewDecoder(bytes.NewReader(raw))
	if _, err := decoder.Token(); err != nil {
		return nil, err
	}
	var members []member
	for decoder.More() {
		name, err := decoder.Token()
		if err != nil {
			return nil, err
		}
		m := member{name: fmt.Sprint(name)}
		if err := decoder.Decode(&m.value); err != nil {
			return nil, err
		}
		members = append(members, m)
	}
	return members, nil
}

// Format writes a list: a line for each terminal that was not written in several.
func Format(l *List) []byte {
	var b bytes.Buffer
	b.WriteString("[")
	for i, t := range l.Terminals {
		if i > 0 {
			b.WriteString(",")
		}
		b.WriteString("\n  ")
		b.Write(t.format())
	}
	if len(l.Terminals) > 0 {
		b.WriteString("\n")
	}
	b.WriteString("]\n")
	return b.Bytes()
}

func (t *Terminal) format() []byte {
	if t.raw != nil {
		return t.raw
	}
	var b bytes.Buffer
	b.WriteString("{")
	for i, m := range t.members {
		if i > 0 {
			b.WriteString(", ")
		}
		b.Write(encoded(m.name))
		b.WriteString(": ")
		b.Write(m.value)
	}
	b.WriteString("}")
	if !t.tall {
		return b.Bytes()
	}
	var tall bytes.Buffer
	if json.Indent(&tall, b.Bytes(), "  ", "  ") != nil {
		return b.Bytes()
	}
	return tall.Bytes()
}

func encoded(value any) []byte {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if encoder.Encode(value) != nil {
		return []byte("null")
	}
	return bytes.TrimSpace(b.Bytes())
}

// value is a member's; nil: there is none. Of several of a name the last counts, as for the middleware.
func (t *Terminal) value(name string) json.RawMessage {
	for i := len(t.members) - 1; i >= 0; i-- {
		if t.members[i].name == name {
			return t.members[i].value
		}
	}
	return nil
}

func (t *Terminal) text(name string) string {
	text := ""
	_ = json.Unmarshal(t.value(name), &text)
	return strings.TrimSpace(text)
}

// set replaces a member, or adds it; a nil value takes it out.
func (t *Terminal) set(name string, value any) {
	t.raw = nil
	kept := t.members[:0:0]
	done := value == nil
	for _, m := range t.members {
		switch {
		case m.name != name:
			kept = append(kept, m)
		case !done:
			kept = append(kept, member{name, encoded(value)})
			done = true
		}
	}
	if !done {
		kept = append(kept, member{name, encoded(value)})
	}
	t.members = kept
}

// ID is what a token's subject is.
func (t *Terminal) ID() string { return t.text("id") }

// Name is what people call it.
func (t *Terminal) Name() string { return t.text("name") }

// User is whose it is; empty: it is a user of its own.
func (t *Terminal) User() string { return t.text("user") }

// Since is when it was paired, in seconds since 1970; 0: the list does not say.
func (t *Terminal) Since() int64 {
	seconds := 0.0
	_ = json.Unmarshal(t.value("since"), &seconds)
	return int64(seconds)
}

// Until is when the last of its tokens ends, in seconds since 1970; 0: one has no end, or the list does not say.
func (t *Terminal) Until() int64 {
	seconds := 0.0
	_ = json.Unmarshal(t.value("until"), &seconds)
	return int64(seconds)
}

// IsNobodys reports whether it admits nobody, because a part of what a store should have of it is missing.
func (t *Terminal) IsNobodys() bool { return t.isNobodys }

// Pairing is what its codes are recognised by; nil: it has none.
func (t *Terminal) Pairing() *Pairing {
	p := &Pairing{}
	if t.value("pairing") == nil || json.Unmarshal(t.value("pairing"), p) != nil || p.Ends == 0 {
		return nil
	}
	return p
}

// SetName changes what people call it.
func (t *Terminal) SetName(name string) { t.set("name", name) }

// SetUser changes whose it is.
func (t *Terminal) SetUser(user string) { t.set("user", user) }

// Settle says that it is paired since then, and takes its codes out.
func (t *Terminal) Settle(since int64) {
	t.set("pairing", nil)
	t.set("since", since)
}

// SetUntil says when the last of its tokens ends, in seconds since 1970; 0: one has no end.
func (t *Terminal) SetUntil(ends int64) {
	if ends == 0 {
		t.set("until", nil)
		return
	}
	t.set("until", ends)
}

// DropCodes takes its codes out.
func (t *Terminal) DropCodes() { t.set("pairing", nil) }

// Find returns the terminal of that id; nil: there is none.
func (l *List) Find(id string) *Terminal {
	for _, t := range l.Terminals {
		if t.ID() == id {
			return t
		}
	}
	return nil
}

// Add appends a new terminal and returns it. Without a pairing it has no codes.
func (l *List) Add(id, name, user string, p *Pairing) *Terminal {
	t := &Terminal{}
	t.set("id", id)
	if name != "" {
		t.set("name", name)
	}
	if user != "" {
		t.set("user", user)
	}
	if p != nil {
		t.set("pairing", p)
	}
	l.Terminals = append(l.Terminals, t)
	return t
}

// Remove takes a terminal out, and reports whether it was there.
func (l *List) Remove(id string) bool {
	for i, t := range l.Terminals {
		if t.ID() == id {
			l.Terminals = append(l.Terminals[:i:i], l.Terminals[i+1:]...)
			return true
		}
	}
	return false
}
