package pairing

import (
	"net"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/getportal/ptlauth/internal/address"
	"github.com/getportal/ptlauth/internal/option"
)

// Settings are what `pairing` says.
type Settings struct {
	// Path is where the own paths are, with a slash at both ends.
	Path string
	// Domain is that of the cookie, such as example.com; empty: the host's alone.
	Domain string
	// Host is the only one where codes are taken and the cookie is made, with its port if it
	// has one; empty: each host is.
	Host string
	// OnApps reports that short codes are taken on the apps' hosts beside Host.
	OnApps bool
	// Renew is how old a token may become until it is made anew; 0: as old as it likes.
	Renew time.Duration
}

const (
	defaultPath  = "/.ptl/"
	defaultRenew = 720 * time.Hour
	minRenew     = time.Hour
	maxPath      = 64
)

// Read reads the group `pairing`; nil: no device is paired here. `pairing: true` is short for
// a group in which nothing but `enabled` is said.
func Read(top *option.Section) *Settings {
	value := top.Value("pairing")
	if value == nil {
		return nil
	}
	if option.IsEmpty(value) {
		top.Problem("pairing", "is empty: write `pairing: {enabled: true}`, or leave it out")
		return nil
	}
	_, isMap := option.Map(value)
	if !isMap {
		if !top.Bool("pairing", false) {
			return nil
		}
		return &Settings{Path: defaultPath, Renew: defaultRenew}
	}
	s := top.Section("pairing")
	settings := &Settings{
		Path:   readPath(s),
		Domain: readDomain(s),
		Host:   strings.ToLower(strings.TrimSpace(s.Text("host", ""))),
		OnApps: s.Bool("onApps", false),
		Renew:  s.Duration("renew", defaultRenew),
	}
	enabled := s.Bool("enabled", true)
	s.Unknown()
	checkHost(s, settings)
	if settings.Renew != 0 && settings.Renew < minRenew {
		s.Problem("renew", "is less than an hour: write how old a token may become before it is made anew, such as 720h, or 0 for never")
	}
	if !enabled {
		return nil
	}
	return settings
}

// plainPath is a path that every app, proxy and browser reads in the same way.
var plainPath = regexp.MustCompile(`^/(?:[A-Za-z0-9_~.-]+/)+$`)

func readPath(s *option.Section) string {
	path := strings.TrimSpace(s.Text("path", defaultPath))
	if path != "" && !strings.HasSuffix(path, "/") {
		path += "/"
	}
	if !plainPath.MatchString(path) || len(path) > maxPath || strings.Contains(path, "/./") || strings.Contains(path, "/../") {
		s.Problem("path", "is not where own pages can be: write a path of letters, digits and . _ ~ - between slashes, such as /.ptl/, of at most 64 characters")
		return defaultPath
	}
	return path
}

func readDomain(s *option.Section) string {
	domain := strings.ToLower(strings.TrimPrefix(strings.TrimSpace(s.Text("domain", "")), "."))
	if domain == "" {
		return ""
	}
	if !address.IsHost(domain) || strings.ContainsAny(domain, ":[]_") || !strings.Contains(strings.Trim(domain, "."), ".") ||
		strings.HasSuffix(domain, ".") || net.ParseIP(domain) != nil {
		s.Problem("domain", "is not a domain that hosts can be below: write it without scheme and port, such as example.com")
		return ""
	}
	return domain
}

// checkHost reports what of `host`, `domain` and `onApps` does not go together. A cookie for
// all hosts of a domain is a credential for all apps, and an app's service worker may read a
// code that is taken on the app's host.
func checkHost(s *option.Section, settings *Settings) {
	host := withoutPort(settings.Host)
	switch {
	case settings.Host != "" && (!address.IsHost(settings.Host) || host == ""):
		s.Problem("host", "is not a host: write it without scheme and path, such as pair.example.com")
	case settings.Domain != "" && settings.Host == "": // guard: a cookie for all apps is made where no app is
		s.Problem("host", "is missing: with `domain`, write the one host where devices are paired, such as pair."+settings.Domain+
			", and give it a router with this middleware and no app behind it; else any app could read a code for all of them")
	case settings.Host != "" && settings.Domain == "" && !s.Has("domain"):
		s.Problem("domain", "is missing: with `host`, write the domain that the apps' hosts are below, such as example.com; else no app would get the cookie")
	case settings.Domain != "" && !isBelow(host, settings.Domain):
		s.Problem("host", "is not below `domain`, so that a browser would not keep the cookie: write one that is, such as pair."+settings.Domain)
	}
	if settings.OnApps && settings.Host == "" {
		s.Problem("onApps", "is for short codes on other hosts than `host`, and there is none: leave it out")
	}
}

// The own paths, below Settings.Path.
const (
	Device = ""          // which device this is
	Pair   = "pair"      // where codes are taken
	Used   = "pair/used" // where whoever pairs asks what became of them
	Out    = "out"       // the way out
	Me     = "me"        // who the visitor is, for programs
)

// Methods are those that each own path takes.
var Methods = map[string]string{
	Device: "GET, HEAD", Me: "GET, HEAD", Used: "POST", Pair: "GET, HEAD, POST", Out: "GET, HEAD, POST",
}

// Paths are all own paths.
func Paths(s *Settings) map[string]bool {
	all := map[string]bool{}
	for name := range Methods {
		all[s.Path+name] = true
	}
	return all
}

// NotOwn is what Own returns for a path that is the app's.
const NotOwn = "-"

// Own returns which of the own paths a request asks for. One that is spelled otherwise is
// none: an app and its proxies might read it as theirs.
func Own(s *Settings, r *http.Request) string {
	u := r.URL
	name, isBelow := strings.CutPrefix(u.Path, s.Path)
	if u.RawPath != "" || u.Opaque != "" || !isBelow || Methods[name] == "" { // guard: own paths have one spelling
		return NotOwn
	}
	return name
}
