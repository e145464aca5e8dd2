package store

import (
	"fmt"
	"strings"
	"testing"
)

// TestParse: which store an address means; and what is said of one that means none does not hold its password.
func TestParse(t *testing.T) {
	for _, test := range []struct{ address, want, bad string }{
		{"redis://h", "redis [h:6379] / 0 traefik plain", ""},
		{"redis://u:hunter%2F2@h:1234/3?rootKey=/a/b/", "redis [h:1234] u/hunter/2 3 a/b plain", ""},
		{"REDISS://:hunter2@[::1]/0", "redis [[::1]:6379] /hunter2 0 traefik TLS", ""},
		{"etcd://u:hunter2@a,b:1,c", "etcd [a:2379 b:1 c:2379] u/hunter2 0 traefik plain", ""},
		{"etcds://h/", "etcd [h:2379] / 0 traefik TLS", ""},
		{"consul://h", "consul [h:8500] / 0 traefik plain", ""},
		{"consul://:hunter2@h:1?namespace=n", "consul [h:1] /hunter2 0 traefik plain", ""},
		{"consuls://h", "consul [h:8501] / 0 traefik TLS", ""},
		{"zookeeper://u:hunter2@a,b:1?rootKey=a/b", "zookeeper [a:2181 b:1] u/hunter2 0 a/b plain", ""},
		{"boltdb://u:hunter2@h", "", "no registry in boltdb: write redis://HOST"},
		{"consul://hunter2@h", "", "Consul has tokens: write consul://:TOKEN@HOST"},
		{"consul://:hunter2@a,b", "", "provider for consul takes one"},
		{"zookeepers://u:hunter2@h", "", "no registry in zookeepers"},
		{"zookeeper://u:hunter2@h?cert=x", "", "Traefik's provider for ZooKeeper knows none"},
		{"etcd://u:hunter2@h?namespace=x", "", "only Consul has those"},
		{"redis://u:hunter2@a,b", "", "takes one"},
		{"redis://u:hunter2@", "", "has no host"},
		{"redis://u:hunter2%zz@h", "", "cannot be read"},
		{"redis://u:hunter2@h/traefik", "", "write ?rootKey=KEY"},
		{"etcd://u:hunter2@h/traefik", "", "write ?rootKey=KEY"},
		{"etcd://u:hunter2@h?rootKey=/", "", "rootKey is empty"},
		{"etcd://u:hunter2@h?rootkey=x", "", "has `rootkey`, and knows rootKey"},
		{"etcd://u:hunter2@h?ca=/x", "", "goes without TLS"},
		{"etcds://u:hunter2@h?ca=/none/x", "", "ca cannot be read"},
		{"etcds://u:hunter2@h?cert=/none/x", "", "cert and key cannot be used"},
	} {
		t.Run(test.address, func(t *testing.T) {
			a, err := Parse(test.address)
			switch {
			case test.bad != "":
				if err == nil || !strings.Contains(err.Error(), test.bad) || strings.Contains(err.Error(), "hunter") {
					t.Errorf("the error is %v, want %q", err, test.bad)
				}
				return
			case err != nil:
				t.Fatal(err)
			}
			kind := "plain"
			if a.TLS != nil {
				kind = "TLS"
			}
			if got := fmt.Sprint(a.Engine, " ", a.Hosts, " ", a.User, "/", a.Password, " ", a.Database, " ", a.Root, " ", kind); got != test.want {
				t.Errorf("it is %s, want %s", got, test.want)
			}
			if strings.Contains(a.String(), "hunter") {
				t.Errorf("%s says the password", a)
			}
		})
	}
}
