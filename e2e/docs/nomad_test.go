package docs

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"text/template"
	"time"

	"github.com/getportal/ptlauth/e2e/compiled"
	"github.com/getportal/ptlauth/e2e/issuer"
	"github.com/getportal/ptlauth/e2e/program"
	"github.com/getportal/ptlauth/e2e/traefik"
	"github.com/getportal/ptlauth/e2e/visitor"
	"github.com/getportal/ptlauth/e2e/witness"
)

// nomadJob is what is looked at of a job, as Nomad's API has it.
type nomadJob struct {
	ID, Name   string
	TaskGroups []struct {
		Networks []struct {
			Mode          string
			ReservedPorts []nomadPort
			DynamicPorts  []nomadPort
		}
		Services []nomadService
		Tasks    []nomadTask
	}
}

type nomadPort struct {
	Label string
	Value int
}

type nomadService struct {
	Name, Provider, Address, PortLabel, AddressMode string
	Tags                                            []string
}

type nomadTask struct {
	Name   string
	Config struct {
		Args, Ports []string
	}
	Env        map[string]string
	Services   []nomadService
	Identities []struct{ Env bool }
	Templates  []struct {
		EmbeddedTmpl, DestPath, ChangeMode, Perms string
		ErrMissingKey                             bool
	}
}

// jobOf reads a job with Nomad's own code, which refuses what it does not know.
func jobOf(t *testing.T, path string) nomadJob {
	t.Helper()
	folder, err := filepath.Abs("jobspec")
	if err != nil {
		t.Fatal(err)
	}
	reader, err := compiled.Command{Name: "Jobspec", Module: "github.com/hashicorp/nomad", Package: ".", Folder: folder}.Binary(t.Context(), os.Stderr)
	if err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), reader, path)
	command.Stderr = os.Stderr
	out, err := command.Output()
	if err != nil {
		t.Fatal(err)
	}
	var job nomadJob
	if err := json.Unmarshal(out, &job); err != nil {
		t.Fatal(err)
	}
	return job
}

// nomad stands in for Nomad, as far as Traefik asks it: which services there are, and where.
type nomad struct {
	mutex    sync.Mutex
	services []nomadService
	token    string // what Traefik has shown last
}

func (n *nomad) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n.mutex.Lock()
	defer n.mutex.Unlock()
	n.token = r.Header.Get("X-Nomad-Token")
	name, isOne := strings.CutPrefix(r.URL.Path, "/v1/service/")
	var list []any
	for i, service := range n.services {
		registered := map[string]any{"ServiceName": service.Name, "Tags": service.Tags, "Namespace": "default"}
		if isOne && service.Name != name {
			continue
		}
		if isOne {
			registered["ID"], registered["Address"] = fmt.Sprint(i), service.Address
			registered["Port"] = json.Number(service.PortLabel)
		}
		list = append(list, registered)
	}
	switch {
	case isOne:
		_ = json.NewEncoder(w).Encode(list)
	case r.URL.Path == "/v1/services":
		_ = json.NewEncoder(w).Encode([]any{map[string]any{"Namespace": "default", "Services": list}})
	default:
		http.NotFound(w, r)
	}
}

// render writes a task's templates as Nomad does, whole files in the place of the old ones, of the variables.
func (task nomadTask) render(folder string, variables map[string]map[string]string) error {
	for _, one := range task.Templates {
		parsed := template.New(one.DestPath).Option("missingkey=error").Funcs(template.FuncMap{"nomadVar": func(path string) (map[string]string, error) {
			if variables[path] == nil {
				return nil, fmt.Errorf("there is no variable %s", path)
			}
			return variables[path], nil
		}})
		if _, err := parsed.Parse(one.EmbeddedTmpl); err != nil {
			return err
		}
		var content strings.Builder
		if err := parsed.Execute(&content, nil); err != nil {
			return err
		}
		path := filepath.Join(folder, one.DestPath)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return err
		}
		if err := os.WriteFile(path+".new", []byte(content.String()), 0o600); err != nil {
			return err
		}
		if err := os.Rename(path+".new", path); err != nil {
			return err
		}
	}
	return nil
}

