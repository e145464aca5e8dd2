package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"

	"github.com/getportal/ptlauth/cmd/command"
	"github.com/getportal/ptlauth/cmd/registry"
	"github.com/getportal/ptlauth/internal/pairing"
)

// running is a ptl that has been started at a person's terminal.
type running struct {
	cmd    *exec.Cmd
	screen *os.File
	seen   chan string // what is on the screen, in pieces
	text   strings.Builder
}

// atTerminal starts ptl for a person.
func (s *testSite) atTerminal(t testing.TB, args ...string) *running {
	t.Helper()
	r := &running{cmd: exec.Command("ptl", args...), seen: make(chan string, 1000)}
	r.cmd.Dir = s.dir
	screen, err := pty.StartWithSize(r.cmd, &pty.Winsize{Rows: 50, Cols: 100})
	if err != nil {
		t.Fatal(err)
	}
	r.screen = screen
	t.Cleanup(func() {
		_ = r.cmd.Process.Kill()
		screen.Close()
	})
	go func() {
		defer close(r.seen)
		buffer := make([]byte, 4096)
		for {
			n, err := screen.Read(buffer)
			r.seen <- string(buffer[:n])
			if err != nil {
				return
			}
		}
	}()
	return r
}

// says waits until the screen shows that, and returns the match's first group.
func (r *running) says(t testing.TB, pattern string) string {
	t.Helper()
	wanted := regexp.MustCompile(pattern)
	limit := time.After(30 * time.Second)
	for {
		if match := wanted.FindStringSubmatch(r.text.String()); match != nil {
			return match[len(match)-1]
		}
		select {
		case piece, ok := <-r.seen:
			if !ok {
				t.Fatalf("ptl has ended without %q, and said\n%s", pattern, r.text.String())
			}
			r.text.WriteString(piece)
		case <-limit:
			t.Fatalf("ptl does not say %q, but\n%s", pattern, r.text.String())
		}
	}
}

func (r *running) types(t testing.TB, text string) {
	t.Helper()
	if _, err := io.WriteString(r.screen, text); err != nil {
		t.Fatal(err)
	}
}

// ends waits for the end, which must be like that.
func (r *running) ends(t testing.TB, want command.Exit) {
	t.Helper()
	for piece := range r.seen {
		r.text.WriteString(piece)
	}
	_ = r.cmd.Wait()
	if got := r.cmd.ProcessState.ExitCode(); got != int(want) {
		t.Errorf("ptl ends with %d, want %d:\n%s", got, want, r.text.String())
	}
}

const (
	linkShown = `(http://\S+/\.ptl/pair#[0-9A-Z]{26})\s`
	codeShown = `and type\s+([0-9A-Z]{5}-[0-9A-Z]{5})\s`
)

func codeIn(link string) string {
	_, code, _ := strings.Cut(link, "#")
	return code
}

// wantList fails unless the list has just these names, and whether codes are on it.
func (s *testSite) wantList(t testing.TB, hasCodes bool, names ...string) {
	t.Helper()
	var got []string
	for _, terminal := range s.list(t).Terminals {
		got = append(got, terminal.Name())
		if (terminal.Pairing() != nil) != hasCodes {
			t.Errorf("%s has codes: %t, want %t", terminal.Name(), !hasCodes, hasCodes)
		}
	}
	if strings.Join(got, ", ") != strings.Join(names, ", ") {
		t.Errorf("on the list are %q, want %q", got, names)
	}
}

