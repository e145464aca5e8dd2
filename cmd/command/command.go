// Package command says what a command of ptl is: the same for the program that runs it, and for its help, man page and
// completion.
package command

import (
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/term"
)

// Command is one of ptl's commands.
type Command struct {
	Name      string // "pair"
	Arguments string // what follows the options in its usage, such as TERMINAL…; empty: nothing may
	Short     string // what it does, in a line that begins with a small letter and has no full stop
	Long      string // what else is to be known, in paragraphs
	Examples  []Example
	// Options points to a structure in which each field is an option, with its description as a tag; what is in it is
	// the default. Where it embeds settings.Site, ptl.yml says the rest.
	Options any
	// Values are the words that an option takes, by its name, where there are not many.
	Values map[string][]string
	Run    func(c *Console, arguments []string) error
}

// Example is a line for a shell, and what it is for.
type Example struct{ Line, Says string }

// Console is where a command reads and writes.
type Console struct {
	In       io.Reader
	Out, Err io.Writer
}

// Terminal is the console of this process.
func Terminal() *Console {
	obey(os.Stdout)
	obey(os.Stderr)
	return &Console{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}
}

// Printf writes what was asked for.
func (c *Console) Printf(format string, values ...any) {
	fmt.Fprintf(c.Out, format, values...)
}

// Notef writes what a person should know, and no program reads.
func (c *Console) Notef(format string, values ...any) {
	fmt.Fprintf(c.Err, format, values...)
}

// IsInteractive reports whether a person can be asked.
func (c *Console) IsInteractive() bool {
	return isTerminal(c.In) && isTerminal(c.Err)
}

// IsScreen reports whether what is written is seen by a person.
func (c *Console) IsScreen() bool {
	return isTerminal(c.Out)
}

// Width is that of the screen in characters; 80 where there is none.
func (c *Console) Width() int {
	if file, ok := c.Out.(*os.File); ok {
		if width, _, err := term.GetSize(int(file.Fd())); err == nil && width > 0 {
			return width
		}
	}
	return 80
}

func isTerminal(stream any) bool {
	file, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

// Exit is with which status ptl ends.
type Exit int

// How ptl ends. Exits has what each means.
const (
	Done        Exit = 0
	Failed      Exit = 1
	Usage       Exit = 2
	Nobody      Exit = 3
	Site        Exit = 4
	Late        Exit = 5
	Refused     Exit = 6
	Interrupted Exit = 130
)

// Exits are all of them, for the manual.
var Exits = []struct {
	Exit    Exit
	Meaning string
}{
	{Done, "It is done."},
	{Failed, "It is not done: standard error says why, such as a file that cannot be written."},
	{Usage, "The options, ptl.yml or the middleware's configuration are not as they should be."},
	{Nobody, "There is no such terminal, or several are called so."},
	{Site, "The site does not answer as it should: it cannot be reached, its middleware has no `pairing`, or Traefik does not see the list."},
	{Late, "The time was over: nobody has used the code, or the list has changed and Traefik does not act on it yet."},
	{Refused, "A person or a check has said no: whoever used the code was not the right one, a token is not admitted, a program cannot carry one, or something was found in a configuration."},
	{Interrupted, "It was interrupted, and what it had begun is undone; whoever it had taken off the list stays off."},
}

// Error is why a command ends otherwise than Done.
type Error struct {
	Exit Exit
	text string
}

func (e *Error) Error() string { return e.text }

// Errorf is an error that ends ptl in that way.
func Errorf(exit Exit, format string, values ...any) error {
	return &Error{Exit: exit, text: fmt.Sprintf(format, values...)}
}

// ExitOf is how ptl ends with that error.
func ExitOf(err error) Exit {
	var told *Error
	switch {
	case err == nil:
		return Done
	case errors.As(err, &told):
		return told.Exit
	}
	return Failed
}
