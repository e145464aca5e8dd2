package policy

import (
	"bytes"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/getportal/ptlauth/internal/access"
	"github.com/getportal/ptlauth/internal/key"
	"github.com/getportal/ptlauth/internal/option"
	"github.com/getportal/ptlauth/internal/terminal"
)

const (
	secret   = "a-secret-for-tests-0123456789-abcdefghijklmnopqrstuvwxyz"
	variable = "PTLAUTH_TEST_POLICY_SECRET"
	jwks     = `{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`
)

// serve serves a text and counts how often it was asked for.
func serve(t *testing.T, text string) (string, *atomic.Int64) {
	t.Helper()
	asked := new(atomic.Int64)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		_, _ = w.Write([]byte(text))
	}))
	t.Cleanup(server.Close)
	return server.URL, asked
}

// logged has the log written into what it returns.
func logged(t *testing.T) *bytes.Buffer {
	t.Helper()
	text := new(bytes.Buffer)
	log.SetOutput(text)
	t.Cleanup(func() { log.SetOutput(os.Stderr) })
	return text
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// await waits for what is read beside.
func await(t *testing.T, what string, isThere func() bool) {
	t.Helper()
	for end := time.Now().Add(5 * time.Second); !isThere(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal(what + " is not there after 5 s")
		}
	}
}

// TestReadTouchesNothing reads a configuration while its files are bad or missing, its variable is not set, and
// its servers count; only then everything is put in order. Whoever had looked would have complained, and would
// not know the new content yet: of a file that was looked at, the next look is not Open's.
func TestReadTouchesNothing(t *testing.T) {
	lines := logged(t)
	dir := t.TempDir()
	there, missing, list := filepath.Join(dir, "secret"), filepath.Join(dir, "key.pem"), filepath.Join(dir, "terminals.json")
	write(t, there, "short")
	write(t, list, "no list")
	address, asked := serve(t, jwks)

	report := &option.Report{}
	p := Read(map[string]interface{}{
		"secretFile": there,
		"keys": []interface{}{
			map[string]interface{}{"secretEnv": variable},
			map[string]interface{}{"publicKeyFile": missing},
			map[string]interface{}{"jwksURL": address},
		},
		"terminals": map[string]interface{}{"file": list},
		"apps":      map[string]interface{}{"directory": filepath.Join(dir, "apps")},
	}, report)
	time.Sleep(100 * time.Millisecond)
	keys, _ := key.Ready(p.Keys)
	if len(report.Problems()) > 0 || asked.Load() > 0 || lines.Len() > 0 || len(keys) > 0 || terminal.Now(p.Terminals, p.Refresh) != nil {
		t.Fatalf("reading notes %q, asks %d times, logs %q, and knows %d keys", report.Problems(), asked.Load(), lines, len(keys))
	}

	write(t, there, secret)
	write(t, list, `[{"id": "abc123"}]`)
	write(t, missing, "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n")
	t.Setenv(variable, secret)
	Open(p, report)
	if len(report.Problems()) > 0 {
		t.Fatalf("opening notes %q", report.Problems())
	}
	await(t, "the key of the URL", func() bool { _, complete := key.Ready(p.Keys); return complete })
	keys, _ = key.Ready(p.Keys)
	registry := terminal.Now(p.Terminals, p.Refresh)
	if len(keys) != 4 || asked.Load() != 1 || registry == nil || terminal.Find(registry, "abc123") == nil {
		t.Errorf("after opening there are %d keys, the server was asked %d times, and the list is %v", len(keys), asked.Load(), registry)
	}
	if lines.Len() > 0 {
		t.Errorf("the log says %q", lines)
	}
}

// TestOpenAsksForTheList: a list behind a URL is asked for by Open alone.
func TestOpenAsksForTheList(t *testing.T) {
	logged(t)
	address, asked := serve(t, `[{"id": "abc123"}]`)
	report := &option.Report{}
	p := Read(map[string]interface{}{"keys": []interface{}{map[string]interface{}{"secret": secret}}, "terminals": map[string]interface{}{"url": address}}, report)
	time.Sleep(100 * time.Millisecond)
	if keys, _ := key.Ready(p.Keys); asked.Load() > 0 || len(keys) != 1 {
		t.Fatalf("reading asks %d times, and knows %d keys of one that stands in the configuration", asked.Load(), len(keys))
	}
	Open(p, report)
	await(t, "the list", func() bool { return terminal.Now(p.Terminals, p.Refresh) != nil })
	if asked.Load() != 1 || len(report.Problems()) > 0 {
		t.Errorf("the server was asked %d times, and %q noted", asked.Load(), report.Problems())
	}
}

// TestMistakesAreReportedAtOnce: what Read finds and what only Open can find, each with its option's name.
func TestMistakesAreReportedAtOnce(t *testing.T) {
	for _, test := range []struct {
		name, value string // of the variable; empty: it is not set
		refresh     string
		atRead, all []string
	}{
		{"a variable that is not set", "", "2s", nil, []string{"keys[0].secretEnv: names an environment variable"}},
		{"a secret that is too short", "short", "2s", nil, []string{"keys[0].secretEnv: holds 5 bytes"}},
		{"a mistake beside it", "", "2d", []string{"refresh: is not a length"}, []string{"refresh: is not a length", "keys[0].secretEnv: names an environment variable"}},
		{"a good secret", secret, "2s", nil, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.value != "" {
				t.Setenv(variable, test.value)
			}
			report := &option.Report{}
			p := Read(map[string]interface{}{
				"keys": []interface{}{map[string]interface{}{"secretEnv": variable}}, "terminals": "any", "refresh": test.refresh,
			}, report)
			wantProblems(t, report, test.atRead)
			Open(p, report)
			wantProblems(t, report, test.all)
			keys, _ := key.Ready(p.Keys)
			if isGood := len(test.all) == 0; isGood != (len(keys) == 1) {
				t.Errorf("there are %d keys", len(keys))
			}
		})
	}
}

func wantProblems(t *testing.T, report *option.Report, want []string) {
	t.Helper()
	got := report.Problems()
	if len(got) != len(want) {
		t.Fatalf("got %q, want %q", got, want)
	}
	for i, problem := range got {
		if !strings.HasPrefix(option.Line(problem), want[i]) {
			t.Errorf("got %q, want %q", problem, want[i])
		}
	}
}

// TestUnopenedAdmitsNobody: a policy that nobody has opened has no list, and of what stands elsewhere no key.
func TestUnopenedAdmitsNobody(t *testing.T) {
	report := &option.Report{}
	p := Read(map[string]interface{}{"secretFile": "/nowhere/secret", "terminals": map[string]interface{}{"file": "/nowhere/list"}}, report)
	keys, complete := key.Ready(p.Keys)
	if len(keys) > 0 || complete || terminal.Now(p.Terminals, p.Refresh) != nil {
		t.Errorf("there are %d keys, said to be all: %t, and a list: %v", len(keys), complete, terminal.Now(p.Terminals, p.Refresh))
	}
	if len(p.Rules) != 1 || len(access.Injected(p.Rules)) != 4 {
		t.Errorf("the rules are %v", p.Rules)
	}
}
