package command

import (
	"fmt"
	"io"
	"strings"
)

// Spelling is how options are written, for every command.
const Spelling = "An option is written --secretFile=…, or in the environment as PTL_SECRETFILE; what says where things are can stand in ptl.yml (in this folder, $XDG_CONFIG_HOME, $HOME/.config or /etc/ptl, or wherever --configFile says)."

// helpWidth is how many characters a line of help has at most.
const helpWidth = 88

// WriteHelp writes what --help says of a command.
func WriteHelp(w io.Writer, c *Command) {
	fmt.Fprintf(w, "ptl %s: %s.\n\nUsage: %s\n", c.Name, c.Short, UsageOf(c))
	if c.Long != "" {
		fmt.Fprintf(w, "\n%s\n", Wrapped(c.Long, "", helpWidth))
	}
	for i, example := range c.Examples {
		if i == 0 {
			fmt.Fprint(w, "\nExamples:\n")
		}
		fmt.Fprintf(w, "%s\n    %s\n", Wrapped(example.Says, "  ", helpWidth), example.Line)
	}
	for i, option := range OptionsOf(c) {
		if i == 0 {
			fmt.Fprint(w, "\nOptions:\n")
		}
		writeOption(w, option)
	}
}

func writeOption(w io.Writer, o Option) {
	value := ""
	if !o.IsSwitch {
		value = " VALUE"
	}
	text := o.Description
	if o.Default != "" {
		text += " (default: " + o.Default + ")"
	}
	fmt.Fprintf(w, "  --%s%s\n%s\n", o.Name, value, Wrapped(text, "      ", helpWidth))
}

// UsageOf is how a command is written.
func UsageOf(c *Command) string {
	usage := "ptl " + c.Name
	if c.Options != nil {
		usage += " [options]"
	}
	if c.Arguments != "" {
		usage += " " + c.Arguments
	}
	return usage
}

// WriteOverview writes what ptl alone says.
func WriteOverview(w io.Writer, about string, commands []*Command) {
	fmt.Fprintf(w, "%s\n\nUsage: ptl COMMAND [options]\n\nCommands:\n", Wrapped(about, "", helpWidth))
	longest := 0
	for _, c := range commands {
		longest = max(longest, len(c.Name))
	}
	for _, c := range commands {
		fmt.Fprintf(w, "  %-*s  %s\n", longest, c.Name, c.Short)
	}
	fmt.Fprintf(w, "\n%s\n\nIt ends with:\n", Wrapped("ptl COMMAND --help says more of each. "+Spelling, "", helpWidth))
	for _, exit := range Exits {
		fmt.Fprintf(w, "  %3d  %s\n", exit.Exit, strings.TrimLeft(Wrapped(exit.Meaning, "       ", helpWidth), " "))
	}
}

// Wrapped breaks each line of a text between words, and puts the margin before each that results.
func Wrapped(text, margin string, width int) string {
	var lines []string
	for _, paragraph := range strings.Split(text, "\n") {
		line := margin
		for _, word := range strings.Fields(paragraph) {
			if len(line) > len(margin) && len(line)+1+len(word) > width {
				lines = append(lines, line)
				line = margin
			}
			if len(line) > len(margin) {
				line += " "
			}
			line += word
		}
		lines = append(lines, strings.TrimRight(line, " "))
	}
	return strings.Join(lines, "\n")
}
