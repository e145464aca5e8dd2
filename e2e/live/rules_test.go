package live

import (
	"crypto/rand"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v4"
)

// phone and tablet are terminals.
const (
	phone  = "abc123"
	tablet = "def456"
)

func newSecret() string { return rand.Text() + rand.Text() }

// secrets are what the terminals' tokens are signed with.
type secrets map[string]string

func newSecrets() secrets { return secrets{phone: newSecret(), tablet: newSecret()} }

func (s secrets) of(terminal string) string { return s[terminal] }

// token is a terminal's; nobody's is empty.
func (s secrets) token(t *testing.T, terminal string) string {
	t.Helper()
	if terminal == "" {
		return ""
	}
	claims := jwt.MapClaims{"sub": terminal, "iat": time.Now().Unix() - 10}
	if terminal == tablet {
		claims["role"] = "admin"
	}
	text, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(s[terminal]))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// A tree is a configuration, or a part of it, without a provider's form.
type (
	tree = map[string]any
	list = []any
)

// rules are Traefik's dynamic configuration.
type rules struct {
	secrets                        secrets
	routers, middlewares, services tree
}

func newRules(app string) *rules {
	r := &rules{secrets: newSecrets()}
	router := func(path, middleware string) tree {
		return tree{"rule": "PathPrefix(`" + path + "`)", "service": "app", "middlewares": list{middleware}, "entryPoints": list{"web"}}
	}
	r.routers = tree{
		"one": router("/one/", "auth"), "two": router("/two/", "auth"), "other": router("/other/", "other"), "gone": router("/gone/", "other"),
	}
	r.middlewares = tree{"auth": middleware(r.secrets), "other": middleware(r.secrets)}
	r.services = tree{"app": tree{"loadBalancer": tree{"servers": list{tree{"url": app}}}}}
	return r
}

func middleware(s secrets) tree {
	return tree{"plugin": tree{"ptlauth": tree{
		"keys": list{tree{"secret": s.of(phone)}, tree{"secret": s.of(tablet)}},
		"terminals": tree{"paired": tree{
			phone: tree{"name": "Phone", "user": "ann@example.com"}, tablet: tree{"name": "Tablet", "user": "ben@example.com"},
		}},
		"paths":          list{tree{"prefix": "/one/open", "access": "public"}},
		"trustedOrigins": list{"https://page.example.org", "https://page.example.net"},
	}}}
}

// options are a middleware's.
func (r *rules) options(middleware string) tree {
	return r.middlewares[middleware].(tree)["plugin"].(tree)["ptlauth"].(tree)
}

func (r *rules) paired(middleware string) tree {
	return r.options(middleware)["terminals"].(tree)["paired"].(tree)
}

func (r *rules) tree() tree {
	return tree{"routers": r.routers, "middlewares": r.middlewares, "services": r.services}
}

func (r *rules) clone() *rules {
	return &rules{r.secrets, copied(r.routers).(tree), copied(r.middlewares).(tree), copied(r.services).(tree)}
}

func copied(value any) any {
	switch v := value.(type) {
	case tree:
		all := tree{}
		for name, value := range v {
			all[name] = copied(value)
		}
		return all
	case list:
		all := list{}
		for _, value := range v {
			all = append(all, copied(value))
		}
		return all
	}
	return value
}

// pairs are a tree's leaves by their keys, as in a KV store.
func pairs(key string, value any) map[string]string {
	all := map[string]string{}
	each(value, func(name string, value any) { join(all, pairs(key+"/"+name, value)) }, func(i int, value any) {
		join(all, pairs(fmt.Sprintf("%s/%d", key, i), value))
	}, func(text string) { all[key] = text })
	return all
}

// labels are a tree's leaves by their names, as at a container.
func labels(name string, value any) map[string]string {
	all := map[string]string{}
	if texts, ok := value.(list); ok && isText(texts) {
		return map[string]string{name: strings.ReplaceAll(strings.Trim(fmt.Sprint(texts), "[]"), " ", ",")}
	}
	each(value, func(key string, value any) { join(all, labels(name+"."+key, value)) }, func(i int, value any) {
		join(all, labels(fmt.Sprintf("%s[%d]", name, i), value))
	}, func(text string) { all[name] = text })
	return all
}

// each calls what is for a map's entry, a list's, or text.
func each(value any, entry func(string, any), member func(int, any), leaf func(string)) {
	switch v := value.(type) {
	case tree:
		for name, value := range v {
			entry(name, value)
		}
	case list:
		for i, value := range v {
			member(i, value)
		}
	default:
		leaf(fmt.Sprint(v))
	}
}

func join(all, more map[string]string) {
	for name, value := range more {
		all[name] = value
	}
}

func isText(values list) bool {
	for _, value := range values {
		if _, ok := value.(string); !ok {
			return false
		}
	}
	return true
}
