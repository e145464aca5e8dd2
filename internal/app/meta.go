package app

import (
	"encoding/json"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/getportal/ptlauth/internal/access"
	"github.com/getportal/ptlauth/internal/header"
	"github.com/getportal/ptlauth/internal/journal"
	"github.com/getportal/ptlauth/internal/option"
	"github.com/getportal/ptlauth/internal/portal"
	"github.com/getportal/ptlauth/internal/source"
)

// Rules are what one content of an app_meta.json says.
type Rules struct {
	Access access.Rules
}

// words are what an app_meta.json may say of a path.
var words = map[string]access.Access{"private": access.Private, "public": access.Public, "peer": access.Peer}

// maxPaths bounds how many paths an app may tell apart: each public one is held against each
// private one.
const maxPaths = 256

// parser is a function of its own because closures made in one loop would share their
// variables under Yaegi.
func parser(path string, about *portal.Portal) source.Parse {
	return func(content []byte) (interface{}, string) {
		return parse(content, path, about)
	}
}

func parse(content []byte, path string, about *portal.Portal) (interface{}, string) {
	var meta map[string]interface{}
	err := json.Unmarshal(content, &meta)
	if err != nil || meta == nil || !utf8.Valid(content) {
		return nil, "is not a JSON object"
	}
	paths, ok := meta["paths"].(map[string]interface{})
	if !ok {
		return nil, "has no `paths`"
	}
	if len(paths) > maxPaths {
		return nil, "has more than " + strconv.Itoa(maxPaths) + " `paths`: give what they have in common"
	}
	var rules access.Rules
	var left, useless []string
	for _, prefix := range option.Names(paths) {
		rule, problems := ruleOf(prefix, paths[prefix], about)
		if rule == nil {
			return nil, "has a path whose access is not public, private or peer: " + strconv.Quote(prefix)
		}
		rules = append(rules, rule)
		left = append(left, problems...)
		if problem := access.PrefixProblem(rule.Prefix); problem != "" {
			useless = append(useless, strconv.Quote(prefix)+" "+problem)
		}
	}
	say(path, " names headers that are left out: ", left)
	say(path+"\tpaths", " has paths that do not mean what they seem to: ", useless)
	return &Rules{Access: access.Sorted(rules)}, ""
}

// say logs what is wrong in a file whenever that changes; nothing is where problems is empty.
// The key is the file's path, and a tab with a word where there is more than one thing to say.
func say(key, what string, problems []string) {
	path, _, _ := strings.Cut(key, "\t")
	if len(problems) > 0 {
		journal.ErrorOnChange(key, path+what+strings.Join(problems, "; "))
	} else {
		journal.ErrorOnChange(key, "")
	}
}

// ruleOf makes the rule for one path: the access, and the only headers there. The second
// result says which headers are left out, and why. An access that is not known gives no
// rule. In a loop, a failed assertion would leave the value of the path before under Yaegi.
func ruleOf(prefix string, value interface{}, about *portal.Portal) (*access.Rule, []string) {
	fields, _ := value.(map[string]interface{})
	word, _ := fields["access"].(string)
	headers, _ := fields["headers"].(map[string]interface{})
	a, isKnown := words[word]
	if !isKnown {
		return nil, nil
	}
	decoded, err := url.PathUnescape(prefix)
	if err == nil { // guard: prefixes are compared decoded
		prefix = decoded
	}
	rule := &access.Rule{Prefix: prefix, Access: a}
	var problems []string
	for _, name := range option.Names(headers) {
		problem := addHeader(rule, name, headers[name], about)
		if problem != "" {
			problems = append(problems, name+" "+problem)
		}
	}
	return rule, problems
}

// addHeader adds a header to a rule, and says why one is left out. As on Portal, a
// placeholder that is not known is empty; that header is left out, and so is an empty one.
func addHeader(rule *access.Rule, name string, value interface{}, about *portal.Portal) string {
	text, isText := option.Text(value)
	problem := header.NameProblem(name)
	if !isText {
		problem = "is not text"
	}
	var h access.Header
	if problem == "" && text != "" {
		h, problem = access.NewHeader(name, text, rule.Access, about)
	}
	if problem != "" || text == "" {
		rule.Omitted = append(rule.Omitted, name)
		return problem
	}
	rule.Headers = append(rule.Headers, h)
	return ""
}
