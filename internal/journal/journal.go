// Package journal writes the operator's lines into Traefik's log. Nothing that
// it is given may hold a secret, a token or a claim's value.
package journal

import (
	"fmt"
	"log"
	"net/http"
	"net/url"
	"strings"
	"sync"
)

// maxError bounds a line about a mistake, which names every mistake of a middleware.
const maxError = 16 << 10

// Error writes a line that an operator must act on, at level ERROR: what package
// log prints reaches Traefik's log there. The logger is made anew each time,
// without a timestamp of its own, because Traefik's line has one.
func Error(text string) {
	if len(text) > maxError {
		text = text[:maxError] + " …"
	}
	log.New(log.Writer(), "", 0).Print("ptlauth: " + controls.Replace(text))
}

// controls are what, in text from files and servers, could make a line of its own or a
// terminal's command.
var controls = strings.NewReplacer(strings.Split("\x00 \x01 \x02 \x03 \x04 \x05 \x06 \x07 \x08 \x09 \x0a \x0b \x0c \x0d \x0e \x0f \x10 \x11 \x12 \x13 \x14 \x15 \x16 \x17 \x18 \x19 \x1a \x1b \x1c \x1d \x1e \x1f \x7f ", "")...)

// DenialLine is the format of the lines that Denial writes of a middleware.
func DenialLine(name string) string {
	return "ptlauth: " + strings.ReplaceAll(name, "%", "%%") + denialLine
}

// Denial writes why a single request was denied, at level DEBUG: there Traefik puts
// what a plugin prints. What the client chose is escaped and cut: over HTTP/2, a host
// and a method may hold anything but control characters.
func Denial(line string, status int, r *http.Request, reason string) {
	host := url.PathEscape(r.Host) // guard: a host is escaped in the log
	method := r.Method
	if method != "GET" {
		method = url.PathEscape(method)
	}
	fmt.Printf(line, status, method, host, r.URL.EscapedPath(), reason)
}

const denialLine = " answered %d to %.20s %.200s%.200s: %s\n" // guard: what a client chose is cut in the log

var (
	mutex sync.Mutex
	last  = map[string]string{}
)

// ErrorOnChange writes an ERROR line when what is said of a subject has changed, so that
// twenty routers and fifty reloads with the same mistake make one line. Empty
// text means that all is well again.
func ErrorOnChange(subject, text string) {
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
