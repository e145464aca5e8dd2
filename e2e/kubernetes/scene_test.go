package kubernetes

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/getportal/ptlauth/e2e/issuer"
	"github.com/getportal/ptlauth/e2e/poll"
	"github.com/getportal/ptlauth/e2e/program"
	"github.com/getportal/ptlauth/e2e/source"
	"github.com/getportal/ptlauth/e2e/traefik"
	"github.com/getportal/ptlauth/e2e/visitor"
	"github.com/getportal/ptlauth/e2e/witness"
)

const (
	host = "chat.example.com"
	// laptop is the device that stands in demo/kubernetes.
	laptop = "k7p2x9"
)

// scene is demo/kubernetes in a cluster, with three Traefiks: two go by the IngressRoute, and the third by the HTTPRoute.
type scene struct {
	*cluster
	secret  string
	mounted *mounted
	app     *witness.Attendance
	proxies []*traefik.Traefik
	clients []*http.Client // each leads to one of them
	env     []string
	folder  string // with ptl.yml
}

// mounted is a Secret in a pod: a directory whose files are links into one that the kubelet replaces as a whole.
type mounted struct {
	dir        string
	generation int
}

// write does what the kubelet does when a Secret has changed (AtomicWriter in its pkg/volume/util).
func (m *mounted) write(t *testing.T, secret string) {
	t.Helper()
	m.generation++
	fresh := fmt.Sprintf("..2026_11_26_%d", m.generation)
	data := filepath.Join(m.dir, "..data")
	was, _ := os.Readlink(data)
	for _, err := range []error{
		os.Mkdir(filepath.Join(m.dir, fresh), 0o755),
		os.WriteFile(filepath.Join(m.dir, fresh, "secret"), []byte(secret), 0o600),
		os.Symlink(fresh, data+"_tmp"),
		os.Rename(data+"_tmp", data),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if was != "" {
		_ = os.RemoveAll(filepath.Join(m.dir, was))
		return
	}
	if err := os.Symlink("..data/secret", filepath.Join(m.dir, "secret")); err != nil {
		t.Fatal(err)
	}
}

func newScene(t *testing.T, ptl []string) *scene {
	s := &scene{cluster: newCluster(t), secret: issuer.NewSecret(), mounted: &mounted{dir: t.TempDir()}, folder: t.TempDir()}
	s.mounted.write(t, s.secret)
	certificate, key := issuer.Certificate(t, host)
	s.app = witness.NewAttendance(t)
	listen(t, s.network+"10:3000", s.app)

	const docs = "docs/content/reference/dynamic-configuration/"
	const traefikModule = "github.com/traefik/traefik/v3"
	s.apply(t, moduleFile(t, traefikModule, docs+"kubernetes-crd-definition-v1.yml"))
	s.apply(t, moduleFile(t, "sigs.k8s.io/gateway-api", "config/crd/standard/gateway.networking.k8s.io_[^v]*.yaml"))
	// What Traefik needs is what its own documentation says.
	s.apply(t, moduleFile(t, traefikModule, docs+"kubernetes-crd-rbac.yml"))
	s.apply(t, moduleFile(t, traefikModule, docs+"kubernetes-gateway-rbac.yml"))
	for _, role := range []string{"traefik-ingress-controller", "gateway-role"} {
		s.apply(t, fmt.Sprintf("apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\nmetadata: {name: the-%s}\nroleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: %[1]s}\nsubjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: traefik}]", role))
	}
	s.apply(t, "apiVersion: v1\nkind: Namespace\nmetadata: {name: chat}")
	s.apply(t, "apiVersion: gateway.networking.k8s.io/v1\nkind: GatewayClass\nmetadata: {name: traefik}\nspec: {controllerName: traefik.io/gateway-controller}")
	s.apply(t, fmt.Sprintf("apiVersion: v1\nkind: Secret\nmetadata: {name: chat-example-com, namespace: chat}\ntype: kubernetes.io/tls\ndata: {tls.crt: %s, tls.key: %s}", encoded(t, certificate), encoded(t, key)))

	provider := fmt.Sprintf("{endpoint: '%s', token: traefik, certAuthFilePath: '%s', nativeLBByDefault: true", s.url, s.certificate)
	proxies, troubles := make([]*traefik.Traefik, 3), make([]error, 3)
	var all sync.WaitGroup
	for i := range proxies {
		// As slow as Traefik is where nobody says otherwise.
		static := "providers:\n  providersThrottleDuration: 2s\n  kubernetesCRD: " + provider
		if i == 2 {
			static += ", ingressClass: none}\n  kubernetesGateway: " + provider
		}
		all.Go(func() {
			proxies[i], troubles[i] = traefik.Start(t.Context(), traefik.Options{
				Static: static + "}\n", Env: []string{"KUBECONFIG=", "KUBERNETES_SERVICE_HOST="}, Progress: progress{t},
				Dynamic: fmt.Sprintf("tls: {stores: {default: {defaultCertificate: {certFile: '%s', keyFile: '%s'}}}}", certificate, key),
			})
		})
	}
	all.Wait()
	for i, proxy := range proxies {
		if troubles[i] != nil {
			t.Fatal(troubles[i])
		}
		t.Cleanup(proxy.Stop)
		s.proxies = append(s.proxies, proxy)
		transport := visitor.AnyCertificate(t)
		transport.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, proxy.Addr("websecure"))
		}
		s.clients = append(s.clients, &http.Client{Transport: transport, Timeout: 20 * time.Second})
	}
	_, port, _ := net.SplitHostPort(s.proxies[2].Addr("websecure"))
	for _, file := range []string{"role.yml", "networkpolicy.yml", "middleware.yml", "convos.yml", "ingressroute.yml", "gateway.yml", "httproute.yml"} {
		s.apply(t, strings.NewReplacer(
			"/run/secrets/ptlauth", s.mounted.dir,
			"port: 8443", "port: "+port,
			"  selector:\n    app: convos\n  ports:", "  selector:\n    app: convos\n  clusterIP: "+s.network+"10\n  ports:",
		).Replace(demo(t, file)))
	}
	var balanced []string // as by a Service
	for _, proxy := range s.proxies {
		balanced = append(balanced, proxy.Addr("websecure"))
	}
	s.env = append(ptl, "SSL_CERT_FILE="+certificate, "HTTPS_PROXY="+visitor.Tunnel(t, visitor.Balance(t, balanced...)), "KUBECONFIG="+s.kubeconfig(t))
	source.Replace(t, filepath.Join(s.folder, "ptl.yml"),
		fmt.Sprintf("url: https://%s\nregistry: kubernetes://chat/auth\nsecretFile: %s\n", host, filepath.Join(s.mounted.dir, "secret")))
	return s
}

