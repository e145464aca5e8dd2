package key

import (
	"os"
	"strings"

	"github.com/getportal/ptlauth/internal/option"
	"github.com/getportal/ptlauth/internal/source"
)

// Entry is one configured key, or one configured set of keys. Until it is opened, it has no
// keys but those that stand in the configuration itself.
type Entry struct {
	kind   string // by which of the options below it is given
	option string // that option's full name; known of a variable alone
	from   string // the path, the address, or the name of the variable
	spec   spec
	fixed  []*Key
	source *source.Source
}

// origins are the options of which each entry has exactly one.
var origins = strings.Fields("secret secretFile secretEnv publicKey publicKeyFile jwksFile jwksURL")

// spec is what an entry says of its keys.
type spec struct {
	algorithm string // empty: by the key's kind
	id        string
	base64    bool
}

// Read reads `secretFile` and the list `keys`. It touches no file, no server and no
// environment variable: Open does.
func Read(top *option.Section) []*Entry {
	var entries []*Entry
	path := top.Text("secretFile", "")
	if top.Has("secretFile") {
		entries = place(entries, top, &Entry{kind: "secretFile"}, path)
	}
	sections := top.Sections("keys")
	for _, s := range sections {
		entries = readEntry(entries, s)
	}
	if top.Has("keys") && len(sections) == 0 {
		top.Problem("keys", "is empty: add a key, such as secretFile: /run/secrets/ptlauth")
	} else if !top.Has("keys") && !top.Has("secretFile") {
		top.Problem("secretFile", "is missing, and so is `keys`: write the path of the file that holds the tokens' secret")
	}
	return entries
}

// readEntry adds the entry of a section to the entries, unless it has a mistake.
func readEntry(entries []*Entry, s *option.Section) []*Entry {
	d := spec{
		algorithm: canonical(s.Text("algorithm", "")),
		id:        s.Text("id", ""),
		base64:    s.Bool("secretBase64", false),
	}
	var named []string
	for _, name := range origins {
		value := s.Value(name)
		if value != nil {
			named = append(named, name)
		}
	}
	s.Unknown()
	if len(named) == 0 {
		s.Problem("", "has no source: give it one of "+strings.Join(origins, ", "))
		return entries
	}
	if len(named) > 1 {
		s.Problem("", "has several sources: keep one of "+strings.Join(named, ", "))
		return entries
	}
	name := named[0]
	if !isKnown(d.algorithm, name) {
		s.Problem("algorithm", "is not one for a key from "+name+": write "+algorithmsFor(name))
		return entries
	}
	if d.base64 && !strings.HasPrefix(name, "secret") {
		s.Problem("secretBase64", "is for secrets: leave it out")
	}
	return place(entries, s, &Entry{kind: name, option: s.Name(name), spec: d}, s.Text(name, ""))
}

// HasShared reports whether one of them is a shared secret, with which tokens can be made too.
func HasShared(entries []*Entry) bool {
	for _, e := range entries {
		if strings.HasPrefix(e.kind, "secret") {
			return true
		}
	}
	return false
}

// place adds an entry to the entries, of whose key the text says where it is, or which it is.
func place(entries []*Entry, s *option.Section, e *Entry, text string) []*Entry {
	problem := ""
	switch e.kind {
	case "secret", "publicKey":
		problem = fix(e, text)
	case "secretEnv":
		e.from = text
		if text == "" {
			problem = noVariable
		}
	case "jwksURL":
		e.from = text
		if !option.IsAddress(text) {
			problem = "is not an address: write https://HOST/PATH"
		}
	default:
		e.from = strings.TrimSpace(text)
		problem = pathProblem(e.from)
	}
	if problem != "" {
		s.Problem(e.kind, problem)
		return entries
	}
	return append(entries, e)
}

// fix reads a key that does not change while Traefik runs, and says what is wrong with it.
func fix(e *Entry, text string) string {
	parsed, problem := parser(e.kind, e.spec)([]byte(text))
	if problem == "" {
		e.fixed = parsed.([]*Key)
	}
	return problem
}

const noVariable = "names an environment variable that Traefik does not have: set it, or use secretFile"

func pathProblem(path string) string {
	if path == "" {
		return "is empty: write the path of the file"
	}
	// A secret in the place of its file's name must not come back in a log line.
	if strings.Contains(path, "-----BEGIN") || !strings.ContainsAny(path, `/\`) && len(path) >= 32 {
		return "does not look like a path: write the key into a file, and the file's path here"
	}
	return ""
}

// Open reads the environment variables, looks at the files, and begins to ask the URLs.
func Open(entries []*Entry, report *option.Report) {
	for _, e := range entries {
		switch e.kind {
		case "secret", "publicKey":
		case "secretEnv": // It does not change while Traefik runs.
			value, ok := os.LookupEnv(e.from)
			problem := noVariable
			if ok {
				problem = fix(e, value)
			}
			if problem != "" {
				report.Add(e.option, problem)
			}
		case "jwksURL":
			e.source = source.URL(kind(e), e.from, true, parser(e.kind, e.spec))
		default:
			e.source = source.File(kind(e), e.from, parser(e.kind, e.spec))
		}
	}
}

// kind tells apart what one file may be parsed as.
func kind(e *Entry) string {
	text := e.kind + " " + e.spec.algorithm + " " + e.spec.id
	if e.spec.base64 {
		text += " base64"
	}
	return text
}

// parser is a function of its own because closures made in one loop would share their
// variables under Yaegi.
func parser(name string, d spec) source.Parse {
	return func(content []byte) (interface{}, string) {
		var keys []*Key
		problem := ""
		switch name {
		case "publicKey", "publicKeyFile":
			keys, problem = parsePEM(content, d)
		case "jwksFile", "jwksURL":
			keys, problem = parseSet(content, d)
		default:
			keys, problem = parseSecret(content, d)
		}
		return keys, problem
	}
}

// Sources are those of the keys that are read again and again.
func Sources(entries []*Entry) []*source.Source {
	var sources []*source.Source
	for _, e := range entries {
		if e.source != nil {
			sources = append(sources, e.source)
		}
	}
	return sources
}

// Ready returns the keys that are ready and whether that is all of them. What cannot be
// read keeps nothing else from verifying.
func Ready(entries []*Entry) ([]*Key, bool) {
	var ready []*Key
	complete := true
	for _, e := range entries {
		if e.source == nil {
			ready = append(ready, e.fixed...)
			complete = complete && e.fixed != nil
			continue
		}
		keys, isKnown := keysOf(e.source)
		complete = complete && isKnown
		ready = append(ready, keys...)
	}
	return ready, complete
}

// keysOf is a function of its own because in a loop a failed assertion would leave the
// value of the entry before under Yaegi.
func keysOf(s *source.Source) ([]*Key, bool) {
	keys, ok := source.Value(s).([]*Key)
	return keys, ok
}

// Again asks the URLs out of turn, because a token names a key that none has yet, and
// waits for that a moment. It reports whether to look at what they have.
func Again(entries []*Entry) bool {
	return source.Again(Sources(entries))
}
