// Package source has what ptlauth reads: files that are replaced at once, and servers that go down and come back.
package source

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

// Paired is a registry's content: these terminals are paired.
func Paired(ids ...string) string {
	list := []map[string]string{}
	for _, id := range ids {
		list = append(list, map[string]string{"id": id, "name": "a terminal"})
	}
	text, _ := json.Marshal(list)
	return string(text)
}

// Replace puts another file in a file's place, at once.
func Replace(t *testing.T, path, content string) {
	t.Helper()
	fresh := path + ".new"
	if err := os.WriteFile(fresh, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(fresh, path); err != nil {
		t.Fatal(err)
	}
}

// File makes a file and returns its path.
func File(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "content")
	Replace(t, path, content)
	return path
}

// Named makes a file of that name and returns its path.
func Named(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
