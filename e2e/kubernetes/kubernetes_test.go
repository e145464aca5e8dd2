package kubernetes

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/getportal/ptlauth/e2e/issuer"
	"github.com/getportal/ptlauth/e2e/poll"
	"github.com/getportal/ptlauth/e2e/program"
	"github.com/getportal/ptlauth/e2e/visitor"
)

// TestKubernetes applies demo/kubernetes to a real API server, which three Traefiks watch, and lets devices in and throws them
// out there.
func TestKubernetes(t *testing.T) {
	if testing.Short() {
		t.Skip("starts Traefik")
	}
	s := newScene(t, program.WithPtl(t))
	own := issuer.SignHS256(t, s.secret, laptop)
	s.awaits(t, own, http.StatusOK)
	s.awaits(t, "", http.StatusUnauthorized)
	s.awaits(t, issuer.SignHS256(t, s.secret, "phone7"), http.StatusUnauthorized)
	t.Run("a device that ptl lets in is in at each Traefik, and out when ptl says so", func(t *testing.T) { s.revokes(t, own) })
	t.Run("a code that ptl shows lets a phone in, once", func(t *testing.T) { s.pairs(t) })
	t.Run("what many ptl say at once is true", func(t *testing.T) { s.many(t, own) })
	t.Run("what else ptl does with a list", func(t *testing.T) { s.lists(t) })
	t.Run("a change by hand counts, and what is applied again brings back what stands in it", func(t *testing.T) { s.byHand(t, own) })
	t.Run("who may not, and what is not there, is told with what to do", func(t *testing.T) { s.refusals(t) })
	t.Run("without any device everybody is out, until ptl lets the first one in", func(t *testing.T) { s.first(t) })
	t.Run("a Secret that the kubelet changes is read", func(t *testing.T) { s.anotherSecret(t, own) })
}

// revokes lets devices in and throws them out, and measures when each Traefik admits and refuses it, and ends what it has open.
// PTLAUTH_REVOCATIONS says how many; then three seconds are held to the letter, else a busy machine has longer.
func (s *scene) revokes(t *testing.T, other string) {
	defer s.watch(t, other)()
	count, within := 3, patience
	if many, err := strconv.Atoi(os.Getenv("PTLAUTH_REVOCATIONS")); err == nil {
		count, within = many, 3*time.Second
	}
	took := map[string][]time.Duration{}
	for i := range count {
		name := fmt.Sprintf("phone %d", i)
		began := time.Now()
		token, _ := s.ptl(t, "token", "--name="+name, "--user=ann@example.com")
		took["in"] = append(took["in"], s.settled(t, began, token, http.StatusOK)...)
		var ends []<-chan time.Time
		for i := range s.proxies {
			ends = append(ends, s.socket(t, i, token))
		}
		// Traefik takes the next change at once, or when two seconds since the last are over.
		s.patch(t, fmt.Sprintf(`[{"op": "replace", "path": "%s/%s/name", "value": "Your laptop %d"}]`, paired, laptop, i))
		time.Sleep(rand.N(2500 * time.Millisecond))
		began = time.Now()
		said := make(chan string, 1)
		go func() {
			_, text := s.ptl(t, "unpair", name)
			said <- text
		}()
		took["out, requests"] = append(took["out, requests"], s.settled(t, began, token, http.StatusUnauthorized)...)
		if text := <-said; !strings.Contains(text, "is out.") {
			t.Errorf("ptl says %q", text)
		}
		for i := range s.proxies {
			if got := s.at(t, i, token); got != http.StatusUnauthorized {
				t.Errorf("ptl says that it is out, and at Traefik %d it gets %d", i+1, got)
			}
			select {
			case at := <-ends[i]:
				took["out, WebSockets"] = append(took["out, WebSockets"], at.Sub(began))
			case <-time.After(patience):
				t.Errorf("its WebSocket at Traefik %d is open for ever", i+1)
			}
		}
	}
	s.patch(t, fmt.Sprintf(`[{"op": "replace", "path": "%s/%s/name", "value": "Your laptop"}]`, paired, laptop))
	for what, times := range took {
		slices.Sort(times)
		worst := times[len(times)-1]
		t.Logf("%s: of %d the median is %s and the worst %s", what, len(times), times[len(times)/2].Round(time.Millisecond), worst.Round(time.Millisecond))
		if strings.HasPrefix(what, "out") && worst > within {
			t.Errorf("%s: it took %s", what, worst)
		}
	}
}

