package clients

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/getportal/ptlauth/e2e/program"
	"github.com/getportal/ptlauth/e2e/source"
)

// TestRclone copies a file there and back, for the user whose token it has.
func TestRclone(t *testing.T) {
	rclone, apache := program.Need(t, "rclone", "rclone"), startApache(t)
	h := newHousehold(t, map[string]app{"files": {addr: apache.files, options: `{token: {header: Authorization}}`}})
	env := desk(t, "SSL_CERT_FILE="+h.authority)
	for way, credentials := range map[string]func(t *testing.T, token string) string{
		"as a bearer token": func(_ *testing.T, token string) string { return "bearer_token = " + token },
	} {
		t.Run("with the token "+way, func(t *testing.T) {
			h.overEach(t, "files", func(t *testing.T, site, name, token string) {
				conf := source.Named(t, "rclone.conf", fmt.Sprintf("[site]\ntype = webdav\nurl = %s/\nvendor = other\n%s\n", site, credentials(t, token)))
				rclone := func(want int, words ...string) string {
					return h.run(t, env, want, append([]string{rclone, "--config", conf}, words...)...)
				}
				letter, back := source.Named(t, name+".txt", "Dear Bob"), t.TempDir()
				rclone(0, "copy", letter, "site:letters")
				if got := apache.read(t, "files/ada/letters/"+name+".txt"); got != "Dear Bob" {
					t.Errorf("what arrives is %q", got)
				}
				rclone(0, "copy", "site:letters/"+name+".txt", back)
				if got := grep(t, back, "Dear Bob"); len(got) != 1 {
					t.Errorf("what comes back is %q", got)
				}

				h.throwOut(t, "files", name)
				said := rclone(-1, "--retries", "1", "--low-level-retries", "1", "lsf", "site:")
				if !strings.Contains(said, "401 Unauthorized") {
					t.Errorf("thrown out, rclone says %q", said)
				}
				t.Logf("thrown out, rclone says\n%s", said)
			})
		})
	}
}

// grep are the files in a folder that hold a text, by their paths in it.
func grep(t *testing.T, folder, text string) []string {
	t.Helper()
	var found []string
	err := filepath.WalkDir(folder, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() || strings.Contains(path, ".Radicale.cache") {
			return err
		}
		content, err := os.ReadFile(path)
		if strings.Contains(string(content), text) {
			name, _ := filepath.Rel(folder, path)
			found = append(found, filepath.ToSlash(name))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}
