package manual_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/getportal/ptlauth/cmd/manual"
)

// sample has what is hard to write in each form.
var sample = &manual.Program{
	Name: "sample", Version: "v1", Summary: "it's a [sample]: 100% \\n", Description: ".first\n\nsecond\nline\n\n'third",
	Commands: []manual.Command{
		{
			Name: "pair", Arguments: "[NAME]", Summary: "lets somebody's device in: at once", Description: "One.\n\n.Two.\n- a: b\n- c\n\nLast.", HasShared: true,
			Options:  []manual.Option{{Name: "name", Description: "what it's called [or: not]"}, {Name: "json", Description: "for programs", IsSwitch: true}, {Name: "ends", Description: "until", Default: "10m"}, {Name: "for", Description: "what", Values: []string{"davx5", "git"}}},
			Examples: []manual.Entry{{Term: "sample pair --name='a b' | c", Meaning: "With a name"}},
		},
		{Name: "remove", Arguments: "ID", Summary: "throws somebody out", Lister: "list ids"},
		{Name: "completion", Arguments: "SHELL", Summary: "prints a script", Values: []string{"bash", "zsh"}},
	},
	Shared: []manual.Option{{Name: "where", Description: "where"}},
	Exits:  []manual.Entry{{Term: "0", Meaning: "Done | well."}},
	Files:  []manual.Entry{{Term: "sample.yml", Meaning: ".where things are"}},
}

// TestBash completes command lines in a real bash.
func TestBash(t *testing.T) {
	script := written(t, "bash")
	for _, test := range []struct{ name, line, want string }{
		{"a command by its beginning", "sample p", "pair"},
		{"all commands", "sample ''", "completion pair remove"},
		{"what the program itself lists", "sample remove k", "k7p2x9"},
		{"all of that", "sample remove ''", "abc123 k7p2x9"},
		{"a command's options", "sample pair --", "--ends= --for= --help --json --name= --where="},
		{"an option by its beginning", "sample pair --n", "--name="},
		{"options after other words", "sample pair x --json --e", "--ends="},
		{"nothing but files where an argument is free", "sample pair x", ""},
		{"the words that an argument may be", "sample completion ''", "bash zsh"},
		{"options before any command", "sample --", "--help"},
		{"what an option takes", "sample pair --for = ", "davx5 git"},
		{"what an option takes, by its beginning", "sample pair --for = d", "davx5"},
		{"what an option takes, as a word of its own", "sample pair --for g", "git"},
	} {
		t.Run(test.name, func(t *testing.T) {
			out := run(t, "bash", "--norc", "-c", `compopt() { :; }; sample() { [[ $* == "list ids" ]] && printf "k7p2x9\ta phone\nabc123\ta tablet\n"; }; source "$1"; COMP_WORDS=(`+test.line+`); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _sample; printf '%s\n' "${COMPREPLY[@]}" | sort`, "bash", script)
			if got := strings.Join(strings.Fields(out), " "); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

// TestFish completes command lines in a real fish.
func TestFish(t *testing.T) {
	script := written(t, "fish")
	for _, test := range []struct{ name, line, want string }{
		{"a command by its beginning", "sample p", "pair"},
		{"an option by its beginning", "sample pair --n", "--name"},
		{"what an option takes", "sample pair --for=d", "--for=davx5"},
		{"the words that an argument may be", "sample completion ", "bash zsh"},
		{"what the program itself lists", "sample remove k", "k7p2x9"},
	} {
		t.Run(test.name, func(t *testing.T) {
			out := run(t, "fish", "--no-config", "-c", "function sample; printf 'k7p2x9\\ta phone\\nabc123\\ta tablet\\n'; end; source $argv[1]; complete -C $argv[2]", script, test.line)
			var words []string
			for _, line := range strings.Split(strings.TrimSpace(out), "\n") {
				word, _, _ := strings.Cut(line, "\t")
				words = append(words, strings.TrimSuffix(word, "="))
			}
			slices.Sort(words)
			if got := strings.Join(slices.Compact(words), " "); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

// TestZsh has a real zsh take its script.
func TestZsh(t *testing.T) {
	script := written(t, "zsh")
	out := run(t, "zsh", "-f", "-c", `autoload -U compinit && compinit -D -u && source $1 && [[ $_comps[sample] == _sample ]] && print taken`, "zsh", script)
	if strings.TrimSpace(out) != "taken" {
		t.Errorf("got %q", out)
	}
}

// TestShells has the other shells read their scripts.
func TestShells(t *testing.T) {
	for _, shell := range manual.Shells {
		t.Run(shell, func(t *testing.T) {
			run(t, shell, "-n", written(t, shell))
		})
	}
	if manual.Completion(sample, "tcsh") != "" {
		t.Error("there is a completion for tcsh")
	}
}

// TestPage has groff read the page, which then must have every word.
func TestPage(t *testing.T) {
	for _, c := range []struct{ name, text string }{
		{"the sample", manual.Page(sample)},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "page.1")
			if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
				t.Fatal(err)
			}
			out := run(t, "groff", "-man", "-ww", "-Kutf8", "-Tutf8", "-P-cbou", path)
			words := strings.Join(strings.Fields(out), " ")
			for _, want := range []string{"it's a [sample]: 100% \\n", ".first", "'third", "sample pair [NAME]", ".Two.", "• a: b • c Last.", "--where=WHERE where", "--name=NAME what it's called [or: not]", "(default: 10m)", "sample pair --name='a b' | c", ".where things are", "Done | well."} {
				if !strings.Contains(words, want) {
					t.Errorf("%q is not in\n%s", want, out)
				}
			}
		})
	}
}

func TestMarkdown(t *testing.T) {
	got := manual.Markdown(sample)
	for _, want := range []string{"### pair\n\n```text\nsample pair [NAME]\n```\n\nLets somebody's device in: at once.\n", "And [where things are](#options).", "| `--where=WHERE` | where |", "\n\n- a: b\n- c\n\nLast.\n\n", "| `--ends=ENDS` | until (default: 10m) |", "```sh\nsample pair --name='a b' | c\n```", "| 0 | Done \\| well. |"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in\n%s", want, got)
		}
	}
}

func written(t *testing.T, shell string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "sample."+shell)
	if err := os.WriteFile(path, []byte(manual.Completion(sample, shell)), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// run runs a program that says nothing on standard error.
func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil && os.Getenv("PTLAUTH_NO_SKIP") == "" {
		t.Skip(err)
	}
	command := exec.Command(name, args...)
	var complaints strings.Builder
	command.Stderr = &complaints
	out, err := command.Output()
	if err != nil || complaints.Len() > 0 {
		t.Errorf("%s: %v\n%s", name, err, &complaints)
	}
	return string(out)
}
