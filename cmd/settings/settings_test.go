package settings

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/traefik/paerser/types"

	"github.com/getportal/ptlauth/cmd/command"
	"github.com/getportal/ptlauth/cmd/registry"
	"github.com/getportal/ptlauth/internal/key"
)

type options struct {
	Site
	Name    string         `description:"A text."`
	Expires types.Duration `description:"A length of time."`
	JSON    bool           `description:"A switch."`
}

// TestLoad: an option goes before a variable, that before the file, and arguments stand where one likes.
func TestLoad(t *testing.T) {
	t.Chdir(t.TempDir())
	t.Setenv("HOME", t.TempDir())
	t.Setenv("XDG_CONFIG_HOME", "")
	for _, test := range []struct {
		name, file  string
		environment map[string]string
		args        []string
		arguments   string
		want        options
		mistake     string
	}{
		{name: "nothing is said"},
		{name: "arguments between options", args: []string{"a", "--json", "b", "--name", "x y", "--", "--json"}, arguments: "a b --json",
			want: options{JSON: true, Name: "x y"}},
		{name: "names in any case, and values after a sign", args: []string{"--NAME=a=b", "--expires=90", "--json=false"}, want: options{Name: "a=b", Expires: types.Duration(90 * time.Second)}},
		{name: "a file", file: "url: https://a.example\nsecretFile: s\nregistry: /r\n", want: options{Site: Site{URL: "https://a.example", SecretFile: "DIR/s", Registry: "/r"}}},
		{name: "a variable goes before the file", file: "url: https://a.example\n", environment: map[string]string{"PTL_URL": "https://b.example", "PTL_SECRETFILE": "s"},
			want: options{Site: Site{URL: "https://b.example", SecretFile: "s"}}},
		{name: "an option goes before both", file: "url: https://a.example\n", environment: map[string]string{"PTL_URL": "https://b.example"}, args: []string{"--url=https://c.example"},
			want: options{Site: Site{URL: "https://c.example"}}},
		{name: "a variable of something else", environment: map[string]string{"PTL_NAMES": "x", "PTL_UNKNOWN": "y"}},
		{name: "an unknown option", args: []string{"--nom=x"}, mistake: "there is no option --nom"},
		{name: "an option without its value", args: []string{"--name"}, mistake: "--name needs a value"},
		{name: "an option in the place of a value", args: []string{"--name", "--json"}, mistake: "--name needs a value"},
		{name: "a value that looks like an option", args: []string{"--name=--json"}, want: options{Name: "--json"}},
		{name: "a length of time that is none", args: []string{"--expires=soon"}, mistake: "an option is not as it should be"},
		{name: "a slip in the file", file: "secretfile: a\nlist: b\n", mistake: "there is no option `list`"},
		{name: "a file that is no YAML", file: "url: [", mistake: "cannot be read"},
		{name: "a file that is missing", args: []string{"--configFile=none.yml"}, mistake: "none.yml: no such file"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_ = os.Remove("ptl.yml")
			dir, _ := os.Getwd()
			if test.file != "" {
				if err := os.WriteFile("ptl.yml", []byte(test.file), 0o600); err != nil {
					t.Fatal(err)
				}
				test.want.ConfigFile = filepath.Join(dir, "ptl.yml")
				test.want.SecretFile = strings.Replace(test.want.SecretFile, "DIR", dir, 1)
			}
			for name, value := range test.environment {
				t.Setenv(name, value)
			}
			got := &options{}
			arguments, err := Load(&command.Command{Name: "do", Arguments: "X...", Options: got}, test.args)
			if test.mistake != "" {
				if err == nil || !strings.Contains(err.Error(), test.mistake) || command.ExitOf(err) != command.Usage {
					t.Errorf("the error is %v, want %q", err, test.mistake)
				}
				return
			}
			if err != nil || *got != test.want || strings.Join(arguments, " ") != test.arguments {
				t.Errorf("got %+v, %q, %v; want %+v, %q", *got, arguments, err, test.want, test.arguments)
			}
		})
	}
}

const secret = "one secret of a middleware, which is long enough for HS512 as well, or not?"

