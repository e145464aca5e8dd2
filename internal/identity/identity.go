// Package identity says who asks.
package identity

import (
	"github.com/getportal/ptlauth/internal/header"
	"github.com/getportal/ptlauth/internal/token"
)

// Visitor is who asks.
type Visitor struct {
	Type  string // terminal or anonymous
	ID    string
	Name  string
	User  string
	Token *token.Token // nil: none

	// IsSafe reports that any header can carry User, ID and Name.
	IsSafe bool
}

// NewVisitor is a terminal.
func NewVisitor(user, id, name string, t *token.Token) *Visitor {
	safe := header.ValueProblem(user) == "" &&
		(id == user || header.ValueProblem(id) == "") &&
		(name == "" || header.ValueProblem(name) == "")
	return &Visitor{Type: "terminal", User: user, ID: id, Name: name, Token: t, IsSafe: safe}
}

// Anonymous is a visitor of whom nothing is known.
var Anonymous = &Visitor{Type: "anonymous"}
