package main

import (
	"encoding/json"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/getportal/ptlauth/cmd/command"
	"github.com/getportal/ptlauth/cmd/registry"
	"github.com/getportal/ptlauth/cmd/settings"
	"github.com/getportal/ptlauth/cmd/store"
)

type terminalsOptions struct {
	settings.Site
	JSON bool `description:"Write a list of JSON, for a program."`
}

func newTerminals() *command.Command {
	options := &terminalsOptions{}
	return &command.Command{
		Name:  "terminals",
		Short: "lists who is paired",
		Long: "The list has each terminal's id, its name, whose it is, and since when it is paired, as far as ptl has paired it." +
			" Until is when the last of its tokens ends, where ptl token has made none for it without --expires. A paired browser's has no end:" +
			" the middleware makes it anew, and nobody notes when." +
			" Pending is for how long its code is good that nobody has used yet.",
		Examples: []command.Example{
			{Line: "ptl terminals", Says: "A table:"},
			{Line: "ptl terminals --json | jq -r '.[] | select(.user == \"you@example.com\") | .id'", Says: "The ids of one person's devices:"},
		},
		Options: options,
		Run:     func(c *command.Console, _ []string) error { return listTerminals(c, options) },
	}
}

// listed is a terminal as --json has it.
type listed struct {
	ID    string `json:"id"`
	Name  string `json:"name,omitempty"`
	User  string `json:"user,omitempty"`
	Since int64  `json:"since,omitempty"` // in seconds since 1970
	Until int64  `json:"until,omitempty"` // likewise
	// Pending is until when its code is good.
	Pending int64 `json:"pending,omitempty"`
}

func listTerminals(c *command.Console, options *terminalsOptions) error {
	file, err := listOf(&options.Site)
	if err != nil {
		return err
	}
	l, err := file.Read()
	if err != nil {
		return err
	}
	now := time.Now()
	all := []listed{}
	for _, t := range l.Terminals {
		one := listed{ID: t.ID(), Name: t.Name(), User: t.User(), Since: t.Since(), Until: t.Until()}
		if p := t.Pairing(); p != nil && p.Ends > now.Unix() {
			one.Pending = p.Ends
		}
		all = append(all, one)
	}
	if options.JSON {
		encoder := json.NewEncoder(c.Out)
		encoder.SetEscapeHTML(false)
		return encoder.Encode(all)
	}
	if len(all) == 0 {
		c.Notef("Nobody is paired. `ptl pair --name \"my phone\"` lets the first one in.\n")
		return nil
	}
	table := tabwriter.NewWriter(c.Out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "ID\tNAME\tUSER\tSINCE\tUNTIL\tPENDING")
	for _, one := range all {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\n", orDash(one.ID), orDash(one.Name), orDash(one.User), since(one.Since), until(one.Until, now), pending(one.Pending, now))
	}
	return table.Flush()
}

// listOf is the middleware's list on this machine, or in its store.
func listOf(site *settings.Site) (registry.Registry, error) {
	if store.Is(site.Registry) {
		return settings.Stored(site)
	}
	if site.Registry != "" {
		return &registry.File{Path: site.Registry}, nil
	}
	m, err := settings.Find(site)
	if err != nil {
		return nil, err
	}
	return listFor(m)
}

func listFor(m *settings.Middleware) (registry.Registry, error) {
	if m.Registry == nil {
		return nil, command.Errorf(command.Usage, "the middleware %s reads its list from no file, and only such a list is ptl's, or one in Redis, etcd, Consul or ZooKeeper, or in a cluster: write `terminals: {file: PATH}`, --registry=redis://HOST or --registry=kubernetes://NAMESPACE/MIDDLEWARE", m.Name)
	}
	return m.Registry, nil
}

func orDash(text string) string {
	if text = command.Shown(text); text == "" {
		return "-"
	}
	return text
}

func since(seconds int64) string {
	if seconds == 0 {
		return "-"
	}
	return time.Unix(seconds, 0).Format("2006-01-02 15:04")
}

// until is when a terminal's last token ends, and whether it has ended.
func until(seconds int64, now time.Time) string {
	if seconds == 0 || seconds > now.Unix() {
		return since(seconds)
	}
	return since(seconds) + " (ended)"
}

func pending(ends int64, now time.Time) string {
	if ends == 0 {
		return "-"
	}
	return left(time.Unix(ends, 0).Sub(now))
}

// left is a length of time that is left, in words.
func left(d time.Duration) string {
	switch {
	case d >= 2*time.Hour:
		return fmt.Sprintf("%d h", int(d.Round(time.Hour)/time.Hour))
	case d >= 2*time.Minute:
		return fmt.Sprintf("%d min", int(d.Round(time.Minute)/time.Minute))
	}
	return fmt.Sprintf("%d s", max(0, int(d.Round(time.Second)/time.Second)))
}
