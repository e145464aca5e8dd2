// Package docs does what the documentation says: every example, command, table and link of README.md and docs, the files of
// demo, and what the plugin catalog wants.
package docs

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/doc/comment"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/golang-jwt/jwt/v4"
	"github.com/traefik/traefik/v3/pkg/config/label"
	"github.com/traefik/traefik/v3/pkg/plugins"
	"github.com/traefik/traefik/v3/pkg/provider/kubernetes/crd/traefikio/v1alpha1"
	"gopkg.in/yaml.v3"
	k8syaml "sigs.k8s.io/yaml"

	"github.com/getportal/ptlauth/e2e/decode"
	"github.com/getportal/ptlauth/e2e/interpreted"
	"github.com/getportal/ptlauth/e2e/program"
	"github.com/getportal/ptlauth/e2e/traefik"
	"github.com/getportal/ptlauth/e2e/visitor"
	"github.com/getportal/ptlauth/e2e/witness"
)

const (
	readme       = "../../README.md"
	install      = "../../docs/install.md"
	contributing = "../../CONTRIBUTING.md"
	security     = "../../SECURITY.md"
	modPath      = "github.com/getportal/ptlauth"
	appHost      = "app.example.com"
)

// README.md and what it leaves to docs/install.md: no two examples of a kind have the same heading, but
// for those that belong together.
var pages = []string{readme, install}

// example is a fenced block of a Markdown file, by the heading above it.
type example struct{ heading, language, text string }

// The middleware in each form that README.md and docs/install.md show, and how Traefik reads it.
var readmeForms = []struct {
	example
	decode func(t *testing.T, text string) map[string]map[string]any
}{
	{example{heading: "File", language: "yaml"}, func(t *testing.T, text string) map[string]map[string]any {
		return decoded(t)(decode.YAML(text))
	}},
	{example{heading: "File", language: "toml"}, func(t *testing.T, text string) map[string]map[string]any {
		return decoded(t)(decode.TOML(text))
	}},
	{example{heading: "In a Traefik that you have", language: "yaml"}, func(t *testing.T, text string) map[string]map[string]any {
		return decoded(t)(decode.Labels(composeLabels(t, text)))
	}},
	{example{heading: "Kubernetes", language: "yaml"}, func(t *testing.T, text string) map[string]map[string]any {
		if err := k8syaml.UnmarshalStrict([]byte(text), new(v1alpha1.Middleware)); err != nil {
			t.Error(err)
		}
		return decoded(t)(decode.Kubernetes(text))
	}},
	{example{heading: "KV store", language: "sh"}, func(t *testing.T, text string) map[string]map[string]any {
		script := filepath.Join(t.TempDir(), "script")
		if err := os.WriteFile(script, []byte("set -eu\n"+text), 0o600); err != nil {
			t.Fatal(err)
		}
		return decoded(t)(decode.KV(pairs(t, script)))
	}},
}

// The static configurations that docs/install.md shows, without a middleware in them.
var readmeStatics = []example{
	{heading: "From the plugin catalog", language: "yaml"},
	{heading: "From a local folder", language: "yaml"},
}

// The commands that makeToken runs, and those that have a test of their own.
var (
	fromNothing        = example{heading: "From nothing to your phone", language: "sh"} // e2e/people types it
	asking             = example{heading: "In a Traefik that you have", language: "sh"} // after ptl init
	makingByHand       = example{heading: "A token by hand", language: "sh"}            // the secret, then the token
	cookieLine         = example{heading: "A token by hand", language: "js"}
	severalApps        = example{heading: "Several apps", language: "yaml"}
	puttingIntoCluster = example{heading: "Kubernetes", language: "sh"}
	takingOutOfKV      = example{heading: "KV store", language: "sh"} // the second of its kind
	providersTokens    = example{heading: "An identity provider's tokens", language: "yaml"}
	pinned             = example{heading: "No other archive", language: "yaml"}
	pinning            = example{heading: "No other archive", language: "sh"}
	ownImage           = example{heading: "An image of your own", language: "yaml"} // for Docker Compose
	buildingImage      = example{heading: "An image of your own", language: "sh"}
	dayInShadow        = example{heading: "A day in shadow", language: "yaml"} // before the switch, and after it
	loginInShadow      = example{heading: "Where people log in, as with Authelia", language: "yaml"}
	onSystemd          = example{heading: "systemd", language: "sh"}
	readOnSystemd      = example{heading: "systemd", language: "yaml"}
	unitOnSystemd      = example{heading: "systemd", language: "ini"}
	shadowLines        = example{heading: "A day in shadow", language: "text"}
)

// The other blocks, each of which one of the tests below runs or compares.
var readmeOthers = []example{
	{heading: "See it work", language: "sh"},
	{heading: "What the app sees", language: "http"},
	fromNothing,
	asking,
	asking,
	makingByHand,
	makingByHand,
	severalApps,
	cookieLine,
	puttingIntoCluster,
	takingOutOfKV,
	providersTokens,
	pinned,
	pinning,
	ownImage,
	buildingImage,
	dayInShadow,
	dayInShadow,
	shadowLines,
	loginInShadow,
	onSystemd,
	readOnSystemd,
	unitOnSystemd,
	{heading: "When something does not work", language: "text"},
	{heading: "ptlauth", language: "text"}, // the picture
}

