package token

import (
	"encoding/json"
	"strconv"
	"strings"

	"github.com/getportal/ptlauth/internal/option"
)

// Requirement is a claim, by its dotted path, and the values of which it must have one.
type Requirement struct {
	Claim  string
	Values []string
}

func readRequire(top *option.Section) []Requirement {
	value := top.Value("require")
	if value == nil {
		return nil
	}
	if option.IsEmpty(value) {
		top.Problem("require", "is empty: name a claim and its accepted values, or leave it out")
		return nil
	}
	entries, ok := option.Map(value)
	if ok {
		return flatten(top, "", entries, nil)
	}
	if option.Kind(value) == "a list" {
		return readList(top)
	}
	top.Problem("require", "is "+option.Kind(value)+" where claims belong: write it as CLAIM: VALUE")
	return nil
}

// readList reads the form in which any claim can be named: a label divides a map's key at
// dots, a KV store at slashes.
func readList(top *option.Section) []Requirement {
	var all []Requirement
	for _, s := range top.Sections("require") {
		requirement := Requirement{Claim: strings.TrimSpace(s.Text("claim", ""))}
		value := s.Value("values")
		s.Unknown()
		if requirement.Claim == "" {
			s.Problem("claim", "is missing: name the claim that a token must have")
			continue
		}
		values, problem := accepted(value)
		if problem != "" {
			s.Problem("values", problem)
			continue
		}
		requirement.Values = values
		all = append(all, requirement)
	}
	return all
}

// flatten makes dotted paths: a label's dot nests where a YAML key's does not, and
// both mean the same.
func flatten(top *option.Section, path string, entries map[string]interface{}, all []Requirement) []Requirement {
	for _, name := range option.Names(entries) {
		claim := path + name
		nested, ok := option.Map(entries[name])
		if ok && (name == "" || strings.HasSuffix(name, ":")) {
			top.Problem("require."+claim, "was divided at the slashes in its name, as a KV store does: write require/0/claim and require/0/values")
			continue
		}
		if ok && len(nested) > 0 {
			all = flatten(top, claim+".", nested, all)
			continue
		}
		values, problem := accepted(entries[name])
		if problem != "" {
			top.Problem("require."+claim, problem)
			continue
		}
		all = append(all, Requirement{Claim: claim, Values: values})
	}
	return all
}

// accepted reads the values of a requirement. A number is compared by its digits, so one
// that was rounded before it came here cannot be used.
func accepted(value interface{}) ([]string, string) {
	if isRounded(value) {
		return nil, "is a number of more than 15 digits, which was rounded on its way: write it in quotes"
	}
	values, ok := option.Texts(value)
	if !ok || len(values) == 0 {
		return nil, "accepts no value: write one or several texts"
	}
	return values, ""
}

// members are those of a list, or the value alone.
func members(value interface{}) []interface{} {
	list, ok := value.([]interface{})
	if !ok {
		return []interface{}{value}
	}
	return list
}

func isRounded(value interface{}) bool {
	for _, member := range members(value) {
		f, ok := member.(float64)
		if ok && (f >= 1e15 || f <= -1e15) {
			return true
		}
	}
	return false
}

// Unmet says which requirement the token does not satisfy; empty: it satisfies all.
func Unmet(require []Requirement, t *Token) string {
	if require == nil {
		return ""
	}
	claims := Digits(t)
	for _, requirement := range require {
		value, ok := Claim(claims, requirement.Claim)
		if !ok {
			return requirement.Claim + ": it has no such claim"
		}
		if !has(value, requirement.Values) {
			return requirement.Claim + ": its value is none of those accepted"
		}
	}
	return ""
}

// Claim finds a claim by its dotted path. Dots divide or belong to a name, as in
// https://example.com/role: the longest name that exists is tried first.
func Claim(claims map[string]interface{}, path string) (interface{}, bool) {
	value, ok := claims[path]
	if ok {
		return value, true
	}
	for i := strings.LastIndexByte(path, '.'); i > 0; i = strings.LastIndexByte(path[:i], '.') {
		inner, ok := claims[path[:i]].(map[string]interface{})
		if !ok {
			continue
		}
		value, ok := Claim(inner, path[i+1:])
		if ok {
			return value, true
		}
	}
	return nil, false
}

func has(value interface{}, accepted []string) bool {
	for _, member := range members(value) {
		text, ok := ClaimText(member)
		if !ok {
			continue
		}
		for _, name := range accepted {
			if text == name {
				return true
			}
		}
	}
	return false
}

// ClaimText is a scalar claim as text, a number by its digits.
func ClaimText(value interface{}) (string, bool) {
	switch v := value.(type) {
	case string:
		return v, true
	case bool:
		return strconv.FormatBool(v), true
	case json.Number:
		return string(v), true
	}
	return "", false
}
