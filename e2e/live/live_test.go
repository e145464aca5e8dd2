// Package live tests, through a real Traefik, what a change of its configuration does to WebSockets and event streams that
// are open: those that would be refused now are ended, and all others go on.
package live

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/getportal/ptlauth/e2e/traefik"
)

const (
	soon   = 2 * time.Second // how long a change may take to end what is open, once Traefik has applied it
	atMost = 9 * time.Second // how long the removal of a middleware may
	// What is away for less may come back as it was.
	atLeast = 5 * time.Second
)

// visitors are who has something open when the configuration changes.
var visitors = []*visitor{thePhone, theTablet, thePublic, nobody, thePage}

var (
	thePhone  = &visitor{name: "phone", path: "/one/", terminal: phone, kinds: both}
	theTablet = &visitor{name: "tablet", path: "/two/", terminal: tablet, kinds: both}
	thePublic = &visitor{name: "tablet (public)", path: "/one/open/", terminal: tablet, kinds: both}
	nobody    = &visitor{name: "nobody (public)", path: "/one/open/", kinds: both}
	// A page of another origin may read an event stream with the visitor's cookie if CORS lets it, which is the app's to say.
	thePage = &visitor{name: "trusted page", path: "/two/", terminal: tablet, origin: "https://page.example.org", kinds: both[:1]}

	// They are at another middleware, which only ever changes for the better.
	stayer   = &visitor{name: "other middleware", path: "/other/", terminal: phone, kinds: both}
	routless = &visitor{name: "other middleware, router gone", path: "/gone/", terminal: phone, kinds: both}
)

// change is what an operator does to the configuration.
type change struct {
	what string
	edit func(r *rules)
	// away is undone after a second; what is open does not notice.
	away   bool
	ends   []*visitor
	slowly bool // the middleware is gone: what it let in ends when it has not come back
}

var changes = []change{
	{what: "terminals.paired: the phone out", edit: func(r *rules) {
		delete(r.paired("auth"), phone)
	}, ends: []*visitor{thePhone}},
	{what: "terminals.paired: the phone becomes another user's", edit: func(r *rules) {
		r.paired("auth")[phone].(tree)["user"] = "carl@example.com"
	}, ends: []*visitor{thePhone}},
	{what: "keys: the phone's secret replaced", edit: func(r *rules) {
		r.options("auth")["keys"] = list{tree{"secret": newSecret()}, tree{"secret": r.secrets.of(tablet)}}
	}, ends: []*visitor{thePhone}},
	{what: "require: a role that the phone has not", edit: func(r *rules) {
		r.options("auth")["require"] = tree{"role": "admin"}
	}, ends: []*visitor{thePhone}},
	{what: "paths: the public path made private", edit: func(r *rules) {
		r.options("auth")["paths"].(list)[0].(tree)["access"] = "private"
	}, ends: []*visitor{nobody}},
	{what: "trustedOrigins: the page's out", edit: func(r *rules) {
		r.options("auth")["trustedOrigins"] = list{"https://page.example.net"}
	}, ends: []*visitor{thePage}},
	{what: "token: another cookie", edit: func(r *rules) {
		r.options("auth")["token"] = tree{"cookie": "session"}
	}, ends: []*visitor{thePhone, theTablet, thePublic, thePage}},
	{what: "a mistake: an option that there is not", edit: func(r *rules) {
		r.options("auth")["refreshes"] = "2s"
	}, ends: visitors},
	{what: "terminals.paired: one more, and one at the other middleware", edit: func(r *rules) {
		r.paired("auth")["new456"] = tree{"name": "New", "user": "dora@example.com"}
		r.paired("other")["new456"] = tree{"name": "New", "user": "dora@example.com"}
	}},
	{what: "a router of another app", edit: func(r *rules) {
		r.routers["unrelated"] = tree{"rule": "PathPrefix(`/unrelated`)", "service": "app", "entryPoints": list{"web"}}
	}},
	{what: "the middleware and its routers out, and in again after a second", away: true, edit: func(r *rules) {
		maps.DeleteFunc(r.middlewares, func(name string, _ any) bool { return name == "auth" })
		maps.DeleteFunc(r.routers, func(name string, _ any) bool { return name == "one" || name == "two" })
	}},
	{what: "the middleware removed, from its routers as well", slowly: true, edit: func(r *rules) {
		delete(r.middlewares, "auth")
		delete(r.routers["one"].(tree), "middlewares")
		delete(r.routers["two"].(tree), "middlewares")
	}, ends: visitors},
	{what: "the middleware renamed", slowly: true, edit: func(r *rules) {
		r.middlewares["door"] = r.middlewares["auth"]
		delete(r.middlewares, "auth")
		r.routers["one"].(tree)["middlewares"] = list{"door"}
		r.routers["two"].(tree)["middlewares"] = list{"door"}
	}, ends: visitors},
}

