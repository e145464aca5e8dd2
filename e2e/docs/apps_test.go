package docs

import (
	"encoding/base64"
	"fmt"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/getportal/ptlauth/e2e/docker"
	"github.com/getportal/ptlauth/e2e/issuer"
	"github.com/getportal/ptlauth/e2e/poll"
	"github.com/getportal/ptlauth/e2e/program"
	"github.com/getportal/ptlauth/e2e/traefik"
	"github.com/getportal/ptlauth/e2e/visitor"
	"github.com/getportal/ptlauth/e2e/witness"
)

// appsPage says what to set in each app, and what to type into programs that are no browser. The table of what is run is held
// against the tests of e2e/clients.
const appsPage = "../../docs/apps.md"

// readers are the apps of that page by their headings: what says there which header the app reads (a variable of its
// environment, or a text beside), and how it is spelled in it.
var readers = map[string]struct{ variable, beside string }{
	"Convos":            {variable: "CONVOS_AUTH_HEADER"},
	"DokuWiki":          {beside: "HTTP_X_REMOTE_USER"},
	"FreshRSS":          {beside: "`X-WebAuth-User`"},
	"Gitea and Forgejo": {variable: "GITEA__security__REVERSE_PROXY_AUTHENTICATION_USER"},
	"Grafana":           {variable: "GF_AUTH_PROXY_HEADER_NAME"},
	"Grist":             {variable: "GRIST_FORWARD_AUTH_HEADER"},
	"Kanboard":          {beside: "HTTP_X_PTL_USER"},
	"linkding":          {variable: "LD_AUTH_PROXY_USERNAME_HEADER"},
	"Miniflux":          {variable: "AUTH_PROXY_HEADER"},
	"Navidrome":         {variable: "ND_EXTAUTH_USERHEADER"},
	"Paperless-ngx":     {variable: "PAPERLESS_HTTP_REMOTE_USER_HEADER_NAME"},
	"Radicale":          {beside: "http_x_remote_user"},
	"Tiny Tiny RSS":     {beside: "`Remote-User`"},
}

// documentedApp is an app of that page.
type documentedApp struct {
	name, host string
	header     string // in which it reads the user
	public     []string
	labels     map[string]string
	isShared   bool // it has the middleware of README.md's compose file

	mutex sync.Mutex
	seen  []http.Header // what reached it
}

func (a *documentedApp) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	a.seen = append(a.seen, r.Header.Clone())
}

// last is what reached it since it was asked for last.
func (a *documentedApp) last() []http.Header {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	seen := a.seen
	a.seen = nil
	return seen
}

var (
	hostOf   = regexp.MustCompile("^Host\\(`([a-z.]+)`\\)$")
	prefixes = regexp.MustCompile(`\.paths\[\d+\]\.prefix$`)
)

// documentedApps are those of the page, and the labels that it adds to Traefik's own.
func documentedApps(t *testing.T) ([]*documentedApp, map[string]string) {
	t.Helper()
	page := text(t, appsPage)
	var apps []*documentedApp
	shared := map[string]string{}
	for _, e := range fencedBlocks(t, appsPage) {
		if e.language != "yaml" {
			continue
		}
		var compose struct {
			Services map[string]struct {
				Image       string
				Environment map[string]string
				Volumes     []string
				Labels      map[string]string
			}
		}
		decoder := yaml.NewDecoder(strings.NewReader(e.text))
		decoder.KnownFields(true)
		if err := decoder.Decode(&compose); err != nil {
			t.Fatalf("%s: %v", e.heading, err)
		}
		maps.Copy(shared, compose.Services["traefik"].Labels)
		delete(compose.Services, "traefik")
		if e.heading == "Apps" {
			continue
		}
		if len(compose.Services) != 1 {
			t.Fatalf("%s: there are %d apps", e.heading, len(compose.Services))
		}
		for name, service := range compose.Services {
			app := &documentedApp{name: e.heading, labels: service.Labels, header: headerOf(spelledIn(t, page, e.heading, service.Environment))}
			if host := hostOf.FindStringSubmatch(service.Labels["traefik.http.routers."+name+".rule"]); host != nil {
				app.host = host[1]
			}
			app.isShared = service.Labels["traefik.http.routers."+name+".middlewares"] == "auth@docker"
			for label, value := range service.Labels {
				if prefixes.MatchString(label) {
					app.public = append(app.public, value)
				}
			}
			apps = append(apps, app)
		}
	}
	return apps, shared
}

