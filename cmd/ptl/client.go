package main

import (
	"cmp"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"github.com/getportal/ptlauth/cmd/client"
	"github.com/getportal/ptlauth/cmd/command"
	"github.com/getportal/ptlauth/cmd/settings"
)

// plan is how a program will carry the token that is not made yet.
type plan struct {
	client   *client.Client
	form     *client.Form
	address  *url.URL
	carriers client.Carriers
}

// typed is what to type into a program, as --json has it.
type typed struct {
	For    string         `json:"for"`
	Way    client.Way     `json:"way"`
	Where  string         `json:"where"`
	Fields []client.Field `json:"fields,omitempty"`
	Text   string         `json:"text,omitempty"`
	Then   string         `json:"then,omitempty"`
}

func clientNames() []string { return client.Names() }

func wayNames() []string {
	var names []string
	for _, way := range client.Ways {
		names = append(names, string(way))
	}
	return names
}

// planFor finds out how the program that was named can carry a token, before there is one; nil: none was named.
func planFor(options *tokenOptions, m *settings.Middleware) (*plan, error) {
	if options.For == "" && options.Way != "" {
		return nil, command.Errorf(command.Usage, "--way says how a program carries the token: say which, as in --for=curl")
	}
	if options.For == "" {
		return nil, nil
	}
	c := client.Find(options.For)
	if c == nil {
		return nil, command.Errorf(command.Usage, "ptl does not know %q: it knows %s. For any other program write --for=password, or --for=header where it can send a header of your choice", options.For, strings.Join(client.Names(), ", "))
	}
	way := client.Way(strings.ToLower(options.Way))
	if err := checkWay(c, way); err != nil {
		return nil, err
	}
	if options.URL == "" {
		return nil, command.Errorf(command.Usage, "it is not said where the app is: write --url=https://calendar.example.com, or `url` into ptl.yml")
	}
	address := client.Address(options.URL)
	if address == nil {
		return nil, command.Errorf(command.Usage, "%q is not an app's address: write it as in --url=https://calendar.example.com", options.URL)
	}
	if p := m.Policy.Pairing; p != nil && p.Host != "" && strings.EqualFold(p.Host, address.Host) {
		return nil, command.Errorf(command.Usage, "%s is where devices are paired, and no app is there: say which app it is for, as in --url=https://calendar.example.com", options.URL)
	}
	has := m.Carriers()
	form := c.Choose(has, way)
	if form == nil {
		return nil, lacking(c, way, has, options.Dynamic, m.Name)
	}
	return &plan{c, form, address, has}, nil
}

// checkWay refuses a way that the program does not know.
func checkWay(c *client.Client, way client.Way) error {
	if len(c.Forms) == 0 {
		return command.Errorf(command.Refused, "%s cannot carry a token: %s %s", c.Title, c.Instead, client.Otherwise)
	}
	if way == "" {
		return nil
	}
	var known []string
	for _, one := range c.Ways() {
		if one == way {
			return nil
		}
		known = append(known, string(one))
	}
	return command.Errorf(command.Usage, "%s does not carry a token in the way %q: it knows %s", c.Title, way, strings.Join(known, ", "))
}

// lacking says what the middleware's configuration must say first.
func lacking(c *client.Client, way client.Way, has client.Carriers, dynamic, middleware string) error {
	way = cmp.Or(way, c.Forms[0].Way)
	language := languageOf(dynamic)
	return command.Errorf(command.Usage, "%s sends %s, and the middleware %s does not look there. Write into %s, %s, and try again:\n\n%s", c.Title, way.Needs(), middleware, near(dynamic), has.Below(way, language), has.Lines(way, language, middleware))
}

// languageOf is in which language a middleware is configured.
func languageOf(path string) string {
	if strings.EqualFold(filepath.Ext(path), ".toml") {
		return client.TOML
	}
	content, err := os.ReadFile(path)
	if err == nil && strings.Contains(string(content), "traefik.http.middlewares.") {
		return client.Labels
	}
	return client.YAML
}

// fillIn is what to type, with the token.
func fillIn(p *plan, one *made) (*typed, error) {
	filled := client.Fill(p.address, one.Terminal, one.Token, p.carriers)
	result := &typed{For: p.client.Name, Way: p.form.Way, Where: p.form.Where}
	for _, field := range p.form.Fields {
		value, err := filled.Text(field.Value)
		if err != nil {
			return nil, err
		}
		result.Fields = append(result.Fields, client.Field{Name: field.Name, Value: value})
	}
	text, err := filled.Text(p.form.Text)
	if err != nil {
		return nil, err
	}
	then, err := filled.Text(p.form.Then)
	if err != nil {
		return nil, err
	}
	result.Text, result.Then = text, then
	return result, nil
}

// show writes what to type, so that it can be pasted or sent on into a file, and where, for whoever reads along.
func show(c *command.Console, p *plan, what *typed) {
	c.Notef("%s: %s\n\n", p.client.Title, what.Where)
	c.Printf("%s", what.Text)
	table := tabwriter.NewWriter(c.Out, 0, 0, 1, ' ', 0)
	for _, field := range what.Fields {
		_, _ = table.Write([]byte(field.Name + ":\t" + field.Value + "\n"))
	}
	_ = table.Flush()
	if what.Then != "" {
		c.Notef("\n%s\n", what.Then)
	}
	if what.Text != "" {
		c.Notef("\nWhoever reads that file has the token: keep it to yourself (chmod 600).\n")
	}
	if p.address.Scheme == "http" {
		c.Notef("\nOver http:// everybody on the way can read the token.\n")
	}
}
