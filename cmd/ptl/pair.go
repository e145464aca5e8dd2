package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/getportal/ptlauth/cmd/command"
	"github.com/getportal/ptlauth/cmd/kubernetes"
	"github.com/getportal/ptlauth/cmd/qr"
	"github.com/getportal/ptlauth/cmd/registry"
	"github.com/getportal/ptlauth/cmd/settings"
	"github.com/getportal/ptlauth/cmd/site"
	"github.com/getportal/ptlauth/cmd/store"
	"github.com/getportal/ptlauth/internal/key"
	"github.com/getportal/ptlauth/internal/pairing"
)

type pairOptions struct {
	Name    string `description:"What the new terminal is called, such as kitchen tablet."`
	User    string `description:"Whose it is, as the app knows that person; without it the terminal is a user of its own."`
	Expires string `description:"For how long the code is good."`
	PNG     string `description:"Write the QR code as a picture into that file, too."`
	Yes     bool   `description:"Do not ask whether it was the right one who used the code."`
	JSON    bool   `description:"Write a line of JSON when the code can be used, and one when it is over, for a program. Nothing is asked."`
	settings.Site
}

const (
	minExpires = 30 * time.Second
	maxExpires = 24 * time.Hour
)

func newPair() *command.Command {
	options := &pairOptions{Expires: "10m"}
	return &command.Command{
		Name:  "pair",
		Short: "lets a device in: shows a link, a QR code and a code to type",
		Long: "Each can be used once, by one device. ptl shows them when Traefik takes them, waits until one is used, says by whom, and asks whether that was right." +
			" Ctrl-C takes them back.\n\nThe link is as good as a key: send it on no other way than you would a password.",
		Examples: []command.Example{
			{Line: `ptl pair --name="kitchen tablet" --user=you@example.com`, Says: "Scan the code with the tablet:"},
			{Line: `ptl pair --name=phone --user=ann@example.com --expires=12h --png=ann.png`, Says: "A picture for somebody who is not here:"},
			{Line: `ptl pair --name=phone --json | jq -r 'select(.link).link'`, Says: "For a program:"},
		},
		Options: options,
		Run:     func(c *command.Console, _ []string) error { return pair(c, options) },
	}
}

// invitation is what lets one device in.
type invitation struct {
	options *pairOptions
	file    registry.Registry
	place   *place

	id, link, watch, code string
	token                 string // one of the terminal, with which to ask as whom Traefik knows it
	ends                  time.Time
}

// place is a site with what ptl knows of its middleware.
type place struct {
	middleware *settings.Middleware
	site       *site.Site
	// isStored: a store configures the middleware.
	isStored bool
	// isApp: the middleware answers no paths of its own, so that the app's address is asked instead.
	isApp bool
}

// placeOf needs a middleware that pairs.
func placeOf(s *settings.Site) (*place, error) {
	p, err := watched(s)
	if err == nil && p.isApp {
		way := "put pairing/enabled, with the value true, to its other options in the store"
		if kubernetes.Is(s.Registry) {
			way = "write `pairing: true` into it"
		}
		return nil, command.Errorf(command.Usage, "the middleware %s does not pair: %s. Or ptl token makes a token for the device, which needs no code (docs/install.md says how a browser gets it)", p.middleware.Name, way)
	}
	return p, err
}

// watched is where it can be seen whom a middleware admits: its own paths say so, or, where a store configures one that pairs
// not, a page of the app.
func watched(s *settings.Site) (*place, error) {
	m, err := settings.Find(s)
	if err != nil {
		return nil, err
	}
	p := &place{middleware: m, isStored: store.Is(s.Registry), isApp: m.Policy.Pairing == nil}
	switch {
	case p.isApp && !p.isStored:
		return nil, command.Errorf(command.Usage, "the middleware %s does not pair: write `pairing: {enabled: true}` into %s", m.Name, s.Dynamic)
	case p.isApp:
		p.site, err = site.App(s.URL)
	default:
		p.site, err = site.New(s.URL, m.Policy.Pairing)
	}
	if err != nil {
		return nil, err
	}
	return p, nil
}

// isIn reports whether a terminal's token is admitted; without a token, whether everybody is.
func (p *place) isIn(ctx context.Context, token string) (bool, error) {
	cookie := p.middleware.Policy.Locations.Cookie
	if p.isApp {
		return p.site.Admits(ctx, cookie, token)
	}
	who, err := p.site.Who(ctx, cookie, token)
	return who != nil, err
}

