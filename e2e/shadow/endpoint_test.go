package shadow

import (
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/golang-jwt/jwt/v4"
)

const (
	portalID     = "abcdefghjk"
	portalDomain = "abcdef.p.example.com"
)

// meta is what an app_meta.json says of a path.
type meta struct {
	Access  string            `json:"access"`
	Headers map[string]string `json:"headers"`
}

// endpoint answers as Portal's auth container does: by the last cookie of the name, without a look at exp or at where a
// request is from, by the longest prefix of the whole target, and with every header, be it empty.
type endpoint struct {
	secret string

	mutex     sync.Mutex
	terminals map[string]string          // names by ids
	apps      map[string]map[string]meta // by the app's name, then by prefix
	// deviates changes what is answered to a host's label, which is what the test plants.
	deviates map[string]func(status int, h http.Header) int
	asked    int
}

func (e *endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	e.mutex.Lock()
	defer e.mutex.Unlock()
	if r.URL.Path == "/protected/terminals" {
		var list []map[string]any
		for id, name := range e.terminals {
			list = append(list, map[string]any{"id": id, "name": name, "icon": "smartphone", "last_connection": nil})
		}
		_ = json.NewEncoder(w).Encode(list)
		return
	}
	e.asked++
	label, _, _ := strings.Cut(r.Header.Get("X-Forwarded-Host"), ".")
	status := e.decide(label, r, w.Header())
	if deviate := e.deviates[label]; deviate != nil {
		status = deviate(status, w.Header())
	}
	if status != http.StatusOK {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		io.WriteString(w, `{"detail":"`+http.StatusText(status)+`"}`)
	}
}

func (e *endpoint) decide(label string, r *http.Request, h http.Header) int {
	paths, ok := e.apps[label]
	if !ok {
		return http.StatusNotFound
	}
	path, longest := meta{}, -1
	for prefix, m := range paths {
		if strings.HasPrefix(r.Header.Get("X-Forwarded-Uri"), prefix) && len(prefix) > longest {
			path, longest = m, len(prefix)
		}
	}
	if longest < 0 {
		return http.StatusInternalServerError
	}
	id := e.terminal(r)
	name, paired := e.terminals[id]
	if !paired && path.Access != "public" {
		return http.StatusUnauthorized
	}
	kind := "terminal"
	if !paired {
		kind, id = "anonymous", ""
	}
	for header, template := range path.Headers {
		h.Set(header, strings.NewReplacer(
			"{{ portal.id[:6] }}", portalID[:6], "{{ portal.id }}", portalID, "{{ portal.domain }}", portalDomain,
			"{{ auth.client_type }}", kind, "{{ auth.client_id }}", id, "{{ auth.client_name }}", name,
		).Replace(template))
	}
	return http.StatusOK
}

// terminal is whose token the last cookie of the name holds.
func (e *endpoint) terminal(r *http.Request) string {
	for _, cookie := range slices.Backward(r.Cookies()) {
		if cookie.Name != "authorization" {
			continue
		}
		claims := jwt.MapClaims{}
		_, err := jwt.ParseWithClaims(strings.TrimPrefix(cookie.Value, "Bearer "), claims, func(*jwt.Token) (any, error) { return []byte(e.secret), nil },
			jwt.WithValidMethods([]string{"HS256"}))
		id, _ := claims["sub"].(string)
		if err != nil {
			return ""
		}
		return id
	}
	return ""
}

func (e *endpoint) plants(label string, deviate func(status int, h http.Header) int) {
	e.mutex.Lock()
	defer e.mutex.Unlock()
	e.deviates[label] = deviate
}

func (e *endpoint) unpair(id string) {
	e.mutex.Lock()
	defer e.mutex.Unlock()
	delete(e.terminals, id)
}

// questions is how often it was asked about a request.
func (e *endpoint) questions() int {
	e.mutex.Lock()
	defer e.mutex.Unlock()
	return e.asked
}
