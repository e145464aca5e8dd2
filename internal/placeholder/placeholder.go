// Package placeholder fills in the values of injected headers: `{auth.user}`,
// `{portal.id[:6]}@example.com`, `{claims.email}`. Double braces, as in Portal's
// app_meta.json, mean the same.
package placeholder

import (
	"regexp"
	"strconv"
	"strings"

	"github.com/getportal/ptlauth/internal/header"
	"github.com/getportal/ptlauth/internal/identity"
	"github.com/getportal/ptlauth/internal/portal"
	"github.com/getportal/ptlauth/internal/token"
)

// Template is a value with its placeholders, ready to be filled in.
type Template struct {
	parts []part
	// whole is the name of the one placeholder that is all of the value, as most are; empty:
	// there is more to do.
	whole string
	// constant is the value that is the same whoever asks.
	constant string
}

type part struct {
	text     string // as it is, when name is empty
	name     string // auth.user, auth.client_id, …, claims.NAME
	optional bool   // the claim may be missing
	from     int
	until    int // -1: to the end
}

const choices = "auth.user, auth.client_type, auth.client_id, auth.client_name, portal.id, portal.short_id, portal.domain, claims.NAME, claims.NAME?"

var (
	placeholder = regexp.MustCompile(`\{\{[^{}]*\}\}|\{[^{}]*\}`)
	expression  = regexp.MustCompile(`^\s*(claims\.[^\s\[\]]*[^\s\[\]?]|[a-z_]+\.[a-z_]+)(\??)\s*(?:\[\s*(\d{0,4})\s*:\s*(\d{0,4})\s*\])?\s*$`)
)

// Parse returns the template that a text describes, and what is wrong with it.
func Parse(text string, about *portal.Portal) (*Template, string) {
	if strings.Contains(text, "${") {
		return nil, "has a $ before a placeholder, which would be sent as it is (compose takes ${…} for a variable of its own): write {auth.user}"
	}
	t := &Template{}
	at := 0
	for _, found := range placeholder.FindAllStringIndex(text, -1) {
		addText(t, text[at:found[0]])
		problem := addPlaceholder(t, text[found[0]:found[1]], about)
		if problem != "" {
			return nil, problem
		}
		at = found[1]
	}
	addText(t, text[at:])
	for _, p := range t.parts {
		if p.name == "" && strings.ContainsAny(p.text, "{}") {
			return nil, "has a brace without its partner: write a placeholder as {auth.user}"
		}
	}
	// Most templates need no work for each request.
	if IsConstant(t) {
		for _, p := range t.parts {
			t.constant += p.text
		}
	} else if len(t.parts) == 1 && t.parts[0].from == 0 && t.parts[0].until < 0 && !UsesClaims(t) {
		t.whole = t.parts[0].name
	}
	return t, ""
}

func addText(t *Template, text string) {
	if text != "" {
		t.parts = append(t.parts, part{text: text})
	}
}

func addPlaceholder(t *Template, text string, about *portal.Portal) string {
	match := expression.FindStringSubmatch(strings.Trim(text, "{}"))
	if match == nil {
		return "has a placeholder that is not understood, " + text + ": write {NAME} or {NAME[:6]} with NAME one of " + choices
	}
	p := part{name: match[1], optional: match[2] != "", until: -1}
	p.from, _ = strconv.Atoi("0" + match[3])
	if match[4] != "" {
		p.until, _ = strconv.Atoi(match[4])
	}
	_, isVisitors := valueOf(identity.Anonymous, p.name)
	if isVisitors && !p.optional || strings.HasPrefix(p.name, "claims.") {
		t.parts = append(t.parts, p)
		return ""
	}
	value := ""
	switch p.name {
	case "portal.id":
		value = about.ID
	case "portal.short_id":
		value = cut(about.ID, 0, 6)
	case "portal.domain":
		value = about.Domain
	default:
		if !isVisitors {
			return "has an unknown placeholder, " + text + ": write one of " + choices
		}
	}
	if p.optional {
		return "has a question mark in " + text + ", which only a claim can have: leave it out"
	}
	if value == "" {
		return "names {" + p.name + "}, and `" + strings.Replace(p.name, "short_", "", 1) + "` is not set: set it"
	}
	addText(t, cut(value, p.from, p.until))
	return ""
}

// IsConstant reports whether the value is the same whoever asks.
func IsConstant(t *Template) bool {
	for _, p := range t.parts {
		if p.name != "" {
			return false
		}
	}
	return true
}

