// Package kubernetes reads and patches a Middleware of a cluster, as kubectl would, and as whoever kubectl would be.
package kubernetes

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
)

const scheme = "kubernetes://"

// usual is how an address is written.
const usual = "write kubernetes://NAMESPACE/MIDDLEWARE, with ?context=NAME for another context than kubectl's current one, and ?kubeconfig=PATH for another file"

// Address says which Middleware it is, and in which cluster.
type Address struct {
	Namespace, Name string
	// Context and File are kubectl's --context and --kubeconfig; empty: what kubectl takes then.
	Context, File string
}

// Is reports whether a registry is in a cluster.
func Is(registry string) bool {
	return len(registry) >= len(scheme) && strings.EqualFold(registry[:len(scheme)], scheme)
}

// Parse reads an address.
func Parse(text string) (*Address, error) {
	at, query, _ := strings.Cut(text[min(len(scheme), len(text)):], "?")
	namespace, name, _ := strings.Cut(strings.TrimSuffix(at, "/"), "/")
	values, err := url.ParseQuery(query)
	switch {
	case !Is(text) || err != nil || strings.ContainsAny(at, "@:"):
		return nil, errors.New("the registry's address cannot be read: " + usual + " (where the cluster is, and as whom to ask, the kubeconfig says)")
	case namespace == "" || name == "" || strings.Contains(name, "/"):
		return nil, errors.New("the registry's address has no namespace, or no name: " + usual)
	}
	for name := range values {
		if name != "context" && name != "kubeconfig" {
			return nil, fmt.Errorf("the registry's address has `%s`, and knows context and kubeconfig", name)
		}
	}
	return &Address{Namespace: namespace, Name: name, Context: values.Get("context"), File: values.Get("kubeconfig")}, nil
}

// String is which it is.
func (a *Address) String() string { return scheme + a.Namespace + "/" + a.Name }
