// Package journal writes the operator's lines into Traefik's log. Nothing that
// it is given may hold a secret, a token or a claim's value.
package journal

import (
	"fmt"
	"log"
	"net/http"
	"sync"
)

// Error writes a line that an operator must act on, at level ERROR: what package
// log prints reaches Traefik's log there. The logger is made anew each time,
// without a timestamp of its own, because Traefik's line has one.
func Error(text string) {
	log.New(log.Writer(), "", 0).Print("ptlauth: " + text)
}

// Answered is how the lines begin that Denied writes of a middleware.
func Answered(name string) string {
	return "ptlauth: " + name + " answered "
}

// Denied writes why a single request was denied, at level DEBUG: there Traefik puts
// what a plugin prints. The path is escaped: Traefik's log may not quote.
func Denied(answered string, status int, r *http.Request, reason string) {
	fmt.Print(answered, status, " to "+r.Method+" "+r.Host+r.URL.EscapedPath()+": "+reason+"\n")
}

var (
	mutex sync.Mutex
	last  = map[string]string{}
)

// State writes an ERROR line when what is said of a subject has changed, so that
// twenty routers and fifty reloads with the same mistake make one line. Empty
// text means that all is well again.
func State(subject, text string) {
	mutex.Lock()
	told := last[subject]
	if text == "" {
		delete(last, subject)
	} else {
		last[subject] = text
	}
	mutex.Unlock()
	if text != told && text != "" {
		Error(text)
	}
}
