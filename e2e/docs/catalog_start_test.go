package docs

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/getportal/ptlauth/e2e/issuer"
	"github.com/getportal/ptlauth/e2e/program"
	"github.com/getportal/ptlauth/e2e/traefik"
	"github.com/getportal/ptlauth/e2e/visitor"
	"github.com/getportal/ptlauth/e2e/witness"
)

// catalog stands in for plugins.traefik.io, as far as Traefik asks it about one version of the plugin.
type catalog struct {
	mu      sync.Mutex
	archive []byte
	asked   []string // what for, and the status of the answer
}

func (c *catalog) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	hash := sha256.Sum256(c.archive)
	isKnown := r.Header.Get("X-Plugin-Hash") == hex.EncodeToString(hash[:])
	what, status := r.URL.Path, http.StatusNotFound
	switch {
	case r.URL.Path == "/public/download/"+modPath+"/v0.1.0" && isKnown:
		what, status = "download", http.StatusNotModified
	case r.URL.Path == "/public/download/"+modPath+"/v0.1.0":
		what, status = "download", http.StatusOK
	case r.URL.Path == "/public/validate/"+modPath+"/v0.1.0" && isKnown:
		what, status = "validate", http.StatusOK
	}
	c.asked = append(c.asked, fmt.Sprintf("%s %d", what, status))
	w.WriteHeader(status)
	if what == "download" && status == http.StatusOK {
		w.Write(c.archive)
	}
}

// questions are those since the last time.
func (c *catalog) questions() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	asked := strings.Join(c.asked, ", ")
	c.asked = nil
	return asked
}

// sends has it send another archive, and vouch for it, until the test ends.
func (c *catalog) sends(t *testing.T, archive []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	before := c.archive
	c.archive = archive
	t.Cleanup(func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.archive = before
	})
}

// fetched is somebody's Traefik that has its plugin from a catalog.
type fetched struct {
	catalog    *catalog
	source     string   // a repository with this commit as version v0.1.0
	env        []string // in which programs reach the catalog
	pathless   []string // in which they do not
	app, other *witness.App
	dynamic    string // the guarded app, and another one for whatever no other router is for
	good       http.Header
}

func newFetched(t *testing.T) *fetched {
	t.Helper()
	if !isThere(filepath.Join(repository, ".git")) {
		t.Skip("this is not a Git checkout")
	}
	git := program.Need(t, "git", "git")
	f := &fetched{source: filepath.Join(t.TempDir(), "ptlauth"), other: new(witness.App)}
	run(t, ".", git, "clone", "--quiet", "--no-tags", repository, f.source)
	run(t, f.source, git, "tag", "v0.1.0")
	// As GitHub packs it, and the catalog passes it on.
	f.catalog = &catalog{archive: []byte(run(t, f.source, git, "archive", "--format=zip", "--prefix=getportal-ptlauth-0123456/", "v0.1.0"))}
	certificate, key := issuer.Certificate(t, "plugins.traefik.io")
	pair, err := tls.LoadX509KeyPair(certificate, key)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(f.catalog)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
	server.StartTLS()
	t.Cleanup(server.Close)
	f.env = []string{"HTTPS_PROXY=" + visitor.Tunnel(t, server.Listener.Addr().String()), "SSL_CERT_FILE=" + certificate, "CURL_CA_BUNDLE=" + certificate}
	f.pathless = []string{"HTTPS_PROXY=http://" + program.UnusedAddr(t)}
	f.app, f.dynamic, f.good = guarded(t)
	f.dynamic = strings.NewReplacer(
		"  routers: {", "  routers: {other: {rule: PathPrefix(\"/\"), priority: 1, service: other, entryPoints: [web]}, ",
		"  services: {", fmt.Sprintf("  services: {other: {loadBalancer: {servers: [{url: %q}]}}, ", witness.Listen(t, f.other)),
	).Replace(f.dynamic)
	return f
}

// start starts Traefik in a folder, with a static configuration that names the plugin.
func (f *fetched) start(t *testing.T, root, static string, env []string) (*traefik.Traefik, error) {
	t.Helper()
	const plugins = "experimental:\n"
	if !strings.Contains(static, plugins) {
		t.Fatalf("the static configuration is\n%s", static)
	}
	proxy, err := traefik.Start(t.Context(), traefik.Options{
		Root: root, Static: strings.Replace(static, plugins, plugins+"  localPlugins:\n", 1), Dynamic: f.dynamic, Env: env, Progress: os.Stderr,
	})
	if err == nil {
		t.Cleanup(proxy.Stop)
	}
	return proxy, err
}

// looks types what docs/install.md has somebody type who looks into the archive, and returns what it prints.
func (f *fetched) looks(t *testing.T) string {
	t.Helper()
	program.Need(t, "curl", "curl")
	program.Need(t, "unzip", "unzip")
	command := exec.CommandContext(t.Context(), "sh", "-uc", readmeExample(t, pinning)[0])
	var complaints bytes.Buffer
	command.Dir, command.Stderr = t.TempDir(), &complaints
	command.Env = slices.Concat(os.Environ(), f.env, []string{
		"GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=url.file://" + f.source + ".insteadOf", "GIT_CONFIG_VALUE_0=https://" + modPath})
	out, err := command.Output()
	if err != nil {
		t.Fatalf("%v\n%s\n%s", err, out, &complaints)
	}
	return string(out)
}

