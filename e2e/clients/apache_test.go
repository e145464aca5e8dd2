package clients

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/getportal/ptlauth/e2e/program"
	"github.com/getportal/ptlauth/e2e/source"
)

// apache serves, at an address each: files by WebDAV, in a folder for each user that X-Ptl-User names; and below /basic/,
// /digest/, /negotiate/ and /files/ the like with passwords of its own, where ada's is "her own".
type apache struct {
	dir        string // with files/ada, files/bob, own/basic, own/digest, own/negotiate, own/files
	files, own string
}

// modules are where Debian has Apache's.
const modules = "/usr/lib/apache2/modules"

// htpasswd holds the SHA-1 of ada's password, htdigest the MD5 of "ada:digest:her own".
const (
	htpasswd = "ada:{SHA}HrGj5T9u+dffGsvQspOYDrOSRs0=\n"
	htdigest = "ada:digest:6d3fc2581eb4bd294326dde2446b10a4\n"
)

func startApache(t *testing.T) *apache {
	t.Helper()
	return startApacheIn(t, nil)
}

// startApacheIn starts it in a realm; nil: in none, and without /negotiate/.
func startApacheIn(t *testing.T, in *realm) *apache {
	t.Helper()
	if testing.Short() {
		t.Skip("starts Apache")
	}
	server := program.Need(t, "apache2", "apache2-bin")
	// Not below the test's own folder, which is nobody else's: Apache is somebody else where the test is root.
	dir, err := os.MkdirTemp("", "ptlauth-apache-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	a := &apache{dir: dir, files: program.UnusedAddr(t), own: program.UnusedAddr(t)}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, folder := range []string{"files/ada", "files/bob", "own/basic", "own/digest", "own/files", "own/negotiate"} {
		if err := os.MkdirAll(filepath.Join(dir, folder), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	source.Replace(t, filepath.Join(dir, "htpasswd"), htpasswd)
	source.Replace(t, filepath.Join(dir, "htdigest"), htdigest)
	source.Replace(t, filepath.Join(dir, "own/basic/page"), "behind Basic\n")
	source.Replace(t, filepath.Join(dir, "own/digest/page"), "behind Digest\n")
	source.Replace(t, filepath.Join(dir, "own/negotiate/page"), "behind Negotiate\n")
	if in != nil {
		source.Replace(t, filepath.Join(dir, "krb5.conf"), in.read(t, "krb5.conf"))
		source.Replace(t, filepath.Join(dir, "keytab"), in.read(t, "keytab"))
	}
	who := ""
	if os.Getuid() == 0 {
		who = "User #65534\nGroup #65534"
		if out, err := exec.CommandContext(t.Context(), "chown", "-R", "65534:65534", dir).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	conf, err := os.ReadFile("testdata/apache.conf")
	if err != nil {
		t.Fatal(err)
	}
	source.Replace(t, filepath.Join(dir, "conf"), strings.NewReplacer("FOLDER", dir, "MODULES", modules, "WHO", who,
		"FILES", a.files, "OWN", a.own).Replace(string(conf)))
	// Apache ends with all of its group of processes, which is its own only where it has left the one that it was started in.
	words := []string{server, "-f", filepath.Join(dir, "conf"), "-DNO_DETACH"}
	if in != nil {
		words = append([]string{"KRB5_CONFIG=" + filepath.Join(dir, "krb5.conf")}, append(words, "-DKERBEROS")...)
	}
	program.Spawn(t, a.files, "env", words...)
	t.Cleanup(func() {
		if log, _ := os.ReadFile(filepath.Join(dir, "error.log")); t.Failed() {
			t.Logf("Apache says\n%s", log)
		}
	})
	return a
}

// read is what a file in Apache's folder holds.
func (a *apache) read(t *testing.T, name string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(a.dir, name))
	if err != nil {
		t.Error(err)
	}
	return string(content)
}
