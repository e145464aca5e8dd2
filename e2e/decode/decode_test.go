package decode

import (
	"reflect"
	"strings"
	"testing"
)

const inYAML = `
http:
  middlewares:
    auth:
      plugin:
        ptlauth:
          text: some text
          number: 42
          fraction: 1.5
          bool: true
          duration: 30s
          list: [one, two]
          token: {cookie: ptl}
          keys:
            - {secretFile: /run/secret, id: 7}
          headers:
            X-Ptl-User: "{auth.user}"
    other:
      stripPrefix: {prefixes: [/app]}
`

const inTOML = `
[http.middlewares.auth.plugin.ptlauth]
  text = "some text"
  number = 42
  fraction = 1.5
  bool = true
  duration = "30s"
  list = ["one", "two"]
  [http.middlewares.auth.plugin.ptlauth.token]
    cookie = "ptl"
  [[http.middlewares.auth.plugin.ptlauth.keys]]
    secretFile = "/run/secret"
    id = 7
  [http.middlewares.auth.plugin.ptlauth.headers]
    X-Ptl-User = "{auth.user}"
`

const inKubernetes = `
apiVersion: v1
kind: Namespace
metadata: {name: apps}
---
apiVersion: traefik.io/v1alpha1
kind: Middleware
metadata: {name: auth, namespace: apps}
spec:
  plugin:
    ptlauth:
      text: some text
      number: 42
      fraction: 1.5
      bool: true
      duration: 30s
      list: [one, two]
      token: {cookie: ptl}
      keys:
        - {secretFile: /run/secret, id: 7}
      headers:
        X-Ptl-User: "{auth.user}"
`

var inLabels = map[string]string{
	"traefik.http.middlewares.auth.plugin.ptlauth.text":               "some text",
	"traefik.http.middlewares.auth.plugin.ptlauth.number":             "42",
	"traefik.http.middlewares.auth.plugin.ptlauth.fraction":           "1.5",
	"traefik.http.middlewares.auth.plugin.ptlauth.bool":               "true",
	"traefik.http.middlewares.auth.plugin.ptlauth.duration":           "30s",
	"traefik.http.middlewares.auth.plugin.ptlauth.list":               "one,two",
	"traefik.http.middlewares.auth.plugin.ptlauth.token.cookie":       "ptl",
	"traefik.http.middlewares.auth.plugin.ptlauth.keys[0].secretFile": "/run/secret",
	"traefik.http.middlewares.auth.plugin.ptlauth.keys[0].id":         "7",
	"traefik.http.middlewares.auth.plugin.ptlauth.headers.X-Ptl-User": "{auth.user}",
}

var inKV = map[string]string{
	"traefik/http/middlewares/auth/plugin/ptlauth/text":               "some text",
	"traefik/http/middlewares/auth/plugin/ptlauth/number":             "42",
	"traefik/http/middlewares/auth/plugin/ptlauth/fraction":           "1.5",
	"traefik/http/middlewares/auth/plugin/ptlauth/bool":               "true",
	"traefik/http/middlewares/auth/plugin/ptlauth/duration":           "30s",
	"traefik/http/middlewares/auth/plugin/ptlauth/list/0":             "one",
	"traefik/http/middlewares/auth/plugin/ptlauth/list/1":             "two",
	"traefik/http/middlewares/auth/plugin/ptlauth/token/cookie":       "ptl",
	"traefik/http/middlewares/auth/plugin/ptlauth/keys/0/secretFile":  "/run/secret",
	"traefik/http/middlewares/auth/plugin/ptlauth/keys/0/id":          "7",
	"traefik/http/middlewares/auth/plugin/ptlauth/headers/X-Ptl-User": "{auth.user}",
}

type configurations = map[string]map[string]any

