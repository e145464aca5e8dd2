package main

import (
	"context"
	"time"

	"github.com/getportal/ptlauth/cmd/command"
	"github.com/getportal/ptlauth/cmd/registry"
	"github.com/getportal/ptlauth/cmd/settings"
	"github.com/getportal/ptlauth/internal/key"
	"github.com/getportal/ptlauth/internal/pairing"
)

type tokenOptions struct {
	Name string `description:"Put a new terminal of that name on the list, for which the token is."`
	User string `description:"Whose the new terminal is."`
	settings.Site
}

func newToken() *command.Command {
	options := &tokenOptions{}
	return &command.Command{
		Name:      "token",
		Arguments: "[TERMINAL]",
		Short:     "makes a token for what is no browser, such as a script",
		Long: "The token is for a terminal that is on the list, or, with --name, for a new one. It is good until that terminal is thrown out (ptl unpair)." +
			" A program sends it in the cookie that the middleware looks into: curl --cookie \"authorization=$(cat token)\" https://chat.example.com/",
		Examples: []command.Example{
			{Line: `ptl token --name="backup script" --user=you@example.com > token`, Says: "For a new terminal:"},
			{Line: "ptl token k7p2x9", Says: "Another one for a terminal that is paired:"},
		},
		Options: options,
		Run:     func(c *command.Console, arguments []string) error { return makeToken(c, options, arguments) },
	}
}

func makeToken(c *command.Console, options *tokenOptions, arguments []string) error {
	isNew := options.Name != "" || options.User != ""
	if isNew && len(arguments) > 0 {
		return command.Errorf(command.Usage, "both are given, the terminal %q of the list and --name or --user of a new one: leave out one of the two", arguments[0])
	}
	if isNew == (len(arguments) == 1) || len(arguments) > 1 {
		return command.Errorf(command.Usage, "say for whom: ptl token TERMINAL, or, for a new one, ptl token --name=NAME")
	}
	if err := fit("name", options.Name); err != nil {
		return err
	}
	if err := fit("user", options.User); err != nil {
		return err
	}
	m, err := settings.Find(&options.Site)
	if err != nil {
		return err
	}
	now := time.Now().Unix()
	if _, problem := pairing.Sample(m.Policy.TokenRules, now); problem != "" {
		return command.Errorf(command.Refused, "the middleware %s would not admit a token that ptl makes: %s", m.Name, problem)
	}
	secret, err := m.Key()
	if err != nil {
		return err
	}
	file, err := listFor(m)
	if err != nil {
		return err
	}
	id, err := tokenFor(c, file, options, arguments)
	if err != nil {
		return err
	}
	c.Printf("%s\n", pairing.Token([]*key.Key{secret}, m.Policy.TokenRules, id, now))
	return nil
}

// tokenFor is the id of the terminal that the token is for.
func tokenFor(c *command.Console, file *registry.File, options *tokenOptions, arguments []string) (string, error) {
	if len(arguments) == 1 {
		l, err := file.Read()
		if err != nil {
			return "", err
		}
		t, err := which(c, l, arguments[0])
		if err != nil {
			return "", err
		}
		return t.ID(), nil
	}
	id := ""
	err := file.Change(context.Background(), func(l *registry.List) error {
		tidy(l)
		id = l.NewID()
		l.Add(id, options.Name, options.User, nil).Settle(time.Now().Unix())
		return nil
	})
	if err == nil {
		c.Notef("The new terminal is %s: ptl unpair %s makes the token worthless.\n", id, id)
	}
	return id, err
}