// settled is when each Traefik gives a token that status.
func (s *scene) settled(t *testing.T, began time.Time, token string, want int) []time.Duration {
	took := make([]time.Duration, len(s.proxies))
	var all sync.WaitGroup
	for i := range s.proxies {
		all.Go(func() {
			for time.Since(began) < patience {
				if s.at(t, i, token) == want {
					took[i] = time.Since(began)
					return
				}
				time.Sleep(5 * time.Millisecond)
			}
			t.Errorf("at Traefik %d it never got %d", i+1, want)
		})
	}
	all.Wait()
	return took
}

// pairs has a phone use a link at one Traefik, of a ptl that a balancer leads to each.
func (s *scene) pairs(t *testing.T) {
	screen := program.NewScreen(t, s.folder, s.env, "ptl", "pair", "--name=Phone", "--user=ben@example.com")
	link := screen.Await(t, `https://`+host+`/\.ptl/pair\S*#\S+`)
	phone := visitor.NewPerson(t, s.proxies[1].Addr("websecure"))
	if _, end := phone.Pair(link); end.Status != http.StatusOK {
		t.Errorf("the phone sees %d\n%s", end.Status, end.Text)
	}
	screen.Await(t, `is in\.`)
	token := phone.Cookie("https://"+host, "authorization")
	s.awaits(t, token, http.StatusOK)
	_, code, _ := strings.Cut(link, "#")
	// Traefik 1 may know of it as late as of any other change.
	poll.Until(t, patience, func() string {
		other := visitor.NewPerson(t, s.proxies[0].Addr("websecure"))
		if page := other.Send(other.Visit(link), url.Values{"code": {code}}); page.Status == http.StatusOK {
			return "the code is good again:\n" + page.Text
		}
		return ""
	})
	for id, entry := range s.devices(t) {
		if text := fmt.Sprint(entry); strings.Contains(text, "Phone") && (strings.Contains(text, "pairing") || !strings.Contains(text, "since")) {
			t.Errorf("%s is %s", id, text)
		}
	}
	if _, said := s.ptl(t, "unpair", "Phone"); !strings.Contains(said, "is out.") {
		t.Errorf("ptl says %q", said)
	}
	s.awaits(t, token, http.StatusUnauthorized)
}

// many has many devices come and go at once, each by a ptl of its own.
func (s *scene) many(t *testing.T, other string) {
	count, atOnce := 12, 8
	if os.Getenv("PTLAUTH_REVOCATIONS") != "" {
		count, atOnce = 100, 20
	}
	for i := range count {
		s.patch(t, fmt.Sprintf(`[{"op": "add", "path": "%s/old%dx", "value": {"name": "old %[2]d", "user": "eve"}}]`, paired, i))
	}
	defer s.watch(t, other)()
	slots, tokens := make(chan struct{}, atOnce), make([]string, count)
	var all sync.WaitGroup
	began := time.Now()
	for _, i := range rand.Perm(2 * count) {
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			if i < count {
				tokens[i], _ = s.ptl(t, "token", fmt.Sprintf("--name=new %d", i), "--user=carl")
			} else {
				s.ptl(t, "unpair", "--url=none", fmt.Sprintf("old%dx", i-count))
			}
		})
	}
	all.Wait()
	t.Logf("%d ptl took %s", 2*count, time.Since(began).Round(time.Millisecond))
	devices := s.devices(t)
	if len(devices) != count+1 || devices[laptop] == nil {
		t.Errorf("the Middleware has %d devices, want %d", len(devices), count+1)
	}
	for i, token := range tokens {
		s.awaits(t, token, http.StatusOK)
		s.awaits(t, issuer.SignHS256(t, s.secret, fmt.Sprintf("old%dx", i)), http.StatusUnauthorized)
	}
	args := []string{"unpair", "--url=none"}
	for id := range devices {
		if id != laptop {
			args = append(args, id)
		}
	}
	s.ptl(t, args...)
}