// TestNomad runs demo/nomad/ptlauth.nomad.hcl with a stand-in for Nomad: Traefik with the task's flags, on the service's
// tags, with the files that its templates make. What its head says to type is typed.
func TestNomad(t *testing.T) {
	if testing.Short() {
		t.Skip("starts Traefik")
	}
	const path, host, user = "../../demo/nomad/ptlauth.nomad.hcl", "chat.example.com", "you@example.com"
	job := jobOf(t, path)
	if job.ID != "chat" || len(job.TaskGroups) != 1 || len(job.TaskGroups[0].Services) != 1 {
		t.Fatalf("the job is %+v", job)
	}
	group := job.TaskGroups[0]
	service, tasks := group.Services[0], map[string]nomadTask{}
	for _, task := range group.Tasks {
		tasks[task.Name] = task
	}
	convos, proxied := tasks["convos"], tasks["traefik"]

	t.Run("Convos is reached through Traefik alone", func(t *testing.T) {
		if network := group.Networks; len(network) != 1 || network[0].Mode != "bridge" || len(network[0].DynamicPorts) != 0 ||
			!slices.Equal(network[0].ReservedPorts, []nomadPort{{"http", 80}, {"https", 443}}) || !slices.Equal(proxied.Config.Ports, []string{"http", "https"}) {
			t.Errorf("the network is %+v", network)
		}
		listens := "http://" + service.Address + ":" + service.PortLabel
		if service.Provider != "nomad" || service.AddressMode != "auto" || service.Address != "127.0.0.1" || !slices.Equal(convos.Config.Args, []string{"daemon", "--listen", listens}) {
			t.Errorf("the service is %+v, and Convos has the arguments %q", service, convos.Config.Args)
		}
		if len(tasks) != 2 {
			t.Errorf("there are the tasks %+v", tasks)
		}
	})
	t.Run("no change of the variable starts Traefik anew", func(t *testing.T) {
		for _, one := range proxied.Templates {
			if one.ChangeMode != "noop" || one.Perms != "0400" || !one.ErrMissingKey {
				t.Errorf("a template is %+v", one)
			}
		}
	})

	// What the head has typed, but for Nomad's part.
	folder, env := t.TempDir(), program.WithPtl(t)
	commands := regexp.MustCompile(`(?m)^#   (.+)$`).FindAllStringSubmatch(text(t, path), -1)
	const putting = "nomad var put -force nomad/jobs/chat secret=@ptlauth/secret terminals=@ptlauth/terminals.json"
	if len(commands) != 4 || commands[1][1] != strings.Replace(putting, " -force", "", 1) || commands[2][1] != "nomad job run ptlauth.nomad.hcl" || commands[3][1] != putting {
		t.Fatalf("its head has %q", commands)
	}
	init := exec.CommandContext(t.Context(), "sh", "-ec", commands[0][1])
	init.Dir, init.Env = folder, env
	if out, err := init.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	made, err := filepath.Glob(filepath.Join(folder, "*"))
	if err != nil || len(made) == 0 {
		t.Fatal(made, err)
	}
	for _, file := range made {
		ignored(t, filepath.Join("demo/nomad", filepath.Base(file)))
	}
	there := t.TempDir() // the task's folder
	put := func() error {
		items := map[string]string{}
		for _, name := range []string{"secret", "terminals.json"} {
			content, err := os.ReadFile(filepath.Join(folder, "ptlauth", name))
			if err != nil {
				return err
			}
			items[strings.TrimSuffix(name, ".json")] = string(content)
		}
		return proxied.render(there, map[string]map[string]string{"nomad/jobs/" + job.ID: items})
	}
	if err := put(); err != nil {
		t.Fatal(err)
	}

	app := new(witness.App)
	_, port, err := net.SplitHostPort(strings.TrimPrefix(witness.Listen(t, app), "http://"))
	if err != nil {
		t.Fatal(err)
	}
	labels := map[string]string{}
	here := service
	here.PortLabel, here.Tags = port, nil
	for _, tag := range service.Tags {
		name, value, _ := strings.Cut(tag, "=")
		labels[name] = value
		if name != "traefik.http.routers.convos.tls.certresolver" {
			here.Tags = append(here.Tags, strings.ReplaceAll(tag, "/secrets/", there+"/secrets/"))
		}
	}
	t.Run("the middleware is that of the other demos", func(t *testing.T) { likeOthers(t, labels, true) })

	// Nomad's socket in the task's folder, which asks for the task's token.
	engine, socket := &nomad{services: []nomadService{here}}, filepath.Join(there, "secrets", "api.sock")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: engine, ReadHeaderTimeout: time.Minute}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })
	if !slices.Contains(proxied.Config.Args, "--providers.nomad.endpoint.address=unix:///secrets/api.sock") || len(proxied.Identities) != 1 || !proxied.Identities[0].Env {
		t.Errorf("Traefik has the arguments %q and the identities %+v", proxied.Config.Args, proxied.Identities)
	}
	certificate, key := issuer.Certificate(t, host)
	proxy, err := traefik.Start(t.Context(), traefik.Options{
		Static:   staticWith(t, proxied.Config.Args, "--providers.nomad.endpoint.address=unix://"+socket),
		Dynamic:  fmt.Sprintf("tls: {stores: {default: {defaultCertificate: {certFile: %q, keyFile: %q}}}}\n", certificate, key),
		Env:      []string{"NOMAD_TOKEN=of-the-task"},
		Progress: os.Stderr,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(proxy.Stop)
	ask := asker(t, "https://"+proxy.Addr("https"), host)

	t.Run("a stranger does not get in", func(t *testing.T) {
		settles(t, ask, "", http.StatusUnauthorized)
		if status := ask("/", http.Header{"X-Ptl-User": {user}, "Cookie": {"authorization=x"}}); status != http.StatusUnauthorized || app.Requests != 0 {
			t.Errorf("got %d, and the app %d requests", status, app.Requests)
		}
		if status := ask("/assets/site.webmanifest", nil); status != http.StatusOK || app.Header.Get("X-Ptl-User") != "" {
			t.Errorf("what a browser installs it with: got %d, and the app %v", status, app.Header)
		}
		engine.mutex.Lock()
		defer engine.mutex.Unlock()
		if engine.token != "of-the-task" {
			t.Errorf("Traefik asks Nomad with the token %q", engine.token)
		}
	})

	env = append(env, "SSL_CERT_FILE="+certificate, "HTTPS_PROXY="+visitor.Tunnel(t, proxy.Addr("https")))
	said := regexp.MustCompile("`(ptl [^`]+)`").FindAllStringSubmatch(strings.ReplaceAll(text(t, path), "\n# ", " "), -1)
	if len(said) != 2 {
		t.Fatalf("its head has ptl do %q", said)
	}
	phone := visitor.NewPerson(t, proxy.Addr("https"))
	t.Run("a phone gets in", func(t *testing.T) {
		pairing := program.NewScreen(t, folder, env, "sh", "-ec", said[0][1])
		stop := meanwhile(t, put)
		phone.Pair(pairing.Await(t, `https://`+host+`/\.ptl/pair\S*#\S+`))
		pairing.Await(t, `Was that you\?`)
		pairing.Type(t, "\n")
		if code := pairing.End(t, 20*time.Second); code != 0 {
			t.Fatalf("exit %d\n%s", code, pairing.Text())
		}
		stop()
		settles(t, ask, phone.Cookie("https://"+host+"/", "authorization"), http.StatusOK)
		if app.Header.Get("X-Ptl-User") != user || app.Header.Get("X-Ptl-Client-Name") != "Your phone" {
			t.Errorf("the app is sent %v", app.Header)
		}
	})
	t.Run("and is thrown out", func(t *testing.T) {
		unpairing := program.NewScreen(t, folder, env, "sh", "-ec", said[1][1])
		stop := meanwhile(t, put)
		if code := unpairing.End(t, time.Minute); code != 0 {
			t.Fatalf("exit %d\n%s", code, unpairing.Text())
		}
		stop()
		if status := ask("/", holding(phone.Cookie("https://"+host+"/", "authorization"))); status != http.StatusUnauthorized {
			t.Errorf("got %d", status)
		}
	})
}

// ignored wants git to leave out of a commit what somebody has made in a clone.
func ignored(t *testing.T, path string) {
	t.Helper()
	for _, one := range []string{path, path + "/"} { // A folder that is not there is none to git.
		if exec.CommandContext(t.Context(), "git", "-C", repository, "check-ignore", "-q", one).Run() == nil {
			return
		}
	}
	t.Errorf("git would take %s into a commit", path)
}

// meanwhile does something again and again until it is stopped, and once more then.
func meanwhile(t *testing.T, do func() error) (stop func()) {
	t.Helper()
	stopped, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		for {
			err := do()
			select {
			case <-stopped:
				ended <- errors.Join(err, do())
				return
			case <-time.After(200 * time.Millisecond):
			}
		}
	}()
	return func() {
		t.Helper()
		close(stopped)
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
	}
}
