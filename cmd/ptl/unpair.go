package main

import (
	"context"
	"errors"
	"time"

	"github.com/getportal/ptlauth/cmd/command"
	"github.com/getportal/ptlauth/cmd/registry"
	"github.com/getportal/ptlauth/cmd/settings"
	"github.com/getportal/ptlauth/cmd/site"
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
		Long: "TERMINAL is an id, or a name; where several are called so, ptl asks which. All that are named are taken off the list at once. Then it waits until Traefik admits none of them," +
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
	at, err := watched(&options.Site)
	if err != nil {
		at = nil
	}
	return at.throwAllOut(c, file, chosen)
}

// throwAllOut takes all of them out of the list before it waits for any, so that none stays in for what happens to another.
func (p *place) throwAllOut(c *command.Console, file registry.Registry, chosen []*registry.Terminal) error {
	var all []*leaver
	var problems []error
	for _, t := range chosen {
		l, err := p.takeOff(file, t.ID(), called(t))
		if err != nil {
			problems = append(problems, err)
			continue
		}
		all = append(all, l)
	}
	for _, l := range all {
		l.isClosed = all[len(all)-1].isLast
	}
	for _, l := range all {
		if err := p.await(c, l); err != nil {
			problems = append(problems, err)
			if command.ExitOf(err) == command.Interrupted {
				break // the others are off the list too
			}
		}
	}
	if len(problems) == 0 {
		return nil
	}
	last := len(problems) - 1
	for _, problem := range problems[:last] {
		c.Notef("ptl: %s\n", problem)
	}
	return problems[last]
}

// agreeing is how many Traefiks in turn must refuse a terminal until it is said to be out.
const agreeing = 3

// leaver is a terminal that is off the list, and perhaps not yet out.
type leaver struct {
	name  string
	token string
	since time.Time
	// wasIn reports that the site admitted it before; what it refuses else says nothing.
	wasIn   bool
	trouble error // why it could not be asked
	// isLast: nobody was left on the list; isClosed: nobody was after those who were taken off with it.
	isLast, isClosed bool
}

// throwOut takes a terminal out of the list, and waits until it is true.
func (p *place) throwOut(c *command.Console, file registry.Registry, id, name string) error {
	l, err := p.takeOff(file, id, name)
	if err != nil {
		return err
	}
	l.isClosed = l.isLast
	return p.await(c, l)
}

// takeOff takes a terminal out of the list. Of a nil place nobody can be asked.
func (p *place) takeOff(file registry.Registry, id, name string) (*leaver, error) {
	l := &leaver{name: name}
	l.token, l.wasIn, l.trouble = p.admitted(id)
	wasThere := false
	err := file.Change(context.Background(), func(list *registry.List) error {
		tidy(list)
		wasThere = list.Remove(id)
		l.isLast = len(list.Terminals) == 0
		return nil
	})
	if err == nil && !wasThere {
		err = command.Errorf(command.Nobody, "%s has been taken out meanwhile", name)
	}
	l.since = time.Now()
	return l, err
}

// await waits until the site refuses whoever is off the list.
func (p *place) await(c *command.Console, l *leaver) error {
	switch {
	case l.trouble != nil:
		return command.Errorf(command.Site, "%s is off the list, and whether Traefik knows could not be asked: %s", l.name, l.trouble)
	case !l.wasIn:
		c.Notef("%s is off the list, and Traefik will know within `refresh`. Whether it does, could not be asked.\n", l.name)
		return nil
	case p.isStored:
		return p.awaitRefusal(c, l)
	}
	return p.awaitOut(c, l)
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
	if p.isApp {
		isOpen, err := p.isIn(context.Background(), "")
		if err == nil && isOpen {
			err = errors.New("url is a page that everybody may see; write another one with --url=URL")
		}
		if err != nil {
			return token, false, err
		}
	}
	isIn, err := p.isIn(context.Background(), token)
	return token, isIn, err
}

// turn is how much longer than `refresh` Traefik may go by an older list.
const turn = 200 * time.Millisecond