// devices are the entries of the Middleware.
func (s *scene) devices(t *testing.T) map[string]any {
	t.Helper()
	terminals, _ := s.middleware(t)["terminals"].(map[string]any)
	devices, _ := terminals["paired"].(map[string]any)
	return devices
}

const paired = "/spec/plugin/ptlauth/terminals/paired"

// patch is what `kubectl patch --type=json` does.
func (s *scene) patch(t *testing.T, patch string) {
	t.Helper()
	if status, said := s.ask(t, "admin", http.MethodPatch, middlewares+"auth?fieldManager=kubectl-patch", "application/json-patch+json", patch); status != http.StatusOK {
		t.Fatalf("%s: %d %s", patch, status, said)
	}
}

func (s *scene) lists(t *testing.T) {
	token, _ := s.ptl(t, "token", "--name=Ömer's <007> & \"x\"", "--user=ben")
	id := ""
	out, _ := s.ptl(t, "terminals")
	for line := range strings.Lines(out) {
		if strings.Contains(line, "Ömer's") {
			id, _, _ = strings.Cut(line, " ")
		}
	}
	if id == "" || strings.Count(out, "\n") != 2 || !strings.Contains(out, "Your laptop") {
		t.Errorf("ptl terminals says\n%s", out)
	}
	s.ptl(t, "rename", id, "tablet", "--user=dora")
	if got, want := fmt.Sprint(s.devices(t)[id]), "name:tablet"; !strings.Contains(got, want) || !strings.Contains(got, "user:dora") {
		t.Errorf("in the Middleware it is %s, want %s", got, want)
	}
	s.awaits(t, token, http.StatusOK)
	command := s.command("inspect")
	command.Stdin = strings.NewReader(token)
	if out, err := command.CombinedOutput(); err != nil || !strings.Contains(string(out), "tablet") {
		t.Errorf("ptl inspect: %v\n%s", err, out)
	}
	if _, said := s.ptl(t, "unpair", "tablet"); !strings.Contains(said, "is out.") {
		t.Errorf("ptl says %q", said)
	}
	s.awaits(t, token, http.StatusUnauthorized)
	// Whoever wrote a list has one.
	s.patch(t, `[{"op": "replace", "path": "`+paired+`", "value": [{"id": "a1b2c3", "name": "first"}, {"id": "`+laptop+`", "name": "Your laptop", "user": "you@example.com"}]}]`)
	token, _ = s.ptl(t, "token", "--name=third", "--user=ben")
	s.awaits(t, token, http.StatusOK)
	s.ptl(t, "unpair", "first", "third")
	s.awaits(t, token, http.StatusUnauthorized)
	s.patch(t, `[{"op": "replace", "path": "`+paired+`", "value": {"`+laptop+`": {"name": "Your laptop", "user": "you@example.com"}}}]`)
}

// byHand types what demo/kubernetes/README.md says, and what GitOps does all the time.
func (s *scene) byHand(t *testing.T, own string) {
	token, _ := s.ptl(t, "token", "--name=tablet", "--user=ben")
	s.awaits(t, token, http.StatusOK)
	patch := regexp.MustCompile(`(?m)^kubectl --namespace chat patch middleware auth --type=json --patch='(.+)'$`).FindStringSubmatch(demo(t, "README.md"))
	if patch == nil {
		t.Fatal("demo/kubernetes/README.md does not say how a device is taken out by hand")
	}
	s.patch(t, patch[1])
	s.awaits(t, own, http.StatusUnauthorized)
	s.apply(t, strings.ReplaceAll(demo(t, "middleware.yml"), "/run/secrets/ptlauth", s.mounted.dir))
	s.awaits(t, own, http.StatusOK)
	s.awaits(t, token, http.StatusOK)
	s.ptl(t, "unpair", "tablet")
}

