package cluster

import (
	"testing"

	"github.com/getportal/ptlauth/e2e/program"
)

// TestCluster breaks one part after the other, and puts it right.
func TestCluster(t *testing.T) {
	if testing.Short() {
		t.Skip("starts Traefik")
	}
	env := program.WithPtl(t)
	for _, begin := range []func(*testing.T) *store{newRedis, newEtcd} {
		s := begin(t)
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t, s, env)
			t.Run("who is thrown out is out at every Traefik", c.revokes)
			t.Run("one Traefik is killed and started", c.oneIsKilled)
		})
	}
}
