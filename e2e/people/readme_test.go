package people

import (
	"encoding/pem"
	"fmt"
	"net"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/cli"
	"gopkg.in/yaml.v3"

	"github.com/getportal/ptlauth/e2e/demo/app"
	"github.com/getportal/ptlauth/e2e/docker"
	"github.com/getportal/ptlauth/e2e/program"
	"github.com/getportal/ptlauth/e2e/traefik"
	"github.com/getportal/ptlauth/e2e/traefik/traefiktest"
	"github.com/getportal/ptlauth/e2e/visitor"
)

// inReadme is the part of README.md that matches in parentheses.
func inReadme(t *testing.T, pattern string) []string {
	t.Helper()
	content, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	match := regexp.MustCompile(pattern).FindStringSubmatch(string(content))
	if match == nil {
		t.Fatalf("README.md has no %s", pattern)
	}
	return match[1:]
}

// typed is a shell that runs commands as a person types them, in a folder, with further programs.
func typed(t *testing.T, folder, commands string, env []string, programs map[string]string) *program.Screen {
	t.Helper()
	dir := t.TempDir()
	for name, script := range programs {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\nset -eu\n"+script+"\n"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	path := dir + string(os.PathListSeparator)
	return program.NewScreen(t, folder, env, "sh", "-ec", "PATH="+path+"$PATH\n"+commands)
}

// TestReadmeDemo does what README.md says under “See it work”, to the letter, but that what is cloned is this folder.
func TestReadmeDemo(t *testing.T) {
	if testing.Short() {
		t.Skip("starts Traefik, and Chromium")
	}
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	commands := inReadme(t, "(?s)## See it work\n\n```sh\n(.+?)```")[0]
	buttons := inReadme(t, `press (\w+), (\w+) and (\w+), and the app greets you`)
	screen := typed(t, t.TempDir(), commands, append(os.Environ(), "PORT=0", "LAN=", "TMPDIR="+t.TempDir()), map[string]string{
		"git": fmt.Sprintf(`test "$*" = 'clone https://github.com/getportal/ptlauth'
mkdir ptlauth
cd %q
%s ls-files --cached --others --exclude-standard | while read -r file; do if test -e "$file"; then echo "$file"; fi; done |
	tar -c -T - | tar -x -C "$OLDPWD/ptlauth"`, root, program.Need(t, "git", "git")),
	})
	link := screen.Await(t, `http://127\.0\.0\.1:\d+/\.ptl/pair\S*#\S+`)
	at, err := url.Parse(link)
	if err != nil {
		t.Fatal(err)
	}
	w := newProfile(t).open(t, &site{}, at.Host)
	w.visit(link)
	for _, button := range buttons {
		w.press(button)
	}
	w.says("Hello, ada", "ada: hello from the page")

	screen.Await(t, `Was that you\?`)
	screen.Type(t, "\n")
	screen.Await(t, `Ctrl-C ends it\.`)
	lines := regexp.MustCompile(`(?m)^  (cd \S+|\./ptl unpair .+)$`).FindAllStringSubmatch(screen.Text(), -1)
	if len(lines) != 2 {
		t.Fatalf("how to throw a phone out is not in\n%s", screen.Text())
	}
	if out, err := exec.CommandContext(t.Context(), "sh", "-ec", lines[0][1]+"\n"+lines[1][1]).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	w.says("(closed)")
	if status := w.visit("http://" + at.Host + "/"); status != 401 {
		t.Errorf("the next click: status %d", status)
	}
	screen.Type(t, "\x03")
	screen.End(t, 20*time.Second)
}

// TestReadmeFromNothing does what README.md says under “From nothing to your phone”, to the letter. A stand-in for Docker
// runs what ptl init has written: Traefik with those flags and that middleware, an app with those labels, and a
// certificate from an ACME server.
func TestReadmeFromNothing(t *testing.T) {
	if testing.Short() {
		t.Skip("starts Traefik, and Chromium")
	}
	commands := inReadme(t, "(?s)## From nothing to your phone\n.*?```sh\n(.+?)```")[0]
	buttons := inReadme(t, `Scan the code that it shows, and press (\w+), (\w+) and (\w+)\.`)
	name := inReadme(t, `ptl init site --url=https://(\S+)\n`)[0]
	throwOut := inReadme(t, "`(ptl unpair .+?)` throws it out again")[0]

	address := program.UnusedAddr(t)
	_, port, _ := net.SplitHostPort(address)
	acme := startAuthority(t, port)
	trusted := filepath.Join(t.TempDir(), "root.pem")
	if err := os.WriteFile(trusted, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: acme.root(t).Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	home := t.TempDir()
	folder := filepath.Join(home, "site")
	env := append(program.WithPtl(t), "SSL_CERT_FILE="+trusted, "HTTPS_PROXY="+visitor.Tunnel(t, address))
	screen := typed(t, home, commands, env, map[string]string{
		"go":     `test "$*" = 'install github.com/getportal/ptlauth/cmd/ptl@v0.1.0'`, // cmd/ptl's own tests install it
		"docker": `test "$*" = 'compose up -d'; test -e compose.yml; touch up; while ! test -e ready; do sleep 0.1; done`,
	})
	within(t, time.Minute, func() string {
		if _, err := os.Stat(filepath.Join(folder, "up")); err != nil {
			return err.Error() + "\n" + screen.Text()
		}
		return ""
	})
	startSite(t, folder, address, acme)
	acme.awaitCertificate(t, address, name)
	if err := os.WriteFile(filepath.Join(folder, "ready"), nil, 0o600); err != nil {
		t.Fatal(err)
	}

	w := newProfile(t).open(t, &site{issuerHash: acme.issuerHash(t)}, address)
	w.visit(screen.Await(t, `https://`+name+`/\.ptl/pair\S*#\S+`))
	for _, button := range buttons {
		w.press(button)
	}
	w.says("Hello, you@example.com", "You are on “Your phone”")
	screen.Await(t, `Was that you\?`)
	screen.Type(t, "\n")
	if code := screen.End(t, 10*time.Second); code != 0 {
		t.Errorf("exit %d\n%s", code, screen.Text())
	}
	w.wantCookie(true)

	out := program.NewScreen(t, folder, env, "sh", "-ec", throwOut)
	if code := out.End(t, 20*time.Second); code != 0 {
		t.Errorf("exit %d\n%s", code, out.Text())
	}
	w.says("(closed)")
	if status := w.visit("https://" + name + "/"); status != 401 {
		t.Errorf("the next click: status %d", status)
	}
}

// startSite runs what a compose file of ptl init describes, but that Traefik is at another address and asks another ACME
// server, and that the app is the demo's.
func startSite(t *testing.T, folder, address string, acme *authority) {
	t.Helper()
	options, err := cli.NewProjectOptions([]string{filepath.Join(folder, "compose.yml")})
	if err != nil {
		t.Fatal(err)
	}
	project, err := options.LoadProject(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	backend := httptest.NewServer(app.New())
	t.Cleanup(backend.Close)
	engine, provider := docker.New(t)
	labels := project.Services["app"].Labels
	labels["traefik.http.services.app.loadbalancer.server.port"] = backend.URL[strings.LastIndex(backend.URL, ":")+1:]
	engine.Run("site-app-1", backend.URL, labels)

	static := map[string]any{}
	var standIn map[string]map[string]map[string]string
	if err := yaml.Unmarshal([]byte(provider), &standIn); err != nil {
		t.Fatal(err)
	}
	for _, flag := range append(project.Services["traefik"].Command,
		"--providers.docker.endpoint="+standIn["providers"]["docker"]["endpoint"],
		"--entryPoints.http.address=127.0.0.1:0", "--entryPoints.https.address="+address,
		"--certificatesResolvers.letsencrypt.acme.storage=acme.json",
		"--certificatesResolvers.letsencrypt.acme.caServer="+acme.directory,
		"--certificatesResolvers.letsencrypt.acme.caCertificates="+acme.caFile) {
		option, value, _ := strings.Cut(strings.TrimPrefix(flag, "--"), "=")
		path := strings.Split(option, ".")
		at := static
		for _, part := range path[:len(path)-1] {
			inner, ok := at[part].(map[string]any)
			if !ok {
				inner = map[string]any{}
				at[part] = inner
			}
			at = inner
		}
		at[path[len(path)-1]] = value
	}
	delete(static, "experimental")                       // the plugin is this repository
	delete(static["providers"].(map[string]any), "file") // the test's own
	text, err := yaml.Marshal(static)
	if err != nil {
		t.Fatal(err)
	}
	dynamic, err := os.ReadFile(filepath.Join(folder, "ptlauth", "dynamic.yml"))
	if err != nil {
		t.Fatal(err)
	}
	traefiktest.Start(t, traefik.Options{Static: string(text), Dynamic: strings.ReplaceAll(string(dynamic), "/etc/ptlauth", filepath.Join(folder, "ptlauth"))})
}
