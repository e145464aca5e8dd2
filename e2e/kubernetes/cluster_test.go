// Package kubernetes asks whether Traefiks in a cluster follow what is written into a Middleware, with a real API server.
package kubernetes

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/yaml"

	"github.com/getportal/ptlauth/e2e/compiled"
	"github.com/getportal/ptlauth/e2e/issuer"
	"github.com/getportal/ptlauth/e2e/poll"
	"github.com/getportal/ptlauth/e2e/program"
	"github.com/getportal/ptlauth/e2e/source"
)

// patience is for what comes about by itself, on a machine that has other things to do.
const patience = 60 * time.Second

// cluster is Kubernetes' API server with etcd: objects are kept, validated and watched, and no pod runs.
type cluster struct {
	url         string
	certificate string // file
	client      *http.Client
	network     string // the first three bytes of its Services' addresses, on this machine's own loopback
}

// Who may do what is said by their names: the token is the same. Traefik's is not that of a ServiceAccount, because nobody
// makes tokens for those here.
const users = `admin,admin,1,"system:masters"
traefik,traefik,2
you@example.com,you@example.com,3
stranger,stranger,4
`

type progress struct{ t *testing.T }

func (p progress) Write(text []byte) (int, error) {
	p.t.Logf("%s", text)
	return len(text), nil
}

func newCluster(t *testing.T) *cluster {
	t.Helper()
	etcd := program.Need(t, "etcd", "etcd-server")
	_, file, _, _ := runtime.Caller(0)
	server, err := compiled.Command{
		Name: "kube-apiserver", Module: "k8s.io/kubernetes", Package: "k8s.io/kubernetes/cmd/kube-apiserver",
		Folder: filepath.Join(filepath.Dir(file), "apiserver"),
	}.Binary(t.Context(), progress{t})
	if err != nil {
		t.Fatal(err)
	}
	store, peer, addr := program.UnusedAddr(t), "http://"+program.UnusedAddr(t), program.UnusedAddr(t)
	program.Spawn(t, store, etcd, "--data-dir", t.TempDir(), "--listen-client-urls", "http://"+store, "--advertise-client-urls", "http://"+store,
		"--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", "default="+peer, "--unsafe-no-fsync")
	c := &cluster{url: "https://" + addr, network: fmt.Sprintf("127.%d.%d.", 16+rand.IntN(200), rand.IntN(256))}
	var key string
	c.certificate, key = issuer.Certificate(t, "127.0.0.1")
	_, port, _ := net.SplitHostPort(addr)
	began := time.Now()
	running := program.Start(t, os.Environ(), addr, server, "--etcd-servers=http://"+store, "--bind-address=127.0.0.1", "--advertise-address=127.0.0.1", "--secure-port="+port,
		"--endpoint-reconciler-type=none", "--cert-dir="+t.TempDir(), "--tls-cert-file="+c.certificate, "--tls-private-key-file="+key,
		// The addresses of Services are this machine's, so that one leads to an app here as kube-proxy would lead there.
		"--service-cluster-ip-range="+c.network+"0/24",
		"--service-account-issuer=https://kubernetes.default.svc", "--service-account-key-file="+c.certificate, "--service-account-signing-key-file="+key,
		"--token-auth-file="+source.Named(t, "users.csv", users), "--authorization-mode=RBAC")
	t.Cleanup(running.Kill) // it would wait for whoever watches
	authority := x509.NewCertPool()
	content, err := os.ReadFile(c.certificate)
	if err != nil || !authority.AppendCertsFromPEM(content) {
		t.Fatal(err)
	}
	c.client = &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: authority}}}
	t.Cleanup(c.client.CloseIdleConnections)
	poll.Until(t, 2*patience, func() string {
		if status, said := c.ask(t, "admin", http.MethodGet, "/readyz", "", ""); status != http.StatusOK {
			return fmt.Sprintf("the API server is not ready: %d %s\n%s", status, said, running.Said())
		}
		return ""
	})
	t.Logf("the API server is ready after %s", time.Since(began).Round(time.Millisecond))
	return c
}