// TestReadmeExamples finds every example: one that is added must be run as well.
func TestReadmeExamples(t *testing.T) {
	count := map[example]int{}
	for _, e := range slices.Concat(readmeStatics, readmeOthers) {
		count[e]++
	}
	for _, form := range readmeForms {
		count[form.example]++
	}
	for _, page := range pages {
		for _, e := range fencedBlocks(t, page) {
			e.text = ""
			count[e]--
		}
	}
	for e, n := range count {
		if n > 0 {
			t.Errorf("README.md and docs/install.md lack %d example(s) in %s below %q", n, e.language, e.heading)
		}
		if n < 0 {
			t.Errorf("no test runs the example in %s below %q of README.md or docs/install.md", e.language, e.heading)
		}
	}
}

// TestReadmeOptions holds README.md's table and config.go together.
func TestReadmeOptions(t *testing.T) {
	fields, manual := documented(t)
	tabled := map[string]string{}
	for _, row := range readmeTable(t, "Options") {
		name := strings.Trim(row[0], "`")
		if _, twice := tabled[name]; twice {
			t.Errorf("README.md has %s twice", name)
		}
		if row[2] == "" {
			t.Errorf("README.md does not say what %s means", name)
		}
		tabled[name] = strings.Trim(row[1], "`")
	}
	if len(manual) < 40 || len(fields) < 20 {
		t.Fatalf("found only %d options in %d fields of config.go", len(manual), len(fields))
	}

	for name, standard := range manual {
		got, ok := tabled[name]
		if !ok {
			t.Errorf("README.md lacks %s", name)
		} else if got != standard {
			t.Errorf("%s: the default is %q in README.md, %q in config.go", name, got, standard)
		}
	}
	for name := range tabled {
		if _, ok := manual[name]; !ok {
			t.Errorf("README.md has %s, config.go has not", name)
		}
	}
	sections := map[string]bool{}
	for name := range manual {
		section, _, _ := strings.Cut(name, ".")
		sections[strings.TrimSuffix(section, "[]")] = true
	}
	for field, tag := range fields {
		if !sections[tag] {
			t.Errorf("config.go documents no option of %s, %q", field, tag)
		}
		delete(sections, tag)
	}
	for section := range sections {
		t.Errorf("config.go documents %q, which is no field", section)
	}
}

// configStruct is the declaration of Config in config.go.
func configStruct(t *testing.T) *ast.StructType {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "../../config.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	config, ok := file.Scope.Lookup("Config").Decl.(*ast.TypeSpec).Type.(*ast.StructType)
	if !ok {
		t.Fatal("Config is no struct")
	}
	return config
}

// documented returns the fields of Config with their names in a configuration, and the options
// that their comments list, with their defaults.
func documented(t *testing.T) (fields, manual map[string]string) {
	t.Helper()
	config := configStruct(t)
	line := regexp.MustCompile(`^- (\S+) \((.+?)(?:, default (\S+))?\): \S`)
	fields, manual = map[string]string{}, map[string]string{}
	for _, field := range config.Fields.List {
		tag := reflect.StructTag(strings.Trim(field.Tag.Value, "`"))
		name, _, _ := strings.Cut(tag.Get("json"), ",")
		if name == "-" {
			continue // Unknown, which catches what is no option
		}
		fields[field.Names[0].Name] = name
		for text := range strings.Lines(field.Doc.Text()) {
			isCode := strings.HasPrefix(text, "\t") // TestConfigExamples runs it
			text = strings.TrimSpace(text)
			if isCode || !strings.HasPrefix(text, "- ") {
				continue
			}
			match := line.FindStringSubmatch(text)
			if match == nil {
				t.Errorf("config.go: %s: not of the form `- NAME (KIND[, default X]): TEXT`: %s", name, text)
				continue
			}
			if section, _, _ := strings.Cut(match[1], "."); strings.TrimSuffix(section, "[]") != name {
				t.Errorf("config.go: the comment of %q lists %s", name, match[1])
			}
			manual[match[1]] = match[3]
		}
	}
	return fields, manual
}

