package docs

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/getportal/ptlauth/e2e/issuer"
	"github.com/getportal/ptlauth/e2e/program"
	"github.com/getportal/ptlauth/e2e/traefik"
	"github.com/getportal/ptlauth/e2e/visitor"
	"github.com/getportal/ptlauth/e2e/witness"
)

// TestSeveralApps pairs a browser once, where docs/install.md says, and visits two apps.
func TestSeveralApps(t *testing.T) {
	if testing.Short() {
		t.Skip("starts Traefik")
	}
	folder, env := furnished(t, "../../demo/quick", "ptl init . --url=https://pair.example.com")
	chat, notes := new(witness.App), new(witness.App)
	configuration := strings.ReplaceAll(readmeExample(t, severalApps)[0], "/etc/ptlauth", filepath.Join(folder, "ptlauth"))
	if err := os.WriteFile(filepath.Join(folder, "ptlauth", "dynamic.yml"), []byte(configuration), 0o600); err != nil {
		t.Fatal(err)
	}
	const routers = "http:\n  routers:\n"
	if !strings.HasPrefix(configuration, routers) {
		t.Fatalf("the example is\n%s", configuration)
	}
	certificate, key := issuer.Certificate(t, "pair.example.com")
	proxy, err := traefik.Start(t.Context(), traefik.Options{Progress: os.Stderr, Static: "entryPoints: {websecure: {address: '127.0.0.1:0', http: {tls: {}}}}",
		Dynamic: routers + `
    chat: {rule: Host("chat.example.com"), middlewares: [auth], service: chat}
    notes: {rule: Host("notes.example.com"), middlewares: [auth], service: notes}
` + strings.TrimPrefix(configuration, routers) + fmt.Sprintf(`
  services:
    chat: {loadBalancer: {servers: [{url: %q}]}}
    notes: {loadBalancer: {servers: [{url: %q}]}}
tls: {stores: {default: {defaultCertificate: {certFile: %q, keyFile: %q}}}}
`, witness.Listen(t, chat), witness.Listen(t, notes), certificate, key)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(proxy.Stop)

	env = append(env, "SSL_CERT_FILE="+certificate, "HTTPS_PROXY="+visitor.Tunnel(t, proxy.Addr("websecure")))
	phone := visitor.NewPerson(t, proxy.Addr("websecure"))
	for _, host := range []string{"chat.example.com", "notes.example.com"} {
		if page := phone.Visit("https://" + host + "/"); page.Status != http.StatusUnauthorized {
			t.Errorf("%s: nobody is paired, and got %d", host, page.Status)
		}
	}
	if page := phone.Visit("https://chat.example.com/.ptl/pair"); page.At.Host != "pair.example.com" {
		t.Errorf("an app's host takes codes, at %s", page.At)
	}
	link := program.NewScreen(t, folder, env, "ptl", "pair", "--name=Phone", "--user=ada").Await(t, `https://pair\.example\.com/\.ptl/pair\S*#\S+`)
	phone.Pair(link)
	for host, app := range map[string]*witness.App{"chat.example.com": chat, "notes.example.com": notes} {
		if page := phone.Visit("https://" + host + "/"); page.Status != http.StatusOK || app.Header.Get("X-Ptl-User") != "ada" {
			t.Errorf("%s: got %d, and the app %v", host, page.Status, app.Header)
		}
	}
}

// TestPtlWithDocker types the shell function of docs/ptl.md, with a stand-in for Docker that runs ptl of this repository in
// the folder that the container would see.
func TestPtlWithDocker(t *testing.T) {
	function := regexp.MustCompile("(?s)```sh\n(ptl\\(\\) \\{.+?)```").FindStringSubmatch(text(t, "../../docs/ptl.md"))
	if function == nil {
		t.Fatal("docs/ptl.md has no such function")
	}
	env, home, bin := program.WithPtl(t), t.TempDir(), t.TempDir()
	const docker = `#!/bin/sh
set -eu
test "$1" = run
shift
while test "$1" != go; do
	case $1 in
	*:/site) folder=${1%:/site} ;;
	--tty) test -t 0 && test -t 1 ;; # else Docker refuses the one, and puts a carriage return at each line's end for the other
	golang:*-alpine | --*) ;;
	esac
	shift
done
test "$1 $2 $3" = "go run github.com/getportal/ptlauth/cmd/ptl@v0.1.0"
shift 3
cd "$folder"
exec ptl "$@"
`
	if err := os.WriteFile(filepath.Join(bin, "docker"), []byte(docker), 0o700); err != nil {
		t.Fatal(err)
	}
	screen := program.NewScreen(t, home, env, "sh", "-ec", "PATH="+bin+":$PATH\n"+function[1]+"\nptl init 'my site' --url=https://app.example.com\ncd 'my site'\nptl terminals\nptl token --name=script > token\nptl inspect - < token | cat")
	if code := screen.End(t, time.Minute); code != 0 {
		t.Fatalf("exit %d\n%s", code, screen.Text())
	}
	if !strings.Contains(screen.Text(), "Nobody is paired") || !strings.Contains(screen.Text(), "✓ Admitted") || len(text(t, filepath.Join(home, "my site", "ptlauth", "secret"))) != 86 {
		t.Errorf("it says\n%s", screen.Text())
	}
}
