package main

import (
	"github.com/getportal/ptlauth/cmd/command"
	"github.com/getportal/ptlauth/internal/header"
)

// maxText bounds a name and a user, in bytes: the app gets them in headers.
const maxText = 256

// fit refuses a text that no app could be told.
func fit(option, text string) error {
	problem := header.ValueProblem(text)
	if problem == "" && len(text) > maxText {
		problem = "is longer than 256 bytes"
	}
	if problem != "" {
		return command.Errorf(command.Usage, "the %s %s", option, problem)
	}
	return nil
}
