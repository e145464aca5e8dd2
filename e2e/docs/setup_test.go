package docs

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v4"

	"github.com/getportal/ptlauth/e2e/decode"
	"github.com/getportal/ptlauth/e2e/docker"
	"github.com/getportal/ptlauth/e2e/interpreted"
	"github.com/getportal/ptlauth/e2e/poll"
	"github.com/getportal/ptlauth/e2e/program"
	"github.com/getportal/ptlauth/e2e/traefik"
	"github.com/getportal/ptlauth/e2e/visitor"
	"github.com/getportal/ptlauth/e2e/witness"
)

// The steps of README.md's set-up that TestReadmeMiddleware and TestReadmeTraefik do not take.

const tokenScript = "../../demo/token.sh"

// tokenRun is what demo/token.sh answers in a folder with that secret; none: without the file.
func tokenRun(t *testing.T, shell []string, secret string, env []string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	script, err := filepath.Abs(tokenScript)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if secret != "" {
		if err := os.WriteFile(filepath.Join(dir, "secret"), []byte(secret), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var out, complaint strings.Builder
	command := exec.CommandContext(t.Context(), shell[0], slices.Concat(shell[1:], []string{script}, args)...)
	command.Dir, command.Env, command.Stdout, command.Stderr = dir, env, &out, &complaint
	if err := command.Run(); err != nil && command.ProcessState == nil {
		t.Fatal(err)
	}
	return out.String(), complaint.String(), command.ProcessState.ExitCode()
}

func TestTokenScript(t *testing.T) {
	openssl := program.Need(t, "openssl", "openssl")
	shells := map[string][]string{"sh": {"sh"}}
	for name, words := range map[string][]string{"bash": {"bash", "--posix"}, "busybox": {"busybox", "ash"}, "dash": {"dash"}} {
		if path, err := exec.LookPath(words[0]); err == nil {
			shells[name] = append([]string{path}, words[1:]...)
		}
	}
	letters := strings.Repeat("abcdefghijklmnopqrstuvwxyz-0123456789_", 4)
	secrets := map[string]string{
		"of 32 characters":              letters[:32],
		"of a whole block":              letters[:64],
		"of one character more":         letters[:65],
		"of 86 characters":              letters[:86],
		"with a newline at its end":     letters[:86] + "\n",
		"with signs that a shell reads": `$(date) "%s" \0 *; ` + letters[:40],
		"that is not ASCII":             strings.Repeat("ö", 20),
	}
	for shell, words := range shells {
		for name, secret := range secrets {
			t.Run("in "+shell+" a secret "+name+" signs", func(t *testing.T) {
				out, complaint, code := tokenRun(t, words, secret, nil, "k7p2x9")
				if code != 0 || complaint != "" {
					t.Fatalf("exit %d: %s", code, complaint)
				}
				claims := jwt.MapClaims{}
				key := []byte(strings.TrimSuffix(secret, "\n"))
				if _, err := jwt.ParseWithClaims(strings.TrimSpace(out), claims, func(*jwt.Token) (any, error) { return key, nil }); err != nil {
					t.Fatalf("%v: %s", err, out)
				}
				issued, expires := claims["iat"].(float64), claims["exp"].(float64)
				if age := time.Since(time.Unix(int64(issued), 0)); claims["sub"] != "k7p2x9" || len(claims) != 3 || age < -time.Second || age > time.Minute {
					t.Errorf("it says %v", claims)
				}
				if days := (expires - issued) / 86400; days != 400 {
					t.Errorf("it is good for %v days", days)
				}
			})
		}
	}
	t.Run("a number of days bounds it", func(t *testing.T) {
		out, _, _ := tokenRun(t, shells["sh"], letters[:86], nil, "k7p2x9", "30")
		claims := jwt.MapClaims{}
		if _, _, err := jwt.NewParser().ParseUnverified(strings.TrimSpace(out), claims); err != nil || claims["exp"].(float64)-claims["iat"].(float64) != 30*86400 {
			t.Errorf("got %v and %v", claims, err)
		}
	})

	without := t.TempDir() // openssl
	for _, name := range []string{"cat", "tr", "od", "head", "date"} {
		path := program.Need(t, name, "coreutils")
		if err := os.Symlink(path, filepath.Join(without, name)); err != nil {
			t.Fatal(err)
		}
	}
	for name, test := range map[string]struct {
		secret string
		args   []string
		env    []string
		says   string
	}{
		"without the file secret":   {"", []string{"k7p2x9"}, nil, "there is no file secret in /"},
		"with a secret that is cut": {"short", []string{"k7p2x9"}, nil, "is shorter than 32 characters"},
		"with an empty secret":      {"\n", []string{"k7p2x9"}, nil, "is shorter than 32 characters"},
		"without openssl":           {letters[:86], []string{"k7p2x9"}, []string{"PATH=" + without}, "openssl is missing"},
		"without a terminal":        {letters[:86], nil, nil, "say which terminal"},
		"with an id that is JSON":   {letters[:86], []string{`a","iss":"b`}, nil, "say which terminal"},
		"with no number of days":    {letters[:86], []string{"k7p2x9", "soon"}, nil, "soon is not a number of days"},
		"for no day":                {letters[:86], []string{"k7p2x9", "0"}, nil, "0 is not a number of days"},
	} {
		t.Run(name+" it fails and says why", func(t *testing.T) {
			sh, err := exec.LookPath("sh")
			if err != nil {
				t.Fatal(err)
			}
			out, complaint, code := tokenRun(t, []string{sh}, test.secret, test.env, test.args...)
			if code == 0 || out != "" || !strings.Contains(complaint, test.says) {
				t.Errorf("exit %d, printed %q, said %q", code, out, complaint)
			}
			if test.secret == letters[:86] && strings.Contains(complaint, test.secret) {
				t.Error("the secret is in what it says")
			}
		})
	}

	// ps shows command lines, and shells write what they do not run themselves on one.
	t.Run("no command line holds the secret", func(t *testing.T) {
		spies := t.TempDir()
		seen := filepath.Join(spies, "seen")
		for _, name := range []string{"openssl", "cat", "tr", "od", "head", "date", "printf", "echo"} {
			path := program.Need(t, name, "coreutils")
			spy := fmt.Sprintf("#!/bin/sh\nfor word in %s \"$@\"; do printf '%%s\\n' \"$word\"; done >>%s\nexec %s \"$@\"\n", name, seen, path)
			if err := os.WriteFile(filepath.Join(spies, name), []byte(spy), 0o700); err != nil {
				t.Fatal(err)
			}
		}
		secret := letters[:40]
		out, complaint, code := tokenRun(t, shells["sh"], secret, append(os.Environ(), "PATH="+spies+string(os.PathListSeparator)+os.Getenv("PATH")), "k7p2x9")
		if code != 0 || len(out) < 100 {
			t.Fatalf("exit %d: %s", code, complaint)
		}
		log := text(t, seen)
		if strings.Count(log, "openssl\ndgst\n") < 2 {
			t.Errorf("openssl (%s) was seen in\n%s", openssl, log)
		}
		for word := range strings.Lines(log) {
			if len(word) > 20 {
				t.Errorf("a command line has %q", word)
			}
		}
	})
}

func TestReadmeSecretOnce(t *testing.T) {
	program.Need(t, "openssl", "openssl")
	dir := t.TempDir()
	file := filepath.Join(dir, "secret")
	if err := os.WriteFile(file, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	command := exec.Command("sh", "-c", readmeExample(t, makingByHand)[0])
	command.Dir = dir
	if out, err := command.CombinedOutput(); err == nil || text(t, file) != "mine" {
		t.Errorf("a secret that exists is replaced: %v\n%s", err, out)
	}
}

// TestReadmeKV takes the only device out as docs/install.md says, after which nobody is let in.
func TestReadmeKV(t *testing.T) {
	blocks := readmeExample(t, takingOutOfKV)
	if len(blocks) != 2 || !regexp.MustCompile(`^redis-cli DEL .*\n$`).MatchString(blocks[1]) {
		t.Fatalf("the commands of docs/install.md are %q", blocks)
	}
	script := filepath.Join(t.TempDir(), "script")
	if err := os.WriteFile(script, []byte("set -eu\n"+blocks[0]+blocks[1]), 0o600); err != nil {
		t.Fatal(err)
	}
	config := decoded(t)(decode.KV(pairs(t, script)))["auth"]
	if config["terminals"] != nil || config["secretFile"] == nil {
		t.Fatalf("left is %v", config)
	}
	secretFile, good := makeToken(t)
	config["secretFile"] = secretFile
	plugin, err := interpreted.Load(interpreted.Options{})
	if err != nil {
		t.Fatal(err)
	}
	app := new(witness.App)
	handler, err := plugin.New(t.Context(), app, config, "auth@redis")
	if err != nil {
		t.Fatal(err)
	}
	if status := visitor.StatusOf(handler, http.Header{"Cookie": {"authorization=" + good}}); status != http.StatusServiceUnavailable || app.Requests != 0 {
		t.Errorf("got %d, and the app %d requests", status, app.Requests)
	}
}

// TestReadmeRedis types the commands of docs/install.md into a real Redis while clients keep asking: nobody who is
// not listed gets in at any moment, and nobody who is listed is kept out by another's change.
func TestReadmeRedis(t *testing.T) {
	if testing.Short() {
		t.Skip("starts Traefik")
	}
	server := program.NewRedis(t)
	env := withProgram(t, "redis-cli", "exec "+strings.Join(server.Client, " ")+` "$@"`)
	redis := func(commands string) {
		t.Helper()
		command := exec.CommandContext(t.Context(), "sh", "-euc", commands)
		command.Env = env
		if out, err := command.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s\n%s", err, commands, out)
		}
	}

	secretFile, laptop := makeToken(t)
	secret := text(t, secretFile)
	sign := func(id string) string {
		token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"sub": id}).SignedString([]byte(secret))
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	phone, stranger := sign("phone7"), sign("nobody")
	redis("redis-cli MSET traefik/http/routers/app/rule 'PathPrefix(`/`)' traefik/http/routers/app/middlewares/0 auth@redis" +
		" traefik/http/routers/app/service app traefik/http/services/app/loadBalancer/servers/0/url " + witness.Listen(t, new(witness.App)))
	proxy, err := traefik.Start(t.Context(), traefik.Options{Static: "providers: {redis: {endpoints: ['" + server.Addr + "']}}", Progress: os.Stderr})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(proxy.Stop)
	status := func(token string) int {
		status, _ := visitor.Ask(t, proxy.URL("web"), appHost, http.Header{"Cookie": {"authorization=" + token}})
		return status
	}
	// becomes asks until a token gets a status, and goes on for a while. Meanwhile each other one may
	// only get what it is allowed.
	becomes := func(name, token string, want int, meanwhile map[string][]int) {
		t.Helper()
		settled := 0
		poll.Until(t, 20*time.Second, func() string {
			for token, allowed := range meanwhile {
				if got := status(token); !slices.Contains(allowed, got) {
					t.Fatalf("%s: a token got %d instead of one of %v", name, got, allowed)
				}
			}
			got := status(token)
			if got == want {
				settled++
			} else if settled > 0 {
				t.Fatalf("%s: got %d after %d", name, got, want)
			}
			if settled < 20 {
				return fmt.Sprintf("%s: got %d, want %d", name, got, want)
			}
			return ""
		})
	}

	blocks := readmeExample(t, takingOutOfKV)
	set, del := strings.Replace(blocks[0], "/run/secrets/ptlauth", secretFile, 1), blocks[1]
	becomes("without a middleware Traefik has no router", laptop, 404, map[string][]int{stranger: {404}})
	redis(set)
	becomes("the laptop is let in", laptop, 200, map[string][]int{stranger: {404, 401}, "": {404, 401}, phone: {404, 401}})
	naming := strings.SplitAfter(set, "\n")[0]
	redis(naming + "redis-cli MSET $auth/terminals/paired/phone7/name Phone $auth/terminals/paired/phone7/user you@example.com")
	becomes("a second device is let in", phone, 200, map[string][]int{stranger: {401}, laptop: {200}})
	redis(naming + del)
	becomes("the laptop is taken out", laptop, 401, map[string][]int{stranger: {401}, phone: {200}})
	redis(naming + strings.ReplaceAll(del, "k7p2x9", "phone7"))
	becomes("without the last device it is closed", phone, 503, map[string][]int{stranger: {401, 503}, laptop: {401, 503}, "": {401, 503}})
}

// TestReadmeKubernetes runs the Middleware of docs/install.md with the values file that it links, in a
// folder that stands for Traefik's pod: the Secret's files where the volumes mount them.
func TestReadmeKubernetes(t *testing.T) {
	commands := strings.Split(strings.TrimSpace(readmeExample(t, puttingIntoCluster)[0]), "\n")
	if len(commands) != 2 || !regexp.MustCompile(`^helm .* traefik/traefik --namespace traefik .*--values values\.yml$`).MatchString(commands[1]) {
		t.Fatalf("the commands of docs/install.md are %q", commands)
	}
	if !strings.Contains(text(t, install), "](../demo/kubernetes/values.yml)") {
		t.Error("docs/install.md does not link values.yml")
	}
	secretFile, good := makeToken(t)
	pod := t.TempDir()
	files := inPod(t, commands[0], helmValues(t))
	if len(files) != 1 {
		t.Fatalf("the pod has %q", files)
	}
	for _, file := range files {
		file = filepath.Join(pod, file)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text(t, secretFile)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	config := decoded(t)(decode.Kubernetes(readmeExample(t, example{heading: "Kubernetes", language: "yaml"})[0]))["auth"]
	config["secretFile"] = filepath.Join(pod, config["secretFile"].(string))
	plugin, err := interpreted.Load(interpreted.Options{})
	if err != nil {
		t.Fatal(err)
	}
	app := new(witness.App)
	handler, err := plugin.New(t.Context(), app, config, "default-auth@kubernetescrd")
	if err != nil {
		t.Fatal(err)
	}
	if status := visitor.StatusOf(handler, nil); status != http.StatusUnauthorized || app.Requests != 0 {
		t.Errorf("without a token: got %d, and the app %d requests", status, app.Requests)
	}
	if status := visitor.StatusOf(handler, http.Header{"Cookie": {"authorization=" + good}}); status != http.StatusOK || app.Requests != 1 {
		t.Errorf("with a token: got %d, and the app %d requests", status, app.Requests)
	}
}

// TestReadmeCookie writes README.md's cookie in a browser, as its console would, ends the browser,
// and starts it again.
func TestReadmeCookie(t *testing.T) {
	chromium := program.Need(t, "chromium", "chromium")
	line := strings.TrimSpace(readmeExample(t, cookieLine)[0])
	if strings.Count(line, "TOKEN") != 1 {
		t.Fatalf("README.md's line is %q", line)
	}
	good := strings.Repeat("a", 36) + "." + strings.Repeat("b", 80) + "." + strings.Repeat("c", 43)
	cookies := make(chan string, 10)
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/console" {
			fmt.Fprintf(w, "<script>%s</script>", strings.Replace(line, "TOKEN", good, 1))
		}
		if r.URL.Path == "/page/of/the/app" {
			cookies <- r.Header.Get("Cookie")
		}
	}))
	t.Cleanup(site.Close)
	profile := t.TempDir()
	for _, path := range []string{"/console", "/page/of/the/app"} {
		command := exec.CommandContext(t.Context(), chromium, "--headless", "--no-sandbox", "--disable-gpu",
			"--user-data-dir="+profile, "--dump-dom", site.URL+path)
		command.WaitDelay = time.Minute
		if out, err := command.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	select {
	case got := <-cookies:
		if want := "authorization=" + good; got != want {
			t.Errorf("after a restart the browser sends %q, want %q", got, want)
		}
	default:
		t.Error("the browser did not come")
	}
}

