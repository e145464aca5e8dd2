package main

import (
	"bufio"
	"encoding/json"
	"io"
	"strings"

	"github.com/getportal/ptlauth/cmd/command"
	"github.com/getportal/ptlauth/cmd/inspection"
	"github.com/getportal/ptlauth/cmd/settings"
	"github.com/getportal/ptlauth/internal/option"
	"github.com/getportal/ptlauth/internal/policy"
)

type inspectOptions struct {
	Page string `description:"The page that is asked for, a path or a whole address: its rule decides which headers the app is sent, and with apps its host which app it is."`
	JSON bool   `description:"Write the checks as JSON, for programs."`
	settings.Site
}

func newInspect() *command.Command {
	o := &inspectOptions{Page: "/"}
	return &command.Command{
		Name:      "inspect",
		Arguments: "[TOKEN|-]",
		Short:     "says whether a token is admitted, and which check it fails",
		Long: "Makes every check that the middleware would make of the token, by the same functions, and shows each with its result. It reads the middleware's secret, its keys and its list of terminals as they are now. What is known of the token is shown, its signature never.\n\n" +
			"The token may be pasted as it is found: alone, as NAME=TOKEN, as USER:TOKEN where a password may be one, with \"Bearer\" in front, as a line \"Cookie: …\" or \"Authorization: …\" of a request, or as a whole address. With - or without an argument it is read from standard input, where neither the shell's history nor a list of processes shows it.\n\n" +
			"It ends with 0 where the token is admitted, with 6 where it is not.",
		Examples: []command.Example{
			{Line: "ptl inspect", Says: "Asks for the token, so that no history keeps it:"},
			{Line: "ptl token k7p2x9 | ptl inspect -", Says: "Is what ptl makes admitted?"},
			{Line: "ptl inspect --dynamic=/etc/traefik/dynamic.yml --middleware=auth --json - < token", Says: "For a middleware of a file, as a program would:"},
		},
		Options: o,
		Run:     func(c *command.Console, arguments []string) error { return inspect(c, o, arguments) },
	}
}

// maxPaste bounds what is read as a token, in bytes: a line of cookies is not longer anywhere.
const maxPaste = 64 << 10

func inspect(c *command.Console, o *inspectOptions, arguments []string) error {
	if len(arguments) > 1 {
		return command.Errorf(command.Usage, "these are %d tokens: quote what has spaces, or inspect one at a time", len(arguments))
	}
	m, err := settings.Find(&o.Site)
	if err != nil {
		return err
	}
	report := &option.Report{}
	policy.Open(m.Policy, report)
	if len(report.Problems()) > 0 {
		return command.Errorf(command.Usage, "the middleware %s is misconfigured: %s", m.Name, report)
	}
	pasted, err := pastedOf(c, arguments)
	if err != nil {
		return err
	}
	verdict, err := inspection.Inspect(inspection.Look(m.Policy), pasted, o.Page)
	if err != nil {
		return command.Errorf(command.Usage, "%s cannot be inspected, or the address that was pasted: %s", o.Page, err)
	}
	if o.JSON {
		err = writeJSON(c, verdict)
	} else {
		err = inspection.Write(c.Out, verdict)
	}
	if err == nil && !verdict.Good {
		err = command.Errorf(command.Refused, "it is not admitted")
	}
	return err
}

// pastedOf is what is to be inspected, from the command line or standard input; at a keyboard, one line.
func pastedOf(c *command.Console, arguments []string) (string, error) {
	if len(arguments) == 1 && arguments[0] != "-" {
		return arguments[0], nil
	}
	in := io.LimitReader(c.In, maxPaste)
	if c.IsInteractive() {
		c.Notef("Paste the token, and press Enter: ")
		line, err := bufio.NewReader(in).ReadString('\n')
		if err != nil && line == "" {
			return "", command.Errorf(command.Interrupted, "nothing was pasted")
		}
		return line, nil
	}
	content, err := io.ReadAll(in)
	if err == nil && strings.TrimSpace(string(content)) == "" {
		err = command.Errorf(command.Usage, "there is no token on standard input")
	}
	return string(content), err
}

func writeJSON(c *command.Console, value any) error {
	encoder := json.NewEncoder(c.Out)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(value)
}
