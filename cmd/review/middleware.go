package review

import (
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"sort"
	"strings"

	"github.com/traefik/paerser/file"
	"github.com/traefik/paerser/parser"
	"gopkg.in/yaml.v3"

	"github.com/getportal/ptlauth/internal/option"
	"github.com/getportal/ptlauth/internal/policy"
)

// middleware is one of Traefik's, of any kind.
type middleware struct {
	place
	name, provider string
	options        map[string]any // ptlauth's; nil: it is of another kind, or cannot be read
	lines          func(option string) int
	chain          []string     // qualified names of which it is made
	redirects      bool         // to another scheme, so that nothing reaches the app
	copies         bool         // the request, so that what stands behind it works on another one than the access log
	open           []int        // the lines of options that only the environment knows
	headers        []*yaml.Node // token.header as a file lists it
}

func (m *middleware) String() string { return m.name + "@" + m.provider }

// isShadow reports whether it lets everything through.
func (m *middleware) isShadow() bool {
	return m.options != nil && option.Open(&option.Report{}, "", m.options).Bool("shadow", false)
}

// conf is a plugin's configuration, as Traefik's decoders know it.
type conf map[string]any

// plugins is as much of a dynamic configuration as decides what a plugin gets.
type plugins struct {
	HTTP *struct {
		Middlewares map[string]*struct {
			Plugin map[string]conf `json:"plugin,omitempty" toml:"plugin,omitempty" yaml:"plugin,omitempty"`
		} `json:"middlewares,omitempty" toml:"middlewares,omitempty" yaml:"middlewares,omitempty"`
	} `json:"http,omitempty" toml:"http,omitempty" yaml:"http,omitempty"`
}

const (
	decodedName   = "m"
	decodedPlugin = "p"
)

func (p *plugins) options() map[string]any {
	if p.HTTP == nil || p.HTTP.Middlewares[decodedName] == nil {
		return nil
	}
	return p.HTTP.Middlewares[decodedName].Plugin[decodedPlugin]
}

// decodeNode is what the file provider hands to the plugin.
func decodeNode(n *yaml.Node) (map[string]any, error) {
	var options any
	if err := n.Decode(&options); err != nil {
		return nil, err
	}
	content, err := yaml.Marshal(map[string]any{"http": map[string]any{"middlewares": map[string]any{
		decodedName: map[string]any{"plugin": map[string]any{decodedPlugin: options}},
	}}})
	if err != nil {
		return nil, err
	}
	return decoded(func(p *plugins) error { return file.DecodeContent(string(content), ".yml", p) })
}

// decodeLabels is what the Docker provider does; the labels are those of the plugin, without what stands before its options.
func decodeLabels(labels map[string]string) (map[string]any, error) {
	whole := map[string]string{}
	for name, value := range labels {
		whole["traefik.http.middlewares."+decodedName+".plugin."+decodedPlugin+"."+name] = value
	}
	return decoded(func(p *plugins) error { return parser.Decode(whole, p, parser.DefaultRootName, "traefik.http") })
}

// decoded turns a decoder's panic into an error: an empty name in a map is one.
func decoded(decode func(*plugins) error) (options map[string]any, err error) {
	defer func() {
		if recover() != nil {
			err = fmt.Errorf("a name is empty")
		}
	}()
	p := new(plugins)
	err = decode(p)
	return p.options(), err
}

// decodeResource is what the provider of Kubernetes does.
func decodeResource(n *yaml.Node) (map[string]any, error) {
	var value any
	if err := n.Decode(&value); err != nil {
		return nil, err
	}
	content, err := json.Marshal(named(value))
	if err != nil {
		return nil, err
	}
	var options map[string]any
	err = json.Unmarshal(content, &options)
	return options, err
}

// named has text for every name in a map, as JSON needs.
func named(value any) any {
	switch v := value.(type) {
	case map[string]any:
		for name, entry := range v {
			v[name] = named(entry)
		}
	case map[any]any:
		entries := map[string]any{}
		for name, entry := range v {
			entries[fmt.Sprint(name)] = named(entry)
		}
		return entries
	case []any:
		for i, entry := range v {
			v[i] = named(entry)
		}
	}
	return value
}

