package traefik

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	readyTimeout = time.Minute
	stopTimeout  = 3 * time.Second
	pollInterval = 10 * time.Millisecond
	refusalGrace = 500 * time.Millisecond
)

// Options say which Traefik to start, and with what. The zero value is a Traefik without any router.
type Options struct {
	// Binary is the Traefik to start. Empty: what [Binary] returns for Version.
	Binary string
	// Version is one of [Versions], or empty for the default.
	Version string
	// Progress is told what goes on while the binary is built. May be nil.
	Progress io.Writer

	// Dynamic is the dynamic configuration, as the YAML of the file provider.
	// [Traefik.Reload] replaces it.
	Dynamic string
	// Static is YAML that is merged over the static configuration: maps into maps, a null removes an
	// entry. Any entry point whose port is 0 gets a free one.
	Static string
	// Debug serves pprof below /debug/pprof/ of the entry point traefik.
	Debug bool
	// Env is added to this process's environment.
	Env []string

	// Root is Traefik's working directory, as / is in its container: the plugins in it are used as they are, and it stays
	// after Stop. Empty: a folder of its own, with links to the plugins.
	Root string
	// Plugin is the folder of ptlauth. Empty: this repository.
	Plugin string
	// Plugins are further local plugins: module path to folder. Each one's alias is the last element
	// of its module path.
	Plugins map[string]string
}

// Traefik is a running Traefik with the entry points web, websecure and traefik (API and ping), each
// on a free port of 127.0.0.1. Its log level is DEBUG and its log and access log are lines of JSON,
// unless Options.Static says otherwise.
type Traefik struct {
	dir       string
	keepsDir  bool
	addresses map[string]string
	cmd       *exec.Cmd
	exited    chan struct{}
	stop      sync.Once

	reload     sync.Mutex
	generation int

	kept sync.Mutex
	logs map[string]string // what the log files held when their folder was removed
}

var errAddressInUse = errors.New("address already in use")

// Start starts Traefik and returns when it has applied its dynamic configuration.
// The context bounds the start only: Traefik runs until Stop, or until this process ends.
func Start(ctx context.Context, options Options) (*Traefik, error) {
	if options.Binary == "" {
		binary, err := Binary(ctx, options.Version, options.Progress)
		if err != nil {
			return nil, err
		}
		options.Binary = binary
	}
	for attempt := 1; ; attempt++ {
		t, err := start(ctx, options)
		// A free port may be taken again before Traefik listens on it.
		if errors.Is(err, errAddressInUse) && attempt < 5 {
			continue
		}
		return t, err
	}
}

func start(ctx context.Context, options Options) (_ *Traefik, err error) {
	dir := options.Root
	if dir == "" {
		if dir, err = os.MkdirTemp("", "ptlauth-traefik-"); err != nil {
			return nil, err
		}
	}
	t := &Traefik{dir: dir, keepsDir: options.Root != "", exited: make(chan struct{})}
	defer func() {
		if err != nil {
			t.Stop()
		}
	}()

	configuration, addresses, err := static(options)
	if err != nil {
		return nil, err
	}
	t.addresses = addresses
	if err := os.WriteFile(filepath.Join(dir, "traefik.yml"), configuration, 0o600); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Join(dir, "dynamic"), 0o700); err != nil {
		return nil, err
	}
	if !t.keepsDir {
		if err := linkPlugins(dir, options); err != nil {
			return nil, err
		}
	}
	if err := t.write(options.Dynamic); err != nil {
		return nil, err
	}
	if err := t.run(options); err != nil {
		return nil, err
	}
	if err := t.applied(ctx, 0); err != nil {
		if strings.Contains(t.Log(), errAddressInUse.Error()) {
			err = errors.Join(errAddressInUse, err)
		}
		return nil, err
	}
	return t, nil
}

// run starts the process.
func (t *Traefik) run(options Options) error {
	output, err := os.Create(filepath.Join(t.dir, "traefik.log"))
	if err != nil {
		return err
	}
	defer output.Close()

	cmd := exec.Command(options.Binary, "--configFile="+filepath.Join(t.dir, "traefik.yml"))
	cmd.Dir = t.dir
	cmd.Env = append(os.Environ(), options.Env...)
	cmd.Stdout, cmd.Stderr = output, output
	dieWithParent(cmd)

	started := make(chan error)
	go func() {
		// Linux counts the thread that started a process as its parent (golang.org/issue/27505).
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		if err == nil {
			t.cmd = cmd
		}
		started <- err
		if err == nil {
			_ = cmd.Wait()
			close(t.exited)
		}
	}()
	return <-started
}

// write puts the next generation of the dynamic configuration in place, each file at once.
func (t *Traefik) write(dynamic string) error {
	// Traefik reads the files in the order of their names. So when the API shows this router, what was
	// in the other file before is read as well.
	marker := fmt.Sprintf("http: {routers: {%s: {rule: 'Path(`/%[1]s`)', service: ping@internal, entryPoints: [traefik]}}}\n", t.marker())
	for _, file := range []struct{ name, content string }{{"dynamic.yml", dynamic}, {"0-generation.yml", marker}} {
		temporary := filepath.Join(t.dir, file.name)
		if err := os.WriteFile(temporary, []byte(file.content), 0o600); err != nil {
			return err
		}
		if err := os.Rename(temporary, filepath.Join(t.dir, "dynamic", file.name)); err != nil {
			return err
		}
	}
	return nil
}

