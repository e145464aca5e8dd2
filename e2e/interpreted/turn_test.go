package interpreted

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v4"

	"github.com/getportal/ptlauth/internal/corpustest"
	"github.com/getportal/ptlauth/internal/guardtest"
)

// turning is the plugin that has decisions asked for once more in such an interval, and not only every 30 seconds.
func turning(t *testing.T, interval string) *guardtest.Plugin {
	t.Helper()
	plugin, err := guardtest.Read("../..")
	if err != nil {
		t.Fatal(err)
	}
	plugin, err = plugin.Set("snapshot.idleLimit", interval)
	if err != nil {
		t.Fatal(err)
	}
	return plugin
}

const everyLook = "time.Microsecond"

// TestTurn runs what lets time pass, in which the world changes, with decisions that wait to be asked for all the time: who is
// out is out, who is in stays in, and what is open stays open.
func TestTurn(t *testing.T) {
	if testing.Short() {
		t.Skip("it lets time pass")
	}
	cases, err := corpustest.Load("../../testdata", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	plugin, log := loadSource(t, turning(t, everyLook))
	for _, c := range cases.For(corpustest.Interpreted) {
		if !c.Waits() {
			continue
		}
		t.Run(c.ID+" "+c.Name, func(t *testing.T) {
			t.Parallel()
			corpustest.Run(t, c, corpustest.Interpreted, corpustest.InProcess(t, c, building(plugin, log)))
		})
	}
}

const turnInterval, lookInterval = time.Second, 100 * time.Millisecond

// TestWaiting asks when a turn is over and the next one has not come, so that what was decided waits.
func TestWaiting(t *testing.T) {
	if testing.Short() {
		t.Skip("it lets time pass")
	}
	plugin, _ := loadSource(t, turning(t, "time.Second"))
	expect := func(t *testing.T, got, want int) {
		t.Helper()
		if got != want {
			t.Errorf("status %d, want %d", got, want)
		}
	}
	const admitted, denied = http.StatusNotFound, http.StatusUnauthorized

	t.Run("who asks again is let in", func(t *testing.T) {
		t.Parallel()
		ask, _ := withList(t, plugin)
		phone := tokenOf(t, time.Time{})
		for range 4 {
			expect(t, ask(phone), admitted)
			time.Sleep(turnInterval + 3*lookInterval)
		}
	})
	t.Run("who is unpaired meanwhile is not", func(t *testing.T) {
		t.Parallel()
		ask, list := withList(t, plugin)
		phone := tokenOf(t, time.Time{})
		expect(t, ask(phone), admitted)
		time.Sleep(turnInterval + 2*lookInterval)
		replace(t, list, `[]`)
		time.Sleep(3 * lookInterval)
		expect(t, ask(phone), denied)
	})
	t.Run("whose token expires meanwhile is not", func(t *testing.T) {
		t.Parallel()
		ask, _ := withList(t, plugin)
		end := time.Now().Truncate(time.Second).Add(4 * time.Second)
		phone := tokenOf(t, end)
		for time.Until(end) > turnInterval {
			expect(t, ask(phone), admitted)
			time.Sleep(turnInterval / 4)
		}
		time.Sleep(time.Until(end))
		expect(t, ask(phone), denied)
	})
}

// withList is a middleware with a phone on a list: what asks it with a token, for a status, and where the list is.
func withList(t *testing.T, plugin *Plugin) (func(token string) int, string) {
	t.Helper()
	list := filepath.Join(t.TempDir(), "list.json")
	replace(t, list, `[{"id": "phone"}]`)
	config := map[string]any{"secretFile": fileOf(t, secret), "terminals": map[string]any{"file": list}, "refresh": lookInterval.String(), "leeway": "0s"}
	handler, err := plugin.New(t.Context(), http.NotFoundHandler(), config, t.Name())
	if err != nil {
		t.Fatal(err)
	}
	return func(token string) int {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("Cookie", "authorization="+token)
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		return w.Code
	}, list
}

// tokenOf is a phone's token, which ends then, or never.
func tokenOf(t *testing.T, end time.Time) string {
	t.Helper()
	claims := jwt.MapClaims{"sub": "phone", "iat": 1700000000}
	if !end.IsZero() {
		claims["exp"] = end.Unix()
	}
	text, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(secret))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// replace puts another file in a file's place, so that its identity shows the change.
func replace(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path+".new", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

// TestTurnIsTaken has the turn panic, which is the only sign of it that there is outside.
func TestTurnIsTaken(t *testing.T) {
	plugin, err := turning(t, everyLook).Plant("cache.Turn", "true")
	if err != nil {
		t.Fatal(err)
	}
	loaded, log := loadSource(t, plugin)
	config := map[string]any{"secretFile": fileOf(t, secret), "terminals": "any", "refresh": "100ms"}
	if _, err := loaded.New(t.Context(), http.NotFoundHandler(), config, "turned@file"); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(5 * time.Second); !strings.Contains(log.since(0), "turned@file could not look"); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("no turn was taken; the log: %s", log.since(0))
		}
	}
}
