// Package interpreted loads a plugin as Traefik does, with Traefik's own code, and without Traefik
// around it: the same interpreter, the same decoder of its configuration, the same way to its log.
package interpreted

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"sync"

	"github.com/rs/zerolog"
	"github.com/rs/zerolog/log"
	"github.com/traefik/traefik/v3/pkg/plugins"
)

// Options say which plugin to load. The zero value stands for ptlauth.
type Options struct {
	// Root is the folder whose plugins-local/src holds the plugin. Empty: this repository.
	Root string
	// Module is the plugin's module path. Empty: ptlauth's.
	Module string
	// Alias is its name in Traefik's configuration. Empty: the last element of Module.
	Alias string
	// Log is told what Traefik would log, in lines of JSON. Nil: nothing is.
	Log io.Writer
	// Level is that of Traefik's log. The zero value stands for DEBUG, where a plugin's lines are.
	Level zerolog.Level
}

// Plugin is a loaded plugin: one interpreter, as in one Traefik.
type Plugin struct {
	alias    string
	builder  *plugins.Builder
	building sync.Mutex
}

// loading guards what Load changes for the whole process.
var loading sync.Mutex

// Load loads a plugin. Traefik's code knows it by the working directory and writes to zerolog's global
// logger, so both are changed until Load returns: nothing that depends on them may run meanwhile.
func Load(options Options) (*Plugin, error) {
	module := cmp.Or(options.Module, "github.com/getportal/ptlauth")
	alias := cmp.Or(options.Alias, path.Base(module))
	root := options.Root
	if root == "" {
		_, file, _, _ := runtime.Caller(0)
		root = filepath.Join(filepath.Dir(file), "..", "..")
	}
	output := options.Log
	if output == nil {
		output = io.Discard
	}

	loading.Lock()
	defer loading.Unlock()
	before, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	if err := os.Chdir(root); err != nil {
		return nil, err
	}
	defer os.Chdir(before)
	defer func(logger zerolog.Logger) { log.Logger = logger }(log.Logger)
	log.Logger = zerolog.New(zerolog.SyncWriter(output)).With().Timestamp().Caller().Logger().Level(options.Level)

	descriptors := map[string]plugins.LocalDescriptor{alias: {ModuleName: module}}
	if err := plugins.SetupLocalPlugins(descriptors); err != nil {
		return nil, fmt.Errorf("the manifest of %s: %w", module, err)
	}
	builder, err := plugins.NewBuilder(nil, nil, descriptors)
	if err != nil {
		return nil, err
	}
	return &Plugin{alias: alias, builder: builder}, nil
}

// New makes a middleware from a configuration as it comes out of one of Traefik's providers, one after the other, as Traefik
// does: a type switch that two goroutines reach first at once is a data race inside Yaegi.
func (p *Plugin) New(ctx context.Context, next http.Handler, config map[string]any, name string) (http.Handler, error) {
	p.building.Lock()
	defer p.building.Unlock()
	constructor, err := p.builder.Build(p.alias, config, name)
	if err != nil {
		return nil, err
	}
	return constructor(ctx, next)
}
