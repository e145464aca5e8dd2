package wire

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"github.com/getportal/ptlauth/e2e/traefik"
	"github.com/getportal/ptlauth/e2e/traefik/traefiktest"
	"github.com/getportal/ptlauth/internal/corpustest"
)

// TestCorpus runs the conformance corpus through a real Traefik, with each of its two ways of speaking to an app: each
// case has a router, a middleware and an app of its own, and a catch-all router behind them all answers whatever falls
// through.
func TestCorpus(t *testing.T) {
	if testing.Short() {
		t.Skip("starts Traefik")
	}
	t.Run("default proxy", func(t *testing.T) { testCorpus(t, corpustest.Traefik, "{}") })
	t.Run("fast proxy", func(t *testing.T) { testCorpus(t, corpustest.FastProxy, "{fastProxy: {debug: true}}") })
}

func testCorpus(t *testing.T, runtime, experimental string) {
	t.Helper()
	all, err := corpustest.Load("../../testdata", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	dynamic := &configuration{map[string]any{}, map[string]any{}, map[string]any{}}
	recorders := map[string]*corpustest.Recorder{}
	for _, c := range all.For(runtime) {
		if err := c.WriteFiles(); err != nil {
			t.Fatal(err)
		}
		recorders[c.ID] = dynamic.add(t, c.ID, map[string]any{
			"rule": fmt.Sprintf("Header(`Corpus-Case`, `%s`)", c.ID), "middlewares": []string{c.ID},
		})
		dynamic.Middlewares[c.ID] = map[string]any{"plugin": map[string]any{"ptlauth": c.Middleware}}
	}
	fallthroughs := dynamic.add(t, "catch-all", map[string]any{"rule": "PathPrefix(`/`)", "priority": 1})
	proxy := traefiktest.Start(t, traefik.Options{Static: "{experimental: " + experimental + "}", Dynamic: dynamic.text(t)})
	corpustest.RunAll(t, all, runtime, func(t *testing.T, c *corpustest.Case) corpustest.Target {
		transport := corpustest.NewHTTP2()
		t.Cleanup(transport.CloseIdleConnections)
		t.Cleanup(func() {
			if through := fallthroughs.Take(); len(through) > 0 {
				t.Errorf("the request fell through to the next router: %.300q", through[0].Raw)
			}
		})
		return corpustest.Target{
			Addr: proxy.Addr("web"), HTTP2: transport, Recorder: recorders[c.ID],
			Log: func() string { return unquoted(proxy.LogLines(`"plugin":"plugin-ptlauth"`, c.ID)) },
		}
	})
	t.Run("the access log names whom each case says, and nobody else", func(t *testing.T) { wantUsers(t, proxy, all.For(runtime)) })
	if t.Failed() {
		t.Logf("Traefik's errors:\n%.4000s", strings.Join(proxy.LogLines(`"level":"error"`), "\n"))
	}
}

// configuration is Traefik's dynamic configuration, by name.
type configuration struct{ Routers, Middlewares, Services map[string]any }

// add gives a router a service of its own, and returns the recorder behind it.
func (c *configuration) add(t *testing.T, name string, router map[string]any) *corpustest.Recorder {
	t.Helper()
	recorder, err := corpustest.NewRecorder()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { recorder.Close() })
	router["service"], router["entryPoints"] = name, []string{"web"}
	c.Routers[name] = router
	c.Services[name] = map[string]any{"loadBalancer": map[string]any{"servers": []any{map[string]any{"url": "http://" + recorder.Addr()}}}}
	return recorder
}

// text is the configuration for Traefik's file provider, which takes double braces for its own templates.
func (c *configuration) text(t *testing.T) string {
	t.Helper()
	text, err := yaml.Marshal(map[string]any{"http": c})
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(string(text), "{{", `{{"{{"}}`)
}

func unquoted(lines []string) string {
	return strings.ReplaceAll(strings.Join(lines, "\n"), `\"`, `"`)
}

// wantUsers looks through the whole access log.
func wantUsers(t *testing.T, proxy *traefik.Traefik, cases []*corpustest.Case) {
	t.Helper()
	named := map[string]map[string]bool{}
	for text := range strings.Lines(proxy.AccessLog()) {
		var line struct{ RouterName, ClientUsername string }
		if err := json.Unmarshal([]byte(text), &line); err != nil {
			t.Fatalf("%v: %.300s", err, text)
		}
		id := strings.TrimSuffix(line.RouterName, "@file")
		if named[id] == nil {
			named[id] = map[string]bool{}
		}
		named[id][line.ClientUsername] = true
	}
	for _, c := range cases {
		want := c.Users()
		if want == nil || named[c.ID] == nil {
			continue // it does not say, or was not run
		}
		for user := range named[c.ID] {
			if !want[user] {
				t.Errorf("%s: it names %q", c, user)
			}
		}
		for user := range want {
			if user != corpustest.Nobody && !named[c.ID][user] {
				t.Errorf("%s: it does not name %q", c, user)
			}
		}
	}
}
