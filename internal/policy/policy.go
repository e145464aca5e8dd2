// Package policy makes a configuration ready for requests, in two steps. Reading it
// touches nothing, so that it can be checked where none of its files are; opening it
// touches the world.
package policy

import (
	"net/http"
	"strings"
	"time"

	"github.com/getportal/ptlauth/internal/access"
	"github.com/getportal/ptlauth/internal/activity"
	"github.com/getportal/ptlauth/internal/app"
	"github.com/getportal/ptlauth/internal/denial"
	"github.com/getportal/ptlauth/internal/extractor"
	"github.com/getportal/ptlauth/internal/header"
	"github.com/getportal/ptlauth/internal/key"
	"github.com/getportal/ptlauth/internal/option"
	"github.com/getportal/ptlauth/internal/origin"
	"github.com/getportal/ptlauth/internal/pairing"
	"github.com/getportal/ptlauth/internal/portal"
	"github.com/getportal/ptlauth/internal/terminal"
	"github.com/getportal/ptlauth/internal/token"
)

// Policy is a configuration made ready for requests. Once it is opened, it never changes.
type Policy struct {
	Keys          []*key.Entry
	Locations     *extractor.Locations
	TokenRules    *token.Rules
	Terminals     *terminal.List
	Rules         access.Rules
	Apps          *app.Directory     // nil: one app, which Rules are for
	Activity      *activity.Receiver // nil: nobody is told
	Login         *denial.Login      // nil: there is none
	PassPreflight bool
	Origins       *origin.Guard
	Strip         *header.Strip
	Refresh       time.Duration
	Pairing       *pairing.Settings // nil: devices are not paired here
	Contact       string            // whom pages say to ask; empty: nobody
	Shadow        bool              // nothing is done, and what would be is compared
}

// Read makes the policy that the options say, by their names, and reports everything that
// is wrong with them. It opens no file, asks no server, and reads no environment.
func Read(options map[string]interface{}, report *option.Report) *Policy {
	top := option.Open(report, "", options)
	about := portal.Read(top)
	p := &Policy{
		Keys:          key.Read(top),
		TokenRules:    token.Read(top),
		Terminals:     terminal.Read(top),
		Rules:         access.Read(top, about),
		Apps:          app.Read(top, about),
		Activity:      activity.Read(top),
		Login:         denial.ReadLogin(top),
		PassPreflight: top.Bool("passPreflight", false),
		Origins:       origin.Read(top),
		Pairing:       pairing.Read(top),
		Refresh:       top.Duration("refresh", 2*time.Second),
		Shadow:        top.Bool("shadow", false), // guard: only shadow: true lets everything through
	}
	pages := top.Section("pages")
	p.Contact = readContact(pages)
	pages.Unknown()
	section := top.Section("token")
	token.ReadSubject(p.TokenRules, section)
	injected := access.Injected(p.Rules)
	p.Locations = extractor.Read(section, injected)
	p.Strip = header.ReadStrip(top, header.Reading{Injected: injected, Tokens: extractor.Names(p.Locations), Forward: p.Locations.Forward})
	checkLogin(top, p)
	checkPairing(top, p)
	if p.Refresh < 100*time.Millisecond || p.Refresh > time.Hour {
		top.Problem("refresh", "is not between 100ms and 1h")
	}
	top.Unknown()
	return p
}

// maxContact bounds what pages say of whom to ask, in bytes.
const maxContact = 200

func readContact(s *option.Section) string {
	contact := strings.TrimSpace(s.Text("contact", ""))
	if len(contact) > maxContact || strings.ContainsAny(contact, "\r\n") {
		s.Problem("contact", "is longer than a line of 200 characters: write a name, an address or a telephone number")
	}
	return contact
}

// Open looks at the files, asks the servers and reads the environment variables that a
// policy names, and reports what turns out to be a mistake only then. A policy with
// mistakes can be opened too, so that they all are reported at once. The directory of apps
// is looked at when an app is asked for.
func Open(p *Policy, report *option.Report) {
	key.Open(p.Keys, report)
	terminal.Open(p.Terminals)
}

// checkLogin reports a login page that asks for a token itself: a browser would be sent
// there again and again. Of an app's own paths no more is known than its host.
func checkLogin(top *option.Section, p *Policy) {
	if p.Login == nil || p.Apps != nil {
		return
	}
	own := denial.Own(p.Login)
	// guard: a login page that asks for a token is reported
	if own != nil && access.Find(p.Rules, &http.Request{URL: own, RequestURI: own.RequestURI()}).Access != access.Public {
		top.Problem("loginURL", "is a path for which this middleware asks a token, so that a browser would be sent there again and again: make it public in `paths`, or, if another router serves it, write its whole address, https://HOST/PATH")
	}
}
