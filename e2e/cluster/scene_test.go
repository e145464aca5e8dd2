package cluster

import (
	"os"
	"regexp"
	"testing"

	"github.com/getportal/ptlauth/e2e/program"
)

// fault is what fails: a row of the table in docs/operations.md.
type fault struct {
	row   string
	shows func(c *cluster, t *testing.T)
	// isRedis: there is none like it in etcd.
	isRedis bool
}

var faults = []fault{
	{row: "Nothing", shows: (*cluster).revokes},
	{row: "One Traefik dies, and is started again", shows: (*cluster).oneIsKilled},
	{row: "The store stops, and is started with all that it had", shows: (*cluster).goesAndComes},
	{row: "One Traefik cannot reach the store", shows: (*cluster).isCutOff},
	{row: "Nothing that the store says arrives at one Traefik", shows: (*cluster).fallsSilent},
	{row: "A connection to the store is gone, and nobody has told Traefik", shows: (*cluster).losesConnections},
	{row: "The store is slow", shows: (*cluster).isSlow},
	{row: "A part of the configuration is missing", shows: (*cluster).isHalfWritten},
	{row: "Redis was restarted without `notify-keyspace-events`", shows: (*cluster).isMute, isRedis: true},
	{row: "The store is started with old data", shows: (*cluster).startsOld},
	{row: "The store is started empty", shows: (*cluster).startsEmpty},
	{row: "One Traefik cannot read `terminals.file` or `terminals.url`"}, // TestSharedList
	{row: "Clocks are five minutes apart"},                               // TestClocks
}

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
			for _, f := range faults {
				if f.shows != nil && (!f.isRedis || s.mutes != nil) {
					t.Run(f.row, func(t *testing.T) { f.shows(c, t) })
				}
			}
		})
	}
}

// TestRows: what docs/operations.md says of a fault is said of one that is tried, and of each of them.
func TestRows(t *testing.T) {
	page, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	table := regexp.MustCompile(`(?s)\n\| What fails \|[^\n]*\n[^\n]*\n((?:\|[^\n]*\n)+)`).FindSubmatch(page)
	if table == nil {
		t.Fatal("docs/operations.md has no table of what fails")
	}
	rows := map[string]bool{}
	for _, row := range regexp.MustCompile(`(?m)^\| ([^|]+?) \|`).FindAllSubmatch(table[1], -1) {
		rows[string(row[1])] = true
	}
	for _, f := range faults {
		if !rows[f.row] {
			t.Errorf("docs/operations.md has no row %q", f.row)
		}
		delete(rows, f.row)
	}
	for row := range rows {
		t.Errorf("no test shows what docs/operations.md says below %q", row)
	}
}
