package ptlauth_test

import (
	"context"
	"io"
	"log"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/getportal/ptlauth"
	"github.com/getportal/ptlauth/internal/corpustest"
)

// TestCorpus runs the conformance corpus natively. Interpreted and through a real Traefik it is run in module e2e.
func TestCorpus(t *testing.T) {
	cases, err := corpustest.Load("testdata", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	journal := capture(t)
	corpustest.RunAll(t, cases, corpustest.Native, func(t *testing.T, c *corpustest.Case) corpustest.Target {
		return corpustest.InProcess(t, c, building(t, journal))
	})
}

// TestShadow runs every case in shadow mode, on both sides of a middleware that decides: neither the app nor the client gets
// another byte than without.
func TestShadow(t *testing.T) {
	cases, err := corpustest.Load("testdata", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	corpustest.Shadowed(t, cases, corpustest.Native, building(t, capture(t)))
}

func building(t *testing.T, journal func(t *testing.T) func() string) corpustest.Build {
	return func(app http.Handler, options map[string]any, name string) (http.Handler, func() string, error) {
		logged := journal(t)
		config := ptlauth.CreateConfig()
		decode(t, config, options)
		handler, err := ptlauth.New(context.Background(), app, config, name)
		return handler, logged, err
	}
}

// capture diverts what the plugin prints and logs into a file, and returns what reads the file from now on.
func capture(t *testing.T) func(t *testing.T) func() string {
	t.Helper()
	file, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	stdout := os.Stdout
	os.Stdout = file
	log.SetOutput(file)
	t.Cleanup(func() {
		os.Stdout = stdout
		log.SetOutput(os.Stderr)
		file.Close()
	})
	return func(t *testing.T) func() string {
		t.Helper()
		start, err := file.Seek(0, io.SeekCurrent)
		if err != nil {
			t.Fatal(err)
		}
		return func() string {
			text, err := os.ReadFile(file.Name())
			if err != nil {
				t.Error(err)
				return ""
			}
			return string(text[start:])
		}
	}
}

// decode fills the configuration as Traefik's mapstructure decoder does: names in any case, and what has no field of its
// own into the field of the remaining ones.
func decode(t *testing.T, config *ptlauth.Config, options map[string]any) {
	t.Helper()
	value := reflect.ValueOf(config).Elem()
	fields, remaining := map[string]reflect.Value{}, reflect.Value{}
	for i := range value.NumField() {
		field := value.Type().Field(i)
		if strings.HasSuffix(field.Tag.Get("mapstructure"), ",remain") {
			remaining = value.Field(i)
			continue
		}
		fields[strings.ToLower(field.Name)] = value.Field(i)
	}
	rest := map[string]any{}
	for name, option := range options {
		if field, ok := fields[strings.ToLower(name)]; ok {
			field.Set(reflect.ValueOf(option))
			continue
		}
		rest[name] = option
	}
	if len(rest) > 0 {
		remaining.Set(reflect.ValueOf(rest))
	}
}
