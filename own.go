package ptlauth

import (
	"net/http"
	"strings"

	"github.com/getportal/ptlauth/internal/authn"
	"github.com/getportal/ptlauth/internal/denial"
	"github.com/getportal/ptlauth/internal/extractor"
	"github.com/getportal/ptlauth/internal/header"
	"github.com/getportal/ptlauth/internal/origin"
	"github.com/getportal/ptlauth/internal/snapshot"
)

func ownPaths(g *gate, h http.Handler) http.Handler {
	if g.policy.Pairing == nil {
		return h
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.URL.Path, g.policy.Pairing.Path) || r.URL.RawPath != "" {
			h.ServeHTTP(w, r)
			return
		}
		header.Clean(g.stripper, r.Header)
		current := snapshot.Now(g.keeper)
		o := &outcome{snapshot: current, rule: g.rules[0]}
		o.found = extractor.Find(g.policy.Locations, r)
		o.result = authn.Identify(g.policy, current, r, o.found)
		switch strings.TrimPrefix(r.URL.Path, g.policy.Pairing.Path) {
		case "":
			showDevice(g, w, r, o)
		case "out":
			if r.Method != "GET" && r.Method != "HEAD" && r.Method != "POST" {
				denial.Write(w, r, 405, "")
				return
			}
			if r.Method == "POST" {
				if site := r.Header.Get("Sec-Fetch-Site"); site != "same-origin" && (site != "" || len(r.Header["Origin"]) == 0 || !origin.IsOwn(r, r.Header["Origin"][0])) {
					denial.Write(w, r, 403, "")
					return
				}
				r.Body = http.MaxBytesReader(w, r.Body, 4096)
				_ = r.ParseForm()
				signOut(g, w, r, o)
			} else {
				askOut(g, w, r, o)
			}
		case "me":
			if r.Method != "GET" && r.Method != "HEAD" {
				denial.Write(w, r, 405, "")
				return
			}
			tellMe(g, w, r, o)
		default:
			denial.Write(w, r, 404, "")
		}
	})
}
