package header

import (
	"net/http"
	"regexp"
	"strings"
	"sync"

	"github.com/getportal/ptlauth/internal/journal"
	"github.com/getportal/ptlauth/internal/option"
	"github.com/getportal/ptlauth/internal/pattern"
)

// identities are the headers by which proxies of all kinds tell apps who asks, folded; an
// asterisk at the end stands for anything. Apps believe them beside the one that we send:
// an app that reads Remote-User may read User-Name and User-Mail as well. RFC 9440 has
// Client-Cert; it is not X-Forwarded-Tls-Client-Cert, which Traefik sets itself.
var identities = strings.Fields(`
	remote-user remote-name remote-email remote-groups remote-role remote-roles remote-sub
	x-remote-user x-remote-user-* x-remote-uid x-remote-name x-remote-email x-remote-group x-remote-groups x-remote-extra-*
	x-forwarded-user x-forwarded-email x-forwarded-groups x-forwarded-preferred-username x-forwarded-access-token
	x-auth-request-user x-auth-request-email x-auth-request-groups x-auth-request-preferred-username x-auth-request-access-token
	x-webauth-* x-authentik-* x-authenticated-user x-authenticated-userid x-authenticated-groups
	x-auth-username x-auth-userid x-auth-subject x-auth-groups x-auth-roles x-token-user-* x-token-subject
	x-vouch-user x-vouch-idp-* x-pomerium-claim-* tailscale-user-* tailscale-app-capabilities x-consumer-* oidc-claim-* ynh-*
	cf-access-authenticated-user-email x-goog-authenticated-user-* x-ms-client-principal* x-amzn-oidc-identity
	client-cert client-cert-chain x-forwarded-client-cert ssl-client-* x-ssl-client-*
	user-name user-mail
`)

// rewriting are the headers by which an app may be told another path than the one that was
// judged, folded: gunicorn takes SCRIPT_NAME off the path, others believe X-Original-URL, and
// X-Accel-Mapping leads Rack to another file (CVE-2025-61780).
var rewriting = strings.Fields(`
	script-name x-script-name path-info x-path-info x-http-path-info path-translated request-uri x-request-uri
	x-original-url x-original-uri x-original-path x-rewrite-url x-rewrite-uri x-forwarded-path x-forwarded-uri x-forwarded-url
	x-matched-path x-invoke-path x-accel-mapping x-sendfile-type
	x-envoy-original-path ` + forwardedPrefix)

// forwardedPrefix is what Traefik's stripPrefix sets, and takes from strangers, in its
// canonical spelling alone.
const forwardedPrefix = "x-forwarded-prefix"

var (
	identity = oneOf(identities)
	rewrites = oneOf(rewriting)
)

// oneOf matches the folded names of a list, of a family up to its asterisk; nil: there are none.
func oneOf(names []string) *regexp.Regexp {
	if len(names) == 0 {
		return nil
	}
	return pattern.Compile("^(?:" + strings.ReplaceAll(strings.Join(names, "$|")+"$", "*$", "") + ")")
}

// Strip is what an operator says of the headers that are taken out.
type Strip struct {
	more *regexp.Regexp // also taken out; nil: nothing
	less *regexp.Regexp // let through; nil: nothing
}

// Reading is what is known of a configuration before `strip` is read.
type Reading struct {
	Injected []string
	Tokens   []string // the headers that carry a token
	Forward  bool     // the app may see it
}

// ReadStrip reads `strip`.
func ReadStrip(top *option.Section, known Reading) *Strip {
	s := &Strip{}
	texts := top.Texts("strip")
	if len(texts) == 0 && known.Tokens == nil {
		return s
	}
	ours := map[string]bool{}
	for _, name := range known.Injected {
		ours[Fold(name)] = true
	}
	tokens := foldAll(strings.Join(known.Tokens, " "))
	var more, less []string
	for _, text := range texts {
		e := readEntry(text)
		problem := entryProblem(e, ours, tokens)
		if problem != "" {
			top.Problem("strip", "`"+shown(text)+"` "+problem)
		} else if e.isLess {
			less = append(less, e.folded)
		} else {
			more = append(more, e.folded)
		}
	}
	s.more = oneOf(more)
	s.less = oneOf(less)
	for token, name := range tokens {
		if known.Forward && identity.MatchString(token) && (s.less == nil || !s.less.MatchString(token)) {
			top.Problem("strip", "does not say whether clients may send "+name+", which `token.header` names, `token.forward` passes on, and apps believe: write -"+name+" if the app is meant to, or choose another header")
		}
	}
	return s
}

