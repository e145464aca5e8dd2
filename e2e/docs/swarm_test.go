package docs

import (
	"crypto/tls"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/docker/cli/cli/compose/convert"
	"github.com/docker/cli/cli/compose/loader"
	composetypes "github.com/docker/cli/cli/compose/types"
	"github.com/golang-jwt/jwt/v4"
	swarmtypes "github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"
	"gopkg.in/yaml.v3"

	"github.com/getportal/ptlauth/e2e/decode"
	"github.com/getportal/ptlauth/e2e/docker"
	"github.com/getportal/ptlauth/e2e/issuer"
	"github.com/getportal/ptlauth/e2e/poll"
	"github.com/getportal/ptlauth/e2e/traefik"
	"github.com/getportal/ptlauth/e2e/witness"
)

const stack = "../../demo/swarm/stack.yml"

// deployed is what `docker stack deploy` makes of a stack: secrets and services, by Docker's own code.
type deployed struct {
	secrets  []swarmtypes.SecretSpec
	services map[string]swarmtypes.ServiceSpec
}

// deploy deploys a stack file's text from a folder, as that command does. What it would ignore is an error.
func deploy(t *testing.T, swarm *docker.Swarm, address, folder, text string) deployed {
	t.Helper()
	parsed, err := loader.ParseYAML([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if ignored := loader.GetUnsupportedProperties(parsed); len(ignored) > 0 {
		t.Errorf("Docker ignores %q", ignored)
	}
	if ignored := loader.GetDeprecatedProperties(parsed); len(ignored) > 0 {
		t.Errorf("Docker ignores %q", ignored)
	}
	config, err := loader.Load(composetypes.ConfigDetails{WorkingDir: folder, ConfigFiles: []composetypes.ConfigFile{{Filename: "stack.yml", Config: parsed}}})
	if err != nil {
		t.Fatal(err)
	}
	namespace := convert.NewNamespace("chat")
	var made deployed
	if made.secrets, err = convert.Secrets(namespace, config.Secrets); err != nil {
		t.Fatal(err)
	}
	swarm.Keep(made.secrets...)
	api, err := client.New(client.WithHost(address))
	if err != nil {
		t.Fatal(err)
	}
	defer api.Close()
	if made.services, err = convert.Services(t.Context(), namespace, config, api); err != nil {
		t.Fatal(err)
	}
	return made
}

// TestSwarm deploys demo/swarm/stack.yml into a stand-in for a swarm, and runs Traefik with its flags on it.
func TestSwarm(t *testing.T) {
	if testing.Short() {
		t.Skip("starts Traefik")
	}
	const host, user = "chat.example.com", "you@example.com"
	secretFile, laptop := makeToken(t)
	folder, mounts := t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "secret"), []byte(text(t, secretFile)), 0o600); err != nil {
		t.Fatal(err)
	}
	ignored(t, "demo/swarm/secret")
	swarm, address := docker.NewSwarm(t)
	app := new(witness.App)
	port := regexp.MustCompile(`\d+$`).FindString(witness.Listen(t, app))

	// run has the swarm run what is deployed, with the folders and ports of this machine.
	run := func(t *testing.T, stack string) deployed {
		t.Helper()
		made := deploy(t, swarm, address, folder, stack)
		for _, spec := range made.secrets {
			if err := os.WriteFile(filepath.Join(mounts, spec.Name), spec.Data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		secret := made.services["traefik"].TaskTemplate.ContainerSpec.Secrets
		if len(secret) != 1 || secret[0].File.Name != "ptlauth" || secret[0].File.Mode != 0o400 {
			t.Fatalf("Traefik has the secrets %+v", secret)
		}
		var specs []swarmtypes.ServiceSpec
		for _, spec := range made.services {
			spec.Labels = maps.Clone(spec.Labels)
			for label, value := range spec.Labels {
				spec.Labels[label] = strings.ReplaceAll(value, "/run/secrets/ptlauth", filepath.Join(mounts, secret[0].SecretName))
			}
			const portLabel, resolver = "traefik.http.services.convos.loadbalancer.server.port", "traefik.http.routers.convos.tls.certresolver"
			if spec.Labels["traefik.enable"] != "" {
				if spec.Labels[portLabel] != "3000" || spec.Labels[resolver] != "letsencrypt" {
					t.Errorf("its labels are %v", spec.Labels)
				}
				spec.Labels[portLabel] = port
				delete(spec.Labels, resolver)
			}
			specs = append(specs, spec)
		}
		swarm.Run(specs...)
		return made
	}

	demo := text(t, stack)
	made := run(t, demo)
	convos, proxied := made.services["convos"], made.services["traefik"]
	t.Run("Convos is reached through Traefik alone", func(t *testing.T) {
		if convos.EndpointSpec != nil && len(convos.EndpointSpec.Ports) > 0 {
			t.Errorf("it has the ports %+v", convos.EndpointSpec.Ports)
		}
		for name, spec := range made.services {
			if name != "traefik" && name != "convos" {
				t.Errorf("%s is in its network, too", name)
			}
			if len(spec.TaskTemplate.Networks) != 1 || !slices.Contains(proxied.TaskTemplate.ContainerSpec.Args, "--providers.swarm.network="+spec.TaskTemplate.Networks[0].Target) {
				t.Errorf("%s is in %+v", name, spec.TaskTemplate.Networks)
			}
		}
	})
	t.Run("Traefik is where a swarm is told", func(t *testing.T) {
		if got := proxied.TaskTemplate.Placement; got == nil || !slices.Equal(got.Constraints, []string{"node.role == manager"}) {
			t.Errorf("it is placed by %+v", got)
		}
	})
	t.Run("the middleware is that of the other demos", func(t *testing.T) { likeOthers(t, convos.Labels, false) })

	certificate, key := issuer.Certificate(t, host)
	proxy, err := traefik.Start(t.Context(), traefik.Options{
		Static:   staticWith(t, proxied.TaskTemplate.ContainerSpec.Args, "--providers.swarm.endpoint="+address),
		Dynamic:  fmt.Sprintf("tls: {stores: {default: {defaultCertificate: {certFile: %q, keyFile: %q}}}}\n", certificate, key),
		Progress: os.Stderr,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(proxy.Stop)
	ask := asker(t, "https://"+proxy.Addr("https"), host)

	t.Run("a stranger does not get in, and a device does", func(t *testing.T) {
		settles(t, ask, "", http.StatusUnauthorized)
		forged := http.Header{"X-Ptl-User": {user}, "Cookie": {"authorization=x"}}
		if status := ask("/", forged); status != http.StatusUnauthorized || app.Requests != 0 {
			t.Errorf("got %d, and the app %d requests", status, app.Requests)
		}
		if status := ask("/", holding(laptop)); status != http.StatusOK || app.Header.Get("X-Ptl-User") != user || app.Header.Get("Cookie") != "" {
			t.Errorf("got %d, and the app %v", status, app.Header)
		}
		if status := ask("/assets/site.webmanifest", nil); status != http.StatusOK || app.Header.Get("X-Ptl-User") != "" {
			t.Errorf("what a browser installs it with: got %d, and the app %v", status, app.Header)
		}
	})

	devices := regexp.MustCompile(`(?m)^ *traefik.*\.terminals\.paired\.k7p2x9\..*\n`)
	tablet := signed(t, text(t, secretFile), "tablet")
	t.Run("a device that comes, and one that goes, restart nothing", func(t *testing.T) {
		if lines := devices.FindAllString(demo, -1); len(lines) != 2 {
			t.Fatalf("its lines are %q", lines)
		}
		other := strings.NewReplacer("k7p2x9", "tablet", "Your laptop", "Tablet").Replace(strings.Join(devices.FindAllString(demo, -1), ""))
		changed := run(t, strings.Replace(demo, strings.Join(devices.FindAllString(demo, -1), ""), other, 1))
		for name, spec := range changed.services {
			if !reflect.DeepEqual(spec.TaskTemplate, made.services[name].TaskTemplate) {
				t.Errorf("%s has other tasks", name)
			}
		}
		settles(t, ask, laptop, http.StatusUnauthorized)
		settles(t, ask, tablet, http.StatusOK)
	})
	t.Run("without the last one it is closed", func(t *testing.T) {
		run(t, devices.ReplaceAllString(demo, ""))
		settles(t, ask, tablet, http.StatusServiceUnavailable)
	})
	t.Run("another secret has another name, and the old one's tokens are worthless", func(t *testing.T) {
		another := strings.Repeat("another-secret-", 6)
		if err := os.WriteFile(filepath.Join(folder, "secret"), []byte(another), 0o600); err != nil {
			t.Fatal(err)
		}
		counted := strings.Replace(demo, "name: ptlauth-1", "name: ptlauth-2", 1)
		changed := run(t, counted)
		if reflect.DeepEqual(changed.services["traefik"].TaskTemplate, proxied.TaskTemplate) || !reflect.DeepEqual(changed.services["convos"].TaskTemplate, convos.TaskTemplate) {
			t.Error("Traefik, and Traefik alone, starts anew with it")
		}
		settles(t, ask, laptop, http.StatusUnauthorized)
		settles(t, ask, signed(t, another, "k7p2x9"), http.StatusOK)
	})
}

// likeOthers compares the middleware of labels with that of demo/ptlauth/dynamic.yml, but for where secret and devices are;
// pairing says whether it pairs.
func likeOthers(t *testing.T, labels map[string]string, pairing bool) {
	t.Helper()
	labels = maps.Clone(labels)
	for _, own := range []string{"traefik.enable", "com.docker.stack.namespace", convert.LabelImage} {
		delete(labels, own) // the provider's, and Docker's
	}
	got := decoded(t)(decode.Labels(labels))["auth"]
	want := decoded(t)(decode.YAML(text(t, "../../demo/ptlauth/dynamic.yml")))["auth"]
	for _, name := range []string{"headers", "paths"} {
		if !reflect.DeepEqual(got[name], want[name]) || got[name] == nil {
			t.Errorf("%s is %v, not %v", name, got[name], want[name])
		}
	}
	if (got["pairing"] != nil) != pairing || len(got) != map[bool]int{false: 4, true: 5}[pairing] {
		t.Errorf("it has %v", got)
	}
}

// staticWith turns Traefik's flags, and further ones, into the file that says the same, on free ports.
func staticWith(t *testing.T, flags []string, more ...string) string {
	t.Helper()
	flags = slices.DeleteFunc(slices.Clone(flags), func(flag string) bool { return strings.HasPrefix(flag, "--experimental.plugins.") })
	static, err := yaml.Marshal(fromFlags(append(flags, append(more,
		"--entryPoints.http.address=127.0.0.1:0", "--entryPoints.https.address=127.0.0.1:0",
		"--certificatesResolvers.letsencrypt.acme.storage="+filepath.Join(t.TempDir(), "acme.json"))...)))
	if err != nil {
		t.Fatal(err)
	}
	return string(static)
}

// asker asks for a path at a host, and returns the status.
func asker(t *testing.T, address, host string) func(path string, header http.Header) int {
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	t.Cleanup(transport.CloseIdleConnections)
	web := &http.Client{Transport: transport, Timeout: 20 * time.Second}
	return func(path string, header http.Header) int {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = host
		maps.Copy(r.Header, header)
		response, err := web.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		return response.StatusCode
	}
}

// settles asks with a token until there is that status.
func settles(t *testing.T, ask func(string, http.Header) int, token string, want int) {
	t.Helper()
	poll.Until(t, 40*time.Second, func() string {
		if got := ask("/", holding(token)); got != want {
			return fmt.Sprintf("got %d, want %d", got, want)
		}
		return ""
	})
}

// signed is a token for a terminal.
func signed(t *testing.T, secret, id string) string {
	t.Helper()
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"sub": id}).SignedString([]byte(secret))
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func holding(token string) http.Header {
	if token == "" {
		return nil
	}
	return http.Header{"Cookie": {"authorization=" + token}}
}
