package main

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/getportal/ptlauth/cmd/command"
	"github.com/getportal/ptlauth/cmd/qr"
	"github.com/getportal/ptlauth/cmd/registry"
	"github.com/getportal/ptlauth/cmd/settings"
	"github.com/getportal/ptlauth/cmd/site"
	"github.com/getportal/ptlauth/cmd/store"
	"github.com/getportal/ptlauth/internal/key"
	"github.com/getportal/ptlauth/internal/pairing"
	"github.com/getportal/ptlauth/internal/token"
)

type tokenOptions struct {
	Name    string `description:"Put a new terminal of that name on the list, for which the token is."`
	User    string `description:"Whose the new terminal is, as the app knows that person; without it the terminal is a user of its own."`
	For     string `description:"The program that the token is for: what to type into it is printed, and where."`
	Way     string `description:"How that program shall carry the token, where it could in several ways: basic, bearer, header or cookie."`
	Expires string `description:"For how long the token is good, such as 90d, 12h or seconds; without it until the terminal is thrown out."`
	QR      bool   `description:"Show the token as a QR code too, to be scanned on a phone and pasted there."`
	JSON    bool   `description:"Write it as JSON, for programs."`
	settings.Site
}

func newToken() *command.Command {
	options := &tokenOptions{}
	return &command.Command{
		Name:      "token",
		Arguments: "[TERMINAL]",
		Short:     "makes a token for what is no browser, such as a script",
		Long: "The token is for a terminal that is on the list, or, with --name, for a new one. It is good until that terminal is thrown out (ptl unpair), or until --expires." +
			" A program sends it in the cookie that the middleware looks into: curl --cookie \"authorization=$(cat token)\" https://chat.example.com/" +
			"\n\nWith --for, standard output has what to type into a program, such as a section of its configuration, with the token in it, and standard error where it belongs." +
			" Where the middleware does not look for tokens there, ptl says which line it lacks, and makes none. --url says which app it is, with its path where it has one." +
			" The programs are " + strings.Join(clientNames(), ", ") + "; docs/apps.md has more on them.",
		Examples: []command.Example{
			{Line: `ptl token --name="backup script" --user=you@example.com > token`, Says: "For a new terminal:"},
			{Line: "ptl token k7p2x9", Says: "Another one for a terminal that is paired:"},
			{Line: `ptl token --name="phone's calendar" --user=you@example.com --for=davx5 --qr`, Says: "What to type into a calendar app, and the password to be scanned:"},
			{Line: `ptl token --name=backup --user=you@example.com --for=rclone --expires=90d >> ~/.config/rclone/rclone.conf`, Says: "A section of a program's own configuration, good for three months:"},
		},
		Options: options,
		Values:  map[string][]string{"for": clientNames(), "way": wayNames()},
		Run:     func(c *command.Console, arguments []string) error { return makeToken(c, options, arguments) },
	}
}

// made is a token with whose it is, as --json has it.
type made struct {
	Terminal string `json:"terminal"` // the id
	Token    string `json:"token"`
	Expires  int64  `json:"expires,omitempty"` // in seconds since 1970
	*typed
}

func makeToken(c *command.Console, options *tokenOptions, arguments []string) error {
	lifetime, err := checkToken(options, arguments)
	if err != nil {
		return err
	}
	m, err := settings.Find(&options.Site)
	if err != nil {
		return err
	}
	now := time.Now()
	ends := int64(0)
	if lifetime > 0 {
		ends = now.Add(lifetime).Unix()
	}
	if err := checkAdmitted(m, now.Unix(), ends); err != nil {
		return err
	}
	plan, err := planFor(options, m)
	if err != nil {
		return err
	}
	secret, err := m.Key()
	if err != nil {
		return err
	}
	file, err := listFor(m)
	if err != nil {
		return err
	}
	id, err := tokenFor(c, file, options, arguments, ends)
	if err != nil {
		return err
	}
	one := &made{Terminal: id, Expires: ends, Token: pairing.Signed([]*key.Key{secret}, claimsOf(m, id, now.Unix(), ends))}
	if len(arguments) == 0 {
		awaitWhole(c, options, one)
	}
	noteEnd(c, m, now, ends)
	return write(c, options, plan, one)
}

// awaitWhole waits until a Traefik that reads a store knows whose a new terminal is. A middleware that pairs says that; of
// another one it is known how long it may take where keys are read one by one, as in Redis.
func awaitWhole(c *command.Console, options *tokenOptions, one *made) {
	at, err := watched(&options.Site)
	isByHalf := store.IsByKey(options.Registry) && options.User != ""
	switch {
	case err == nil && at.isStored && !at.isApp:
		at.awaitKnown(&site.Who{ID: one.Terminal, Name: options.Name, User: options.User}, one.Token)
	case err == nil && isByHalf:
		c.Notef("Waiting %s, in which Traefik may take it for a user of its own.\n", 2*throttle)
		ctx, stop := interruptible()
		defer stop()
		wait(ctx, 2*throttle)
	case isByHalf:
		c.Notef("Use the token in %s at the earliest: before, Traefik may take it for a user of its own.\n", 2*throttle)
	}
}

