// Package manual writes what is said about a program in one place in the forms that people read: a man page, a page of
// Markdown, and the completion of three shells.
package manual

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Program is a command with others below it.
type Program struct {
	Name, Version string
	Summary       string // one line, without a full stop
	// Description is paragraphs with an empty line between.
	Description string
	Commands    []Command
	Shared      []Option // of all commands that say so
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
	HasShared   bool
	Examples    []Entry // a line for a shell, and what it is for
	// Values are the words that an argument may be; none: files.
	Values []string
	// Lister is what the program is called with to list them instead, one on a line, each with a tab and its meaning behind.
	Lister string
}

// Option is a flag.
type Option struct {
	Name, Default, Description string
	// Values are the words that it takes; none: any.
	Values []string
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

// paragraphs are those of a description, each on one line. One that begins with a dash is a member of a list.
func paragraphs(text string) []string {
	var all []string
	for _, one := range strings.Split(strings.ReplaceAll(strings.TrimSpace(text), "\n- ", "\n\n- "), "\n\n") {
		if one = strings.Join(strings.Fields(one), " "); one != "" {
			all = append(all, one)
		}
	}
	return all
}

// sentence is a summary with a capital letter and a full stop.
func sentence(text string) string {
	first, size := utf8.DecodeRuneInString(text)
	return string(unicode.ToUpper(first)) + text[size:] + "."
}

// leading is what stands before an example.
func leading(text string) string {
	if strings.HasSuffix(text, "?") || strings.HasSuffix(text, ":") || strings.HasSuffix(text, ".") {
		return text
	}
	return text + ":"
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
	if len(p.Shared) > 0 {
		b.WriteString(".SH OPTIONS\nOf the commands that work on a site:\n")
		options(&b, p.Shared)
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
	fmt.Fprintf(b, ".SS %s\n%s\n", escape(strings.TrimSpace(c.Name+" "+c.Arguments)), escape(sentence(c.Summary)))
	if text := roff(c.Description); text != "" {
		b.WriteString(".PP\n" + text)
	}
	options(b, c.Options)
	if len(c.Examples) > 0 {
		b.WriteString(".PP\nExamples:\n")
	}
	for _, e := range c.Examples {
		fmt.Fprintf(b, ".PP\n%s\n.PP\n.nf\n.RS\n%s\n.RE\n.fi\n", escape(leading(e.Meaning)), escape(e.Term))
	}
}

func options(b *strings.Builder, all []Option) {
	for _, o := range all {
		fmt.Fprintf(b, ".TP\n.B %s\n%s\n", escape(o.spelled()), escape(o.meaning()))
	}
}

func roff(description string) string {
	var lines []string
	for i, one := range paragraphs(description) {
		item, isItem := strings.CutPrefix(one, "- ")
		switch {
		case isItem:
			lines = append(lines, `.IP \(bu 2`)
		case i > 0:
			lines = append(lines, ".PP")
		}
		lines = append(lines, escape(item))
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
		fmt.Fprintf(&b, "### %s\n\n```text\n%s\n```\n\n%s\n\n", c.Name, strings.TrimSpace(p.Name+" "+c.Name+" "+c.Arguments), sentence(c.Summary))
		wasItem := false
		for _, one := range paragraphs(c.Description) {
			isItem := strings.HasPrefix(one, "- ")
			if wasItem && !isItem {
				b.WriteString("\n")
			}
			wasItem = isItem
			b.WriteString(one + "\n")
			if !isItem {
				b.WriteString("\n")
			}
		}
		if wasItem {
			b.WriteString("\n")
		}
		tableOf(&b, c.Options)
		if c.HasShared {
			b.WriteString("And [where things are](#options).\n\n")
		}
		for _, e := range c.Examples {
			fmt.Fprintf(&b, "%s\n\n```sh\n%s\n```\n\n", leading(e.Meaning), e.Term)
		}
	}
	if len(p.Shared) > 0 {
		b.WriteString("### Options\n\nOf the commands that work on a site:\n\n")
		tableOf(&b, p.Shared)
	}
	b.WriteString("### Exit codes\n\n| code | |\n|---|---|\n")
	for _, e := range p.Exits {
		fmt.Fprintf(&b, "| %s | %s |\n", e.Term, cell(e.Meaning))
	}
	return b.String()
}

func tableOf(b *strings.Builder, all []Option) {
	if len(all) == 0 {
		return
	}
	b.WriteString("| option | |\n|---|---|\n")
	for _, o := range all {
		fmt.Fprintf(b, "| `%s` | %s |\n", o.spelled(), cell(o.meaning()))
	}
	b.WriteString("\n")
}

func cell(text string) string { return strings.ReplaceAll(text, "|", `\|`) }
