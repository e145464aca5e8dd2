package clients

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/getportal/ptlauth/e2e/poll"
	"github.com/getportal/ptlauth/e2e/program"
)

// nobody is Debian's user and group of that name: PostgreSQL and tt-rss do not run as root.
const nobody = 65534

// folderOfNobody is a new folder, and the beginning of a command that may write there and is not root's.
func folderOfNobody(t *testing.T) (string, []string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "ptlauth-") // below t.TempDir nobody else gets
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if os.Geteuid() != 0 {
		return dir, nil
	}
	if err := os.Chown(dir, nobody, nobody); err != nil {
		t.Fatal(err)
	}
	return dir, []string{program.Need(t, "setpriv", "util-linux"), "--reuid=nobody", "--regid=nogroup", "--clear-groups"}
}

// startPostgres starts PostgreSQL with these databases, and returns the folder of its socket; who can reach that is the
// user postgres, without a password.
func startPostgres(t *testing.T, databases ...string) string {
	t.Helper()
	dir, as := folderOfNobody(t)
	bin := ""
	if found, _ := filepath.Glob("/usr/lib/postgresql/*/bin"); len(found) > 0 {
		bin = found[len(found)-1] + "/" // Debian has them in no PATH
	}
	initdb := program.Need(t, bin+"initdb", "postgresql")
	must(t, dir, append(as, initdb, "--pgdata="+dir+"/data", "--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync")...)
	words := append(as, bin+"postgres", "-D", dir+"/data", "-k", dir, "-c", "listen_addresses=", "-c", "fsync=off", "-c", "max_connections=40")
	program.Spawn(t, filepath.Join(dir, ".s.PGSQL.5432"), words[0], words[1:]...)
	poll.Until(t, 30*time.Second, func() string { // it listens earlier
		out, err := exec.CommandContext(t.Context(), bin+"pg_isready", "--host="+dir).CombinedOutput()
		if err != nil {
			return string(out)
		}
		return ""
	})
	for _, name := range databases {
		must(t, dir, bin+"createdb", "--host="+dir, "--username=postgres", name)
	}
	return dir
}

// query is what PostgreSQL answers, without frame or spaces.
func query(t *testing.T, host, database string, words ...string) string {
	t.Helper()
	return strings.TrimSpace(must(t, host, append([]string{program.Need(t, "psql", "postgresql"), "--host=" + host, "--username=postgres", "--dbname=" + database,
		"--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1"}, words...)...))
}

// must runs a program in a folder, which must not fail, and returns what it says.
func must(t *testing.T, dir string, words ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), words[0], words[1:]...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(words, " "), err, out)
	}
	return string(out)
}
