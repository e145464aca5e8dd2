package docs

import (
	"bytes"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"
	"gopkg.in/yaml.v3"
	k8syaml "sigs.k8s.io/yaml"

	"github.com/getportal/ptlauth/e2e/program"
	"github.com/getportal/ptlauth/e2e/traefik"
	"github.com/getportal/ptlauth/e2e/visitor"
	"github.com/getportal/ptlauth/e2e/witness"
)

// buildContext is the address from which docs/install.md has Docker build images.
const buildContext = "https://" + modPath + ".git#v0.1.0"

// built are the file systems of an image's stages, by their names; the last one's is "". What the bases hold is not there.
func built(t *testing.T, dockerfile, context string, ignored func(string) bool) map[string]string {
	t.Helper()
	parsed, err := parser.Parse(strings.NewReader(text(t, dockerfile)))
	if err != nil {
		t.Fatal(err)
	}
	stages, arguments, err := instructions.Parse(parsed.AST, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(arguments) != 1 || len(arguments[0].Args) != 1 || arguments[0].Args[0].Key != "TRAEFIK" || !slices.Contains(traefik.Versions, *arguments[0].Args[0].Value) {
		t.Errorf("its arguments are %v", arguments)
	}
	roots := map[string]string{}
	for _, stage := range stages {
		root := t.TempDir()
		for _, command := range stage.Commands {
			step, ok := command.(*instructions.CopyCommand)
			if !ok {
				t.Fatalf("%s runs %v", dockerfile, command)
			}
			source, skips := context, ignored
			if step.From != "" {
				source, skips = roots[step.From], func(string) bool { return false }
			}
			if source == "" || len(step.SourceContents) > 0 {
				t.Fatalf("%v", step)
			}
			for _, pattern := range step.SourcePaths {
				copied(t, source, pattern, root, step.DestPath, step.Chmod, skips)
			}
		}
		roots[stage.Name] = root
	}
	if last := stages[len(stages)-1]; last.Name != "" || last.BaseName != "traefik:${TRAEFIK}" {
		t.Errorf("its last stage is %+v", last)
	}
	return roots
}

// copied copies what matches, as COPY does: of a folder, what is in it.
func copied(t *testing.T, source, pattern, root, to, mode string, skips func(string) bool) {
	t.Helper()
	matches, err := filepath.Glob(filepath.Join(source, pattern))
	if err != nil || len(matches) == 0 {
		t.Fatalf("COPY %s: %v, %v", pattern, matches, err)
	}
	for _, match := range matches {
		isFolder := isDir(t, match)
		err := filepath.WalkDir(match, func(file string, entry fs.DirEntry, err error) error {
			name, _ := filepath.Rel(source, file)
			if err != nil || entry.IsDir() || skips(filepath.ToSlash(name)) {
				return err
			}
			target := filepath.Join(root, to)
			if isFolder {
				inside, _ := filepath.Rel(match, file)
				target = filepath.Join(target, inside)
			} else if strings.HasSuffix(to, "/") {
				target = filepath.Join(target, filepath.Base(file))
			}
			info, err := entry.Info()
			if err != nil {
				return err
			}
			permissions := info.Mode().Perm()
			if mode != "" {
				octal, err := strconv.ParseUint(mode, 8, 32)
				if err != nil {
					return err
				}
				permissions = fs.FileMode(octal)
			}
			return transfer(file, target, permissions)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func transfer(from, to string, mode fs.FileMode) error {
	content, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(to, content, mode); err != nil {
		return err
	}
	return os.Chmod(to, mode)
}

func isDir(t *testing.T, path string) bool {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.IsDir()
}

// ignoring is what a .dockerignore keeps out of what is built.
func ignoring(t *testing.T, file string) func(string) bool {
	t.Helper()
	patterns, err := ignorefile.ReadAll(strings.NewReader(text(t, file)))
	if err != nil {
		t.Fatal(err)
	}
	matcher, err := patternmatcher.New(patterns)
	if err != nil {
		t.Fatal(err)
	}
	return func(name string) bool {
		ignored, err := matcher.MatchesOrParentMatches(name)
		if err != nil {
			t.Fatal(err)
		}
		return ignored
	}
}

// cloned is a copy of this repository as somebody has it whose files nobody else may read, with secrets in it.
func cloned(t *testing.T) string {
	t.Helper()
	git := program.Need(t, "git", "git")
	to := t.TempDir()
	for name := range strings.SplitSeq(strings.TrimSuffix(run(t, repository, git, "ls-files", "-z", "-co", "--exclude-standard"), "\x00"), "\x00") {
		from := filepath.Join(repository, name)
		info, err := os.Lstat(from)
		if err != nil || !info.Mode().IsRegular() {
			continue
		}
		if err := transfer(from, filepath.Join(to, name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{
		"secret", "ptl.yml", ".env", ".git/config", "demo/ptlauth/secret", "demo/ptlauth/terminals.json", "site/ptlauth/secret",
		"acme.json", "plugins-storage/archives/state.json", "internal/key/key_test.go", "internal/key/testdata/private.pem",
	} {
		file := filepath.Join(to, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte("private"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return to
}

// TestImage builds the images that docs/install.md has Docker build, as far as it is this repository that says what is in
// them, and has a Traefik start in them that reaches no catalog.
func TestImage(t *testing.T) {
	if !isThere(filepath.Join(repository, ".git")) {
		t.Skip("this is not a Git checkout")
	}
	folder := path.Join("plugins-local/src", modPath)
	dockerfile := filepath.Join(repository, "Dockerfile")
	clone := cloned(t)
	images := built(t, dockerfile, clone, ignoring(t, filepath.Join(repository, ".dockerignore")))

	t.Run("it holds the plugin as the catalog has it, less its words, for all to read", func(t *testing.T) {
		var want []string
		for _, name := range archived(t) {
			if path.Ext(name) != ".md" && name != "go.sum" || path.Dir(name) != "." {
				want = append(want, path.Join(folder, name))
			}
		}
		slices.Sort(want)
		for stage, root := range images {
			var got []string
			err := filepath.WalkDir(root, func(file string, entry fs.DirEntry, err error) error {
				if err != nil || entry.IsDir() {
					return err
				}
				info, err := entry.Info()
				if err != nil {
					return err
				}
				if info.Mode().Perm()&0o444 != 0o444 {
					t.Errorf("%s is %v", file, info.Mode())
				}
				name, err := filepath.Rel(root, file)
				got = append(got, filepath.ToSlash(name))
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			slices.Sort(got)
			if len(want) < 50 || !slices.Equal(got, want) {
				t.Errorf("the stage %q holds\n%q, want\n%q", stage, got, want)
			}
		}
	})
	// Docker does not read .dockerignore where it clones the repository itself.
	t.Run("built of the repository's address, it holds nothing but Go beside that", func(t *testing.T) {
		root := built(t, dockerfile, clone, func(string) bool { return false })[""]
		for name := range contents(t, filepath.Join(root, folder)) {
			dir, _, _ := strings.Cut(name, "/")
			isAtTop := dir == name && (path.Ext(name) == ".go" || slices.Contains([]string{".traefik.yml", "LICENSE", "go.mod"}, name))
			if dir != "internal" && dir != "vendor" && !isAtTop {
				t.Errorf("it holds %s", name)
			}
		}
	})

	if testing.Short() {
		t.Skip("starts Traefik")
	}
	t.Run("with Docker Compose, Traefik has the plugin", func(t *testing.T) {
		project := composedText(t, readmeExample(t, ownImage)[0])
		service := project["traefik"]
		if service.context != buildContext {
			t.Errorf("it is built of %q", service.context)
		}
		servesAlone(t, images[""], service.command)
	})
	t.Run("on Kubernetes an init container brings it along", func(t *testing.T) {
		values := text(t, clusterFolder+"values-image.yml")
		tag := pushed(t, readmeExample(t, buildingImage)[0])
		root, flags := initialized(t, values, tag, images["plugin"])
		servesAlone(t, root, flags)
		check := exec.CommandContext(t.Context(), "sh", "-c", `exec ptl check "$1"`, "sh", clusterFolder+"values-image.yml")
		check.Env = program.WithPtl(t)
		if out, err := check.CombinedOutput(); err != nil {
			t.Errorf("ptl check: %v\n%s", err, out)
		}
	})
}

// composedService is how a compose file has a service built, and what it is told.
type composedService struct {
	context string
	command []string
}

func composedText(t *testing.T, content string) map[string]composedService {
	t.Helper()
	file := filepath.Join(t.TempDir(), "compose.yml")
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	options, err := cli.NewProjectOptions([]string{file}, cli.WithName("site"))
	if err != nil {
		t.Fatal(err)
	}
	project, err := options.LoadProject(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	services := map[string]composedService{}
	for name, service := range project.Services {
		if service.Build == nil || service.Image != "" {
			t.Fatalf("%s is %+v", name, service)
		}
		services[name] = composedService{service.Build.Context, service.Command}
	}
	return services
}

// pushed is the name of the image that commands build, of the stage plugin, and push.
func pushed(t *testing.T, commands string) string {
	t.Helper()
	script := `docker() { printf '%s\n' "$*"; }` + "\n" + commands
	out, err := exec.CommandContext(t.Context(), "sh", "-euc", script).Output()
	if err != nil {
		t.Fatal(err)
	}
	var tag string
	build, push, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	if _, err := fmt.Sscanf(build, "build --target=plugin --tag=%s "+buildContext, &tag); err != nil || push != "push "+tag {
		t.Fatalf("docker is told %q: %v", out, err)
	}
	return tag
}

// initialized does what values for Traefik's Helm chart say before Traefik starts: it runs the init container with that
// image. It returns what Traefik then sees, and its flags.
func initialized(t *testing.T, values, image, files string) (root string, flags []string) {
	t.Helper()
	var chart chart
	if err := k8syaml.UnmarshalStrict([]byte(values), &chart); err != nil {
		t.Fatal(err)
	}
	volumes := map[string]string{}
	for _, volume := range chart.Deployment.AdditionalVolumes {
		if volume.EmptyDir == nil {
			t.Fatalf("the volume is %+v", volume)
		}
		volumes[volume.Name] = t.TempDir()
	}
	for _, container := range chart.Deployment.InitContainers {
		if container.Image != image {
			t.Errorf("the init container is of %s, and %s is pushed", container.Image, image)
		}
		var command []string
		for _, word := range container.Command {
			if strings.HasPrefix(word, "/") {
				place := filepath.Join(files, word)
				for _, mount := range container.VolumeMounts {
					if inside, ok := strings.CutPrefix(word+"/", mount.MountPath+"/"); ok {
						place = filepath.Join(volumes[mount.Name], inside)
					}
				}
				word = place
			}
			command = append(command, word)
		}
		for range 2 { // it may be started again
			if out, err := exec.CommandContext(t.Context(), command[0], command[1:]...).CombinedOutput(); err != nil {
				t.Fatalf("%q: %v\n%s", container.Command, err, out)
			}
		}
	}
	root = t.TempDir()
	for _, mount := range chart.AdditionalVolumeMounts {
		if err := os.Symlink(volumes[mount.Name], filepath.Join(root, mount.MountPath)); err != nil {
			t.Fatal(err)
		}
	}
	if values := strings.Join(strings.Fields(values), " "); !strings.Contains(values, "plugins: null") {
		t.Error("the catalog's plugin of values.yml would stay")
	}
	if chart.Experimental.AbortOnPluginFailure {
		flags = []string{"--experimental.abortOnPluginFailure=true"} // as the chart has it
	}
	return root, append(flags, chart.AdditionalArguments...)
}

// flagged is the static configuration that flags are, in the place of what tests have themselves.
func flagged(t *testing.T, flags []string) string {
	t.Helper()
	static := fromFlags(flags)
	experimental, _ := static["experimental"].(map[string]any)
	if experimental["localPlugins"] == nil {
		experimental["localPlugins"] = nil
	}
	text, err := yaml.Marshal(static)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// servesAlone starts Traefik with those files and flags, from where it reaches nothing. It must let in whoever has a token,
// and nobody else.
func servesAlone(t *testing.T, root string, flags []string) {
	t.Helper()
	if !slices.Contains(flags, "--experimental.abortOnPluginFailure=true") {
		t.Errorf("with %q Traefik would start without the plugin", flags)
	}
	nowhere := "http://" + program.UnusedAddr(t)
	app, dynamic, good := guarded(t)
	proxy, err := traefik.Start(t.Context(), traefik.Options{
		Root: root, Static: flagged(t, flags), Dynamic: dynamic,
		Env: []string{"HTTPS_PROXY=" + nowhere, "HTTP_PROXY=" + nowhere}, Progress: os.Stderr,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(proxy.Stop)
	lets(t, proxy, app, good)
}

// guarded is an app, the dynamic configuration of a Traefik before it, and what a request needs to be let in.
func guarded(t *testing.T) (*witness.App, string, http.Header) {
	t.Helper()
	secretFile, token := makeToken(t)
	app := new(witness.App)
	return app, fmt.Sprintf(`
http:
  routers: {app: {rule: Host("%s"), middlewares: [auth], service: app, entryPoints: [web]}}
  services: {app: {loadBalancer: {servers: [{url: %q}]}}}
  middlewares: {auth: {plugin: {ptlauth: {secretFile: %q, terminals: {file: %q}}}}}
`, appHost, witness.Listen(t, app), secretFile, listed(t)), http.Header{"Cookie": {"authorization=" + token}, "X-Ptl-User": {forged}}
}

// lets wants a Traefik to let in whoever has a token, and nobody else.
func lets(t *testing.T, proxy *traefik.Traefik, app *witness.App, good http.Header) {
	t.Helper()
	before := app.Requests
	if status, _ := visitor.Ask(t, proxy.URL("web"), appHost, http.Header{"X-Ptl-User": {forged}}); status != http.StatusUnauthorized || app.Requests != before {
		t.Errorf("without a token: got %d, and the app %d requests", status, app.Requests-before)
	}
	if status, _ := visitor.Ask(t, proxy.URL("web"), appHost, good); status != http.StatusOK || !slices.Equal(app.Header["X-Ptl-User"], []string{"you@example.com"}) {
		t.Errorf("with a token: got %d, and the app %v", status, app.Header)
	}
	if bytes.Contains([]byte(proxy.Log()), []byte("Plugins are disabled")) {
		t.Error("its plugins are disabled")
	}
}