// TestChanges: what would be refused under the new configuration ends, whichever provider it comes by, and nothing else.
func TestChanges(t *testing.T) {
	if testing.Short() {
		t.Skip("starts Traefik")
	}
	report := &report{}
	// All at once, however few processors there are: they only wait.
	var all sync.WaitGroup
	for name, begin := range map[string]func(t *testing.T, app string) *provider{"file": newFile, "Redis": newRedis, "labels": newDocker} {
		all.Go(func() {
			t.Run("by "+name, func(t *testing.T) {
				app := newApp(t)
				through := begin(t, app.url)
				s := &scene{app: app, provider: through, rules: newRules(app.url), report: report}
				s.proxy = start(t, traefik.Options{Static: through.static})
				s.run(t)
			})
		})
	}
	all.Wait()
	report.log(t)
}

// scene is one Traefik, whose configuration is changed by one provider.
type scene struct {
	app      *app
	proxy    *traefik.Traefik
	provider *provider
	rules    *rules
	report   *report
	writes   int
}

func (s *scene) run(t *testing.T) {
	s.write(t, s.rules.clone())
	other := s.open(t, stayer, routless)
	delete(s.rules.routers, "gone")
	began := time.Now()
	for _, c := range changes {
		t.Run(c.what, func(t *testing.T) { s.check(t, c, other) })
	}
	if s.app.isRouted(s.proxy, routless.path) {
		t.Error("the router that is gone is still there")
	}
	stayed := s.stayed(t, other)
	s.report.add(fmt.Sprintf("a router, while another uses the middleware, and %d reloads in %s", s.writes, time.Since(began).Round(time.Second)),
		s.provider.name, "", "", stayed)
	if lines := s.proxy.LogLines(`"level":"error"`, "anic"); len(lines) > 0 {
		t.Errorf("Traefik's log tells of a panic: %s", lines[0])
	}
}

// check makes one change, and undoes it before the next.
func (s *scene) check(t *testing.T, c change, other []*long) {
	s.write(t, s.rules.clone())
	all := s.open(t, visitors...)
	goes := slices.DeleteFunc(slices.Clone(all), func(l *long) bool { return !slices.Contains(c.ends, l.who) })
	stays := slices.DeleteFunc(slices.Clone(all), func(l *long) bool { return slices.Contains(c.ends, l.who) })

	changed := s.rules.clone()
	c.edit(changed)
	written, applied := s.write(t, changed)
	if c.away {
		time.Sleep(time.Second)
		written, applied = s.write(t, s.rules.clone())
	}
	within := soon
	if c.slowly {
		within = atMost
	}
	deadline := applied.Add(within)
	for _, l := range goes {
		if !l.hasEnded(deadline) {
			t.Errorf("%s of %s is open %s after Traefik applied the change", l.kind, l.who.name, within)
		} else if c.slowly && l.at.Sub(written) < atLeast {
			t.Errorf("%s of %s has ended %s after the change", l.kind, l.who.name, l.at.Sub(written))
		}
	}
	if len(stays) > 0 || len(goes) == 0 {
		time.Sleep(time.Until(deadline))
	}
	s.app.wantClosed(t, goes)
	stayed := s.stayed(t, append(stays, other...))
	s.report.add(c.what, s.provider.name, took(goes, both[0], written, applied), took(goes, both[1], written, applied), stayed)
	for _, l := range all {
		l.hang()
	}
}

