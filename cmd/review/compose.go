package review

import (
	"regexp"
	"sort"
	"strings"

	"gopkg.in/yaml.v3"
)

var traefikImage = regexp.MustCompile(`(?:^|/)traefik(?:[:@]|$)`)

// readCompose reads the services of a compose file: their labels, and how else they can be reached.
func (r *review) readCompose(d document) {
	for _, f := range fields(at(d.root, "services")) {
		if isTraefik(f.node) {
			r.readContainer(d.file, f)
			r.readVolumes(d.file, at(f.node, "volumes"))
			r.readGrants(d.file, at(f.node, "secrets"), "/run/secrets", true)
			r.readGrants(d.file, at(f.node, "configs"), "/", false)
		}
		list, provider := at(f.node, "labels"), "docker"
		if deployed := at(f.node, "deploy", "labels"); list == nil && deployed != nil {
			list, provider = deployed, "swarm"
		}
		key := "container " + f.name + "@" + provider
		r.readLabels(d.file, pairs(list), key)
		if isTraefik(f.node) {
			continue
		}
		if ports := at(f.node, "ports"); len(items(ports)) > 0 {
			r.services = append(r.services, &service{place{d.file, items(ports)[0].Line}, f.name, key, "is published on a port of the machine"})
		}
		if host := at(f.node, "network_mode"); text(host) == "host" {
			r.services = append(r.services, &service{place{d.file, host.Line}, f.name, key, "is in the machine's own network"})
		}
	}
}

// providerOf is docker or swarm, with which the key of a container ends.
func providerOf(key string) string { return key[strings.LastIndexByte(key, '@')+1:] }

func isTraefik(n *yaml.Node) bool {
	if traefikImage.MatchString(text(at(n, "image"))) {
		return true
	}
	s := newStatic()
	s.flags("", at(n, "command"))
	name, _ := s.plugin()
	return name != ""
}

// label is one below traefik.http: what stands behind the kind of thing and its name.
type label struct {
	name, value string
	line        int
	isOpen      bool // only the environment knows its value
}

// readLabels reads what the Docker or the Swarm provider would. The key is that of the container, which is the service of
// its routers unless they name another; it ends with the provider's name.
func (r *review) readLabels(file string, labels []pair, key string) {
	things := map[string]map[string][]label{"middlewares": {}, "routers": {}, "services": {}}
	for _, one := range labels {
		parts := strings.SplitN(one.name, ".", 5)
		if strings.EqualFold(one.name, "traefik.enable") && strings.EqualFold(one.value, "false") {
			return
		}
		if len(parts) < 5 || !strings.EqualFold(parts[0], "traefik") || !strings.EqualFold(parts[1], "http") {
			continue
		}
		of := things[strings.ToLower(parts[2])]
		if of != nil {
			value, known := interpolated(one.value)
			of[parts[3]] = append(of[parts[3]], label{parts[4], value, one.line, !known})
		}
	}
	for _, name := range ordered(things["middlewares"]) {
		r.labelledMiddleware(place{file, things["middlewares"][name][0].line}, name, providerOf(key), things["middlewares"][name])
	}
	for _, name := range ordered(things["routers"]) {
		r.labelledRouter(place{file, things["routers"][name][0].line}, name, things["routers"][name], services{key, things["services"]})
	}
}

// variable is what the environment or an .env file puts into a compose file: $NAME, ${NAME}, ${NAME:-default}; and $$, which
// stands for a dollar sign.
var variable = regexp.MustCompile(`\$(?:\$|[A-Za-z_]\w*|\{[A-Za-z_]\w*(?:(:?[-?+])([^{}]*))?\})`)

// interpolated is a value as Docker gets it, and whether it is known: a variable without a default is not, for it may have
// another value where the file is used.
func interpolated(value string) (string, bool) {
	known := true
	text := variable.ReplaceAllStringFunc(value, func(match string) string {
		parts := variable.FindStringSubmatch(match)
		switch {
		case match == "$$":
			return "$"
		case strings.HasSuffix(parts[1], "-"):
			return parts[2]
		}
		known = false
		return match
	})
	return text, known
}

func ordered(of map[string][]label) []string {
	names := make([]string, 0, len(of))
	for name := range of {
		names = append(names, name)
	}
	sort.Slice(names, func(i, j int) bool { return of[names[i]][0].line < of[names[j]][0].line })
	return names
}

