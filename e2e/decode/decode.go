// Package decode turns a middleware's configuration, in each form in which users write it, into what
// Traefik hands to the plugin, with Traefik's own code.
package decode

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/template"

	"github.com/kvtools/valkeyrie/store"
	"github.com/traefik/traefik/v3/pkg/config/dynamic"
	"github.com/traefik/traefik/v3/pkg/config/kv"
	"github.com/traefik/traefik/v3/pkg/config/label"
	"github.com/traefik/traefik/v3/pkg/provider/file"
	"github.com/traefik/traefik/v3/pkg/provider/kubernetes/crd/traefikio/v1alpha1"
	"k8s.io/apimachinery/pkg/util/yaml"
)

const plugin = "ptlauth"

// YAML decodes a file of the file provider, templates included. Like each function here it returns
// the ptlauth configurations in it, by the name of their middleware.
func YAML(text string) (map[string]map[string]any, error) { return fromFile("dynamic.yml", text) }

// TOML decodes the file provider's other form.
func TOML(text string) (map[string]map[string]any, error) { return fromFile("dynamic.toml", text) }

func fromFile(name, text string) (map[string]map[string]any, error) {
	dir, err := os.MkdirTemp("", "ptlauth-decode-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	name = filepath.Join(dir, name)
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		return nil, err
	}
	configuration, err := new(file.Provider).CreateConfiguration(context.Background(), name, template.FuncMap{}, false)
	if err != nil {
		return nil, err
	}
	return fromDynamic(configuration), nil
}

// Labels decodes the labels of a container, as the Docker, Swarm, ECS, Nomad and Consul Catalog
// providers do.
func Labels(labels map[string]string) (map[string]map[string]any, error) {
	configuration, err := label.DecodeConfiguration(labels)
	if err != nil {
		return nil, err
	}
	return fromDynamic(configuration), nil
}

// KV decodes the pairs of a key-value store, whose keys begin with traefik/, as the Redis, Consul, etcd
// and ZooKeeper providers do.
func KV(pairs map[string]string) (map[string]map[string]any, error) {
	var list []*store.KVPair
	for _, key := range slices.Sorted(maps.Keys(pairs)) {
		list = append(list, &store.KVPair{Key: key, Value: []byte(pairs[key])})
	}
	configuration := new(dynamic.Configuration)
	if err := kv.Decode(list, configuration, "traefik"); err != nil {
		return nil, err
	}
	return fromDynamic(configuration), nil
}

// Kubernetes decodes the Middleware resources among YAML documents. References to secrets
// (urn:k8s:secret:…) stay as they are: there is no cluster to look them up in.
func Kubernetes(text string) (map[string]map[string]any, error) {
	configuration := &dynamic.Configuration{HTTP: &dynamic.HTTPConfiguration{Middlewares: map[string]*dynamic.Middleware{}}}
	documents := yaml.NewYAMLOrJSONDecoder(strings.NewReader(text), 4096)
	for {
		var document json.RawMessage
		if err := documents.Decode(&document); errors.Is(err, io.EOF) {
			return fromDynamic(configuration), nil
		} else if err != nil {
			return nil, err
		}
		var resource struct{ Kind string }
		if err := json.Unmarshal(document, &resource); err != nil {
			return nil, err
		}
		if resource.Kind != "Middleware" {
			continue
		}
		var middleware v1alpha1.Middleware
		if err := json.Unmarshal(document, &middleware); err != nil {
			return nil, err
		}

		// createPluginMiddleware in Traefik's pkg/provider/kubernetes/crd, which is not exported.
		data, err := json.Marshal(middleware.Spec.Plugin)
		if err != nil {
			return nil, err
		}
		var plugins map[string]dynamic.PluginConf
		if err := json.Unmarshal(data, &plugins); err != nil {
			return nil, err
		}
		configuration.HTTP.Middlewares[middleware.Name] = &dynamic.Middleware{Plugin: plugins}
	}
}

// fromDynamic finds the plugin's configurations in a copy: Traefik hands on a copy too, and copying
// panics at types that it does not know.
func fromDynamic(configuration *dynamic.Configuration) map[string]map[string]any {
	found := map[string]map[string]any{}
	configuration = configuration.DeepCopy()
	if configuration.HTTP == nil {
		return found
	}
	for name, middleware := range configuration.HTTP.Middlewares {
		if config, ok := middleware.Plugin[plugin]; ok {
			found[name] = config
		}
	}
	return found
}
