package client_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/getportal/ptlauth/cmd/client"
)

// TestPage holds the list of docs/apps.md against what is known of the clients. With PTLAUTH_UPDATE=1 it writes it anew.
func TestPage(t *testing.T) {
	const path = "../../docs/apps.md"
	const begin, end = "<!-- This list is written by `cd cmd && PTLAUTH_UPDATE=1 go test -modfile=dev.mod -run TestPage ./client`. -->\n\n", "\n<!-- Until here. -->"
	page, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, hasBegin := strings.Cut(string(page), begin)
	list, after, hasEnd := strings.Cut(rest, end)
	if !hasBegin || !hasEnd {
		t.Fatalf("%s has no place for the list", path)
	}
	want := listed()
	if os.Getenv("PTLAUTH_UPDATE") != "" {
		if err := os.WriteFile(path, []byte(before+begin+want+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if list != want {
		t.Errorf("%s is not what is known: PTLAUTH_UPDATE=1 go test -modfile=dev.mod -run TestPage ./client", path)
	}
}

// listed are the clients in Markdown: a table of those that carry a token, and what is left for the others.
func listed() string {
	var b, others strings.Builder
	b.WriteString("| `--for=` | what it is | carries the token by |\n|---|---|---|\n")
	for _, c := range client.All {
		if len(c.Forms) == 0 {
			fmt.Fprintf(&others, "- %s: %s\n", c.Title, c.Instead)
			continue
		}
		var ways []string
		for _, way := range c.Ways() {
			ways = append(ways, string(way))
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", c.Name, c.Title, strings.Join(ways, ", "))
	}
	return b.String() + "\nNative apps that carry none:\n\n" + others.String() + "\n" + client.Otherwise + "\n"
}
