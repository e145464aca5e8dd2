//go:build tools

// Package miniflux names the command that this module is there to build, as e2e/traefik builds Traefik.
package miniflux

import _ "miniflux.app/v2"
