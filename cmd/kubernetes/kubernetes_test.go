package kubernetes

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	for _, test := range []struct{ address, want, bad string }{
		{"kubernetes://chat/auth", "kubernetes://chat/auth  ", ""},
		{"KUBERNETES://chat/auth/", "kubernetes://chat/auth  ", ""},
		{"kubernetes://chat/auth?context=home&kubeconfig=/etc/kube", "kubernetes://chat/auth home /etc/kube", ""},
		{"kubernetes://auth", "", "no namespace, or no name"},
		{"kubernetes:///auth", "", "no namespace, or no name"},
		{"kubernetes://a/b/c", "", "no namespace, or no name"},
		{"kubernetes://user:hunter2@chat/auth", "", "as whom to ask, the kubeconfig says"},
		{"kubernetes://chat:6443/auth", "", "where the cluster is"},
		{"kubernetes://chat/auth?token=hunter2", "", "has `token`, and knows context and kubeconfig"},
		{"kubernetes://chat/auth?%zz", "", "cannot be read"},
	} {
		t.Run(test.address, func(t *testing.T) {
			a, err := Parse(test.address)
			if test.bad != "" {
				if err == nil || !strings.Contains(err.Error(), test.bad) || strings.Contains(err.Error(), "hunter") {
					t.Errorf("the error is %v, want %q", err, test.bad)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := fmt.Sprint(a, " ", a.Context, " ", a.File); got != test.want {
				t.Errorf("it is %q, want %q", got, test.want)
			}
		})
	}
}

// answering is the address of a Middleware in a cluster that gives one answer, and whose kubeconfig has a token.
func answering(t *testing.T, status int, reason string) *Address {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/apis/traefik.io/v1alpha1/namespaces/chat/middlewares/auth" {
			t.Errorf("%s %s", r.Method, r.URL)
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		json.NewEncoder(w).Encode(map[string]any{
			"apiVersion": "v1", "kind": "Status", "status": "Failure", "message": "what the cluster says", "reason": reason, "code": status,
		})
	}))
	t.Cleanup(server.Close)
	return configured(t, server.URL)
}

func configured(t *testing.T, server string) *Address {
	t.Helper()
	file := filepath.Join(t.TempDir(), "config")
	content := fmt.Sprintf("{apiVersion: v1, kind: Config, current-context: a, contexts: [{name: a, context: {cluster: a, user: a}}], users: [{name: a, user: {token: hunter2}}], clusters: [{name: a, cluster: {server: '%s'}}]}", server)
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return &Address{Namespace: "chat", Name: "auth", File: file}
}

// TestTrouble: whatever a cluster answers, it is said what to do, and no secret.
func TestTrouble(t *testing.T) {
	gone := httptest.NewServer(nil)
	gone.Close()
	for name, test := range map[string]struct {
		address *Address
		says    string
		is      error
	}{
		"it is not there":      {answering(t, 404, "NotFound"), "kubectl --namespace=chat get middlewares.traefik.io", ErrNowhere},
		"it may not be":        {answering(t, 403, "Forbidden"), "demo/kubernetes/role.yml", nil},
		"it knows nobody":      {answering(t, 401, "Unauthorized"), "log in as for kubectl", nil},
		"it is not as it was":  {answering(t, 422, "Invalid"), "what the cluster says", ErrChanged},
		"it is another by now": {answering(t, 409, "Conflict"), "what the cluster says", ErrChanged},
		"it fails":             {answering(t, 500, "InternalError"), "could not be", nil},
		"nobody answers":       {configured(t, gone.URL), "the kubeconfig says where the cluster is", nil},
	} {
		t.Run(name, func(t *testing.T) {
			m, err := Open(test.address)
			if err != nil {
				t.Fatal(err)
			}
			_, reading := m.Plugins(t.Context())
			for _, err := range []error{reading, m.Patch(t.Context(), []Operation{{Op: "test", Path: "/spec"}})} {
				if err == nil || !strings.Contains(err.Error(), test.says) || strings.Contains(err.Error(), "hunter") || strings.Contains(err.Error(), "\n") {
					t.Errorf("it says %v, want %s", err, test.says)
				}
				if test.is != nil && !errors.Is(err, test.is) {
					t.Errorf("%v is not %v", err, test.is)
				}
			}
		})
	}
}

func TestOpen(t *testing.T) {
	t.Setenv("HOME", t.TempDir())
	t.Setenv("KUBERNETES_SERVICE_HOST", "")
	t.Setenv("KUBECONFIG", filepath.Join(t.TempDir(), "none"))
	if _, err := Open(&Address{Namespace: "chat", Name: "auth"}); err == nil || !strings.Contains(err.Error(), "set KUBECONFIG") {
		t.Errorf("without a kubeconfig it says %v", err)
	}
	if _, err := Open(&Address{Namespace: "chat", Name: "auth", File: "/none/config"}); err == nil || !strings.Contains(err.Error(), "/none/config") {
		t.Errorf("with one that is not there it says %v", err)
	}
	here := configured(t, "https://127.0.0.1:1")
	here.Context = "other"
	if _, err := Open(here); err == nil || !strings.Contains(err.Error(), "kubectl config get-contexts") {
		t.Errorf("with a context that is not there it says %v", err)
	}
}