func (r *review) labelledMiddleware(p place, name, provider string, labels []label) {
	file := p.file
	m := &middleware{place: p, name: name, provider: provider}
	r.middlewares = append(r.middlewares, m)
	names := r.pluginNames()
	options := map[string]string{}
	var own []label
	for _, one := range labels {
		first, rest, _ := strings.Cut(one.name, ".")
		second, rest, _ := strings.Cut(rest, ".")
		switch {
		case strings.EqualFold(one.name, "chain.middlewares"):
			for _, name := range splitList(one.value) {
				m.chain = append(m.chain, qualified(name, provider))
			}
		case strings.EqualFold(first, "redirectScheme"):
			m.redirects = true
		case strings.EqualFold(first, "retry") || strings.EqualFold(first, "buffering"):
			m.copies = true
		case strings.EqualFold(first, "plugin") && names[strings.ToLower(second)] && rest != "":
			options[rest] = one.value
			own = append(own, label{rest, one.value, one.line, one.isOpen})
			if one.isOpen {
				m.open = append(m.open, one.line)
			}
		case strings.EqualFold(first, "plugin"):
			r.strangePlugin(m, field{name: strings.SplitN(second, "[", 2)[0], line: one.line})
		case names[strings.ToLower(first)]:
			r.add(place{file, one.line}, Mistake, m.String(), "`plugin.` is missing before `"+first+"`, so that Traefik drops the routers that name this middleware")
		}
	}
	if len(own) == 0 {
		return
	}
	m.place.line = own[0].line
	m.lines = func(option string) int { return lineAmong(own, option) }
	decoded, err := decodeLabels(options)
	if err != nil {
		r.add(m.place, Mistake, m.String(), "Traefik cannot read the labels of this container: "+err.Error())
		return
	}
	m.options = decoded
}

// lineAmong is where the label of an option stands, or of what is nearest to it.
func lineAmong(labels []label, option string) int {
	line, longest := labels[0].line, 0
	for _, one := range labels {
		common := commonPrefix(one.name, option)
		if common > longest {
			line, longest = one.line, common
		}
	}
	return line
}

// commonPrefix is how much two names have in common, in any case, up to the end of a part of both.
func commonPrefix(a, b string) int {
	common := 0
	for i := 0; ; i++ {
		endA, endB := i == len(a) || a[i] == '.' || a[i] == '[', i == len(b) || b[i] == '.' || b[i] == '['
		if endA && endB {
			common = i
		}
		if i >= len(a) || i >= len(b) || !strings.EqualFold(a[i:i+1], b[i:i+1]) {
			return common
		}
	}
}

// services are what the labels of a container call so.
type services struct {
	key    string // the container's
	labels map[string][]label
}

// behind is what a router leads to: the container, by the port of the service that it names, or of the only one.
func (s services) behind(name string) string {
	if name == "" && len(s.labels) != 1 {
		return s.key
	}
	for other, labels := range s.labels {
		for _, l := range labels {
			if (name == "" || strings.EqualFold(name, other)) && strings.EqualFold(l.name, "loadbalancer.server.port") {
				return s.key + ":" + l.value
			}
		}
	}
	return s.key
}

func (r *review) labelledRouter(p place, name string, labels []label, s services) {
	provider := providerOf(s.key)
	one := &router{place: p, name: name + "@" + provider, service: s.behind("")}
	for _, l := range labels {
		switch strings.ToLower(l.name) {
		case "middlewares":
			for _, name := range splitList(l.value) {
				one.middlewares = append(one.middlewares, qualified(name, provider))
			}
		case "rule":
			if !l.isOpen {
				one.rule = l.value
			}
		case "entrypoints":
			one.entryPoints = splitList(l.value)
		case "service":
			one.service = strings.ToLower(l.value)
			if name := strings.TrimSuffix(one.service, "@"+provider); !strings.Contains(name, "@") {
				one.service = s.behind(name)
			}
		}
		if l.name == "tls" && l.value != "false" || strings.HasPrefix(strings.ToLower(l.name), "tls.") {
			one.tls = true
		}
	}
	r.routers = append(r.routers, one)
}
