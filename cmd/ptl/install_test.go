package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/module"
	"golang.org/x/mod/zip"
)

// TestInstall installs ptl as people do, once both modules are released: here, from a module proxy in a folder.
func TestInstall(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles ptl with an empty module cache")
	}
	const version = "v0.1.0"
	proxy, bin := t.TempDir(), t.TempDir()
	release(t, proxy, module.Version{Path: "github.com/getportal/ptlauth", Version: version}, "../..")
	release(t, proxy, module.Version{Path: "github.com/getportal/ptlauth/cmd", Version: version}, "..")
	known, err := exec.Command("go", "env", "GOMODCACHE").Output()
	if err != nil {
		t.Fatal(err)
	}
	install := exec.Command("go", "install", "github.com/getportal/ptlauth/cmd/ptl@"+version)
	install.Dir = t.TempDir()
	install.Env = append(os.Environ(), "GOBIN="+bin, "GOMODCACHE="+t.TempDir(), "GOFLAGS=-modcacherw", "GOWORK=off", "GONOSUMDB=*",
		"GOPROXY=file://"+proxy+",file://"+filepath.Join(strings.TrimSpace(string(known)), "cache", "download")+",https://proxy.golang.org")
	if out, err := install.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	out, err := exec.Command(filepath.Join(bin, "ptl"), "--help").CombinedOutput()
	if err != nil || !strings.Contains(string(out), "  pair ") {
		t.Errorf("%v\n%s", err, out)
	}
}

// release puts a module into a proxy, as if its folder were tagged.
func release(t *testing.T, proxy string, m module.Version, folder string) {
	t.Helper()
	at := filepath.Join(proxy, filepath.FromSlash(m.Path), "@v")
	if err := os.MkdirAll(at, 0o755); err != nil {
		t.Fatal(err)
	}
	archive, err := os.Create(filepath.Join(at, m.Version+".zip"))
	if err != nil {
		t.Fatal(err)
	}
	defer archive.Close()
	if err := zip.CreateFromDir(archive, m, folder); err != nil {
		t.Fatal(err)
	}
	info, err := json.Marshal(map[string]any{"Version": m.Version, "Time": time.Now().UTC()})
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{
		"list": m.Version + "\n", m.Version + ".info": string(info), m.Version + ".mod": read(t, filepath.Join(folder, "go.mod")),
	} {
		if err := os.WriteFile(filepath.Join(at, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// TestModule: what is developed with is what is installed, but for the plugin's folder.
func TestModule(t *testing.T) {
	development := strings.Replace(read(t, "../dev.mod"), "\nreplace github.com/getportal/ptlauth => ..\n", "", 1)
	if got := read(t, "../go.mod"); got != development {
		t.Errorf("go.mod is\n%s\nand dev.mod without its replacement\n%s", got, development)
	}
}
