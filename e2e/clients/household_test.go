// Package clients lets the programs of a household through to their apps: each is real, and is told what ptl prints.
package clients

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/getportal/ptlauth/cmd/client"
	"github.com/getportal/ptlauth/e2e/issuer"
	"github.com/getportal/ptlauth/e2e/program"
	"github.com/getportal/ptlauth/e2e/source"
	"github.com/getportal/ptlauth/e2e/traefik"
	"github.com/getportal/ptlauth/e2e/traefik/traefiktest"
	"github.com/getportal/ptlauth/e2e/visitor"
)

// refresh is how long a change of the list takes at most; it is ptlauth's default.
const refresh = 2 * time.Second

// app is what runs behind a middleware of its own.
type app struct {
	addr    string // where it listens
	options string // YAML: the middleware's, beside those that ptl init writes
}

// household is a folder that ptl init has made, and a Traefik that sees it, with each app at two entry points.
type household struct {
	dir         string
	environment []string // in which a shell finds ptl
	proxy       *traefik.Traefik
	authority   string // the file of the certificate that is shown over HTTPS, which nobody knows by itself
}

// newHousehold returns a household with these apps, by their middlewares' names.
func newHousehold(t *testing.T, apps map[string]app) *household {
	t.Helper()
	if testing.Short() {
		t.Skip("compiles ptl, and starts Traefik")
	}
	h := &household{dir: t.TempDir(), environment: program.WithPtl(t)}
	h.run(t, h.environment, 0, "ptl", "init", ".", "--url=http://127.0.0.1")
	file := filepath.Join(h.dir, "ptlauth", "dynamic.yml")
	written, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	certificate, key := issuer.Certificate(t, "127.0.0.1")
	h.authority = certificate
	middlewares, routers, services, entryPoints := map[string]any{}, map[string]any{}, map[string]any{}, map[string]any{}
	for name, app := range apps {
		middlewares[name] = middlewareOf(t, strings.ReplaceAll(string(written), "/etc/ptlauth/", h.dir+"/ptlauth/"), app.options)
		routers[name] = map[string]any{"rule": "PathPrefix(`/`)", "entryPoints": []string{name}, "middlewares": []string{name}, "service": name}
		routers[name+"-tls"] = map[string]any{"rule": "PathPrefix(`/`)", "entryPoints": []string{name + "-tls"}, "middlewares": []string{name}, "service": name, "tls": map[string]any{}}
		services[name] = map[string]any{"loadBalancer": map[string]any{"servers": []map[string]string{{"url": "http://" + app.addr}}}}
		entryPoints[name] = map[string]string{"address": "127.0.0.1:0"}
		entryPoints[name+"-tls"] = map[string]string{"address": "127.0.0.1:0"}
	}
	// What ptl reads is what Traefik reads.
	source.Replace(t, file, asYAML(t, map[string]any{"http": map[string]any{"middlewares": middlewares}}))
	h.proxy = traefiktest.Start(t, traefik.Options{
		Static: asYAML(t, map[string]any{"entryPoints": entryPoints}),
		Dynamic: asYAML(t, map[string]any{
			"http": map[string]any{"middlewares": middlewares, "routers": routers, "services": services},
			"tls":  map[string]any{"stores": map[string]any{"default": map[string]any{"defaultCertificate": map[string]string{"certFile": certificate, "keyFile": key}}}},
		}),
	})
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(strings.Join(h.proxy.LogLines("plugin-ptlauth"), "\n"))
		}
	})
	return h
}

// middlewareOf is the middleware that ptl init has written, with more options.
func middlewareOf(t *testing.T, written, options string) map[string]any {
	t.Helper()
	configuration := struct {
		HTTP struct {
			Middlewares map[string]struct {
				Plugin map[string]map[string]any
			}
		}
	}{}
	more := map[string]any{}
	if err := errors.Join(yaml.Unmarshal([]byte(written), &configuration), yaml.Unmarshal([]byte(options), &more)); err != nil {
		t.Fatal(err)
	}
	all := configuration.HTTP.Middlewares["auth"].Plugin["ptlauth"]
	if len(all) == 0 {
		t.Fatalf("ptl init has written\n%s", written)
	}
	maps.Copy(all, more)
	return map[string]any{"plugin": map[string]any{"ptlauth": all}}
}

func asYAML(t *testing.T, value any) string {
	t.Helper()
	text, err := yaml.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// url is where an app is, over HTTP or HTTPS, without a slash at its end.
func (h *household) url(app, scheme string) string {
	if scheme == "https" {
		return "https://" + h.proxy.Addr(app+"-tls")
	}
	return "http://" + h.proxy.Addr(app)
}

// run runs a program in the household's folder, which must end so (-1: with any code but 0), and returns what it says.
func (h *household) run(t *testing.T, environment []string, want int, words ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	// The shell finds programs where this environment says, and not this process's.
	cmd := exec.CommandContext(ctx, "sh", append([]string{"-c", `exec "$@"`, "sh"}, words...)...)
	cmd.Dir, cmd.Env = h.dir, environment
	out, err := cmd.CombinedOutput()
	if got := cmd.ProcessState.ExitCode(); got != want && (want != -1 || got <= 0) {
		t.Errorf("%s ends with %d (%v), want %d:\n%s", strings.Join(words, " "), got, err, want, out)
	}
	return string(out)
}

// ptl runs ptl for the middleware of an app, and returns what it says.
func (h *household) ptl(t *testing.T, app string, words ...string) string {
	t.Helper()
	words = append([]string{"ptl", words[0], "--middleware=" + app}, words[1:]...)
	if words[1] != "token" || slices.ContainsFunc(words, func(word string) bool { return strings.HasPrefix(word, "--for") }) {
		words = append(words, "--url="+h.url(app, "http"))
	}
	return h.run(t, h.environment, 0, words...)
}

// letIn puts a terminal with this name on the list, and returns its token when it is let in.
func (h *household) letIn(t *testing.T, app, name, user string) string {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(h.ptl(t, app, "token", "--name="+name, "--user="+user)), "\n")
	token := lines[len(lines)-1]
	h.await(t, app, token)
	return token
}

