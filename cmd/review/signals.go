package review

import (
	"regexp"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// tokenHeaders are the headers that hold a token, in a request and in an answer.
var tokenHeaders = []string{"authorization", "cookie", "set-cookie"}

var captured = regexp.MustCompile(`^tracing\.captured(?:request|response)headers(?:\[\d+\])?$`)

// judgeSignals finds what a log, a metric or a trace must not have: see docs/operations.md, "Who did what".
func (r *review) judgeSignals(s *static) {
	const logged = "accesslog.fields.headers."
	keepsAll := strings.EqualFold(s.values[logged+"defaultmode"].value, "keep")
	for _, header := range tokenHeaders {
		one, isSaid := s.values[logged+"names."+header]
		switch {
		case isSaid && strings.EqualFold(one.value, "keep"):
			r.add(one.place, "kept-token", "", "the access log keeps "+header+", which may hold a token: leave it out")
		case !isSaid && keepsAll:
			r.add(s.values[logged+"defaultmode"].place, "kept-token", "", "the access log keeps all headers, "+header+" too, which may hold a token: drop it by its name, or keep others by theirs")
		}
	}
	for _, name := range s.names() {
		one := s.values[name]
		if captured.MatchString(name) {
			for _, header := range splitList(one.value) {
				if slices.Contains(tokenHeaders, header) {
					r.add(one.place, "kept-token", "", "traces get "+header+" as the client or the app sent it, token and all: leave it out")
				}
			}
		}
		isLabel := strings.HasPrefix(name, "metrics.prometheus.headerlabels.") && strings.HasPrefix(strings.ToLower(one.value), "x-ptl-")
		if isLabel && !strings.EqualFold(s.values["metrics.prometheus.addentrypointslabels"].value, "false") {
			r.add(one.place, "claimed-user", "", "an entry point counts what no router takes as well, with whatever a client writes into "+one.value+", and each is another series in memory: set addEntryPointsLabels to false")
		}
	}
}

// copies reports whether a middleware is one that sends a copy of the request on.
func copies(spec *yaml.Node) bool { return at(spec, "retry") != nil || at(spec, "buffering") != nil }

// judgeNames finds routers where the access log does not learn who it was.
func (r *review) judgeNames() {
	for _, one := range r.routers {
		isCopied, _ := r.beforeOurs(one.middlewares, 0)
		if isCopied {
			r.add(one.place, "claimed-user", one.name, "retry or buffering stands before the middleware, which then works on a copy of the request, and the access log names whoever the address does: put it after the middleware")
		}
	}
}

// beforeOurs reports whether the request is copied before it comes to ptlauth, and whether it comes there.
func (r *review) beforeOurs(names []string, depth int) (isCopied, isOurs bool) {
	for _, name := range names {
		m := r.find(name)
		switch {
		case m == nil:
		case m.lines != nil:
			return isCopied, true
		case m.copies:
			isCopied = true
		case depth < 10:
			within, ours := r.beforeOurs(m.chain, depth+1)
			isCopied = isCopied || within
			if ours {
				return isCopied, true
			}
		}
	}
	return isCopied && depth > 0, false
}
