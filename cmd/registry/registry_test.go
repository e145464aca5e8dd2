package registry

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func written(t *testing.T, content string) *File {
	t.Helper()
	f := &File{Path: filepath.Join(t.TempDir(), "terminals.json")}
	if err := os.WriteFile(f.Path, []byte(content), 0o640); err != nil {
		t.Fatal(err)
	}
	return f
}

// TestChange: what changes does, and nothing else.
func TestChange(t *testing.T) {
	const portals = "[{\"id\":\"abc123\",\"name\":\"phone\",\"icon\":\"smartphone\",\"last_connection\":1764115200.10}]"
	for _, test := range []struct {
		name, before string
		change       func(*List)
		after        string
	}{
		{"nothing changes, so that not a letter does", " [ ]", func(*List) {}, " [ ]"},
		{"an empty list gets its first entry", "[]", func(l *List) { l.Add("k7p2x9", "tablet <3", "ann", nil) },
			"[\n  {\"id\": \"k7p2x9\", \"name\": \"tablet <3\", \"user\": \"ann\"}\n]\n"},
		{"what Portal has written stays", portals, func(l *List) { l.Find("abc123").SetName("Ann's \"phone\"") },
			"[\n  {\"id\": \"abc123\", \"name\": \"Ann's \\\"phone\\\"\", \"icon\": \"smartphone\", \"last_connection\": 1764115200.10}\n]\n"},
		{"and beside it another is taken out", "[{\"id\": \"a1\"},\n" + portals[1:], func(l *List) { l.Remove("a1") },
			"[\n  " + portals[1:len(portals)-1] + "\n]\n"},
		{"codes are taken out, and since when it is paired is noted", `[{"id": "a1", "pairing": {"ends": 1, "watch": "x"}, "x": [1,  2]}]`,
			func(l *List) { l.Find("a1").Settle(1764115200) }, "[\n  {\"id\": \"a1\", \"x\": [1,  2], \"since\": 1764115200}\n]\n"},
		{"a member that stands twice is one afterwards", `[{"id": "a1", "name": "x", "name": "y"}]`, func(l *List) { l.Find("a1").SetName("z") },
			"[\n  {\"id\": \"a1\", \"name\": \"z\"}\n]\n"},
		{"a list with a byte order mark", "\xef\xbb\xbf[{\"id\": \"a1\"}]", func(l *List) { l.Remove("a1") }, "[]\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := written(t, test.before)
			err := f.Change(t.Context(), func(l *List) error { test.change(l); return nil })
			if err != nil {
				t.Fatal(err)
			}
			content, err := os.ReadFile(f.Path)
			if err != nil || string(content) != test.after {
				t.Errorf("the file is\n%s\nwant\n%s (%v)", content, test.after, err)
			}
			info, err := os.Stat(f.Path)
			if err != nil || info.Mode().Perm() != 0o640 {
				t.Errorf("its mode is %v, %v", info.Mode(), err)
			}
		})
	}
}

// TestChangeRefused: a list that is not as it should be is not touched, and says what to do.
func TestChangeRefused(t *testing.T) {
	for _, test := range []struct{ name, content, want string }{
		{"written by half", `[{"id": "a1"`, "it ends in line 1, before it is complete"},
		{"no list", `{"id": "a1"}`, "begins an object"},
		{"one id twice", `[{"id": "a1"}, {"id": "a1"}]`, "lists one id twice"},
		{"a change that the middleware would not read", `[{"id": "a1"}]`, "the list is left as it is: afterwards it lists one id twice"},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := written(t, test.content)
			err := f.Change(t.Context(), func(l *List) error { l.Add("a1", "", "", nil); return nil })
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("the error is %v, want %q", err, test.want)
			}
			if content, _ := os.ReadFile(f.Path); string(content) != test.content {
				t.Errorf("the file is %s", content)
			}
		})
	}
	t.Run("there is none", func(t *testing.T) {
		err := (&File{Path: filepath.Join(t.TempDir(), "none")}).Change(t.Context(), func(*List) error { return nil })
		if err == nil || !strings.Contains(err.Error(), "registry in ptl.yml says where it is") {
			t.Errorf("the error is %v", err)
		}
	})
}

// TestSymlink: what a link leads to is changed, and the link stays.
func TestSymlink(t *testing.T) {
	f := written(t, "[]")
	link := &File{Path: filepath.Join(t.TempDir(), "link.json")}
	if err := os.Symlink(f.Path, link.Path); err != nil {
		t.Fatal(err)
	}
	if err := link.Change(t.Context(), func(l *List) error { l.Add("a1", "", "", nil); return nil }); err != nil {
		t.Fatal(err)
	}
	info, err := os.Lstat(link.Path)
	l, readErr := f.Read()
	if err != nil || info.Mode()&os.ModeSymlink == 0 || readErr != nil || len(l.Terminals) != 1 {
		t.Errorf("the link is %v, the list %v, %v, %v", info, l, err, readErr)
	}
}

// TestMountedAlone: a file that is a mount point cannot be replaced, which is told.
func TestMountedAlone(t *testing.T) {
	f := written(t, "[]")
	script := `mount --bind "$1" "$1" && exec "$2" -test.run='^TestInMount$'`
	cmd := exec.Command("unshare", "--mount", "sh", "-c", script, "sh", f.Path, os.Args[0])
	cmd.Env = append(os.Environ(), "MOUNTED="+f.Path)
	out, err := cmd.CombinedOutput()
	if strings.Contains(string(out), "not permitted") || strings.Contains(string(out), "permission denied") {
		t.Skipf("nothing can be mounted here: %s", out)
	}
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestInMount(t *testing.T) {
	path := os.Getenv("MOUNTED")
	if path == "" {
		t.Skip("is a part of TestMountedAlone")
	}
	err := (&File{Path: path}).Change(context.Background(), func(l *List) error { l.Add("a1", "", "", nil); return nil })
	if err == nil || !strings.Contains(err.Error(), "mount the folder in which it is") {
		t.Errorf("the error is %v", err)
	}
}

// TestNewID: none is a number for YAML or an index for a KV store.
func TestNewID(t *testing.T) {
	usual := regexp.MustCompile(`^[abcdefghjklnpqrstvwxyz][abcdefghjklnpqrstvwxyz0-9]{5}$`)
	l := &List{}
	for range 10_000 {
		id := l.NewID()
		if !usual.MatchString(id) {
			t.Fatalf("%q is none", id)
		}
	}
}
