package ptlauth

import (
	"context"
	"encoding/json"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
)

// FuzzConfig: whatever an operator writes, New returns no error, and a configuration with a problem admits nobody.
func FuzzConfig(f *testing.F) {
	for _, text := range []string{
		`{"keys":[{"secret":"an-example-secret-that-is-long-enough-to-be-one"}]}`, `{"keys":"x","token":{"forward":"yes"}}`, `{"headers":{"X":""},"terminals":"any"}`,
		`{"terminals":{"paired":{"abc123":{"user":"ana"},"<int Value>":""}},"paths":[{"prefix":"/","access":"public"}],"Headers":{"a":{"b":1}}}`, `{"require":{"a":{"b":["c"]}},"terminals":{"paired":[{"id":1}]}}`,
		`{"leeway":-1,"maxAge":"9999999999999s","refresh":{},"loginURL":"//x","trustedOrigins":[1,null]}`, `{"zebra":null,"portal":[],"apps":7,"activity":{"url":"x"}}`, "null",
	} {
		f.Add([]byte(text))
	}
	log.SetOutput(io.Discard)
	defer log.SetOutput(os.Stderr)
	f.Fuzz(func(t *testing.T, text []byte) {
		var options map[string]interface{}
		if json.Unmarshal(text, &options) != nil || options == nil {
			t.Skip()
		}
		for _, name := range []string{"terminals", "activity"} {
			if section, ok := options[name].(map[string]interface{}); ok {
				delete(section, "url") // no network
			}
		}
		delete(options, "keys")
		options["secretFile"] = nil
		config := &Config{Keys: []interface{}{map[string]interface{}{"secret": "an-example-secret-that-is-long-enough-to-be-one"}}, Unknown: options}
		reached := false
		next := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached = true })
		handler, err := New(context.Background(), next, config, "fuzz")
		if err != nil {
			t.Fatalf("New returns an error: %v", err)
		}
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/nowhere/in/particular", nil))
		if _, refused := handler.(*misconfigured); refused && (reached || w.Code != http.StatusServiceUnavailable) {
			t.Errorf("a misconfigured middleware answers %d", w.Code)
		}
		if reached && options["paths"] == nil {
			t.Error("somebody without a token reached the app, and no path is public")
		}
	})
}
