package header

import (
	"net/http"
	"regexp"
	"strings"

	"github.com/getportal/ptlauth/internal/journal"
	"github.com/getportal/ptlauth/internal/option"
)

// identities are the headers by which proxies of all kinds tell apps who asks, folded; an
// asterisk at the end stands for anything. Apps believe them beside the one that we send:
// an app that reads Remote-User may read User-Name and User-Mail as well.
var identities = []string{
	"remote-user", "remote-name", "remote-email", "remote-groups",
	"x-remote-user", "x-remote-name", "x-remote-email", "x-remote-group", "x-remote-groups", "x-remote-extra-*",
	"x-forwarded-user", "x-forwarded-email", "x-forwarded-groups", "x-forwarded-preferred-username", "x-forwarded-access-token",
	"x-auth-request-user", "x-auth-request-email", "x-auth-request-groups", "x-auth-request-preferred-username",
	"x-webauth-*", "x-authentik-*", "x-authenticated-user", "x-authenticated-userid",
	"x-vouch-user", "x-vouch-idp-*", "x-pomerium-claim-*", "tailscale-user-*",
	"cf-access-authenticated-user-email", "x-goog-authenticated-user-*", "x-ms-client-principal*", "x-amzn-oidc-identity",
	"user-name", "user-mail",
}

// rewriting are the headers by which an app may be told another path than the one that was
// judged, folded: gunicorn takes SCRIPT_NAME off the path, others believe X-Original-URL.
var rewriting = []string{
	"script-name", "x-script-name", "path-info", "path-translated", "request-uri", "x-request-uri",
	"x-original-url", "x-original-uri", "x-original-path", "x-rewrite-url", "x-rewrite-uri", "x-forwarded-path",
	"x-envoy-original-path", forwardedPrefix,
}

// forwardedPrefix is what Traefik's stripPrefix sets, and takes from strangers, in its
// canonical spelling alone.
const forwardedPrefix = "x-forwarded-prefix"

var (
	identity = oneOf(identities)
	rewrites = oneOf(rewriting)
)

// oneOf matches the folded names of a list; nil: there are none.
func oneOf(names []string) *regexp.Regexp {
	if len(names) == 0 {
		return nil
	}
	patterns := make([]string, 0, len(names))
	for _, name := range names {
		pattern := regexp.QuoteMeta(strings.TrimSuffix(name, "*"))
		if strings.HasSuffix(name, "*") {
			pattern += ".*"
		}
		patterns = append(patterns, pattern)
	}
	return regexp.MustCompile(`^(?:` + strings.Join(patterns, "|") + `)$`)
}

// Strip is what an operator says of the headers that are taken out.
type Strip struct {
	more *regexp.Regexp // also taken out; nil: nothing
	less *regexp.Regexp // let through; nil: nothing
}

// ReadStrip reads `strip`, where it is known what is injected and which header carries the
// token.
func ReadStrip(top *option.Section, injected []string, token string) *Strip {
	s := &Strip{}
	var more, less []string
	ours := map[string]bool{}
	for _, name := range injected {
		ours[Fold(name)] = true
	}
	for _, entry := range top.Texts("strip") {
		name := strings.TrimPrefix(entry, "-")
		folded := Fold(strings.TrimSuffix(name, "*"))
		problem := stripProblem(folded, entry[0] == '-', ours)
		if problem == "" && token != "" && folded == Fold(token) {
			problem = "is what `token.header` names: leave it out"
		}
		if problem == "" && (strings.Trim(name, nameBytes) != "" || folded == "") {
			problem = "is not a header name: use letters, digits and dashes"
		}
		if problem != "" {
			top.Problem("strip", "`"+shown(entry)+"` "+problem)
			continue
		}
		if strings.HasSuffix(name, "*") {
			if strings.HasSuffix(name, "-*") {
				folded += "-"
			}
			folded += "*"
		}
		if entry[0] == '-' {
			less = append(less, folded)
		} else {
			more = append(more, folded)
		}
	}
	s.more = oneOf(more)
	s.less = oneOf(less)
	return s
}

// shown is an entry in a log line.
func shown(entry string) string {
	if len(entry) > 64 || strings.Trim(entry, nameBytes) != "" {
		return "an entry"
	}
	return entry
}

func stripProblem(folded string, isLess bool, injected map[string]bool) string {
	switch {
	case isLess && (IsReserved(folded) || injected[folded]):
		return "cannot be let through: the app believes it"
	case isLess && !identity.MatchString(folded) && !identity.MatchString(folded+"-x"):
		return "is not taken out anyway: leave it out"
	case !isLess && (steering[folded] || read[folded] || strings.HasPrefix(folded, "proxy-")):
		return "is needed on the way and cannot be taken out: leave it out"
	}
	return ""
}

// read are the names that the middleware itself goes by.
var read = map[string]bool{
	"accept": true, "origin": true, "referer": true, "x-forwarded-host": true, "x-forwarded-proto": true,
}

// tell says once in the log that a header that a middleware in front may have set was
// taken out. Of a family, which a client can name as it likes, only the family is told.
func tell(folded string) {
	for _, known := range identities {
		family := strings.TrimSuffix(known, "*")
		if folded == known || family != known && strings.HasPrefix(folded, family) {
			shown := http.CanonicalHeaderKey(known)
			journal.State("strip "+known, shown+" is taken out of requests, because apps believe it; if a middleware in front sets it, write strip: [-"+shown+"]")
			return
		}
	}
}