// TestPair is the whole way with a person at each end: the one at ptl, and the one with the device.
func TestPair(t *testing.T) {
	for _, test := range []struct{ name, shown, answer, said string }{
		{"by the link", linkShown, "\n", "kitchen tablet is paired"},
		{"by the code that is typed", codeShown, "y\n", "kitchen tablet is paired"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := newTestSite(t, "")
			ptl := s.atTerminal(t, "pair", "--name=kitchen tablet", "--user", "you@example.com")
			code := ptl.says(t, test.shown)
			ptl.says(t, "Waiting for the device; the code is good for 10 min more")
			s.wantList(t, true, "kitchen tablet")
			tablet := newDevice(t, s.url)
			if status := tablet.visit(t); status != 401 {
				t.Errorf("before it is paired, status %d", status)
			}
			if test.shown == linkShown {
				code = codeIn(code)
			}
			if status := tablet.pair(t, code); status != 200 {
				t.Errorf("pairing ends with status %d", status)
			}
			if status := tablet.visit(t); status != 200 {
				t.Errorf("after it is paired, status %d", status)
			}
			ptl.says(t, `Chrome on Android, 127\.0\.0\.1 is in\. Was that you\? \[Y/n\] `)
			s.wantList(t, false, "kitchen tablet")
			if status := newDevice(t, s.url).pair(t, code); status == 200 {
				t.Error("the code is good for another device")
			}
			ptl.types(t, test.answer)
			ptl.says(t, test.said)
			ptl.ends(t, command.Done)
			one := s.list(t).Terminals[0]
			if since := time.Since(time.Unix(one.Since(), 0)); one.User() != "you@example.com" || since > time.Minute || since < -time.Minute {
				t.Errorf("it is of %q, and paired for %s", one.User(), since)
			}
		})
	}
}

// TestPairNo: whoever was not meant is out again.
func TestPairNo(t *testing.T) {
	t.Parallel()
	s := newTestSite(t, "")
	ptl := s.atTerminal(t, "pair", "--name=phone")
	stranger := newDevice(t, s.url)
	if status := stranger.pair(t, codeIn(ptl.says(t, linkShown))); status != 200 {
		t.Fatalf("pairing ends with status %d", status)
	}
	ptl.says(t, `Was that you\?`)
	ptl.types(t, "n\n")
	ptl.says(t, "phone is out")
	if status := stranger.visit(t); status != 401 {
		t.Errorf("it is said to be out, and gets status %d", status)
	}
	ptl.says(t, "somebody else has used the code")
	ptl.ends(t, command.Refused)
	s.wantList(t, false)
}

// TestPairInterrupted: what is begun is undone, and what has come about in the last moment stays.
func TestPairInterrupted(t *testing.T) {
	for name, end := range map[string]func(*running){
		"Ctrl-C":                       func(r *running) { _, _ = io.WriteString(r.screen, "\x03") },
		"SIGTERM":                      func(r *running) { _ = r.cmd.Process.Signal(syscall.SIGTERM) },
		"the window is closed, SIGHUP": func(r *running) { _ = r.cmd.Process.Signal(syscall.SIGHUP) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newTestSite(t, "")
			ptl := s.atTerminal(t, "pair", "--name=phone")
			ptl.says(t, "Waiting for the device")
			end(ptl)
			ptl.says(t, "interrupted: the code is taken back, and nobody is in")
			ptl.ends(t, command.Interrupted)
			s.wantList(t, false)
		})
	}
	t.Run("a device that has used the code just before is in", func(t *testing.T) {
		t.Parallel()
		s := newTestSite(t, "")
		ptl := s.atTerminal(t, "pair", "--name=phone")
		code := codeIn(ptl.says(t, linkShown))
		ptl.says(t, "Waiting for the device")
		phone := newDevice(t, s.url)
		if status := phone.pair(t, code); status != 200 {
			t.Fatalf("pairing ends with status %d", status)
		}
		_ = ptl.cmd.Process.Signal(syscall.SIGTERM)
		ptl.says(t, "phone is paired")
		ptl.ends(t, command.Done)
		s.wantList(t, false, "phone")
		if status := phone.visit(t); status != 200 {
			t.Errorf("status %d", status)
		}
	})
}

