package traefik

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/getportal/ptlauth/e2e/port"
)

const module = "github.com/getportal/ptlauth"

// Port 0 stands for a free port. Reloads are not throttled: tests do many.
const baseConfiguration = `
global: {checkNewVersion: false, sendAnonymousUsage: false}
entryPoints:
  web: {address: "127.0.0.1:0"}
  websecure: {address: "127.0.0.1:0", http: {tls: {}}}
  traefik: {address: "127.0.0.1:0"}
api: {insecure: true}
ping: {}
log: {level: DEBUG, format: json}
accessLog: {filePath: access.log, format: json}
providers:
  providersThrottleDuration: 0s
  file: {directory: dynamic, watch: true}
`

// static is Traefik's static configuration for the options, and the address of each entry point in it.
func static(options Options) ([]byte, map[string]string, error) {
	var configuration, extra map[string]any
	if err := yaml.Unmarshal([]byte(baseConfiguration), &configuration); err != nil {
		return nil, nil, err
	}
	if err := yaml.Unmarshal([]byte(options.Static), &extra); err != nil {
		return nil, nil, fmt.Errorf("Options.Static: %w", err)
	}
	if options.Debug {
		merge(configuration, map[string]any{"api": map[string]any{"debug": true}})
	}
	merge(configuration, map[string]any{"experimental": map[string]any{"localPlugins": localPlugins(options)}})
	merge(configuration, extra)

	addresses, err := assignPorts(configuration)
	if err != nil {
		return nil, nil, err
	}
	text, err := yaml.Marshal(configuration)
	return text, addresses, err
}

func localPlugins(options Options) map[string]any {
	plugins := map[string]any{path.Base(module): map[string]any{"moduleName": module}}
	for name := range options.Plugins {
		plugins[path.Base(name)] = map[string]any{"moduleName": name}
	}
	return plugins
}

// merge puts the entries of extra into configuration, maps into maps; a null removes an entry.
func merge(configuration, extra map[string]any) {
	for key, value := range extra {
		inner, ok := value.(map[string]any)
		existing, isMap := configuration[key].(map[string]any)
		switch {
		case value == nil:
			delete(configuration, key)
		case ok && isMap:
			merge(existing, inner)
		default:
			configuration[key] = value
		}
	}
}

func assignPorts(configuration map[string]any) (map[string]string, error) {
	addresses := map[string]string{}
	entryPoints, _ := configuration["entryPoints"].(map[string]any)
	for name, value := range entryPoints {
		entryPoint, _ := value.(map[string]any)
		address, _ := entryPoint["address"].(string)
		if host, ok := strings.CutSuffix(address, ":0"); ok {
			number, err := port.Unused()
			if err != nil {
				return nil, err
			}
			address = fmt.Sprintf("%s:%d", host, number)
			entryPoint["address"] = address
		}
		addresses[name] = address
	}
	return addresses, nil
}

// linkPlugins puts the plugins where Traefik looks for them, seen from its working directory.
func linkPlugins(dir string, options Options) error {
	root := options.Plugin
	if root == "" {
		here, err := folder()
		if err != nil {
			return err
		}
		root = filepath.Join(here, "..", "..")
	}
	plugins := map[string]string{module: root}
	for name, source := range options.Plugins {
		plugins[name] = source
	}
	for name, source := range plugins {
		source, err := filepath.Abs(source)
		if err != nil {
			return err
		}
		link := filepath.Join(dir, "plugins-local", "src", filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(link), 0o755); err != nil {
			return err
		}
		if err := os.Symlink(source, link); err != nil {
			return err
		}
	}
	return nil
}
