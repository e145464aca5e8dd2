package settings

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/getportal/ptlauth/cmd/command"
	"github.com/getportal/ptlauth/cmd/kubernetes"
	"github.com/getportal/ptlauth/cmd/registry"
	"github.com/getportal/ptlauth/cmd/review"
	"github.com/getportal/ptlauth/cmd/store"
)

// plugin is what the plugin is called in Traefik's keys.
const plugin = "ptlauth"

// Stored is the list of terminals in the store that the settings name; nil: they name none.
func Stored(site *Site) (registry.Registry, error) {
	if kubernetes.Is(site.Registry) {
		return resource(site)
	}
	found, _, err := stored(site)
	if found == nil {
		return nil, err
	}
	return found, err
}

// resource is the list of terminals in a cluster's Middleware.
func resource(site *Site) (*registry.Resource, error) {
	address, err := kubernetes.Parse(site.Registry)
	if err != nil {
		return nil, command.Errorf(command.Usage, "%s", err)
	}
	wanted, _, _ := strings.Cut(site.Middleware, "@")
	if wanted != "" && !strings.EqualFold(wanted, address.Name) && !strings.EqualFold(wanted, address.Namespace+"-"+address.Name) {
		return nil, command.Errorf(command.Usage, "the middleware is %q, and the registry's address names another one: leave out --middleware", wanted)
	}
	middleware, err := kubernetes.Open(address)
	if err != nil {
		return nil, command.Errorf(command.Usage, "%s", err)
	}
	return &registry.Resource{Middleware: middleware, Plugin: plugin}, nil
}

// stored is also the middleware's options in the store, as keys without what stands before them.
func stored(site *Site) (*registry.Stored, map[string]string, error) {
	if !store.Is(site.Registry) {
		return nil, nil, nil
	}
	address, err := store.Parse(site.Registry)
	if err != nil {
		return nil, nil, command.Errorf(command.Usage, "%s", err)
	}
	opened, err := store.Open(address)
	if err != nil {
		return nil, nil, err
	}
	found := &registry.Stored{Store: opened, Middlewares: address.Root + "/http/middlewares/", Plugin: plugin}
	pairs, err := opened.List(context.Background(), found.Middlewares)
	if err != nil {
		return nil, nil, err
	}
	options := map[string]map[string]string{} // by the middleware's name in small letters
	spelled := map[string]string{}
	for _, key := range slices.Sorted(maps.Keys(pairs)) {
		parts := strings.SplitN(strings.TrimPrefix(key, found.Middlewares), "/", 4)
		if len(parts) < 4 || !strings.EqualFold(parts[1], "plugin") || !strings.EqualFold(parts[2], plugin) {
			continue
		}
		lower := strings.ToLower(parts[0])
		if options[lower] == nil {
			options[lower], spelled[lower] = map[string]string{}, parts[0]
		}
		options[lower][parts[3]] = pairs[key]
	}
	name, err := chooseStored(site, address, slices.Sorted(maps.Keys(options)))
	if err != nil {
		return nil, nil, err
	}
	found.Name = spelled[name]
	return found, options[name], nil
}

func chooseStored(site *Site, address *store.Address, names []string) (string, error) {
	wanted, _, _ := strings.Cut(strings.ToLower(site.Middleware), "@")
	all := strings.Join(names, ", ")
	switch {
	case len(names) == 0:
		return "", command.Errorf(command.Usage, "%s has no middleware of ptlauth below %s/http/middlewares: put its other options there first (docs/install.md), or write ?rootKey=KEY", address, address.Root)
	case wanted == "" && len(names) == 1:
		return names[0], nil
	case wanted == "":
		return "", command.Errorf(command.Usage, "%s has several middlewares: choose one with --middleware (%s)", address, all)
	case !slices.Contains(names, wanted):
		return "", command.Errorf(command.Usage, "%s has no middleware %q: it has %s", address, site.Middleware, all)
	}
	return wanted, nil
}

// findStored is Find, for a middleware that a store configures.
func findStored(site *Site) (*Middleware, error) {
	if kubernetes.Is(site.Registry) {
		return findResource(site)
	}
	list, options, err := stored(site)
	if err != nil {
		return nil, err
	}
	decoded, err := review.Stored(options)
	if err != nil {
		return nil, command.Errorf(command.Usage, "Traefik could not read the options of %s: %s", list.Name, err)
	}
	return readStored(site, &review.Configured{Name: list.Name, File: "in the store", Options: decoded}, list)
}

// findResource is Find, for a middleware in a cluster.
func findResource(site *Site) (*Middleware, error) {
	list, err := resource(site)
	if err != nil {
		return nil, err
	}
	options, err := list.Options(context.Background())
	if err != nil {
		return nil, err
	}
	return readStored(site, &review.Configured{Name: list.Middleware.Name, File: "in the cluster", Options: options}, list)
}

func readStored(site *Site, found *review.Configured, list registry.Registry) (*Middleware, error) {
	if registry.IsEmpty(list) {
		// The middleware answers 503 then, and for whoever is about to put the first device there it has no mistake.
		found.Options[cmp.Or(nameOf(found.Options, "terminals"), "terminals")] = map[string]any{"paired": map[string]any{registry.NoID(): map[string]any{"name": "nobody"}}}
	}
	return read(site, found, list)
}
