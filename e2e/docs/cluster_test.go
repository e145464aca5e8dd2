package docs

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/types"
	"gopkg.in/yaml.v3"

	"github.com/getportal/ptlauth/e2e/program"
	"github.com/getportal/ptlauth/e2e/traefik"
	"github.com/getportal/ptlauth/e2e/visitor"
	"github.com/getportal/ptlauth/e2e/witness"
)

const severalTraefiks = "../../demo/cluster/compose.yml"

var clusterTraefiks = []string{"traefik-1", "traefik-2", "traefik-3"}

// TestSeveralCompose does what `docker compose -f demo/cluster/compose.yml up` would: it runs the commands of that file, with
// redis.conf, configure.sh and haproxy.cfg, on this machine's addresses. Then it follows the file's own head.
func TestSeveralCompose(t *testing.T) {
	if testing.Short() {
		t.Skip("starts Traefik")
	}
	project := composed(t, severalTraefiks)
	t.Run("the containers reach what they need, and nobody else does", func(t *testing.T) { wantClusterNetworks(t, project) })

	server, haproxy := program.Need(t, "redis-server", "redis-server"), program.Need(t, "haproxy", "haproxy")
	root, err := filepath.Abs(repository)
	if err != nil {
		t.Fatal(err)
	}
	site, bin, one, two := t.TempDir(), t.TempDir(), new(witness.App), new(witness.App)
	redis, entry := program.UnusedAddr(t), program.UnusedAddr(t)
	host, port, err := net.SplitHostPort(redis)
	if err != nil {
		t.Fatal(err)
	}
	here := strings.NewReplacer("/site", site, "/src", root, "/go/bin", bin, "http://one:80", witness.Listen(t, one), "http://two:80", witness.Listen(t, two),
		"/etc/redis.conf", mounted(t, project.Services["redis"], "/etc/redis.conf").Source, "/configure.sh", mounted(t, project.Services["configure"], "/configure.sh").Source,
		"-h redis", "-h "+host+" -p "+port, "redis://redis", "redis://"+redis, "/data", t.TempDir())
	command := func(service string) []string {
		return strings.Fields(here.Replace(strings.Join(project.Services[service].Command, " ")))
	}
	program.Spawn(t, redis, server, append(command("redis")[1:], "--bind", host, "--port", port)...)
	words := command("configure")
	configure := exec.CommandContext(t.Context(), words[0], words[1:]...)
	configure.Env = append(os.Environ(), clusterEnv(project.Services["configure"], here)...)
	if out, err := configure.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	balancing := map[string]string{":8080": entry}
	for _, name := range clusterTraefiks {
		balancing[project.Services[name].Networks["edge"].Ipv4Address+":80"] = startInCluster(t, project.Services[name], redis).Addr("web")
	}
	var env []string
	for name, value := range project.Services["balancer"].Environment {
		env = append(env, name+"="+*value)
		if mapped, ok := balancing[*value]; ok {
			env[len(env)-1] = name + "=" + mapped
		}
	}
	program.Start(t, append(os.Environ(), env...), entry, haproxy, "-f", mounted(t, project.Services["balancer"], "/usr/local/etc/haproxy/haproxy.cfg").Source)

	ptl := project.Services["ptl"]
	env = append(append(os.Environ(), clusterEnv(ptl, here)...), "HTTP_PROXY=http://"+entry, "PATH="+bin+":"+os.Getenv("PATH"))
	var script []string
	for _, word := range ptl.Command {
		script = append(script, here.Replace(word))
	}
	url := *ptl.Environment["PTL_URL"]
	phone := visitor.NewPerson(t, entry)
	phone.Pair(program.NewScreen(t, site, env, script...).Await(t, regexp.QuoteMeta(url)+`/\.ptl/pair\S*#\S+`))
	for path, app := range map[string]*witness.App{"/": one, "/two/": two} {
		if page := phone.Visit(url + path); page.Status != http.StatusOK || app.Header.Get("X-Ptl-User") != "you@example.com" || app.Header.Get("X-Ptl-Client-Name") != "Your phone" {
			t.Errorf("%s: got %d, and the app %v", path, page.Status, app.Header)
		}
	}
	commands := regexp.MustCompile(`(?m)^#   docker compose -f demo/cluster/compose\.yml exec ptl (ptl .+)$`).FindAllStringSubmatch(text(t, severalTraefiks), -1)
	if len(commands) != 2 || !strings.HasPrefix(commands[0][1], "ptl unpair ") || !strings.HasPrefix(commands[1][1], "ptl pair ") {
		t.Fatalf("its head has %q", commands)
	}
	tablet := visitor.NewPerson(t, entry)
	tablet.Pair(program.NewScreen(t, site, env, "sh", "-ec", commands[1][1]).Await(t, regexp.QuoteMeta(url)+`/\.ptl/pair\S*#\S+`))
	unpair := exec.CommandContext(t.Context(), "sh", "-ec", commands[0][1])
	unpair.Dir, unpair.Env = site, env
	if out, err := unpair.CombinedOutput(); err != nil || !strings.Contains(string(out), "is out.") {
		t.Fatalf("%v\n%s", err, out)
	}
	for range 6 {
		if page := phone.Visit(url + "/"); page.Status != http.StatusUnauthorized {
			t.Errorf("who was thrown out got %d", page.Status)
		}
		if page := tablet.Visit(url + "/"); page.Status != http.StatusOK || one.Header.Get("X-Ptl-Client-Name") != "Tablet" {
			t.Errorf("another one got %d, and the app %v", page.Status, one.Header)
		}
	}
}