// TestConfigExamples makes a middleware of each example in config.go, with what else is required.
func TestConfigExamples(t *testing.T) {
	secretFile, _ := makeToken(t)
	keys, _ := provider(t)
	var log bytes.Buffer
	plugin, err := interpreted.Load(interpreted.Options{Log: &log})
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, field := range configStruct(t).Fields.List {
		for _, block := range new(comment.Parser).Parse(field.Doc.Text()).Content {
			code, ok := block.(*comment.Code)
			if !ok {
				continue
			}
			name := field.Names[0].Name
			found = append(found, name)
			t.Run(name, func(t *testing.T) {
				option := "          " + strings.ReplaceAll(strings.TrimSpace(code.Text), "\n", "\n          ")
				option = strings.NewReplacer("/run/secrets/ptlauth", secretFile, jwksURL, keys).Replace(option)
				config := decoded(t)(decode.YAML("http:\n  middlewares:\n    auth:\n      plugin:\n        ptlauth:\n" + option + "\n"))["auth"]
				if tag, _, _ := strings.Cut(reflect.StructTag(strings.Trim(field.Tag.Value, "`")).Get("json"), ","); len(config) != 1 || config[tag] == nil {
					t.Fatalf("it says %v", config)
				}
				for name, value := range map[string]any{"secretFile": secretFile, "terminals": "any"} {
					if config[name] == nil && (name != "secretFile" || config["keys"] == nil) {
						config[name] = value
					}
				}
				log.Reset()
				handler, err := plugin.New(t.Context(), new(witness.App), config, name+"@file")
				if err != nil {
					t.Fatal(err)
				}
				if status := visitor.StatusOf(handler, nil); status != http.StatusUnauthorized || strings.Contains(log.String(), `"level":"error"`) {
					t.Errorf("got %d, and the log has\n%s", status, log.String())
				}
			})
		}
	}
	if want := []string{"Keys", "Token", "Require", "Terminals", "Headers", "Paths"}; !slices.Equal(found, want) {
		t.Errorf("config.go has examples of %v, want %v", found, want)
	}
}

// jwksURL is where the examples have an identity provider's keys.
const jwksURL = "https://login.example.com/jwks.json"

// provider serves the JWK Set of an identity provider, and signs for it.
func provider(t *testing.T) (url string, sign func(jwt.MapClaims) string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	set, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), Algorithm: "ES256", Use: "sig"}}})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write(set) }))
	t.Cleanup(server.Close)
	return server.URL, func(claims jwt.MapClaims) string {
		signed, err := jwt.NewWithClaims(jwt.SigningMethodES256, claims).SignedString(key)
		if err != nil {
			t.Fatal(err)
		}
		return signed
	}
}

// TestReadmeProvider lets in who has a token of the provider that docs/install.md configures, made for
// this app and for somebody of one of its groups.
func TestReadmeProvider(t *testing.T) {
	keys, sign := provider(t)
	text := readmeExample(t, providersTokens)[0]
	if strings.Count(text, jwksURL) != 1 {
		t.Fatalf("the keys are not at %s:\n%s", jwksURL, text)
	}
	config := decoded(t)(decode.YAML(strings.Replace(text, jwksURL, keys, 1)))["auth"]
	plugin, err := interpreted.Load(interpreted.Options{})
	if err != nil {
		t.Fatal(err)
	}
	app := new(witness.App)
	handler, err := plugin.New(t.Context(), app, config, "auth@file")
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name, claim string
		value       any // nil: the token lacks the claim
		status      int
	}{
		{"as it should be", "sub", "ana", http.StatusOK},
		{"of another issuer", "iss", "https://elsewhere.example.com", http.StatusUnauthorized},
		{"for another app", "aud", "other.example.com", http.StatusUnauthorized},
		{"for any app", "aud", nil, http.StatusUnauthorized},
		{"that never ends", "exp", nil, http.StatusUnauthorized},
		{"of somebody in no such group", "groups", []string{"colleagues"}, http.StatusForbidden},
	} {
		t.Run("a token "+test.name, func(t *testing.T) {
			claims := jwt.MapClaims{
				"iss": config["issuer"], "aud": config["audience"], "sub": "ana", "groups": []string{"family", "cooks"},
				"exp": time.Now().Add(time.Hour).Unix(),
			}
			claims[test.claim] = test.value
			if test.value == nil {
				delete(claims, test.claim)
			}
			*app = witness.App{}
			status := visitor.StatusOf(handler, http.Header{"Cookie": {"authorization=" + sign(claims)}})
			if status != test.status || app.Requests != 1 && status == http.StatusOK || app.Requests != 0 && status != http.StatusOK {
				t.Fatalf("got %d, and the app %d requests", status, app.Requests)
			}
			if status == http.StatusOK && (app.Header.Get("X-Remote-User") != "ana" || app.Header.Get("X-Remote-Groups") != "family,cooks") {
				t.Errorf("the app got %v", app.Header)
			}
		})
	}
}

// TestContributing finds the case that CONTRIBUTING.md shows in the file that it names.
func TestContributing(t *testing.T) {
	var shown map[string]any
	for _, block := range fencedBlocks(t, contributing) {
		if block.language == "json" {
			if err := json.Unmarshal([]byte(block.text), &shown); err != nil {
				t.Fatal(err)
			}
		}
	}
	var file struct{ Cases []map[string]any }
	if err := json.Unmarshal([]byte(text(t, "../../testdata/cases/terminals.json")), &file); err != nil {
		t.Fatal(err)
	}
	if shown == nil || !slices.ContainsFunc(file.Cases, func(c map[string]any) bool { return reflect.DeepEqual(c, shown) }) {
		t.Errorf("terminals.json has no case %v", shown)
	}
}

