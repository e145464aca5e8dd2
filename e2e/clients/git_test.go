package clients

import (
	"bytes"
	"io"
	"net/http"
	"net/http/cgi"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/getportal/ptlauth/cmd/client"
	"github.com/getportal/ptlauth/e2e/program"
	"github.com/getportal/ptlauth/e2e/witness"
)

// startGit starts git's own server, a CGI program, and returns the folder with its repository notes.git, and its host and
// port. A function says who asks; nobody is asked for a password.
func startGit(t *testing.T, who func(r *http.Request) string) (dir, addr string) {
	t.Helper()
	git := program.Need(t, "git", "git")
	dir = t.TempDir()
	const make = `"$1" init -q --bare --initial-branch=main "$2" && "$1" -C "$2" config core.logAllRefUpdates true`
	if out, err := exec.CommandContext(t.Context(), "sh", "-c", make, "sh", git, filepath.Join(dir, "notes.git")).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	folder, err := exec.CommandContext(t.Context(), git, "--exec-path").Output()
	if err != nil {
		t.Fatal(err)
	}
	backend := filepath.Join(strings.TrimSpace(string(folder)), "git-http-backend")
	return dir, strings.TrimPrefix(witness.Listen(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user := who(r)
		if user == "" {
			w.Header().Set("WWW-Authenticate", `Basic realm="git"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		// A CGI program is told the length of what it is sent, and git does not know that of a large push.
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		r.Body, r.ContentLength, r.TransferEncoding = io.NopCloser(bytes.NewReader(body)), int64(len(body)), nil
		program := cgi.Handler{Path: backend, Env: []string{"GIT_PROJECT_ROOT=" + dir, "GIT_HTTP_EXPORT_ALL=1", "REMOTE_USER=" + user}}
		program.ServeHTTP(w, r)
	})), "http://")
}

// TestGit clones, and pushes.
func TestGit(t *testing.T) {
	repositories, addr := startGit(t, func(r *http.Request) string { return r.Header.Get("X-Ptl-User") })
	h := newHousehold(t, map[string]app{"code": {addr: addr, options: everyWay}})
	h.inEachWay(t, "code", "git's own server", "git", func(t *testing.T, d *desktop) {
		if strings.HasPrefix(d.typed.Then, "git config") {
			d.run(t, 0, d.then())
		}
		branch := strings.ReplaceAll(d.name, " ", "-")
		clone := d.push(t, d.site+"/notes.git", branch)
		if got := d.run(t, 0, "git -C "+repositories+"/notes.git log -g -1 --format='%gn: %s' "+branch); got != "ada: "+branch+"\n" {
			t.Errorf("the last push there is %q", got)
		}
		words := "could not read Username" // to ask again for what it was not given
		if d.typed.Way == client.Basic {
			words = "Authentication failed for"
		}
		d.refused(t, 128, "cd "+clone+" && GIT_TERMINAL_PROMPT=0 git fetch", words)
	})
}

// push clones a repository, and sends a commit there, on a branch that is called after it; it returns the clone's folder. The
// commit is larger than what git keeps in memory to send it again when it is asked for a password (http.postBuffer).
func (d *desktop) push(t *testing.T, repository, branch string) string {
	t.Helper()
	d.run(t, 0, "git clone -q "+repository+" clone && cd clone && git config user.name Ada && git config user.email ada@example.com && "+
		"head -c 2000000 /dev/urandom >large && git add large && git commit -qm "+branch+" && git push -q origin HEAD:refs/heads/"+branch)
	return "clone"
}
