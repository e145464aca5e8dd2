package review

import (
	"strings"

	"gopkg.in/yaml.v3"
)

// readDynamic reads middlewares, routers, services and mounts, whatever the form.
func (r *review) readDynamic(d document) {
	switch d.form {
	case dynamicForm:
		r.readFile(d)
	case composeForm:
		r.readCompose(d)
	case kubernetesForm:
		for _, object := range objects(d.root) {
			r.readObject(d.file, object)
		}
	case staticForm:
		r.readMounts(d.file, at(d.root, "additionalVolumeMounts"))
		for _, object := range items(at(d.root, "extraObjects")) {
			r.readObject(d.file, object)
		}
	}
}

// readFile reads what the file provider would.
func (r *review) readFile(d document) {
	for _, f := range fields(at(d.root, "http", "middlewares")) {
		m := &middleware{place: place{d.file, f.line}, name: f.name, provider: "file"}
		r.middlewares = append(r.middlewares, m)
		for _, name := range texts(at(f.node, "chain", "middlewares")) {
			m.chain = append(m.chain, qualified(name, "file"))
		}
		m.redirects = at(f.node, "redirectScheme") != nil
		m.copies = copies(f.node)
		r.readPlugin(m, f.node, decodeNode)
		for _, plugin := range fields(at(f.node, "plugin")) {
			m.headers = items(at(plugin.node, "token", "header"))
		}
	}
	for _, f := range fields(at(d.root, "http", "routers")) {
		one := &router{place: place{d.file, f.line}, name: f.name + "@file", service: qualified(text(at(f.node, "service")), "file")}
		one.tls, one.rule = at(f.node, "tls") != nil, text(at(f.node, "rule"))
		one.entryPoints = texts(at(f.node, "entryPoints"))
		for _, name := range texts(at(f.node, "middlewares")) {
			one.middlewares = append(one.middlewares, qualified(name, "file"))
		}
		r.routers = append(r.routers, one)
	}
}

// qualified is a name with its provider.
func qualified(name, provider string) string {
	if name == "" || strings.Contains(name, "@") {
		return strings.ToLower(name)
	}
	return strings.ToLower(name + "@" + provider)
}

// readPlugin reads the options of a middleware that is ptlauth, or says why Traefik would not find them.
func (r *review) readPlugin(m *middleware, n *yaml.Node, decode func(*yaml.Node) (map[string]any, error)) {
	names := r.pluginNames()
	for _, f := range fields(n) {
		if names[strings.ToLower(f.name)] && f.node != nil && f.node.Kind == yaml.MappingNode {
			r.add(place{m.file, f.line}, Mistake, m.String(), "`plugin:` is missing above `"+f.name+"`, so that Traefik refuses it: write plugin, and "+f.name+" below it")
			return
		}
	}
	below := at(n, "plugin")
	for _, f := range fields(below) {
		if !names[strings.ToLower(f.name)] {
			r.strangePlugin(m, f)
			continue
		}
		m.place.line = f.line
		m.lines = func(option string) int { return lineBelow(f.node, f.line, option) }
		if len(fields(f.node)) == 0 {
			r.add(place{m.file, f.line}, Mistake, m.String(), "has no options below `"+f.name+"`, so that Traefik drops the routers that name it, and another one may answer: write them there")
			return
		}
		options, err := decode(f.node)
		if err != nil {
			r.add(place{m.file, f.line}, Mistake, m.String(), "Traefik cannot read it, and refuses the whole file: "+err.Error())
			return
		}
		m.options = options
	}
}

// judgeHeaders finds names beside groups in a list: Traefik's file provider loses the names, so that the middleware itself
// has nothing to report.
func (r *review) judgeHeaders(m *middleware) {
	groups := 0
	for _, entry := range m.headers {
		if entry.Kind == yaml.MappingNode {
			groups++
		}
	}
	if groups > 0 && groups < len(m.headers) {
		r.add(place{m.file, m.headers[0].Line}, Mistake, m.String(), "token.header: has names beside groups, and Traefik loses the names: write each as a group, {name: NAME}")
	}
}

// strangePlugin is for a name below plugin that is not the plugin's: one of its options, or another name for it.
func (r *review) strangePlugin(m *middleware, f field) {
	for _, known := range []string{"secretFile", "keys", "terminals", "headers", "paths", "token"} {
		if strings.EqualFold(f.name, known) {
			r.add(place{m.file, f.line}, Mistake, m.String(), "the plugin's name is missing above `"+f.name+"`, so that Traefik drops the routers that name this middleware: write ptlauth below plugin, and the options below that")
			return
		}
	}
	if strings.EqualFold(f.name, "ptlauth") {
		r.add(place{m.file, f.line}, Mistake, m.String(), "the static configuration gives the plugin another name than `"+f.name+"`, so that Traefik drops the routers that name this middleware: write the same name in both")
	}
}