// spelledIn is how an app spells the header that it reads: in a variable of its environment, else in the page beside.
func spelledIn(t *testing.T, page, heading string, environment map[string]string) string {
	t.Helper()
	reader, isKnown := readers[heading]
	if !isKnown {
		t.Fatalf("%s: it is not known which header it reads", heading)
	}
	if reader.variable != "" {
		return environment[reader.variable]
	}
	_, section, _ := strings.Cut(page, "\n### "+heading+"\n")
	section, _, _ = strings.Cut(section, "\n### ")
	if !strings.Contains(section, reader.beside) && !strings.Contains(page, "#"+anchor(heading)+") | "+reader.beside) {
		t.Errorf("%s: it is not said that it reads %s", heading, reader.beside)
	}
	return reader.beside
}

// headerOf is a header as an app spells it: HTTP_X_PTL_USER, http_x_remote_user, `Remote-User` or X-Ptl-User.
func headerOf(spelled string) string {
	name := strings.Trim(spelled, "`")
	if rest, isCGI := strings.CutPrefix(strings.ToUpper(name), "HTTP_"); isCGI {
		name = strings.ReplaceAll(rest, "_", "-")
	}
	return http.CanonicalHeaderKey(strings.ToLower(name))
}

// anchor is that of a heading.
func anchor(heading string) string {
	return strings.ReplaceAll(strings.ToLower(heading), " ", "-")
}

// TestApps sends each app's lines of docs/apps.md through a real Traefik to a recorder in the app's place.
func TestApps(t *testing.T) {
	if testing.Short() {
		t.Skip("starts Traefik")
	}
	apps, shared := documentedApps(t)
	if len(apps) != len(readers) {
		t.Errorf("%d apps have lines to paste, want %d", len(apps), len(readers))
	}
	proxy, cookie := startApps(t, apps, shared)
	for _, app := range apps {
		t.Run(app.name, func(t *testing.T) {
			testApp(t, proxy, app, cookie)
		})
	}
}

// testApp asks one as anybody, and as somebody who claims to be somebody else.
func testApp(t *testing.T, proxy *traefik.Traefik, app *documentedApp, cookie string) {
	forged := http.Header{}
	for _, spelling := range slices.Concat(visitor.Spellings(app.header), visitor.Spellings("X-Ptl-User")) {
		forged[spelling] = []string{"mallory"}
	}
	poll.Until(t, 5*time.Second, func() string {
		if status, _ := visitor.Ask(t, proxy.URL("web"), app.host, nil); status != http.StatusUnauthorized {
			return fmt.Sprintf("without a token: %d\n%s", status, proxy.LogLines(`"level":"error"`))
		}
		return ""
	})
	if seen := app.last(); len(seen) > 0 {
		t.Errorf("without a token it is asked: %v", seen)
	}
	with := maps.Clone(forged)
	with["Cookie"] = []string{cookie}
	with["Authorization"] = []string{"Basic YXBwOnBhc3N3b3Jk"} // the app's own
	status, _ := visitor.Ask(t, proxy.URL("web"), app.host, with)
	seen := app.last()
	if status != http.StatusOK || len(seen) != 1 {
		t.Fatalf("with a token: %d, and the app %v\n%s", status, seen, proxy.LogLines("plugin-ptlauth"))
	}
	if !slices.Equal(seen[0][app.header], []string{"ann"}) || named(seen[0], "mallory") {
		t.Errorf("with a token the app is sent %v", seen[0])
	}
	if got := seen[0].Get("Authorization"); got != with["Authorization"][0] || named(seen[0], "eyJ") {
		t.Errorf("the app's own Authorization is %q, in %v", got, seen[0])
	}
	if app.isShared {
		tokenElsewhere(t, proxy, app, strings.TrimPrefix(cookie, "authorization="))
	}
	for _, prefix := range app.public {
		for _, test := range []struct {
			header http.Header
			want   []string
		}{{forged, nil}, {with, []string{"ann"}}} {
			status, _ := visitor.Ask(t, proxy.URL("web")+prefix, app.host, test.header)
			seen := app.last()
			if status != http.StatusOK || len(seen) != 1 || !slices.Equal(seen[0][app.header], test.want) || named(seen[0], "mallory") {
				t.Errorf("%s: %d, and the app is sent %v, want %v", prefix, status, seen, test.want)
			}
		}
	}
}

// tokenElsewhere sends the token where the page's first lines let it be: as a password, which the app does not see, and in a
// header beside a password of the app's own, which it does.
func tokenElsewhere(t *testing.T, proxy *traefik.Traefik, app *documentedApp, token string) {
	t.Helper()
	const own = "Basic YXBwOnBhc3N3b3Jk"
	for name, test := range map[string]struct {
		header http.Header
		want   string
	}{
		"as a password":                  {http.Header{"Authorization": {"Basic " + base64.StdEncoding.EncodeToString([]byte("k7p2x9:"+token))}}, ""},
		"in Authorization":               {http.Header{"Authorization": {"Bearer " + token}}, ""},
		"in a header beside a password":  {http.Header{"X-Access-Token": {"Bearer " + token}, "Authorization": {own}}, own},
		"in a header beside its own key": {http.Header{"X-Access-Token": {"Bearer " + token}, "Authorization": {"Bearer glsa_key"}}, "Bearer glsa_key"},
	} {
		status, _ := visitor.Ask(t, proxy.URL("web"), app.host, test.header)
		seen := app.last()
		if status != http.StatusOK || len(seen) != 1 {
			t.Errorf("%s: %d, and the app %v", name, status, seen)
		} else if !slices.Equal(seen[0][app.header], []string{"ann"}) || seen[0].Get("Authorization") != test.want || named(seen[0], "eyJ") {
			t.Errorf("%s: the app is sent %v", name, seen[0])
		}
	}
}