// judgeOptions finds the middleware's own mistakes, as it does itself, and what is unwise.
func (r *review) judgeOptions(m *middleware) {
	report := &option.Report{}
	policy.Read(m.options, report)
	for _, p := range report.Problems() {
		if slices.Contains(m.open, m.lines(p.Option)) {
			continue
		}
		r.add(place{m.file, m.lines(p.Option)}, Mistake, m.String(), option.Line(p))
	}
	for _, p := range report.Remarks() {
		r.add(place{m.file, m.lines(p.Option)}, "remark", m.String(), option.Line(p))
	}
	// What follows is read without a report: what is wrong was said.
	top := option.Open(&option.Report{}, "", m.options)
	for _, s := range top.Sections("keys") {
		if s.Has("secret") {
			r.add(place{m.file, m.lines(s.Name("secret"))}, "inline-secret", m.String(), "the secret stands in the configuration, which Traefik's API and its log at DEBUG show: put it into a file, and name that in secretFile")
		}
	}
	if any, _ := option.Text(top.Value("terminals")); strings.EqualFold(strings.TrimSpace(any), "any") && !top.Bool("requireExpiry", false) && !top.Has("maxAge") {
		r.add(place{m.file, m.lines("terminals")}, "terminals-any", m.String(), "every good token is admitted, for ever, also of a device that was lost: list the terminals, or let tokens end (requireExpiry, maxAge)")
	}
	if s := top.Section("token"); s.Bool("forward", false) {
		r.add(place{m.file, m.lines("token.forward")}, "token-forward", m.String(), "the app sees the token, and can enter every other app with it: leave token.forward out unless the app verifies the token itself")
	}
}

// judgeTwins finds what two containers define in different ways, which Traefik then drops.
func (r *review) judgeTwins() {
	first := map[string]*middleware{}
	for _, m := range r.middlewares {
		key := strings.ToLower(m.String())
		other := first[key]
		if other == nil {
			first[key] = m
			continue
		}
		if (m.provider == "docker" || m.provider == "swarm") && m.options != nil && fmt.Sprint(sorted(other.options)) != fmt.Sprint(sorted(m.options)) {
			r.add(m.place, Mistake, m.String(), fmt.Sprintf("is defined in %s:%d too, and otherwise, so that Traefik takes neither: leave its labels at one container", other.file, other.line))
		}
	}
}

func sorted(options map[string]any) []string {
	var lines []string
	for name, value := range options {
		lines = append(lines, fmt.Sprintf("%s=%v", strings.ToLower(name), value))
	}
	sort.Strings(lines)
	return lines
}

// reading is a file that a middleware reads, as Traefik sees it, and the option that says so.
type reading struct {
	option, path string
	isRegistry   bool
}

// readings are those of a middleware's files whose paths are whole.
func (m *middleware) readings() []reading {
	top := option.Open(&option.Report{}, "", m.options)
	all := []reading{
		{option: "terminals.file", path: top.Section("terminals").Text("file", ""), isRegistry: true},
		{option: "secretFile", path: top.Text("secretFile", "")},
	}
	for _, s := range top.Sections("keys") {
		for _, name := range []string{"secretFile", "publicKeyFile", "jwksFile"} {
			all = append(all, reading{option: s.Name(name), path: s.Text(name, "")})
		}
	}
	return slices.DeleteFunc(all, func(one reading) bool { return !path.IsAbs(one.path) })
}

// files are the paths of the files that a middleware reads: a list of terminals is read again and again, a secret too.
func (m *middleware) files() (registry string, keys []string) {
	top := option.Open(&option.Report{}, "", m.options)
	registry = top.Section("terminals").Text("file", "")
	keys = append(keys, top.Text("secretFile", ""))
	for _, s := range top.Sections("keys") {
		for _, name := range []string{"secretFile", "publicKeyFile", "jwksFile"} {
			keys = append(keys, s.Text(name, ""))
		}
	}
	return registry, keys
}
