package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v4"

	"github.com/getportal/ptlauth/cmd/command"
	"github.com/getportal/ptlauth/cmd/settings"
)

var (
	invocation = regexp.MustCompile(`(?:^|[|(&;] *|\n)ptl ([^|><)\n]*)`)
	word       = regexp.MustCompile(`(?:'[^']*'|"[^"]*"|[^ '"])+`)
)

// TestExamples: each line that calls ptl, in the help and in docs/ptl.md, has a command and options that there are.
func TestExamples(t *testing.T) {
	page := read(t, "../../docs/ptl.md")
	t.Chdir(t.TempDir())
	var lines []string
	for _, c := range commands() {
		for _, e := range c.Examples {
			lines = append(lines, e.Line)
		}
	}
	count := 0
	for _, line := range append(lines, blocks(page, "sh")...) {
		for _, match := range invocation.FindAllStringSubmatch(line, -1) {
			count++
			var words []string
			for _, one := range word.FindAllString(match[1], -1) {
				words = append(words, strings.NewReplacer(`'`, "", `"`, "").Replace(one))
			}
			if words[0] == "--help" {
				continue
			}
			c := find(commands(), words[0])
			if c == nil {
				t.Errorf("there is no command in %q", line)
				continue
			}
			if _, err := settings.Load(c, words[1:]); err != nil {
				t.Errorf("%q: %v", line, err)
			}
		}
	}
	if count < 15 {
		t.Errorf("only %d lines were looked at", count)
	}
}

// blocks are those of a page in a language.
func blocks(page, language string) []string {
	var all []string
	for _, match := range regexp.MustCompile("(?s)```"+language+"\n(.*?)```").FindAllStringSubmatch(page, -1) {
		all = append(all, match[1])
	}
	return all
}

// TestPage does what docs/ptl.md shows, in a folder that ptl init has made, and holds what is said against what is shown
// there.
func TestPage(t *testing.T) {
	page := read(t, "../../docs/ptl.md")
	t.Chdir(t.TempDir())
	do(t, command.Done, "init", "--url=https://app.example.com", ".")
	plant(t, "ptl.yml", blocks(page, "yaml")[0])
	plant(t, "ptlauth/terminals.json", `[{"id": "k7p2x9", "name": "Your laptop", "user": "you@example.com"}]`)

	secret := strings.TrimSpace(plant(t, "ptlauth/secret", ""))
	expired, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"sub": "k7p2x9", "iat": 1700000000, "exp": 1700086400}).SignedString([]byte(secret))
	if err != nil {
		t.Fatal(err)
	}
	shown(t, page, do(t, command.Refused, "inspect", expired))

	plant(t, "ptlauth/dynamic.yml", strings.Replace(plant(t, "ptlauth/dynamic.yml", ""), "pairing:", "paring:", 1))
	plant(t, "compose.yml", strings.Replace(plant(t, "compose.yml", ""), "    networks: [app]\n    labels:", "    networks: [app]\n    ports: [\"8080:80\"]\n    labels:", 1))
	shown(t, page, do(t, command.Refused, "check", "compose.yml", "ptlauth/dynamic.yml"))
}

// shown has a block of docs/ptl.md be just that.
func shown(t *testing.T, page, output string) {
	t.Helper()
	for _, block := range blocks(page, "text") {
		if block == output {
			return
		}
	}
	t.Errorf("docs/ptl.md does not show:\n%s", output)
}

// plant writes a file, unless the content is empty, and returns what was there.
func plant(t *testing.T, path, content string) string {
	t.Helper()
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if content != "" {
		if err := os.WriteFile(filepath.Clean(path), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return string(before)
}

// do runs ptl, which must end so, and returns what it has written.
func do(t *testing.T, exit command.Exit, args ...string) string {
	t.Helper()
	var out, complaints bytes.Buffer
	got := run(&command.Console{In: strings.NewReader(""), Out: &out, Err: &complaints}, args)
	if got != exit {
		t.Errorf("ptl %q ends with %d, want %d\n%s%s", args, got, exit, &out, &complaints)
	}
	return out.String()
}

// TestExits holds the codes of the manual's table against how ptl ends.
func TestExits(t *testing.T) {
	t.Chdir(t.TempDir())
	do(t, command.Done, "init", ".")
	for _, test := range []struct {
		name string
		exit command.Exit
		args []string
	}{
		{"help", command.Done, []string{"--help"}},
		{"which version", command.Done, []string{"--version"}},
		{"nobody is paired", command.Done, []string{"terminals"}},
		{"what ptl makes is as it should be", command.Done, []string{"check", "."}},
		{"a file that cannot be read", command.Failed, []string{"check", "missing.yml"}},
		{"no such command", command.Usage, []string{"nothing"}},
		{"no such option", command.Usage, []string{"check", "--nothing"}},
		{"no such middleware", command.Usage, []string{"inspect", "--middleware=nothing", "x"}},
		{"no such shell", command.Usage, []string{"completion", "nothing"}},
		{"no such terminal", command.Nobody, []string{"rename", "nobody", "somebody"}},
		{"a token that is not admitted", command.Refused, []string{"inspect", "nothing"}},
	} {
		t.Run(test.name, func(t *testing.T) { do(t, test.exit, test.args...) })
	}
}
