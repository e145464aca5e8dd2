// Package stores asks whether devices come and go by ptl, and nobody else, where a store configures the middleware.
package stores

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/getportal/ptlauth/e2e/issuer"
	"github.com/getportal/ptlauth/e2e/poll"
	"github.com/getportal/ptlauth/e2e/program"
	"github.com/getportal/ptlauth/e2e/source"
	"github.com/getportal/ptlauth/e2e/traefik"
	"github.com/getportal/ptlauth/e2e/traefik/traefiktest"
	"github.com/getportal/ptlauth/e2e/visitor"
	"github.com/getportal/ptlauth/e2e/witness"
)

const (
	options  = "traefik/http/middlewares/auth/plugin/ptlauth/"
	paired   = options + "terminals/paired/"
	machines = 3
)

// site is a Traefik that a store configures, and ptl on several machines.
type site struct {
	*engine
	proxy  *traefik.Traefik
	env    []string
	dirs   [machines]string // the folder of each one, with its own ptl.yml
	secret string
}

func newSite(t *testing.T, e *engine, env []string) *site {
	s := &site{engine: e, env: env, secret: issuer.NewSecret()}
	app := witness.Listen(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, r.Header.Get("X-Ptl-User"), "/", r.Header.Get("X-Ptl-Client-Name"))
	}))
	s.put(t, "traefik/http/routers/app/rule", "PathPrefix(`/`)", "traefik/http/routers/app/service", "app", "traefik/http/routers/app/middlewares/0", "auth",
		"traefik/http/services/app/loadBalancer/servers/0/url", app, options+"secretFile", "/run/secrets/there",
		// Two middlewares, of which ptl must choose.
		"traefik/http/middlewares/other/plugin/ptlauth/secretFile", "/run/secrets/there")
	s.put(t, options+"secretFile", source.Named(t, "secret", s.secret), options+"pairing/enabled", "true")
	// As slow as Traefik is where nobody says otherwise.
	s.proxy = traefiktest.Start(t, traefik.Options{Static: "providers: {providersThrottleDuration: 2s, " + e.static + "}"})
	for i := range s.dirs {
		s.dirs[i] = t.TempDir()
		content := fmt.Sprintf("url: %s\nregistry: %s\nmiddleware: auth\nsecretFile: %s\n", s.proxy.URL("web"), e.url, source.Named(t, "secret", s.secret))
		if err := os.WriteFile(filepath.Join(s.dirs[i], "ptl.yml"), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// command is ptl on any of the machines.
func (s *site) command(args ...string) *exec.Cmd {
	command := exec.Command("sh", append([]string{"-c", `exec ptl "$@"`, "sh"}, args...)...)
	command.Dir, command.Env = s.dirs[rand.IntN(machines)], s.env
	return command
}

// ptl returns what it writes on standard output and on standard error; it must end well.
func (s *site) ptl(t *testing.T, args ...string) (string, string) {
	t.Helper()
	return program.Written(t, s.command(args...))
}

// as is what a token gets: user and name at the app, or the status.
func (s *site) as(t *testing.T, token string) string {
	t.Helper()
	status, body := visitor.Ask(t, s.proxy.URL("web"), "", http.Header{"Cookie": {"authorization=" + token}})
	if status != http.StatusOK {
		return fmt.Sprint(status)
	}
	return body
}

func (s *site) await(t *testing.T, token, want string) {
	t.Helper()
	poll.Until(t, 20*time.Second, func() string {
		if got := s.as(t, token); got != want {
			return fmt.Sprintf("%s, want %s", got, want)
		}
		return ""
	})
}

// watch asks all the time as devices that nobody changes, until the function that it returns is called.
func (s *site) watch(t *testing.T, devices map[string]string) func() {
	stop := make(chan struct{})
	var all sync.WaitGroup
	for token, want := range devices {
		all.Go(func() {
			asked := 0
			for {
				select {
				case <-stop:
					t.Logf("%s asked %d times", want, asked)
					return
				case <-time.After(5 * time.Millisecond):
				}
				asked++
				if got := s.as(t, token); got != want {
					t.Errorf("a device that nobody touches got %s, want %s", got, want)
					return
				}
			}
		})
	}
	return func() { close(stop); all.Wait() }
}

// TestStores lets devices in and throws them out by ptl, while others ask all the time.
func TestStores(t *testing.T) {
	if testing.Short() {
		t.Skip("starts Traefik")
	}
	env := program.WithPtl(t)
	for name, begin := range engines {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, begin(t), env)
			first, _ := s.ptl(t, "token", "--name=first one", "--user=ann")
			s.await(t, first, "ann/first one")
			second, _ := s.ptl(t, "token", "--name=Ömer's, \"007\"", "--user=ben")
			s.await(t, second, "ben/Ömer's, \"007\"")
			devices := map[string]string{first: "ann/first one", second: "ben/Ömer's, \"007\""}
			t.Run("one is in, is another's, and is out when ptl says so", func(t *testing.T) { comesAndGoes(t, s, devices) })
			t.Run("a browser is let in by a code", func(t *testing.T) { pairs(t, s, devices) })
			t.Run("a code that is taken back leaves nothing", func(t *testing.T) { takenBack(t, s, devices) })
			t.Run("a code is good once, whatever changes meanwhile", func(t *testing.T) { reloaded(t, s, devices) })
			t.Run("what many ptl of three machines say at once is true", func(t *testing.T) { many(t, s, devices) })
			t.Run("a ptl that is killed leaves a device or none, and no part of one", func(t *testing.T) { killed(t, s, devices) })
			s.put(t, options+"pairing/enabled", "false")
			t.Run("without codes one comes and goes too", func(t *testing.T) { comesAndGoes(t, s, devices) })
			if name == "Redis" {
				t.Run("and is nobody else's when ptl says its token", func(t *testing.T) { isOwners(t, s) })
			}
			t.Run("a code is refused then, and what else there is is said", func(t *testing.T) {
				out, err := s.command("pair", "--name=phone").CombinedOutput()
				if err == nil || !strings.Contains(string(out), "does not pair: put pairing/enabled") || !strings.Contains(string(out), "ptl token") {
					t.Errorf("%v, %s", err, out)
				}
			})
			if s.quietly != nil {
				t.Run("what is written by hand is in force when Traefik is made to look", func(t *testing.T) { looks(t, s) })
			}
			t.Run("with the last one everybody is out", func(t *testing.T) {
				_, said := s.ptl(t, "unpair", "first one", "Ömer's, \"007\"")
				if !strings.Contains(said, "first one (") || strings.Count(said, "is out.") != 2 || strings.Count(said, "It was the last device") != 1 {
					t.Errorf("ptl says %s", said)
				}
				for token := range devices {
					if got := s.as(t, token); got != "503" {
						t.Errorf("without any device one got %s", got)
					}
				}
			})
			if s.empty != nil {
				t.Run("the first one is let in, and of a store that is empty then no good is said", func(t *testing.T) { emptied(t, s) })
			}
		})
	}
}

