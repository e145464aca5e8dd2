package review

import (
	"fmt"
	"slices"
	"strings"
)

// router is one of Traefik's for HTTP. Names of middlewares and of the service are qualified, in lower case.
type router struct {
	place
	name, service string
	middlewares   []string
	entryPoints   []string
	tls           bool
	rule          string
}

// service is an app that may be reached past Traefik.
type service struct {
	place
	name, key string // as people call it, and as routers do
	how       string // how it can be reached
}

// guards says whether a request that takes this way meets ptlauth: no, yes, or maybe, where a name is not in what was read.
func (r *review) guards(names []string, depth int) answer {
	best := no
	for _, name := range names {
		found := r.find(name)
		switch {
		case found == nil:
			best = max(best, maybe)
		case found.lines != nil && !found.isShadow():
			best = yes
		case depth < 10:
			best = max(best, r.guards(found.chain, depth+1))
		}
	}
	return best
}

type answer int

const (
	no answer = iota
	maybe
	yes
)

func (r *review) find(name string) *middleware {
	for _, m := range r.middlewares {
		if strings.EqualFold(m.String(), name) {
			return m
		}
	}
	return nil
}

// way are the middlewares that a router's requests meet, those of its entry points included where each of them has some.
func (r *review) way(one *router) []string {
	names := one.middlewares
	for _, s := range r.statics {
		points := one.entryPoints
		if len(points) == 0 {
			points = s.entryPoints()
		}
		var shared []string
		for _, point := range points {
			list := splitList(s.values["entrypoints."+strings.ToLower(point)+".http.middlewares"].value)
			if len(list) == 0 {
				shared = nil
				break
			}
			shared = append(shared, list...)
		}
		names = append(names[:len(names):len(names)], shared...)
	}
	return names
}

func splitList(value string) []string {
	var names []string
	for _, name := range strings.Split(value, ",") {
		if name = strings.TrimSpace(name); name != "" {
			names = append(names, strings.ToLower(name))
		}
	}
	return names
}

// redirects reports whether nothing reaches the app, because everything is sent to HTTPS.
func (r *review) redirects(one *router) bool {
	for _, name := range one.middlewares {
		m := r.find(name)
		if m != nil && m.redirects && !one.tls {
			return true
		}
	}
	for _, s := range r.statics {
		redirected := 0
		for _, point := range one.entryPoints {
			if s.values["entrypoints."+strings.ToLower(point)+".http.redirections.entrypoint.to"].value != "" {
				redirected++
			}
		}
		if redirected > 0 && redirected == len(one.entryPoints) {
			return true
		}
	}
	return false
}

// judgeRouters finds routers that lead to what others guard.
func (r *review) judgeRouters() {
	guarded := map[string]*router{}
	for _, one := range r.routers {
		if one.service != "" && guarded[one.service] == nil && r.guards(r.way(one), 0) == yes {
			guarded[one.service] = one
		}
	}
	for _, one := range r.routers {
		other := guarded[one.service]
		if other == nil || r.guards(r.way(one), 0) != no || r.redirects(one) {
			continue
		}
		r.add(one.place, "unguarded-router", one.name, fmt.Sprintf("leads to the same app as %s (%s:%d), without the middleware, so that whoever takes this way can name himself anybody: name it here too", other.name, other.file, other.line))
	}
}

// judgeShadows finds routers on whose way a middleware in shadow mode has nothing to compare with: it is named once, or
// nothing stands between its first mention and its last.
func (r *review) judgeShadows() {
	for _, one := range r.routers {
		var met []*middleware // nil: in none of the files that were read
		r.meets(&met, r.way(one), 0)
		for i, m := range met {
			if m == nil || !m.isShadow() || slices.Contains(met[:i], m) {
				continue
			}
			isBetween := false
			for last := range met {
				if met[last] == m {
					isBetween = slices.ContainsFunc(met[i:last], func(other *middleware) bool { return other != m })
				}
			}
			if !isBetween {
				r.add(one.place, "shadow", one.name, m.String()+" is in shadow mode and protects nothing, and the router does not name it on both sides of a middleware that decides: write middlewares: [shadow, forward-auth, shadow], or take out the option shadow")
			}
		}
	}
}

// meets appends the middlewares that those names stand for, in their order, with those of which chains are made.
func (r *review) meets(met *[]*middleware, names []string, depth int) {
	for _, name := range names {
		found := r.find(name)
		if found != nil && len(found.chain) > 0 && depth < 10 {
			r.meets(met, found.chain, depth+1)
			continue
		}
		*met = append(*met, found)
	}
}

// judgeServices finds apps behind the middleware that can be reached without it.
func (r *review) judgeServices() {
	for _, s := range r.services {
		for _, one := range r.routers {
			way := r.guards(r.way(one), 0)
			if one.service != s.key && !strings.HasPrefix(one.service, s.key+":") || way == no || way == maybe && !r.knowsPlugin() {
				continue
			}
			r.add(s.place, "published-port", s.name, s.how+", past Traefik and the middleware, and the app believes whoever reaches it: leave that out")
			break
		}
	}
}

// knowsPlugin reports whether a static configuration that was read has the plugin.
func (r *review) knowsPlugin() bool {
	for _, s := range r.statics {
		name, _ := s.plugin()
		if name != "" {
			return true
		}
	}
	return false
}
