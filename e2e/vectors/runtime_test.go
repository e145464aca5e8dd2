// Package vectors holds the decisions on tokens against what others have published and against another implementation:
// compiled, and interpreted as Traefik does it.
package vectors

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/traefik/yaegi/interp"
	"github.com/traefik/yaegi/stdlib"
)

//go:embed decide_test.go
var source string

// runtime is one way to run Decide and Verify.
type runtime struct {
	name   string
	decide func(map[string]interface{}) (func(string, int64) string, string)
	verify func(map[string]interface{}) (func(string, string) bool, string)
}

// runtimes returns both ways.
func runtimes(t *testing.T) []runtime {
	t.Helper()
	interpreted, err := interpret()
	if err != nil {
		t.Fatal(err)
	}
	return []runtime{{"native", Decide, Verify}, interpreted}
}

// interpret makes an interpreter as Traefik makes one for a plugin without unsafe.
var interpret = sync.OnceValues(func() (runtime, error) {
	path, err := filepath.Abs("../../plugins-local")
	if err != nil {
		return runtime{}, err
	}
	i := interp.New(interp.Options{GoPath: path, Env: os.Environ(), Stdout: io.Discard, Stderr: io.Discard})
	if err := i.Use(stdlib.Symbols); err != nil {
		return runtime{}, err
	}
	if _, err := i.Eval(source); err != nil {
		return runtime{}, err
	}
	r := runtime{name: "interpreted"}
	value, err := i.Eval("vectors.Decide")
	if err != nil {
		return runtime{}, err
	}
	r.decide = value.Interface().(func(map[string]interface{}) (func(string, int64) string, string))
	value, err = i.Eval("vectors.Verify")
	if err != nil {
		return runtime{}, err
	}
	r.verify = value.Interface().(func(map[string]interface{}) (func(string, string) bool, string))
	return r, nil
})

// entry is the configuration of a key that is given as a JWK: a secret as such, any other as a set in a file. The
// algorithm may be empty.
func entry(t testing.TB, jwk json.RawMessage, algorithm string) map[string]interface{} {
	t.Helper()
	var fields struct {
		Kty, K, Kid, Alg string
		Keys             json.RawMessage
	}
	if err := json.Unmarshal(jwk, &fields); err != nil {
		t.Fatal(err)
	}
	if fields.Kty == "oct" {
		if algorithm == "" {
			algorithm = fields.Alg
		}
		made := map[string]interface{}{"secret": fields.K, "secretBase64": true, "algorithm": algorithm}
		if fields.Kid != "" {
			made["id"] = fields.Kid
		}
		return made
	}
	set := fmt.Sprintf(`{"keys": [%s]}`, jwk)
	if fields.Keys != nil {
		set = string(jwk)
	}
	path := filepath.Join(t.TempDir(), "jwks.json")
	if err := os.WriteFile(path, []byte(set), 0o600); err != nil {
		t.Fatal(err)
	}
	made := map[string]interface{}{"jwksFile": path}
	if algorithm != "" {
		made["algorithm"] = algorithm
	}
	return made
}

// keys is a configuration of these keys and nothing else.
func keys(entries ...map[string]interface{}) map[string]interface{} {
	list := []interface{}{}
	for _, entry := range entries {
		list = append(list, entry)
	}
	return map[string]interface{}{"keys": list}
}

// isSigned reports whether a reason leaves the signature, and the form of what is signed, alone: published vectors are
// good JWS, and hold claims that are none of ptlauth's.
func isSigned(reason string) bool {
	switch reason {
	case "", "the token's claims are not UTF-8", "the token's claims are not a JSON object", "the token has no sub, or one that is not text; token.subject may name another claim":
		return true
	}
	return false
}
