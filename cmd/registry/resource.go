package registry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/getportal/ptlauth/cmd/kubernetes"
)

// Resource is the option terminals.paired of a Middleware in a cluster, a map or a list.
type Resource struct {
	Middleware *kubernetes.Middleware
	Plugin     string // what the plugin is called there
}

// paired is what a Middleware has of terminals.
type paired struct {
	path      string // of the option `paired`, as a JSON pointer
	isThere   bool
	isList    bool
	terminals any    // the option that `paired` is in; nil: it is not there
	parent    string // its path
	entries   []*device
}

// device is an entry.
type device struct {
	path     string
	key      string // in a map
	object   map[string]any
	terminal *Terminal // as it was read
}

// gone is a cluster's word for ErrNowhere.
type gone struct{ error }

func (gone) Is(target error) bool { return target == ErrNowhere }

// Options are all of the middleware's, as Traefik hands them to the plugin.
func (r *Resource) Options(ctx context.Context) (map[string]any, error) {
	plugins, err := r.Middleware.Plugins(ctx)
	if err != nil {
		if errors.Is(err, kubernetes.ErrNowhere) {
			return nil, gone{err}
		}
		return nil, err
	}
	options, isMap := plugins[r.Plugin].(map[string]any)
	if !isMap {
		return nil, gone{fmt.Errorf("%s is no middleware of %s: it has no options below spec.plugin.%[2]s", r.Middleware, r.Plugin)}
	}
	return options, nil
}

// Read returns the list as Traefik sees it.
func (r *Resource) Read() (*List, error) {
	l, _, err := r.read(context.Background())
	return l, err
}

func (r *Resource) read(ctx context.Context) (*List, *paired, error) {
	options, err := r.Options(ctx)
	if err != nil {
		return nil, nil, err
	}
	p, err := r.find(options)
	if err != nil {
		return nil, nil, err
	}
	l := &List{}
	for _, d := range p.entries {
		d.terminal = d.read()
		l.Terminals = append(l.Terminals, d.read())
	}
	return l, p, nil
}

// find finds the entries among the options.
func (r *Resource) find(options map[string]any) (*paired, error) {
	p := &paired{parent: pointer("spec", "plugin", r.Plugin, spelled(options, "terminals"))}
	p.terminals = options[spelled(options, "terminals")]
	terminals, isMap := p.terminals.(map[string]any)
	if p.terminals != nil && !isMap {
		return nil, fmt.Errorf("%s does not read its devices from terminals.paired: `terminals` is %v there", r.Middleware, p.terminals)
	}
	name := spelled(terminals, "paired")
	for other, value := range terminals {
		if other != name && value != nil && (strings.EqualFold(other, "file") || strings.EqualFold(other, "url")) {
			return nil, fmt.Errorf("%s does not read its devices from terminals.paired, because terminals.%s says otherwise: take that out, or keep the list where it is", r.Middleware, other)
		}
	}
	p.path = p.parent + pointer(name)
	add := func(key, last string, entry any) error {
		object, isMap := entry.(map[string]any)
		if !isMap && entry != nil {
			return fmt.Errorf("%s is no device in %s: an entry is an object with `name` and `user`", last, r.Middleware)
		}
		p.entries = append(p.entries, &device{path: p.path + pointer(last), key: key, object: object})
		return nil
	}
	switch value := terminals[name].(type) {
	case nil:
	case map[string]any:
		p.isThere = true
		for _, key := range slices.Sorted(maps.Keys(value)) {
			if err := add(key, key, value[key]); err != nil {
				return nil, err
			}
		}
	case []any:
		p.isThere, p.isList = true, true
		for i, entry := range value {
			if err := add("", strconv.Itoa(i), entry); err != nil {
				return nil, err
			}
		}
	default:
		return nil, fmt.Errorf("terminals.paired is no map in %s, so that nobody can enter: make it one, by the ids", r.Middleware)
	}
	return p, nil
}

// spelled is how an option is written there; where it is not there, as it is here.
func spelled(options map[string]any, name string) string {
	for given := range options {
		if strings.EqualFold(given, name) {
			return given
		}
	}
	return name
}

var escaped = strings.NewReplacer("~", "~0", "/", "~1")

// pointer is a JSON pointer (RFC 6901).
func pointer(names ...string) string {
	var b strings.Builder
	for _, name := range names {
		b.WriteString("/" + escaped.Replace(name))
	}
	return b.String()
}

// members are those that a terminal has in a Middleware.
var members = []string{"name", "user", "since", "until", "pairing"}

// read is the terminal of an entry.
func (d *device) read() *Terminal {
	t := &Terminal{stored: d.path}
	_, hasID := d.object[spelled(d.object, "id")]
	id := d.key
	if hasID {
		id = strings.TrimSpace(fmt.Sprint(d.object[spelled(d.object, "id")]))
	}
	t.set("id", id)
	for _, member := range members {
		if value := d.object[spelled(d.object, member)]; value != nil {
			t.set(member, value)
		}
	}
	_, hasUser := d.object[spelled(d.object, "user")]
	t.isNobodys = id == "" || hasUser && t.User() == "" || !hasID && t.Name() == "" && t.User() == ""
	return t
}

