package review

import (
	"fmt"
	"os"
)

// Configured is a middleware of ptlauth that a file configures.
type Configured struct {
	// Name is without its provider; a resource of Kubernetes has its namespace before it, as in chat-auth.
	Name string
	File string
	Line int
	// Options are what Traefik hands to the plugin.
	Options map[string]any
}

// Middlewares are those that a file configures, in any form that Files knows, in their order. What Traefik could not read
// is the error.
func Middlewares(path string) ([]Configured, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	r := &review{}
	documents := r.documents(path, content)
	for _, d := range documents {
		r.readStatic(d)
	}
	for _, d := range documents {
		r.readDynamic(d)
	}
	var found []Configured
	for _, m := range r.middlewares {
		if m.options != nil {
			found = append(found, Configured{Name: m.name, File: path, Line: m.line, Options: m.options})
		}
	}
	for _, f := range r.findings {
		return found, fmt.Errorf("%s", f)
	}
	return found, nil
}
