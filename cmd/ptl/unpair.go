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

type unpairOptions struct {
	settings.Site
}

func newUnpair() *command.Command {
	options := &unpairOptions{}
	return &command.Command{
		Name:      "unpair",
		Arguments: "TERMINAL...",
		Short:     "throws devices out",
		Long: "TERMINAL is an id, or a name; where several are called so, ptl asks which. It waits until Traefik admits it no more," +
			" and says so if that takes longer than it should.",
		Examples: []command.Example{
			{Line: "ptl unpair k7p2x9", Says: "By its id:"},
			{Line: `ptl unpair "kitchen tablet" phone`, Says: "Two by their names:"},
		},
		Options: options,
		Run:     func(c *command.Console, arguments []string) error { return unpair(c, options, arguments) },
	}
}

func unpair(c *command.Console, options *unpairOptions, arguments []string) error {
	if len(arguments) == 0 {
		return command.Errorf(command.Usage, "say whom: ptl unpair TERMINAL (ptl terminals lists them)")
	}
	file, err := listOf(&options.Site)
	if err != nil {
		return err
	}
	l, err := file.Read()
	if err != nil {
		return err
	}
	var chosen []*registry.Terminal
	for _, argument := range arguments {
		t, err := which(c, l, argument)
		if err != nil {
			return err
		}
		chosen = append(chosen, t)
	}
	// Who cannot ask the site can throw out all the same.
	at, err := placeOf(&options.Site)
	if err != nil {
		at = nil
	}
	for _, t := range chosen {
		if err := at.throwOut(c, file, t.ID(), called(t)); err != nil {
			return err
		}
	}
	return nil
}

// agreeing is how many Traefiks in turn must refuse a terminal until it is said to be out.
const agreeing = 3

// throwOut takes a terminal out of the list, and waits until it is true. Of a nil place nobody can be asked.
func (p *place) throwOut(c *command.Console, file *registry.File, id, name string) error {
	wasThere := false
	// What is no longer admitted must have been before, else a refusal would say nothing.
	token, isIn, trouble := p.admitted(id)
	err := file.Change(context.Background(), func(l *registry.List) error {
		tidy(l)
		wasThere = l.Remove(id)
		return nil
	})
	switch {
	case err != nil:
		return err
	case !wasThere:
		return command.Errorf(command.Nobody, "%s has been taken out meanwhile", name)
	case trouble != nil:
		return command.Errorf(command.Site, "%s is off the list, and whether Traefik knows could not be asked: %s", name, trouble)
	case !isIn:
		c.Notef("%s is off the list, and Traefik will know within `refresh`. Whether it does, could not be asked.\n", name)
		return nil
	}
	return p.awaitOut(c, token, name)
}

// admitted makes a token of a terminal, and reports whether the site admits it.
func (p *place) admitted(id string) (string, bool, error) {
	if p == nil {
		return "", false, nil
	}
	secret, err := p.middleware.Key()
	if err != nil {
		return "", false, err
	}
	token := pairing.Token([]*key.Key{secret}, p.middleware.Policy.TokenRules, id, time.Now().Unix())
	isIn, err := p.site.IsIn(context.Background(), p.middleware.Policy.Locations.Cookie, token)
	return token, isIn, err
}

// turn is how much longer than `refresh` Traefik may go by an older list.
const turn = 200 * time.Millisecond

// awaitOut waits until each Traefik that answers refuses the token. Until `refresh` is over that says nothing: requests of
// a terminal that was paired a moment ago are remembered, and others, such as this one, looked up.
func (p *place) awaitOut(c *command.Console, token, name string) error {
	refresh := p.middleware.Policy.Refresh
	ctx, stop := interruptible()
	defer stop()
	began := time.Now()
	refusals := 0
	var trouble error
	for time.Since(began) < 3*refresh+time.Second {
		isIn, err := p.site.IsIn(ctx, p.middleware.Policy.Locations.Cookie, token)
		trouble = err
		switch {
		case err != nil || isIn || time.Since(began) < refresh+turn:
			refusals = 0
		default:
			refusals++
		}
		if refusals == agreeing {
			c.Notef("%s is out.\n", name)
			return nil
		}
		if !wait(ctx, min(refresh, interval)/4) {
			return command.Errorf(command.Interrupted, "%s is off the list; whether Traefik knows, was not waited for", name)
		}
	}
	if trouble != nil {
		return command.Errorf(command.Site, "%s is off the list, and whether Traefik knows could not be asked: %s", name, trouble)
	}
	return command.Errorf(command.Late, "%s is off the list, and Traefik has not refused it for %s, which is three times `refresh`: does it read another file? (Its log says what it cannot read. A file that is mounted by itself stays the old one: mount its folder.)",
		name, time.Since(began).Round(time.Second))
}