// first begins as somebody does who leaves all devices to ptl.
func (s *scene) first(t *testing.T) {
	if _, said := s.ptl(t, "unpair", "Your laptop"); !strings.Contains(said, "is out. It was the last device") {
		t.Errorf("ptl says %q", said)
	}
	s.awaits(t, "", http.StatusServiceUnavailable)
	s.patch(t, `[{"op": "remove", "path": "`+paired+`"}]`)
	token, _ := s.ptl(t, "token", "--name=first", "--user=ben")
	s.awaits(t, token, http.StatusOK)
	manifest := strings.ReplaceAll(demo(t, "middleware.yml"), "/run/secrets/ptlauth", s.mounted.dir)
	without := regexp.MustCompile(`paired:\n +"`+laptop+`":\n.+\n.+\n`).ReplaceAllString(manifest, "paired: {}\n")
	if without == manifest {
		t.Fatal("demo/kubernetes/middleware.yml has its device elsewhere")
	}
	s.apply(t, without)
	if devices := s.devices(t); len(devices) != 1 || !strings.Contains(fmt.Sprint(devices), "first") {
		t.Errorf("a manifest without devices leaves %v", devices)
	}
	s.apply(t, manifest)
	s.ptl(t, "unpair", "first")
}

func (s *scene) refusals(t *testing.T) {
	before := fmt.Sprint(s.middleware(t))
	for name, test := range map[string]struct {
		registry string
		args     []string
		says     []string
	}{
		"somebody without the role":              {"kubernetes://chat/auth?context=stranger", []string{"terminals"}, []string{"may not be read by you", "role.yml"}},
		"another Middleware than the role's":     {"kubernetes://chat/other", []string{"terminals"}, []string{"may not be read by you"}},
		"a Middleware that is not there":         {"kubernetes://chat/other?context=admin", []string{"terminals"}, []string{"there is no Middleware other in chat", "kubectl --namespace=chat get middlewares.traefik.io"}},
		"a token that the cluster does not know": {"kubernetes://chat/auth?context=nobody-knows-this-token", []string{"unpair", "--url=none", laptop}, []string{"does not know you", "log in as for kubectl"}},
		"a context that is not there":            {"kubernetes://chat/auth?context=none", []string{"terminals"}, []string{`"none"`, "kubectl config get-contexts"}},
		"no namespace":                           {"kubernetes://auth", []string{"terminals"}, []string{"write kubernetes://NAMESPACE/MIDDLEWARE"}},
	} {
		t.Run(name, func(t *testing.T) {
			out, err := s.command(append(test.args, "--registry="+test.registry)...).CombinedOutput()
			for _, want := range test.says {
				if err == nil || !strings.Contains(string(out), want) {
					t.Errorf("ptl says %s (%v), want %s", out, err, want)
				}
			}
			if strings.Count(string(out), "\n") != 1 {
				t.Errorf("it says more than a line:\n%s", out)
			}
		})
	}
	if after := fmt.Sprint(s.middleware(t)); after != before {
		t.Errorf("the Middleware is %s, and was %s", after, before)
	}
}

// anotherSecret replaces what the pods have mounted, as the kubelet does once it has seen that.
func (s *scene) anotherSecret(t *testing.T, own string) {
	fresh := issuer.NewSecret()
	s.mounted.write(t, fresh)
	s.awaits(t, issuer.SignHS256(t, fresh, laptop), http.StatusOK)
	s.awaits(t, own, http.StatusUnauthorized)
	poll.Until(t, patience, func() string {
		if n := s.app.Sockets("ann@example.com"); n > 0 {
			return fmt.Sprintf("%d WebSockets are open", n)
		}
		return ""
	})
}