func TestReadmePlaceholders(t *testing.T) {
	placeholder := regexp.MustCompile(`\{[a-z]+\.[A-Za-z_]+\}`)
	var got []string
	for _, row := range readmeTable(t, "Placeholders") {
		got = append(got, placeholder.FindAllString(row[0], -1)...)
	}
	want := placeholder.FindAllString(text(t, "../../config.go"), -1)
	slices.Sort(got)
	slices.Sort(want)
	want = slices.Compact(want)
	if len(want) < 8 || !slices.Equal(got, want) {
		t.Errorf("README.md has %q, config.go %q", got, want)
	}
}

// TestReadmeStatic decodes what stands in docs/install.md for traefik.yml. TestReadmeTraefik starts one.
func TestReadmeStatic(t *testing.T) {
	for _, e := range readmeStatics {
		t.Run(e.heading, func(t *testing.T) { checkStatic(t, readmeExample(t, e)[0]) })
	}
}

// checkStatic decodes a static configuration that does nothing but install the plugin.
func checkStatic(t *testing.T, text string) {
	t.Helper()
	var static struct {
		Experimental struct {
			Plugins              map[string]plugins.Descriptor
			LocalPlugins         map[string]plugins.LocalDescriptor `yaml:"localPlugins"`
			AbortOnPluginFailure bool                               `yaml:"abortOnPluginFailure"`
		}
	}
	decoder := yaml.NewDecoder(strings.NewReader(text))
	decoder.KnownFields(true)
	if err := decoder.Decode(&static); err != nil {
		t.Fatal(err)
	}
	experimental := static.Experimental
	local, isLocal := experimental.LocalPlugins["ptlauth"]
	remote, isRemote := experimental.Plugins["ptlauth"]
	if isLocal == isRemote || local.ModuleName+remote.ModuleName != modPath {
		t.Errorf("got %+v", experimental)
	}
	if isRemote && !regexp.MustCompile(`^v\d+\.\d+\.\d+$`).MatchString(remote.Version) {
		t.Errorf("the version is %q", remote.Version)
	}
	if !experimental.AbortOnPluginFailure {
		t.Error("Traefik would start without the plugin")
	}
}

// TestReadmeMiddleware builds the middleware of each form as Traefik does, and asks it with the
// token that README.md makes.
func TestReadmeMiddleware(t *testing.T) {
	secretFile, good := makeToken(t)
	var log bytes.Buffer
	plugin, err := interpreted.Load(interpreted.Options{Log: &log})
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(readmeExample(t, example{heading: "When something does not work", language: "text"})[0]), "\n")
	if len(lines) != 2 {
		t.Fatalf("README.md shows the log lines %q", lines)
	}
	var want map[string]any
	for _, form := range readmeForms {
		t.Run("as "+form.heading+" in "+form.language, func(t *testing.T) {
			middlewares := form.decode(t, readmeExample(t, form.example)[0])
			config := middlewares["auth"]
			if config == nil {
				t.Fatalf("no middleware auth in %v", middlewares)
			}
			config = onThisMachine(t, config, secretFile)
			if want == nil {
				want = maps.Clone(config)
			}
			if got := listing(config); !reflect.DeepEqual(got, listing(want)) {
				t.Errorf("another configuration than in YAML:\ngot  %v\nwant %v", got, listing(want))
			}

			log.Reset()
			app := new(witness.App)
			handler, err := plugin.New(t.Context(), app, config, "auth@file")
			if err != nil {
				t.Fatal(err)
			}
			t.Run("without a token the app is not reached", func(t *testing.T) {
				if status := visitor.StatusOf(handler, nil); status != http.StatusUnauthorized || app.Requests != 0 {
					t.Errorf("got %d, and the app %d requests", status, app.Requests)
				}
				if !slices.Contains(messages(t, log.String()), lines[1]) {
					t.Errorf("README.md says that the log has %q, it has\n%s", lines[1], log.String())
				}
			})
			t.Run("with README's token the app sees what README says", func(t *testing.T) {
				status := visitor.StatusOf(handler, http.Header{
					"Cookie":        {"theme=dark; authorization=" + good},
					"X-Ptl-User":    {"mallory"},
					"X_Remote_User": {"mallory"},
				})
				if status != http.StatusOK || app.Requests != 1 {
					t.Fatalf("got %d, and the app %d requests\n%s", status, app.Requests, log.String())
				}
				want := http.Header{"Cookie": {"theme=dark"}}
				for line := range strings.Lines(readmeExample(t, example{heading: "What the app sees", language: "http"})[0]) {
					name, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
					want[name] = append(want[name], value)
				}
				if len(want) < 6 || !reflect.DeepEqual(app.Header, want) {
					t.Errorf("got  %v\nwant %v", app.Header, want)
				}
			})
			if strings.Contains(log.String(), `"level":"error"`) {
				t.Errorf("a problem is logged:\n%s", log.String())
			}
		})
	}

	t.Run("a mistake is logged as README shows", func(t *testing.T) {
		config := maps.Clone(want)
		config["secretFile"], config["terminal"] = secretFile, "k7p2x9"
		log.Reset()
		handler, err := plugin.New(t.Context(), new(witness.App), config, "auth@file")
		if err != nil {
			t.Fatal(err)
		}
		if status := visitor.StatusOf(handler, nil); status != http.StatusServiceUnavailable {
			t.Errorf("got %d", status)
		}
		if !slices.Contains(messages(t, log.String()), lines[0]) {
			t.Errorf("README.md says that the log has %q, it has\n%s", lines[0], log.String())
		}
	})

	t.Run("each status that README lists is answered", func(t *testing.T) {
		cookie := http.Header{"Cookie": {"authorization=" + good}}
		page := http.Header{"Accept": {"text/html"}}
		answers := map[string]struct {
			method string
			header http.Header
			with   map[string]any
		}{
			"401": {"GET", page, nil},
			"302": {"GET", page, map[string]any{"loginURL": "https://login.example.com/?next={url}"}},
			"403": {"GET", cookie, map[string]any{"require": map[string]any{"role": "admin"}, "pairing": nil}},
			"405": {"CONNECT", cookie, nil},
			"431": {"GET", manyNames(300), nil},
			"404": {"GET", cookie, map[string]any{"headers": nil, "pairing": nil, "apps": map[string]any{"directory": t.TempDir()}}},
			"503": {"GET", cookie, map[string]any{"secretFile": filepath.Join(t.TempDir(), "missing")}},
		}
		for _, row := range readmeTable(t, "What a client gets") {
			answer, ok := answers[row[0]]
			if !ok {
				t.Errorf("README.md lists %s", row[0])
				continue
			}
			delete(answers, row[0])
			config := maps.Clone(want)
			config["secretFile"] = secretFile
			maps.Copy(config, answer.with)
			app := new(witness.App)
			handler, err := plugin.New(t.Context(), app, config, "auth@file")
			if err != nil {
				t.Fatal(err)
			}
			r := httptest.NewRequest(answer.method, "http://"+appHost+"/", nil)
			maps.Copy(r.Header, answer.header)
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, r)
			if got := w.Result().Status; !strings.HasPrefix(got, row[0]) || app.Requests != 0 {
				t.Errorf("%s: got %s, and the app %d requests", row[0], got, app.Requests)
			}
		}
		if len(answers) > 0 {
			t.Errorf("README.md does not list %v", slices.Sorted(maps.Keys(answers)))
		}
	})
}