func comesAndGoes(t *testing.T, s *site, others map[string]string) {
	defer s.watch(t, others)()
	began := time.Now()
	token, _ := s.ptl(t, "token", "--name=phone", "--user=carl")
	s.await(t, token, "carl/phone")
	in := time.Since(began)
	s.ptl(t, "rename", "phone", "tablet", "--user=dora")
	s.await(t, token, "dora/tablet")
	began = time.Now()
	_, said := s.ptl(t, "unpair", "tablet")
	out := time.Since(began)
	if !strings.Contains(said, "is out.") {
		t.Errorf("ptl says %q", said)
	}
	for range 20 {
		if got := s.as(t, token); got != "401" {
			t.Errorf("who is said to be out got %s", got)
		}
	}
	t.Logf("in after %s, out after %s", in.Round(time.Millisecond), out.Round(time.Millisecond))
	if out > 10*time.Second {
		t.Errorf("it was out after %s", out)
	}
}

// isOwners: without pairing, ptl waits until Traefik has read whose a device is in Redis, or says for how long not to use its
// token.
func isOwners(t *testing.T, s *site) {
	token, said := s.ptl(t, "token", "--name=later", "--user=carl")
	if !strings.Contains(said, "Waiting 4s") {
		t.Errorf("ptl says %s", said)
	}
	poll.Until(t, 20*time.Second, func() string {
		got := s.as(t, token)
		if got != "carl/later" && got != "401" {
			t.Errorf("it is %s", got)
		}
		return map[bool]string{false: "it is not carl's yet: " + got}[got == "carl/later"]
	})
	s.ptl(t, "unpair", "later")
	if _, said := s.ptl(t, "token", "--name=later", "--user=carl", "--url=none"); !strings.Contains(said, "Use the token in 4s at the earliest") {
		t.Errorf("ptl says %s", said)
	}
	s.ptl(t, "unpair", "later")
}

// looks: Traefik does not look at what changes deep in ZooKeeper, and does where a child of the root comes and goes.
func looks(t *testing.T, s *site) {
	token := issuer.SignHS256(t, s.secret, "byhand2")
	s.quietly(t, paired+"byhand2/name", "by hand", paired+"byhand2/user", "carl")
	time.Sleep(4 * time.Second) // twice Traefik's providersThrottleDuration
	if got := s.as(t, token); got != "401" {
		t.Errorf("without a look one got %s", got)
	}
	s.put(t)
	s.await(t, token, "carl/by hand")
	s.ptl(t, "unpair", "byhand2")
	if got := s.as(t, token); got != "401" {
		t.Errorf("who is said to be out got %s", got)
	}
}