// Change changes what the function changes, and of that all at once. Nothing is locked: where somebody was faster with the
// same terminal, the list is read again, and the function does its work anew.
func (r *Resource) Change(ctx context.Context, change func(*List) error) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var refused []kubernetes.Operation
	for {
		l, p, err := r.read(ctx)
		if err != nil {
			return err
		}
		if err := change(l); err != nil {
			return err
		}
		operations, err := p.operations(l)
		if err != nil || len(operations) == 0 {
			return err
		}
		err = r.Middleware.Patch(ctx, operations)
		switch {
		case err == nil:
			return nil
		case !errors.Is(err, kubernetes.ErrChanged):
			return fmt.Errorf("%w; whether it was done all the same, `ptl terminals` says", err)
		case reflect.DeepEqual(operations, refused):
			// Nothing that it tests is otherwise: it is something else in it that is refused.
			return fmt.Errorf("%w. Nothing is changed", err)
		}
		refused = operations
		select {
		case <-ctx.Done():
			return errors.New("others keep changing the same terminal, and nothing was done: try again")
		case <-time.After(time.Duration(rand.IntN(50)) * time.Millisecond): //nolint:gosec // is no secret
		}
	}
}

// operations are what makes the entries the list. What is changed or taken out must be as it was.
func (p *paired) operations(l *List) ([]kubernetes.Operation, error) {
	var tests, writes, removals []kubernetes.Operation
	left := map[string]*device{}
	for _, d := range p.entries {
		left[d.path] = d
	}
	var added []*Terminal
	for _, t := range l.Terminals {
		d := left[t.stored]
		delete(left, t.stored)
		switch {
		case d == nil:
			added = append(added, t)
		case !d.isSame(t):
			tests = append(tests, kubernetes.Operation{Op: "test", Path: d.path, Value: d.object})
			writes = append(writes, kubernetes.Operation{Op: "replace", Path: d.path, Value: d.become(t)})
		}
	}
	// From a list's end, so that no index is another's meanwhile.
	for _, d := range slices.Backward(p.entries) {
		if left[d.path] != nil {
			tests = append(tests, kubernetes.Operation{Op: "test", Path: d.path, Value: d.object})
			removals = append(removals, kubernetes.Operation{Op: "remove", Path: d.path})
		}
	}
	first, err := p.add(added)
	return slices.Concat(tests, writes, removals, first), err
}

// add adds new terminals, whose ids nobody may have taken meanwhile.
func (p *paired) add(added []*Terminal) ([]kubernetes.Operation, error) {
	entries := map[string]any{}
	var operations []kubernetes.Operation
	for _, t := range added {
		for _, d := range p.entries {
			if strings.EqualFold(d.key, t.ID()) || strings.EqualFold(d.terminal.ID(), t.ID()) {
				return nil, fmt.Errorf("%s and %s differ in case alone, or not at all: nothing is changed", t.ID(), d.terminal.ID())
			}
		}
		if t.Name() == "" && t.User() == "" {
			return nil, errors.New("a device in a Middleware needs a name or a user: without either it is nobody's")
		}
		entry := (&device{}).become(t)
		entries[t.ID()] = entry
		path := p.path + pointer(t.ID())
		if p.isList {
			entry["id"], path = t.ID(), p.path+"/-"
		} else {
			operations = append(operations, kubernetes.Operation{Op: "test", Path: path})
		}
		operations = append(operations, kubernetes.Operation{Op: "add", Path: path, Value: entry})
	}
	switch {
	case len(entries) == 0 || p.isThere:
		return operations, nil
	case p.terminals == nil:
		name := p.path[strings.LastIndex(p.path, "/")+1:]
		return []kubernetes.Operation{{Op: "test", Path: p.parent}, {Op: "add", Path: p.parent, Value: map[string]any{name: entries}}}, nil
	}
	return []kubernetes.Operation{{Op: "test", Path: p.path}, {Op: "add", Path: p.path, Value: entries}}, nil
}

// isSame reports whether nothing of a terminal is changed.
func (d *device) isSame(t *Terminal) bool {
	return !slices.ContainsFunc(members, func(member string) bool {
		return string(t.value(member)) != string(d.terminal.value(member))
	})
}

// become is the entry with the terminal's members. What else it has stays.
func (d *device) become(t *Terminal) map[string]any {
	object := maps.Clone(d.object)
	if object == nil {
		object = map[string]any{}
	}
	for _, member := range members {
		var was json.RawMessage
		if d.terminal != nil {
			was = d.terminal.value(member)
		}
		value := t.value(member)
		switch {
		case string(was) == string(value):
		case value == nil:
			delete(object, spelled(object, member))
		default:
			object[spelled(object, member)] = value
		}
	}
	return object
}