// onThisMachine is a configuration with files of this machine, in which the terminal of README.md is listed.
func onThisMachine(t *testing.T, config map[string]any, secretFile string) map[string]any {
	t.Helper()
	config = maps.Clone(config)
	if file, _ := config["secretFile"].(string); !strings.HasPrefix(file, "/run/secrets/ptlauth") && file != "/etc/ptlauth/secret" {
		t.Errorf("secretFile is %q", file)
	}
	config["secretFile"] = secretFile
	terminals, _ := config["terminals"].(map[string]any)
	if terminals["file"] != nil {
		if terminals["file"] != "/etc/ptlauth/terminals.json" || config["pairing"] == nil {
			t.Errorf("the devices are %v, and pairing is %v", terminals, config["pairing"])
		}
		config["terminals"] = map[string]any{"file": listed(t)}
	}
	return config
}

// listed is a file with the terminal of README.md.
func listed(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "terminals.json")
	if err := os.WriteFile(file, []byte(`[{"id": "k7p2x9", "name": "Your laptop", "user": "you@example.com"}]`), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// listing is a configuration with its devices in itself, as those forms have them that have no list in a file.
func listing(config map[string]any) map[string]any {
	config = maps.Clone(config)
	if config["pairing"] != nil {
		delete(config, "pairing")
		config["terminals"] = map[string]any{"paired": map[string]any{"k7p2x9": map[string]any{"name": "Your laptop", "user": "you@example.com"}}}
	}
	return config
}

// TestReadmePitfalls proves what README.md warns of, so that it does not warn of what is past.
func TestReadmePitfalls(t *testing.T) {
	section := text(t, readme)
	section = section[strings.Index(section, "## When something does not work"):]
	tests := map[string]struct {
		warning, option string
		arrives         string // as the header's value
		refused         string // why the file is
	}{
		"an unquoted placeholder arrives empty":     {"arrives empty", "headers: {X-Ptl-User: {auth.user}}", "", ""},
		"an unquoted number arrives as another":     {"`1e5` arrives as 100000", "headers: {X-Ptl-User: 1e5}", "100000", ""},
		"so do zeros in front of one":               {"`007` as 7", "headers: {X-Ptl-User: 007}", "7", ""},
		"an unquoted date refuses the file":         {"`2026-01-02`", "headers: {X-Ptl-User: 2026-01-02}", "", "unsupported"},
		"an empty entry in a list refuses the file": {"an empty entry in a list", "audience: [~]", "", "unsupported"},
		"double braces refuse the file":             {"`{{ }}`", `headers: {X-Ptl-User: "{{ auth.user }}"}`, "", "template"},
	}
	t.Run("an unquoted id of digits as a name arrives as another", func(t *testing.T) {
		if !strings.Contains(section, "an id of digits before a colon as `<int Value>`") {
			t.Error("README.md does not say so")
		}
		got, err := decode.YAML("http: {middlewares: {auth: {plugin: {ptlauth: {terminals: {paired: {123456: {user: x}}}}}}}}\n")
		if want := map[string]any{"paired": map[string]any{"<int Value>": map[string]any{"user": "x"}}}; err != nil || !reflect.DeepEqual(got["auth"]["terminals"], want) {
			t.Errorf("got %v and %v", got, err)
		}
	})
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if !strings.Contains(section, test.warning) {
				t.Errorf("README.md does not say %q", test.warning)
			}
			got, err := decode.YAML("http: {middlewares: {auth: {plugin: {ptlauth: {" + test.option + "}}}}}\n")
			if test.refused != "" {
				if err == nil || !strings.Contains(err.Error(), test.refused) {
					t.Errorf("got %v and %v", got, err)
				}
			} else if err != nil || !reflect.DeepEqual(got["auth"]["headers"], map[string]any{"X-Ptl-User": test.arrives}) {
				t.Errorf("got %v and %v", got, err)
			}
		})
	}
}

