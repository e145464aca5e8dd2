package docs

import (
	"cmp"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v4"

	"github.com/getportal/ptlauth/e2e/issuer"
	"github.com/getportal/ptlauth/e2e/poll"
	"github.com/getportal/ptlauth/e2e/program"
	"github.com/getportal/ptlauth/e2e/traefik"
	"github.com/getportal/ptlauth/e2e/visitor"
	"github.com/getportal/ptlauth/e2e/witness"
)

const operationsPage = "../../docs/operations.md"

// home is somebody's site, made by ptl init, with an app and a Traefik that is stopped and started.
type home struct {
	folder  string
	env     []string // in which a shell finds ptl, and programs the site
	address string   // where Traefik has HTTPS
	app     *witness.Attendance
	tls     string // of the dynamic configuration
	plugin  string // its folder; empty: this repository
	proxy   *traefik.Traefik
	lasts   func(func()) // calls that when the whole test ends
}

func newHome(t *testing.T) *home {
	t.Helper()
	h := &home{folder: t.TempDir(), env: program.WithPtl(t), address: program.UnusedAddr(t), app: witness.NewAttendance(t), lasts: t.Cleanup}
	certificate, key := issuer.Certificate(t, appHost)
	h.tls = fmt.Sprintf("tls: {stores: {default: {defaultCertificate: {certFile: %q, keyFile: %q}}}}\n", certificate, key)
	h.env = append(h.env, "SSL_CERT_FILE="+certificate, "CURL_CA_BUNDLE="+certificate, "HTTPS_PROXY="+visitor.Tunnel(t, h.address))
	h.types(t, "ptl init . --url=https://"+appHost)
	dynamic := filepath.Join(h.folder, "ptlauth", "dynamic.yml")
	if err := os.WriteFile(dynamic, []byte(text(t, dynamic)+"          refresh: 200ms\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	h.starts(t, "")
	return h
}

// dynamic is what Traefik has: the file that ptl init wrote and somebody has edited, as this machine sees it, and an app.
func (h *home) dynamic(t *testing.T) string {
	t.Helper()
	return strings.ReplaceAll(text(t, filepath.Join(h.folder, "ptlauth", "dynamic.yml")), "/etc/ptlauth/", filepath.Join(h.folder, "ptlauth")+"/") + fmt.Sprintf(`
  routers:
    app: {rule: Host("%[1]s"), entryPoints: [websecure], middlewares: [auth], service: app}
    sockets: {rule: Path("/socket"), entryPoints: [web], middlewares: [auth], service: app}
  services: {app: {loadBalancer: {servers: [{url: %[2]q}]}}}
`, appHost, h.app.URL) + h.tls
}

// starts starts Traefik, in that version or the one that is tested.
func (h *home) starts(t *testing.T, version string) {
	t.Helper()
	proxy, err := traefik.Start(t.Context(), traefik.Options{
		Version: version, Plugin: h.plugin, Dynamic: h.dynamic(t), Progress: os.Stderr,
		Static: fmt.Sprintf("entryPoints: {websecure: {address: %q, http: {tls: {}}}}", h.address),
	})
	if err != nil {
		t.Fatal(err)
	}
	h.lasts(proxy.Stop)
	h.proxy = proxy
}

// edits replaces a text of a file of the folder, which is there once.
func (h *home) edits(t *testing.T, name, old, new string) {
	t.Helper()
	file := filepath.Join(h.folder, name)
	content := text(t, file)
	if strings.Count(content, old) != 1 {
		t.Fatalf("%q is not in %s once:\n%s", old, name, content)
	}
	if err := os.WriteFile(file, []byte(strings.Replace(content, old, new, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	if name == "ptlauth/dynamic.yml" {
		if err := h.proxy.Reload(t.Context(), h.dynamic(t)); err != nil {
			t.Fatal(err)
		}
	}
}

// types types commands in the folder, and returns what they print. What Docker is told is done.
func (h *home) types(t *testing.T, commands string) string {
	t.Helper()
	var out []byte
	for line := range strings.Lines(commands) {
		switch line = strings.TrimSpace(line); line {
		case "docker compose stop traefik":
			h.proxy.Stop()
		case "docker compose up -d":
			h.starts(t, "")
		default:
			if strings.HasPrefix(line, "docker") {
				t.Fatalf("what is %q?", line)
			}
			command := exec.CommandContext(t.Context(), "sh", "-euc", line)
			command.Dir, command.Env = h.folder, h.env
			said, err := command.CombinedOutput()
			if err != nil {
				t.Fatalf("%s: %v\n%s", line, err, said)
			}
			out = append(out, said...)
		}
	}
	return string(out)
}

// pairs lets a device in.
func (h *home) pairs(t *testing.T, name string) *visitor.Person {
	t.Helper()
	person := visitor.NewPerson(t, h.address)
	screen := program.NewScreen(t, h.folder, h.env, "ptl", "pair", "--name="+name, "--user=ada")
	person.Pair(screen.Await(t, `https://`+appHost+`/\.ptl/pair\S*#\S+`))
	screen.Await(t, `Was that you\?`)
	screen.Type(t, "\n")
	if code := screen.End(t, 10*time.Second); code != 0 {
		t.Fatalf("ptl pair ends with %d\n%s", code, screen.Text())
	}
	isIn(t, map[string]*visitor.Person{name: person}, http.StatusOK)
	return person
}

// isIn has people open the app, who must be answered so at once.
func isIn(t *testing.T, people map[string]*visitor.Person, want int) {
	t.Helper()
	for name, person := range people {
		if page := person.Visit("https://" + appHost + "/"); page.Status != want {
			t.Errorf("%s: got %d, want %d\n%s", name, page.Status, want, page.Text)
		}
	}
}

// becomes has somebody open the app until they are answered so.
func becomes(t *testing.T, name string, person *visitor.Person, want int) {
	t.Helper()
	poll.Until(t, 10*time.Second, func() string {
		if page := person.Visit("https://" + appHost + "/"); page.Status != want {
			return fmt.Sprintf("%s: got %d, want %d", name, page.Status, want)
		}
		return ""
	})
}

func cookieOf(person *visitor.Person) string {
	return person.Cookie("https://"+appHost+"/", "authorization")
}

// ages gives somebody the token that they would have, had they been paired some time ago, with the secret in a file.
func (h *home) ages(t *testing.T, person *visitor.Person, secretFile string) string {
	t.Helper()
	claims := jwt.MapClaims{}
	if _, _, err := jwt.NewParser().ParseUnverified(cookieOf(person), claims); err != nil {
		t.Fatal(err)
	}
	claims["iat"] = time.Now().Add(-time.Hour).Unix()
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(text(t, filepath.Join(h.folder, "ptlauth", secretFile))))
	if err != nil {
		t.Fatal(err)
	}
	person.Client().Jar.SetCookies(&url.URL{Scheme: "https", Host: appHost, Path: "/"}, []*http.Cookie{{Name: "authorization", Value: token, Path: "/", Secure: true}})
	return token
}

// recipe is the text of an example of docs/operations.md, of several the nth.
func recipe(t *testing.T, heading, language string, nth int) string {
	t.Helper()
	for _, e := range fencedBlocks(t, operationsPage) {
		if e.heading == heading && e.language == language {
			if nth == 0 {
				return e.text
			}
			nth--
		}
	}
	t.Fatalf("docs/operations.md has no such example in %s below %q", language, heading)
	return ""
}

// TestOperations does what docs/operations.md says, one after the other, on one site.
func TestOperations(t *testing.T) {
	if testing.Short() {
		t.Skip("starts Traefik")
	}
	program.Need(t, "openssl", "openssl")
	program.Need(t, "curl", "curl")
	h := newHome(t)
	t.Run("a device is thrown out, with what it has open", h.throwsOut)
	t.Run("where the secret was stolen, everybody is out", h.wasRobbed)
	t.Run("a backup brings back who was in, also who was thrown out since", h.restores)
	t.Run("a secret is changed, and who opens a page stays in", h.changesSecret)
	t.Run("the configuration is checked, and nobody is let in who is nobody", h.looks)
	t.Run("an option that a version does not know lets nobody in, and is named", h.goesBack)
	t.Run("the plugin is upgraded and taken back", h.changesPlugin)
	t.Run("Traefik itself is upgraded and taken back", h.changesTraefik)
}

func (h *home) throwsOut(t *testing.T) {
	phone, laptop := h.pairs(t, "Your phone"), h.pairs(t, "laptop")
	socket := strings.Replace(h.proxy.URL("web"), "http", "ws", 1) + "/socket"
	token := cookieOf(phone)
	open := visitor.Dial(t, socket, token, 1)
	visitor.WantEcho(t, open)
	h.types(t, recipe(t, "Throw a device out", "sh", 0))
	isIn(t, map[string]*visitor.Person{"the phone": phone}, http.StatusUnauthorized)
	isIn(t, map[string]*visitor.Person{"the laptop": laptop}, http.StatusOK)
	visitor.AwaitClosed(t, open, 5*time.Second)
}

func (h *home) wasRobbed(t *testing.T) {
	phone := h.pairs(t, "robbed")
	open := visitor.Dial(t, strings.Replace(h.proxy.URL("web"), "http", "ws", 1)+"/socket", cookieOf(phone), 1)
	h.types(t, recipe(t, "Where it was stolen", "sh", 0))
	becomes(t, "the phone", phone, http.StatusUnauthorized)
	visitor.AwaitClosed(t, open, 5*time.Second)
	if said := h.types(t, "ptl terminals"); !strings.Contains(said, "robbed") {
		t.Errorf("ptl terminals says\n%s", said)
	}
	if info, err := os.Stat(filepath.Join(h.folder, "ptlauth", "secret")); err != nil || info.Size() != 86 || info.Mode().Perm() != 0o600 {
		t.Errorf("the secret is %v, %v", info, err)
	}
	h.types(t, "ptl unpair robbed")
	again := h.pairs(t, "robbed")
	isIn(t, map[string]*visitor.Person{"the phone, paired before": phone}, http.StatusUnauthorized)
	isIn(t, map[string]*visitor.Person{"the phone, paired again": again}, http.StatusOK)
}

func (h *home) restores(t *testing.T) {
	phone, sold := h.pairs(t, "shelf"), h.pairs(t, "sold")
	h.types(t, recipe(t, "Backup", "sh", 0))
	h.types(t, "ptl unpair sold")
	tablet := h.pairs(t, "tablet")
	if err := os.RemoveAll(filepath.Join(h.folder, "ptlauth")); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"ptl.yml", "compose.yml"} {
		if err := os.Remove(filepath.Join(h.folder, name)); err != nil {
			t.Fatal(err)
		}
	}
	said := h.types(t, recipe(t, "Backup", "sh", 1))
	isIn(t, map[string]*visitor.Person{"who was there": phone, "who was thrown out since": sold}, http.StatusOK)
	isIn(t, map[string]*visitor.Person{"who was paired since": tablet}, http.StatusUnauthorized)
	if !strings.Contains(said, "sold") || strings.Contains(said, "tablet") {
		t.Errorf("ptl terminals says\n%s", said)
	}
	if info, err := os.Stat(filepath.Join(h.folder, "ptlauth", "secret")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the secret is %v, %v", info, err)
	}
}

func (h *home) changesSecret(t *testing.T) {
	phone, away := h.pairs(t, "hall"), h.pairs(t, "away")
	script := strings.TrimSpace(h.types(t, "ptl token --name=script --user=ada 2>/dev/null"))
	asks := func(token string) int {
		status, _ := visitor.New(t, token).Get(h.proxy.URL("web")+"/socket", appHost)
		return status
	}
	if status := asks(script); status != http.StatusOK {
		t.Fatalf("the script gets %d", status)
	}
	h.types(t, recipe(t, "Another secret", "sh", 0))
	both := recipe(t, "Another secret", "yaml", 0)
	h.edits(t, "ptlauth/dynamic.yml", "          secretFile: /etc/ptlauth/secret\n", both)
	name := regexp.MustCompile("In `ptl.yml` write `(secretFile: ptlauth/[^`]+)`").FindStringSubmatch(text(t, operationsPage))
	if name == nil {
		t.Fatal("docs/operations.md does not say what to write into ptl.yml")
	}
	h.edits(t, "ptl.yml", "secretFile: ptlauth/secret\n", name[1]+"\n")

	before := h.ages(t, phone, "secret")
	isIn(t, map[string]*visitor.Person{"the phone": phone}, http.StatusOK)
	if cookieOf(phone) == before {
		t.Error("the phone has its old token")
	}
	fresh := h.pairs(t, "fresh")
	other := strings.TrimSpace(h.types(t, "ptl token script 2>/dev/null"))
	if asks(script) != http.StatusOK || asks(other) != http.StatusOK {
		t.Errorf("the script gets %d, and with another token %d", asks(script), asks(other))
	}
	h.edits(t, "ptlauth/dynamic.yml", "            - secretFile: /etc/ptlauth/secret\n", "")
	isIn(t, map[string]*visitor.Person{"the phone": phone, "who was paired since": fresh}, http.StatusOK)
	isIn(t, map[string]*visitor.Person{"who was away": away}, http.StatusUnauthorized)
	if asks(script) != http.StatusUnauthorized || asks(other) != http.StatusOK {
		t.Errorf("the script gets %d, and with another token %d", asks(script), asks(other))
	}
}

func (h *home) looks(t *testing.T) {
	h.types(t, recipe(t, "Upgrade and rollback", "sh", 0))
	if said := h.types(t, recipe(t, "Upgrade and rollback", "sh", 1)); strings.TrimSpace(said) != "401" {
		t.Errorf("curl prints %q", said)
	}
	page, compose := text(t, operationsPage), text(t, filepath.Join(h.folder, "compose.yml"))
	for _, place := range []string{"--experimental.plugins.ptlauth.version=", "restart: unless-stopped"} {
		if !strings.Contains(page, "`"+place+"`") || !strings.Contains(compose, place) {
			t.Errorf("%s is not both in docs/operations.md and in what ptl init writes:\n%s", place, compose)
		}
	}
}

func (h *home) goesBack(t *testing.T) {
	phone := h.pairs(t, "desk")
	h.edits(t, "ptlauth/dynamic.yml", "        ptlauth:\n", "        ptlauth:\n          ofTomorrow: true\n")
	isIn(t, map[string]*visitor.Person{"the phone": phone}, http.StatusServiceUnavailable)
	if len(h.proxy.LogLines("unknown option `ofTomorrow`")) == 0 {
		t.Error("the log does not name the option")
	}
	h.edits(t, "ptlauth/dynamic.yml", "          ofTomorrow: true\n", "")
	isIn(t, map[string]*visitor.Person{"the phone": phone}, http.StatusOK)
}

// versionBefore is a commit before tokens could be passwords. Once there are two releases, it is the first.
const versionBefore = "6421a19834f6ae77f643e01328d685c2a812cdf2"

func (h *home) changesPlugin(t *testing.T) {
	git := program.Need(t, "git", "git")
	has := exec.CommandContext(t.Context(), git, "cat-file", "-e", versionBefore+"^{commit}")
	has.Dir = repository
	if err := has.Run(); err != nil {
		t.Skip("this repository has no history: ", err)
	}
	older := t.TempDir()
	archive := filepath.Join(t.TempDir(), "older.tar")
	run(t, repository, git, "archive", "--output="+archive, versionBefore)
	run(t, older, "tar", "-xf", archive)
	phone := h.pairs(t, "old phone")
	var tablet *visitor.Person
	for _, plugin := range []string{older, ""} {
		h.proxy.Stop()
		h.plugin = plugin
		h.starts(t, "")
		isIn(t, map[string]*visitor.Person{"the phone": phone}, http.StatusOK)
		isIn(t, map[string]*visitor.Person{"somebody": visitor.NewPerson(t, h.address)}, http.StatusUnauthorized)
		if plugin == older {
			tablet = h.pairs(t, "old tablet")
			h.edits(t, "ptlauth/dynamic.yml", "        ptlauth:\n", "        ptlauth:\n          token: {basic: true}\n")
			isIn(t, map[string]*visitor.Person{"the phone, with an option of today": phone}, http.StatusServiceUnavailable)
			if len(h.proxy.LogLines("unknown option `token.basic`")) == 0 {
				t.Error("the log does not name the option")
			}
		}
	}
	isIn(t, map[string]*visitor.Person{"the tablet": tablet}, http.StatusOK)
	h.edits(t, "ptlauth/dynamic.yml", "          token: {basic: true}\n", "")
}

func (h *home) changesTraefik(t *testing.T) {
	phone := h.pairs(t, "car")
	tested := cmp.Or(os.Getenv("TRAEFIK_VERSION"), traefik.Versions[0])
	for _, version := range append(traefik.Versions, tested) {
		h.proxy.Stop()
		h.starts(t, version)
		isIn(t, map[string]*visitor.Person{"the phone, at " + version: phone}, http.StatusOK)
		isIn(t, map[string]*visitor.Person{"somebody, at " + version: visitor.NewPerson(t, h.address)}, http.StatusUnauthorized)
	}
}

// TestOperationsExamples finds every example of docs/operations.md: one that is added must be run as well.
func TestOperationsExamples(t *testing.T) {
	runs := map[string]int{
		"Throw a device out in sh": 1, "Another secret in sh": 1, "Another secret in yaml": 1, "Where it was stolen in sh": 1,
		"Backup in sh": 2, "Upgrade and rollback in sh": 2,
	}
	page := text(t, operationsPage)
	_, observed, _ := strings.Cut(page, "\n## Who did what\n") // which e2e/observed runs
	for _, e := range fencedBlocks(t, operationsPage) {
		if !strings.Contains(observed, e.text) {
			runs[e.heading+" in "+e.language]--
		}
	}
	for example, n := range runs {
		if n != 0 {
			t.Errorf("%s: %d more are run than there are", example, n)
		}
	}
}
