package ptlauth

import (
	"context"
	"net/http"
	"strconv"

	"github.com/getportal/ptlauth/internal/access"
	"github.com/getportal/ptlauth/internal/app"
	"github.com/getportal/ptlauth/internal/extractor"
	"github.com/getportal/ptlauth/internal/header"
	"github.com/getportal/ptlauth/internal/journal"
	"github.com/getportal/ptlauth/internal/option"
	"github.com/getportal/ptlauth/internal/shadow"
)

// isShadow reports whether a configuration, be the rest of it what it may, is for looking on
// alone. What is neither true nor false is a mistake, and answers 503.
func isShadow(config *Config) bool {
	s := option.Open(&option.Report{}, "", map[string]interface{}{"shadow": config.Shadow})
	return s.Bool("shadow", false)
}

// byShadow passes every request on as it came. Where it is named first in a chain, it decides
// about a copy, and leaves what it has decided in the request's context; where it is named for
// the second time, what has come through is compared with that.
func byShadow(f *front, m *shadow.Mention, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		g := &glance{request: r}
		lookOn(f.watch, func() { look(f, m, g) })
		next.ServeHTTP(w, g.request)
		if g.record != nil {
			lookOn(f.watch, func() { shadow.End(g.record, r) })
		}
	})
}

// glance is a request on its way through a mention, and at the first one its record.
type glance struct {
	request *http.Request
	record  *shadow.Record
	verdict *shadow.Verdict
}

// lookOn does something that is none of the app's business, even where it panics.
func lookOn(watch *shadow.Watch, what func()) {
	defer func() {
		if recover() != nil {
			journal.ErrorOnChange(shadow.Name(watch)+" shadow", shadow.Name(watch)+" shadow: a request could not be looked at, and went on as it came: please report this as a bug of ptlauth")
		}
	}()
	what()
}

func look(f *front, m *shadow.Mention, g *glance) {
	r := g.request
	found := shadow.Found(f.watch, r)
	if found != nil {
		shadow.Reach(found, r)
		return
	}
	// Without a record, the second mention would take itself for the first.
	lookOn(f.watch, func() { g.verdict = judge(f, r) })
	record := shadow.Begin(m, r, g.verdict)
	g.record = record
	g.request = r.WithContext(context.WithValue(r.Context(), f.watch, record))
}

// judge decides about a copy of the request; nil: that cannot be done right now.
func judge(f *front, r *http.Request) *shadow.Verdict {
	g := f.gate
	if f.apps != nil {
		known, status := gateOf(f.apps, app.Of(r.Host))
		if known == nil {
			return refusal(status, "the app is not there")
		}
		g = known
	}
	c := r.Clone(r.Context()) // guard: in shadow mode nothing of a request is changed
	return verdictOf(g, c)
}

// verdictOf decides about a request that nobody else has.
func verdictOf(g *gate, r *http.Request) *shadow.Verdict {
	if r.Header.WriteSubset(g.stripper.Fails, g.stripper.Harmless) != nil {
		header.Clean(g.stripper, r.Header)
	}
	if len(r.Header) > header.MaxNames {
		return refusal(http.StatusRequestHeaderFieldsTooLarge, "it has more than 256 header names")
	}
	o := decide(g, r, access.Find(g.rules, r))
	switch {
	case o.isOutdated:
		return nil
	case o.isOwn:
		return &shadow.Verdict{IsOwn: true}
	case o.result.Status != http.StatusOK && o.result.LogReason == extractor.NoToken:
		return refusal(o.result.Status, extractor.Why(g.policy.Locations, r))
	case o.result.Status != http.StatusOK:
		return refusal(o.result.Status, o.result.LogReason)
	case o.decision != nil:
		return &shadow.Verdict{Names: o.decision.Names, Values: o.decision.Values, Stripper: g.stripper}
	}
	return &shadow.Verdict{Names: o.set.Names, Values: o.set.Values, Stripper: g.stripper}
}

func refusal(status int, reason string) *shadow.Verdict {
	return &shadow.Verdict{Reason: strconv.Itoa(status) + ", " + reason}
}