// TestReadmeTraefik starts Traefik with the static configuration and the file of docs/install.md.
func TestReadmeTraefik(t *testing.T) {
	if testing.Short() {
		t.Skip("starts Traefik")
	}
	secretFile, good := makeToken(t)
	app := new(witness.App)
	backend := httptest.NewServer(app)
	t.Cleanup(backend.Close)

	var dynamic map[string]map[string]any
	if err := yaml.Unmarshal([]byte(readmeExample(t, readmeForms[0].example)[0]), &dynamic); err != nil {
		t.Fatal(err)
	}
	configuration := dynamic["http"]
	plugin := configuration["middlewares"].(map[string]any)["auth"].(map[string]any)["plugin"].(map[string]any)
	plugin["ptlauth"] = onThisMachine(t, plugin["ptlauth"].(map[string]any), secretFile)
	configuration["routers"] = map[string]any{"app": map[string]any{
		"rule": "Host(`" + appHost + "`)", "middlewares": []string{"auth"}, "service": "app", "entryPoints": []string{"web"}}}
	configuration["services"] = map[string]any{"app": map[string]any{
		"loadBalancer": map[string]any{"servers": []map[string]string{{"url": backend.URL}}}}}
	text, err := yaml.Marshal(dynamic)
	if err != nil {
		t.Fatal(err)
	}
	proxy, err := traefik.Start(t.Context(), traefik.Options{
		Static:   readmeExample(t, readmeStatics[1])[0],
		Dynamic:  string(text),
		Progress: os.Stderr,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(proxy.Stop)

	get := func(header http.Header) int {
		r, err := http.NewRequestWithContext(t.Context(), "GET", proxy.URL("web")+"/", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = appHost
		maps.Copy(r.Header, header)
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		return response.StatusCode
	}
	if status := get(nil); status != http.StatusUnauthorized || app.Requests != 0 {
		t.Errorf("without a token: got %d, and the app %d requests", status, app.Requests)
	}
	if status := get(http.Header{"Cookie": {"authorization=" + good}}); status != http.StatusOK || app.Header.Get("X-Ptl-User") != "you@example.com" {
		t.Errorf("with a token: got %d, and the app %v", status, app.Header)
	}
}

// fenced is an example, where a bracket begins no link.
var fenced = regexp.MustCompile("(?ms)^```.*?^```")

// TestLinks follows the links between the files of this repository, from every Markdown file in it.
func TestLinks(t *testing.T) {
	link := regexp.MustCompile(`(?:\]\(|src=")([^)"\s]+)[)"]`)
	files := 0
	err := filepath.WalkDir(repository, func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && slices.Contains([]string{".git", "vendor", "node_modules", "plugins-local", "plugins-storage"}, entry.Name()) {
			return filepath.SkipDir
		}
		if entry.IsDir() || filepath.Ext(file) != ".md" {
			return nil
		}
		files++
		for _, match := range link.FindAllStringSubmatch(fenced.ReplaceAllString(text(t, file), ""), -1) {
			target, anchor, _ := strings.Cut(match[1], "#")
			if strings.Contains(target, "://") {
				continue
			}
			to := file
			if target != "" {
				to = filepath.Join(filepath.Dir(file), filepath.FromSlash(target))
			}
			if _, err := os.Stat(to); err != nil {
				t.Errorf("%s: %s: %v", file, match[1], err)
			} else if anchor != "" && !slices.Contains(anchors(t, to), anchor) {
				t.Errorf("%s: %s: %s has no such heading", file, match[1], to)
			}
		}
		return nil
	})
	if err != nil || files < 12 {
		t.Errorf("found only %d files: %v", files, err)
	}
}

// TestNamedPages: each page that code, a message or an example names, and each heading of one, is there.
func TestNamedPages(t *testing.T) {
	named := regexp.MustCompile(`(?:github\.com/getportal/ptlauth|\b(?:docs/[a-z]+|README|CONTRIBUTING|SECURITY)\.md)(?:#[a-z0-9-]+)?`)
	found := 0
	for _, pattern := range []string{"*.go", "cmd/*/*.go", "internal/*/*.go", "demo/*", "demo/*/*", "Makefile", "Dockerfile"} {
		files, err := filepath.Glob(filepath.Join(repository, filepath.FromSlash(pattern)))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			if info, err := os.Stat(file); err != nil || !info.Mode().IsRegular() || strings.HasSuffix(file, ".md") {
				continue
			}
			for _, one := range named.FindAllString(text(t, file), -1) {
				page, anchor, _ := strings.Cut(one, "#")
				if page == modPath {
					page = "README.md" // which is what the site shows there
				}
				page = filepath.Join(repository, page)
				if _, err := os.Stat(page); err != nil {
					t.Errorf("%s: %s: %v", file, one, err)
					continue
				}
				found++
				if anchor != "" && !slices.Contains(anchors(t, page), anchor) {
					t.Errorf("%s: %s: there is no such heading", file, one)
				}
			}
		}
	}
	if found < 10 {
		t.Errorf("found only %d", found)
	}
}

func TestReadmeCommands(t *testing.T) {
	t.Run("the first two get this repository and start its demo", func(t *testing.T) {
		want := "git clone https://" + modPath + "\nmake -C ptlauth demo\n"
		if got := readmeExample(t, readmeOthers[0])[0]; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	})
	t.Run("make knows its targets", func(t *testing.T) {
		named := map[string]bool{}
		for _, match := range regexp.MustCompile("(?m)(?:^|`)make (?:-C ptlauth )?([a-z-]+)").FindAllStringSubmatch(text(t, readme)+text(t, contributing), -1) {
			named[match[1]] = true
		}
		for _, target := range []string{"demo", "test", "test-fast", "lint", "bench-fast"} {
			if !named[target] {
				t.Errorf("README.md and CONTRIBUTING.md do not name `make %s`", target)
			}
		}
		makefile := text(t, "../../Makefile")
		for target := range named {
			if !regexp.MustCompile("(?m)^" + target + ":").MatchString(makefile) {
				t.Errorf("there is no `make %s`", target)
			}
		}
	})
}

// makeToken runs the commands of docs/install.md that make a secret and a token.
func makeToken(t *testing.T) (secretFile, good string) {
	t.Helper()
	program.Need(t, "openssl", "openssl")
	dir := t.TempDir()
	for _, commands := range readmeExample(t, makingByHand) {
		command := exec.Command("sh", "-ec", commands)
		command.Dir, command.Stderr, command.Env = dir, os.Stderr, withProgram(t, "curl", curl(t))
		out, err := command.Output()
		if err != nil {
			t.Fatalf("%v\n%s", err, commands)
		}
		good += strings.TrimSpace(string(out))
	}
	secretFile = filepath.Join(dir, "secret")
	info, err := os.Stat(secretFile)
	if err != nil {
		t.Fatal(err)
	}
	if info.Size() != 86 || info.Mode().Perm() != 0o600 {
		t.Errorf("the secret has %d characters and the mode %v", info.Size(), info.Mode())
	}
	return secretFile, good
}

// curl is a script that fetches a file of the version in docs/install.md from this repository.
func curl(t *testing.T) string {
	t.Helper()
	root, err := filepath.Abs(repository)
	if err != nil {
		t.Fatal(err)
	}
	version := regexp.MustCompile(`version: (v\S+)`).FindStringSubmatch(readmeExample(t, readmeStatics[0])[0])
	if version == nil {
		t.Fatal("docs/install.md names no version")
	}
	prefix := "https://raw.githubusercontent.com/" + strings.TrimPrefix(modPath, "github.com/") + "/" + version[1] + "/"
	return fmt.Sprintf(`test "$1" = -fsSO && file=${2#%s} && test "$file" != "$2" && cp "%s/$file" .`, prefix, root)
}

// withProgram is an environment in which a program is that script.
func withProgram(t *testing.T, name, script string) []string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+script+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	return append(os.Environ(), "PATH="+dir+string(os.PathListSeparator)+os.Getenv("PATH"))
}

