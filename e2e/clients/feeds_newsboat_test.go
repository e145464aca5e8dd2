package clients

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/getportal/ptlauth/e2e/program"
)

// newsboat is somebody's, in a home of its own.
type newsboat struct {
	h       *household
	home    string
	program string
}

// newNewsboat writes its files into ~/.newsboat; they may be empty.
func newNewsboat(t *testing.T, h *household, config, urls, cookies string) *newsboat {
	t.Helper()
	n := &newsboat{h: h, home: t.TempDir(), program: program.Need(t, "newsboat", "newsboat")}
	dir := filepath.Join(n.home, ".newsboat")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if cookies != "" {
		config += "cookie-cache \"~/.newsboat/cookies.txt\"\n"
	}
	for name, content := range map[string]string{"config": config + "error-log \"~/.newsboat/errors\"\n", "urls": urls, "cookies.txt": cookies} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return n
}

// reload fetches everything, and returns what newsboat says, and what it notes as errors.
func (n *newsboat) reload(t *testing.T, code int) (string, string) {
	t.Helper()
	said := n.h.run(t, append(desk(t), "HOME="+n.home, "CURL_CA_BUNDLE="+n.h.authority), code, n.program, "--execute", "reload", "print-unread")
	noted, _ := os.ReadFile(filepath.Join(n.home, ".newsboat", "errors"))
	return said, string(noted)
}