// UsesClaims reports whether the value depends on what else the token says.
func UsesClaims(t *Template) bool {
	for _, p := range t.parts {
		if strings.HasPrefix(p.name, "claims.") {
			return true
		}
	}
	return false
}

// Render fills in the template for a visitor. An empty value means that the header
// is left out: so it is where a placeholder that names the visitor has nothing to
// say, because some apps take an empty name, or half of one, for a name. A problem,
// the second result, means that the request must be denied; it quotes no value.
func Render(t *Template, v *identity.Visitor) (string, string) {
	if t.whole == "" {
		return assemble(t, v)
	}
	value, _ := valueOf(v, t.whole)
	if v.IsSafe || value == "" {
		return value, ""
	}
	return checked(value)
}

// valueOf is what a placeholder stands for that names the visitor, and whether it does.
func valueOf(v *identity.Visitor, name string) (string, bool) {
	switch name {
	case "auth.user":
		return v.User, true
	case "auth.client_type":
		return v.Type, true
	case "auth.client_id":
		return v.ID, true
	case "auth.client_name":
		return v.Name, true
	}
	return "", false
}

func checked(value string) (string, string) {
	problem := header.ValueProblem(value)
	if problem != "" {
		return "", "the value " + problem
	}
	return value, ""
}

func assemble(t *Template, v *identity.Visitor) (string, string) {
	value := ""
	for _, p := range t.parts {
		text := p.text
		if p.name != "" {
			found, problem := textOf(p, v)
			if problem != "" || found == "" {
				return "", problem
			}
			text = found
		}
		value += text
	}
	return checked(value)
}

// textOf is what a placeholder stands for, as much of it as is asked for.
func textOf(p part, v *identity.Visitor) (string, string) {
	text, isVisitors := valueOf(v, p.name)
	problem := ""
	if !isVisitors && v.Token != nil {
		text, problem = claim(v.Token, p)
	}
	return cut(text, p.from, p.until), problem
}

// claim is the text of a claim; empty where it may be missing, and is.
func claim(t *token.Token, p part) (string, string) {
	value, ok := token.Claim(token.Digits(t), strings.TrimPrefix(p.name, "claims."))
	text := ""
	if ok && value != nil {
		members, isList := value.([]interface{})
		if isList {
			return list(members, p)
		}
		text, ok = token.ClaimText(value)
		if !ok {
			return "", "{" + p.name + "} is an object in the token: name a member of it"
		}
	}
	if text == "" && !p.optional {
		return "", "the token has no text for {" + p.name + "}; if it need not, write {" + p.name + "?}"
	}
	return text, ""
}

// maxMembers is more than the longest value can hold.
const maxMembers = 512

// list is a list with commas between. An app will divide it there, and drop white space:
// neither a member nor a part of one may become another group.
func list(members []interface{}, p part) (string, string) {
	if len(members) == 0 && p.optional {
		return "", ""
	}
	if len(members) == 0 {
		return "", "the list {" + p.name + "} is empty; if it may be, write {" + p.name + "?}"
	}
	if len(members) > maxMembers {
		return "", "the list {" + p.name + "} is too long for a header"
	}
	if p.from != 0 || p.until >= 0 {
		return "", "{" + p.name + "} is a list, of which no slice can be taken"
	}
	texts := make([]string, 0, len(members))
	for _, member := range members {
		text, ok := token.ClaimText(member)
		if !ok {
			return "", "the list {" + p.name + "} has a member that is neither text nor a number, true or false"
		}
		texts = append(texts, text)
	}
	joined := strings.Join(texts, ",")
	if strings.Count(joined, ",") != len(texts)-1 || // guard: a member of a list cannot be two
		unsafeList.MatchString(joined) {
		return "", "the list {" + p.name + "} has a member that is empty, holds a comma, or begins or ends with white space"
	}
	return joined, ""
}

// unsafeList matches a list with an empty member, or with white space around one.
var unsafeList = regexp.MustCompile(`(?:^|,)(?:,|$|[\s\x{85}\pZ])|[\s\x{85}\pZ](?:,|$)`)

// cut counts characters, not bytes, as Portal's templates do.
func cut(text string, from, until int) string {
	if from == 0 && until < 0 {
		return text
	}
	runes := []rune(text)
	if until < 0 || until > len(runes) {
		until = len(runes)
	}
	if from >= until {
		return ""
	}
	return string(runes[from:until])
}