// A composeService is as much of a service as README.md's compose file says.
type composeService struct {
	Image                   string
	Command, Volumes, Ports []string
	Labels                  map[string]string
}

// composeServices are those of a compose file whose Traefik has the plugin and the secret, with
// their labels as Docker has them.
func composeServices(t *testing.T, text string) map[string]composeService {
	t.Helper()
	var compose struct {
		Services map[string]composeService
	}
	decoder := yaml.NewDecoder(strings.NewReader(text))
	decoder.KnownFields(true)
	if err := decoder.Decode(&compose); err != nil {
		t.Fatal(err)
	}
	proxy, app := compose.Services["traefik"], compose.Services["app"]
	if len(compose.Services) != 2 || len(app.Ports) > 0 || !strings.HasPrefix(proxy.Image, "traefik:v3.") {
		t.Errorf("got %+v", compose)
	}
	if !slices.Equal(proxy.Volumes, []string{"./ptlauth:/etc/ptlauth:ro"}) { // what ptl init makes
		t.Errorf("Traefik sees %v", proxy.Volumes)
	}
	var want map[string]any
	if err := yaml.Unmarshal([]byte(readmeExample(t, readmeStatics[0])[0]), &want); err != nil {
		t.Fatal(err)
	}
	if flags := fromFlags(proxy.Command); fmt.Sprint(flags) != fmt.Sprint(want) {
		t.Errorf("the flags say %v, the file %v", flags, want)
	}
	for _, service := range compose.Services {
		for name, value := range service.Labels {
			value = strings.ReplaceAll(value, "$$", "\x00")
			if strings.Contains(value, "$") {
				t.Errorf("compose would expand %s: %s", name, value)
			}
			service.Labels[name] = strings.ReplaceAll(value, "\x00", "$")
		}
	}
	return compose.Services
}

