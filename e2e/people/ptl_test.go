package people

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/getportal/ptlauth/e2e/demo/app"
	"github.com/getportal/ptlauth/e2e/issuer"
	"github.com/getportal/ptlauth/e2e/poll"
	"github.com/getportal/ptlauth/e2e/program"
	"github.com/getportal/ptlauth/e2e/traefik"
	"github.com/getportal/ptlauth/e2e/traefik/traefiktest"
	"github.com/getportal/ptlauth/e2e/visitor"
)

// operator is somebody with ptl, in a folder that ptl init has made, and with two Traefiks that see it.
type operator struct {
	environment []string // in which a shell finds ptl
	dir         string
	proxies     []*traefik.Traefik
	authority   string // the certificate that they show over HTTPS, which nobody knows by itself
	// balancer leads each connection to the next Traefik.
	balancer string
}

// ptlRefresh is how long a change of the list takes at most; it is ptlauth's default.
const ptlRefresh = 2 * time.Second

// newOperator does what docs/ptl.md says, up to the first device.
func newOperator(t *testing.T) *operator {
	t.Helper()
	if testing.Short() {
		t.Skip("compiles ptl, and starts Traefik")
	}
	o := &operator{environment: program.WithPtl(t), dir: t.TempDir()}
	o.run(t, 0, "init", ".", "--url=http://127.0.0.1")
	backend := httptest.NewServer(app.New())
	t.Cleanup(backend.Close)
	// What init writes, with the paths of this machine, and a router for it.
	dynamic := strings.ReplaceAll(o.read(t, "ptlauth/dynamic.yml"), "/etc/ptlauth/", o.dir+"/ptlauth/") + fmt.Sprintf(`
  routers:
    app: {rule: "Host(`+"`127.0.0.1`"+`)", entryPoints: [web], middlewares: [auth], service: app}
    secure: {rule: "Host(`+"`127.0.0.1`"+`)", entryPoints: [websecure], tls: {}, middlewares: [auth], service: app}
    bare: {rule: "Host(`+"`127.0.0.1`"+`) && PathPrefix(`+"`/bare`"+`)", entryPoints: [web], service: app}
  services:
    app: {loadBalancer: {servers: [{url: %q}]}}
`, backend.URL)
	certificate, key := issuer.Certificate(t, "127.0.0.1")
	o.authority = certificate
	dynamic += "tls: {stores: {default: {defaultCertificate: {certFile: " + certificate + ", keyFile: " + key + "}}}}\n"
	for range 2 {
		o.proxies = append(o.proxies, traefiktest.Start(t, traefik.Options{Dynamic: dynamic}))
	}
	o.balancer = visitor.Balance(t, o.proxies[0].Addr("web"), o.proxies[1].Addr("web"))
	o.write(t, "ptl.yml", strings.Replace(o.read(t, "ptl.yml"), "http://127.0.0.1", "http://"+o.balancer, 1))
	t.Cleanup(func() {
		if t.Failed() {
			for _, proxy := range o.proxies {
				t.Log(strings.Join(proxy.LogLines("plugin-ptlauth"), "\n"))
			}
		}
	})
	return o
}

