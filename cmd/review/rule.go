package review

import (
	"regexp"
	"slices"
	"strings"
)

var (
	hostMatcher = regexp.MustCompile(`\bHost\(([^()]*)\)`)
	quotedName  = regexp.MustCompile("[`\"']([^`\"']*)[`\"']")
)

// judgeRules finds names in the rules of routers that no request has: Traefik compares a host without its port, and takes
// none but ASCII.
func (r *review) judgeRules() {
	for _, one := range r.routers {
		for _, matcher := range hostMatcher.FindAllStringSubmatch(one.rule, -1) {
			for _, name := range quotedName.FindAllStringSubmatch(matcher[1], -1) {
				if text := objection(name[1]); text != "" {
					r.add(one.place, Mistake, one.name, "Host("+name[1]+") "+text)
				}
			}
		}
	}
}

// objection says why that is no host for a rule; empty: it may be one.
func objection(name string) string {
	host, _, hasPort := strings.Cut(name, ":")
	switch {
	case strings.Contains(name, "/"):
		return "is never met: write the host alone, without a scheme and a path"
	case strings.ContainsFunc(name, func(c rune) bool { return c > 127 }):
		return "is not ASCII, so that Traefik drops the router: write the name as browsers send it, which begins with xn--"
	case hasPort && !strings.Contains(strings.TrimPrefix(name, host+":"), ":"): // IPv6 has more
		return "is never met, since Traefik compares the host without its port: write " + host
	}
	return ""
}

// judgeMentions finds ptlauth named with another provider than has it, where that one has none of the name here.
func (r *review) judgeMentions() {
	for _, one := range r.routers {
		for _, name := range one.middlewares {
			bare, provider, _ := strings.Cut(name, "@")
			if r.find(name) != nil || !slices.Contains([]string{"file", "docker", "swarm"}, provider) {
				continue
			}
			for _, m := range r.middlewares {
				if m.options != nil && m.provider != crd && strings.EqualFold(m.name, bare) {
					r.add(one.place, "other-provider", one.name, "names "+name+", and "+m.String()+" is what there is ("+m.file+":"+itoa(m.line)+"): without that middleware Traefik drops the router, and another one may answer")
					break
				}
			}
		}
	}
}
