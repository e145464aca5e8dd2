package registry

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/getportal/ptlauth/cmd/store"
)

// Registry is a list of terminals, wherever it is.
type Registry interface {
	Read() (*List, error)
	// Change has the list changed, and may do so on another copy of it again, where somebody else was faster.
	Change(ctx context.Context, change func(*List) error) error
}

// Stored is the map terminals/paired of a middleware that Traefik's provider for a store reads. Of a terminal it has the
// members below, and no more: any other one would be a mistake in the middleware's configuration.
type Stored struct {
	Store store.Store
	// Middlewares is below which key the middlewares are, as traefik/http/middlewares/.
	Middlewares string
	// Name and Plugin are what the middleware and the plugin are called, as the keys spell it.
	Name, Plugin string
}

// ErrNowhere is that a store can be read, and has no such middleware, nor a device of it.
var ErrNowhere = errors.New("there is no middleware")

// entry is what is stored of a terminal.
type entry struct {
	folder string            // its key, with a slash at its end
	values map[string]string // by the whole key
	keys   map[string]string // the key of a member, by its name in small letters
}

var digits = regexp.MustCompile(`^[0-9]+$`)

// Read returns the list as Traefik sees it. Nothing of it is to be relied on where the middleware could not read it.
func (s *Stored) Read() (*List, error) {
	l, _, _, err := s.read(context.Background())
	return l, err
}

// IsEmpty reports whether a list can be read and admits nobody.
func IsEmpty(r Registry) bool {
	l, err := r.Read()
	return err == nil && !slices.ContainsFunc(l.Terminals, func(t *Terminal) bool { return !t.isNobodys })
}

// read returns the list, what is stored of each by the key's name, and the folders of those who were emptied.
func (s *Stored) read(ctx context.Context) (*List, map[string]*entry, []string, error) {
	pairs, err := s.Store.List(ctx, s.Middlewares)
	if err != nil {
		return nil, nil, nil, err
	}
	entries := map[string]*entry{} // by the key's name of the terminal
	isThere := false
	for _, key := range slices.Sorted(maps.Keys(pairs)) {
		parts := parts(key, s.Middlewares)
		if len(parts) < 4 || !strings.EqualFold(parts[0], s.Name) || !strings.EqualFold(parts[1], "plugin") || !strings.EqualFold(parts[2], s.Plugin) {
			continue
		}
		isThere = true
		if !strings.EqualFold(parts[3], "terminals") {
			continue
		}
		if err := s.note(entries, key, parts, pairs[key]); err != nil {
			return nil, nil, nil, err
		}
	}
	if !isThere {
		return nil, nil, nil, fmt.Errorf("%w %s with options of %s below %s: put its other options there first", ErrNowhere, s.Name, s.Plugin, strings.TrimSuffix(s.Middlewares, "/"))
	}
	if err := told(entries); err != nil {
		return nil, nil, nil, err
	}
	l := &List{}
	var emptied []string
	_, isEmptying := s.Store.(store.Sweeper)
	for _, name := range slices.Sorted(maps.Keys(entries)) {
		if folder := entries[name].emptied(); isEmptying && folder != "" {
			emptied = append(emptied, folder)
			if folder == entries[name].folder {
				delete(entries, name)
				continue
			}
		}
		l.Terminals = append(l.Terminals, entries[name].terminal(name))
	}
	return l, entries, emptied, nil
}

// parts are a key's, below a prefix, as Traefik splits it: what is empty between slashes is nothing.
func parts(key, prefix string) []string {
	return strings.FieldsFunc(strings.TrimPrefix(key, prefix), func(r rune) bool { return r == '/' })
}

// note notes a key of the option terminals.
func (s *Stored) note(entries map[string]*entry, key string, parts []string, value string) error {
	below := parts[4:]
	isPaired := len(below) > 0 && strings.EqualFold(below[0], "paired")
	switch {
	case !isPaired && strings.TrimSpace(value) != "":
		return fmt.Errorf("the middleware %s does not read its devices from terminals/paired, because %s says otherwise: take that out, or keep the list where it is", s.Name, key)
	case !isPaired:
		return nil
	case len(below) == 1 && strings.TrimSpace(value) != "":
		return fmt.Errorf("%s has a value of its own, where devices should be below it: take it out", key)
	case len(below) == 1:
		return nil
	}
	name := below[1]
	if entries[name] == nil {
		entries[name] = &entry{folder: s.Middlewares + strings.Join(parts[:6], "/") + "/", values: map[string]string{}, keys: map[string]string{}}
	}
	e := entries[name]
	e.values[key] = value
	if len(below) > 2 {
		e.keys[strings.ToLower(strings.Join(below[2:], "/"))] = key
	}
	return nil
}

