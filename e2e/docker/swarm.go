package docker

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"

	networktypes "github.com/moby/moby/api/types/network"
	"github.com/moby/moby/api/types/swarm"
)

// Swarm stands in for a manager of a swarm, as far as Traefik and `docker stack deploy` ask it: which secrets, networks
// and services there are. Each service has one task, at 127.0.0.1 in each of its networks.
type Swarm struct {
	mutex    sync.Mutex
	secrets  []swarm.SecretSpec
	services []swarm.ServiceSpec
}

// NewSwarm is a swarm that runs until the test ends, and its address.
func NewSwarm(t testing.TB) (*Swarm, string) {
	t.Helper()
	s := new(Swarm)
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	return s, strings.Replace(server.URL, "http", "tcp", 1)
}

// Keep keeps secrets.
func (s *Swarm) Keep(secrets ...swarm.SecretSpec) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.secrets = append(s.secrets, secrets...)
}

// Run runs these services, and no others.
func (s *Swarm) Run(services ...swarm.ServiceSpec) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.services = services
}

func (s *Swarm) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	w.Header().Set("Api-Version", "1.44")
	w.Header().Set("Content-Type", "application/json")
	switch path := version.ReplaceAllString(r.URL.Path, ""); path {
	case "/_ping":
	case "/version":
		fmt.Fprint(w, `{"Version": "25.0.0", "ApiVersion": "1.44", "MinAPIVersion": "1.24"}`)
	case "/secrets":
		list := []swarm.Secret{}
		for _, spec := range s.secrets {
			spec.Data = nil // nobody is shown it
			list = append(list, swarm.Secret{ID: "id-of-" + spec.Name, Spec: spec})
		}
		_ = json.NewEncoder(w).Encode(list)
	case "/networks":
		list := []networktypes.Summary{}
		for _, name := range s.networks() {
			list = append(list, networktypes.Summary{Network: networktypes.Network{ID: name, Name: name, Scope: "swarm", Driver: "overlay"}})
		}
		_ = json.NewEncoder(w).Encode(list)
	case "/services":
		list := []swarm.Service{}
		for _, spec := range s.services {
			list = append(list, swarm.Service{ID: spec.Name, Spec: spec})
		}
		_ = json.NewEncoder(w).Encode(list)
	case "/tasks":
		var filters struct{ Service map[string]bool }
		_ = json.Unmarshal([]byte(r.URL.Query().Get("filters")), &filters)
		list := []swarm.Task{}
		for _, spec := range s.services {
			if filters.Service[spec.Name] {
				list = append(list, task(spec))
			}
		}
		_ = json.NewEncoder(w).Encode(list)
	default:
		http.NotFound(w, r)
	}
}

// networks are those of all services; s.mutex is held.
func (s *Swarm) networks() []string {
	var all []string
	seen := map[string]bool{}
	for _, spec := range s.services {
		for _, attached := range spec.TaskTemplate.Networks {
			if !seen[attached.Target] {
				seen[attached.Target] = true
				all = append(all, attached.Target)
			}
		}
	}
	return all
}

func task(spec swarm.ServiceSpec) swarm.Task {
	one := swarm.Task{ID: spec.Name + ".1", ServiceID: spec.Name, Slot: 1, Spec: spec.TaskTemplate, DesiredState: swarm.TaskStateRunning}
	one.Status.State = swarm.TaskStateRunning
	for _, attached := range spec.TaskTemplate.Networks {
		one.NetworksAttachments = append(one.NetworksAttachments, swarm.NetworkAttachment{
			Network:   swarm.Network{ID: attached.Target},
			Addresses: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/8")},
		})
	}
	return one
}
