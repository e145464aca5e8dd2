package main

import (
	"bufio"
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
	began, said := time.Now(), ""
	for {
		text := fmt.Sprintf("Waiting until Traefik sees the new terminal, up to %s", refresh)
		use, err := i.place.site.Ask(ctx, i.watch)
		var trouble *site.Trouble
		switch {
		case ctx.Err() != nil:
			return errInterrupted
		case errors.As(err, &trouble) && time.Since(began) >= trouble.Patience:
			return command.Errorf(command.Site, "%s", trouble)
		case trouble != nil:
			text = fmt.Sprintf("%s. Trying for %s", trouble, trouble.Patience)
		case use.State != pairing.Unknown:
			return nil
		case time.Since(began) > max(patience, 3*refresh+2*time.Second):
			return command.Errorf(command.Site, "Traefik answers, and does not see the new terminal in %s: is that the file that the middleware %s reads?"+
				" (A file that is mounted by itself stays the old one: mount its folder. Another secret than Traefik's looks the same: compare secretFile.)", i.path(), i.place.middleware.Name)
		}
		if said != text && !i.options.JSON {
			c.Notef("%s.\n", text)
			said = text
		}
		wait(ctx, interval)
	}
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
	c.Printf("Open this on the device, or scan it, and press Pair:\n\n  %s\n\n", link)
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
	gone := false
	err := i.file.Change(context.Background(), func(l *registry.List) error {
		t := l.Find(i.id)
		gone = t == nil
		if t != nil {
			t.Settle(use.At)
		}
		return nil
	})
	if err != nil {
		return command.Errorf(command.Failed, "the device is in, and its code could not be taken out of the list: %s", err)
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

func (i *invitation) shownName() string {
	if name := shownText(i.options.Name); name != "" {
		return name
	}
	return i.id
}

// who is how a person recognises whoever has used a code.
func who(use *site.Use) string {
	var parts []string
	for _, part := range []string{use.Browser, use.Address} {
		if part = shownText(part); part != "" {
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
