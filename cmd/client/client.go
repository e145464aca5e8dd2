// Package client knows programs that are no browser: how each of them can carry a token, and what to type into it, and
// where.
package client

import (
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"text/template"
)

// Way is how a program carries a token.
type Way string

// The ways in, from the one that asks least of a program to the one that asks most.
const (
	Basic  Way = "basic"  // as a password, whatever the user name says: token.basic
	Bearer Way = "bearer" // in Authorization, scheme Bearer: token.header
	Header Way = "header" // in a header of its own, so that Authorization stays the app's: token.header
	Cookie Way = "cookie" // token.cookie
)

// Ways are all of them.
var Ways = []Way{Basic, Bearer, Header, Cookie}

// Client is a program, or a kind of them.
type Client struct {
	Name  string // as `ptl token --for` takes it
	Title string // as people know it
	// Forms are what to type into it, the best way first. Without any it carries no token, and Instead says why, besides Otherwise.
	Forms   []Form
	Instead string
}

// Form is what to type into a program that carries the token in that way. Its texts are templates over Filled.
type Form struct {
	Way   Way
	Where string // where it is typed: a file, or a place in the program's menus
	// Fields are what to type there, one after the other; else Text is what the file holds.
	Fields []Field
	Text   string
	Then   string // what is to be known besides; empty: nothing
}

// Field is one that people type into, and what.
type Field struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Filled is what the templates of a form are filled in with. None of it needs to be quoted in any of them.
type Filled struct {
	URL    string // of the app, with a path that ends in a slash
	Scheme string // http or https
	Host   string // with the port, where there is one
	Name   string // the host without the port
	Path   string // as it was given, and at least a slash: a feed's ends as its file's name does
	Short  string // a word for the app, of letters, digits and underscores, such as its host's first label
	User   string // the user name that goes with the token as a password
	Token  string
	Header string // for Header: its name
	Cookie string // its name
}

// Carriers are the places where a middleware looks for tokens.
type Carriers struct {
	Basic   bool
	Headers []string // by their canonical names
	// HasGroups reports that each header is configured as a group of its own, not as text.
	HasGroups bool
	Cookie    string // empty: none
	// HasSection reports that something stands below `token` already.
	HasSection bool
}

// Find is the client of that name; nil: there is none.
func Find(name string) *Client {
	for i := range All {
		if strings.EqualFold(All[i].Name, name) {
			return &All[i]
		}
	}
	return nil
}

// Names are those of all clients.
func Names() []string {
	var names []string
	for _, c := range All {
		names = append(names, c.Name)
	}
	return names
}

// Has reports whether a token that comes in that way is looked for.
func (c Carriers) Has(way Way) bool {
	switch way {
	case Basic:
		return c.Basic
	case Bearer:
		return slices.Contains(c.Headers, authorization)
	case Header:
		return c.header() != ""
	case Cookie:
		return c.Cookie != ""
	}
	return false
}

const authorization = "Authorization"

// header is the first header that is no Authorization; empty: there is none.
func (c Carriers) header() string {
	for _, name := range c.Headers {
		if name != authorization {
			return name
		}
	}
	return ""
}

// Choose is the best form of a client that the carriers allow, in that way where one is named; nil: there is none.
func (c *Client) Choose(has Carriers, way Way) *Form {
	for i := range c.Forms {
		if (way == "" || c.Forms[i].Way == way) && has.Has(c.Forms[i].Way) {
			return &c.Forms[i]
		}
	}
	return nil
}

// Ways are those in which it can carry a token.
func (c *Client) Ways() []Way {
	var ways []Way
	for _, form := range c.Forms {
		ways = append(ways, form.Way)
	}
	return ways
}

// plain are the texts that may stand in a URL's user name as they are.
var plain = regexp.MustCompile(`^[A-Za-z0-9._~-]{1,64}$`)

// host are those that may stand anywhere as they are.
var host = regexp.MustCompile(`^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:[0-9]+)?$`)

// Address reads the address of an app; nil: it is not one that a browser could ask for.
func Address(text string) *url.URL {
	at, err := url.Parse(text)
	if err != nil || at.User != nil || at.Scheme != "http" && at.Scheme != "https" || !host.MatchString(at.Host) {
		return nil
	}
	return at
}

// Fill is what the forms are filled in with, for an app's Address, a terminal's id and its token.
func Fill(address *url.URL, id, token string, has Carriers) *Filled {
	at := &url.URL{Scheme: address.Scheme, Host: address.Host, Path: address.Path}
	if !strings.HasSuffix(at.Path, "/") {
		at.Path += "/"
	}
	path := address.EscapedPath()
	if path == "" {
		path = "/"
	}
	// The middleware looks at the password alone, so any name does where the id could not be typed.
	user := id
	if !plain.MatchString(user) {
		user = "ptl"
	}
	return &Filled{
		URL: at.String(), Scheme: at.Scheme, Host: at.Host, Name: at.Hostname(), Path: path, Short: short(at.Hostname()),
		User: user, Token: token, Header: has.header(), Cookie: has.Cookie,
	}
}

// short is the first label of a host, such as chat of chat.example.com.
func short(host string) string {
	if _, err := netip.ParseAddr(host); err == nil {
		return "site"
	}
	label, _, _ := strings.Cut(host, ".")
	return strings.ReplaceAll(label, "-", "_")
}

// Text fills in a text of a form.
func (f *Filled) Text(text string) (string, error) {
	t, err := template.New("").Option("missingkey=error").Funcs(template.FuncMap{"obscure": obscure}).Parse(text)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	err = t.Execute(&b, f)
	return b.String(), err
}
