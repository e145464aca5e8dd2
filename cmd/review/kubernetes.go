package review

import (
	"strings"

	"gopkg.in/yaml.v3"
)

// crd is the name of the provider of Traefik's own resources.
const crd = "kubernetescrd"

// objects are a manifest, or what is in its list.
func objects(root *yaml.Node) []*yaml.Node {
	if text(at(root, "kind")) == "List" {
		return items(at(root, "items"))
	}
	return []*yaml.Node{root}
}

func namespaceOf(object *yaml.Node) string {
	if namespace := text(at(object, "metadata", "namespace")); namespace != "" {
		return namespace
	}
	return "default"
}

// referred is the qualified name of a middleware that a manifest of a namespace refers to.
func referred(reference *yaml.Node, namespace string) string {
	if other := text(at(reference, "namespace")); other != "" {
		namespace = other
	}
	name := text(at(reference, "name"))
	if strings.Contains(name, "@") {
		return strings.ToLower(name)
	}
	return qualified(namespace+"-"+name, crd)
}

// backend is the key of a service of a cluster.
func backend(reference *yaml.Node, namespace string) string {
	if other := text(at(reference, "namespace")); other != "" {
		namespace = other
	}
	return "service " + namespace + "/" + text(at(reference, "name"))
}

func (r *review) readObject(file string, object *yaml.Node) {
	name, namespace := text(at(object, "metadata", "name")), namespaceOf(object)
	switch text(at(object, "kind")) {
	case "Middleware":
		r.readResource(file, object, namespace+"-"+name, namespace)
	case "IngressRoute":
		for _, route := range items(at(object, "spec", "routes")) {
			one := router{place: place{file, route.Line}, name: name, tls: at(object, "spec", "tls") != nil, entryPoints: texts(at(object, "spec", "entryPoints")), rule: text(at(route, "match"))}
			for _, reference := range items(at(route, "middlewares")) {
				one.middlewares = append(one.middlewares, referred(reference, namespace))
			}
			r.lead(one, items(at(route, "services")), namespace)
		}
	case "Ingress":
		r.readIngress(file, object, name, namespace)
	case "HTTPRoute":
		r.readRoute(file, object, name, namespace)
	case "Service":
		kind := at(object, "spec", "type")
		if text(kind) == "NodePort" || text(kind) == "LoadBalancer" {
			r.services = append(r.services, &service{place{file, kind.Line}, name, "service " + namespace + "/" + name, "is a " + text(kind)})
		}
	default:
		for _, c := range items(at(object, "spec", "template", "spec", "containers")) {
			r.readMounts(file, at(c, "volumeMounts"))
		}
	}
}

// readResource reads a Middleware.
func (r *review) readResource(file string, object *yaml.Node, name, namespace string) {
	spec := at(object, "spec")
	m := &middleware{place: place{file, lineOfName(object, "spec")}, name: name, provider: crd}
	r.middlewares = append(r.middlewares, m)
	for _, reference := range items(at(spec, "chain", "middlewares")) {
		m.chain = append(m.chain, referred(reference, namespace))
	}
	m.redirects = at(spec, "redirectScheme") != nil
	m.copies = copies(spec)
	r.readPlugin(m, spec, decodeResource)
}

// lead notes a router for each service that it leads to.
func (r *review) lead(one router, services []*yaml.Node, namespace string) {
	for _, reference := range services {
		to := one
		to.service = backend(reference, namespace)
		r.routers = append(r.routers, &to)
	}
}

func (r *review) readIngress(file string, object *yaml.Node, name, namespace string) {
	one := router{place: place{file, lineOfName(object, "spec")}, name: name, tls: at(object, "spec", "tls") != nil}
	for _, f := range fields(at(object, "metadata", "annotations")) {
		switch f.name {
		case "traefik.ingress.kubernetes.io/router.middlewares":
			one.middlewares = splitList(text(f.node))
		case "traefik.ingress.kubernetes.io/router.entrypoints":
			one.entryPoints = splitList(text(f.node))
		}
	}
	var services []*yaml.Node
	for _, rule := range items(at(object, "spec", "rules")) {
		for _, p := range items(at(rule, "http", "paths")) {
			services = append(services, at(p, "backend", "service"))
		}
	}
	r.lead(one, append(services, at(object, "spec", "defaultBackend", "service")), namespace)
}

// readRoute reads one of the Gateway API.
func (r *review) readRoute(file string, object *yaml.Node, name, namespace string) {
	for _, rule := range items(at(object, "spec", "rules")) {
		one := router{place: place{file, rule.Line}, name: name}
		for _, filter := range items(at(rule, "filters")) {
			if reference := at(filter, "extensionRef"); text(at(reference, "kind")) == "Middleware" {
				one.middlewares = append(one.middlewares, referred(reference, namespace))
			}
		}
		r.lead(one, items(at(rule, "backendRefs")), namespace)
	}
}
