package main

import (
	"errors"
	"io/fs"
	"slices"
	"strings"

	"github.com/getportal/ptlauth/cmd/command"
	"github.com/getportal/ptlauth/cmd/review"
	"github.com/getportal/ptlauth/cmd/settings"
)

type checkOptions struct {
	Except string `description:"What is not to be found, with commas between: the words that stand before a finding."`
	JSON   bool   `description:"Write what was found as JSON, for programs."`
	settings.Site
}

func newCheck() *command.Command {
	o := &checkOptions{}
	long := "Reads what configures Traefik and the apps behind it: dynamic and static configurations in YAML and TOML, compose files with their labels, manifests of Kubernetes, values of Traefik's Helm chart. Of a folder it reads what may be one of these; without an argument, this folder. What one file says counts for the others, so name them together. It opens nothing that they mention, and asks nobody. Where ptl.yml is found, or options say the same, it also looks at the files that are named there: the middleware's, the secret and the list of terminals on this machine.\n\n" +
		"It finds each mistake of a ptlauth middleware, as the middleware itself would report it at its start, with file and line; and what is unwise, or wrong on this machine alone, of which each has a word that --except takes:\n"
	for _, one := range review.Unwise {
		long += "\n- " + one.Kind + ": " + one.About
	}
	return &command.Command{
		Name:      "check",
		Arguments: "[FILE]…",
		Short:     "finds mistakes in what configures Traefik and the apps, and what is unwise",
		Long:      long + "\n\nIt ends with 0 where it finds nothing, with 6 where it does.",
		Examples: []command.Example{
			{Line: "ptl check", Says: "All of this folder:"},
			{Line: "ptl check compose.yml ptlauth/dynamic.yml", Says: "A compose file and the middleware beside it:"},
			{Line: "ptl check --except=published-port --json .", Says: "For a program, without what is meant so:"},
		},
		Options: o,
		Run:     func(c *command.Console, arguments []string) error { return check(c, o, arguments) },
	}
}

func check(c *command.Console, o *checkOptions, arguments []string) error {
	except, err := kinds(o.Except)
	if err != nil {
		return err
	}
	if len(arguments) == 0 {
		arguments = []string{"."}
	}
	paths, err := review.Paths(arguments)
	var missing *fs.PathError
	switch {
	case errors.As(err, &missing) && errors.Is(err, fs.ErrNotExist):
		return command.Errorf(command.Failed, "there is no %s here: name the files as they are, or none, for all of this folder", missing.Path)
	case err != nil:
		return command.Errorf(command.Failed, "%s", err)
	}
	if len(paths) == 0 {
		return command.Errorf(command.Usage, "there is nothing to check in %s: no file ends in .yml, .yaml or .toml", strings.Join(arguments, " "))
	}
	paths = withDynamic(paths, &o.Site)
	findings, err := review.Files(paths)
	if err != nil {
		return command.Errorf(command.Failed, "%s", err)
	}
	var looked []string
	if !slices.Contains(except, review.NamedFile) {
		var more []review.Finding
		more, looked = named(&o.Site, paths, findings)
		findings = append(findings, more...)
	}
	findings = slices.DeleteFunc(findings, func(f review.Finding) bool { return slices.Contains(except, f.Kind) })
	if err := tell(c, o, findings); err != nil {
		return err
	}
	if !namesFiles(&o.Site) {
		noteUnseen(c)
	}
	if len(findings) > 0 {
		return command.Errorf(command.Refused, "found %d in %d %s", len(findings), len(paths), plural(len(paths), "file"))
	}
	also := ""
	if len(looked) > 0 {
		also = ", nor in " + strings.Join(looked, " and ")
	}
	c.Notef("Nothing found in %d %s%s.\n", len(paths), plural(len(paths), "file"), also)
	return nil
}

// tell writes what was found, for a person or a program.
func tell(c *command.Console, o *checkOptions, findings []review.Finding) error {
	if o.JSON {
		return writeJSON(c, append([]review.Finding{}, findings...))
	}
	for _, f := range findings {
		c.Printf("%s\n", command.Shown(f.String()))
	}
	return nil
}

// kinds are those of a list, which must be known: a mistyped one would hide nothing, and nobody would see why.
func kinds(list string) ([]string, error) {
	var known, named []string
	for _, one := range review.Unwise {
		known = append(known, one.Kind)
	}
	for _, name := range strings.Split(list, ",") {
		name = strings.TrimSpace(name)
		if name == "" {
			continue
		}
		if !slices.Contains(known, name) {
			return nil, command.Errorf(command.Usage, "nothing is called %q that --except could leave out: it is one of %s", name, strings.Join(known, ", "))
		}
		named = append(named, name)
	}
	return named, nil
}

func plural(n int, noun string) string {
	if n == 1 {
		return noun
	}
	return noun + "s"
}