func TestForms(t *testing.T) {
	arrived := func(number, fraction, boolean, list, id any) configurations {
		return configurations{"auth": {
			"text":     "some text",
			"number":   number,
			"fraction": fraction,
			"bool":     boolean,
			"duration": "30s",
			"list":     list,
			"token":    map[string]any{"cookie": "ptl"},
			"keys":     []any{map[string]any{"secretFile": "/run/secret", "id": id}},
			"headers":  map[string]any{"X-Ptl-User": "{auth.user}"},
		}}
	}
	list := []any{"one", "two"}

	for name, test := range map[string]struct {
		decode func() (configurations, error)
		want   configurations
	}{
		"YAML gives text, a fraction with six digits": {
			func() (configurations, error) { return YAML(inYAML) },
			arrived("42", "1.500000", "true", list, "7"),
		},
		"TOML gives the same": {
			func() (configurations, error) { return TOML(inTOML) },
			arrived("42", "1.500000", "true", list, "7"),
		},
		"labels give text, also for a list": {
			func() (configurations, error) { return Labels(inLabels) },
			arrived("42", "1.5", "true", "one,two", "7"),
		},
		"KV gives text, and joins a list of values": {
			func() (configurations, error) { return KV(inKV) },
			arrived("42", "1.5", "true", "one,two", "7"),
		},
		"Kubernetes gives what JSON gives": {
			func() (configurations, error) { return Kubernetes(inKubernetes) },
			arrived(42.0, 1.5, true, list, 7.0),
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := test.decode()
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, test.want) {
				t.Errorf("got  %#v\nwant %#v", got, test.want)
			}
		})
	}
}

