// Package access decides by a request's path whether a good token is needed, and
// which headers the app is sent there.
package access

import (
	"net/http"
	"net/url"
	"regexp"
	"sort"
	"strings"
	"unicode/utf8"

	"github.com/getportal/ptlauth/internal/header"
	"github.com/getportal/ptlauth/internal/identity"
	"github.com/getportal/ptlauth/internal/option"
	"github.com/getportal/ptlauth/internal/pattern"
	"github.com/getportal/ptlauth/internal/placeholder"
	"github.com/getportal/ptlauth/internal/portal"
)

// Header is a header to inject.
type Header struct {
	Name     string // canonical
	Template *placeholder.Template
	// ForAnonymous reports whether it may be sent without a visitor's identity.
	ForAnonymous bool
}

// defaults are the headers that are injected where `headers` says nothing else, by their
// folded names. They are made once: a thousand routers have the same.
var defaults = map[string]Header{
	"x-ptl-user":        newDefault("X-Ptl-User", "{auth.user}"),
	"x-ptl-client-type": newDefault("X-Ptl-Client-Type", "{auth.client_type}"),
	"x-ptl-client-id":   newDefault("X-Ptl-Client-Id", "{auth.client_id}"),
	"x-ptl-client-name": newDefault("X-Ptl-Client-Name", "{auth.client_name}"),
}

func newDefault(name, text string) Header {
	template, _ := placeholder.Parse(text, &portal.Portal{})
	return Header{Name: name, Template: template, ForAnonymous: true}
}

// Access is whom the paths of a rule admit.
type Access int

const (
	// Private paths admit terminals.
	Private Access = 0
	// Public paths admit everybody.
	Public Access = 1
	// Peer paths admit nobody: Portal's access `peer`, which has no peers yet.
	Peer Access = 2
	// Own paths are answered by ptlauth itself.
	Own Access = 3
)

// Rule is what holds for the paths that begin with Prefix, both decoded once.
type Rule struct {
	Prefix  string
	Access  Access
	Headers []Header
	// Omitted are the names that are taken out of a request and not injected.
	Omitted []string

	// CacheKey tells the rules of a middleware apart, in front of any text or behind a header's value.
	CacheKey string
	// Anonymous is what a visitor's request is sent on with of whom nothing is known.
	Anonymous *Set

	// Because is why a path is private that would be public, for the log; empty: it would not.
	Because string

	// Plain is the targets that are public by a rule at a glance, if they have no more than MaxPath bytes.
	Plain *regexp.Regexp

	private   *Rule          // a public rule's twin for paths that are ambiguous
	rivals    *regexp.Regexp // what private prefixes that are not shorter begin; nil: nothing
	beginning *regexp.Regexp // what a private prefix begins; nil: it is public, or for all other paths
}

// Rules are a middleware's rules, the longest prefix first; the last one has the
// empty prefix.
type Rules []*Rule

// Read reads `headers` and `paths`.
func Read(top *option.Section, about *portal.Portal) Rules {
	general := map[string]Header{}
	for folded, h := range defaults {
		general[folded] = h
	}
	omitted := merge(top, general, about, Private)
	rules := Rules{{Headers: inOrder(general), Omitted: omitted}}
	seen := map[string]*Rule{}
	for _, s := range top.Sections("paths") {
		rule := readRule(s, general, about)
		folded := strings.ToLower(letters.Replace(rule.Prefix))
		other := seen[folded]
		if other != nil && other.Prefix == rule.Prefix {
			s.Problem("prefix", "is listed twice: keep one of the two")
		} else if other != nil && other.Access != rule.Access {
			s.Problem("prefix", "is another one's in different spelling, which some apps do not mind, and one of them is private: keep one of the two")
		}
		seen[folded] = rule
		if rule.Prefix == "" {
			rules[0] = rule
		} else {
			rules = append(rules, rule)
		}
	}
	return Sorted(rules)
}