// told says what Traefik would merge or take for something else.
func told(entries map[string]*entry) error {
	seen := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(entries)) {
		lower := strings.ToLower(name)
		if digits.MatchString(name) {
			return fmt.Errorf("%s is of digits alone, which Traefik takes for an index, so that nobody can enter: take it out there (ptl keeps a map, with a letter in each id, and no list)", entries[name].folder)
		}
		if other := seen[lower]; other != "" {
			return fmt.Errorf("%s and %s differ in case alone, and Traefik merges them: take one out there, with all its keys", entries[other].folder, entries[name].folder)
		}
		seen[lower] = name
	}
	return nil
}

func (e *entry) value(member string) string { return strings.TrimSpace(e.values[e.keys[member]]) }

// emptied is the folder in which nothing has a value any more: the entry's own, or that of its codes; empty: neither.
func (e *entry) emptied() string {
	isEmpty := func(prefix string) bool {
		keys := 0
		for key, value := range e.values {
			if !strings.HasPrefix(key, prefix) && key != strings.TrimSuffix(prefix, "/") {
				continue
			}
			if keys++; strings.TrimSpace(value) != "" {
				return false
			}
		}
		return keys > 0
	}
	codes := e.keys["pairing/ends"]
	switch {
	case isEmpty(e.folder):
		return e.folder
	case codes != "" && isEmpty(codes[:len(codes)-len("ends")]):
		return codes[:len(codes)-len("ends")]
	}
	return ""
}

func (e *entry) terminal(name string) *Terminal {
	t := &Terminal{}
	t.set("id", cmp.Or(e.value("id"), name))
	if e.value("name") != "" {
		t.SetName(e.value("name"))
	}
	if e.value("user") != "" {
		t.SetUser(e.value("user"))
	}
	if p := e.pairing(); p != nil {
		t.set("pairing", p)
	}
	if since, err := strconv.ParseInt(e.value("since"), 10, 64); err == nil {
		t.set("since", since)
	}
	if until, err := strconv.ParseInt(e.value("until"), 10, 64); err == nil {
		t.set("until", until)
	}
	t.stored, t.asStored = name, t.texts()
	_, hasUser := e.keys["user"]
	_, hasID := e.keys["id"]
	t.isNobodys = hasUser && t.User() == "" || !hasID && t.Name() == "" && t.User() == ""
	return t
}

// pairing is what the codes of an entry are recognised by; nil: it has none that the middleware would take.
func (e *entry) pairing() *Pairing {
	ends, err := strconv.ParseInt(e.value("pairing/ends"), 10, 64)
	p := &Pairing{Ends: ends, Link: e.value("pairing/link"), Code: e.value("pairing/code"), Watch: e.value("pairing/watch")}
	if err != nil || p.Link == "" || p.Code == "" || p.Watch == "" {
		return nil
	}
	return p
}

// order is that of a terminal's members in a change, so that it does no harm where a store makes one after the other: of a
// new terminal the codes and the user are there before the name, and one that goes has a user to the last.
var order = []string{"pairing/ends", "pairing/link", "pairing/code", "pairing/watch", "since", "until", "name", "user"}

// texts are the members of a terminal as a store has them.
func (t *Terminal) texts() map[string]string {
	texts := map[string]string{}
	if t.Name() != "" {
		texts["name"] = t.Name()
	}
	if t.User() != "" {
		texts["user"] = t.User()
	}
	if t.Since() != 0 {
		texts["since"] = strconv.FormatInt(t.Since(), 10)
	}
	if t.Until() != 0 {
		texts["until"] = strconv.FormatInt(t.Until(), 10)
	}
	if p := t.Pairing(); p != nil {
		texts["pairing/ends"] = strconv.FormatInt(p.Ends, 10)
		texts["pairing/link"], texts["pairing/code"], texts["pairing/watch"] = p.Link, p.Code, p.Watch
	}
	return texts
}

// Change changes what the function changes, and of that all at once. Nothing is locked: where somebody was faster with the
// same terminal, the list is read again, and the function does its work anew.
func (s *Stored) Change(ctx context.Context, change func(*List) error) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		l, entries, emptied, err := s.read(ctx)
		if err != nil {
			return err
		}
		if err := change(l); err != nil {
			return err
		}
		changes, err := s.changes(l, entries)
		if err != nil || len(changes) == 0 {
			return err
		}
		if sweeper, isEmptying := s.Store.(store.Sweeper); isEmptying && len(emptied) > 0 {
			sweeper.Sweep(ctx, emptied)
		}
		isDone, err := s.Store.Commit(ctx, changes)
		if err != nil {
			return fmt.Errorf("%w; whether it was done all the same, `ptl terminals` says", err)
		}
		if isDone {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.New("others keep changing the same terminal, and nothing was done: try again")
		case <-time.After(time.Duration(rand.IntN(50)) * time.Millisecond): //nolint:gosec // is no secret
		}
	}
}