// faultLines are what Traefik's log says at ERROR: messages and errors.
func faultLines(t *testing.T, log string) string {
	t.Helper()
	var all strings.Builder
	for line := range strings.Lines(log) {
		var entry struct{ Level, Message, Error string }
		if json.Unmarshal([]byte(line), &entry) == nil && entry.Level == "error" {
			fmt.Fprintln(&all, entry.Message, entry.Error)
		}
	}
	return all.String()
}

// TestReadmeDropped has Traefik leave routers out in each way that README.md lists. Whatever stands
// below the next router that matches then answers, and is sent the token.
func TestReadmeDropped(t *testing.T) {
	if testing.Short() {
		t.Skip("starts Traefik")
	}
	next := new(witness.App)
	backend := httptest.NewServer(next)
	t.Cleanup(backend.Close)
	dynamic := func(middlewares string) string {
		return fmt.Sprintf(`
http:
  routers:
    app: {rule: Host("%s"), middlewares: [%s], service: app, entryPoints: [web]}
    next: {rule: PathPrefix("/"), priority: 1, service: app, entryPoints: [web]}
  services: {app: {loadBalancer: {servers: [{url: %q}]}}}
%s`, appHost, "auth", backend.URL, middlewares)
	}
	auth := func(text string) string { return dynamic("  middlewares: {auth: " + text + "}\n") }
	const options = "{secretFile: /run/secrets/ptlauth, terminals: any}"
	tests := map[string]struct {
		static   string
		plugin   string // its folder
		dynamics []string
		refused  bool // the whole file
	}{
		"unknown plugin type: ptlauth": {static: "experimental: null", dynamics: []string{auth("{plugin: {ptlauth: " + options + "}}")}},
		"unknown plugin type: NAME": {dynamics: []string{
			auth("{plugin: {ptl-auth: " + options + "}}"),
			auth("{plugin: {secretFile: /run/secrets/ptlauth}}"),
			auth("{plugin: {terminals: {paired: {k7p2x9: {name: phone}}}}}"),
		}},
		"no configuration or too many plugin definition": {dynamics: []string{
			auth("{plugin: " + options + "}"),
			auth("{plugin: {secretFile: /run/secrets/ptlauth, terminals: {paired: {k7p2x9: {name: phone}}}}}"),
		}},
		"invalid middleware type or middleware does not exist": {dynamics: []string{auth("{plugin: }")}},
		`middleware "auth@docker" does not exist`: {dynamics: []string{
			strings.Replace(auth("{plugin: {ptlauth: "+options+"}}"), "[auth]", "[auth@docker]", 1),
		}},
		"cannot be a standalone element":                      {dynamics: []string{auth("{plugin: {ptlauth: }}"), auth("")}, refused: true},
		"field not found, node: ptlauth":                      {dynamics: []string{auth("{ptlauth: " + options + "}")}, refused: true},
		"Plugins are disabled because an error has occurred.": {plugin: t.TempDir(), dynamics: []string{auth("{plugin: {ptlauth: " + options + "}}")}},
	}
	rows := readmeTable(t, "When Traefik leaves a router out")
	for _, row := range rows {
		line := strings.Trim(row[0], "`")
		if line == doubled {
			continue // TestReadmeDocker
		}
		test, ok := tests[line]
		if !ok {
			t.Errorf("no test has Traefik say %q", line)
			continue
		}
		delete(tests, line)
		said := regexp.MustCompile(strings.ReplaceAll(regexp.QuoteMeta(line), "NAME", `\S+`))
		for i, text := range test.dynamics {
			t.Run(fmt.Sprintf("%s, %d", line, i+1), func(t *testing.T) {
				proxy, err := traefik.Start(t.Context(), traefik.Options{Static: test.static, Plugin: test.plugin, Dynamic: dynamic(""), Progress: os.Stderr})
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(proxy.Stop)
				if err := proxy.Reload(t.Context(), text); test.refused != (err != nil) {
					t.Fatalf("the file is refused: %v", err)
				}
				poll.Until(t, 10*time.Second, func() string {
					if log := faultLines(t, proxy.Log()); !said.MatchString(log) {
						return "Traefik says\n" + log
					}
					return ""
				})
				if test.refused {
					return
				}
				next.Header = nil
				status, _ := visitor.Ask(t, proxy.URL("web"), appHost, http.Header{"Cookie": {"authorization=x"}})
				if status != http.StatusOK || next.Header.Get("Cookie") != "authorization=x" {
					t.Errorf("the next router answered %d, and its app got %v", status, next.Header)
				}
			})
		}
	}
	for line := range tests {
		t.Errorf("README.md does not list %q", line)
	}

	t.Run("with abortOnPluginFailure Traefik does not start without the plugin", func(t *testing.T) {
		proxy, err := traefik.Start(t.Context(), traefik.Options{
			Static: "experimental: {abortOnPluginFailure: true}", Plugin: t.TempDir(), Dynamic: dynamic(""), Progress: os.Stderr})
		if err == nil {
			proxy.Stop()
			t.Error("it does")
		} else if !strings.Contains(err.Error(), "failed to create plugin builder") {
			t.Error(err)
		}
	})
}