func many(t *testing.T, s *site, others map[string]string) {
	count, atOnce := 100, 60
	if s.isSlow {
		count, atOnce = 6, 6
	}
	var old []string
	for i := range count {
		key := paired + fmt.Sprintf("old%dx/", i)
		old = append(old, key+"name", fmt.Sprintf("old %d", i), key+"user", "eve")
	}
	s.put(t, old...)
	gone := func(i int) string { return issuer.SignHS256(t, s.secret, fmt.Sprintf("old%dx", i)) }
	s.await(t, gone(count-1), fmt.Sprintf("eve/old %d", count-1))
	defer s.watch(t, others)()
	slots := make(chan struct{}, atOnce)
	tokens, failures := make([]string, count), make(chan string, 2*count)
	var all sync.WaitGroup
	began := time.Now()
	for _, i := range rand.Perm(2 * count) {
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			if i < count {
				token, err := s.letIn(t, fmt.Sprintf("--name=new %d", i), "--user=carl")
				if tokens[i] = token; err != nil {
					failures <- fmt.Sprintf("new %d: %v", i, err)
				} else if got, want := s.as(t, token), fmt.Sprintf("carl/new %d", i); got != want {
					failures <- fmt.Sprintf("who is said to be in got %s, want %s", got, want)
				}
				return
			}
			id := fmt.Sprintf("old%dx", i-count)
			if _, said := s.ptl(t, "unpair", id); !strings.HasSuffix(said, ") is out.\n") || s.as(t, gone(i-count)) != "401" {
				failures <- fmt.Sprintf("who is said to be out got %s: %s", s.as(t, gone(i-count)), said)
			}
		})
	}
	all.Wait()
	t.Logf("%d took %s", 2*count, time.Since(began).Round(time.Millisecond))
	close(failures)
	for failure := range failures {
		t.Error(failure)
	}
	time.Sleep(2500 * time.Millisecond) // Traefik's providersThrottleDuration, and some
	stored := map[string]bool{}
	for id, device := range s.devices(t) {
		stored[device["name"]] = true
		if part(device) != "" || device["pairing/ends"] != "" {
			t.Errorf("of %s the store has %q", id, device)
		}
	}
	for i := range count {
		if got, want := s.as(t, tokens[i]), fmt.Sprintf("carl/new %d", i); got != want || !stored[fmt.Sprintf("new %d", i)] {
			t.Errorf("who is said to be in got %s, want %s, and is in the store: %t", got, want, stored[fmt.Sprintf("new %d", i)])
		}
		if got := s.as(t, gone(i)); got != "401" || stored[fmt.Sprintf("old %d", i)] {
			t.Errorf("who is said to be out got %s, and is in the store: %t", got, stored[fmt.Sprintf("old %d", i)])
		}
	}
	if len(stored) != count+len(others) {
		t.Errorf("the store has %d devices, want %d", len(stored), count+len(others))
	}
}

func killed(t *testing.T, s *site, others map[string]string) {
	defer s.watch(t, others)()
	began := time.Now()
	s.ptl(t, "token", "--url=none", "--name=measure", "--user=carl")
	whole := time.Since(began)
	moments := 60
	if s.isSlow {
		moments = 15
	}
	kept, undone, cut := 0, 0, 0
	for i := range moments {
		isAdding := i%3 != 0
		name := fmt.Sprintf("new %d", i) // one of those that many has left
		args := []string{"unpair", "--url=none", name}
		if isAdding {
			name = fmt.Sprintf("killed %d", i)
			args = []string{[]string{"token", "pair"}[i%3-1], "--name=" + name, "--user=carl", "--url=" + []string{"none", s.proxy.URL("web")}[i%3-1]}
		}
		command := s.command(args...)
		if err := command.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(whole * time.Duration(i) / time.Duration(moments) * 5 / 4)
		_ = command.Process.Kill()
		isWhole := command.Wait() == nil
		if !isWhole {
			cut++
		}
		isThere := false
		for id, device := range s.devices(t) {
			isThere = isThere || device["name"] == name
			if part(device) != "" {
				t.Errorf("after %q was killed %s has %s", args, id, part(device))
			}
		}
		if isWhole && isThere != isAdding {
			t.Errorf("%q is said to be done, and is not", args)
		}
		if isThere == isAdding {
			kept++
		} else {
			undone++
		}
	}
	t.Logf("of %d, %d were killed; %d had been done, %d had not", moments, cut, kept, undone)
	if kept == 0 || undone == 0 {
		t.Log("no moment was before, or none after the change")
	}
	s.ptl(t, "token", "--name=after", "--user=carl")
	clearOthers(t, s, others)
}

// clearOthers throws out all but some by one ptl.
func clearOthers(t *testing.T, s *site, others map[string]string) {
	stays := map[string]bool{}
	for _, want := range others {
		_, name, _ := strings.Cut(want, "/")
		stays[name] = true
	}
	args := []string{"unpair", "--url=none"}
	for id, device := range s.devices(t) {
		if !stays[device["name"]] {
			args = append(args, id)
		}
	}
	s.ptl(t, args...)
	if got := s.devices(t); len(got) != len(others) {
		t.Errorf("the store has %q left", got)
	}
}