// wantClusterNetworks checks who reaches whom.
func wantClusterNetworks(t *testing.T, project *types.Project) {
	root, err := filepath.Abs(repository)
	if err != nil {
		t.Fatal(err)
	}
	for name, service := range project.Services {
		isTraefik := slices.Contains(clusterTraefiks, name)
		if len(service.Ports) > 0 && name != "balancer" {
			t.Errorf("%s can be reached past HAProxy", name)
		}
		if _, ok := service.Networks["store"]; ok && !isTraefik && !slices.Contains([]string{"redis", "configure", "ptl"}, name) {
			t.Errorf("%s can write into Redis", name)
		}
		if _, ok := service.Networks["apps"]; ok && !isTraefik && name != "one" && name != "two" {
			t.Errorf("%s reaches the apps past Traefik", name)
		}
	}
	if ports := project.Services["balancer"].Ports; len(ports) != 1 || ports[0].HostIP != "127.0.0.1" {
		t.Errorf("HAProxy is reached at %+v", ports)
	}
	if !project.Networks["store"].Internal || !project.Networks["apps"].Internal {
		t.Error("Redis, or the apps, reach the world")
	}
	balancer := project.Services["balancer"]
	for i, name := range clusterTraefiks {
		service := project.Services[name]
		if want, got := service.Networks["edge"].Ipv4Address+":80", balancer.Environment[fmt.Sprintf("TRAEFIK_%d", i+1)]; got == nil || *got != want {
			t.Errorf("HAProxy looks for %s at %v, and it is at %s", name, got, want)
		}
		if !reflect.DeepEqual(service.Command, project.Services[clusterTraefiks[0]].Command) {
			t.Errorf("%s is another Traefik", name)
		}
		if trusted := "--entryPoints.web.forwardedHeaders.trustedIPs=" + balancer.Networks["edge"].Ipv4Address + "/32"; !slices.Contains(service.Command, trusted) {
			t.Errorf("%s believes others than HAProxy: %q", name, service.Command)
		}
		if v := mounted(t, service, "/plugins-local/src/"+modPath); v.Source != root || !v.ReadOnly {
			t.Errorf("the plugin is %+v", v)
		}
		if v, out := mounted(t, service, "/site"), mounted(t, project.Services["ptl"], "/site"); v.Source != out.Source || !v.ReadOnly {
			t.Errorf("the secret is in %+v, and ptl writes it into %+v", v, out)
		}
	}
}

// clusterEnv is a container's environment, with this machine's paths and addresses.
func clusterEnv(service types.ServiceConfig, here *strings.Replacer) []string {
	var env []string
	for name, value := range service.Environment {
		env = append(env, name+"="+here.Replace(*value))
	}
	return env
}

// startInCluster starts Traefik with the flags of a container, with this machine's Redis and balancer.
func startInCluster(t *testing.T, service types.ServiceConfig, redis string) *traefik.Traefik {
	t.Helper()
	static, err := yaml.Marshal(fromFlags(append(slices.Clone(service.Command), "--providers.redis.endpoints="+redis,
		"--entryPoints.web.address=127.0.0.1:0", "--entryPoints.web.forwardedHeaders.trustedIPs=127.0.0.1/32", "--providers.providersThrottleDuration=2s")))
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
