package policy

import (
	"strings"
	"time"

	"github.com/getportal/ptlauth/internal/access"
	"github.com/getportal/ptlauth/internal/identity"
	"github.com/getportal/ptlauth/internal/key"
	"github.com/getportal/ptlauth/internal/option"
	"github.com/getportal/ptlauth/internal/pairing"
	"github.com/getportal/ptlauth/internal/terminal"
)

// checkPairing reports everything that keeps devices from being paired, or from staying in.
func checkPairing(top *option.Section, p *Policy) {
	if p.Pairing == nil {
		return
	}
	if p.Apps != nil {
		top.Problem("pairing", "does not go with `apps`: a Portal pairs its devices by itself")
	}
	if p.Terminals != nil && !terminal.MayHaveCodes(p.Terminals) {
		top.Problem("pairing", "needs `terminals.file` or `terminals.paired`, the list into which `ptl pair` writes: with any other one, no device can be paired")
	}
	if len(p.Keys) > 0 && !key.HasShared(p.Keys) {
		top.Problem("pairing", "needs a shared secret to make tokens with, and all keys are public ones: add one with `secretFile`")
	}
	name := p.Locations.Cookie
	if name == "" {
		top.Problem("pairing", "needs `token.cookie`, which is empty: a browser keeps its token nowhere else")
	}
	if strings.HasPrefix(strings.ToLower(name), "__host-") && p.Pairing.Domain != "" {
		top.Problem("pairing.domain", "does not go with the cookie's name, which begins with __Host-: browsers keep such a cookie for one host alone; name it otherwise in token.cookie")
	}
	for _, rule := range p.Rules {
		if strings.HasPrefix(strings.ToLower(rule.Prefix)+"/", strings.ToLower(p.Pairing.Path)) {
			top.Problem("pairing.path", "is where a prefix of `paths` begins: choose another path, or take the prefix out")
		}
	}
	checkSample(top, p)
}

// checkSample makes a token and judges it by the middleware's own rules.
func checkSample(top *option.Section, p *Policy) {
	const what = "cannot make a token that passes the middleware's own rules: "
	t, problem := pairing.Sample(p.TokenRules, time.Now().Unix())
	if problem != "" {
		top.Problem("pairing", what+problem+"; take the rule out, or let whoever makes such tokens pair the devices")
		return
	}
	for _, rule := range p.Rules {
		if rule.Access != access.Private {
			continue
		}
		_, problem := access.Values(rule, identity.NewVisitor("user", "abc123", "device", t))
		if problem != "" {
			top.Problem("pairing", what+problem+"; write a question mark after the claim's name, as in {claims.groups?}, or take the header out")
			return
		}
	}
	longest := time.Duration(p.TokenRules.MaxAge) * time.Second
	if longest > 0 && p.Pairing.Renew >= longest {
		top.Problem("pairing.renew", "is not less than `maxAge`, so that tokens would not be good any more before they are made anew: write less than maxAge")
	}
}
