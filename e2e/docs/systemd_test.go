package docs

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/getportal/ptlauth/e2e/traefik"
	"github.com/getportal/ptlauth/e2e/traefik/traefiktest"
	"github.com/getportal/ptlauth/e2e/visitor"
	"github.com/getportal/ptlauth/e2e/witness"
)

// TestSystemd types what docs/install.md says for a Traefik without a container, with a folder in the place of /etc/traefik,
// and has Traefik read what is there, with a router.
func TestSystemd(t *testing.T) {
	if testing.Short() {
		t.Skip("starts Traefik")
	}
	folder := t.TempDir()
	here := strings.NewReplacer("/etc/traefik", folder)
	_, env := furnished(t, "../../demo/quick", fmt.Sprintf("id() { command id \"$1\"; }\n%s", here.Replace(readmeExample(t, onSystemd)[0])))
	ptl := func(arguments ...string) (string, error) {
		command := exec.CommandContext(t.Context(), "ptl", arguments...)
		for _, one := range env {
			if path, isPath := strings.CutPrefix(one, "PATH="); isPath {
				command.Path = filepath.Join(strings.Split(path, string(os.PathListSeparator))[0], "ptl")
				command.Err = nil
			}
		}
		command.Dir, command.Env = folder, env
		out, err := command.Output()
		return strings.TrimSpace(string(out)), err
	}
	if found, err := ptl("check"); err != nil || found != "" {
		t.Errorf("ptl check finds %s, %v", found, err)
	}
	if read := readmeExample(t, readOnSystemd)[0]; !strings.Contains(read, "directory: /etc/traefik/ptlauth\n") {
		t.Errorf("Traefik does not read the folder with dynamic.yml: %s", read)
	}
	app := new(witness.App)
	proxy := traefiktest.Start(t, traefik.Options{Dynamic: text(t, filepath.Join(folder, "ptlauth", "dynamic.yml")) + fmt.Sprintf(`
  routers: {app: {rule: Host("%s"), middlewares: [auth], service: app}}
  services: {app: {loadBalancer: {servers: [{url: %q}]}}}
`, appHost, witness.Listen(t, app))})
	if status, _ := visitor.Ask(t, proxy.URL("web"), appHost, nil); status != http.StatusUnauthorized {
		t.Errorf("without a token: got %d", status)
	}
	token, err := ptl("token", "--name=script", "--user=ada")
	if err != nil {
		t.Fatal(err)
	}
	one := visitor.New(t, token)
	one.AwaitStatus(t, 30*time.Second, proxy.URL("web"), appHost, http.StatusOK)
	if app.Header.Get("X-Ptl-User") != "ada" {
		t.Errorf("the app got %v", app.Header)
	}

	t.Run("plugins are below the working directory", func(t *testing.T) {
		unit := map[string]string{}
		for _, match := range regexp.MustCompile(`(?m)^(\w+)=(.+)$`).FindAllStringSubmatch(readmeExample(t, unitOnSystemd)[0], -1) {
			unit[match[1]] = match[2]
		}
		if unit["WorkingDirectory"] != "/var/lib/"+unit["StateDirectory"] {
			t.Errorf("the folder that systemd makes is not the one where Traefik works: %v", unit)
		}
		binary, err := traefik.Binary(t.Context(), "", os.Stderr)
		if err != nil {
			t.Fatal(err)
		}
		// Nobody can make that folder in this one, root included.
		blocked := t.TempDir()
		if err := os.Symlink(filepath.Join(blocked, "nowhere"), filepath.Join(blocked, "plugins-storage")); err != nil {
			t.Fatal(err)
		}
		command := exec.CommandContext(t.Context(), binary, "--entryPoints.web.address=127.0.0.1:0", "--experimental.abortOnPluginFailure=true",
			"--experimental.plugins.ptlauth.moduleName="+modPath, "--experimental.plugins.ptlauth.version=v0.1.0")
		command.Dir = blocked
		out, err := command.CombinedOutput()
		if err == nil || !strings.Contains(string(out), "unable to create directory") || !strings.Contains(text(t, install), "`unable to create directory`") {
			t.Errorf("Traefik ends with %v, and says\n%s", err, out)
		}
	})
}
