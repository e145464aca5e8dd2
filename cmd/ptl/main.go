// Command ptl lets a person's devices in behind ptlauth, and throws them out: it keeps the list of terminals that the
// middleware reads.
package main

import (
	"os"
	"strings"

	"github.com/getportal/ptlauth/cmd/command"
	"github.com/getportal/ptlauth/cmd/settings"
)

const about = "ptl lets devices in behind ptlauth, and throws them out."

// commands are ptl's, in the order in which one meets them. Each is made anew, because its options are filled in.
func commands() []*command.Command {
	return []*command.Command{
		newInit(),
		newPair(),
		newTerminals(),
		newRename(),
		newUnpair(),
		newToken(),
		newInspect(),
		newCheck(),
		newCompletion(),
		newManual(),
		newVersion(),
	}
}

func main() {
	os.Exit(int(run(command.Terminal(), os.Args[1:])))
}

// run does what was asked for, and says on the console why it could not.
func run(console *command.Console, args []string) command.Exit {
	err := dispatch(console, args)
	if err != nil {
		console.Notef("ptl: %s\n", err)
	}
	return command.ExitOf(err)
}

// dispatch finds the command by its place. paerser's cli.Execute would look for its name in the second place too, and take
// a terminal that is called `pair` for the command.
func dispatch(console *command.Console, args []string) error {
	all := commands()
	if len(args) == 0 {
		command.WriteOverview(console.Out, about, all)
		return nil
	}
	name := args[0]
	if name == "--version" {
		name = "version"
	}
	isHelp := name == "help" || name == "--help" || name == "-h"
	if isHelp && len(args) == 1 {
		command.WriteOverview(console.Out, about, all)
		return nil
	}
	if isHelp {
		name = args[1]
	}
	c := find(all, name)
	if c == nil {
		return command.Errorf(command.Usage, "there is no command %q: %sptl --help lists them", name, suggested(all, name))
	}
	if isHelp || asksForHelp(args[1:]) {
		command.WriteHelp(console.Out, c)
		return nil
	}
	arguments, err := settings.Load(c, args[1:])
	if err != nil {
		return err
	}
	return c.Run(console, arguments)
}

// suggested is the one command that is called alike, for whoever has mistyped it.
func suggested(all []*command.Command, name string) string {
	if len(name) < 3 {
		return ""
	}
	for _, c := range all {
		if strings.HasPrefix(c.Name, name) || strings.HasPrefix(name, c.Name) {
			return "is it ptl " + c.Name + "? "
		}
	}
	return ""
}

func find(all []*command.Command, name string) *command.Command {
	for _, c := range all {
		if c.Name == name {
			return c
		}
	}
	return nil
}

func asksForHelp(args []string) bool {
	for _, arg := range args {
		if arg == "--" {
			return false
		}
		if arg == "-h" || strings.EqualFold(arg, "--help") {
			return true
		}
	}
	return false
}
