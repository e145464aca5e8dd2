package docs

import (
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/traefik/traefik/v3/pkg/provider/kubernetes/crd/traefikio/v1alpha1"
	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	rbac "k8s.io/api/rbac/v1"
	gateway "sigs.k8s.io/gateway-api/apis/v1"
	"sigs.k8s.io/yaml"

	"github.com/getportal/ptlauth/e2e/decode"
)

const clusterFolder = "../../demo/kubernetes/"

// kinds are the types of which demo/kubernetes has objects, by apiVersion and kind.
var kinds = map[string]func() any{
	"traefik.io/v1alpha1 Middleware":           func() any { return new(v1alpha1.Middleware) },
	"traefik.io/v1alpha1 IngressRoute":         func() any { return new(v1alpha1.IngressRoute) },
	"gateway.networking.k8s.io/v1 Gateway":     func() any { return new(gateway.Gateway) },
	"gateway.networking.k8s.io/v1 HTTPRoute":   func() any { return new(gateway.HTTPRoute) },
	"networking.k8s.io/v1 NetworkPolicy":       func() any { return new(networking.NetworkPolicy) },
	"rbac.authorization.k8s.io/v1 Role":        func() any { return new(rbac.Role) },
	"rbac.authorization.k8s.io/v1 RoleBinding": func() any { return new(rbac.RoleBinding) },
	"v1 Service":               func() any { return new(core.Service) },
	"v1 PersistentVolumeClaim": func() any { return new(core.PersistentVolumeClaim) },
	"apps/v1 Deployment":       func() any { return new(apps.Deployment) },
}

// chart is what values for Traefik's Helm chart say here. What it hands on to Kubernetes is of its types.
type chart struct {
	AdditionalArguments []string
	Experimental        struct {
		Plugins              map[string]struct{ ModuleName, Version string }
		AbortOnPluginFailure bool
	}
	Providers  struct{ KubernetesGateway struct{ Enabled bool } }
	Gateway    *struct{ Enabled bool }
	Deployment struct {
		InitContainers    []core.Container
		AdditionalVolumes []core.Volume
	}
	AdditionalVolumeMounts []core.VolumeMount
	Volumes                secretVolumes
	CertificatesResolvers  map[string]struct {
		ACME struct {
			Email, Storage string
			TLSChallenge   bool
		}
	}
	Persistence struct{ Enabled bool }
}

// TestClusterFiles: all that is in demo/kubernetes is what a cluster or Traefik's chart takes, to the last member, and refers to
// what is there.
func TestClusterFiles(t *testing.T) {
	found := map[string]any{}
	files, err := os.ReadDir(clusterFolder)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		content := text(t, clusterFolder+file.Name())
		switch {
		case file.Name() == "README.md":
		case strings.HasPrefix(file.Name(), "values"):
			if err := yaml.UnmarshalStrict([]byte(content), new(chart)); err != nil {
				t.Errorf("%s: %v", file.Name(), err)
			}
		case path.Ext(file.Name()) == ".yml":
			for manifest := range strings.SplitSeq(content, "\n---\n") {
				what, object := object(t, manifest)
				if found[what] != nil {
					t.Errorf("%s has another %s", file.Name(), what)
				}
				found[what] = object
			}
		default:
			t.Errorf("%s is of no kind that this test knows", file.Name())
		}
	}
	if missing := slices.DeleteFunc(slices.Collect(maps.Keys(kinds)), func(kind string) bool { return found[kind] != nil }); len(missing) > 0 {
		t.Errorf("there is no %q", missing)
	}
	named := map[string]bool{"README.md": true}
	for _, match := range regexp.MustCompile("(?:-f |--values |`)([a-z-]+\\.yml)").FindAllStringSubmatch(text(t, clusterFolder+"README.md"), -1) {
		named[match[1]] = true
		text(t, clusterFolder+match[1])
	}
	for _, file := range files {
		if !named[file.Name()] {
			t.Errorf("README.md does not say when %s is used", file.Name())
		}
	}
	if t.Failed() {
		return
	}
	refers(t, found)
}

// object is an object that a cluster would take, and of what kind. Members that it does not know are errors.
func object(t *testing.T, manifest string) (string, any) {
	t.Helper()
	var head struct{ APIVersion, Kind string }
	if err := yaml.Unmarshal([]byte(manifest), &head); err != nil {
		t.Fatal(err)
	}
	what := head.APIVersion + " " + head.Kind
	if kinds[what] == nil {
		t.Fatalf("a manifest of %q", what)
	}
	object := kinds[what]()
	if err := yaml.UnmarshalStrict([]byte(manifest), object); err != nil {
		t.Errorf("%s: %v", what, err)
	}
	return what, object
}

