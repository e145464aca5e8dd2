package main

import (
	"context"

	"github.com/getportal/ptlauth/cmd/command"
	"github.com/getportal/ptlauth/cmd/registry"
	"github.com/getportal/ptlauth/cmd/settings"
)

type renameOptions struct {
	settings.Site
	User string `description:"Whose it shall be from now on."`
}

func newRename() *command.Command {
	options := &renameOptions{}
	return &command.Command{
		Name:      "rename",
		Arguments: "TERMINAL [NAME]",
		Short:     "calls a terminal otherwise, or makes it another person's",
		Long:      "TERMINAL is an id, or the name that it has now. The app is told the new name within `refresh`; the device notices nothing.",
		Examples: []command.Example{
			{Line: `ptl rename k7p2x9 "kitchen tablet"`, Says: "By its id:"},
			{Line: `ptl rename "kitchen tablet" --user=you@example.com`, Says: "It keeps its name, and is yours now:"},
		},
		Options: options,
		Run:     func(c *command.Console, arguments []string) error { return rename(c, options, arguments) },
	}
}

func rename(c *command.Console, options *renameOptions, arguments []string) error {
	name := ""
	switch {
	case len(arguments) == 2:
		name = arguments[1]
	case len(arguments) != 1 || options.User == "":
		return command.Errorf(command.Usage, "say which terminal, and what it shall be called: ptl rename TERMINAL NAME")
	}
	if err := fit("name", name); err != nil {
		return err
	}
	if err := fit("user", options.User); err != nil {
		return err
	}
	file, err := listOf(&options.Site)
	if err != nil {
		return err
	}
	before, err := file.Read()
	if err != nil {
		return err
	}
	chosen, err := which(c, before, arguments[0])
	if err != nil {
		return err
	}
	said := ""
	err = file.Change(context.Background(), func(l *registry.List) error {
		t := l.Find(chosen.ID())
		if t == nil {
			return command.Errorf(command.Nobody, "%s has been taken out meanwhile", called(chosen))
		}
		if name != "" {
			t.SetName(name)
		}
		if options.User != "" {
			t.SetUser(options.User)
		}
		said = called(chosen) + " is " + called(t) + " now, of " + orDash(t.User()) + ".\n"
		return nil
	})
	if err != nil {
		return err
	}
	c.Notef("%s", said)
	return nil
}
