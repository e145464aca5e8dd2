package inspection

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"time"

	"github.com/getportal/ptlauth/internal/access"
	"github.com/getportal/ptlauth/internal/authn"
	"github.com/getportal/ptlauth/internal/key"
	"github.com/getportal/ptlauth/internal/terminal"
	"github.com/getportal/ptlauth/internal/token"
)

// claims are a token's, each as it stands in it.
type claims map[string]json.RawMessage

// explained is a token while its checks are made.
type explained struct {
	world  *World
	text   string
	claims claims // nil: they cannot be read
	checks []Check
	now    int64
	flaw   string   // why its form failed; empty: it did not
	flaws  []string // why claims failed
}

// explain makes every check of one token, in the order in which they are made of a visit, and goes on after one that
// failed.
func explain(w *World, text string, rule *access.Rule) Token {
	e := &explained{world: w, text: text, now: time.Now().Unix()}
	header, content := decoded(text)
	e.claims = content
	e.add("sources", sourcesProblem(w), sourcesText(w))
	form(e)
	signature(e)
	place := len(e.checks)
	failed := eachClaim(e)
	opened, problem := openWithout(e, failed)
	contents(e, place)
	afterwards(e, opened, problem, rule)
	return Token{Header: header, Claims: indented(content), Checks: e.checks}
}

func (e *explained) add(name, problem, text string) {
	if problem != "" {
		e.checks = append(e.checks, Check{Name: name, Result: Failed, Text: problem})
		return
	}
	e.checks = append(e.checks, Check{Name: name, Result: Passed, Text: text})
}

func (e *explained) leave(name string) {
	e.checks = append(e.checks, Check{Name: name, Result: Unasked})
}

func sourcesProblem(w *World) string {
	if !w.current.Ready {
		return "a key or the list of terminals cannot be read"
	}
	return ""
}

func sourcesText(w *World) string {
	if !w.current.Complete {
		return "one of several keys cannot be read"
	}
	return "the keys and the list of terminals can be read"
}

// form looks at what can be seen without a key: of none, a token that is well formed is refused for want of one.
func form(e *explained) {
	_, problem := token.Signed(e.text, nil)
	if problem == token.NoKey {
		problem = ""
	}
	e.flaw = problem
	e.add("form", problem, "three segments, and a header without extensions")
}

// signature looks for the key that has signed it.
func signature(e *explained) {
	keys, _ := key.Ready(e.world.policy.Keys)
	if len(keys) == 0 {
		e.leave("signature")
		return
	}
	_, problem := token.Signed(e.text, keys)
	if problem != "" && problem == e.flaw {
		e.leave("signature")
		return
	}
	text := ""
	for _, k := range keys {
		if _, other := token.Signed(e.text, []*key.Key{k}); other == "" {
			text = "by a configured key, " + k.Algorithm
			if k.ID != "" {
				text += ", id " + k.ID
			}
		}
	}
	if problem == "" && text == "" {
		text = "by a configured key"
	}
	e.add("signature", problem, text)
}

// single are the checks of one claim each: the rules that are about it, without those about others.
var single = []struct {
	name  string
	rules func(all, one *token.Rules)
	asked func(all *token.Rules) bool // also where the token has no such claim; nil: not
	text  func(raw json.RawMessage) string
}{
	{"iat", func(_, _ *token.Rules) {}, nil, date},
	{"maxAge", func(all, one *token.Rules) { one.MaxAge = all.MaxAge }, func(all *token.Rules) bool { return all.MaxAge > 0 }, nil},
	{"exp", func(all, one *token.Rules) { one.RequireExpiry = all.RequireExpiry }, func(all *token.Rules) bool { return all.RequireExpiry }, date},
	{"nbf", func(_, _ *token.Rules) {}, nil, date},
	{"iss", func(all, one *token.Rules) { one.Issuer = all.Issuer }, func(all *token.Rules) bool { return all.Issuer != "" }, nil},
	{"aud", func(all, one *token.Rules) { one.Audience = all.Audience }, func(all *token.Rules) bool { return len(all.Audience) > 0 }, nil},
	{"jti", func(_, _ *token.Rules) {}, nil, nil},
}

// eachClaim checks one claim after the other, and returns which failed.
func eachClaim(e *explained) map[string]bool {
	failed := map[string]bool{}
	all := e.world.policy.TokenRules
	for _, check := range single {
		claim := check.name
		if claim == "maxAge" {
			claim = "iat"
		}
		raw, has := e.claims[claim]
		isAsked := check.asked != nil && check.asked(all)
		if e.claims == nil {
			if isAsked {
				e.leave(check.name)
			}
			continue
		}
		if !isAsked && (!has || check.name == "maxAge") {
			continue
		}
		rules := &token.Rules{Leeway: all.Leeway}
		check.rules(all, rules)
		alone := claims{"sub": json.RawMessage(`"x"`)}
		if has {
			alone[claim] = raw
		}
		_, problem := token.Open(segmentOf(alone), rules, e.now)
		if problem != "" {
			failed[check.name] = true
			e.flaws = append(e.flaws, problem)
		}
		text := ""
		if check.text != nil {
			text = check.text(raw)
		}
		e.add(check.name, problem, text)
	}
	return failed
}