// keeps reports whether Traefik has kept an archive in a folder.
func keeps(root string) bool {
	return isThere(filepath.Join(root, "plugins-storage", "archives", filepath.FromSlash(modPath), "v0.1.0.zip"))
}

// TestCatalogStart starts Traefik with the plugin of a catalog: one that sends what it should, another archive, or nothing.
func TestCatalogStart(t *testing.T) {
	if testing.Short() {
		t.Skip("starts Traefik")
	}
	f := newFetched(t)
	static := readmeExample(t, readmeStatics[0])[0]
	kept := t.TempDir()
	t.Run("what it sends is taken, once it says that this is right", func(t *testing.T) {
		proxy, err := f.start(t, kept, static, f.env)
		if err != nil {
			t.Fatal(err)
		}
		lets(t, proxy, f.app, f.good)
		if asked := f.catalog.questions(); asked != "download 200, validate 200" {
			t.Errorf("it was asked: %s", asked)
		}
	})
	t.Run("a start asks for what is kept, too, and a running Traefik does not need it", func(t *testing.T) {
		proxy, err := f.start(t, kept, static, f.env)
		if err != nil {
			t.Fatal(err)
		}
		if asked := f.catalog.questions(); asked != "download 304, validate 200" {
			t.Errorf("it was asked: %s", asked)
		}
		if err := proxy.Reload(t.Context(), strings.Replace(f.dynamic, "{ptlauth: {", "{ptlauth: {refresh: 1s, ", 1)); err != nil {
			t.Fatal(err)
		}
		lets(t, proxy, f.app, f.good)
		if asked := f.catalog.questions(); asked != "" {
			t.Errorf("it was asked: %s", asked)
		}
	})

	withHash := readmeExample(t, pinned)[0]
	const line = "      hash: SHA-256\n"
	if strings.Replace(withHash, line, "", 1) != static || withHash == static {
		t.Fatalf("with a hash, docs/install.md has\n%s", withHash)
	}
	printed := f.looks(t)
	hash := regexp.MustCompile(`^([0-9a-f]{64})  ptlauth\.zip\n$`).FindStringSubmatch(printed)
	if hash == nil {
		t.Fatalf("of the right archive, the commands say\n%s", printed)
	}
	withHash = strings.Replace(withHash, "SHA-256", hash[1], 1)
	f.catalog.questions()
	t.Run("with the hash that docs/install.md has printed, nobody is asked whether it is right", func(t *testing.T) {
		proxy, err := f.start(t, t.TempDir(), withHash, f.env)
		if err != nil {
			t.Fatal(err)
		}
		lets(t, proxy, f.app, f.good)
		if asked := f.catalog.questions(); asked != "download 200" {
			t.Errorf("it was asked: %s", asked)
		}
	})
	t.Run("another archive is refused where there is a hash, though the catalog vouches for it", func(t *testing.T) {
		f.catalog.sends(t, bytes.ReplaceAll(f.catalog.archive, []byte("0123456/LICENSE"), []byte("0123456/LICENCE")))
		if _, err := f.start(t, t.TempDir(), static, f.env); err != nil {
			t.Errorf("without a hash: %v", err)
		}
		if _, err := f.start(t, t.TempDir(), withHash, f.env); err == nil || !strings.Contains(err.Error(), "invalid hash for plugin") {
			t.Errorf("with a hash: %v", err)
		}
		if printed := f.looks(t); !strings.Contains(printed, ": LICENCE\n") || strings.Contains(printed, hash[1]) {
			t.Errorf("the commands say\n%s", printed)
		}
	})

	t.Run("where it cannot be reached, Traefik ends, and what it had kept is gone", func(t *testing.T) {
		for name, static := range map[string]string{"without a hash": static, "with a hash": withHash} {
			if proxy, err := f.start(t, kept, static, f.env); err != nil {
				t.Fatal(err)
			} else {
				proxy.Stop()
			}
			if !keeps(kept) {
				t.Fatal("nothing is kept")
			}
			if _, err := f.start(t, kept, static, f.pathless); err == nil || !strings.Contains(err.Error(), "failed to create plugin builder") {
				t.Errorf("%s: %v", name, err)
			}
			if keeps(kept) {
				t.Errorf("%s: the archive is there", name)
			}
		}
	})
	t.Run("without abortOnPluginFailure it goes on, and nobody guards", func(t *testing.T) {
		const abort = "  abortOnPluginFailure: true\n"
		if !strings.Contains(static, abort) {
			t.Fatalf("docs/install.md has\n%s", static)
		}
		proxy, err := f.start(t, t.TempDir(), strings.Replace(static, abort, "", 1), f.pathless)
		if err != nil {
			t.Fatal(err)
		}
		if len(proxy.LogLines("Plugins are disabled because an error has occurred.")) != 1 {
			t.Errorf("its log has\n%s", proxy.Log())
		}
		if status, _ := visitor.Ask(t, proxy.URL("web"), appHost, http.Header{"X-Ptl-User": {forged}}); status != http.StatusOK || f.other.Header.Get("X-Ptl-User") != forged {
			t.Errorf("with another router: got %d, and the other app %v", status, f.other.Header)
		}
		if err := proxy.Reload(t.Context(), strings.Replace(f.dynamic, `PathPrefix("/")`, `Host("other.example.com")`, 1)); err != nil {
			t.Fatal(err)
		}
		if status, _ := visitor.Ask(t, proxy.URL("web"), appHost, f.good); status != http.StatusNotFound {
			t.Errorf("without another router: got %d", status)
		}
	})
}
