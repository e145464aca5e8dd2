package e2e

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v4"

	"github.com/getportal/ptlauth/e2e/interpreted"
)

// The rules of plugins.traefik.io, which drops a plugin that breaks one.
// See https://plugins.traefik.io/create and github.com/traefik/piceus.

const repository = ".."

// manifest is .traefik.yml.
type manifest struct {
	DisplayName string         `yaml:"displayName"`
	Type        string         `yaml:"type"`
	Runtime     string         `yaml:"runtime"`
	Import      string         `yaml:"import"`
	Summary     string         `yaml:"summary"`
	TestData    map[string]any `yaml:"testData"`
}

func TestCatalog(t *testing.T) {
	var m manifest
	read(t, filepath.Join(repository, ".traefik.yml"), &m)

	t.Run("the manifest is complete", func(t *testing.T) {
		if m.DisplayName == "" || m.Summary == "" || len(m.TestData) == 0 {
			t.Errorf("something is missing: %+v", m)
		}
		if m.Type != "middleware" || m.Import != "github.com/getportal/ptlauth" || m.Runtime != "" && m.Runtime != "yaegi" {
			t.Errorf("got type %q, import %q, runtime %q", m.Type, m.Import, m.Runtime)
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

	t.Run("the files of the repository alone load, and let in whom testData's secret vouches for", func(t *testing.T) {
		if _, err := os.Stat(filepath.Join(repository, ".git")); err != nil {
			t.Skip("this is not a Git checkout: ", err)
		}
		root := t.TempDir()
		copyRepository(t, filepath.Join(root, "plugins-local", "src", filepath.FromSlash(m.Import)))
		begin := time.Now()
		var log bytes.Buffer
		plugin, err := interpreted.Load(interpreted.Options{Root: root, Log: &log})
		if err != nil {
			t.Fatal(err)
		}
		var user []string
		app := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { user = r.Header["X-Remote-User"] })
		handler, err := plugin.New(t.Context(), app, m.TestData, t.Name())
		if err != nil {
			t.Fatal(err)
		}
		// The catalog gives it 10 seconds.
		if took := time.Since(begin); took > 2*time.Second {
			t.Errorf("import and New took %s", took)
		}
		if log.Len() > 0 {
			t.Errorf("it logs %s", log.String())
		}

		secret := m.TestData["keys"].([]any)[0].(map[string]any)["secret"].(string)
		token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"sub": "abc123"}).SignedString([]byte(secret))
		if err != nil {
			t.Fatal(err)
		}
		ask := func(cookie string) int {
			user = nil
			r := httptest.NewRequest("GET", "/", nil)
			r.Header.Set("Cookie", cookie)
			r.Header.Set("X-Remote-User", forged)
			recorder := httptest.NewRecorder()
			handler.ServeHTTP(recorder, r)
			return recorder.Code
		}
		if status := ask("authorization=" + token); status != http.StatusOK || strings.Join(user, ",") != "abc123" {
			t.Errorf("with a token: got %d as %q", status, user)
		}
		if status := ask(""); status != http.StatusUnauthorized || user != nil {
			t.Errorf("without a token: got %d as %q", status, user)
		}
	})
}

// copyRepository copies what Git tracks or would: not what it ignores.
func copyRepository(t *testing.T, to string) {
	t.Helper()
	git := need(t, "git", "git")
	for name := range strings.SplitSeq(strings.TrimSuffix(run(t, repository, git, "ls-files", "-z", "-co", "--exclude-standard"), "\x00"), "\x00") {
		from, to := filepath.Join(repository, name), filepath.Join(to, name)
		info, err := os.Lstat(from)
		// A file that was removed is listed until that is committed.
		if err != nil || !info.Mode().IsRegular() {
			continue
		}
		content, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(to, content, 0o600); err != nil {
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
