package e2e

import (
	"fmt"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"github.com/getportal/ptlauth/e2e/traefik"
	"github.com/getportal/ptlauth/internal/corpus"
)

// TestCorpus runs the conformance corpus through a real Traefik, with each of its two ways of speaking to an app: each
// case has a router, a middleware and an app of its own, and a catch-all router behind them all answers whatever falls
// through.
func TestCorpus(t *testing.T) {
	if testing.Short() {
		t.Skip("starts Traefik")
	}
	t.Run("default proxy", func(t *testing.T) { testCorpus(t, corpus.Traefik, "{}") })
	t.Run("fast proxy", func(t *testing.T) { testCorpus(t, corpus.FastProxy, "{fastProxy: {debug: true}}") })
}

func testCorpus(t *testing.T, runtime, experimental string) {
	t.Helper()
	all, err := corpus.Load("../testdata", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	cases := all.For(runtime)
	recorders := map[string]*corpus.Recorder{}
	routers, middlewares, services := map[string]any{}, map[string]any{}, map[string]any{}
	for _, c := range cases {
		recorder, err := corpus.NewRecorder()
		if err != nil {
			t.Fatal(err)
		}
		defer recorder.Close()
		recorders[c.ID] = recorder
		routers[c.ID] = map[string]any{
			"rule": fmt.Sprintf("Header(`Corpus-Case`, `%s`)", c.ID), "service": c.ID, "middlewares": []string{c.ID},
			"entryPoints": []string{"web"},
		}
		middlewares[c.ID] = map[string]any{"plugin": map[string]any{"ptlauth": c.Middleware}}
		services[c.ID] = server("http://" + recorder.Addr())
	}
	fallthroughs, err := corpus.NewRecorder()
	if err != nil {
		t.Fatal(err)
	}
	defer fallthroughs.Close()
	routers["catch-all"] = map[string]any{"rule": "PathPrefix(`/`)", "priority": 1, "service": "catch-all", "entryPoints": []string{"web"}}
	services["catch-all"] = server("http://" + fallthroughs.Addr())

	dynamic, err := yaml.Marshal(map[string]any{"http": map[string]any{
		"routers": routers, "middlewares": middlewares, "services": services,
	}})
	if err != nil {
		t.Fatal(err)
	}
	// Traefik's file provider takes double braces for its own templates.
	text := strings.ReplaceAll(string(dynamic), "{{", `{{"{{"}}`)
	proxy := start(t, traefik.Options{Static: "{experimental: " + experimental + "}", Dynamic: text})
	transport := corpus.NewHTTP2()
	for _, c := range cases {
		t.Run(c.ID+" "+c.Name, func(t *testing.T) {
			defer transport.CloseIdleConnections()
			corpus.Run(t, c, runtime, corpus.Target{
				Addr: proxy.Addr("web"), HTTP2: transport, Recorder: recorders[c.ID],
				Log: func() string { return unquoted(proxy.LogLines(`"plugin":"plugin-ptlauth"`, c.ID)) },
			})
			if through := fallthroughs.Take(); len(through) > 0 {
				t.Errorf("the request fell through to the next router: %.300q", through[0].Raw)
			}
		})
	}
	if t.Failed() {
		t.Logf("Traefik's errors:\n%.4000s", strings.Join(proxy.LogLines(`"level":"error"`), "\n"))
	}
}

func server(url string) map[string]any {
	return map[string]any{"loadBalancer": map[string]any{"servers": []any{map[string]any{"url": url}}}}
}

func unquoted(lines []string) string {
	return strings.ReplaceAll(strings.Join(lines, "\n"), `\"`, `"`)
}

// start starts a Traefik for the duration of the test.
func start(t *testing.T, options traefik.Options) *traefik.Traefik {
	t.Helper()
	options.Progress = testWriter{t}
	proxy, err := traefik.Start(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(proxy.Stop)
	return proxy
}

type testWriter struct{ t *testing.T }

func (w testWriter) Write(p []byte) (int, error) {
	w.t.Logf("%s", p)
	return len(p), nil
}
