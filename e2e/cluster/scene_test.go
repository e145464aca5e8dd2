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
	t.Parallel()
	env := program.WithPtl(t)
	for _, begin := range []func(*testing.T) *store{newRedis, newEtcd} {
		s := begin(t)
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t, s, env)
			t.Run("who is thrown out is out at every Traefik", c.revokes)
			t.Run("one Traefik is killed and started", c.oneIsKilled)
			t.Run("the store goes and comes", c.goesAndComes)
			t.Run("one Traefik is cut off from it", c.isCutOff)
			t.Run("one Traefik hears nothing from it", c.fallsSilent)
			t.Run("it is slow", c.isSlow)
			t.Run("a part of the configuration is not there", c.isHalfWritten)
			if s.mutes != nil {
				t.Run("it tells nobody of changes", c.isMute)
			}
			t.Run("it is started with old data", c.startsOld)
			t.Run("it is started empty", c.startsEmpty)
		})
	}
}
