// Package manual writes what is said about a program in one place in the forms that people read: a man page, a page of
// Markdown, and the completion of three shells.
package manual

import (
	"fmt"
	"strings"
)

// Program is a command with others below it.
type Program struct {
	Name, Version string
	Summary       string // one line, without a full stop
	// Description is paragraphs with an empty line between.
	Description string
	Commands    []Command
	Exits       []Entry
	Files       []Entry
	SeeAlso     string
}

// Command is one below the program.
type Command struct {
	Name      string
	Arguments string // as in a synopsis: [FILE]...
	Summary   string // one line, without a full stop
	// Description is paragraphs with an empty line between.
	Description string
	Options     []Option
	Examples    []Entry
	// Values are the words that an argument may be; none: files.
	Values []string
}

// Option is a flag.
type Option struct {
	Name, Default, Description string
	// IsSwitch reports that it takes no value.
	IsSwitch bool
}

// Entry is a term and what it means.
type Entry struct{ Term, Meaning string }

// spelled is an option as people write it.
func (o Option) spelled() string {
	if o.IsSwitch {
		return "--" + o.Name
	}
	return "--" + o.Name + "=" + strings.ToUpper(o.Name[strings.LastIndexByte(o.Name, '.')+1:])
}

func (o Option) meaning() string {
	text := o.Description
	if o.Default != "" && !o.IsSwitch {
		text += " (default: " + o.Default + ")"
	}
	return text
}

// escape makes text of roff safe: backslashes, dashes that must stay such, and what begins a request.
func escape(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`, "\n.", "\n\\&.", "\n'", "\n\\&'", "`", "").Replace(text)
	if strings.HasPrefix(text, ".") || strings.HasPrefix(text, "'") {
		text = `\&` + text
	}
	return text
}

// paragraphs are those of a description, each on one line.
func paragraphs(text string) []string {
	var all []string
	for _, one := range strings.Split(strings.TrimSpace(text), "\n\n") {
		if one = strings.Join(strings.Fields(one), " "); one != "" {
			all = append(all, one)
		}
	}
	return all
}

// Page is the man page of section 1.
func Page(p *Program) string {
	var b strings.Builder
	title := strings.ToUpper(p.Name)
	fmt.Fprintf(&b, ".TH %s 1 \"\" \"%s %s\" \"User Commands\"\n", title, escape(p.Name), escape(p.Version))
	fmt.Fprintf(&b, ".SH NAME\n%s \\- %s\n.SH SYNOPSIS\n", escape(p.Name), escape(p.Summary))
	for i, c := range p.Commands {
		if i > 0 {
			b.WriteString(".br\n")
		}
		fmt.Fprintf(&b, ".B %s %s\n", escape(p.Name), escape(c.Name))
		if c.Arguments != "" {
			fmt.Fprintf(&b, ".RI \"%s\"\n", escape(c.Arguments))
		}
	}
	b.WriteString(".SH DESCRIPTION\n")
	b.WriteString(roff(p.Description))
	b.WriteString(".SH COMMANDS\n")
	for _, c := range p.Commands {
		pageOf(&b, c)
	}
	for _, section := range []struct {
		name    string
		entries []Entry
	}{{"FILES", p.Files}, {"EXIT STATUS", p.Exits}} {
		if len(section.entries) > 0 {
			fmt.Fprintf(&b, ".SH %s\n", section.name)
			for _, e := range section.entries {
				fmt.Fprintf(&b, ".TP\n.B %s\n%s\n", escape(e.Term), escape(e.Meaning))
			}
		}
	}
	if p.SeeAlso != "" {
		fmt.Fprintf(&b, ".SH SEE ALSO\n%s\n", escape(p.SeeAlso))
	}
	return b.String()
}

func pageOf(b *strings.Builder, c Command) {
	fmt.Fprintf(b, ".SS %s\n%s.\n", escape(c.Name+" "+c.Arguments), escape(c.Summary))
	if text := roff(c.Description); text != "" {
		b.WriteString(".PP\n" + text)
	}
	for _, o := range c.Options {
		fmt.Fprintf(b, ".TP\n.B %s\n%s\n", escape(o.spelled()), escape(o.meaning()))
	}
	if len(c.Examples) > 0 {
		b.WriteString(".PP\nExamples:\n")
	}
	for _, e := range c.Examples {
		fmt.Fprintf(b, ".PP\n%s\n.PP\n.nf\n.RS\n%s\n.RE\n.fi\n", escape(e.Meaning), escape(e.Term))
	}
}

func roff(description string) string {
	var lines []string
	for i, one := range paragraphs(description) {
		if i > 0 {
			lines = append(lines, ".PP")
		}
		lines = append(lines, escape(one))
	}
	if len(lines) == 0 {
		return ""
	}
	return strings.Join(lines, "\n") + "\n"
}

// Markdown is the reference: the commands with their options, and the exit codes.
func Markdown(p *Program) string {
	var b strings.Builder
	for _, c := range p.Commands {
		fmt.Fprintf(&b, "### `%s`\n\n%s.\n\n", strings.TrimSpace(p.Name+" "+c.Name+" "+c.Arguments), c.Summary)
		for _, one := range paragraphs(c.Description) {
			fmt.Fprintf(&b, "%s\n\n", one)
		}
		if len(c.Options) > 0 {
			b.WriteString("| option | |\n|---|---|\n")
			for _, o := range c.Options {
				fmt.Fprintf(&b, "| `%s` | %s |\n", o.spelled(), cell(o.meaning()))
			}
			b.WriteString("\n")
		}
		for _, e := range c.Examples {
			fmt.Fprintf(&b, "%s:\n\n```sh\n%s\n```\n\n", e.Meaning, e.Term)
		}
	}
	b.WriteString("### Exit codes\n\n| code | |\n|---|---|\n")
	for _, e := range p.Exits {
		fmt.Fprintf(&b, "| %s | %s |\n", e.Term, cell(e.Meaning))
	}
	return b.String()
}

func cell(text string) string { return strings.ReplaceAll(text, "|", `\|`) }
