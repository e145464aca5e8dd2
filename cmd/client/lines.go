package client

import (
	"fmt"
	"slices"
	"strings"
)

// The languages in which a middleware is configured.
const (
	YAML   = "yaml"
	TOML   = "toml"
	Labels = "labels"
)

// own is the header that we propose where none is named.
const own = "X-Access-Token"

// Lines are what a middleware's configuration must say, besides what it does, so that tokens that come in that way are
// looked for.
func (c Carriers) Lines(way Way, language, middleware string) string {
	option, value := "basic", "true"
	switch way {
	case Bearer:
		return c.headerLines(authorization, language, middleware)
	case Header:
		return c.headerLines(own, language, middleware)
	case Cookie:
		option, value = "cookie", "authorization"
	}
	return c.lines(option, value, language, middleware)
}

// Below says where the lines belong, in the language that the middleware is configured in.
func (c Carriers) Below(way Way, language string) string {
	isHeader := way == Bearer || way == Header
	isGroup := isHeader && c.HasGroups
	// A cookie that is not looked for is an empty one that stands there.
	isThere := way == Cookie || isHeader && !isGroup && len(c.Headers) > 0
	switch {
	case language == Labels && isThere:
		return "in the place of that label of the middleware's"
	case language == Labels:
		return "beside the middleware's other labels"
	case isThere:
		return "below `token`, in the place of what stands there"
	case c.HasSection && !(language == TOML && isGroup):
		return "below `token`, which is there already"
	}
	return "below `ptlauth`"
}

// headerLines are those for one more header.
func (c Carriers) headerLines(name, language, middleware string) string {
	if !c.HasGroups {
		return c.lines("header", strings.Join(slices.Concat(c.Headers, []string{name}), ","), language, middleware)
	}
	switch language {
	case Labels:
		return fmt.Sprintf("traefik.http.middlewares.%s.plugin.ptlauth.token.header[%d].name: %s\n", middleware, len(c.Headers), name)
	case TOML:
		return fmt.Sprintf("[[http.middlewares.%s.plugin.ptlauth.token.header]]\nname = %q\n", middleware, name)
	}
	// Who has groups has `token`.
	return fmt.Sprintf("header: # besides the others\n  - name: %s\n", name)
}

func (c Carriers) lines(option, value, language, middleware string) string {
	switch language {
	case Labels:
		return fmt.Sprintf("traefik.http.middlewares.%s.plugin.ptlauth.token.%s: %q\n", middleware, option, value)
	case TOML:
		line := fmt.Sprintf("%s = %s\n", option, quoted(option, value))
		if c.HasSection {
			return line
		}
		return fmt.Sprintf("[http.middlewares.%s.plugin.ptlauth.token]\n%s", middleware, line)
	}
	if c.HasSection {
		return fmt.Sprintf("%s: %s\n", option, value)
	}
	return fmt.Sprintf("token:\n  %s: %s\n", option, value)
}

// quoted is a value in TOML.
func quoted(option, value string) string {
	if option == "basic" {
		return value
	}
	return fmt.Sprintf("%q", value)
}

// Needs says what a program must be able to send in that way.
func (w Way) Needs() string {
	switch w {
	case Basic:
		return "the token as a password"
	case Bearer:
		return "the token in Authorization"
	case Header:
		return "the token in a header other than Authorization"
	}
	return "the token in a cookie"
}