// openWithout opens what is left of the token without the claims that failed, so that the checks behind them can be made
// of a token that is expired.
func openWithout(e *explained, failed map[string]bool) (*token.Token, string) {
	if e.claims == nil {
		return nil, ""
	}
	rest := claims{}
	for name, raw := range e.claims {
		if !failed[name] {
			rest[name] = raw
		}
	}
	rules := *e.world.policy.TokenRules
	rules.RequireExpiry = rules.RequireExpiry && !failed["exp"]
	if failed["iss"] {
		rules.Issuer = ""
	}
	if failed["aud"] {
		rules.Audience = nil
	}
	if failed["maxAge"] || failed["iat"] {
		rules.MaxAge = 0
	}
	return token.Open(segmentOf(rest), &rules, e.now)
}

// contents is the check of the claims as a whole, which stands before those of single ones: what refuses the token though
// no single claim does, is about all of them.
func contents(e *explained, place int) {
	_, problem := token.Open(second(e.text), e.world.policy.TokenRules, e.now)
	for _, flaw := range e.flaws {
		if problem == flaw {
			problem = ""
		}
	}
	if e.claims != nil && problem != "" {
		_, same := openWithout(e, nil)
		if same == problem {
			problem = "" // of the subject, which has a check of its own
		}
	}
	check := Check{Name: "claims", Result: Passed, Text: "a JSON object"}
	switch {
	case strings.Count(e.text, ".") != 2:
		check = Check{Name: "claims", Result: Unasked}
	case problem != "":
		check = Check{Name: "claims", Result: Failed, Text: problem}
	}
	e.checks = append(e.checks[:place:place], append([]Check{check}, e.checks[place:]...)...)
}

// afterwards are the checks of whose token it is, and of what it must say beside.
func afterwards(e *explained, t *token.Token, problem string, rule *access.Rule) {
	p := e.world.policy
	if t == nil {
		if problem == "" {
			e.leave("subject")
		} else {
			e.add("subject", problem, "")
		}
		e.leave("terminal")
		for _, requirement := range p.TokenRules.Require {
			e.leave("require." + requirement.Claim)
		}
		return
	}
	e.add("subject", "", t.Subject)
	who := paired(e, t)
	for _, requirement := range p.TokenRules.Require {
		unmet := token.Unmet([]token.Requirement{requirement}, t)
		if unmet != "" {
			unmet = "the token does not satisfy require." + unmet
		}
		e.add("require."+requirement.Claim, unmet, "")
	}
	if who == nil {
		return
	}
	_, problem = access.Values(rule, visitorOf(&authn.Result{Terminal: who, Token: t}))
	e.add("headers", problem, "the app can be sent them")
}

// paired looks for the token's terminal.
func paired(e *explained, t *token.Token) *terminal.Terminal {
	registry := terminal.Now(e.world.policy.Terminals, e.world.policy.Refresh)
	if registry == nil {
		e.leave("terminal")
		return nil
	}
	who := terminal.Find(registry, t.Subject)
	if who == nil {
		e.add("terminal", "the terminal is not paired", "")
		return nil
	}
	text := who.ID
	if who.Name != "" {
		text += ", " + who.Name
	}
	if who.User != "" {
		text += ", of " + who.User
	}
	e.add("terminal", "", text)
	return who
}

func date(raw json.RawMessage) string {
	var seconds float64
	if json.Unmarshal(raw, &seconds) != nil {
		return ""
	}
	return time.Unix(int64(seconds), 0).UTC().Format("2006-01-02 15:04:05") + " UTC"
}

// second is what the signature is over besides the header.
func second(text string) string {
	_, rest, _ := strings.Cut(text, ".")
	if last := strings.LastIndexByte(rest, '.'); last >= 0 {
		return rest[:last]
	}
	return rest
}

// segmentOf is the second segment of a token with these claims.
func segmentOf(c claims) string {
	content, err := json.Marshal(c)
	if err != nil {
		return ""
	}
	return base64.RawURLEncoding.EncodeToString(content)
}

// decoded are the header, as it stands in the token, and the claims; nothing where they cannot be read.
func decoded(text string) (string, claims) {
	first, _, _ := strings.Cut(text, ".")
	header, err := base64.RawURLEncoding.DecodeString(first)
	if err != nil || !json.Valid(header) {
		header = nil
	}
	content, err := base64.RawURLEncoding.DecodeString(second(text))
	var c claims
	if err != nil || json.Unmarshal(content, &c) != nil {
		return string(header), nil
	}
	return string(header), c
}

func indented(c claims) string {
	if c == nil {
		return ""
	}
	text, err := json.Marshal(c)
	if err != nil {
		return ""
	}
	return string(text)
}
