package docs

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
	"gopkg.in/yaml.v3"

	"github.com/getportal/ptlauth/e2e/docker"
	"github.com/getportal/ptlauth/e2e/program"
	"github.com/getportal/ptlauth/e2e/traefik"
	"github.com/getportal/ptlauth/e2e/visitor"
	"github.com/getportal/ptlauth/e2e/witness"
)

const quick = "../../demo/quick/compose.yml"

// composed is a compose file as Docker Compose reads it, with variables of the environment.
func composed(t *testing.T, path string, env ...string) *types.Project {
	t.Helper()
	options, err := cli.NewProjectOptions([]string{path}, cli.WithEnv(env))
	if err != nil {
		t.Fatal(err)
	}
	project, err := options.LoadProject(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return project
}

// mounted is what a service has at a path.
func mounted(t *testing.T, service types.ServiceConfig, at string) types.ServiceVolumeConfig {
	t.Helper()
	for _, volume := range service.Volumes {
		if volume.Target == at {
			return volume
		}
	}
	t.Fatalf("%s has nothing at %s", service.Name, at)
	return types.ServiceVolumeConfig{}
}

// TestQuick does what `docker compose -f demo/quick/compose.yml up` would: it runs the commands of that file with
// the folders of this machine, and Traefik with its flags and labels. Then it follows the file's own head.
func TestQuick(t *testing.T) {
	if testing.Short() {
		t.Skip("starts Traefik")
	}
	project := composed(t, quick)
	proxied, ptl := project.Services["traefik"], project.Services["ptl"]
	root, err := filepath.Abs(repository)
	if err != nil {
		t.Fatal(err)
	}

	t.Run("the containers have what they need, and no more", func(t *testing.T) {
		if v := mounted(t, proxied, "/plugins-local/src/"+modPath); v.Source != root || !v.ReadOnly {
			t.Errorf("the plugin is %+v", v)
		}
		if v := mounted(t, ptl, "/src"); v.Source != root || !v.ReadOnly {
			t.Errorf("ptl is built of %+v", v)
		}
		in, out := mounted(t, ptl, "/site"), mounted(t, proxied, "/site")
		if in.Type != "volume" || in.Source != out.Source || in.ReadOnly || !out.ReadOnly {
			t.Errorf("ptl writes into %+v, Traefik reads %+v", in, out)
		}
		if ptl.NetworkMode != "service:traefik" {
			t.Errorf("ptl is in the network %q", ptl.NetworkMode)
		}
		for name, service := range project.Services {
			if len(service.Ports) > 0 && name != "traefik" {
				t.Errorf("%s can be reached past Traefik", name)
			}
		}
	})
	t.Run("it is reached from this machine alone, or by the address that is written", func(t *testing.T) {
		for env, want := range map[string][2]string{"": {"127.0.0.1", "localhost"}, "LAN=192.168.1.20": {"192.168.1.20", "192.168.1.20"}} {
			project := composed(t, quick, env)
			ports := project.Services["traefik"].Ports
			if len(ports) != 1 || ports[0].HostIP != want[0] || ports[0].Published != "8080" || ports[0].Target != 8080 {
				t.Errorf("with %q: %+v", env, ports)
			}
			if url := project.Services["ptl"].Environment["PTL_URL"]; url == nil || *url != "http://"+want[1]+":8080" {
				t.Errorf("with %q: ptl is told %v", env, url)
			}
		}
	})

	site, bin := t.TempDir(), t.TempDir()
	here := strings.NewReplacer("/site", site, "/src", root, "/go/bin", bin)
	app := new(witness.App)
	engine, provider := docker.New(t)
	for name, address := range map[string]string{"traefik": "http://127.0.0.1:8080", "whoami": witness.Listen(t, app)} {
		labels := map[string]string{"com.docker.compose.project": project.Name}
		for label, value := range project.Services[name].Labels {
			labels[label] = here.Replace(value)
		}
		engine.Run(name, address, labels)
	}
	engine.Run("another", "http://127.0.0.1:9", map[string]string{
		"com.docker.compose.project": "another", "traefik.enable": "true", "traefik.http.routers.another.rule": "Host(`another.example.com`)"})
	proxy := startWith(t, proxied.Command, provider)
	address := proxy.URL("web")

	// PTL_DYNAMIC names a file with the containers' paths.
	configuration := filepath.Join(bin, "compose.yml")
	if err := os.WriteFile(configuration, []byte(here.Replace(text(t, quick))), 0o600); err != nil {
		t.Fatal(err)
	}
	env := append(os.Environ(), "PTL_URL="+address, "PTL_DYNAMIC="+configuration, "PATH="+bin+":"+os.Getenv("PATH"))
	var script []string
	for _, word := range ptl.Command {
		script = append(script, here.Replace(word))
	}
	said := program.NewScreen(t, here.Replace(ptl.WorkingDir), env, script...)
	link := said.Await(t, regexp.QuoteMeta(address)+`/\.ptl/pair\S*#\S+`)
	said.Await(t, `▀|█|▄`)
	said.Await(t, `\b[0-9A-Z]{5}-[0-9A-Z]{5}\b`)

	person := visitor.NewPerson(t, "")
	if page := person.Visit(address + "/"); page.Status != http.StatusUnauthorized || app.Requests != 0 {
		t.Fatalf("nobody is paired: got %d, and the app %d requests", page.Status, app.Requests)
	}
	person.Pair(link)
	if page := person.Visit(address + "/"); page.Status != http.StatusOK || app.Header.Get("X-Ptl-User") != "you@example.com" || app.Header.Get("X-Ptl-Client-Name") != "Your phone" {
		t.Fatalf("after pairing: got %d, and the app %v", page.Status, app.Header)
	}
	if status, err := visitor.New(t, "").Get(proxy.URL("traefik")+"/api/http/routers/another@docker", ""); status != http.StatusNotFound {
		t.Errorf("the container of another project has a router: %d, %v", status, err)
	}

	commands := regexp.MustCompile(`(?m)^#   docker compose -f demo/quick/compose\.yml exec ptl (ptl .+)$`).FindAllStringSubmatch(text(t, quick), -1)
	if len(commands) != 2 || !strings.HasPrefix(commands[0][1], "ptl unpair ") || !strings.HasPrefix(commands[1][1], "ptl pair ") {
		t.Fatalf("its head has %q", commands)
	}
	t.Run("a browser is thrown out", func(t *testing.T) {
		command := exec.CommandContext(t.Context(), "sh", "-ec", commands[0][1])
		command.Env = env
		if out, err := command.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		before := app.Requests
		if page := person.Visit(address + "/"); page.Status != http.StatusUnauthorized || app.Requests != before {
			t.Errorf("got %d, and the app %d requests", page.Status, app.Requests-before)
		}
	})
	t.Run("another one is let in", func(t *testing.T) {
		other := visitor.NewPerson(t, "")
		other.Pair(program.NewScreen(t, site, env, "sh", "-ec", commands[1][1]).Await(t, regexp.QuoteMeta(address)+`/\.ptl/pair\S*#\S+`))
		if page := other.Visit(address + "/"); page.Status != http.StatusOK || app.Header.Get("X-Ptl-Client-Name") != "Tablet" {
			t.Errorf("got %d, and the app %v", page.Status, app.Header)
		}
	})
	t.Run("with LAN the code has this machine's address, which the container need not reach", func(t *testing.T) {
		const lan = "http://192.0.2.1:8080"
		asked := ptl.Environment["HTTP_PROXY"]
		if asked == nil || *asked != "http://127.0.0.1:8080" {
			t.Fatalf("ptl asks %v", asked)
		}
		there := append(slices.Clone(env), "PTL_URL="+lan, "HTTP_PROXY="+address)
		phone := visitor.NewPerson(t, proxy.Addr("web"))
		phone.Pair(program.NewScreen(t, site, there, "ptl", "pair", "--name=Phone", "--user=ada").Await(t, regexp.QuoteMeta(lan)+`/\.ptl/pair\S*#\S+`))
		if page := phone.Visit(lan + "/"); page.Status != http.StatusOK || app.Header.Get("X-Ptl-User") != "ada" {
			t.Errorf("got %d, and the app %v", page.Status, app.Header)
		}
	})
	t.Run("when it is started again, the secret is the old one", func(t *testing.T) {
		secret := text(t, filepath.Join(site, "ptlauth", "secret"))
		program.NewScreen(t, here.Replace(ptl.WorkingDir), env, script...).Await(t, `/\.ptl/pair\S*#\S+`)
		if got := text(t, filepath.Join(site, "ptlauth", "secret")); got != secret {
			t.Error("it is another one")
		}
	})
}

// startWith starts Traefik with the flags of a container, on a free port and with another Docker.
func startWith(t *testing.T, flags []string, provider string) *traefik.Traefik {
	t.Helper()
	var docker struct {
		Providers struct{ Docker struct{ Endpoint string } }
	}
	if err := yaml.Unmarshal([]byte(provider), &docker); err != nil {
		t.Fatal(err)
	}
	static, err := yaml.Marshal(fromFlags(append(slices.Clone(flags),
		"--providers.docker.endpoint="+docker.Providers.Docker.Endpoint, "--entryPoints.web.address=127.0.0.1:0")))
	if err != nil {
		t.Fatal(err)
	}
	proxy, err := traefik.Start(t.Context(), traefik.Options{Static: string(static), Progress: os.Stderr})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(proxy.Stop)
	return proxy
}
