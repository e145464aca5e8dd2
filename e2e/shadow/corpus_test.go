// Package shadow holds shadow mode to what it promises, through a real Traefik with its own ForwardAuth: nothing is changed
// by it, and each difference is told.
package shadow

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"

	"gopkg.in/yaml.v3"

	"github.com/getportal/ptlauth/e2e/traefik"
	"github.com/getportal/ptlauth/e2e/traefik/traefiktest"
	"github.com/getportal/ptlauth/internal/corpustest"
)

// TestCorpus sends every case of the corpus through two entry points of one Traefik: behind one, ForwardAuth stands alone,
// behind the other between two mentions of the case's middleware in shadow mode. Neither the app nor the client gets another
// byte.
func TestCorpus(t *testing.T) {
	if testing.Short() {
		t.Skip("starts Traefik")
	}
	all, err := corpustest.Load("../../testdata", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	endpoint := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/refuse" {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusUnauthorized)
			io.WriteString(w, `{"detail":"Unauthorized"}`)
			return
		}
		w.Header().Set("X-Ptl-User", "abc123")
	}))
	t.Cleanup(endpoint.Close)
	routers, middlewares, services := map[string]any{}, map[string]any{}, map[string]any{}
	for _, answer := range []string{"admit", "refuse"} {
		middlewares[answer] = map[string]any{"forwardAuth": map[string]any{
			"address": endpoint.URL + "/" + answer, "authResponseHeadersRegex": "^X-Ptl-.*", "trustForwardHeader": false,
		}}
	}
	recorders := map[string]*corpustest.Recorder{}
	cases := all.For(corpustest.Traefik)
	for i, c := range cases {
		if err := c.WriteFiles(); err != nil {
			t.Fatal(err)
		}
		recorder, err := corpustest.NewRecorder()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { recorder.Close() })
		recorders[c.ID] = recorder
		answer := "admit"
		if i%8 == 7 {
			answer = "refuse"
		}
		options := map[string]any{}
		for name, value := range c.Middleware {
			options[name] = value
		}
		options["shadow"] = true
		middlewares[c.ID] = map[string]any{"plugin": map[string]any{"ptlauth": options}}
		services[c.ID] = map[string]any{"loadBalancer": map[string]any{"servers": []any{map[string]any{"url": "http://" + recorder.Addr()}}}}
		rule := fmt.Sprintf("Header(`Corpus-Case`, `%s`)", c.ID)
		routers[c.ID+"-alone"] = map[string]any{"rule": rule, "service": c.ID, "entryPoints": []string{"web"}, "middlewares": []string{answer}}
		routers[c.ID] = map[string]any{"rule": rule, "service": c.ID, "entryPoints": []string{"beside"}, "middlewares": []string{c.ID, answer, c.ID}}
	}
	text, err := yaml.Marshal(map[string]any{"http": map[string]any{"routers": routers, "middlewares": middlewares, "services": services}})
	if err != nil {
		t.Fatal(err)
	}
	proxy := traefiktest.Start(t, traefik.Options{
		Static:  `{entryPoints: {beside: {address: "127.0.0.1:0"}}}`,
		Dynamic: strings.ReplaceAll(string(text), "{{", `{{"{{"}}`),
	})
	at := func(entryPoint string, c *corpustest.Case) corpustest.Target {
		transport := corpustest.NewHTTP2()
		t.Cleanup(transport.CloseIdleConnections)
		return corpustest.Target{
			Addr: proxy.Addr(entryPoint), HTTP2: transport, Recorder: recorders[c.ID], Log: func() string { return "" },
		}
	}
	// Some cases wait for what would end a WebSocket.
	var running sync.WaitGroup
	places := make(chan struct{}, 6)
	for _, c := range cases {
		running.Go(func() {
			places <- struct{}{}
			defer func() { <-places }()
			for _, difference := range corpustest.Differences(c, at("web", c), at("beside", c)) {
				t.Errorf("%s: %s", c, difference)
			}
		})
	}
	running.Wait()
	wantQuiet(t, proxy, all.Ring.Secrets)
}

var token = regexp.MustCompile(`eyJ[\w-]+\.[\w-]+\.[\w-]{20,}`)

// wantQuiet looks through the plugin's lines for secrets, tokens and panics.
func wantQuiet(t *testing.T, proxy *traefik.Traefik, secrets map[string]string) {
	t.Helper()
	lines := proxy.LogLines(`"plugin":"plugin-ptlauth"`)
	differences := 0
	for _, line := range lines {
		if token.MatchString(line) || strings.Contains(line, "panic") || strings.Contains(line, "please report this") {
			t.Errorf("a token or a panic is in the log: %.500s", line)
		}
		for name, secret := range secrets {
			if len(secret) >= 8 && strings.Contains(line, secret) {
				t.Errorf("the secret %s is in the log: %.500s", name, line)
			}
		}
		if strings.Contains(line, " shadow: ") {
			differences++
			if len(line) > 3000 {
				t.Errorf("a line is %d bytes long: %.300s", len(line), line)
			}
		}
	}
	if differences == 0 {
		t.Error("no difference was told of the whole corpus")
	}
}