// awaitOut waits until each Traefik that answers refuses the token. Until `refresh` is over that says nothing: requests of
// a terminal that was paired a moment ago are remembered, and others, such as this one, looked up.
func (p *place) awaitOut(c *command.Console, l *leaver) error {
	refresh := p.middleware.Policy.Refresh
	ctx, stop := interruptible()
	defer stop()
	refusals := 0
	var trouble error
	for asked := 0; asked < agreeing || time.Since(l.since) < 3*refresh+time.Second; asked++ {
		isIn, err := p.isIn(ctx, l.token)
		trouble = err
		switch {
		case err != nil || isIn || time.Since(l.since) < refresh+turn:
			refusals = 0
		default:
			refusals++
		}
		if refusals == agreeing {
			c.Notef("%s is out.\n", l.name)
			return nil
		}
		if !wait(ctx, min(refresh, interval)/4) {
			return command.Errorf(command.Interrupted, "%s is off the list; whether Traefik knows, was not waited for", l.name)
		}
	}
	if trouble != nil {
		return command.Errorf(command.Site, "%s is off the list, and whether Traefik knows could not be asked: %s", l.name, trouble)
	}
	return command.Errorf(command.Late, "%s is off the list, and Traefik has not refused it for %s, which is three times `refresh`: does it read another file? (Its log says what it cannot read. A file that is mounted by itself stays the old one: mount its folder.)",
		l.name, time.Since(l.since).Round(time.Second))
}

const (
	// throttle is how long a Traefik may take to act on a change in its store: its providersThrottleDuration, where nothing
	// else is said.
	throttle = 2 * time.Second
	// storePatience is how long it may at most.
	storePatience = 30 * time.Second
	// storeAgreeing is how many questions in turn must be refused. One of several Traefiks may be cut off from the store: of
	// three behind a balancer that has other visitors too, so many miss one once in two hundred thousand times.
	storeAgreeing = 30
	// storeAgain is between two of them.
	storeAgain = 10 * time.Millisecond
)

// awaitRefusal waits until each Traefik that answers refuses the token, or, after the last device was taken out, everybody.
// While one of several may not have acted, that says nothing: those who ask at the same time can have a balancer lead us to
// another one each time.
func (p *place) awaitRefusal(c *command.Console, l *leaver) error {
	ctx, stop := interruptible()
	defer stop()
	refusals := 0
	var trouble error
	for asked := 0; asked < agreeing || refusals > 0 || time.Since(l.since) < storePatience; asked++ {
		isIn, err := p.isIn(ctx, l.token)
		trouble = err
		switch {
		case time.Since(l.since) < throttle+turn:
		case l.isClosed && site.IsClosed(err):
			refusals++
		case err != nil || isIn:
			refusals = 0
		default:
			refusals++
		}
		switch {
		case refusals == storeAgreeing && l.isLast:
			c.Notef("%s is out. It was the last device, and without one the middleware answers 503: %s lets another one in.\n", l.name, p.way())
			return nil
		case refusals == storeAgreeing:
			c.Notef("%s is out.\n", l.name)
			return nil
		}
		pause := interval / 10
		if refusals > 0 {
			pause = storeAgain
		}
		if !wait(ctx, pause) {
			return command.Errorf(command.Interrupted, "%s is off the list; whether Traefik knows, was not waited for", l.name)
		}
	}
	if trouble != nil {
		return command.Errorf(command.Site, "%s is off the list, and whether Traefik knows could not be asked: %s", l.name, trouble)
	}
	return command.Errorf(command.Late, "%s is off the list, and Traefik has not refused it for %s: does its provider read another store, database, rootKey, cluster or namespace? (Its log says what it cannot read. After a restart or a restore of the store it may have to be restarted.)",
		l.name, time.Since(l.since).Round(time.Second))
}

// way is how a device is let in.
func (p *place) way() string {
	if p.isApp {
		return "ptl token --name=NAME"
	}
	return "ptl pair --name=NAME"
}