func encoded(t *testing.T, file string) string {
	t.Helper()
	return base64.StdEncoding.EncodeToString([]byte(read(t, file)))
}

// kubeconfig is a file with a context for each who asks. The first is the one whom demo/kubernetes/role.yml names.
func (s *scene) kubeconfig(t *testing.T) string {
	t.Helper()
	named := func(name, what string, value map[string]any) map[string]any {
		return map[string]any{"name": name, what: value}
	}
	var contexts, all []any
	for _, who := range []string{"you@example.com", "stranger", "admin", "nobody-knows-this-token"} {
		all = append(all, named(who, "user", map[string]any{"token": who}))
		contexts = append(contexts, named(who, "context", map[string]any{"cluster": "here", "user": who}))
	}
	content, err := json.Marshal(map[string]any{
		"apiVersion": "v1", "kind": "Config", "current-context": "you@example.com", "contexts": contexts, "users": all,
		"clusters": []any{named("here", "cluster", map[string]any{"server": s.url, "certificate-authority": s.certificate})},
	})
	if err != nil {
		t.Fatal(err)
	}
	return source.Named(t, "config", string(content))
}

func (s *scene) command(args ...string) *exec.Cmd {
	command := exec.Command("sh", append([]string{"-c", `exec ptl "$@"`, "sh"}, args...)...)
	command.Dir, command.Env = s.folder, s.env
	return command
}

// ptl returns what it writes on standard output and on standard error; it must end well.
func (s *scene) ptl(t *testing.T, args ...string) (string, string) {
	t.Helper()
	return program.Written(t, s.command(args...))
}

// at is the status that a token gets at a Traefik; 0: it does not answer.
func (s *scene) at(t *testing.T, i int, token string) int {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+host+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		r.Header.Set("Cookie", "authorization="+token)
	}
	response, err := s.clients[i].Do(r)
	if err != nil {
		return 0
	}
	response.Body.Close()
	return response.StatusCode
}

func (s *scene) awaits(t *testing.T, token string, want int) {
	t.Helper()
	for i := range s.proxies {
		poll.Until(t, patience, func() string {
			if got := s.at(t, i, token); got != want {
				return fmt.Sprintf("at Traefik %d it gets %d, want %d", i+1, got, want)
			}
			return ""
		})
	}
}

// socket opens a WebSocket through a Traefik, and returns where the moment will be told at which it ends.
func (s *scene) socket(t *testing.T, i int, token string) <-chan time.Time {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	conn, _, err := websocket.Dial(ctx, "wss://"+host+"/", &websocket.DialOptions{HTTPClient: s.clients[i], HTTPHeader: http.Header{"Cookie": {"authorization=" + token}}})
	if err != nil {
		t.Fatalf("at Traefik %d: %v", i+1, err)
	}
	t.Cleanup(func() { conn.CloseNow() })
	visitor.WantEcho(t, []*websocket.Conn{conn})
	ended := make(chan time.Time, 1)
	go func() {
		_, _, _ = conn.Read(context.Background())
		ended <- time.Now()
	}()
	return ended
}

// watch asks all the time, and at each Traefik, as a device that nobody changes, until the function that it returns is called.
func (s *scene) watch(t *testing.T, token string) func() {
	stop := make(chan struct{})
	var all sync.WaitGroup
	var asked atomic.Int64
	for i := range s.proxies {
		all.Go(func() {
			for {
				select {
				case <-stop:
					return
				case <-time.After(5 * time.Millisecond):
				}
				asked.Add(1)
				if got := s.at(t, i, token); got != http.StatusOK {
					t.Errorf("a device that nobody touches got %d at Traefik %d", got, i+1)
					return
				}
			}
		})
	}
	return func() {
		close(stop)
		all.Wait()
		t.Logf("a device that nobody touched has asked %d times", asked.Load())
	}
}
