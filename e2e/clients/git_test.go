package clients

import (
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/getportal/ptlauth/e2e/program"
	"github.com/getportal/ptlauth/e2e/source"
)

// TestGit clones, and pushes for the user whose token it has.
func TestGit(t *testing.T) {
	program.Need(t, "git", "git")
	apache := startApache(t)
	h := newHousehold(t, map[string]app{"code": {addr: apache.code, options: `{token: {header: Authorization}}`}})
	t.Run("with the token in a line of its configuration", func(t *testing.T) {
		h.overEach(t, "code", func(t *testing.T, site, name, token string) {
			desk := newGitDesk(t, h, site, "Authorization: Bearer "+token)
			branch := strings.ReplaceAll(name, " ", "-")
			clone := desk.push(t, "/notes.git", branch)
			if got := desk.last(t, apache, branch); got != branch+"\n" {
				t.Errorf("the last commit there is %q", got)
			}

			h.throwOut(t, "code", name)
			said := desk.git(t, 128, "-C", clone, "fetch")
			if !strings.Contains(said, "could not read Username") {
				t.Errorf("thrown out, git says %q", said)
			}
			t.Logf("thrown out, git says\n%s", said)
		})
	})
}

// gitDesk is a desk with git.
type gitDesk struct {
	h           *household
	environment []string
	site        string
}

// newGitDesk returns one whose git sends these header lines to the site.
func newGitDesk(t *testing.T, h *household, site string, lines ...string) *gitDesk {
	t.Helper()
	d := &gitDesk{h, desk(t, "GIT_TERMINAL_PROMPT=0", "GIT_SSL_CAINFO="+h.authority), site}
	for name, value := range map[string]string{"credential.helper": "store", "user.name": "Ada", "user.email": "ada@example.com", "safe.directory": "*"} {
		d.git(t, 0, "config", "--global", name, value)
	}
	for _, line := range lines {
		d.git(t, 0, "config", "--global", "--add", "http."+site+"/.extraHeader", line)
	}
	return d
}

// knows puts a password into git's store.
func (d *gitDesk) knows(t *testing.T, user, password string) {
	t.Helper()
	at, err := url.Parse(d.site)
	if err != nil {
		t.Fatal(err)
	}
	at.User = url.UserPassword(user, password)
	home, _ := strings.CutPrefix(d.environment[0], "HOME=")
	source.Replace(t, filepath.Join(home, ".git-credentials"), at.String()+"\n")
}

func (d *gitDesk) git(t *testing.T, want int, words ...string) string {
	t.Helper()
	return d.h.run(t, d.environment, want, append([]string{"git"}, words...)...)
}

// push clones a repository, and sends a commit there, on a branch that is called after it; it returns the clone's folder.
func (d *gitDesk) push(t *testing.T, repository, branch string) string {
	t.Helper()
	clone := t.TempDir()
	d.git(t, 0, "clone", "-q", d.site+repository, clone)
	d.git(t, 0, "-C", clone, "commit", "-qm", branch, "--allow-empty")
	d.git(t, 0, "-C", clone, "push", "-q", "origin", "HEAD:refs/heads/"+branch)
	return clone
}

// last is what the last commit of a branch in Apache's repository is about.
func (d *gitDesk) last(t *testing.T, a *apache, branch string) string {
	t.Helper()
	return d.git(t, 0, "-C", filepath.Join(a.dir, "code", "notes.git"), "log", "-1", "--format=%s", branch)
}
