package review

import (
	"path"
	"regexp"
	"sort"
	"strings"

	"gopkg.in/yaml.v3"
)

// modulePath is the plugin's.
const modulePath = "github.com/getportal/ptlauth"

// static is one static configuration, whatever its form: values by their names in lower case, as flags spell them.
type static struct {
	values map[string]setting
}

type setting struct {
	place
	value string
}

// readStatic reads static configurations, those in a compose file and in a cluster included.
func (r *review) readStatic(d document) {
	switch d.form {
	case staticForm:
		s := newStatic()
		s.flatten(d.file, "", d.root, 0)
		for _, name := range []string{"additionalArguments", "globalArguments"} {
			s.flags(d.file, at(d.root, name))
		}
		r.keep(s)
	case composeForm:
		for _, f := range fields(at(d.root, "services")) {
			s := newStatic()
			s.flags(d.file, at(f.node, "command"))
			s.variables(d.file, at(f.node, "environment"))
			r.keep(s)
		}
	case kubernetesForm:
		for _, object := range objects(d.root) {
			for _, c := range items(at(object, "spec", "template", "spec", "containers")) {
				s := newStatic()
				s.flags(d.file, at(c, "args"))
				r.keep(s)
			}
		}
	}
}

func newStatic() *static { return &static{values: map[string]setting{}} }

func (r *review) keep(s *static) {
	if len(s.values) > 0 {
		r.statics = append(r.statics, s)
	}
}

// flatten notes what stands in a file.
func (s *static) flatten(file, path string, n *yaml.Node, depth int) {
	if depth > maxDepth {
		return
	}
	for _, f := range fields(n) {
		name := strings.ToLower(f.name)
		if path != "" {
			name = path + "." + name
		}
		switch {
		case f.node == nil:
		case f.node.Kind == yaml.MappingNode:
			s.flatten(file, name, f.node, depth+1)
		case f.node.Kind == yaml.SequenceNode:
			s.values[name] = setting{place{file, f.line}, strings.Join(texts(f.node), ",")}
		default:
			s.values[name] = setting{place{file, f.line}, f.node.Value}
		}
	}
}

// flags notes those of a command, which is a list or one text.
func (s *static) flags(file string, n *yaml.Node) {
	words := items(n)
	if words == nil && text(n) != "" {
		for _, word := range strings.Fields(text(n)) {
			words = append(words, &yaml.Node{Kind: yaml.ScalarNode, Value: word, Line: n.Line})
		}
	}
	for _, word := range words {
		name, isFlag := strings.CutPrefix(text(word), "--")
		name, value, has := strings.Cut(name, "=")
		if !isFlag || name == "" {
			continue
		}
		if !has {
			value = "true"
		}
		s.values[strings.ToLower(name)] = setting{place{file, word.Line}, strings.Trim(value, `"'`)}
	}
}

// variables notes those of Traefik's that stand in an environment.
func (s *static) variables(file string, n *yaml.Node) {
	for _, pair := range pairs(n) {
		name, ok := strings.CutPrefix(strings.ToUpper(pair.name), "TRAEFIK_")
		if ok {
			s.values[strings.ToLower(strings.ReplaceAll(name, "_", "."))] = setting{place{file, pair.line}, pair.value}
		}
	}
}

// pair is an entry of a map of texts, or a member NAME=VALUE of a list, as compose files have both.
type pair struct {
	name, value string
	line        int
}

func pairs(n *yaml.Node) []pair {
	var all []pair
	for _, f := range fields(n) {
		all = append(all, pair{f.name, text(f.node), f.line})
	}
	for _, member := range items(n) {
		name, value, _ := strings.Cut(text(member), "=")
		all = append(all, pair{name, value, member.Line})
	}
	return all
}

func (s *static) isOn(name string) bool {
	return strings.EqualFold(s.values[name].value, "true")
}

// names are those of the settings, in order.
func (s *static) names() []string {
	names := make([]string, 0, len(s.values))
	for name := range s.values {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}

// entryPoints are the names of those that are configured.
func (s *static) entryPoints() []string {
	var points []string
	for _, name := range s.names() {
		if point, ok := strings.CutPrefix(name, "entrypoints."); ok {
			point, _, _ = strings.Cut(point, ".")
			if len(points) == 0 || points[len(points)-1] != point {
				points = append(points, point)
			}
		}
	}
	return points
}

var pluginName = regexp.MustCompile(`^experimental\.(?:plugins|localplugins)\.([^.]+)\.modulename$`)

// plugin is what this static configuration calls ptlauth, and where; empty: it has none.
func (s *static) plugin() (string, place) {
	for _, name := range s.names() {
		match := pluginName.FindStringSubmatch(name)
		if match != nil && strings.EqualFold(s.values[name].value, modulePath) {
			return match[1], s.values[name].place
		}
	}
	return "", place{}
}

// pluginNames are what ptlauth is called in what was read; ptlauth where nothing says so.
func (r *review) pluginNames() map[string]bool {
	names := map[string]bool{}
	for _, s := range r.statics {
		name, _ := s.plugin()
		if name != "" {
			names[name] = true
		}
	}
	if len(names) == 0 {
		names["ptlauth"] = true
	}
	return names
}

func (r *review) judgeStatic(s *static) {
	r.judgeSignals(s)
	name, where := s.plugin()
	if name != "" && !s.isOn("experimental.abortonpluginfailure") {
		r.add(where, "plugin-failure", "", "without experimental.abortOnPluginFailure Traefik starts also where the plugin cannot be loaded, drops the routers that use it, and hands their requests to the next that matches: set it to true")
	}
	if s.isOn("api.insecure") {
		r.add(s.values["api.insecure"].place, "api-insecure", "", "api.insecure opens Traefik's API, in which the whole configuration can be read, to whoever reaches that port: leave it out, and give the API a router behind a middleware")
	}
	for _, name := range s.names() {
		insecure, _ := path.Match("entrypoints.*.forwardedheaders.insecure", name)
		connection, _ := path.Match("entrypoints.*.forwardedheaders.connection", name)
		helm, _ := path.Match("ports.*.forwardedheaders.insecure", name)
		if (insecure || helm) && s.isOn(name) {
			r.add(s.values[name].place, "forwarded-headers", "", "forwardedHeaders.insecure believes every client's X-Forwarded-*: list the addresses of your proxies in trustedIPs instead")
		}
		if connection && s.values[name].value != "" {
			r.add(s.values[name].place, "forwarded-headers", "", "forwardedHeaders.connection lets clients have these headers taken out behind the middleware: leave it empty")
		}
	}
}