func pair(c *command.Console, options *pairOptions) error {
	i, err := invite(options)
	if err != nil {
		return err
	}
	ctx, stop := interruptible()
	defer stop()
	if err := i.enter(ctx); err != nil {
		return err
	}
	if err := i.awaitSeen(ctx, c); err != nil {
		return i.withdraw(err)
	}
	if err := i.show(c); err != nil {
		return i.withdraw(err)
	}
	use, end := i.awaitUse(ctx, c)
	if use == nil {
		return i.withdraw(end)
	}
	return i.settle(ctx, c, use)
}

// interruptible ends when a person or the machine wants ptl to end.
func interruptible() (context.Context, context.CancelFunc) {
	return signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
}

// invite makes the codes, and touches nothing.
func invite(options *pairOptions) (*invitation, error) {
	if err := fit("name", options.Name); err != nil {
		return nil, err
	}
	if err := fit("user", options.User); err != nil {
		return nil, err
	}
	lifetime, isLifetime := lifetimeOf(options.Expires)
	if !isLifetime || lifetime < minExpires || lifetime > maxExpires {
		return nil, command.Errorf(command.Usage, "%q is not for how long a code is good: write seconds, minutes or hours, as in --expires=10m, at least 30s and at most 24h", options.Expires)
	}
	at, err := placeOf(&options.Site)
	if err != nil {
		return nil, err
	}
	file, err := listFor(at.middleware)
	if err != nil {
		return nil, err
	}
	return &invitation{
		options: options, file: file, place: at,
		link:  registry.Random(pairing.Alphabet, pairing.LongLength),
		watch: registry.Random(pairing.Alphabet, pairing.LongLength),
		code:  registry.Random(pairing.Alphabet, pairing.ShortLength),
		ends:  time.Now().Add(lifetime),
	}, nil
}

// enter puts the terminal on the list, with what its codes are recognised by.
func (i *invitation) enter(ctx context.Context) error {
	secret, err := i.place.middleware.Key()
	if err != nil {
		return err
	}
	k := pairing.Key(secret)
	err = i.file.Change(ctx, func(l *registry.List) error {
		tidy(l)
		i.id = l.NewID()
		l.Add(i.id, i.options.Name, i.options.User, &registry.Pairing{
			Ends: i.ends.Unix(),
			Link: pairing.MAC(k, pairing.Link, i.link), Code: pairing.MAC(k, pairing.Short, i.code), Watch: pairing.MAC(k, pairing.Watch, i.watch),
		})
		return nil
	})
	i.token = pairing.Token([]*key.Key{secret}, i.place.middleware.Policy.TokenRules, i.id, time.Now().Unix())
	return err
}

// grace is for how long codes that have ended stay on the list: whoever watches them may still ask.
const grace = 5 * time.Minute

// maxTidied bounds how many are tidied at once: a store changes no more than 60 or so keys in one go.
const maxTidied = 5

// tidy takes out codes that nobody watches any more, because the ptl that made them was killed. Their terminals stay: one
// may have been let in.
func tidy(l *registry.List) {
	tidied := 0
	for _, t := range l.Terminals {
		if p := t.Pairing(); p != nil && time.Since(time.Unix(p.Ends, 0)) > grace && tidied < maxTidied {
			t.DropCodes()
			tidied++
		}
	}
}

// withdraw takes the terminal out, with its codes, because of an error.
func (i *invitation) withdraw(why error) error {
	err := i.file.Change(context.Background(), func(l *registry.List) error {
		l.Remove(i.id)
		return nil
	})
	if err != nil {
		text := why.Error()
		switch command.ExitOf(why) {
		case command.Interrupted:
			text = "interrupted, and nobody is in"
		case command.Late:
			text = "nobody has used the code in time"
		}
		return command.Errorf(command.ExitOf(why), "%s; and %s: %s", text, i.stays(err), err)
	}
	switch command.ExitOf(why) {
	case command.Site, command.Failed:
		return command.Errorf(command.ExitOf(why), "%s. The new terminal is off the list again", why)
	}
	return why
}

// stays says what is left of a terminal, with its code, that could not be changed.
func (i *invitation) stays(err error) string {
	until := i.ends.Format("15:04")
	if errors.Is(err, registry.ErrNowhere) {
		return fmt.Sprintf("a Traefik may go by what it has read last, so that until the store is filled again %s is known to it, and its code good until %s", i.id, until)
	}
	return fmt.Sprintf("%s is still on the list, its code good until %s (ptl unpair %s takes it out)", i.id, until, i.id)
}

// picture writes the QR code into a file.
func (i *invitation) picture() error {
	if i.options.PNG == "" {
		return nil
	}
	content, err := qr.PNG(i.place.site.Link(i.link))
	if err != nil {
		return err
	}
	// It is as good as a key, also where a picture is there that others may read.
	file, err := os.OpenFile(i.options.PNG, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	err = file.Chmod(0o600)
	if err == nil {
		_, err = file.Write(content)
	}
	return errors.Join(err, file.Close())
}
