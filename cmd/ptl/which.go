package main

import (
	"bufio"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/getportal/ptlauth/cmd/command"
	"github.com/getportal/ptlauth/cmd/registry"
)

// which finds the terminal that a person means: by its id, else by its name. Of several it asks, where somebody is there.
func which(c *command.Console, l *registry.List, wanted string) (*registry.Terminal, error) {
	wanted = strings.TrimSpace(wanted)
	if t := l.Find(wanted); t != nil && wanted != "" {
		return t, nil
	}
	var called []*registry.Terminal
	for _, t := range l.Terminals {
		if wanted != "" && strings.EqualFold(t.Name(), wanted) {
			called = append(called, t)
		}
	}
	switch {
	case len(called) == 1:
		return called[0], nil
	case len(called) == 0:
		return nil, command.Errorf(command.Nobody, "there is no terminal with the id or the name %q: ptl terminals lists them", wanted)
	case !c.IsInteractive():
		return nil, command.Errorf(command.Nobody, "%d terminals are called %q: say which by its id, one of %s", len(called), wanted, command.Shown(strings.Join(ids(called), ", ")))
	}
	c.Notef("%d terminals are called %q:\n", len(called), wanted)
	for i, t := range called {
		c.Notef("  %d  %s  %s, since %s\n", i+1, orDash(t.ID()), orDash(t.User()), since(t.Since()))
	}
	answer := ask(c, fmt.Sprintf("Which one? [1-%d] ", len(called)))
	number, err := strconv.Atoi(answer)
	if err == nil && number >= 1 && number <= len(called) {
		return called[number-1], nil
	}
	if i := slices.Index(ids(called), answer); i >= 0 {
		return called[i], nil
	}
	return nil, command.Errorf(command.Nobody, "none of them was chosen, and nothing is changed")
}

func ids(terminals []*registry.Terminal) []string {
	var all []string
	for _, t := range terminals {
		all = append(all, t.ID())
	}
	return all
}

// ask returns what a person answers; empty where nothing is.
func ask(c *command.Console, question string) string {
	c.Notef("%s", question)
	answer, _ := bufio.NewReader(c.In).ReadString('\n')
	return strings.TrimSpace(answer)
}

// called is a terminal as people know it.
func called(t *registry.Terminal) string {
	if name := command.Shown(t.Name()); name != "" {
		return name + " (" + command.Shown(t.ID()) + ")"
	}
	return command.Shown(t.ID())
}
