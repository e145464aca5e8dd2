package access

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/getportal/ptlauth/internal/pattern"
)

// MaxPath bounds the paths that can be public, in bytes: what is compared by expressions
// must not be a megabyte.
const MaxPath = 8 << 10

var (
	// ambiguous is what an app may read differently, in a path that is decoded once: control
	// characters, backslashes, path parameters, what ends a path elsewhere, empty and dot
	// segments, and what decodes once more (CVE-2026-48020, CVE-2026-40912).
	ambiguous = regexp.MustCompile(`[\x00-\x1f\x7f-\x{9f}\\;?#]|//|` + dotSegment + `|%[0-9A-Fa-f]{2}`)
	dots      = regexp.MustCompile(dotSegment)
	slash     = regexp.MustCompile(`%2[fF]`)
)

// dotSegment leads to another path (RFC 3986 §5.2.4).
const dotSegment = `/\.\.?(?:/|$)`

// isAmbiguous reports whether apps may take the decoded path for another one.
func isAmbiguous(path string) bool {
	return ambiguous.MatchString(path) || !utf8.ValidString(path) ||
		dots.MatchString(letters.Replace(path)) // guard: dots and slashes are folded as letters are
}

// Ordinary returns what matches the decoded paths for which Find is not needed to know
// that the last rule holds, when it does not match.
func Ordinary(rules Rules) *regexp.Regexp {
	if rules[len(rules)-1].Access == Public {
		return pattern.Compile(``)
	}
	prefixes := make([]string, 0, len(rules))
	for _, rule := range rules[:len(rules)-1] {
		prefixes = append(prefixes, regexp.QuoteMeta(valid(rule.Prefix)))
	}
	return pattern.Compile(`^(?:` + strings.Join(prefixes, "|") + `)`)
}

// valid is a text up to the first byte that is not UTF-8, which no expression can hold.
func valid(text string) string {
	head, _, _ := strings.Cut(strings.ToValidUTF8(text, "\x00"), "\x00")
	return head
}

// Find returns the rule for a request: that of the longest prefix with which the decoded
// path begins. A path is public only where no app could read it as one that is not.
func Find(rules Rules, r *http.Request) *Rule {
	for _, rule := range rules {
		if strings.HasPrefix(r.URL.Path, rule.Prefix) {
			if rule.Access != Public {
				return rule
			}
			if len(r.RequestURI) <= MaxPath {
				if rule.Plain.MatchString(r.RequestURI) {
					return rule
				}
			}
			return findSlow(rules, rule, r)
		}
	}
	return everywhere
}

// everywhere would be the rule where none is; but the last one's prefix is empty.
var everywhere = &Rule{}

func longest(rules Rules, path string) *Rule {
	for _, rule := range rules {
		if strings.HasPrefix(path, rule.Prefix) {
			return rule
		}
	}
	return everywhere
}

// findSlow looks closely at a path that a public prefix begins. It is public if it is so
// both where %2F is a slash and where it is data.
func findSlow(rules Rules, rule *Rule, r *http.Request) *Rule {
	path := r.URL.Path
	escaped := r.URL.EscapedPath()
	if len(escaped) > MaxPath ||
		r.URL.Opaque != "" || path == "" || path[0] != '/' || // guard: a target that is no path is never public
		isAmbiguous(path) || // guard: an ambiguous path is never public
		target(r) != escaped {
		return rule.private
	}
	if isRival(rule, path) {
		return rival(rules, rule, path)
	}
	if !strings.Contains(escaped, "%") { // guard: an escaped slash is read as a slash, and as none
		return rule
	}
	return findData(rules, rule, escaped)
}

// findData reads %2F as data, which it is to apps that cut the path before they decode it.
func findData(rules Rules, rule *Rule, escaped string) *Rule {
	data, err := url.PathUnescape(slash.ReplaceAllString(escaped, "%252F"))
	if err != nil || isRival(rule, data) {
		return rule.private
	}
	other := longest(rules, data)
	if other.Access == Peer { // guard: an escaped slash opens nothing that is for peers
		return other
	}
	if other != rule {
		return rule.private
	}
	return rule
}

