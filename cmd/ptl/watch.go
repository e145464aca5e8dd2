package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/getportal/ptlauth/cmd/command"
	"github.com/getportal/ptlauth/cmd/qr"
	"github.com/getportal/ptlauth/cmd/registry"
	"github.com/getportal/ptlauth/cmd/site"
	"github.com/getportal/ptlauth/internal/pairing"
)

const (
	// interval is between two questions.
	interval = time.Second
	// patience is how long Traefik may at least not see the code.
	patience = 10 * time.Second
	// anew begins a line again.
	anew = "\r\x1b[K"
)

var errInterrupted = command.Errorf(command.Interrupted, "interrupted: the code is taken back, and nobody is in")

// awaitSeen waits until one Traefik has seen the code on the list. Before, whoever used it would be refused.
func (i *invitation) awaitSeen(ctx context.Context, c *command.Console) error {
	refresh := i.place.middleware.Policy.Refresh
	limit, usual := max(patience, 3*refresh+2*time.Second), fmt.Sprintf("Waiting until Traefik sees the new terminal, up to %s", refresh)
	if i.place.isStored {
		limit, usual = storePatience, fmt.Sprintf("Waiting until Traefik has the new terminal from the store, up to %s (or its providersThrottleDuration)", throttle)
	}
	began, said, seen := time.Now(), "", 0
	for {
		text := usual
		isSeen, err := i.isSeen(ctx, seen)
		seen++
		trouble, patience := i.trouble(err, limit)
		switch {
		case ctx.Err() != nil:
			return errInterrupted
		case isSeen && (seen == agreeing || !i.place.isStored):
			return nil
		case isSeen:
			wait(ctx, interval/10)
			continue
		case trouble != nil && time.Since(began) >= patience:
			return command.Errorf(command.Site, "%s", trouble)
		case trouble != nil:
			text = fmt.Sprintf("%s. Trying for %s", trouble, patience)
		case time.Since(began) > limit:
			return i.unseen()
		}
		if said != text && !i.options.JSON {
			c.Notef("%s.\n", text)
			said = text
		}
		seen = 0
		wait(ctx, interval)
	}
}

// trouble is an error of the site, if it is one, and for how long it is borne.
func (i *invitation) trouble(err error, limit time.Duration) (*site.Trouble, time.Duration) {
	var trouble *site.Trouble
	switch {
	case !errors.As(err, &trouble):
		return nil, 0
	case trouble.IsClosed && i.place.isStored:
		return trouble, limit // the first device opens it
	}
	return trouble, trouble.Patience
}

// isSeen reports whether a Traefik knows the codes, as far as none has said so before, and, where it reads a store, whose they
// are. An error is a *site.Trouble.
func (i *invitation) isSeen(ctx context.Context, before int) (bool, error) {
	if before == 0 {
		use, err := i.place.site.Ask(ctx, i.watch)
		if err != nil || use.State == pairing.Unknown || !i.place.isStored {
			return err == nil && use.State != pairing.Unknown, err
		}
	}
	return i.place.isKnown(ctx, &site.Who{ID: i.id, Name: i.options.Name, User: i.options.User}, i.token)
}

// isKnown reports whether a Traefik takes a token for that terminal's. From a store it may have read new keys by half, in the
// moment in which they were written, and take the terminal for a user of its own until it reads them again.
func (p *place) isKnown(ctx context.Context, wanted *site.Who, token string) (bool, error) {
	who, err := p.site.Who(ctx, p.middleware.Policy.Locations.Cookie, token)
	if err != nil || who == nil {
		return false, err
	}
	return who.Name == strings.TrimSpace(wanted.Name) && who.User == cmp.Or(strings.TrimSpace(wanted.User), wanted.ID), nil
}