// entry is one of `strip`.
type entry struct {
	name     string // as it was written, without the minus sign
	folded   string // with the asterisk of a family
	isLess   bool
	isFamily bool
}

func readEntry(text string) entry {
	text = strings.TrimSpace(text)
	e := entry{name: strings.TrimPrefix(text, "-")}
	e.isLess = e.name != text
	begin := strings.TrimSuffix(e.name, "*")
	e.isFamily = begin != e.name
	e.folded = Fold(begin)
	if e.isFamily && e.folded != "" {
		if strings.HasSuffix(begin, "-") {
			e.folded += "-"
		}
		e.folded += "*"
	}
	return e
}

// covers reports whether an entry means a folded name; of a family, it is enough if it means
// some name of it.
func covers(e entry, name string) bool {
	mine := strings.TrimSuffix(e.folded, "*")
	if strings.HasSuffix(name, "*") {
		theirs := strings.TrimSuffix(name, "*")
		return strings.HasPrefix(mine, theirs) || e.isFamily && strings.HasPrefix(theirs, mine)
	}
	return mine == name || e.isFamily && strings.HasPrefix(name, mine)
}

// entryProblem says what is wrong with an entry of `strip`; empty when nothing is.
func entryProblem(e entry, ours map[string]bool, tokens map[string]string) string {
	switch {
	case e.folded == "" || strings.Trim(e.name, NameBytes) != "" || strings.Contains(strings.TrimSuffix(e.name, "*"), "*"):
		return "is not a header name: use letters, digits and dashes, and * at the end for a family"
	case e.isLess:
		return lessProblem(e, ours)
	case tokens[e.folded] != "":
		return "is what `token.header` names, or where `token.basic` finds a password: leave it out"
	case coversOne(e, needed):
		return "is needed on the way and cannot be taken out: leave it out"
	}
	return ""
}

// lessProblem is entryProblem for what is to be let through.
func lessProblem(e entry, ours map[string]bool) string {
	switch {
	case covers(e, "x-ptl-*") || // guard: X-Ptl-* is let through by nobody
		e.folded == "x-ptl" || ours[e.folded]:
		return "cannot be let through: the app believes it"
	case coversOne(e, identities):
		return ""
	case coversOne(e, rewriting):
		return "cannot be let through: it may tell the app another path than the one that was judged"
	}
	return "is not taken out anyway: leave it out"
}

func coversOne(e entry, names []string) bool {
	for _, name := range names {
		if covers(e, name) {
			return true
		}
	}
	return false
}

// TokenProblem says why a header of that name cannot carry a token; empty when it can.
func TokenProblem(name string, injected []string) string {
	e := entry{folded: Fold(name)}
	switch {
	case name == "" || strings.Trim(name, NameBytes) != "" || e.folded == "":
		return "is not a header name: use letters, digits and dashes, as in Authorization"
	case IsReserved(e.folded):
		return "begins with X-Ptl-, which is taken out of every request: choose another header, such as Authorization"
	case e.folded == "cookie":
		return "is no header of its own: name the cookie in `token.cookie`"
	case coversOne(e, needed):
		return "is needed on the way and carries no token: choose another header, such as Authorization"
	}
	for _, other := range injected {
		if Fold(other) == e.folded {
			return "is also injected by `headers`, and therefore taken out of every request: choose another header"
		}
	}
	return ""
}

// shown is an entry in a log line.
func shown(entry string) string {
	if len(entry) > 64 || strings.Trim(entry, NameBytes) != "" {
		return "an entry"
	}
	return entry
}

// needed are the names that Traefik, or the middleware itself, goes by.
var needed = strings.Fields(steeringNames + "accept referer access-control-request-method x-forwarded-host x-forwarded-proto proxy-* " + forwardedPrefix)

// told are the known names and families of which tell has told.
var told sync.Map

// tell says once in the log that a header that a middleware in front may have set was
// taken out, if it is a known one. Of a family, which a client can name as it likes, only the family is told.
func tell(folded string) {
	known := identity.FindString(folded)
	if known == "" {
		return
	}
	if known != folded {
		known += "*"
	}
	_, before := told.LoadOrStore(known, true)
	if !before {
		name := http.CanonicalHeaderKey(known)
		journal.Error(name + " is taken out of requests, because apps believe it; if a middleware in front sets it, write strip: [-" + name + "]")
	}
}
