package ptlauth

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/getportal/ptlauth/internal/option"
	"github.com/getportal/ptlauth/internal/policy"
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

// TestOptionsAreNamed: who mistypes an option is told all that there are, whichever of them are given.
func TestOptionsAreNamed(t *testing.T) {
	report := &option.Report{}
	policy.Read(map[string]any{"zebra": 1}, report)
	fields := reflect.TypeOf(Config{})
	for i := 0; i < fields.NumField(); i++ {
		name, _, _ := strings.Cut(fields.Field(i).Tag.Get("json"), ",")
		if name != "-" && !strings.Contains(report.String()+",", " "+name+",") && !strings.Contains(report.String(), " "+name+";") {
			t.Errorf("%s is not named in: %s", name, report)
		}
	}
}
