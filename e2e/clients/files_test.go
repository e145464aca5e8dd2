package clients

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/getportal/ptlauth/cmd/client"
	"github.com/getportal/ptlauth/e2e/program"
)

// TestRclone copies a file there and back, for the user whose token it has.
func TestRclone(t *testing.T) {
	program.Need(t, "rclone", "rclone")
	apache := startApache(t)
	h := newHousehold(t, map[string]app{"files": {addr: apache.files, options: everyWay}})
	h.letIn(t, "files", "another's", "bob")
	h.inEachWay(t, "files", "WebDAV", "rclone", func(t *testing.T, d *desktop) {
		d.write(t, "letters/letter.txt", "Dear Bob")
		folder := strings.ReplaceAll(d.name, " ", "-")
		d.run(t, 0, "rclone copy letters site:"+folder)
		if got := apache.read(t, "files/ada/"+folder+"/letter.txt"); got != "Dear Bob" {
			t.Errorf("what arrives is %q", got)
		}
		if said := d.run(t, 0, d.then()); !strings.Contains(said, folder) {
			t.Errorf("%s says %q", d.then(), said)
		}
		d.run(t, 0, "rclone copy site:"+folder+" back")
		if got := grep(t, filepath.Join(d.home, "back"), "Dear Bob"); len(got) != 1 {
			t.Errorf("what comes back is %q", got)
		}
		d.run(t, 0, "rclone moveto site:"+folder+"/letter.txt site:"+folder+"/sent.txt")
		if got := apache.read(t, "files/ada/"+folder+"/sent.txt"); got != "Dear Bob" {
			t.Errorf("under its new name it is %q", got)
		}
		bob := h.newDesktop(t, "files", "another's", d.site)
		bob.have(t, h.typed(t, "files", bob.name, "rclone", d.typed.Way, d.site))
		if said := bob.run(t, 0, d.then()); said != "" {
			t.Errorf("to bob, rclone lists %q", said)
		}
		d.refused(t, -1, d.then()+" --retries=1 --low-level-retries=1", "401 Unauthorized")
	})
}

// TestCadaver does by hand what TestRclone does.
func TestCadaver(t *testing.T) {
	program.Need(t, "cadaver", "cadaver")
	apache := startApache(t)
	h := newHousehold(t, map[string]app{"files": {addr: apache.files, options: everyWay}})
	h.inEachWay(t, "files", "WebDAV", "cadaver", func(t *testing.T, d *desktop) {
		d.write(t, "letter.txt", "Dear Ada")
		folder := strings.ReplaceAll(d.name, " ", "-")
		screen := d.cadaver(t)
		screen.Await(t, `dav:/>`)
		screen.Type(t, "mkcol "+folder+"\ncd "+folder+"\nput letter.txt\ncat letter.txt\nquit\n")
		screen.Await(t, "Dear Ada")
		screen.End(t, 30*time.Second)
		if got := apache.read(t, "files/ada/"+folder+"/letter.txt"); got != "Dear Ada" {
			t.Errorf("what arrives is %q; cadaver says\n%s", got, screen.Text())
		}
		d.h.throwOut(t, d.app, d.name)
		d.cadaver(t).Await(t, "Authentication required for ptlauth on server")
	})
}

// cadaver types what ptl has printed to be typed, and takes a certificate of nobody that it knows.
func (d *desktop) cadaver(t *testing.T) *program.Screen {
	t.Helper()
	screen := program.NewScreen(t, d.home, d.environment, strings.Fields(d.then())...)
	if strings.HasPrefix(d.site, "https") {
		screen.Await(t, `accept the certificate\?`)
		screen.Type(t, "y\n")
	}
	return screen
}

// TestLitmus asks all that a WebDAV server is asked, with what ptl has printed: methods, locks, properties, copies, and
// bodies that wait for 100 Continue.
func TestLitmus(t *testing.T) {
	litmus := program.Need(t, "litmus", "litmus")
	apache := startApache(t)
	h := newHousehold(t, map[string]app{"files": {addr: apache.files, options: everyWay}})
	h.letIn(t, "files", "litmus", "ada")
	d := h.newDesktop(t, "files", "litmus", h.url("files", "http"))
	d.have(t, h.typed(t, "files", "litmus", "password", client.Basic, d.site))
	said := d.run(t, 0, strings.Join([]string{litmus, d.typed.Fields[0].Value, d.typed.Fields[1].Value, d.typed.Fields[2].Value}, " "))
	if strings.Count(said, " 0 failed") != 5 || strings.Contains(said, "FAIL") {
		t.Errorf("litmus says\n%s", said)
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
