package terminal

import (
	"encoding/json"
	"regexp"
	"strings"

	"github.com/getportal/ptlauth/internal/header"
	"github.com/getportal/ptlauth/internal/option"
)

// incomplete is why nobody can enter though there are entries. The first cause is
// Traefik's: it takes any key of digits for an index (paerser's kv.DecodeToNode).
const incomplete = "lists no device that is complete, so nobody can enter: each entry of a list needs its `id`, each of a map its `name` or `user`" +
	" (in a KV store an id of digits alone, as in paired/123456/user, makes a list of all of them, without ids: write paired/NAME/id then)"

// readPaired reads the devices that stand in the configuration itself, in a list or in a
// map by their ids. It returns nil where there is no entry.
func readPaired(s *option.Section) *Registry {
	before := s.Problems()
	value := s.Value("paired")
	texts, _ := option.Texts(value)
	if holdsAny(texts) {
		s.Problem("paired", alone)
		return nil
	}
	entries := s.Entries("paired")
	if len(entries) == 0 {
		return nil
	}
	r := &Registry{byID: map[string]*Terminal{}, places: map[string]string{}}
	names := map[string]string{}
	for _, entry := range entries {
		checkKey(entry, names)
		add(r, entry)
	}
	if len(r.byID) == 0 && s.Problems() == before {
		s.Problem("paired", incomplete)
	}
	return r
}

// checkKey reports keys that labels and KV stores would not keep apart: Traefik merges
// the entries of names that differ in case alone. names are those that came before, by
// lower case.
func checkKey(s *option.Section, names map[string]string) {
	if s.Key == "" {
		return
	}
	lower := strings.ToLower(s.Key)
	if names[lower] != "" {
		s.Problem("", "differs from `"+names[lower]+"` in case alone, which labels and KV stores do not keep apart: write both in a list, or under other names with their `id`")
	}
	names[lower] = s.Key
}

// add adds an entry that is complete. One that lacks what says whose it is may be being
// typed or deleted key by key in a KV store: it is nobody's, and the others stay.
func add(r *Registry, s *option.Section) {
	before := s.Problems()
	t := &Terminal{
		ID:   readID(s),
		Name: strings.TrimSpace(s.Text("name", "")),
		User: strings.TrimSpace(s.Text("user", "")),
	}
	t.Paired = json.RawMessage(s.Text("since", ""))
	codes := s.Value("pairing")
	s.Value("until") // ptl notes it for itself
	s.Unknown()
	report(s, "name", t.Name)
	report(s, "user", t.User)
	if r.places[t.ID] != "" {
		s.Problem("id", "is listed twice: keep one of the two")
	}
	if s.Problems() > before {
		return
	}
	if t.ID != "" {
		r.places[t.ID] = s.Path
	}
	switch {
	case t.ID == "":
		// guard: an entry that is not complete locks nobody else out
		s.Remark("", "has no `id`, so it is nobody's: write it, or take the entry out")
	case s.Key != "" && !s.Has("id") && t.Name == "" && t.User == "": // guard: what is left of an entry is nobody's
		s.Remark("", "has neither `name` nor `user`, so it is nobody's: write one of them, or take it out")
	case s.Has("user") && t.User == "": // guard: a device whose user is emptied is no user of its own
		s.Remark("user", "is empty, so the device is nobody's: write whose it is; without the option it would be a user of its own")
	default:
		r.byID[t.ID] = t
		if codes != nil {
			readCodes(r, t, s, codes)
		}
	}
}

// readCodes reads what stands in a device's `pairing`, which most do not have.
func readCodes(r *Registry, t *Terminal, s *option.Section, codes interface{}) {
	members, _ := option.Map(codes)
	if !addCodes(r, t, members) && !option.IsEmpty(codes) {
		s.Remark("pairing", "is not complete, so no code is good for the device: take it out, and have `ptl pair` write it again")
	}
}

var (
	// What Traefik's file provider makes of a YAML key that is no text, of a fraction, and
	// of what YAML takes for an infinite number, such as 12e345.
	notText = regexp.MustCompile(`^(<.* Value>|[+-]?([0-9]+\.[0-9]{6}|Inf)|NaN)$`)
	digits  = regexp.MustCompile(`^[+-]?[0-9]+$`)
)

// usualDigits is how long Portal's ids are. Of what YAML takes for a number (007, 0x10a2,
// 1e5), hardly anything that is as long is delivered as so many digits.
const usualDigits = 6

// readID reads an entry's id: its member `id`, else its key in the map.
func readID(s *option.Section) string {
	name := ""
	id := s.Key
	value := s.Value("id")
	if s.Has("id") {
		name = "id"
		id = strings.TrimSpace(s.Text("id", ""))
	}
	_, isText := value.(string)
	_, isScalar := option.Text(value)
	id = strings.TrimSpace(id)
	switch {
	case value != nil && !isScalar || id == "":
		return ""
	case value != nil && !isText:
		s.Problem("id", "is "+option.Kind(value)+": quote it, an id is text")
	case notText.MatchString(id):
		s.Problem(name, "is a number or a date in YAML: quote it, an id is text")
	case strings.HasPrefix(id, "["):
		s.Problem(name, "is an entry of a list beside those of a map: keep one form")
	case strings.EqualFold(id, "any"):
		s.Problem(name, alone)
	case digits.MatchString(id) && len(id) != usualDigits:
		s.Remark(name, "is of digits alone: quote it in YAML, where 007 is 7 and 1e5 is 100000")
	}
	return id
}

func report(s *option.Section, name, text string) {
	problem := header.ValueProblem(text)
	if problem != "" {
		s.Problem(name, problem+", which no header can carry")
	}
}
