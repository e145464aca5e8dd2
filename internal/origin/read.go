package origin

import (
	"net/netip"
	"regexp"
	"strconv"
	"strings"

	"github.com/getportal/ptlauth/internal/address"
	"github.com/getportal/ptlauth/internal/option"
)

// maxOrigin bounds an origin in bytes: a scheme, a domain name and a port.
const maxOrigin = 320

// spoken are the origins that name no host, and have to be listed as they are: of sandboxed
// pages and redirects (RFC 6454 §7.3), and of files, as in Electron and Cordova.
var spoken = map[string]bool{"null": true, "file://": true}

// private are the top-level names below which nobody else can have a name (RFC 6761,
// RFC 6762 appendix G, RFC 8375), so that an asterisk may stand before one of them.
var private = map[string]bool{"lan": true, "local": true, "localhost": true, "internal": true, "home": true, "test": true}

// parts are an origin's scheme, host and port. The schemes of apps are allowed, such as
// capacitor://localhost.
var parts = regexp.MustCompile(`^([a-z][a-z0-9+.-]*)://(\[[0-9a-f:.]+\]|[^/?#@:\[\]]+)(?::([0-9]{1,5}))?$`)

// readTrusted returns an entry of `trustedOrigins` as a browser would send it, and what is
// wrong with one that no browser could ever send.
func readTrusted(text string) (string, string) {
	text = strings.ToLower(strings.TrimSpace(text))
	if spoken[text] {
		return text, ""
	}
	if text == "*" {
		return "", "has `*`, by which every page could act with the visitor's cookie: list the origins"
	}
	found := parts.FindStringSubmatch(text)
	if found == nil || len(text) > maxOrigin {
		return "", "has an entry that is not an origin: write https://HOST, with nothing behind"
	}
	scheme, host, port := found[1], found[2], found[3]
	problem := hostProblem(host)
	if scheme == "ws" || scheme == "wss" {
		problem = "has a WebSocket's address, which is no page's origin: write https://HOST"
	}
	if port != "" && problem == "" {
		number, _ := strconv.Atoi(port)
		port = ":" + strconv.Itoa(number)
		if number < 1 || number > 65535 {
			problem = "has a port that is not between 1 and 65535"
		}
	}
	return withoutPort(scheme + "://" + host + port), problem
}

// hostProblem says why no browser calls a host so; empty when one may.
func hostProblem(host string) string {
	if host[0] == '[' {
		ip, err := netip.ParseAddr(host[1 : len(host)-1])
		if err != nil || ip.String() != host[1:len(host)-1] {
			return "has an IPv6 address that browsers write otherwise: copy it from the address bar"
		}
		return ""
	}
	name := strings.TrimPrefix(host, "*.")
	if !isASCII(name) {
		return "has a host with letters that browsers send encoded: write it as xn--…, as the browser's developer tools show it"
	}
	if strings.Contains(name, "*") {
		return "has an asterisk that is not the whole first label: write https://*.example.com"
	}
	if !address.IsHost(name) || strings.HasPrefix(name, ".") || strings.Contains(name, "..") {
		return "has a host that cannot be one: write https://HOST, with nothing behind"
	}
	labels := strings.Split(strings.TrimSuffix(name, "."), ".")
	last := labels[len(labels)-1]
	if strings.Trim(last, "0123456789") == "" {
		ip, err := netip.ParseAddr(name)
		if err != nil || ip.String() != name || name != host {
			return "has an IPv4 address that browsers write otherwise: copy it from the address bar"
		}
	}
	if name != host && len(labels) == 1 && !private[last] { // guard: nobody trusts strangers' domains
		return "has *." + last + ", by which strangers' pages could act with the visitor's cookie: write a domain of your own, https://*.example.com"
	}
	return ""
}

// Read reads `crossOriginProtection` and `trustedOrigins`.
func Read(top *option.Section) *Guard {
	g := &Guard{off: !top.Bool("crossOriginProtection", true), trusted: map[string]bool{}, ancestors: "frame-ancestors 'self'"}
	for _, text := range top.Texts("trustedOrigins") {
		trusted, problem := readTrusted(text)
		if problem != "" {
			top.Problem("trustedOrigins", problem)
			continue
		}
		g.trusted[trusted] = true
		if !spoken[trusted] {
			g.ancestors += " " + trusted
		}
	}
	return g
}

func isASCII(text string) bool {
	return strings.IndexFunc(text, isBeyondASCII) < 0
}

func isBeyondASCII(r rune) bool { return r > 0x7e }

// withoutPort is an origin in lower case less the port that its scheme has anyway.
func withoutPort(origin string) string {
	scheme, _, _ := strings.Cut(origin, "://")
	if scheme == "https" || scheme == "http" {
		return address.WithoutPort(origin, scheme)
	}
	return origin
}