// TestSurprises holds what a plugin must expect. No want stands for an error.
func TestSurprises(t *testing.T) {
	yaml := func(value string) (configurations, error) {
		return YAML("http: {middlewares: {auth: {plugin: {ptlauth: {" + value + "}}}}}")
	}
	kubernetes := func(value string) (configurations, error) {
		return Kubernetes("{kind: Middleware, metadata: {name: auth}, spec: {plugin: {ptlauth: {" + value + "}}}}")
	}
	// Several are NAME=VALUE, with commas between; of one alone the value is x.
	pairs := func(prefix, text string) map[string]string {
		all := map[string]string{}
		for _, pair := range strings.Split(text, ",") {
			name, value, given := strings.Cut(pair, "=")
			if !given {
				value = "x"
			}
			all[prefix+name] = value
		}
		return all
	}
	labels := func(names string) (configurations, error) {
		return Labels(pairs("traefik.http.middlewares.auth.plugin.ptlauth", names))
	}
	kv := func(paths string) (configurations, error) {
		return KV(pairs("traefik/http/middlewares/auth/plugin/ptlauth", paths))
	}

	for name, test := range map[string]struct {
		decode func(string) (configurations, error)
		input  string
		want   map[string]any
	}{
		"YAML: an unquoted placeholder is empty text":            {yaml, `a: {auth.user}`, map[string]any{"a": ""}},
		"YAML: double braces are expanded":                       {yaml, `a: '{{ "x" | upper }}'`, map[string]any{"a": "X"}},
		"YAML: a number as key loses its name":                   {yaml, `1: x`, map[string]any{"<int Value>": "x"}},
		"YAML: a dot in a key does not nest":                     {yaml, `a: {b.c: x}`, map[string]any{"a": map[string]any{"b.c": "x"}}},
		"YAML: a number is normalised":                           {yaml, `a: 1e5, b: 007, c: 0x10`, map[string]any{"a": "100000", "b": "7", "c": "16"}},
		"YAML: yes is text":                                      {yaml, `a: yes`, map[string]any{"a": "yes"}},
		"YAML: null is left out":                                 {yaml, `a: null`, map[string]any{}},
		"YAML: an empty list or map is empty text":               {yaml, `a: [], b: {}`, map[string]any{"a": "", "b": ""}},
		"YAML: text beside a map in a list is lost":              {yaml, `a: [x, {b: y}]`, map[string]any{"a": []any{map[string]any{"b": "y"}}}},
		"YAML: an unquoted date fails the whole file":            {yaml, `a: 2026-01-02`, nil},
		"YAML: null in a list fails the whole file":              {yaml, `a: [null]`, nil},
		"YAML: an empty map in a map is empty text":              {yaml, `a: {b: {}}`, map[string]any{"a": map[string]any{"b": ""}}},
		"YAML: null in a map takes the map along":                {yaml, `a: {b: null}`, map[string]any{"a": ""}},
		"YAML: numbers as keys take each other's place":          {yaml, `a: {1: {c: x}, 2: {c: x}}`, map[string]any{"a": map[string]any{"<int Value>": map[string]any{"c": "x"}}}},
		"Kubernetes: a number as key is text":                    {kubernetes, `a: {007: x}`, map[string]any{"a": map[string]any{"7": "x"}}},
		"Kubernetes: an unquoted placeholder is a map":           {kubernetes, `a: {auth.user}`, map[string]any{"a": map[string]any{"auth.user": nil}}},
		"Kubernetes: yes and y are true":                         {kubernetes, `a: yes, b: y`, map[string]any{"a": true, "b": true}},
		"Kubernetes: a long number loses digits":                 {kubernetes, `a: 12345678901234567891`, map[string]any{"a": 12345678901234567000.0}},
		"Kubernetes: null arrives":                               {kubernetes, `a: null`, map[string]any{"a": nil}},
		"Kubernetes: an empty list arrives":                      {kubernetes, `a: []`, map[string]any{"a": []any{}}},
		"labels: an index without the ones before it is moved":   {labels, `.a[1]`, map[string]any{"a": []any{"x"}}},
		"labels: a dot nests and keeps the case":                 {labels, `.A-b.C`, map[string]any{"A-b": map[string]any{"C": "x"}}},
		"labels: a value for the plugin itself is no option":     {labels, ``, map[string]any{}},
		"KV: an index of a list of values is not in the value":   {kv, `/a/0`, map[string]any{"a": "x"}},
		"KV: a number as a map's key is an index and vanishes":   {kv, `/a/123456`, map[string]any{"a": "x"}},
		"KV: a dot does not nest":                                {kv, `/a/b.c`, map[string]any{"a": map[string]any{"b.c": "x"}}},
		"KV: a key that ends in a slash is empty, like a folder": {kv, `/a/b/c=x,/a/d/=`, map[string]any{"a": map[string]any{"b": map[string]any{"c": "x"}, "d": ""}}},
		"KV: a number as a map's key makes a list of all":        {kv, `/a/123456/c=x,/a/b/c=y`, map[string]any{"a": []any{map[string]any{"c": "x"}, map[string]any{"c": "y"}}}},
		"KV: keys that differ in case are merged":                {kv, `/a/b/c=x,/a/B/d=y`, map[string]any{"a": map[string]any{"B": map[string]any{"c": "x", "d": "y"}}}},
		"KV: what is below a value hides it":                     {kv, `/a=x,/a/b/c=y`, map[string]any{"a": map[string]any{"b": map[string]any{"c": "y"}}}},
		"labels: keys that differ in case are merged":            {labels, `.a.b.c=x,.a.B.d=y`, map[string]any{"a": map[string]any{"B": map[string]any{"c": "x", "d": "y"}}}},
		"labels: an index beside a name is a name":               {labels, `.a[0].c=x,.a.b.c=y`, map[string]any{"a": map[string]any{"[0]": map[string]any{"c": "x"}, "b": map[string]any{"c": "y"}}}},
		"KV: maps in a list keep their order only, no position":  {kv, `/a/1/b`, map[string]any{"a": []any{map[string]any{"b": "x"}}}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := test.decode(test.input)
			if test.want == nil {
				if err == nil {
					t.Errorf("got %#v, want an error", got)
				}
				return
			}
			if err != nil || !reflect.DeepEqual(got, configurations{"auth": test.want}) {
				t.Errorf("got %#v and %v, want %#v", got["auth"], err, test.want)
			}
		})
	}
}

func TestErrors(t *testing.T) {
	for name, test := range map[string]func() (configurations, error){
		"YAML that is none":              func() (configurations, error) { return YAML("a: b: c") },
		"a template that does not parse": func() (configurations, error) { return YAML("# {{ portal.id[:6] }}") },
		"a plugin without any option":    func() (configurations, error) { return YAML("http: {middlewares: {auth: {plugin: {ptlauth: }}}}") },
		"TOML that is none":              func() (configurations, error) { return TOML("a b") },
		"a label of an unknown option": func() (configurations, error) {
			return Labels(map[string]string{"traefik.http.middlewares.auth.nonsense": "x"})
		},
		"a pair of an unknown option": func() (configurations, error) {
			return KV(map[string]string{"traefik/http/middlewares/auth/nonsense": "x"})
		},
		"a Kubernetes document that is none": func() (configurations, error) { return Kubernetes("a: b: c") },
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := test(); err == nil {
				t.Errorf("got %#v, want an error", got)
			}
		})
	}
}
