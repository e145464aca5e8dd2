package cluster

import (
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v4"

	"github.com/getportal/ptlauth/e2e/program"
	"github.com/getportal/ptlauth/e2e/visitor"
)

// clocks are how far each Traefik's is ahead.
var clocks = []time.Duration{0, 5 * time.Minute, -5 * time.Minute}

// TestClocks: no clock lets in whoever was thrown out. Five minutes keep out, for as long, whoever was let in where the clock is
// ahead; and what ends by itself ends so much later where it is behind.
func TestClocks(t *testing.T) {
	if testing.Short() {
		t.Skip("starts Traefik")
	}
	t.Parallel()
	program.Need(t, "haproxy", "haproxy")
	c := newListed(t)
	c.env, c.site = program.WithPtl(t), t.TempDir()
	c.writes(t, "secret", c.secret)
	c.writes(t, "list/terminals.json", listOf(c.device(t, "stays"), c.device(t, "ends")))
	configuration := fmt.Sprintf(dynamic, c.app, filepath.Join(c.site, "secret"), fmt.Sprintf("{file: %q}, pairing: true", filepath.Join(c.site, "list", "terminals.json")))
	c.writes(t, "dynamic.yml", configuration)
	for i := range names {
		c.options[i].Dynamic = configuration
		c.options[i].Plugin = withClock(t, clocks[i])
	}
	c.beginAll(t)
	c.writes(t, "ptl.yml", fmt.Sprintf("url: http://%s\ndynamic: %s\n", c.entry, filepath.Join(c.site, "dynamic.yml")))

	// Each is let in at one of the Traefiks, which makes the token by its clock.
	in := make([]device, len(names))
	for i, name := range names {
		phone := visitor.NewPerson(t, c.addrs[i])
		screen := program.NewScreen(t, c.site, c.env, "ptl", "pair", "--name=phone "+name, "--user="+name)
		phone.Pair(strings.Replace(screen.Await(t, `http://\S+/\.ptl/pair\S*#\S+`), c.entry, host, 1))
		screen.Await(t, `Was that you\?`)
		screen.Type(t, "\n")
		if code := screen.End(t, patience); code != 0 {
			t.Fatalf("ptl pair ends with %d\n%s", code, screen.Text())
		}
		in[i] = device{id: name, user: name, token: phone.Cookie("http://"+host+"/", "authorization")}
	}
	for made := range names {
		for at := range names {
			want := http.StatusOK
			if clocks[made] > clocks[at] {
				want = http.StatusUnauthorized
			}
			if got := c.at(at, in[made]); got != want {
				t.Errorf("a token made with the clock at %s gets %d where it is %s, want %d", clocks[made], got, clocks[at], want)
			}
		}
	}
	ends := c.device(t, "ends")
	ends.token = c.token(t, ends.id, jwt.MapClaims{"exp": time.Now().Add(-2 * time.Minute).Unix()})
	for at, want := range []int{http.StatusUnauthorized, http.StatusUnauthorized, http.StatusOK} {
		if got := c.at(at, ends); got != want {
			t.Errorf("a token that has ended two minutes ago gets %d where the clock is at %s, want %d", got, clocks[at], want)
		}
	}
	for i, d := range in {
		socket := ended(c.dial(t, "http://"+c.addrs[i], d))
		if out, err := c.ptl(t, "unpair", "phone "+d.id); err != nil {
			t.Logf("ptl unpair: %v, %s", err, out) // it asks with a token of its own clock
		}
		for at := range names {
			c.awaits(t, at, d, http.StatusUnauthorized)
		}
		select {
		case <-socket:
		case <-time.After(patience):
			t.Errorf("the WebSocket of %s is open", d.id)
		}
	}
}

func (c *cluster) writes(t *testing.T, name, content string) {
	t.Helper()
	path := filepath.Join(c.site, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// unix is where the plugin asks for the date.
var unix = regexp.MustCompile(`\b(time\.Now\(\)|now|end)\.Unix\(\)`)

// withClock is a folder with the plugin, for which it is later by so much: neither a time namespace nor a preloaded library
// changes the date for a program in Go.
func withClock(t *testing.T, ahead time.Duration) string {
	t.Helper()
	const root = "../.."
	dir := t.TempDir()
	found := 0
	for _, name := range []string{".traefik.yml", "go.mod", "vendor", "internal"} {
		err := filepath.WalkDir(filepath.Join(root, name), func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			return copied(path, filepath.Join(dir, strings.TrimPrefix(path, root)), ahead, &found)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	files, err := filepath.Glob(filepath.Join(root, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range files {
		if err := copied(path, filepath.Join(dir, filepath.Base(path)), ahead, &found); err != nil {
			t.Fatal(err)
		}
	}
	if found < 5 {
		t.Fatalf("the plugin asks %d times for the date", found)
	}
	return dir
}

func copied(from, to string, ahead time.Duration, found *int) error {
	content, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	if !strings.Contains(filepath.ToSlash(from), "/vendor/") && strings.HasSuffix(from, ".go") {
		*found += len(unix.FindAll(content, -1))
		content = unix.ReplaceAll(content, fmt.Appendf(nil, "${1}.Add(%d).Unix()", ahead))
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		return err
	}
	return os.WriteFile(to, content, 0o600)
}
