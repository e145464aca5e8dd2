package clients

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/getportal/ptlauth/cmd/client"
)

// appsPage has a table of which program gets into which app, and how: what the tests of this package show, and no more.
const (
	appsPage   = "../../docs/apps.md"
	tableBegin = "<!-- This table is written by `cd e2e && PTLAUTH_UPDATE=1 go test -count=1 ./clients`. -->\n\n"
	tableEnd   = "\n<!-- Until here. -->"
)

// entry is a cell of that table.
type entry struct {
	program, app string
	way          client.Way
}

// shown are the entries that tests have shown.
var shown = struct {
	sync.Mutex
	entries map[entry]bool
}{entries: map[entry]bool{}}

// shows says what a test shows if it ends well: that a program of cmd/client gets into an app with its token in that way, and
// that it is out when its terminal is.
func shows(t *testing.T, program, app string, way client.Way) {
	t.Helper()
	c := client.Find(program)
	if c == nil || !slices.Contains(c.Ways(), way) {
		t.Errorf("ptl does not know how %s carries a token by %q", program, way)
	}
	t.Cleanup(func() {
		if t.Failed() || t.Skipped() {
			return
		}
		shown.Lock()
		defer shown.Unlock()
		shown.entries[entry{program, app, way}] = true
	})
}

// TestMain holds the table against what was shown, when all tests have ended well.
func TestMain(m *testing.M) {
	code := m.Run()
	if code == 0 && !testing.Short() {
		if problem := compareTable(); problem != "" {
			fmt.Println(problem)
			code = 1
		}
	}
	os.Exit(code)
}

// compareTable returns what is wrong with the table; empty: nothing. What a part of the tests has not shown is not missing.
func compareTable() string {
	page, err := os.ReadFile(appsPage)
	if err != nil {
		return err.Error()
	}
	before, rest, hasBegin := strings.Cut(string(page), tableBegin)
	table, after, hasEnd := strings.Cut(rest, tableEnd)
	if !hasBegin || !hasEnd {
		return appsPage + " has no place for the table"
	}
	isWhole := flag.Lookup("test.run").Value.String() == "" && flag.Lookup("test.skip").Value.String() == ""
	if want := tableOf(shown.entries); os.Getenv("PTLAUTH_UPDATE") != "" && isWhole && table != want {
		if err := os.WriteFile(appsPage, []byte(before+tableBegin+want+tableEnd+after), 0o644); err != nil {
			return err.Error()
		}
		return ""
	}
	said := entriesIn(table)
	for e := range shown.entries {
		if !said[e] {
			return fmt.Sprintf("%s does not say that %s gets into %s by %q, which is shown", appsPage, e.program, e.app, e.way)
		}
	}
	// Where a program is not installed its tests are left out.
	for e := range said {
		if !shown.entries[e] && isWhole && os.Getenv("PTLAUTH_NO_SKIP") != "" {
			return fmt.Sprintf("%s says that %s gets into %s by %q, which no test has shown", appsPage, e.program, e.app, e.way)
		}
	}
	return ""
}

// tableOf is the table in Markdown, in the order in which cmd/client has the programs.
func tableOf(entries map[entry]bool) string {
	var b strings.Builder
	b.WriteString("| program | app |")
	for _, way := range client.Ways {
		fmt.Fprintf(&b, " %s |", way)
	}
	b.WriteString("\n|---|---|" + strings.Repeat("---|", len(client.Ways)) + "\n")
	for _, c := range client.All {
		apps := map[string]bool{}
		for e := range entries {
			if e.program == c.Name {
				apps[e.app] = true
			}
		}
		for _, app := range slices.Sorted(maps.Keys(apps)) {
			fmt.Fprintf(&b, "| %s | %s |", c.Name, app)
			for _, way := range client.Ways {
				mark := " "
				if entries[entry{c.Name, app, way}] {
					mark = " ✓ "
				}
				fmt.Fprintf(&b, "%s|", mark)
			}
			b.WriteString("\n")
		}
	}
	return b.String()
}

// entriesIn are those that a table in Markdown marks.
func entriesIn(table string) map[entry]bool {
	entries := map[entry]bool{}
	for _, line := range strings.Split(table, "\n") {
		cells := strings.Split(line, "|")
		for i := 3; i < len(cells) && i-3 < len(client.Ways); i++ {
			if strings.TrimSpace(cells[i]) == "✓" {
				entries[entry{strings.TrimSpace(cells[1]), strings.TrimSpace(cells[2]), client.Ways[i-3]}] = true
			}
		}
	}
	return entries
}

func TestTable(t *testing.T) {
	entries := map[entry]bool{{"curl", "an app", client.Bearer}: true, {"curl", "an app", client.Cookie}: true, {"davx5", "Radicale", client.Basic}: true, {"curl", "Miniflux", client.Header}: true}
	table := tableOf(entries)
	if got := entriesIn(table); !maps.Equal(got, entries) {
		t.Errorf("read are %v of\n%s", got, table)
	}
	if lines := strings.Split(table, "\n"); len(lines) != 6 || lines[2] != "| davx5 | Radicale | ✓ | | | |" {
		t.Errorf("it is\n%s", table)
	}
}

// TestWords: what docs/apps.md says that refused programs say is what the tests of this package want them to say.
func TestWords(t *testing.T) {
	page, err := os.ReadFile(appsPage)
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(page), "\n### What they say when they are refused\n")
	section, _, _ = strings.Cut(section, "\n## ")
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	wanted := ""
	for _, file := range files {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		wanted += string(source)
	}
	words := regexp.MustCompile("“([^”]+)”").FindAllStringSubmatch(section, -1)
	for _, word := range words {
		if !strings.Contains(wanted, word[1]) {
			t.Errorf("no test wants a program to say %q", word[1])
		}
	}
	if len(words) < 8 {
		t.Errorf("found only %q", words)
	}
}