// TestReadmeWarnings proves what README.md says of Traefik's log at DEBUG, and of files written in place.
func TestReadmeWarnings(t *testing.T) {
	if testing.Short() {
		t.Skip("starts Traefik")
	}
	said := strings.Join(strings.Fields(text(t, readme)), " ")
	for _, warning := range []string{
		"At DEBUG Traefik prints its whole configuration too, with each secret that stands in it",
		"its routers answer 404 meanwhile",
	} {
		if !strings.Contains(said, warning) {
			t.Errorf("README.md does not say %q", warning)
		}
	}
	const secret = "a-secret-that-stands-in-the-configuration-and-is-long-enough"
	backend := httptest.NewServer(new(witness.App))
	t.Cleanup(backend.Close)
	whole := fmt.Sprintf(`
http:
  middlewares: {auth: {plugin: {ptlauth: {keys: [{secret: %q}], terminals: any}}}}
  services: {app: {loadBalancer: {servers: [{url: %q}]}}}
  routers:
    app: {rule: Host("%s"), middlewares: [auth], service: app, entryPoints: [web]}
`, secret, backend.URL, appHost)
	status := func(t *testing.T, proxy *traefik.Traefik) int {
		status, _ := visitor.Ask(t, proxy.URL("web"), appHost, nil)
		return status
	}
	for level, shown := range map[string]bool{"DEBUG": true, "ERROR": false} {
		t.Run(fmt.Sprintf("at %s the log shows the secret: %v", level, shown), func(t *testing.T) {
			proxy, err := traefik.Start(t.Context(), traefik.Options{Static: "log: {level: " + level + "}", Dynamic: whole, Progress: os.Stderr})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(proxy.Stop)
			if got := status(t, proxy); got != http.StatusUnauthorized {
				t.Errorf("got %d", got)
			}
			if got := strings.Contains(proxy.Log(), secret); got != shown {
				t.Errorf("it does: %v", got)
			}
			if level != "ERROR" {
				return
			}
			// The same Traefik: a file that is half written, and one that is moved into place.
			file := filepath.Join(proxy.Dir(), "dynamic", "dynamic.yml")
			half := whole[:strings.Index(whole, "  routers:")]
			if err := os.WriteFile(file, []byte(half), 0o600); err != nil {
				t.Fatal(err)
			}
			poll.Until(t, 10*time.Second, func() string {
				if got := status(t, proxy); got != http.StatusNotFound {
					return fmt.Sprintf("of a half-written file Traefik makes %d", got)
				}
				return ""
			})
			if err := proxy.Reload(t.Context(), whole); err != nil {
				t.Fatal(err)
			}
			for range 100 {
				beside := filepath.Join(proxy.Dir(), "beside")
				if err := os.WriteFile(beside, []byte(whole), 0o600); err != nil {
					t.Fatal(err)
				}
				if err := os.Rename(beside, file); err != nil {
					t.Fatal(err)
				}
				if got := status(t, proxy); got != http.StatusUnauthorized {
					t.Fatalf("while a file is moved into place: got %d", got)
				}
			}
		})
	}
}

