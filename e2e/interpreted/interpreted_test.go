package interpreted

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
)

func noop(output *bytes.Buffer) Options {
	return Options{Root: "testdata", Module: "example.com/noop", Log: output}
}

func TestPlugin(t *testing.T) {
	before, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	var output bytes.Buffer
	plugin, err := Load(noop(&output))
	if err != nil {
		t.Fatal(err)
	}

	t.Run("the working directory is what it was", func(t *testing.T) {
		after, err := os.Getwd()
		if err != nil || after != before {
			t.Errorf("got %q and %v, want %q", after, err, before)
		}
	})
	t.Run("a request is passed on", func(t *testing.T) {
		next := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
		handler, err := plugin.New(t.Context(), next, nil, "noop@file")
		if err != nil {
			t.Fatal(err)
		}
		recorder := httptest.NewRecorder()
		handler.ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, "/", nil))
		if recorder.Code != http.StatusTeapot {
			t.Errorf("status %d", recorder.Code)
		}
	})
	t.Run("the configuration arrives and what is printed is logged as Traefik logs it", func(t *testing.T) {
		if _, err := plugin.New(t.Context(), http.NotFoundHandler(), map[string]any{"greeting": "hello"}, "noop@file"); err != nil {
			t.Fatal(err)
		}
		checkLines(t, output.String())
	})
	t.Run("a configuration that cannot be decoded is an error", func(t *testing.T) {
		config := map[string]any{"greeting": map[string]any{"a": "b"}}
		if _, err := plugin.New(t.Context(), http.NotFoundHandler(), config, "noop@file"); err == nil {
			t.Error("no error")
		}
	})
}

// checkLines compares what the plugin has printed with what Traefik would log of it.
func checkLines(t *testing.T, output string) {
	t.Helper()
	want := []struct{ level, message string }{
		{"debug", "hello noop@file by fmt"},
		{"error", "hello noop@file by log"},
	}
	lines := strings.Split(strings.TrimSpace(output), "\n")
	if len(lines) != len(want) {
		t.Fatalf("%d lines, want %d", len(lines), len(want))
	}
	for i, want := range want {
		var got map[string]string
		if err := json.Unmarshal([]byte(lines[i]), &got); err != nil {
			t.Fatal(err)
		}
		if got["level"] != want.level || !strings.HasSuffix(got["message"], want.message) ||
			got["plugin"] != "plugin-noop" || got["module"] != "example.com/noop" {
			t.Errorf("got %v, want %v", got, want)
		}
	}
}

func TestLoadWithoutManifest(t *testing.T) {
	if _, err := Load(Options{Root: "testdata", Module: "example.com/missing"}); err == nil {
		t.Error("no error")
	}
}
