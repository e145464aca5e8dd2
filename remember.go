package ptlauth

import (
	"net/http"
	"strings"
	"time"

	"github.com/getportal/ptlauth/internal/access"
	"github.com/getportal/ptlauth/internal/activity"
	"github.com/getportal/ptlauth/internal/carrier"
	"github.com/getportal/ptlauth/internal/denial"
	"github.com/getportal/ptlauth/internal/memory"
	"github.com/getportal/ptlauth/internal/origin"
	"github.com/getportal/ptlauth/internal/token"
)

// isDone refuses a tunnel, and admits what a handler does not by what is remembered.
func isDone(g *gate, w http.ResponseWriter, r *http.Request, rule *access.Rule) bool {
	// A tunnel would carry a second request past every check (GHSA-3ccp-42pg-hgv6).
	if r.Method == "CONNECT" {
		denial.Write(w, r, http.StatusMethodNotAllowed, denial.NoToken)
		return true
	}
	key := memoryKey(g, r, rule)
	if key == "" || r.Header["Upgrade"] != nil {
		return false
	}
	known, ok := g.memory.Decisions.Load(key)
	if !ok || r.Method != "GET" && !origin.Allows(g.policy.origins, r) {
		return false
	}
	d := known.(*memory.Decision)
	if g.policy.carriers.Header != "" {
		putBack(r.Header, g.policy.carriers.Header, d)
	}
	admit(g, w, r, d)
	return true
}

func putBack(h http.Header, name string, d *memory.Decision) {
	if d.Header == nil {
		delete(h, name)
	} else {
		h[name] = d.Header
	}
}

// memoryKey is all that a decision hangs on; empty where that cannot be said in one text.
func memoryKey(g *gate, r *http.Request, rule *access.Rule) string {
	cookie := r.Header["Cookie"]
	if len(cookie) > 1 {
		return ""
	}
	line := strings.Join(cookie, "")
	if g.plain {
		return line
	}
	if g.quick {
		return line + rule.Mark
	}
	return longKey(g.policy.carriers, r, line+rule.Mark)
}

func longKey(c *carrier.Carriers, r *http.Request, key string) string {
	values := r.Header[c.Header]
	if len(values) > 1 || c.Query != "" && (r.URL.RawQuery != "" || r.Header["Referer"] != nil) {
		return ""
	}
	return key + "\n" + r.Host + "\n" + strings.Join(values, "")
}

// outlives tells whether the token is good until the period's end.
func outlives(t *token.Token, current *view) bool {
	return time.Unix(t.Until, 0).After(current.end)
}

// prepare tells of the visit, and returns what the decision may be remembered by. What
// is remembered is not told of.
func prepare(g *gate, r *http.Request, rule *access.Rule, v *verdict) string {
	p := g.policy
	if p.activity != nil {
		activity.Tell(p.activity, use(p, r, v))
		if p.refresh > p.activity.Interval {
			return ""
		}
	}
	return memoryKey(g, r, rule)
}

// removeClosely takes the token out where that takes more than another Cookie line.
func removeClosely(g *gate, r *http.Request, found *carrier.Found, d *memory.Decision) {
	carrier.Remove(g.policy.carriers, r, found)
	d.Cookie = r.Header["Cookie"]
	if g.policy.carriers.Header != "" {
		d.Header = r.Header[g.policy.carriers.Header]
	}
}

// use is what Portal is told of an admitted request.
func use(p *policy, r *http.Request, v *verdict) activity.Use {
	u := activity.Use{
		Host:   r.Host,
		URI:    carrier.WithoutQuery(p.carriers, r.URL.RequestURI()),
		Method: r.Method,
		Proto:  scheme(r),
	}
	if v.token != nil {
		u.Cookie = carrier.DefaultCookie + "=" + v.text
	}
	return u
}
