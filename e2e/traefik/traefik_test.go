package traefik

import (
	"context"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"
)

const router = "http: {routers: {app: {rule: 'PathPrefix(`/NAME`)', service: ping@internal}}}"

const routerWithPlugin = `
http:
  routers:
    app: {rule: PathPrefix("/"), service: ping@internal, middlewares: [greet]}
  middlewares:
    greet: {plugin: {noop: {greeting: hello}}}
`

func TestTraefik(t *testing.T) {
	if testing.Short() {
		t.Skip("builds Traefik when it is not built yet")
	}
	ctx := t.Context()
	traefik, err := Start(ctx, Options{
		Dynamic:  strings.ReplaceAll(router, "NAME", "before"),
		Static:   "{accessLog: {addInternals: true}, entryPoints: {extra: {address: '127.0.0.1:0'}}}",
		Debug:    true,
		Progress: os.Stderr,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(traefik.Stop)

	expect := func(t *testing.T, url string, want int) {
		t.Helper()
		response, err := http.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		_, _ = io.Copy(io.Discard, response.Body)
		if response.StatusCode != want {
			t.Errorf("%s: status %d, want %d", url, response.StatusCode, want)
		}
	}

	t.Run("the first configuration is in use when Start returns", func(t *testing.T) {
		expect(t, traefik.URL("web")+"/before", http.StatusOK)
		expect(t, traefik.URL("web")+"/after", http.StatusNotFound)
	})
	t.Run("an entry point of the static snippet gets a port", func(t *testing.T) {
		expect(t, traefik.URL("extra")+"/before", http.StatusOK)
	})
	t.Run("pprof is served when asked for", func(t *testing.T) {
		expect(t, traefik.URL("traefik")+"/debug/pprof/cmdline", http.StatusOK)
	})
	t.Run("each reload is in use when Reload returns", func(t *testing.T) {
		for _, name := range []string{"after", "before", "after"} {
			if err := traefik.Reload(ctx, strings.ReplaceAll(router, "NAME", name)); err != nil {
				t.Fatal(err)
			}
			expect(t, traefik.URL("web")+"/"+name, http.StatusOK)
		}
		expect(t, traefik.URL("web")+"/before", http.StatusNotFound)
	})
	t.Run("a file that Traefik cannot read is an error and the last configuration stays", func(t *testing.T) {
		if err := traefik.Reload(ctx, "http: [nonsense"); err == nil || !strings.Contains(err.Error(), "refused") {
			t.Errorf("got %v", err)
		}
		expect(t, traefik.URL("web")+"/after", http.StatusOK)
		if err := traefik.Reload(ctx, strings.ReplaceAll(router, "NAME", "after")); err != nil {
			t.Errorf("the next one: %v", err)
		}
	})
	t.Run("the log and the access log can be read", func(t *testing.T) {
		if err := traefik.WaitLog(ctx, "Configuration received"); err != nil {
			t.Error(err)
		}
		if len(traefik.LogLines("Configuration received", `"providerName":"file"`)) == 0 {
			t.Error("no line contains both texts")
		}
		if !strings.Contains(traefik.AccessLog(), `"RequestPath":"/after"`) {
			t.Errorf("access log: %s", traefik.AccessLog())
		}
	})
	t.Run("waiting for a line that never comes ends with the context", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
		defer cancel()
		if err := traefik.WaitLog(ctx, "no such line"); err == nil {
			t.Error("no error")
		}
	})
	t.Run("stopping twice ends it once and keeps the log", func(t *testing.T) {
		traefik.Stop()
		traefik.Stop()
		if _, err := os.Stat(traefik.Dir()); !os.IsNotExist(err) {
			t.Errorf("its folder is still there: %v", err)
		}
		if _, err := http.Get(traefik.URL("web")); err == nil {
			t.Error("it still listens")
		}
		if traefik.Log() == "" {
			t.Error("the log is gone")
		}
	})
}

func TestFurtherPlugin(t *testing.T) {
	if testing.Short() {
		t.Skip("builds Traefik when it is not built yet")
	}
	traefik, err := Start(t.Context(), Options{
		Dynamic:  routerWithPlugin,
		Static:   "experimental: {localPlugins: {ptlauth: null}}",
		Plugins:  map[string]string{"example.com/noop": "../interpreted/testdata/plugins-local/src/example.com/noop"},
		Progress: os.Stderr,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(traefik.Stop)
	response, err := http.Get(traefik.URL("web"))
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusOK {
		t.Errorf("status %d", response.StatusCode)
	}
	for _, line := range [][]string{
		{`"level":"debug"`, `"plugin":"plugin-noop"`, "hello greet@file by fmt"},
		{`"level":"error"`, `"plugin":"plugin-noop"`, "hello greet@file by log"},
	} {
		if len(traefik.LogLines(line...)) == 0 {
			t.Errorf("nothing logged with %q", line)
		}
	}
	if t.Failed() {
		t.Log(traefik.Log())
	}
}

func TestStartFails(t *testing.T) {
	if testing.Short() {
		t.Skip("builds Traefik when it is not built yet")
	}
	for name, test := range map[string]struct {
		options Options
		want    string
	}{
		"a dynamic configuration that cannot be read is refused":            {Options{Dynamic: "http: [nonsense"}, "refused"},
		"a Traefik that ends at once is reported with its log":              {Options{Static: "entryPoints: {web: {address: nonsense}}"}, "missing port in address"},
		"an address that stays in use is reported after several attempts":   {Options{Static: "{entryPoints: {web: {address: 127.0.0.1:1}, other: {address: 127.0.0.1:1}}}"}, errAddressInUse.Error()},
		"a static snippet that is not YAML is reported":                     {Options{Static: "a: b: c"}, "Options.Static"},
		"a version that is not there is reported with those that are there": {Options{Version: "v2.11"}, "v3.7, v3.6"},
	} {
		t.Run(name, func(t *testing.T) {
			if os.Getenv("TRAEFIK") != "" && test.options.Version != "" {
				t.Skip("TRAEFIK is set")
			}
			traefik, err := Start(t.Context(), test.options)
			if err == nil {
				traefik.Stop()
				t.Fatal("it started")
			}
			if !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want it to contain %q", err, test.want)
			}
		})
	}
}