// refers follows what the objects name in one another. That it works so in a cluster, e2e/kubernetes shows.
func refers(t *testing.T, found map[string]any) {
	t.Helper()
	for what, one := range found {
		if got := fmt.Sprint(one.(interface{ GetNamespace() string }).GetNamespace()); got != "chat" {
			t.Errorf("%s is in %q", what, got)
		}
	}
	middleware := found["traefik.io/v1alpha1 Middleware"].(*v1alpha1.Middleware)
	policy := found["networking.k8s.io/v1 NetworkPolicy"].(*networking.NetworkPolicy)
	app := found["apps/v1 Deployment"].(*apps.Deployment).Spec.Template
	service := found["v1 Service"].(*core.Service)
	role := found["rbac.authorization.k8s.io/v1 Role"].(*rbac.Role)
	for what, is := range map[string]bool{
		"the policy is about the app's pods":             maps.Equal(policy.Spec.PodSelector.MatchLabels, app.Labels),
		"the Service leads to the app's pods":            maps.Equal(service.Spec.Selector, app.Labels),
		"the Service is reached within the cluster only": service.Spec.Type == "" || service.Spec.Type == core.ServiceTypeClusterIP,
		"the role is about the one middleware":           len(role.Rules) == 1 && slices.Equal(role.Rules[0].ResourceNames, []string{middleware.Name}) && slices.Equal(role.Rules[0].Verbs, []string{"get", "patch"}),
		"the binding is of the role":                     found["rbac.authorization.k8s.io/v1 RoleBinding"].(*rbac.RoleBinding).RoleRef.Name == role.Name,
		"the policy lets nobody but Traefik in": len(policy.Spec.Ingress) == 1 && len(policy.Spec.Ingress[0].From) == 1 && policy.Spec.Ingress[0].From[0].NamespaceSelector != nil &&
			policy.Spec.Ingress[0].From[0].PodSelector != nil && slices.Equal(policy.Spec.PolicyTypes, []networking.PolicyType{networking.PolicyTypeIngress}),
	} {
		if !is {
			t.Errorf("it is not so that %s", what)
		}
	}
	// Each route is apart from the other: both would be two ways in.
	for _, file := range []string{"ingressroute.yml", "httproute.yml"} {
		if !strings.Contains(text(t, clusterFolder+file), "name: "+middleware.Name+"\n") {
			t.Errorf("%s goes without the middleware %s", file, middleware.Name)
		}
	}
	secretFile, _ := demoMiddleware(t)["secretFile"].(string)
	commands := regexp.MustCompile(`(?m)^ *#?   (kubectl .+ create secret .+)`).FindAllStringSubmatch(text(t, clusterFolder+"values.yml"), -1)
	if len(commands) != 1 {
		t.Fatalf("values.yml says how to make the Secret %d times", len(commands))
	}
	if files := inPod(t, commands[0][1], helmValues(t)); !slices.Contains(files, secretFile) {
		t.Errorf("secretFile is %q, and the pod has %q", secretFile, files)
	}
}

// demoMiddleware is what arrives at the plugin of demo/kubernetes.
func demoMiddleware(t *testing.T) map[string]any {
	t.Helper()
	found, err := decode.Kubernetes(text(t, filepath.Join(clusterFolder, "middleware.yml")))
	if err != nil || len(found) != 1 {
		t.Fatal(found, err)
	}
	return slices.Collect(maps.Values(found))[0]
}

// secretVolumes are the volumes in values of Traefik's Helm chart, which mounts each in Traefik's pod.
type secretVolumes []struct{ Name, MountPath, Type string }

func helmValues(t *testing.T) secretVolumes {
	t.Helper()
	var values struct{ Volumes secretVolumes }
	if err := yaml.Unmarshal([]byte(text(t, clusterFolder+"values.yml")), &values); err != nil {
		t.Fatal(err)
	}
	return values.Volumes
}

// inPod are the files of a Secret, which a kubectl command makes, where volumes mount it in Traefik's
// pod: a file for each key, and the keys are the names of the files that the Secret is made from.
func inPod(t *testing.T, command string, volumes secretVolumes) []string {
	t.Helper()
	words := strings.Fields(command)
	want := strings.Fields("kubectl --namespace traefik create secret generic ptlauth")
	if len(words) <= len(want) || !slices.Equal(words[:len(want)], want) {
		t.Fatalf("the Secret is made by %q", command)
	}
	name := want[len(want)-1]
	var files []string
	for _, word := range words[len(want):] {
		source, ok := strings.CutPrefix(word, "--from-file=")
		if !ok {
			t.Fatalf("what is %q in %q?", word, command)
		}
		for _, volume := range volumes {
			if volume.Type == "secret" && volume.Name == name {
				files = append(files, path.Join(volume.MountPath, path.Base(source)))
			}
		}
	}
	return files
}
