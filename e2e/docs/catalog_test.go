package docs

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/png"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/BurntSushi/toml"
	"github.com/golang-jwt/jwt/v4"
	"github.com/traefik/paerser/file"
	"github.com/traefik/traefik/v3/pkg/provider/kubernetes/crd/traefikio/v1alpha1"
	"gopkg.in/yaml.v3"
	k8syaml "sigs.k8s.io/yaml"

	"github.com/getportal/ptlauth/e2e/decode"
	"github.com/getportal/ptlauth/e2e/interpreted"
	"github.com/getportal/ptlauth/e2e/poll"
	"github.com/getportal/ptlauth/e2e/program"
	"github.com/getportal/ptlauth/e2e/traefik"
	"github.com/getportal/ptlauth/e2e/visitor"
	"github.com/getportal/ptlauth/e2e/witness"
)

// The rules of plugins.traefik.io, which drops a plugin that breaks one.
// See https://plugins.traefik.io/create and github.com/traefik/piceus.

const repository = "../.."

// forged is the value of whatever a client should not have sent.
const forged = "forged"

// manifest is .traefik.yml.
type manifest struct {
	DisplayName string         `yaml:"displayName"`
	Type        string         `yaml:"type"`
	Runtime     string         `yaml:"runtime"`
	Import      string         `yaml:"import"`
	Summary     string         `yaml:"summary"`
	IconPath    string         `yaml:"iconPath"`
	BannerPath  string         `yaml:"bannerPath"`
	TestData    map[string]any `yaml:"testData"`
}

// readManifest reads it as the catalog does, which takes testData as Traefik's file provider would.
func readManifest(t *testing.T) manifest {
	t.Helper()
	content := text(t, filepath.Join(repository, ".traefik.yml"))
	var m, decoded manifest
	decoder := yaml.NewDecoder(strings.NewReader(content))
	decoder.KnownFields(true)
	if err := decoder.Decode(&m); err != nil {
		t.Fatal(err)
	}
	if err := file.DecodeContent(content, ".yaml", &decoded); err != nil {
		t.Fatal(err)
	}
	m.TestData = decoded.TestData
	return m
}

