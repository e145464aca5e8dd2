package main

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/getportal/ptlauth/cmd/client"
	"github.com/getportal/ptlauth/cmd/command"
	"github.com/getportal/ptlauth/cmd/manual"
	"github.com/getportal/ptlauth/cmd/settings"
)

// newManual prints the man page, for whoever has the program alone.
func newManual() *command.Command {
	return &command.Command{
		Name:     "manual",
		Short:    "prints the man page",
		Examples: []command.Example{{Line: "ptl manual | man -l -", Says: "To read it:"}, {Line: "ptl manual > /usr/local/share/man/man1/ptl.1", Says: "To keep it:"}},
		Run: func(c *command.Console, _ []string) error {
			c.Printf("%s", manual.Page(program()))
			return nil
		},
	}
}

// completionOptions say where the list of terminals is, which are completed as well.
type completionOptions struct{ settings.Site }

func newCompletion() *command.Command {
	o := &completionOptions{}
	return &command.Command{
		Options:   o,
		Name:      "completion",
		Arguments: strings.Join(manual.Shells, "|"),
		Short:     "prints a script that completes ptl's command lines",
		Examples: []command.Example{
			{Line: "source <(ptl completion bash)", Says: "In ~/.bashrc; with zsh instead of bash in ~/.zshrc:"},
			{Line: "ptl completion fish > ~/.config/fish/completions/ptl.fish", Says: "For fish:"},
		},
		Run: func(c *command.Console, arguments []string) error {
			if len(arguments) == 1 && arguments[0] == terminalWords {
				return listWords(c, &o.Site)
			}
			if len(arguments) == 1 && arguments[0] == clientWords {
				listClients(c)
				return nil
			}
			if len(arguments) != 1 || manual.Completion(program(), arguments[0]) == "" {
				return command.Errorf(command.Usage, "name one shell: %s", strings.Join(manual.Shells, ", "))
			}
			c.Printf("%s", manual.Completion(program(), arguments[0]))
			return nil
		},
	}
}

// terminalWords has completion list what may stand for TERMINAL.
const terminalWords = "terminals"

// clientWords has completion list the programs that a token may be for.
const clientWords = "clients"

// listClients writes each program's name, and behind a tab its title.
func listClients(c *command.Console) {
	for _, one := range client.All {
		c.Printf("%s\t%s\n", one.Name, one.Title)
	}
}

// plainID is an id that a shell takes for one word, and for nothing else: bash does what stands in words to complete, and
// fills them into the line as they are.
var plainID = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.@-]*$`)

// listWords writes each terminal's id, and behind a tab its name.
func listWords(c *command.Console, site *settings.Site) error {
	file, err := listOf(site)
	if err != nil {
		return err
	}
	l, err := file.Read()
	if err != nil {
		return err
	}
	for _, t := range l.Terminals {
		if plainID.MatchString(t.ID()) {
			c.Printf("%s\t%s\n", t.ID(), command.Shown(strings.Join(strings.Fields(t.Name()), " ")))
		}
	}
	return nil
}

// program is ptl as its manual has it, of what its commands say themselves.
func program() *manual.Program {
	p := &manual.Program{
		Name:        "ptl",
		Summary:     strings.TrimSuffix(strings.TrimPrefix(about, "ptl "), "."),
		Description: about + "\n\n" + command.Spelling,
		SeeAlso:     "https://github.com/getportal/ptlauth",
		Files: []manual.Entry{
			{Term: "ptl.yml", Meaning: "Where the site, the middleware's configuration, the secret and the list of terminals are: url, dynamic, middleware, secretFile, registry. It is looked for in this folder, $XDG_CONFIG_HOME, $HOME/.config and /etc/ptl, in this order, also as ptl.yaml and ptl.toml. Paths in it are relative to its own folder."},
		},
	}
	for _, c := range commands() {
		one := manual.Command{Name: c.Name, Arguments: c.Arguments, Summary: c.Short, Description: c.Long}
		for _, o := range command.OptionsOf(c) {
			option := manual.Option{Name: o.Name, Default: o.Default, Description: o.Description, IsSwitch: o.IsSwitch, Values: o.Values}
			if !o.IsSite {
				one.Options = append(one.Options, option)
				continue
			}
			one.HasShared = true
			if !slices.ContainsFunc(p.Shared, func(s manual.Option) bool { return s.Name == option.Name }) {
				p.Shared = append(p.Shared, option)
			}
		}
		for _, e := range c.Examples {
			one.Examples = append(one.Examples, manual.Entry{Term: e.Line, Meaning: e.Says})
		}
		if !strings.ContainsAny(c.Arguments, "[]…") && strings.Contains(c.Arguments, "|") {
			one.Values = strings.Split(c.Arguments, "|")
		}
		if strings.Contains(c.Arguments, "TERMINAL") {
			one.Lister = "completion " + terminalWords
		}
		p.Commands = append(p.Commands, one)
	}
	for _, e := range command.Exits {
		p.Exits = append(p.Exits, manual.Entry{Term: strconv.Itoa(int(e.Exit)), Meaning: e.Meaning})
	}
	return p
}