// write writes the token, or what to type with it.
func write(c *command.Console, options *tokenOptions, plan *plan, one *made) error {
	if plan != nil {
		filled, err := fillIn(plan, one)
		if err != nil {
			return err
		}
		one.typed = filled
	}
	if options.QR {
		noteQR(c, one.Token)
	}
	if options.JSON {
		encoder := json.NewEncoder(c.Out)
		encoder.SetEscapeHTML(false)
		return encoder.Encode(one)
	}
	if plan != nil {
		show(c, plan, one.typed)
		return nil
	}
	c.Printf("%s\n", one.Token)
	return nil
}

// noteQR shows the token so that a phone's camera reads it.
func noteQR(c *command.Console, text string) {
	code := qr.Screen(text, c.Width())
	if code == "" {
		c.Notef("The screen is too narrow for its QR code: make it wider, and try again.\n")
		return
	}
	c.Notef("%s\n", code)
}

// checkToken returns for how long the token shall be good; 0: it has no end.
func checkToken(options *tokenOptions, arguments []string) (time.Duration, error) {
	isNew := options.Name != "" || options.User != ""
	if isNew && len(arguments) > 0 {
		return 0, command.Errorf(command.Usage, "both are given, the terminal %q of the list and --name or --user of a new one: leave out one of the two", arguments[0])
	}
	if isNew == (len(arguments) == 1) || len(arguments) > 1 {
		return 0, command.Errorf(command.Usage, "say for whom: ptl token TERMINAL, or, for a new one, ptl token --name=NAME")
	}
	if err := fit("name", options.Name); err != nil {
		return 0, err
	}
	if err := fit("user", options.User); err != nil {
		return 0, err
	}
	if options.Expires == "" {
		return 0, nil
	}
	lifetime, isLifetime := lifetimeOf(options.Expires)
	if !isLifetime {
		return 0, command.Errorf(command.Usage, "%q is not for how long a token is good: write days, hours or seconds, as in --expires=90d, 12h or 3600, and at most 100 years", options.Expires)
	}
	return lifetime, nil
}

// claimsOf are what a terminal's token says; it ends then, in seconds since 1970, where that is not 0.
func claimsOf(m *settings.Middleware, id string, now, ends int64) map[string]any {
	claims := token.Claims(m.Policy.TokenRules, id, now)
	if ends != 0 {
		claims["exp"] = ends
	}
	return claims
}

// checkAdmitted refuses to make tokens that the middleware would not admit.
func checkAdmitted(m *settings.Middleware, now, ends int64) error {
	rules := m.Policy.TokenRules
	_, problem := pairing.Judged(rules, claimsOf(m, "abc123", now, ends), now)
	switch {
	case problem == "":
		return nil
	case rules.RequireExpiry && ends == 0:
		return command.Errorf(command.Refused, "the middleware %s has requireExpiry, and admits only tokens that end: write --expires=90d", m.Name)
	}
	return command.Errorf(command.Refused, "the middleware %s would not admit a token that ptl makes: %s", m.Name, problem)
}

// noteEnd says when the token ends, if it does.
func noteEnd(c *command.Console, m *settings.Middleware, now time.Time, ends int64) {
	oldest := now.Unix() + m.Policy.TokenRules.MaxAge
	switch {
	case m.Policy.TokenRules.MaxAge > 0 && (ends == 0 || oldest < ends):
		c.Notef("It is good until %s: the middleware's maxAge ends it.\n", since(oldest))
	case ends != 0:
		c.Notef("It is good until %s.\n", since(ends))
	}
}

// tokenFor is the id of the terminal that the token is for. The list says of it when the last of its tokens ends.
func tokenFor(c *command.Console, file registry.Registry, options *tokenOptions, arguments []string, ends int64) (string, error) {
	if len(arguments) == 1 {
		l, err := file.Read()
		if err != nil {
			return "", err
		}
		t, err := which(c, l, arguments[0])
		if err != nil {
			return "", err
		}
		if t.IsNobodys() {
			return "", command.Errorf(command.Nobody, "%s is not complete in the store, so it is nobody's: ptl rename %s NAME --user=USER makes it somebody's, ptl unpair %s takes it out", called(t), command.Shown(t.ID()), command.Shown(t.ID()))
		}
		return t.ID(), prolong(file, t, ends)
	}
	id := ""
	err := file.Change(context.Background(), func(l *registry.List) error {
		tidy(l)
		id = l.NewID()
		t := l.Add(id, options.Name, options.User, nil)
		t.Settle(time.Now().Unix())
		t.SetUntil(ends)
		return nil
	})
	if err == nil {
		c.Notef("The new terminal is %s: ptl unpair %s makes the token worthless.\n", id, id)
	}
	return id, err
}

// prolong notes on the list that a terminal has one more token, which ends then. What was never noted stays so: a token
// without an end may be in use.
func prolong(file registry.Registry, t *registry.Terminal, ends int64) error {
	if t.Until() == 0 || ends != 0 && ends <= t.Until() {
		return nil
	}
	return file.Change(context.Background(), func(l *registry.List) error {
		now := l.Find(t.ID())
		if now != nil && now.Until() != 0 && (ends == 0 || ends > now.Until()) {
			now.SetUntil(ends)
		}
		return nil
	})
}
