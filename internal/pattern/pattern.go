// Package pattern compiles the expressions that a configuration makes. Traefik has a
// middleware made for each router, and all of them have the same few.
package pattern

import (
	"regexp"
	"sync"
)

// maxKnown bounds how many expressions are kept.
const maxKnown = 512

var (
	mutex sync.Mutex
	known = map[string]*regexp.Regexp{}
)

// Compile is regexp.MustCompile, the same expression for the same text.
func Compile(text string) *regexp.Regexp {
	mutex.Lock()
	defer mutex.Unlock()
	compiled := known[text]
	if compiled == nil {
		compiled = regexp.MustCompile(text)
		if len(known) >= maxKnown {
			known = map[string]*regexp.Regexp{}
		}
		known[text] = compiled
	}
	return compiled
}
