package main

import (
	"cmp"
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/getportal/ptlauth/cmd/command"
	"github.com/getportal/ptlauth/cmd/qr"
	"github.com/getportal/ptlauth/cmd/registry"
	"github.com/getportal/ptlauth/cmd/settings"
	"github.com/getportal/ptlauth/cmd/site"
	"github.com/getportal/ptlauth/cmd/store"
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
	ends                  time.Time
}

// place is a site with what ptl knows of its middleware.
type place struct {
	middleware *settings.Middleware
	site       *site.Site
	// isApp: the middleware answers no paths of its own, so that the app's address is asked instead.
	isApp bool
}

// placeOf needs a middleware that pairs.
func placeOf(s *settings.Site) (*place, error) {
	m, err := settings.Find(s)
	if err != nil {
		return nil, err
	}
	if m.Policy.Pairing == nil {
		return nil, command.Errorf(command.Usage, "the middleware %s does not pair: write `pairing: {enabled: true}` into %s", m.Name, s.Dynamic)
	}
	at, err := site.New(s.URL, m.Policy.Pairing)
	if err != nil {
		return nil, err
	}
	return &place{middleware: m, site: at}, nil
}

// watched is where it can be seen whom a middleware admits: one that a store configures pairs not, and an app's page says.
func watched(s *settings.Site) (*place, error) {
	if !store.Is(s.Registry) {
		return placeOf(s)
	}
	m, err := settings.Find(s)
	if err != nil {
		return nil, err
	}
	at, err := site.App(s.URL)
	if err != nil {
		return nil, err
	}
	return &place{middleware: m, site: at, isApp: true}, nil
}

// isIn reports whether a terminal's token is admitted; without a token, whether everybody is.
func (p *place) isIn(ctx context.Context, token string) (bool, error) {
	cookie := p.middleware.Policy.Locations.Cookie
	if p.isApp {
		return p.site.Admits(ctx, cookie, token)
	}
	return p.site.IsIn(ctx, cookie, token)
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
	if store.Is(options.Registry) {
		return nil, command.Errorf(command.Usage, "a code can be used only where the middleware reads its list from a file (terminals.file), and in a store it has its devices in terminals.paired: ptl token --name=%q makes a token for the device, which needs no code (docs/install.md says how a browser gets it)", cmp.Or(options.Name, "NAME"))
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
	return i.file.Change(ctx, func(l *registry.List) error {
		tidy(l)
		i.id = l.NewID()
		l.Add(i.id, i.options.Name, i.options.User, &registry.Pairing{
			Ends: i.ends.Unix(),
			Link: pairing.MAC(k, pairing.Link, i.link), Code: pairing.MAC(k, pairing.Short, i.code), Watch: pairing.MAC(k, pairing.Watch, i.watch),
		})
		return nil
	})
}

// grace is for how long codes that have ended stay on the list: whoever watches them may still ask.
const grace = 5 * time.Minute

// tidy takes out codes that nobody watches any more, because the ptl that made them was killed. Their terminals stay: one
// may have been let in.
func tidy(l *registry.List) {
	for _, t := range l.Terminals {
		if p := t.Pairing(); p != nil && time.Since(time.Unix(p.Ends, 0)) > grace {
			t.DropCodes()
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
		return command.Errorf(command.ExitOf(why), "%s; and %s is still on the list: %s", why, i.id, err)
	}
	switch command.ExitOf(why) {
	case command.Site, command.Failed:
		return command.Errorf(command.ExitOf(why), "%s. The new terminal is off the list again", why)
	}
	return why
}

// path is where the list is.
func (i *invitation) path() string {
	if file, isFile := i.file.(*registry.File); isFile {
		return file.Path
	}
	return "the list"
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
	return os.WriteFile(i.options.PNG, content, 0o600)
}