// composeLabels are the labels of Traefik and the app in a compose file, without the provider's own.
// TestReadmeDocker runs them.
func composeLabels(t *testing.T, text string) map[string]string {
	t.Helper()
	services := composeServices(t, text)
	labels := maps.Clone(services["traefik"].Labels)
	maps.Copy(labels, services["app"].Labels)
	delete(labels, "traefik.enable")
	configuration, err := label.DecodeConfiguration(labels)
	if err != nil {
		t.Fatal(err)
	}
	router := configuration.HTTP.Routers["app"]
	if router == nil || !slices.Equal(router.Middlewares, []string{"auth@docker"}) || router.Rule != "Host(`"+appHost+"`)" {
		t.Errorf("the router is %+v", router)
	}
	return labels
}

func decoded(t *testing.T) func(map[string]map[string]any, error) map[string]map[string]any {
	return func(middlewares map[string]map[string]any, err error) map[string]map[string]any {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return middlewares
	}
}

// messages are what the lines of a log in JSON say.
func messages(t *testing.T, log string) []string {
	t.Helper()
	var all []string
	for line := range strings.Lines(log) {
		var entry struct{ Message string }
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		all = append(all, entry.Message)
	}
	return all
}

var headingLine = regexp.MustCompile("^#+ (.+)")

// fencedBlocks are the fenced blocks of a Markdown file.
func fencedBlocks(t *testing.T, path string) []example {
	t.Helper()
	var all []example
	var inside *example
	above := ""
	for line := range strings.Lines(text(t, path)) {
		fence, isFence := strings.CutPrefix(strings.TrimSpace(line), "```")
		switch {
		case isFence && inside == nil:
			inside = &example{heading: above, language: fence}
		case isFence:
			all = append(all, *inside)
			inside = nil
		case inside != nil:
			inside.text += line
		case headingLine.MatchString(line):
			above = headingLine.FindStringSubmatch(line)[1]
		}
	}
	if inside != nil {
		t.Errorf("%s: the example below %q does not end", path, inside.heading)
	}
	return all
}

// readmeExample returns the texts of the examples of that heading and language, of README.md or
// docs/install.md.
func readmeExample(t *testing.T, wanted example) []string {
	t.Helper()
	var texts []string
	for _, page := range pages {
		for _, e := range fencedBlocks(t, page) {
			if e.heading == wanted.heading && e.language == wanted.language {
				texts = append(texts, e.text)
			}
		}
	}
	if len(texts) == 0 {
		t.Fatalf("README.md and docs/install.md have no example in %s below %q", wanted.language, wanted.heading)
	}
	return texts
}

func readmeTable(t *testing.T, wanted string) [][]string {
	t.Helper()
	return tableBelow(t, readme, wanted)
}

// tableBelow returns the rows of the first table below a heading of a Markdown file, without its head.
func tableBelow(t *testing.T, path, wanted string) [][]string {
	t.Helper()
	var rows [][]string
	below := false
	for line := range strings.Lines(text(t, path)) {
		line = strings.TrimSpace(line)
		if match := headingLine.FindStringSubmatch(line); match != nil {
			below = match[1] == wanted
		}
		if !below {
			continue
		}
		if !strings.HasPrefix(line, "|") {
			if rows != nil {
				break
			}
			continue
		}
		cells := strings.Split(strings.Trim(line, "|"), "|")
		for i, cell := range cells {
			cells[i] = strings.TrimSpace(cell)
		}
		rows = append(rows, cells)
	}
	if len(rows) < 3 {
		t.Fatalf("%s has no table below %q", path, wanted)
	}
	for _, row := range rows {
		if len(row) != len(rows[0]) {
			t.Errorf("%s: %q has %d cells, not %d", path, row, len(row), len(rows[0]))
		}
	}
	return rows[2:]
}

// anchors are the names by which GitHub links to the headings of a Markdown file.
func anchors(t *testing.T, path string) []string {
	t.Helper()
	var all []string
	for line := range strings.Lines(text(t, path)) {
		if match := headingLine.FindStringSubmatch(strings.TrimSpace(line)); match != nil {
			name := regexp.MustCompile(`[^a-z0-9 _-]`).ReplaceAllString(strings.ToLower(match[1]), "")
			all = append(all, strings.ReplaceAll(name, " ", "-"))
		}
	}
	return all
}

// manyNames is so many header names.
func manyNames(n int) http.Header {
	header := http.Header{}
	for i := range n {
		header.Set(fmt.Sprintf("X-Name-%d", i), "1")
	}
	return header
}
