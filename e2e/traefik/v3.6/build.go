//go:build tools

// Package traefik names the command that this module is there to build.
package traefik

import _ "github.com/traefik/traefik/v3/cmd/traefik"