func TestCatalog(t *testing.T) {
	m := readManifest(t)

	t.Run("the manifest is complete", func(t *testing.T) {
		if m.DisplayName == "" || m.Summary == "" || len(m.TestData) == 0 {
			t.Errorf("something is missing: %+v", m)
		}
		if len(m.Summary) > 110 || strings.Contains(m.Summary, "\n") {
			t.Errorf("the summary is no short line: %q", m.Summary)
		}
		if m.Type != "middleware" || m.Import != "github.com/getportal/ptlauth" || m.Runtime != "" && m.Runtime != "yaegi" {
			t.Errorf("got type %q, import %q, runtime %q", m.Type, m.Import, m.Runtime)
		}
	})

	t.Run("its pictures have the sizes that the catalog and social media show", func(t *testing.T) {
		for path, want := range map[string]image.Point{m.IconPath: {256, 256}, m.BannerPath: {1280, 640}} {
			f, err := os.Open(filepath.Join(repository, path))
			if err != nil {
				t.Error(err)
				continue
			}
			defer f.Close()
			picture, err := png.Decode(f)
			if err != nil {
				t.Errorf("%s: %v", path, err)
			} else if got := picture.Bounds().Size(); got != want {
				t.Errorf("%s is %v, not %v", path, got, want)
			}
		}
	})

	t.Run("the plugin does not require what interprets it", func(t *testing.T) {
		var required struct {
			Module  struct{ Path string }
			Require []struct{ Path string }
		}
		if err := json.Unmarshal([]byte(run(t, repository, "go", "mod", "edit", "-json")), &required); err != nil {
			t.Fatal(err)
		}
		if required.Module.Path != m.Import || len(required.Require) == 0 {
			t.Errorf("the module is %+v", required)
		}
		for _, module := range required.Require {
			if module.Path == "github.com/traefik/yaegi" || strings.HasPrefix(module.Path, "github.com/traefik/traefik") {
				t.Errorf("go.mod requires %s", module.Path)
			}
		}
	})

	t.Run("vendor is what go mod vendor makes", func(t *testing.T) {
		fresh := filepath.Join(t.TempDir(), "vendor")
		run(t, repository, "go", "mod", "vendor", "-o", fresh)
		want, got := contents(t, fresh), contents(t, filepath.Join(repository, "vendor"))
		if len(want) == 0 {
			t.Fatal("it makes nothing")
		}
		for name, content := range want {
			if got[name] != content {
				t.Errorf("vendor/%s is missing or differs", name)
			}
		}
		for name := range got {
			if _, ok := want[name]; !ok {
				t.Errorf("vendor/%s is too much", name)
			}
		}
	})

	t.Run("its archive alone loads, and closed is what testData makes until its secret is there", func(t *testing.T) {
		if _, err := os.Stat(filepath.Join(repository, ".git")); err != nil {
			t.Skip("this is not a Git checkout: ", err)
		}
		root := t.TempDir()
		extract(t, filepath.Join(root, "plugins-local", "src", filepath.FromSlash(m.Import)))
		begin := time.Now()
		var log bytes.Buffer
		plugin, err := interpreted.Load(interpreted.Options{Root: root, Log: &log})
		if err != nil {
			t.Fatal(err)
		}
		app := new(witness.App)
		handler, err := plugin.New(t.Context(), app, m.TestData, t.Name())
		if err != nil {
			t.Fatal(err)
		}
		// The catalog gives it 10 seconds.
		if took := time.Since(begin); took > 2*time.Second {
			t.Errorf("import and New took %s", took)
		}
		if file := m.TestData["secretFile"].(string); isThere(file) {
			t.Skip("this machine has a ", file)
		}
		if status := visitor.StatusOf(handler, nil); status != http.StatusServiceUnavailable || app.Requests != 0 {
			t.Errorf("got %d, and the app %d requests", status, app.Requests)
		}
		lines := messages(t, log.String())
		if len(lines) == 0 || !strings.Contains(lines[0], m.TestData["secretFile"].(string)+" cannot be read") {
			t.Errorf("it logs %q", lines)
		}
	})
}

