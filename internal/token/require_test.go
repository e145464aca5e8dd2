package token_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/getportal/ptlauth/internal/token"
)

type (
	dict = map[string]any
	list = []any
)

// TestRequire reads each form in which Traefik delivers `require`.
func TestRequire(t *testing.T) {
	one := func(claim string, values ...string) []token.Requirement {
		return []token.Requirement{{Claim: claim, Values: values}}
	}
	for _, test := range []struct {
		name  string
		value any
		want  []token.Requirement
	}{
		{"a text", dict{"role": "admin"}, one("role", "admin")},
		{"texts with commas between, as labels and KV stores have them", dict{"role": "admin, owner"}, one("role", "admin", "owner")},
		{"a list", dict{"role": list{"admin", "owner"}}, one("role", "admin", "owner")},
		{"a text with a comma in a list is one", dict{"role": list{"a,b"}}, one("role", "a,b")},
		{"true, as Kubernetes delivers it", dict{"email_verified": true}, one("email_verified", "true")},
		{"a number, as Kubernetes delivers it", dict{"level": 3.0}, one("level", "3")},
		{"a claim in a claim", dict{"realm": dict{"roles": "admin"}}, one("realm.roles", "admin")},
		{"the same with a dot, as YAML has it", dict{"realm.roles": "admin"}, one("realm.roles", "admin")},
		{"an address, divided at its dots, as a label does", dict{"https://example": dict{"com/role": "admin"}}, one("https://example.com/role", "admin")},
		{"several, in the order of their names", dict{"b": "2", "a": "1"}, append(one("a", "1"), one("b", "2")...)},
		{"a list of claims, by which any can be named", list{dict{"claim": "https://example.com/role", "values": "admin"}}, one("https://example.com/role", "admin")},
		{"a list keeps its order", list{dict{"claim": "b", "values": "2"}, dict{"claim": "a", "values": list{"1"}}}, append(one("b", "2"), one("a", "1")...)},
		{"absent", nil, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := rulesOf(t, dict{"require": test.value}).Require
			if !reflect.DeepEqual(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestMistakesInRequire(t *testing.T) {
	for _, test := range []struct {
		name  string
		value any
		want  string
	}{
		{"empty text, as YAML delivers an empty map", "", "require: is empty"},
		{"an empty list", list{}, "require: is empty"},
		{"text", "role", "require: is text where claims belong"},
		{"a claim without a value", dict{"role": ""}, "require.role: accepts no value"},
		{"a claim with an empty list", dict{"role": list{}}, "require.role: accepts no value"},
		{"a claim with commas alone", dict{"role": ", ,"}, "require.role: accepts no value"},
		{"a claim with an empty map", dict{"role": dict{}}, "require.role: accepts no value"},
		{"a list in a list", dict{"role": list{list{"a"}}}, "require.role: accepts no value"},
		{"a nested claim without a value", dict{"a": dict{"b": ""}}, "require.a.b: accepts no value"},
		{"a number that was rounded", dict{"id": 1e15}, "require.id: is a number of more than 15 digits"},
		{"one in a list", dict{"id": list{"a", -1e15}}, "require.id: is a number of more than 15 digits"},
		{"an address divided at its slashes, as a KV store does", dict{"https:": dict{"": dict{"example.com": dict{"role": "admin"}}}}, "was divided at the slashes"},
		{"an entry without a claim", list{dict{"values": "admin"}}, "require[0].claim: is missing"},
		{"an entry without values", list{dict{"claim": "role"}}, "require[0].values: accepts no value"},
		{"an entry with another option", list{dict{"claim": "role", "value": "admin"}}, "did you mean `values`?"},
		{"an entry that is text", list{"role"}, "require[0]: is text"},
	} {
		t.Run(test.name, func(t *testing.T) {
			rules, problems := read(t, dict{"require": test.value})
			if !strings.Contains(strings.Join(problems, "; "), test.want) {
				t.Errorf("the problems are %q, want %q", problems, test.want)
			}
			for _, r := range rules.Require {
				if r.Claim == "" || len(r.Values) == 0 {
					t.Errorf("there is a requirement all the same: %q", r)
				}
			}
		})
	}
}

func TestUnmet(t *testing.T) {
	const (
		missing = "it has no such claim"
		another = "its value is none of those accepted"
	)
	for _, test := range []struct {
		name, claims string
		require      any
		want         string
	}{
		{"nothing is required", ``, nil, ""},
		{"the value", `"role":"admin"`, dict{"role": "admin"}, ""},
		{"another value", `"role":"guest"`, dict{"role": "admin"}, another},
		{"its case counts", `"role":"Admin"`, dict{"role": "admin"}, another},
		{"a part of it is another one", `"role":"administrator"`, dict{"role": "admin"}, another},
		{"several in one text are one", `"role":"admin,guest"`, dict{"role": "admin"}, another},
		{"no such claim", ``, dict{"role": "admin"}, missing},
		{"the claim's case counts", `"Role":"admin"`, dict{"role": "admin"}, missing},
		{"null is no value", `"role":null`, dict{"role": "admin"}, another},
		{"one of several", `"role":"owner"`, dict{"role": "admin,owner"}, ""},
		{"a list with it", `"role":["guest","admin"]`, dict{"role": "admin"}, ""},
		{"a list without it", `"role":["guest"]`, dict{"role": "admin"}, another},
		{"an empty list", `"role":[]`, dict{"role": "admin"}, another},
		{"a list with a list in it", `"role":[["admin"]]`, dict{"role": "admin"}, another},
		{"a list with null and it", `"role":[null,{},"admin"]`, dict{"role": "admin"}, ""},
		{"a list whose last member is no text", `"role":["guest",{}]`, dict{"role": "guest"}, ""},
		{"an object with it", `"role":{"admin":true}`, dict{"role": "admin"}, another},
		{"true", `"ok":true`, dict{"ok": true}, ""},
		{"true is not false", `"ok":false`, dict{"ok": true}, another},
		{"true as text is the same", `"ok":"true"`, dict{"ok": true}, ""},
		{"a number", `"n":7`, dict{"n": 7.0}, ""},
		{"a number as it is written", `"n":7.0`, dict{"n": "7"}, another},
		{"a power of ten as it is written", `"n":1e1`, dict{"n": "10"}, another},
		{"all digits of a number count", `"n":9007199254740993`, dict{"n": "9007199254740992"}, another},
		{"all digits of a number are there", `"n":9007199254740993`, dict{"n": "9007199254740993"}, ""},
		{"a nested claim", `"a":{"b":{"c":"x"}}`, dict{"a": dict{"b.c": "x"}}, ""},
		{"a claim with dots in its name", `"a.b":"x"`, dict{"a": dict{"b": "x"}}, ""},
		{"a name with dots goes before nested ones", `"a.b":"y","a":{"b":"x"}`, dict{"a.b": "x"}, another},
		{"a nested name with dots", `"a":{"b.c":"x"}`, dict{"a.b.c": "x"}, ""},
		{"a way that ends in a text", `"a":"x"`, dict{"a.b": "x"}, missing},
		{"a way that leads through a list", `"a":[{"b":"x"}]`, dict{"a.b": "x"}, missing},
		{"of two the last one counts", `"role":"admin","role":"guest"`, dict{"role": "admin"}, another},
		{"of two nested ones too", `"a":{"b":"x"},"a":{}`, dict{"a.b": "x"}, missing},
		{"each must be satisfied", `"a":"1","b":"1"`, dict{"a": "1", "b": "2"}, "b: " + another},
	} {
		t.Run(test.name, func(t *testing.T) {
			rules := rulesOf(t, dict{"require": test.require})
			verified := opened(t, "{"+strings.TrimPrefix(test.claims+`,"sub":"abc123"}`, ","), rules, "")
			got := token.Unmet(rules.Require, verified)
			if (got == "") != (test.want == "") || !strings.Contains(got, test.want) {
				t.Errorf("unmet is %q, want %q", got, test.want)
			}
		})
	}
}

func TestDigits(t *testing.T) {
	verified := opened(t, `{"sub":"abc123","iat":1799999999,"a":9007199254740993,"b":[1.50,{"c":1e3}],"a":9007199254740995}`, &token.Rules{}, "")
	want := dict{
		"sub": "abc123", "iat": json.Number("1799999999"), "a": json.Number("9007199254740995"),
		"b": list{json.Number("1.50"), dict{"c": json.Number("1e3")}},
	}
	for _, time := range []string{"the first time", "and again"} {
		t.Run(time, func(t *testing.T) {
			if got := token.Digits(verified); !reflect.DeepEqual(got, want) {
				t.Errorf("got %v, want %v", got, want)
			}
		})
	}
}

func TestClaimText(t *testing.T) {
	for _, test := range []struct {
		name  string
		value any
		want  string
		ok    bool
	}{
		{"text", "ü", "ü", true},
		{"empty text", "", "", true},
		{"true", true, "true", true},
		{"a number by its digits", json.Number("1.50"), "1.50", true},
		{"null has none", nil, "", false},
		{"a rounded number has none", 1.5, "", false},
		{"a list has none", list{"a"}, "", false},
		{"an object has none", dict{"a": "b"}, "", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, ok := token.ClaimText(test.value)
			if got != test.want || ok != test.ok {
				t.Errorf("got %q, %t", got, ok)
			}
		})
	}
}