// named reports whether a value of a header has that text.
func named(header http.Header, text string) bool {
	for _, values := range header {
		if strings.Contains(strings.Join(values, "\n"), text) {
			return true
		}
	}
	return false
}

// startApps starts a Traefik that reads their labels, with those of README.md's compose file, and returns it with a cookie of
// Ann's.
func startApps(t *testing.T, apps []*documentedApp, shared map[string]string) (*traefik.Traefik, string) {
	t.Helper()
	folder := t.TempDir()
	secret := issuer.NewSecret()
	for name, content := range map[string]string{"secret": secret, "terminals.json": `[{"id": "k7p2x9", "name": "Ann's laptop", "user": "ann"}]`} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	here := strings.NewReplacer("/etc/ptlauth", folder)
	labels := composeServices(t, readmeExample(t, readmeForms[2].example)[0])["traefik"].Labels
	maps.Copy(labels, shared)
	for label, value := range labels {
		labels[label] = here.Replace(value)
	}
	engine, static := docker.New(t)
	engine.Run("home-traefik-1", "http://127.0.0.1:80", labels)
	for i, app := range apps {
		at := witness.Listen(t, app)
		mine := map[string]string{}
		for label, value := range app.labels {
			if !strings.HasSuffix(label, ".loadbalancer.server.port") { // it listens elsewhere here
				mine[label] = here.Replace(value)
			}
		}
		engine.Run(fmt.Sprintf("home-app%d-1", i), at, mine)
	}
	return proxyOf(t, static), "authorization=" + issuer.SignHS256(t, secret, "k7p2x9")
}

// TestAppsTable: the table names each app that has a section, and no other.
func TestAppsTable(t *testing.T) {
	page := text(t, appsPage)
	_, rest, _ := strings.Cut(page, "| app | tells who it is by |")
	table, _, _ := strings.Cut(rest, "\n\n")
	links := regexp.MustCompile(`\]\(#([a-z-]+)\)`).FindAllStringSubmatch(table, -1)
	var linked, headed []string
	for _, link := range links {
		linked = append(linked, link[1])
	}
	for heading := range readers {
		headed = append(headed, anchor(heading))
	}
	slices.Sort(linked)
	slices.Sort(headed)
	if !slices.Equal(linked, headed) {
		t.Errorf("the table has %v, the sections are %v", linked, headed)
	}
}

// TestAppsCommands types what the page says to type, where tokens may be wherever it says.
func TestAppsCommands(t *testing.T) {
	folder, env := t.TempDir(), program.WithPtl(t)
	run := func(line string) (string, error) {
		command := exec.CommandContext(t.Context(), "sh", "-ec", line)
		command.Dir, command.Env = folder, env
		out, err := command.CombinedOutput()
		return string(out), err
	}
	if out, err := run("ptl init . --url=https://app.example.com"); err != nil {
		t.Fatal(out, err)
	}
	_, shared := documentedApps(t)
	compose := "services:\n  traefik:\n    labels:\n"
	shared["traefik.http.middlewares.auth.plugin.ptlauth.secretFile"] = "/etc/ptlauth/secret"
	shared["traefik.http.middlewares.auth.plugin.ptlauth.terminals.file"] = "/etc/ptlauth/terminals.json"
	for label, value := range shared {
		compose += fmt.Sprintf("      %s: %q\n", label, value)
	}
	settings := strings.Replace(text(t, filepath.Join(folder, "ptl.yml")), "dynamic: ptlauth/dynamic.yml", "dynamic: compose.yml", 1)
	for name, content := range map[string]string{"compose.yml": compose, "ptl.yml": settings, "ptlauth/terminals.json": `[{"id": "k7p2x9"}]`} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	lines := regexp.MustCompile("`(ptl token [^`]+)`").FindAllStringSubmatch(text(t, appsPage), -1)
	for _, line := range lines {
		if out, err := run(line[1]); err != nil || !strings.Contains(out, "eyJ") {
			t.Errorf("%s: %v\n%s", line[1], err, out)
		}
	}
	if len(lines) < 4 {
		t.Errorf("found only %v", lines)
	}
}
