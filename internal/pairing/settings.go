package pairing

import (
	"time"

	"github.com/getportal/ptlauth/internal/option"
)

// Settings are what `pairing` says.
type Settings struct {
	Path   string // where its own paths begin, with slashes at both ends
	Domain string // of the cookie; empty: the host alone
	Host   string // the only host where codes are taken; empty: each
	OnApps bool
	Renew  time.Duration // 0: never
}

// Read reads the section; nil: there is no pairing.
func Read(top *option.Section) *Settings {
	if !top.Has("pairing") {
		return nil
	}
	s := top.Section("pairing")
	settings := &Settings{Path: s.Text("path", "/.ptl/"), Domain: s.Text("domain", ""), Host: s.Text("host", ""), OnApps: s.Bool("onApps", false), Renew: s.Duration("renew", 720*time.Hour)}
	if !s.Bool("enabled", true) {
		return nil
	}
	s.Unknown()
	return settings
}
