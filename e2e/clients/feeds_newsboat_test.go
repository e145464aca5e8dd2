package clients

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/getportal/ptlauth/e2e/program"
)

// newsboat is somebody's, with a folder of its own.
type newsboat struct {
	dir         string
	environment []string
	program     string
}

// newNewsboat sets it up: the lines of its config and of its urls, and a token in its cookies, each of which may be empty.
func newNewsboat(t *testing.T, config, urls, cookie string) *newsboat {
	t.Helper()
	n := &newsboat{dir: t.TempDir(), environment: desk(t), program: program.Need(t, "newsboat", "newsboat")}
	cookies := "# Netscape HTTP Cookie File\n"
	if cookie != "" {
		cookies += fmt.Sprintf("127.0.0.1\tFALSE\t/\tFALSE\t0\tauthorization\t%s\n", cookie)
	}
	config += fmt.Sprintf("cookie-cache \"%s\"\nerror-log \"%s\"\n", filepath.Join(n.dir, "cookies.txt"), filepath.Join(n.dir, "errors"))
	for name, content := range map[string]string{"config": config, "urls": urls, "cookies.txt": cookies} {
		if err := os.WriteFile(filepath.Join(n.dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return n
}

// words start it so that it does what is said, without its screen.
func (n *newsboat) words(commands ...string) []string {
	return append([]string{n.program, "--config-file=" + n.dir + "/config", "--url-file=" + n.dir + "/urls", "--cache-file=" + n.dir + "/cache.db", "--execute"}, commands...)
}

// errors is what it has noted for its user.
func (n *newsboat) errors(t *testing.T) string {
	t.Helper()
	said, err := os.ReadFile(filepath.Join(n.dir, "errors"))
	if err != nil {
		t.Fatal(err)
	}
	return string(said)
}