// ask asks the API server as somebody; status 0: it does not answer.
func (c *cluster) ask(t *testing.T, who, method, path, kind, body string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, c.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+who)
	if kind != "" {
		r.Header.Set("Content-Type", kind)
	}
	response, err := c.client.Do(r)
	if err != nil {
		return 0, err.Error()
	}
	defer response.Body.Close()
	said, _ := io.ReadAll(response.Body)
	return response.StatusCode, string(said)
}

// scopes are the kinds that are in no namespace.
var scopes = map[string]bool{"Namespace": true, "CustomResourceDefinition": true, "ClusterRole": true, "ClusterRoleBinding": true, "GatewayClass": true}

// place is where an object is in the API.
func place(t *testing.T, manifest string) string {
	t.Helper()
	var object struct {
		APIVersion, Kind string
		Metadata         struct{ Name, Namespace string }
	}
	if err := yaml.Unmarshal([]byte(manifest), &object); err != nil {
		t.Fatal(err)
	}
	path := "/apis/" + object.APIVersion
	if !strings.Contains(object.APIVersion, "/") {
		path = "/api/" + object.APIVersion
	}
	if !scopes[object.Kind] {
		path += "/namespaces/" + object.Metadata.Namespace
	}
	plural := strings.ToLower(object.Kind) + "s"
	switch {
	case strings.HasSuffix(object.Kind, "ss"):
		plural = strings.ToLower(object.Kind) + "es"
	case strings.HasSuffix(object.Kind, "cy"):
		plural = strings.TrimSuffix(strings.ToLower(object.Kind), "y") + "ies"
	}
	return path + "/" + plural + "/" + object.Metadata.Name
}

// apply does what `kubectl apply --server-side` does with the objects of a text. Members that the cluster does not know are
// errors.
func (c *cluster) apply(t *testing.T, text string) {
	t.Helper()
	for manifest := range strings.SplitSeq(text, "\n---\n") {
		content, err := yaml.YAMLToJSON([]byte(manifest))
		if err != nil {
			t.Fatal(err)
		}
		if string(content) == "null" {
			continue
		}
		path := place(t, manifest)
		// A resource that has just been defined may not be there yet.
		poll.Until(t, patience, func() string {
			status, said := c.ask(t, "admin", http.MethodPatch, path+"?fieldManager=kubectl&fieldValidation=Strict", "application/apply-patch+yaml", string(content))
			if status != http.StatusOK && status != http.StatusCreated {
				return fmt.Sprintf("%s: %d %s", path, status, said)
			}
			return ""
		})
	}
}

// middleware is the options of the plugin in the cluster's Middleware.
func (c *cluster) middleware(t *testing.T) map[string]any {
	t.Helper()
	status, said := c.ask(t, "admin", http.MethodGet, middlewares+"auth", "", "")
	var object struct {
		Spec struct {
			Plugin map[string]map[string]any
		}
	}
	if err := json.Unmarshal([]byte(said), &object); status != http.StatusOK || err != nil {
		t.Fatal(status, said, err)
	}
	return object.Spec.Plugin["ptlauth"]
}

const middlewares = "/apis/traefik.io/v1alpha1/namespaces/chat/middlewares/"

// moduleFile is a file of a module that this one requires.
func moduleFile(t *testing.T, module, pattern string) string {
	t.Helper()
	dir, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", module).Output()
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(strings.TrimSpace(string(dir)), filepath.FromSlash(pattern)))
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	var all []string
	for _, file := range files {
		all = append(all, read(t, file))
	}
	return strings.Join(all, "\n---\n")
}

func read(t *testing.T, file string) string {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// demo is a file of demo/kubernetes.
func demo(t *testing.T, name string) string {
	t.Helper()
	return read(t, filepath.Join("..", "..", "demo", "kubernetes", name))
}

// listen is an app behind a Service's address.
func listen(t *testing.T, address string, handler http.Handler) {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: handler}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { server.Close() })
}
