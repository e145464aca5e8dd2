package ptlauth

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestSameButForAMistake: a configuration that is like one that was read before, but for a mistake, admits nobody.
func TestSameButForAMistake(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte(strings.Repeat("0123456789abcdef", 4)), 0o600); err != nil {
		t.Fatal(err)
	}
	app := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the app was reached") })
	for _, test := range []struct {
		name   string
		config Config
		status int
	}{
		{"without a mistake", Config{SecretFile: secret, Terminals: "any"}, http.StatusUnauthorized},
		{"the same again", Config{SecretFile: secret, Terminals: "any"}, http.StatusUnauthorized},
		{"with an unknown option", Config{SecretFile: secret, Terminals: "any", Unknown: map[string]interface{}{"terminal": "x"}}, http.StatusServiceUnavailable},
		{"with an option that is given twice", Config{SecretFile: secret, Terminals: "any", Unknown: map[string]interface{}{"secretfile": secret}}, http.StatusServiceUnavailable},
		{"with an unknown option that is empty", Config{SecretFile: secret, Terminals: "any", Unknown: map[string]interface{}{"terminal": nil}}, http.StatusServiceUnavailable},
		{"without terminals", Config{SecretFile: secret}, http.StatusServiceUnavailable},
		{"with an empty list of terminals", Config{SecretFile: secret, Terminals: map[string]interface{}{}}, http.StatusServiceUnavailable},
	} {
		t.Run(test.name, func(t *testing.T) {
			handler, err := New(context.Background(), app, &test.config, t.Name())
			if err != nil {
				t.Fatal(err)
			}
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
			if w.Code != test.status {
				t.Errorf("got %d, want %d", w.Code, test.status)
			}
		})
	}
}