// await waits until a token is taken. Only ptlauth is asked: an app without its cookies may lead in a circle.
func (h *household) await(t *testing.T, app, token string) {
	t.Helper()
	visitor.New(t, token).AwaitStatus(t, refresh+3*time.Second, h.url(app, "http")+"/.ptl/me", "", http.StatusOK)
}

// typed is what ptl prints for a terminal of that name, to be typed into a program that is to carry its token so.
type typed struct {
	Way                      client.Way
	Token, Where, Text, Then string
	Fields                   []client.Field
}

// typed asks ptl what to type into a program that asks an app at this URL.
func (h *household) typed(t *testing.T, app, name, program string, way client.Way, url string) *typed {
	t.Helper()
	said := h.run(t, h.environment, 0, "ptl", "token", "--middleware="+app, "--for="+program, "--way="+string(way), "--url="+url, "--json", name)
	what := new(typed)
	if err := json.Unmarshal([]byte(said[max(0, strings.Index(said, "{")):]), what); err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	return what
}

// inEachWay lets a program into an app over HTTP and over HTTPS, in each way in which it can carry a token; the title is the
// app's in docs/apps.md. All take place at once: most of their time they wait for Traefik to
// read the list.
func (h *household) inEachWay(t *testing.T, app, title, program string, test func(t *testing.T, d *desktop)) {
	t.Helper()
	for _, way := range client.Find(program).Ways() {
		t.Run(string(way), func(t *testing.T) {
			t.Parallel()
			shows(t, program, title, way)
			for _, scheme := range []string{"http", "https"} {
				t.Run("over "+scheme, func(t *testing.T) {
					t.Parallel()
					name := program + " by " + string(way) + " over " + scheme
					h.letIn(t, app, name, "ada")
					d := h.newDesktop(t, app, name, h.url(app, scheme))
					d.have(t, h.typed(t, app, name, program, way, d.site))
					test(t, d)
				})
			}
		})
	}
}

// desktop is where a program has what ptl has printed for a terminal, in the file where it belongs.
type desktop struct {
	h                     *household
	app, site, name, home string // the site is the app's address
	typed                 *typed
	environment           []string
}

func (h *household) newDesktop(t *testing.T, app, name, site string) *desktop {
	t.Helper()
	d := &desktop{h: h, app: app, site: site, name: name, home: t.TempDir()}
	d.environment = append(desk(t, "SSL_CERT_FILE="+h.authority, "CURL_CA_BUNDLE="+h.authority, "GIT_SSL_CAINFO="+h.authority), "HOME="+d.home)
	return d
}

// have puts what ptl has printed where ptl says that it belongs.
func (d *desktop) have(t *testing.T, what *typed) {
	t.Helper()
	d.typed = what
	if words := strings.Fields(what.Where); what.Text != "" {
		d.write(t, strings.TrimPrefix(words[len(words)-1], "~/"), what.Text)
	}
}

// write puts a file into the home folder.
func (d *desktop) write(t *testing.T, file, text string) {
	t.Helper()
	file = filepath.Join(d.home, file)
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	source.Replace(t, file, text)
}

// run types a line, which must end so (-1: with any code but 0), and returns what is said.
func (d *desktop) run(t *testing.T, want int, line string) string {
	t.Helper()
	return d.h.run(t, d.environment, want, "sh", "-c", `cd "$HOME" && { `+line+"\n}")
}

// then is the line that ptl has printed to be typed then.
func (d *desktop) then() string {
	line, _, _ := strings.Cut(d.typed.Then, "\n")
	return line
}

// refused throws the terminal out, and wants the program to say so in its own words.
func (d *desktop) refused(t *testing.T, want int, line, words string) {
	t.Helper()
	d.h.throwOut(t, d.app, d.name)
	if said := d.run(t, want, line); !strings.Contains(said, words) {
		t.Errorf("thrown out, it says %q, want %q", said, words)
	}
}

// throwOut takes a terminal off the list, and returns when ptl says that it is out.
func (h *household) throwOut(t *testing.T, app, name string) {
	t.Helper()
	began := time.Now()
	if said := h.ptl(t, app, "unpair", name); !strings.Contains(said, "is out.") {
		t.Errorf("ptl unpair says %q", said)
	}
	if took := time.Since(began); took > refresh+2*time.Second {
		t.Errorf("ptl unpair has taken %s", took)
	}
}

// desk is the environment of a program that knows nothing of this machine, but for what is said.
func desk(t *testing.T, variables ...string) []string {
	t.Helper()
	home := t.TempDir()
	return append([]string{"HOME=" + home, "PATH=" + os.Getenv("PATH"), "LANG=C.UTF-8", "TZ=UTC", "TERM=dumb"}, variables...)
}
