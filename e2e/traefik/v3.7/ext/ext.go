// Package ext stands in for the extension points that Traefik's own repository
// replaces by a local folder, which the module proxy does not serve.
package ext

// HTTP extends Traefik's dynamic HTTP configuration by nothing.
type HTTP struct{}

// Router extends Traefik's router by nothing.
type Router struct{}
