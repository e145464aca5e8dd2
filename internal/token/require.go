package token

import (
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
	if !ok {
		top.Problem("require", "is "+option.Kind(value)+" where claims belong: write it as CLAIM: VALUE")
		return nil
	}
	return flatten(top, "", entries, nil)
}

// flatten makes dotted paths: a label's dot nests where a YAML key's does not, and
// both mean the same.
func flatten(top *option.Section, path string, entries map[string]interface{}, all []Requirement) []Requirement {
	for _, name := range option.Names(entries) {
		claim := path + name
		nested, ok := option.Map(entries[name])
		if ok && len(nested) > 0 {
			all = flatten(top, claim+".", nested, all)
			continue
		}
		values, ok := option.Texts(entries[name])
		if !ok || len(values) == 0 {
			top.Problem("require."+claim, "accepts no value: write one or several texts")
			continue
		}
		all = append(all, Requirement{Claim: claim, Values: values})
	}
	return all
}

// Unmet names the first requirement that the claims do not satisfy; empty: none.
func Unmet(require []Requirement, claims map[string]interface{}) string {
	for _, requirement := range require {
		value, ok := Claim(claims, requirement.Claim)
		if !ok || !has(value, requirement.Values) {
			return requirement.Claim
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
	members, ok := value.([]interface{})
	if !ok {
		members = []interface{}{value}
	}
	for _, member := range members {
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

// ClaimText is a scalar claim as text.
func ClaimText(value interface{}) (string, bool) {
	switch v := value.(type) {
	case string:
		return v, true
	case bool:
		return strconv.FormatBool(v), true
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64), true
	}
	return "", false
}