// doubled is what both Traefiks say of a middleware in the labels of two containers.
const doubled = "defined multiple times with different configurations"

// TestReadmeDocker runs README.md's compose file: its labels come to a real Traefik from a stand-in
// for Docker, and its flags but for the plugin's version.
func TestReadmeDocker(t *testing.T) {
	if testing.Short() {
		t.Skip("starts Traefik")
	}
	app, another := new(witness.App), new(witness.App)
	compose := readmeExample(t, readmeForms[2].example)[0]
	services := composeServices(t, compose)
	folder, env := t.TempDir(), program.WithPtl(t)
	here := strings.NewReplacer("/etc/ptlauth", filepath.Join(folder, "ptlauth"))
	if err := os.WriteFile(filepath.Join(folder, "compose.yml"), []byte(compose), 0o600); err != nil {
		t.Fatal(err)
	}
	inFolder := func(commands string) {
		t.Helper()
		command := exec.CommandContext(t.Context(), "sh", "-ec", commands)
		command.Dir, command.Env = folder, env
		if out, err := command.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s\n%s", err, commands, out)
		}
	}
	inFolder(readmeExample(t, asking)[0])
	if text(t, filepath.Join(folder, "compose.yml")) != compose {
		t.Error("ptl init has changed the compose file")
	}
	const option = "traefik.http.middlewares.auth.plugin.ptlauth."
	for label, value := range services["traefik"].Labels {
		services["traefik"].Labels[label] = here.Replace(value)
	}
	second := map[string]string{
		"traefik.enable":                           "true",
		"traefik.http.routers.another.rule":        "Host(`another.example.com`)",
		"traefik.http.routers.another.middlewares": services["app"].Labels["traefik.http.routers.app.middlewares"],
	}
	engine, static := docker.New(t)
	engine.Run("home-traefik-1", "http://127.0.0.1:80", services["traefik"].Labels)
	engine.Run("home-app-1", witness.Listen(t, app), services["app"].Labels)
	engine.Run("home-another-1", witness.Listen(t, another), second)
	proxy := proxyOf(t, static)
	t.Run("README's command says 401", func(t *testing.T) {
		command := strings.Replace(readmeExample(t, asking)[1], "https://"+appHost+"/", "-H 'Host: "+appHost+"' "+proxy.URL("web")+"/", 1)
		program.Need(t, "curl", "curl")
		poll.Until(t, 30*time.Second, func() string {
			out, err := exec.CommandContext(t.Context(), "sh", "-c", command).Output()
			if string(out) != "401\n" {
				return fmt.Sprintf("%s says %q, %v\n%s", command, out, err, proxy.LogLines(`"level":"error"`))
			}
			return ""
		})
	})
	cookie := http.Header{}
	t.Run("ptl finds what it needs where README puts it, and pairs", func(t *testing.T) {
		line := regexp.MustCompile("In `ptl.yml` write `(dynamic: .+?)`").FindStringSubmatch(text(t, readme))
		if line == nil {
			t.Fatal("README.md does not say what ptl.yml needs")
		}
		settings := filepath.Join(folder, "ptl.yml")
		written := regexp.MustCompile(`(?m)^dynamic: .+$`).ReplaceAllString(text(t, settings), line[1])
		written = strings.Replace(written, "https://", "http://", 1)
		if err := os.WriteFile(settings, []byte(written), 0o600); err != nil {
			t.Fatal(err)
		}
		person := visitor.NewPerson(t, proxy.Addr("web"))
		pairing := program.NewScreen(t, folder, append(env, "HTTP_PROXY="+visitor.Tunnel(t, proxy.Addr("web"))), "ptl", "pair", "--name=Your laptop", "--user=you@example.com")
		person.Pair(pairing.Await(t, `http://`+appHost+`/\.ptl/pair\S*#\S+`))
		pairing.Await(t, `Was that you\?`)
		pairing.Type(t, "y\n")
		if code := pairing.End(t, 10*time.Second); code != 0 {
			t.Fatalf("exit %d\n%s", code, pairing.Text())
		}
		cookie.Set("Cookie", "authorization="+person.Cookie("http://"+appHost+"/", "authorization"))
	})
	t.Run("both apps are open to the terminal alone, and are sent their header", func(t *testing.T) {
		for host, app := range map[string]*witness.App{appHost: app, "another.example.com": another} {
			if status, _ := visitor.Ask(t, proxy.URL("web"), host, nil); status != http.StatusUnauthorized || app.Requests != 0 {
				t.Errorf("%s without a token: got %d, and the app %d requests", host, status, app.Requests)
			}
			if status, _ := visitor.Ask(t, proxy.URL("web"), host, cookie); status != http.StatusOK || app.Header.Get("X-Remote-User") != "you@example.com" {
				t.Errorf("%s with a token: got %d, and the app %v", host, status, app.Header)
			}
		}
	})
	t.Run("Traefik on the host's network needs the label that README names", func(t *testing.T) {
		label := regexp.MustCompile("add `(traefik\\.http\\.services\\.[^:]+): \"(\\d+)\"` to Traefik's labels").FindStringSubmatch(text(t, readme))
		if label == nil {
			t.Fatal("README.md names none")
		}
		for _, named := range []bool{false, true} {
			labels := maps.Clone(services["traefik"].Labels)
			if named {
				labels[label[1]] = label[2]
			}
			engine, static := docker.New(t)
			engine.RunOnHost("home-traefik-1", labels)
			engine.Run("home-app-1", witness.Listen(t, app), services["app"].Labels)
			proxy := proxyOf(t, static)
			poll.Until(t, 30*time.Second, func() string {
				log := faultLines(t, proxy.Log())
				status, _ := visitor.Ask(t, proxy.URL("web"), appHost, nil)
				dropped := strings.Contains(log, "port is missing") && strings.Contains(log, `middleware "auth@docker" does not exist`)
				if named && status == http.StatusUnauthorized && !dropped || !named && status == http.StatusNotFound && dropped {
					return ""
				}
				return fmt.Sprintf("with the label %v: got %d, and Traefik says\n%s", named, status, log)
			})
		}
	})
	t.Run("labels of the middleware at two apps take both down", func(t *testing.T) {
		comment := regexp.MustCompile(`labels: # here alone: labels of the same middleware at two apps take both down`)
		if !comment.MatchString(text(t, readme)) {
			t.Error("README.md does not say so")
		}
		copied := maps.Clone(second)
		maps.Copy(copied, services["traefik"].Labels)
		copied[option+"headers.X-Another-User"] = "{auth.user}"
		engine, static := docker.New(t)
		engine.Run("home-traefik-1", "http://127.0.0.1:80", services["traefik"].Labels)
		engine.Run("home-app-1", witness.Listen(t, app), services["app"].Labels)
		engine.Run("home-another-1", witness.Listen(t, another), copied)
		proxy := proxyOf(t, static)
		poll.Until(t, 30*time.Second, func() string {
			if log := faultLines(t, proxy.Log()); !strings.Contains(log, doubled) || !strings.Contains(log, `middleware "auth@docker" does not exist`) {
				return "Traefik says\n" + log
			}
			return ""
		})
		for _, host := range []string{appHost, "another.example.com"} {
			if status, _ := visitor.Ask(t, proxy.URL("web"), host, cookie); status != http.StatusNotFound {
				t.Errorf("%s: got %d", host, status)
			}
		}
	})
}

// proxyOf starts Traefik with the flags of README.md's compose file. The plugin is this repository.
func proxyOf(t *testing.T, docker string) *traefik.Traefik {
	t.Helper()
	proxy, err := traefik.Start(t.Context(), traefik.Options{Static: docker + "experimental: {abortOnPluginFailure: true}\n", Progress: os.Stderr})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(proxy.Stop)
	return proxy
}