// Stricter is the rule for a request that is no GET, which holds for its path: that of the path
// to which its Destination leads (RFC 4918 §10.3), unless that is public as well.
func Stricter(rules Rules, rule *Rule, r *http.Request) *Rule {
	destinations := r.Header["Destination"]
	if rule.Access != Public || destinations == nil {
		return rule
	}
	other := findDestination(rules, rule, destinations)
	if other.Access == Public { // guard: a request is judged by where it leads, too
		return rule
	}
	strict := *other
	strict.Because = "where its Destination leads"
	if strict.Access == Own {
		strict.Access = Private
	}
	return &strict
}

// findDestination returns the rule for what a Destination names. Of two, and of what is none,
// nobody knows where it leads.
func findDestination(rules Rules, rule *Rule, destinations []string) *Rule {
	if len(destinations) > 1 || len(destinations[0]) > MaxPath {
		return rule.private
	}
	address, err := url.Parse(destinations[0])
	if err != nil {
		return rule.private
	}
	return Find(rules, &http.Request{URL: address, RequestURI: destinations[0]})
}

// target is the escaped path that Traefik's proxies send, which is that of RequestURI; it
// may be a whole address (RFC 9112 §3.2.2). It is empty where that is neither.
func target(r *http.Request) string {
	path, _, _ := strings.Cut(r.RequestURI, "?")
	if path != "" && path[0] == '/' {
		return path
	}
	address, err := url.ParseRequestURI(r.RequestURI)
	if err != nil || address.Host == "" {
		return ""
	}
	return address.EscapedPath()
}

func isRival(rule *Rule, path string) bool {
	if rule.rivals == nil {
		return false
	}
	folded := letters.Replace(path) // guard: letters are folded as languages and file systems do
	return rule.rivals.MatchString(folded)
}

// rival is the private rule that keeps a path from being public.
func rival(rules Rules, rule *Rule, path string) *Rule {
	folded := letters.Replace(path)
	for _, other := range rules {
		if other.beginning != nil && other.beginning.MatchString(folded) {
			return other
		}
	}
	return rule.private
}

// beginningOf matches the folded paths that a private prefix covers: when case does not
// count, because to some apps it does not, and without the slash at its end, because to
// some apps that is the same page.
func beginningOf(prefix string) string {
	folded := letters.Replace(prefix)
	bare := strings.TrimSuffix(folded, "/")
	if bare == folded { // guard: a private prefix covers itself without its slash
		return `(?i:` + regexp.QuoteMeta(folded) + `)` // guard: a private prefix holds in any case
	}
	return `(?i:` + regexp.QuoteMeta(bare) + `(?:/|\z))`
}

// setRivals finds for a public rule the private rules with a prefix that is not shorter,
// and what needs no closer look.
func setRivals(rules Rules, rule *Rule) {
	var beginnings []string
	for _, other := range rules {
		if other.beginning != nil &&
			length(other.Prefix) >= length(rule.Prefix) { // guard: of one prefix in two cases the private one holds
			beginnings = append(beginnings, beginningOf(other.Prefix))
		}
	}
	rule.Plain = nothing
	if beginnings != nil {
		rule.rivals = pattern.Compile(`^(?:` + strings.Join(beginnings, "|") + `)`)
	} else if rule.Prefix == "" {
		rule.Plain = pattern.Compile(`^/` + plain)
	} else if rule.Prefix[0] != '/' { // guard: a prefix that is no path is no short cut
		return
	} else if !isAmbiguous(rule.Prefix) && strings.HasSuffix(rule.Prefix, "/") {
		rule.Plain = pattern.Compile(`^` + regexp.QuoteMeta(rule.Prefix) + plain)
	} else if !isAmbiguous(rule.Prefix) { // guard: a prefix with two readings is no short cut
		rule.Plain = pattern.Compile(`^` + regexp.QuoteMeta(rule.Prefix) + `[.` + harmless + `]*(?:/` + plain + `|\?|$)`)
	}
}

// harmless are the characters that cannot be escaped, or mean the same if they are; but for
// the dot.
const harmless = `A-Za-z0-9_~!$&'()*+,=:@-`

// plain is how a path goes on behind a slash that needs no closer look: with harmless
// characters, no empty and no dot segment, and any query.
const plain = `(?:[` + harmless + `][.` + harmless + `]*(?:/[` + harmless + `][.` + harmless + `]*)*/?)?(?:\?|$)`

var nothing = regexp.MustCompile(`[^\x{0}-\x{10FFFF}]`)