// changes are what makes the entries the list.
func (s *Stored) changes(l *List, entries map[string]*entry) ([]store.Change, error) {
	var changes []store.Change
	left := maps.Clone(entries)
	for _, t := range l.Terminals {
		e := entries[t.stored]
		delete(left, t.stored)
		if e == nil {
			added, err := s.added(t, entries)
			if err != nil {
				return nil, err
			}
			changes = append(changes, added...)
			continue
		}
		texts := t.texts()
		if maps.Equal(texts, t.asStored) {
			continue
		}
		if err := plain(t.Name(), t.User()); err != nil {
			return nil, err
		}
		changes = append(changes, e.become(t.asStored, texts)...)
	}
	for _, name := range slices.Sorted(maps.Keys(left)) {
		changes = append(changes, left[name].removed()...)
	}
	return changes, nil
}

// added are a new terminal's keys, which nobody may have made meanwhile.
func (s *Stored) added(t *Terminal, entries map[string]*entry) ([]store.Change, error) {
	id := t.ID()
	for name := range entries {
		if strings.EqualFold(name, id) || strings.EqualFold(entries[name].value("id"), id) {
			return nil, fmt.Errorf("%s and %s differ in case alone, and Traefik would merge them: nothing is changed", id, name)
		}
	}
	if digits.MatchString(id) || strings.Contains(id, "/") {
		return nil, fmt.Errorf("%s can be no id in a store, where Traefik takes digits for an index and a slash for a level: nothing is changed", id)
	}
	if err := plain(t.Name(), t.User()); err != nil {
		return nil, err
	}
	if t.Name() == "" && t.User() == "" {
		return nil, errors.New("a device in a store needs a name or a user: without either it is nobody's")
	}
	e := &entry{folder: s.Middlewares + s.Name + "/plugin/" + s.Plugin + "/terminals/paired/" + id + "/"}
	return e.become(nil, t.texts()), nil
}

// plain refuses what Traefik would read as something else. It takes a text that begins with a comma for a list with a
// type, and drops the whole configuration where that is none (paerser's fillRawTypedSlice).
func plain(texts ...string) error {
	for _, text := range texts {
		if strings.HasPrefix(text, ",") {
			return errors.New("a name or user in a store cannot begin with a comma: Traefik would drop everything that it reads there. Nothing is changed")
		}
	}
	return nil
}

// become makes the members of an entry others. Its keys must be as they were, and it may have got no member meanwhile, so
// that nobody's change is lost. What is of no member stays.
func (e *entry) become(was, wanted map[string]string) []store.Change {
	var changes []store.Change
	for _, member := range order {
		key, isThere := e.keys[member]
		c := store.Change{Key: cmp.Or(key, e.folder+member)}
		if isThere {
			value := e.values[key]
			c.Was, c.Is = &value, &value
		}
		if text := wanted[member]; text != was[member] {
			c.Is = nil
			if text != "" {
				c.Is = &text
			}
		}
		changes = append(changes, c)
	}
	return e.own(append(changes, e.rest(false)...))
}

// removed takes out all keys of an entry. It may have got no member meanwhile, so that no part of it stays.
func (e *entry) removed() []store.Change {
	changes := e.rest(true)
	for _, member := range order {
		key, isThere := e.keys[member]
		c := store.Change{Key: cmp.Or(key, e.folder+member)}
		if isThere {
			value := e.values[key]
			c.Was = &value
		}
		changes = append(changes, c)
	}
	return e.own(changes)
}

// own says of changes that they are an entry's.
func (e *entry) own(changes []store.Change) []store.Change {
	for i := range changes {
		changes[i].Of = e.folder
	}
	return changes
}

// rest are the keys of an entry that are no member's: they stay, or go.
func (e *entry) rest(goes bool) []store.Change {
	var changes []store.Change
	for _, key := range slices.Sorted(maps.Keys(e.values)) {
		if slices.ContainsFunc(order, func(member string) bool { return e.keys[member] == key }) {
			continue
		}
		value := e.values[key]
		c := store.Change{Key: key, Was: &value, Is: &value}
		if goes {
			c.Is = nil
		}
		changes = append(changes, c)
	}
	return changes
}