// awaitKnown waits a while until Traefik takes a token for that terminal's, where it can be asked.
func (p *place) awaitKnown(wanted *site.Who, token string) {
	ctx, stop := interruptible()
	defer stop()
	known := 0
	for began := time.Now(); known < agreeing && time.Since(began) < 2*throttle; wait(ctx, interval/10) {
		isKnown, err := p.isKnown(ctx, wanted, token)
		if err != nil && !site.IsClosed(err) || ctx.Err() != nil {
			return
		}
		if known++; !isKnown {
			known = 0
		}
	}
}

// unseen is that Traefik answers, and goes by something else than what ptl has written.
func (i *invitation) unseen() error {
	const secret = "Another secret than Traefik's looks the same: compare secretFile."
	if ahead := i.place.site.Ahead; ahead.Abs() > time.Minute {
		return command.Errorf(command.Site, "Traefik answers, and its clock differs from this machine's by %s, so that a code or a token may have ended there, or not have begun: set both clocks right", ahead.Abs())
	}
	if file, isFile := i.file.(*registry.File); isFile {
		return command.Errorf(command.Site, "Traefik answers, and does not see the new terminal in %s: is that the file that the middleware %s reads? (A file that is mounted by itself stays the old one: mount its folder. %s)",
			file.Path, i.place.middleware.Name, secret)
	}
	return command.Errorf(command.Site, "Traefik answers, and does not see the new terminal in the store after %s: does its provider read another store, database, rootKey, cluster or namespace? (Its log says what it cannot read. %s)", storePatience, secret)
}

// wait returns false when it was interrupted.
func wait(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}

// show tells a person, or a program, what lets the device in.
func (i *invitation) show(c *command.Console) error {
	if err := i.picture(); err != nil {
		return err
	}
	link, code := i.place.site.Link(i.link), i.code[:5]+"-"+i.code[5:]
	if i.options.JSON {
		return json.NewEncoder(c.Out).Encode(map[string]any{
			"state": pairing.Waiting, "id": i.id, "name": i.options.Name, "user": i.options.User,
			"link": link, "page": i.place.site.Page(), "code": code, "ends": i.ends.Unix(),
		})
	}
	c.Printf("Open this on the device, or scan it, and press Continue and Pair:\n\n  %s\n\n", link)
	if c.IsScreen() {
		c.Printf("%s\n", qr.Screen(link, c.Width()))
	}
	c.Printf("Or go to %s and type\n\n  %s\n\n", i.place.site.Page(), code)
	return nil
}

// awaitUse waits until a code is used. Where it is not, the second result says why the waiting has ended.
func (i *invitation) awaitUse(ctx context.Context, c *command.Console) (*site.Use, error) {
	end := command.Errorf(command.Late, "nobody has used the code in time, and it is taken back: ptl pair makes another")
	said := ""
	for time.Now().Before(i.ends) {
		use, err := i.place.site.Ask(ctx, i.watch)
		if err == nil && use.State == pairing.Taken {
			i.progress(c, "")
			return use, nil
		}
		if err != nil || use.State == pairing.Unknown {
			if lost := i.lost(); lost != nil {
				end = lost
				break
			}
		}
		if err != nil && ctx.Err() == nil && err.Error() != said {
			said = err.Error()
			i.progress(c, "")
			c.Notef("%s. Still waiting.\n", said)
		}
		i.progress(c, "Waiting for the device; the code is good for "+left(time.Until(i.ends))+" more. Ctrl-C takes it back.")
		if !wait(ctx, interval) {
			end = errInterrupted
			break
		}
	}
	i.progress(c, "")
	return i.askOnceMore(), end
}

// lost is why the code is certainly good for nothing; nil: that is not certain. A Traefik that knows nothing of it may have been
// started before the others know that.
func (i *invitation) lost() error {
	l, err := i.file.Read()
	switch {
	case errors.Is(err, registry.ErrNowhere):
		return command.Errorf(command.Failed, "the store has no middleware %s any more", i.place.middleware.Name)
	case err == nil && l.Find(i.id) == nil:
		return command.Errorf(command.Nobody, "%s is not on the list any more, and its code is good for nothing: ptl pair makes another", i.id)
	}
	return nil
}