// write makes these the rules, and returns when that was, and when Traefik went by them.
func (s *scene) write(t *testing.T, r *rules) (written, applied time.Time) {
	t.Helper()
	s.writes++
	marker := fmt.Sprintf("marker-%d", s.writes)
	r.routers[marker] = tree{"rule": "Path(`/" + marker + "`)", "service": "app", "entryPoints": list{"web"}}
	written = time.Now()
	s.provider.write(t, s.proxy, r.tree())
	for !s.app.isRouted(s.proxy, "/"+marker) {
		if time.Since(written) > 30*time.Second {
			t.Fatalf("Traefik does not apply the configuration\n%s", strings.Join(s.proxy.LogLines(`"level":"error"`), "\n"))
		}
		time.Sleep(2 * time.Millisecond)
	}
	return written, time.Now()
}

func (s *scene) open(t *testing.T, who ...*visitor) []*long {
	t.Helper()
	var all []*long
	for _, v := range who {
		for _, k := range v.kinds {
			l, err := s.app.open(t, s.proxy, v, s.rules.secrets.token(t, v.terminal), k)
			if err != nil {
				t.Fatalf("%s of %s: %v", k, v.name, err)
			}
			all = append(all, l)
		}
	}
	return all
}

// stayed tells of those that are open, which all should be.
func (s *scene) stayed(t *testing.T, all []*long) string {
	t.Helper()
	var names []string
	for _, l := range all {
		if err := l.speaks(); err != nil {
			t.Errorf("%s of %s does not go on: %v", l.kind, l.who.name, err)
		} else if !slices.Contains(names, l.who.name) {
			names = append(names, l.who.name)
		}
	}
	return strings.Join(names, ", ")
}

// took is how long those of a kind were open, the first and the last, after a change was applied, and in brackets after it
// was written. It may be less than nothing: Traefik makes all middlewares before it serves by them.
func took(all []*long, k kind, written, applied time.Time) string {
	var first, last time.Time
	for _, l := range all {
		if l.kind != k {
			continue
		}
		if !l.hasEnded(time.Now()) {
			return "never"
		}
		if first.IsZero() || l.at.Before(first) {
			first = l.at
		}
		if l.at.After(last) {
			last = l.at
		}
	}
	if first.IsZero() {
		return ""
	}
	span := func(from time.Time) string {
		least, most := first.Sub(from).Milliseconds(), last.Sub(from).Milliseconds()
		if least == most {
			return fmt.Sprintf("%d ms", least)
		}
		return fmt.Sprintf("%d to %d ms", least, most)
	}
	return span(applied) + " (" + span(written) + ")"
}

// report is the table of what was seen.
type report struct {
	mutex sync.Mutex
	rows  [][]string
}

func (r *report) add(row ...string) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.rows = append(r.rows, row)
}

func (r *report) log(t *testing.T) {
	var text strings.Builder
	table := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "changed\tby\tWebSockets ended after (since written)\tevent streams ended after\twhat stayed open")
	slices.SortStableFunc(r.rows, func(a, b []string) int { return strings.Compare(a[1], b[1]) })
	for _, row := range r.rows {
		for i, cell := range row {
			if cell == "" {
				row[i] = "–"
			}
		}
		fmt.Fprintln(table, strings.Join(row, "\t"))
	}
	table.Flush()
	t.Logf("what changes do to what is open\n%s", text.String())
}

func start(t *testing.T, options traefik.Options) *traefik.Traefik {
	t.Helper()
	options.Progress = os.Stderr
	proxy, err := traefik.Start(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(proxy.Stop)
	return proxy
}