// TestSearched: a newcomer is told the folders of this machine, each once.
func TestSearched(t *testing.T) {
	t.Chdir(t.TempDir())
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ name, home, xdg, want string }{
		{"a home", "/home/ann", "", here + ", /home/ann/.config or /etc/ptl"},
		{"another folder for settings", "/home/ann", "/home/ann/settings", here + ", /home/ann/settings, /home/ann/.config or /etc/ptl"},
		{"the same one, said", "/home/ann", "/home/ann/.config", here + ", /home/ann/.config or /etc/ptl"},
		{"no home, as in a container", "", "", here + " or /etc/ptl"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Setenv("HOME", test.home)
			t.Setenv("XDG_CONFIG_HOME", test.xdg)
			if got := Searched(); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}

// TestFind: which middleware it is, and with which files and which secret on this machine.
func TestFind(t *testing.T) {
	const one = "http: {middlewares: {auth: {plugin: {ptlauth: {terminals: {file: /there/list}, "
	for _, test := range []struct {
		name, dynamic      string
		site               Site
		registry, key, bad string
	}{
		{name: "as the middleware says", dynamic: one + "secretFile: DIR/secret}}}}}", registry: "/there/list", key: "HS256"},
		{name: "with this machine's paths", dynamic: one + "secretFile: /there/secret}}}}}", site: Site{SecretFile: "DIR/secret", Registry: "/here/list"}, registry: "/here/list", key: "HS256"},
		{name: "the first secret among several keys", site: Site{SecretFile: "DIR/secret"}, registry: "/there/list", key: "HS512 k1",
			dynamic: one + "keys: [{publicKeyFile: /there/public}, {secretFile: /there/new, algorithm: HS512, id: k1}, {secretFile: /there/old}]}}}}}"},
		{name: "a secret in base64", site: Site{SecretFile: "DIR/base64"}, registry: "/there/list", key: "HS256",
			dynamic: one + "keys: [{secretFile: /there/new, secretBase64: true}]}}}}}"},
		{name: "public keys alone", dynamic: one + "keys: [{publicKeyFile: /there/public}]}}}}}", registry: "/there/list", bad: "has no secret to make tokens with"},
		{name: "a secret that is not here", dynamic: one + "secretFile: /there/secret}}}}}", registry: "/there/list", bad: "the secret cannot be read"},
		{name: "a secret that is too short", dynamic: one + "secretFile: DIR/short}}}}}", registry: "/there/list", bad: "holds 5 bytes"},
		{name: "a list that is in no file", dynamic: "http: {middlewares: {auth: {plugin: {ptlauth: {terminals: any, secretFile: DIR/secret}}}}}", site: Site{Registry: "/here/list"}, key: "HS256"},
		{name: "a mistake in it", dynamic: one + "secretFile: DIR/secret, refersh: 1s}}}}}", bad: "unknown option `refersh`: did you mean `refresh`?"},
		{name: "of several, none chosen", dynamic: "http: {middlewares: {a: {plugin: {ptlauth: {x: y}}}, b: {plugin: {ptlauth: {x: y}}}}}", bad: "choose one with --middleware (a, b)"},
		{name: "one chosen of several", dynamic: one + "secretFile: DIR/secret}}}, b: {plugin: {ptlauth: {x: y}}}}}", site: Site{Middleware: "Auth@file"}, registry: "/there/list", key: "HS256"},
		{name: "one that is not there", dynamic: one + "secretFile: DIR/secret}}}}}", site: Site{Middleware: "other"}, bad: "has no middleware \"other\": it has auth"},
		{name: "none there", dynamic: "http: {}", bad: "has no middleware of ptlauth in it"},
		{name: "no file", bad: "it is not said which middleware it is, and there is no ptl.yml in /"},
		{name: "a ptl.yml that names no file", site: Site{ConfigFile: "ptl.yml"}, bad: "it is not said which middleware it is: write `dynamic` into ptl.yml"},
		{name: "a file that is not there", site: Site{Dynamic: "missing.yml"}, bad: "missing.yml: no such file or directory (dynamic in ptl.yml says where it is on this machine)"},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			place := func(text string) string { return strings.ReplaceAll(text, "DIR", dir) }
			for name, content := range map[string]string{
				"secret": secret, "short": "short", "base64": base64.StdEncoding.EncodeToString([]byte(secret)), "dynamic.yml": place(test.dynamic),
			} {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			site := test.site
			site.SecretFile = place(site.SecretFile)
			if test.dynamic != "" {
				site.Dynamic = filepath.Join(dir, "dynamic.yml")
			}
			m, err := Find(&site)
			var k *key.Key
			if err == nil {
				path := ""
				if file, isFile := m.Registry.(*registry.File); isFile {
					path = file.Path
				}
				if path != test.registry {
					t.Errorf("the list is %q, want %q", path, test.registry)
				}
				k, err = m.Key()
			}
			if test.bad != "" {
				if err == nil || !strings.Contains(err.Error(), test.bad) {
					t.Errorf("the error is %v, want %q", err, test.bad)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.TrimSpace(k.Algorithm + " " + k.ID); got != test.key || !key.Verify(k, "x", key.Sign(k, "x")) {
				t.Errorf("the key is %s, want %s", got, test.key)
			}
		})
	}
}
