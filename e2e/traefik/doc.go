// Package traefik builds, starts, reloads and stops a real Traefik that has ptlauth as a local plugin.
//
// It imports none of Traefik's own packages: those take minutes to compile, and are needed once,
// for the binary (see [Binary]).
package traefik