// Sorted puts the longest prefix first, of one prefix that is there twice the private rule,
// and a private rule for all other paths last.
func Sorted(rules Rules) Rules {
	sort.SliceStable(rules, func(i, j int) bool { return goesBefore(rules[i], rules[j]) })
	if len(rules) == 0 || rules[len(rules)-1].Prefix != "" {
		rules = append(rules, &Rule{})
	}
	for _, rule := range rules {
		nobody, _ := Values(rule, identity.Anonymous)
		rule.Anonymous = nobody
		// No Cookie line and no path holds a line break.
		rule.CacheKey = "\n" + rule.Prefix + "\n"
		// What is not UTF-8 is never public, and needs no rival.
		if rule.Access != Public && rule.Prefix != "" && utf8.ValidString(rule.Prefix) {
			rule.beginning = pattern.Compile("^" + beginningOf(rule.Prefix))
		}
	}
	for _, rule := range rules {
		if rule.Access == Public {
			rule.private = &Rule{Prefix: rule.Prefix, CacheKey: "\r" + rule.Prefix + "\n", Headers: rule.Headers, Omitted: rule.Omitted, Anonymous: rule.Anonymous, Because: "its spelling: apps may read it as another one"}
			setRivals(rules, rule)
		}
	}
	// The Cookie line alone stands for the last rule, unless somebody is anonymous there.
	last := rules[len(rules)-1]
	if last.Access != Public {
		last.CacheKey = ""
	}
	return rules
}

// WithOwn are the rules and one for the paths that begin with that, which ptlauth may answer
// itself.
func WithOwn(rules Rules, path string) Rules {
	own := &Rule{Prefix: path, Access: Own, CacheKey: "\t" + path + "\n"}
	all := make(Rules, 0, len(rules)+1)
	for i, rule := range rules {
		if goesBefore(own, rule) {
			all = append(all, own)
			return append(all, rules[i:]...)
		}
		all = append(all, rule)
	}
	return append(all, own)
}

func goesBefore(a, b *Rule) bool {
	if len(a.Prefix) != len(b.Prefix) {
		return len(a.Prefix) > len(b.Prefix)
	}
	return a.Access != Public && b.Access == Public
}

func readRule(s *option.Section, general map[string]Header, about *portal.Portal) *Rule {
	rule := &Rule{Prefix: readPrefix(s)}
	switch strings.ToLower(s.Text("access", "private")) {
	case "private":
	case "public":
		rule.Access = Public
		if isAmbiguous(rule.Prefix) {
			s.Problem("prefix", "is a path that apps may read differently, and is therefore never public: leave out //, ;, \\, dot segments and control characters")
		}
	default:
		s.Problem("access", "is neither private nor public: write one of them")
	}
	if problem := PrefixProblem(rule.Prefix); problem != "" && !(rule.Access == Public && isAmbiguous(rule.Prefix)) {
		s.Problem("prefix", problem)
	}
	merged := map[string]Header{}
	for folded, h := range general {
		merged[folded] = h
	}
	rule.Omitted = merge(s, merged, about, rule.Access)
	s.Unknown()
	rule.Headers = inOrder(merged)
	return rule
}

// readPrefix reads a prefix, and decodes it once.
func readPrefix(s *option.Section) string {
	prefix := s.Text("prefix", "")
	if !s.Has("prefix") {
		s.Problem("prefix", "is missing: write the beginning of the paths that are meant, such as /public")
	} else if prefix == "/" {
		return ""
	} else if prefix != "" && prefix[0] != '/' {
		s.Problem("prefix", "does not begin with a slash: write /public")
		return prefix
	}
	if strings.ContainsAny(prefix, "?#") {
		s.Problem("prefix", "holds ? or #: it is compared with the path alone")
	}
	decoded, err := url.PathUnescape(prefix)
	if err != nil {
		s.Problem("prefix", "has a % without two hexadecimal digits behind it: write %25 for a percent sign")
		return prefix
	}
	return decoded
}

// PrefixProblem says why no path of an app begins with the decoded prefix, or why it is
// hardly what is meant; empty where nothing is wrong.
func PrefixProblem(prefix string) string {
	if prefix != "" && prefix[0] != '/' {
		return "does not begin with a slash, as all paths do"
	}
	if strings.HasSuffix(prefix, "*") {
		return "ends in *, which stands for itself: leave it out, a prefix means all paths that begin with it"
	}
	if wildcard.MatchString(prefix) {
		return "holds a wildcard, which stands for itself: write the beginning of the paths that are meant, up to it"
	}
	if unreachable.MatchString(prefix) || !utf8.ValidString(prefix) {
		return "matches nothing, because of //, a dot segment, a control character, a blank at its end or bytes that are not UTF-8: write it as the app sees the path"
	}
	return ""
}

var (
	wildcard    = regexp.MustCompile(`/\*+/|\{[^/]*\}|/:[A-Za-z_]+(?:/|$)|\(\?|\.\*`)
	unreachable = regexp.MustCompile(`//|` + dotSegment + `|[\x00-\x1f\x7f-\x{9f}]| $`)
)