func (o *operator) read(t *testing.T, name string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(o.dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func (o *operator) write(t *testing.T, name, content string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(o.dir, name), []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (o *operator) command(args ...string) *exec.Cmd {
	cmd := exec.Command("sh", append([]string{"-c", `exec ptl "$@"`, "sh"}, args...)...)
	cmd.Dir, cmd.Env = o.dir, o.environment
	return cmd
}

// run runs ptl, which must end so, and returns what it says.
func (o *operator) run(t *testing.T, want int, args ...string) string {
	t.Helper()
	cmd := o.command(args...)
	out, _ := cmd.CombinedOutput()
	if got := cmd.ProcessState.ExitCode(); got != want {
		t.Errorf("ptl %s ends with %d, want %d:\n%s", strings.Join(args, " "), got, want, out)
	}
	return string(out)
}

// inviting is a `ptl pair` that waits.
type inviting struct {
	cmd   *exec.Cmd
	lines *bufio.Reader
	id    string
	link  string
}

// said is what ptl says to a program.
type said struct {
	State, ID, Link, Browser, Address string
	At                                int64
}

func (o *operator) pair(t *testing.T, name, site string) *inviting {
	t.Helper()
	i := &inviting{cmd: o.command("pair", "--json", "--name="+name, "--user=ada")}
	i.cmd.Stderr = os.Stderr
	out, err := i.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := i.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = i.cmd.Process.Kill() })
	i.lines = bufio.NewReader(out)
	waiting := i.next(t)
	i.id = waiting.ID
	i.link = waiting.Link
	if waiting.State != "waiting" || !strings.HasPrefix(i.link, site+"/.ptl/pair#") {
		t.Fatalf("ptl says %+v", waiting)
	}
	return i
}

func (i *inviting) next(t *testing.T) said {
	t.Helper()
	line, err := i.lines.ReadString('\n')
	s := said{}
	if err != nil || json.Unmarshal([]byte(line), &s) != nil {
		t.Fatalf("ptl says %q, %v", line, err)
	}
	return s
}

// TestPtl: what ptl says is true of two Traefiks behind a balancer.
func TestPtl(t *testing.T) {
	o := newOperator(t)
	t.Run("a device is let in and thrown out", o.letInAndOut)
	t.Run("a script gets in by a token, and is thrown out as a device is", o.makeToken)
	t.Run("over HTTPS, with a certificate of one's own", o.overHTTPS)
	t.Run("what is wrong with a site is told before a person has tried a code", o.meetTrouble)
	// Nothing is left of what could not be.
	for _, name := range []string{"other.json", "ptlauth/terminals.json"} {
		if list := o.read(t, name); strings.Contains(list, "phone") {
			t.Errorf("left in %s is %s", name, list)
		}
	}
}

func (o *operator) letInAndOut(t *testing.T) {
	invitation := o.pair(t, "kitchen tablet", "http://"+o.balancer)
	tablet, home := visitor.NewPerson(t, o.proxies[0].Addr("web")), "http://"+o.balancer+"/"
	if status := tablet.Visit(home).Status; status != 401 {
		t.Errorf("before it is paired, the app answers %d", status)
	}
	if _, end := tablet.Pair(invitation.link); end.Status != 200 {
		t.Fatalf("pairing ends with status %d", end.Status)
	}
	began := time.Now()
	used := invitation.next(t)
	if used.State != "used" || used.Browser != "Chrome on Android" || used.Address != "127.0.0.1" || time.Since(time.Unix(used.At, 0)) > time.Minute {
		t.Errorf("ptl says %+v", used)
	}
	if took := time.Since(began); took > 4*time.Second {
		t.Errorf("ptl has seen it after %s", took)
	}
	if err := invitation.cmd.Wait(); err != nil {
		t.Errorf("ptl ends with %v", err)
	}
	// One Traefik has taken the code. The other one has it no more, as soon as it has looked.
	time.Sleep(ptlRefresh + 200*time.Millisecond)
	for i, proxy := range o.proxies {
		stranger := visitor.NewPerson(t, proxy.Addr("web"))
		_, code, _ := strings.Cut(invitation.link, "#")
		if status := stranger.Send(stranger.Visit(invitation.link), url.Values{"code": {code}}).Status; status == 200 {
			t.Errorf("Traefik %d takes the code once more", i+1)
		}
	}
	token := tablet.Cookie(home, "authorization")
	for i, proxy := range o.proxies {
		status, text := visitor.Ask(t, "http://"+proxy.Addr("web")+"/", "127.0.0.1", http.Header{"Cookie": {"authorization=" + token}})
		if status != 200 || !strings.HasPrefix(text, "Hello, ada, on kitchen tablet!") {
			t.Errorf("Traefik %d answers %d: %.100s", i+1, status, text)
		}
	}
	if table := o.run(t, 0, "terminals"); !strings.Contains(table, invitation.id+"  kitchen tablet  ada") {
		t.Errorf("ptl terminals says\n%s", table)
	}
	o.run(t, 0, "rename", invitation.id, "hall tablet")
	conns := visitor.Dial(t, "ws://"+o.proxies[0].Addr("web")+"/echo", token, 2)
	began = time.Now()
	if said := o.run(t, 0, "unpair", "hall tablet"); said != "hall tablet ("+invitation.id+") is out.\n" {
		t.Errorf("ptl unpair says %q", said)
	}
	if took := time.Since(began); took > ptlRefresh+2*time.Second {
		t.Errorf("ptl unpair has taken %s", took)
	}
	for i, proxy := range o.proxies {
		if status, _ := visitor.Ask(t, "http://"+proxy.Addr("web")+"/", "127.0.0.1", http.Header{"Cookie": {"authorization=" + token}}); status != 401 {
			t.Errorf("it is said to be out, and Traefik %d answers %d", i+1, status)
		}
	}
	visitor.AwaitClosed(t, conns, time.Second)
}

func (o *operator) makeToken(t *testing.T) {
	lines := strings.Split(strings.TrimSpace(o.run(t, 0, "token", "--name=backup", "--user=ada")), "\n")
	header := http.Header{"Cookie": {"authorization=" + lines[len(lines)-1]}}
	poll.Until(t, 5*time.Second, func() string {
		if status, text := visitor.Ask(t, "http://"+o.balancer+"/", o.balancer, header); status != 200 || !strings.HasPrefix(text, "Hello, ada, on backup!") {
			return fmt.Sprintf("the app answers %d: %.100s", status, text)
		}
		return ""
	})
	o.run(t, 0, "unpair", "backup")
	if status, _ := visitor.Ask(t, "http://"+o.balancer+"/", o.balancer, header); status != 401 {
		t.Errorf("it is said to be out, and the app answers %d", status)
	}
}

func (o *operator) overHTTPS(t *testing.T) {
	site := "https://" + o.proxies[0].Addr("websecure")
	if got := o.run(t, 4, "pair", "--name=phone", "--url="+site); !strings.Contains(got, "has a certificate of an authority that this machine does not know") {
		t.Errorf("ptl says %s", got)
	}
	o.environment = append(o.environment, "SSL_CERT_FILE="+o.authority, "PTL_URL="+site)
	defer func() { o.environment = o.environment[:len(o.environment)-2] }()
	invitation := o.pair(t, "secure tablet", site)
	tablet := visitor.NewPerson(t, "")
	if _, end := tablet.Pair(invitation.link); end.Status != 200 || end.At.Scheme != "https" {
		t.Fatalf("pairing ends at %s with status %d", end.At, end.Status)
	}
	if used := invitation.next(t); used.State != "used" {
		t.Errorf("ptl says %+v", used)
	}
	if err := invitation.cmd.Wait(); err != nil {
		t.Errorf("ptl ends with %v", err)
	}
	o.run(t, 0, "unpair", "secure tablet")
	if status := tablet.Visit(site + "/").Status; status != 401 {
		t.Errorf("it is said to be out, and the app answers %d", status)
	}
}

func (o *operator) meetTrouble(t *testing.T) {
	o.write(t, "other.json", "[]")
	for _, test := range []struct{ name, option, want string }{
		{"a router without the middleware", "--url=http://" + o.balancer + "/bare", "or the router has no middleware with pairing.enabled"},
		{"a host that no router is for", "--url=http://localhost:" + strings.TrimPrefix(o.balancer, "127.0.0.1:"), "answers 404: Traefik has no router for that host yet"},
		{"a port where nobody listens", "--url=http://127.0.0.1:1", "127.0.0.1:1 does not answer"},
		{"a certificate for another name", "--url=https://localhost" + strings.TrimPrefix(o.proxies[0].Addr("websecure"), "127.0.0.1"), "has a certificate for another name"},
		{"a list that Traefik does not read", "--registry=other.json", "Traefik answers, and does not see the new terminal"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if got := o.run(t, 4, "pair", "--name=phone", test.option); !strings.Contains(got, test.want) {
				t.Errorf("ptl says\n%s\nwant %q", got, test.want)
			}
		})
	}
}