func isThere(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// snippets are the examples that the catalog makes of testData, by their form: those of the file
// provider as they are, and what Kubernetes' provider makes of a Middleware.
func snippets(t *testing.T, m manifest) map[string]string {
	t.Helper()
	name := path.Base(m.Import)
	plugin := map[string]any{"plugin": map[string]any{name: m.TestData}}
	dynamic := func(middleware any) map[string]any {
		return map[string]any{"http": map[string]any{"middlewares": map[string]any{"my-" + name: middleware}}}
	}
	inYAML := func(value any) string {
		text, err := yaml.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	var inTOML strings.Builder
	if err := toml.NewEncoder(&inTOML).Encode(dynamic(plugin)); err != nil {
		t.Fatal(err)
	}
	resource := inYAML(map[string]any{
		"apiVersion": "traefik.io/v1alpha1", "kind": "Middleware",
		"metadata": map[string]any{"name": "my-" + name, "namespace": "my-namespace"}, "spec": plugin,
	})
	if err := k8syaml.UnmarshalStrict([]byte(resource), new(v1alpha1.Middleware)); err != nil {
		t.Error(err)
	}
	delivered := decoded(t)(decode.Kubernetes(resource))["my-"+name]
	return map[string]string{
		"snippet.yml":    inYAML(dynamic(plugin)),
		"snippet.toml":   inTOML.String(),
		"kubernetes.yml": inYAML(dynamic(map[string]any{"plugin": map[string]any{name: delivered}})),
	}
}

// TestCatalogSnippets has Traefik read each snippet, as somebody pastes it, but for the place of the
// secret: closed to everyone without that file, and to all but the terminal with it.
func TestCatalogSnippets(t *testing.T) {
	if testing.Short() {
		t.Skip("starts Traefik")
	}
	m := readManifest(t)
	place := m.TestData["secretFile"].(string)
	if !strings.HasPrefix(place, "/run/secrets/") {
		t.Errorf("secretFile is %q", place)
	}
	sign := func(id, secret string) http.Header {
		token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"sub": id, "iat": time.Now().Unix()}).SignedString([]byte(secret))
		if err != nil {
			t.Fatal(err)
		}
		return http.Header{"Cookie": {"authorization=" + token}, "X-Remote-User": {forged}, "X-Ptl-User": {forged}}
	}
	const secret = "a-secret-that-nobody-has-published-and-is-long-enough"
	paired := slices.Collect(maps.Keys(m.TestData["terminals"].(map[string]any)["paired"].(map[string]any)))
	if len(paired) != 1 {
		t.Fatalf("the terminals are %q", paired)
	}
	good := sign(paired[0], secret)
	bad := map[string]http.Header{
		"without a token":                        {"X-Remote-User": {forged}},
		"with another terminal's":                sign("mallory", secret),
		"with one of another secret":             sign(paired[0], strings.Repeat("x", 40)),
		"with one of the first example's secret": sign(paired[0], "an-example-secret-that-is-long-enough-and-that-you-replace"),
	}
	for name, snippet := range snippets(t, m) {
		t.Run(name, func(t *testing.T) {
			app := new(witness.App)
			secretFile := filepath.Join(t.TempDir(), "ptlauth")
			if strings.Count(snippet, place) != 1 {
				t.Fatalf("the snippet is\n%s", snippet)
			}
			proxy, err := traefik.Start(t.Context(), traefik.Options{
				Static: "experimental: {abortOnPluginFailure: true}",
				Dynamic: fmt.Sprintf(`
http:
  routers: {app: {rule: Host("%s"), middlewares: [my-ptlauth], service: app, entryPoints: [web]}}
  services: {app: {loadBalancer: {servers: [{url: %q}]}}}
`, appHost, witness.Listen(t, app)),
				Progress: os.Stderr,
			})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(proxy.Stop)
			answers := func(header http.Header) int {
				status, _ := visitor.Ask(t, proxy.URL("web"), appHost, header)
				return status
			}
			beside := filepath.Join(proxy.Dir(), name)
			if err := os.WriteFile(beside, []byte(strings.Replace(snippet, place, secretFile, 1)), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Rename(beside, filepath.Join(proxy.Dir(), "dynamic", name)); err != nil {
				t.Fatal(err)
			}

			poll.Until(t, 10*time.Second, func() string {
				if status := answers(good); status != http.StatusServiceUnavailable {
					return fmt.Sprintf("with a good token, without the secret: got %d", status)
				}
				return ""
			})
			for name, header := range bad {
				if status := answers(header); status != http.StatusServiceUnavailable {
					t.Errorf("%s, without the secret: got %d", name, status)
				}
			}
			if app.Requests != 0 {
				t.Errorf("the app got %d requests", app.Requests)
			}
			if err := os.WriteFile(secretFile, []byte(secret), 0o600); err != nil {
				t.Fatal(err)
			}
			poll.Until(t, 10*time.Second, func() string {
				if status := answers(good); status != http.StatusOK {
					return fmt.Sprintf("with a good token: got %d", status)
				}
				return ""
			})
			const user = "you@example.com"
			if got := app.Header; !slices.Equal(got["X-Remote-User"], []string{user}) || !slices.Equal(got["X-Ptl-User"], []string{user}) {
				t.Errorf("the app got %v", got)
			}
			before := app.Requests
			for name, header := range bad {
				if status := answers(header); status != http.StatusUnauthorized {
					t.Errorf("%s: got %d", name, status)
				}
			}
			if app.Requests != before {
				t.Errorf("the app got %d requests of others", app.Requests-before)
			}
		})
	}
}

// TestArchive holds what Traefik downloads, which is GitHub's archive, to what it needs.
func TestArchive(t *testing.T) {
	if _, err := os.Stat(filepath.Join(repository, ".git")); err != nil {
		t.Skip("this is not a Git checkout: ", err)
	}
	git := program.Need(t, "git", "git")
	names := archived(t)

	t.Run("it is what Git makes", func(t *testing.T) {
		committed := strings.Split(run(t, repository, git, "ls-tree", "-rz", "--name-only", "HEAD"), "\x00")
		var want, got []string
		archive := tar.NewReader(strings.NewReader(run(t, repository, git, "archive", "--worktree-attributes", "--format=tar", "HEAD")))
		for {
			header, err := archive.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			if header.Typeflag == tar.TypeReg && isThere(filepath.Join(repository, header.Name)) {
				want = append(want, header.Name)
			}
		}
		for _, name := range names {
			if slices.Contains(committed, name) {
				got = append(got, name)
			}
		}
		slices.Sort(want)
		slices.Sort(got)
		if len(want) < 20 || !slices.Equal(got, want) {
			t.Errorf("got  %q\nwant %q", got, want)
		}
	})
	t.Run("it holds the plugin's packages, what they need, and words", func(t *testing.T) {
		root, err := filepath.Abs(repository)
		if err != nil {
			t.Fatal(err)
		}
		needed := map[string]bool{}
		for dir := range strings.Lines(run(t, repository, "go", "list", "-mod=vendor", "-deps", "-f", "{{if not .Standard}}{{.Dir}}{{end}}", ".")) {
			if dir, err := filepath.Rel(root, strings.TrimSpace(dir)); err == nil {
				needed[filepath.ToSlash(dir)] = false
			}
		}
		if len(needed) < 10 {
			t.Fatalf("the plugin's packages are %v", needed)
		}
		rest := map[string]bool{".traefik.yml": true, "LICENSE": true, "go.mod": true, "go.sum": true}
		for _, name := range names {
			dir := path.Dir(name)
			_, isNeeded := needed[dir]
			switch {
			case isNeeded && path.Ext(name) == ".go" && !strings.HasSuffix(name, "_test.go"):
				needed[dir] = true
			case strings.HasPrefix(name, "vendor/"): // TestCatalog compares it
			case rest[name], dir == "." && path.Ext(name) == ".md":
				delete(rest, name)
			default:
				t.Errorf("%s is of no use there", name)
			}
		}
		for dir, found := range needed {
			if !found {
				t.Errorf("it lacks the package in %s", dir)
			}
		}
		for name := range rest {
			t.Errorf("it lacks %s", name)
		}
	})
}

// archived are the files that Git tracks or would, less those that .gitattributes keeps out of archives.
func archived(t *testing.T) []string {
	t.Helper()
	git := program.Need(t, "git", "git")
	var names []string
	paths := map[string]bool{} // of the files, and of the folders above each
	for name := range strings.SplitSeq(strings.TrimSuffix(run(t, repository, git, "ls-files", "-z", "-co", "--exclude-standard"), "\x00"), "\x00") {
		info, err := os.Lstat(filepath.Join(repository, name))
		// A file that was removed is listed until that is committed.
		if err != nil || !info.Mode().IsRegular() {
			continue
		}
		names = append(names, name)
		for ; name != "."; name = path.Dir(name) {
			paths[name] = true
		}
	}
	check := exec.Command(git, "check-attr", "-z", "--stdin", "export-ignore")
	check.Dir, check.Stdin = repository, strings.NewReader(strings.Join(slices.Collect(maps.Keys(paths)), "\x00"))
	out, err := check.Output()
	if err != nil {
		t.Fatal(err)
	}
	ignored := map[string]bool{}
	words := strings.Split(string(out), "\x00") // path, attribute, value, …
	for ; len(words) >= 3; words = words[3:] {
		ignored[words[0]] = words[2] == "set"
	}
	return slices.DeleteFunc(names, func(name string) bool {
		for ; name != "."; name = path.Dir(name) {
			if ignored[name] {
				return true
			}
		}
		return false
	})
}

// extract copies the archive's files.
func extract(t *testing.T, to string) {
	t.Helper()
	for _, name := range archived(t) {
		content := text(t, filepath.Join(repository, name))
		to := filepath.Join(to, name)
		if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(to, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// contents are the files below a folder.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	files := os.DirFS(dir)
	err := fs.WalkDir(files, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := fs.ReadFile(files, path)
		all[path] = string(content)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// run runs a command in a folder and returns what it prints.
func run(t *testing.T, dir, program string, args ...string) string {
	t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Dir, cmd.Stderr = dir, new(bytes.Buffer)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", program, args, err, cmd.Stderr)
	}
	return string(out)
}
