package snapshot

import (
	"testing"
	"time"
)

// TestDue: whoever is taken out right after a look has begun is out within a period and a second, if a look takes no
// longer than a second.
func TestDue(t *testing.T) {
	began := time.Now()
	for name, test := range map[string]struct {
		took, refresh, want time.Duration
	}{
		"after a quick look, a period later":                                     {20 * time.Millisecond, 2 * time.Second, 2 * time.Second},
		"after one of half a second too":                                         {500 * time.Millisecond, 2 * time.Second, 2 * time.Second},
		"after a longer one, as much earlier":                                    {800 * time.Millisecond, 2 * time.Second, 1700 * time.Millisecond},
		"at most a quarter of a period earlier":                                  {1100 * time.Millisecond, 2 * time.Second, 1600 * time.Millisecond},
		"a server is left alone for a quarter of a period":                       {3 * time.Second, 2 * time.Second, 3500 * time.Millisecond},
		"where a period is short, what takes longer goes on at once":             {600 * time.Millisecond, 100 * time.Millisecond, 625 * time.Millisecond},
		"where it is long, a look of a second is followed half a second earlier": {time.Second, time.Minute, 59500 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			if got := due(began, began.Add(test.took), test.refresh).Sub(began); got != test.want {
				t.Errorf("the next look begins after %s, want %s", got, test.want)
			}
		})
	}
}