// merge puts the section's headers over those that are there. A value that is the
// same whoever asks (`admin`, `{portal.id[:6]}@example.com`) could log an anonymous
// visitor in: it is sent to one only where a public path itself lists it.
func merge(s *option.Section, headers map[string]Header, about *portal.Portal, a Access) []string {
	var omitted []string
	value := s.Value("headers")
	if value == nil {
		return nil
	}
	entries, ok := option.Map(value)
	if !ok && !option.IsEmpty(value) {
		s.Problem("headers", "is "+option.Kind(value)+" where header names belong: write it as NAME: VALUE")
		return nil
	}
	seen := map[string]bool{}
	for _, name := range option.Names(entries) {
		folded := header.Fold(name)
		problem := header.NameProblem(name)
		if problem == "" && seen[folded] {
			problem = "is listed twice in different spelling: keep one"
		}
		seen[folded] = true
		text, ok := option.Text(entries[name])
		if ok && problem == "" && text == "-" {
			delete(headers, folded)
			omitted = append(omitted, name)
			continue
		}
		var h Header
		if !ok {
			problem = "is " + option.Kind(entries[name]) + " where one text belongs: quote a placeholder, as in \"{auth.user}\""
		} else if problem == "" {
			h, problem = NewHeader(name, text, a, about)
		}
		if problem != "" {
			s.Problem("headers."+name, problem)
			continue
		}
		headers[folded] = h
	}
	return omitted
}

// NewHeader makes the header of that name that is injected on paths of that access, or
// says what is wrong with the text.
func NewHeader(name, text string, a Access, about *portal.Portal) (Header, string) {
	if text == "" {
		return Header{}, "is empty: quote a placeholder, as in \"{auth.user}\" (unquoted braces are a map in YAML), or write \"-\" to leave the header out"
	}
	template, problem := placeholder.Parse(text, about)
	if problem == "" && placeholder.IsConstant(template) {
		_, problem = placeholder.Render(template, identity.Anonymous)
	}
	if problem != "" {
		return Header{}, problem
	}
	return Header{
		Name:         http.CanonicalHeaderKey(name),
		Template:     template,
		ForAnonymous: a == Public || !placeholder.IsConstant(template),
	}, ""
}

func inOrder(headers map[string]Header) []Header {
	folded := make([]string, 0, len(headers))
	for name := range headers {
		folded = append(folded, name)
	}
	sort.Strings(folded)
	ordered := make([]Header, 0, len(headers))
	for _, name := range folded {
		h := headers[name]
		ordered = append(ordered, h)
	}
	return ordered
}

// Injected are the names of all headers that any of the rules may inject or leaves out.
func Injected(rules Rules) []string {
	var injected []string
	for _, rule := range rules {
		for _, h := range rule.Headers {
			injected = append(injected, h.Name)
		}
		injected = append(injected, rule.Omitted...)
	}
	return injected
}

// Set is the headers that a request is sent on with: Names, canonical, and a value for
// each, with no room for more: whoever appends has a copy. Requests share it, so that they are
// sent on with copies of the values.
type Set struct {
	Names  []string
	Values []string
	// WithCookie is Names and Cookie, which is what is left where a token was.
	WithCookie []string
	// User is for Traefik's access log; nil: anonymous.
	User *url.Userinfo
	// Mark tells a second middleware of the same name in the chain what to send on; nil:
	// anonymous. It goes where no client can put anything.
	Mark *http.Response
}

// Values renders a rule's headers for a visitor. An empty one is left out: an anonymous visitor
// has no user. A problem, the second result, means that the request must be denied.
func Values(rule *Rule, v *identity.Visitor) (*Set, string) {
	set := &Set{}
	anonymous := v == identity.Anonymous
	for _, h := range rule.Headers {
		if anonymous && !h.ForAnonymous { // guard: a fixed name logs nobody in on a public path
			continue
		}
		value, problem := placeholder.Render(h.Template, v)
		if problem != "" {
			return nil, h.Name + ": " + problem
		}
		if value != "" {
			set.Names = append(set.Names, h.Name)
			set.Values = append(set.Values, value)
		}
	}
	n := len(set.Names)
	set.Names = set.Names[:n:n]
	set.Values = set.Values[:n:n]
	set.WithCookie = append(set.Names, "Cookie")
	return set, ""
}

// HeadersArePerTerminal reports whether all tokens of a terminal get the same headers by a rule.
func HeadersArePerTerminal(rules Rules) bool {
	for _, rule := range rules {
		for _, h := range rule.Headers {
			if placeholder.UsesClaims(h.Template) {
				return false
			}
		}
	}
	return true
}
