package kubernetes

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/go-logr/logr"
	refusals "k8s.io/apimachinery/pkg/api/errors"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
)

// timeout bounds what is asked of a cluster once.
const timeout = 10 * time.Second

// resource is Traefik's.
var resource = schema.GroupVersionResource{Group: "traefik.io", Version: "v1alpha1", Resource: "middlewares"}

var (
	// ErrNowhere is that the cluster answers, and has no such Middleware.
	ErrNowhere = errors.New("there is no Middleware")
	// ErrChanged is that the Middleware is not as a patch tests that it is, or that it would not be one any more.
	ErrChanged = errors.New("the cluster does not take the patch")
)

// Operation is one of a JSON patch (RFC 6902). A test of a null value is that there is nothing.
type Operation struct {
	Op    string `json:"op"`
	Path  string `json:"path"`
	Value any    `json:"value"`
}

// Middleware is one in a cluster.
type Middleware struct {
	*Address
	client dynamic.ResourceInterface
}

// Open finds the cluster as kubectl does, in KUBECONFIG, ~/.kube/config, or around the pod that it runs in. It asks nothing
// yet.
func Open(a *Address) (*Middleware, error) {
	// What the client would log is told as its errors are.
	klog.SetLogger(logr.Discard())
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.WarnIfAllMissing = false
	rules.ExplicitPath = a.File
	config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, &clientcmd.ConfigOverrides{CurrentContext: a.Context}).ClientConfig()
	switch {
	case clientcmd.IsEmptyConfig(err) || errors.Is(err, rest.ErrNotInCluster):
		return nil, errors.New("it is not said where the cluster is: set KUBECONFIG to a file that kubectl can use, or let it be ~/.kube/config")
	case err != nil:
		return nil, fmt.Errorf("the kubeconfig cannot be used: %w (kubectl config get-contexts says what there is)", err)
	}
	config.Timeout = timeout
	config.UserAgent = "ptl"
	config.WarningHandlerWithContext = rest.NoWarnings{}
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("the kubeconfig cannot be used: %w", err)
	}
	return &Middleware{a, client.Resource(resource).Namespace(a.Namespace)}, nil
}

// Plugins are the options of its plugins, by their names, as Traefik hands them on.
func (m *Middleware) Plugins(ctx context.Context) (map[string]any, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	object, err := m.client.Get(ctx, m.Name, meta.GetOptions{})
	if err != nil {
		return nil, m.failed("read", err)
	}
	content, err := json.Marshal(object.Object["spec"])
	if err != nil {
		return nil, m.failed("read", err)
	}
	var spec struct {
		Plugin map[string]any `json:"plugin"`
	}
	if err := json.Unmarshal(content, &spec); err != nil {
		return nil, m.failed("read", err)
	}
	return spec.Plugin, nil
}

// Patch does all of it, or nothing and returns ErrChanged. After any other error it may have done all.
func (m *Middleware) Patch(ctx context.Context, operations []Operation) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	patch, err := json.Marshal(operations)
	if err != nil {
		return err
	}
	_, err = m.client.Patch(ctx, m.Name, types.JSONPatchType, patch, meta.PatchOptions{FieldManager: "ptl"})
	if err != nil {
		return m.failed("patched", err)
	}
	return nil
}

// failed says what a cluster has answered, and what to do about it.
func (m *Middleware) failed(doing string, err error) error {
	var status refusals.APIStatus
	isAnswer := errors.As(err, &status)
	switch {
	case refusals.IsNotFound(err):
		return fmt.Errorf("%w %s in %s (kubectl --namespace=%[3]s get middlewares.traefik.io says which there are)", ErrNowhere, m.Name, m.Namespace)
	case refusals.IsForbidden(err):
		return fmt.Errorf("%s may not be %s by you: you need a Role to get and patch it (demo/kubernetes/role.yml is one)", m, doing)
	case refusals.IsUnauthorized(err):
		return fmt.Errorf("%s could not be %s: the cluster does not know you, so log in as for kubectl", m, doing)
	case isAnswer && status.Status().Code == http.StatusUnprocessableEntity, refusals.IsConflict(err):
		return fmt.Errorf("%w: %s", ErrChanged, status.Status().Message)
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%s could not be %s: the cluster does not answer (the kubeconfig says where it is)", m, doing)
	}
	return fmt.Errorf("%s could not be %s: %w (the kubeconfig says where the cluster is)", m, doing, err)
}