func (t *Traefik) marker() string {
	return fmt.Sprintf("ptlauth-generation-%d", t.generation)
}

// applied waits until Traefik uses what write has written. What is logged from an offset on may tell
// that it never will.
func (t *Traefik) applied(ctx context.Context, logOffset int) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	var refused time.Time
	for !t.answers(ctx, "/ping") || !t.answers(ctx, "/api/http/routers/"+t.marker()+"@file") {
		select {
		case <-t.exited:
			return fmt.Errorf("Traefik ended: %s\n%s", t.cmd.ProcessState, tail(t.Log()))
		case <-ctx.Done():
			return fmt.Errorf("Traefik did not apply its configuration: %w\n%s", ctx.Err(), tail(t.Log()))
		case <-time.After(pollInterval):
		}
		line := refusal(t.Log()[logOffset:])
		if line != "" && refused.IsZero() {
			refused = time.Now()
		}
		// A late line may still be about the configuration before this one.
		if line != "" && time.Since(refused) > refusalGrace {
			return fmt.Errorf("Traefik refused its configuration: %s", line)
		}
	}
	// Traefik switches its entry points one after the other, in any order.
	time.Sleep(pollInterval)
	return nil
}

// refusal is the first line of a log that says why Traefik refused a whole configuration.
func refusal(log string) string {
	for line := range strings.Lines(log) {
		if strings.Contains(line, "Error occurred during watcher callback") ||
			strings.Contains(line, "Error while building configuration") {
			return strings.TrimSpace(line)
		}
	}
	return ""
}

func (t *Traefik) answers(ctx context.Context, path string) bool {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, t.URL("traefik")+path, nil)
	if err != nil {
		return false
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return false
	}
	defer response.Body.Close()
	_, _ = io.Copy(io.Discard, response.Body)
	return response.StatusCode == http.StatusOK
}

// Reload replaces the dynamic configuration and returns when Traefik has applied it, or has refused it
// as a whole. Routers and middlewares that Traefik leaves out one by one are no error here, but in
// the log and the API.
func (t *Traefik) Reload(ctx context.Context, dynamic string) error {
	t.reload.Lock()
	defer t.reload.Unlock()
	offset := len(t.Log())
	t.generation++
	if err := t.write(dynamic); err != nil {
		return err
	}
	return t.applied(ctx, offset)
}

// Addr is the host and port of an entry point: web, websecure, traefik, or one from Options.Static.
func (t *Traefik) Addr(entryPoint string) string {
	address := t.addresses[entryPoint]
	if strings.HasPrefix(address, ":") {
		return "127.0.0.1" + address
	}
	return address
}

// URL is an entry point's scheme, host and port, without a slash at its end.
func (t *Traefik) URL(entryPoint string) string {
	if entryPoint == "websecure" {
		return "https://" + t.Addr(entryPoint)
	}
	return "http://" + t.Addr(entryPoint)
}

// Log is all that Traefik has logged. It can still be read after Stop.
func (t *Traefik) Log() string { return t.read("traefik.log") }

// AccessLog is all that Traefik has written to its access log. It can still be read after Stop.
func (t *Traefik) AccessLog() string { return t.read("access.log") }

func (t *Traefik) read(name string) string {
	t.kept.Lock()
	defer t.kept.Unlock()
	if t.logs != nil {
		return t.logs[name]
	}
	content, _ := os.ReadFile(filepath.Join(t.dir, name))
	return string(content)
}

// LogLines are the lines of the log that contain all of the texts.
func (t *Traefik) LogLines(texts ...string) []string {
	var lines []string
next:
	for line := range strings.Lines(t.Log()) {
		for _, text := range texts {
			if !strings.Contains(line, text) {
				continue next
			}
		}
		lines = append(lines, strings.TrimSuffix(line, "\n"))
	}
	return lines
}

// WaitLog waits until the log contains a text.
func (t *Traefik) WaitLog(ctx context.Context, text string) error {
	for !strings.Contains(t.Log(), text) {
		select {
		case <-t.exited:
			return fmt.Errorf("Traefik ended and never logged %q\n%s", text, tail(t.Log()))
		case <-ctx.Done():
			return fmt.Errorf("Traefik did not log %q: %w\n%s", text, ctx.Err(), tail(t.Log()))
		case <-time.After(pollInterval):
		}
	}
	return nil
}

// PID is Traefik's process id.
func (t *Traefik) PID() int { return t.cmd.Process.Pid }

// Dir is Traefik's working directory: relative paths in its configuration start here.
func (t *Traefik) Dir() string { return t.dir }

// Stop ends Traefik and removes its working directory, unless Options.Root gave it. Once Traefik has stopped, it does nothing.
func (t *Traefik) Stop() {
	t.stop.Do(func() {
		if t.cmd != nil {
			_ = t.cmd.Process.Signal(syscall.SIGTERM)
			select {
			case <-t.exited:
			case <-time.After(stopTimeout):
				_ = t.cmd.Process.Kill()
				<-t.exited
			}
		}
		logs := map[string]string{"traefik.log": t.Log(), "access.log": t.AccessLog()}
		t.kept.Lock()
		defer t.kept.Unlock()
		t.logs = logs
		if !t.keepsDir {
			_ = os.RemoveAll(t.dir)
		}
	})
}

func tail(log string) string {
	lines := strings.Split(strings.TrimSpace(log), "\n")
	return strings.Join(lines[max(0, len(lines)-20):], "\n")
}