// TestPairKilled: what is left of a ptl that was killed can be used until its end, and is tidied up after it.
func TestPairKilled(t *testing.T) {
	t.Parallel()
	s := newTestSite(t, "")
	ptl := s.atTerminal(t, "pair", "--name=phone")
	ptl.says(t, "Waiting for the device")
	_ = ptl.cmd.Process.Kill()
	s.wantList(t, true, "phone")
	file := &registry.File{Path: s.path("ptlauth/terminals.json")}
	err := file.Change(t.Context(), func(l *registry.List) error {
		id := l.Terminals[0].ID()
		l.Remove(id)
		l.Add(id, "phone", "", &registry.Pairing{Ends: time.Now().Add(-time.Hour).Unix(), Link: "a", Code: "b", Watch: "c"})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	s.run(t, command.Done, "token", "--name=script")
	s.wantList(t, false, "phone", "script")
}

// run runs ptl for a program, and returns what it writes: for the program, and for whoever reads along.
func (s *testSite) run(t testing.TB, want command.Exit, args ...string) (stdout, stderr string) {
	t.Helper()
	var out, notes strings.Builder
	cmd := exec.Command("ptl", args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = s.dir, &out, &notes
	_ = cmd.Run()
	if got := cmd.ProcessState.ExitCode(); got != int(want) {
		t.Errorf("ptl %s ends with %d, want %d:\n%s%s", strings.Join(args, " "), got, want, out.String(), notes.String())
	}
	return out.String(), notes.String()
}

// TestPairForPrograms: a line of JSON when the code can be used, and one when it was.
func TestPairForPrograms(t *testing.T) {
	t.Parallel()
	s := newTestSite(t, "")
	picture := filepath.Join(t.TempDir(), "code.png")
	if err := os.WriteFile(picture, []byte("an older one"), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("ptl", "pair", "--name=phone", "--json", "--png="+picture)
	cmd.Dir = s.dir
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill()
	lines := bufio.NewReader(out)
	var waiting, used struct {
		State, ID, Name, Link, Page, Code string
		Ends, At                          int64
		Browser, Address                  string
	}
	read := func(into any) {
		t.Helper()
		line, err := lines.ReadString('\n')
		if err != nil || json.Unmarshal([]byte(line), into) != nil {
			t.Fatalf("%v: %q", err, line)
		}
	}
	read(&waiting)
	if waiting.State != pairing.Waiting || waiting.Page != s.url+"/.ptl/pair" || waiting.Link[:len(waiting.Page)+1] != waiting.Page+"#" {
		t.Errorf("got %+v", waiting)
	}
	if content, err := os.ReadFile(picture); err != nil || !strings.HasPrefix(string(content), "\x89PNG") {
		t.Errorf("the picture is %.8q, %v", content, err)
	}
	if info, err := os.Stat(picture); err != nil || !isWindows && info.Mode().Perm() != 0o600 {
		t.Errorf("the picture is for others too: %v, %v", info, err)
	}
	if status := newDevice(t, s.url).pair(t, waiting.Code); status != 200 {
		t.Fatalf("pairing ends with status %d", status)
	}
	read(&used)
	if used.State != pairing.Taken || used.ID != waiting.ID || used.Browser != "Chrome on Android" || used.Address != "127.0.0.1" {
		t.Errorf("got %+v", used)
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}

// TestPairTrouble: what keeps a code from being good is told before a person tries it, and nothing is left behind.
func TestPairTrouble(t *testing.T) {
	for _, test := range []struct {
		name  string
		spoil func(t *testing.T, s *testSite) []string
		exit  command.Exit
		said  string
	}{
		{"a wrong address", func(t *testing.T, s *testSite) []string { return []string{"--url=http://nobody.invalid"} },
			command.Site, "there is no host nobody.invalid"},
		{"an address of something else", func(t *testing.T, s *testSite) []string { return []string{"--url=" + s.url + "/elsewhere"} },
			command.Site, "/elsewhere/.ptl/pair/used answers 401: look whether the router of that host has the middleware"},
		{"https where there is none", func(t *testing.T, s *testSite) []string {
			return []string{"--url=" + strings.Replace(s.url, "http:", "https:", 1)}
		}, command.Site, "does not speak HTTPS"},
		{"a middleware without pairing", func(t *testing.T, s *testSite) []string {
			s.write(t, "ptlauth/dynamic.yml", strings.Replace(s.read(t, "ptlauth/dynamic.yml"), "enabled: true", "enabled: false", 1))
			return nil
		}, command.Usage, "the middleware auth does not pair: write `pairing: {enabled: true}`"},
		{"a middleware that is misconfigured", func(t *testing.T, s *testSite) []string {
			s.write(t, "ptlauth/dynamic.yml", s.read(t, "ptlauth/dynamic.yml")+"          requireExpiry: true\n")
			return nil
		}, command.Usage, "the middleware auth (" /* …dynamic.yml, line 6) is misconfigured */},
		{"a list that Traefik does not read", func(t *testing.T, s *testSite) []string {
			s.write(t, "other.json", "[]")
			return []string{"--registry=other.json"}
		}, command.Site, "does not see the new terminal in"},
		{"another secret than Traefik's", func(t *testing.T, s *testSite) []string {
			s.write(t, "other", strings.Repeat("another secret ", 5)+"x")
			return []string{"--secretFile=other"}
		}, command.Site, "does not see the new terminal in"},
		{"a Traefik whose clock is ahead", func(t *testing.T, s *testSite) []string {
			there, err := url.Parse(s.url)
			if err != nil {
				t.Fatal(err)
			}
			ahead := httputil.NewSingleHostReverseProxy(there)
			ahead.ModifyResponse = func(r *http.Response) error {
				r.Header.Set("Date", time.Now().Add(20*time.Minute).UTC().Format(http.TimeFormat))
				r.Body = io.NopCloser(strings.NewReader(`{"state":"unknown"}`)) // to which a code has ended there
				r.Header.Del("Content-Length")
				r.ContentLength = -1
				return nil
			}
			server := httptest.NewServer(ahead)
			t.Cleanup(server.Close)
			return []string{"--url=" + server.URL}
		}, command.Site, "its clock differs from this machine's by "},
		{"a name that no app can be told", func(t *testing.T, s *testSite) []string { return []string{"--name=a\nb"} },
			command.Usage, "the name "},
		{"a code that is good for ever", func(t *testing.T, s *testSite) []string { return []string{"--expires=2400h"} },
			command.Usage, "at most 24h"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := newTestSite(t, "")
			_, said := s.run(t, test.exit, append([]string{"pair"}, test.spoil(t, s)...)...)
			if !strings.Contains(said, test.said) {
				t.Errorf("said is\n%s\nwant %q", said, test.said)
			}
			s.wantList(t, false)
			if other, err := os.ReadFile(s.path("other.json")); err == nil && string(other) != "[]\n" {
				t.Errorf("left behind is %s", other)
			}
		})
	}
}

// TestPairRefused: where nobody listens, ptl says so at once and does not try for long.
func TestPairRefused(t *testing.T) {
	t.Parallel()
	s := newTestSite(t, "")
	began := time.Now()
	ptl := s.atTerminal(t, "pair", "--name=phone", "--url=http://127.0.0.1:1")
	ptl.says(t, `127\.0\.0\.1:1 does not answer, because nothing listens there \(connection refused\): [^\n]* Trying for 3s\.`)
	if told := time.Since(began); told > 2*time.Second {
		t.Errorf("it is told after %s", told)
	}
	ptl.says(t, `or write --url=URL\. The new terminal is off the list again`)
	ptl.ends(t, command.Site)
	if took := time.Since(began); took > 7*time.Second {
		t.Errorf("ptl ends after %s", took)
	}
	s.wantList(t, false)
}

// TestPairEarly: a Traefik that does not know its routers yet, or whose middleware is not ready, is waited for.
func TestPairEarly(t *testing.T) {
	for _, status := range []int{404, 503} {
		t.Run(strconv.Itoa(status), func(t *testing.T) {
			t.Parallel()
			s := newTestSite(t, "")
			began := time.Now()
			early := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if time.Since(began) < 3*time.Second {
					w.WriteHeader(status)
					return
				}
				httputil.NewSingleHostReverseProxy(must(t, s.url)).ServeHTTP(w, r)
			}))
			t.Cleanup(early.Close)
			ptl := s.atTerminal(t, "pair", "--name=phone", "--url="+early.URL)
			ptl.says(t, fmt.Sprintf(`answers %d: Traefik [^\n]* Trying for 10s\.`, status))
			ptl.says(t, linkShown)
		})
	}
}

// TestUnpair: when ptl says so, the device is out.
func TestUnpair(t *testing.T) {
	t.Parallel()
	s := newTestSite(t, "")
	token, _ := s.run(t, command.Done, "token", "--name=tablet")
	id := s.list(t).Terminals[0].ID()
	asked := func() int {
		d := newDevice(t, s.url)
		request := s.url + "/"
		u := must(t, request)
		d.client.Jar.SetCookies(u, cookie(strings.TrimSpace(token)))
		return d.visit(t)
	}
	deadline := time.Now().Add(10 * time.Second)
	for asked() != 200 {
		if time.Now().After(deadline) {
			t.Fatal("the new token is not admitted")
		}
		time.Sleep(100 * time.Millisecond)
	}
	_, said := s.run(t, command.Done, "unpair", "Tablet")
	if status := asked(); status != 401 || said != "tablet ("+id+") is out.\n" {
		t.Errorf("status %d, and said %q", status, said)
	}
	s.run(t, command.Nobody, "unpair", "tablet")
	s.wantList(t, false)
}

// TestUnpairLate: a Traefik that does not see the change is told of.
func TestUnpairLate(t *testing.T) {
	t.Parallel()
	s := newTestSite(t, "          refresh: 200ms\n")
	s.run(t, command.Done, "token", "--name=tablet")
	// As with a file that is mounted by itself, Traefik goes on with the old one.
	s.write(t, "copy.json", s.read(t, "ptlauth/terminals.json"))
	_, said := s.run(t, command.Late, "unpair", "tablet", "--registry=copy.json")
	if !strings.Contains(said, "Traefik has not refused it for") || !strings.Contains(said, "mount its folder") {
		t.Errorf("said is %q", said)
	}
}

// TestUnpairAsks: of several of a name, the one that is meant.
func TestUnpairAsks(t *testing.T) {
	t.Parallel()
	s := newTestSite(t, "")
	s.run(t, command.Done, "token", "--name=phone", "--user=ann")
	s.run(t, command.Done, "token", "--name=phone", "--user=ben")
	s.run(t, command.Nobody, "unpair", "phone")
	ptl := s.atTerminal(t, "unpair", "phone")
	ptl.says(t, `Which one\? \[1-2\] `)
	ptl.types(t, "2\n")
	ptl.says(t, "is out")
	ptl.ends(t, command.Done)
	if l := s.list(t); len(l.Terminals) != 1 || l.Terminals[0].User() != "ann" {
		t.Errorf("left is %s", registry.Format(l))
	}
}

// TestUnpairTrouble: who cannot be asked has the device off the list all the same, and is told.
func TestUnpairTrouble(t *testing.T) {
	t.Parallel()
	s := newTestSite(t, "")
	s.run(t, command.Done, "token", "--name=tablet")
	if _, said := s.run(t, command.Site, "unpair", "tablet", "--url=http://127.0.0.1:1"); !strings.Contains(said, "is off the list, and whether Traefik knows could not be asked: 127.0.0.1:1 does not answer") {
		t.Errorf("said is %q", said)
	}
	s.wantList(t, false)
	// What happens to one keeps no other in.
	s.run(t, command.Done, "token", "--name=tablet")
	s.run(t, command.Done, "token", "--name=phone")
	_, said := s.run(t, command.Site, "unpair", "tablet", "phone", "--url=http://127.0.0.1:1")
	if !strings.Contains(said, "tablet (") || !strings.Contains(said, "phone (") || strings.Count(said, "is off the list") != 2 {
		t.Errorf("said is %q", said)
	}
	s.wantList(t, false)
	s.run(t, command.Done, "token", "--name=tablet")
	s.write(t, "ptlauth/dynamic.yml", strings.Replace(s.read(t, "ptlauth/dynamic.yml"), "enabled: true", "enabled: false", 1))
	if _, said := s.run(t, command.Done, "unpair", "tablet"); !strings.Contains(said, "is off the list, and Traefik will know within `refresh`") {
		t.Errorf("said is %q", said)
	}
	s.wantList(t, false)
}
