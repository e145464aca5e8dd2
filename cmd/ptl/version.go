package main

import (
	"runtime"
	"runtime/debug"

	"github.com/getportal/ptlauth/cmd/command"
)

func newVersion() *command.Command {
	return &command.Command{
		Name:  "version",
		Short: "prints which version this is",
		Long:  "That of ptl, of the plugin that ptl init names, and of Go. ptl --version does the same.",
		Examples: []command.Example{
			{Line: "ptl version", Says: "For a report, beside the version of Traefik:"},
		},
		Run: func(c *command.Console, _ []string) error {
			own := "of a working copy"
			if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
				own = info.Main.Version
			}
			c.Printf("ptl %s, for the plugin %s, %s\n", own, pluginVersion, runtime.Version())
			return nil
		},
	}
}