// askOnceMore finds out whether a code was used in the last moment; nil: nothing says so.
func (i *invitation) askOnceMore() *site.Use {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	use, err := i.place.site.Ask(ctx, i.watch)
	if err != nil || use.State != pairing.Taken {
		return nil
	}
	return use
}

// progress shows how things are on a line that is written anew each time.
func (i *invitation) progress(c *command.Console, text string) {
	if c.IsInteractive() && !i.options.JSON {
		c.Notef("%s%s", anew, text)
	}
}

// settle takes the codes out first, so that no other Traefik takes them, and then asks whether it was the right one.
func (i *invitation) settle(ctx context.Context, c *command.Console, use *site.Use) error {
	gone, err := i.spend(ctx, c, use)
	if err != nil {
		return command.Errorf(command.Failed, "%s is in, and %s: %s", who(use), i.stays(err), err)
	}
	if gone {
		return command.Errorf(command.Nobody, "%s has used the code, and somebody has taken its terminal %s out of the list meanwhile: it is not in", who(use), i.id)
	}
	if i.options.JSON {
		return json.NewEncoder(c.Out).Encode(map[string]any{
			"state": pairing.Taken, "id": i.id, "at": use.At, "browser": use.Browser, "address": use.Address,
		})
	}
	if i.options.Yes || !c.IsInteractive() {
		c.Notef("%s is in, as %s. If that was not the right one: ptl unpair %s\n", who(use), i.shownName(), i.id)
		return nil
	}
	if isNo(askUntil(ctx, c, who(use)+" is in. Was that you? [Y/n] ")) {
		if err := i.place.throwOut(c, i.file, i.id, i.shownName()); err != nil {
			return err
		}
		return command.Errorf(command.Refused, "somebody else has used the code: make another, and show it to nobody but the right one")
	}
	c.Notef("%s is paired. ptl unpair %s throws it out.\n", i.shownName(), i.id)
	return nil
}

// spend takes the codes out, and reports whether their terminal is gone. A store may come back in a moment.
func (i *invitation) spend(ctx context.Context, c *command.Console, use *site.Use) (gone bool, err error) {
	began, said := time.Now(), ""
	for {
		err := i.file.Change(context.Background(), func(l *registry.List) error {
			t := l.Find(i.id)
			gone = t == nil
			if t != nil {
				t.Settle(use.At)
			}
			return nil
		})
		switch {
		case err == nil || !i.place.isStored || errors.Is(err, registry.ErrNowhere) || time.Since(began) > storePatience:
			return gone, err
		case err.Error() != said:
			said = err.Error()
			c.Notef("The code is used, and %s. Trying for %s.\n", said, storePatience)
		}
		if !wait(ctx, interval) {
			return gone, err
		}
	}
}

func (i *invitation) shownName() string {
	if name := command.Shown(i.options.Name); name != "" {
		return name
	}
	return i.id
}

// who is how a person recognises whoever has used a code.
func who(use *site.Use) string {
	var parts []string
	for _, part := range []string{use.Browser, use.Address} {
		if part = command.Shown(part); part != "" {
			parts = append(parts, part)
		}
	}
	if len(parts) == 0 {
		return "A device"
	}
	text := strings.Join(parts, ", ")
	return strings.ToUpper(text[:1]) + text[1:]
}

func isNo(answer string) bool {
	return strings.EqualFold(answer, "n") || strings.EqualFold(answer, "no")
}

// askUntil is ask, until it is interrupted.
func askUntil(ctx context.Context, c *command.Console, question string) string {
	c.Notef("%s", question)
	answers := make(chan string, 1)
	go func() {
		answer, _ := bufio.NewReader(c.In).ReadString('\n')
		answers <- strings.TrimSpace(answer)
	}()
	select {
	case answer := <-answers:
		return answer
	case <-ctx.Done():
		c.Notef("\n")
		return ""
	}
}
