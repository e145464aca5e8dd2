package token_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/getportal/ptlauth/internal/option"
	"github.com/getportal/ptlauth/internal/token"
)

// opened compares what Open says of claims with what it should, and returns the token; no reason: they are good.
func opened(t *testing.T, claims string, rules *token.Rules, reason string) *token.Token {
	t.Helper()
	got, problem := token.Open(encode(claims), rules, now)
	if (problem == "") != (reason == "") || !strings.Contains(problem, reason) {
		t.Errorf("the reason is %q, want %q", problem, reason)
	}
	if (got != nil) != (problem == "") {
		t.Errorf("there is a token, %v, and a reason, %q", got, problem)
	}
	return got
}

// read are rules as an operator configures them.
func read(t *testing.T, options map[string]any) (*token.Rules, []string) {
	t.Helper()
	report := &option.Report{}
	top := option.Open(report, "", options)
	rules := token.Read(top)
	token.ReadSubject(rules, top.Section("token"))
	problems := []string{}
	for _, problem := range report.Problems() {
		problems = append(problems, option.Line(problem))
	}
	return rules, problems
}

func rulesOf(t *testing.T, options map[string]any) *token.Rules {
	t.Helper()
	rules, problems := read(t, options)
	if len(problems) > 0 {
		t.Fatalf("the rules have problems: %q", problems)
	}
	return rules
}

// TestTime is of seconds: each row has, beside a time that is good, the next one that is not.
func TestTime(t *testing.T) {
	const (
		expired = "has expired"
		early   = "not valid yet"
		future  = "issued in the future"
		old     = "older than maxAge"
	)
	exact := map[string]any{"leeway": "0"}
	aged := map[string]any{"maxAge": "60s"}
	agedExactly := map[string]any{"maxAge": "60s", "leeway": "0"}
	mustEnd := map[string]any{"requireExpiry": true}
	for _, test := range []struct {
		name, claims string // with how many seconds from now for each %d
		rules        map[string]any
		last, first  int    // the last one that is good, the first that is not
		until        int    // of the good one, from now; 0: it does not end
		reason       string // of the bad one
	}{
		{"exp is over when leeway is", `"exp":%d`, nil, -29, -30, 1, expired},
		{"exp without leeway is over at its second", `"exp":%d`, exact, 1, 0, 1, expired},
		{"exp with another claim", `"exp":%d,"iat":1,"a":1`, nil, -29, -30, 1, expired},
		{"exp where one is required", `"exp":%d`, mustEnd, -29, -30, 1, expired},
		{"a fraction of exp is not waited for", `"exp":%d.9`, nil, -29, -30, 1, expired},
		{"nbf begins a leeway early", `"nbf":%d`, nil, 30, 31, 0, early},
		{"nbf without leeway begins at its second", `"nbf":%d`, exact, 0, 1, 0, early},
		{"a fraction of nbf is not waited for", `"nbf":%d.9`, nil, 30, 31, 0, early},
		{"iat alone may be a leeway ahead", `"iat":%d`, nil, 30, 31, 0, future},
		{"iat without leeway may not be ahead", `"iat":%d`, exact, 0, 1, 0, future},
		{"iat with another claim may be a leeway ahead", `"iat":%d,"a":1`, nil, 30, 31, 0, future},
		{"iat under maxAge may be a leeway ahead", `"iat":%d`, aged, 30, 31, 120, future},
		{"maxAge counts from iat, with leeway", `"iat":%d`, aged, -89, -90, 1, old},
		{"maxAge without leeway", `"iat":%d`, agedExactly, -59, -60, 1, old},
		{"a token does not outlive maxAge by a later exp", `"iat":%d,"exp":1900000000`, aged, -89, -90, 1, old},
		{"an exp that is sooner than maxAge counts", `"iat":1799999999,"exp":%d`, aged, -29, -30, 1, expired},
	} {
		t.Run(test.name, func(t *testing.T) {
			rules := rulesOf(t, test.rules)
			saying := func(seconds int) string { return `{"sub":"abc123",` + fmt.Sprintf(test.claims, now+seconds) + `}` }
			good := opened(t, saying(test.last), rules, "")
			opened(t, saying(test.first), rules, test.reason)
			if test.until != 0 {
				test.until += now
			}
			if good != nil && good.Until != int64(test.until) {
				t.Errorf("it is good until %d, want %d", good.Until, test.until)
			}
		})
	}
}

func TestDates(t *testing.T) {
	const (
		none   = "is not a date"
		beyond = "in seconds, not milliseconds"
		noJSON = "not a JSON object"
	)
	for _, test := range []struct{ name, value, reason string }{
		{"a second of this time is a date", "1800000000", ""},
		{"a fraction", "1800000000.5", ""},
		{"a power of ten", "1.8e9", ""},
		{"0 is not", "0", none},
		{"less than a second is not", "0.5", none},
		{"1.5 is one, of 1970", "1.5", ""},
		{"a negative number is not", "-1", none},
		{"-0 is not", "-0", none},
		{"the last second of the year 9999 is", "253402300799", ""},
		{"the one after is not", "253402300800", beyond},
		{"milliseconds are not", "1800000000000", beyond},
		{"2⁵³ is not", "9007199254740992", none},
		{"2⁶³ is not", "9223372036854775808", none},
		{"1e300 is not", "1e300", none},
		{"1e400 is no number", "1e400", noJSON},
		{"NaN is no JSON", "NaN", noJSON},
		{"a leading zero is no JSON", "01800000000", noJSON},
		{"a sign is no JSON", "+1800000000", noJSON},
		{"text is not", `"1800000000"`, none},
		{"null is not", `null`, none},
		{"true is not", `true`, none},
		{"a list is not", `[1800000000]`, none},
		{"an object is not", `{}`, none},
	} {
		t.Run(test.name, func(t *testing.T) {
			for _, name := range []string{"exp", "nbf", "iat"} {
				// A date far from now is told by its own reason.
				rules := &token.Rules{Leeway: 30}
				got, problem := token.Open(encode(`{"sub":"abc123","`+name+`":`+test.value+`}`), rules, now)
				isDate := got != nil || strings.Contains(problem, "expired") || strings.Contains(problem, "yet") || strings.Contains(problem, "future")
				if isDate != (test.reason == "") || !strings.Contains(problem, test.reason) {
					t.Errorf("%s: the reason is %q, want %q", name, problem, test.reason)
				}
			}
		})
	}
}

func TestShapesOfClaims(t *testing.T) {
	const noObject = "the token's claims are not a JSON object"
	for _, test := range []struct{ name, claims, reason string }{
		{"an object is good", `{"sub":"abc123"}`, ""},
		{"white space around it is", " \n{ \"sub\" : \"abc123\" }\t", ""},
		{"null is refused", `null`, noObject},
		{"a list is refused", `[{"sub":"abc123"}]`, noObject},
		{"text is refused", `"abc123"`, noObject},
		{"a number is refused", `7`, noObject},
		{"nothing is refused", ``, noObject},
		{"what breaks off is refused", `{"sub":"abc123"`, noObject},
		{"something behind it is refused", `{"sub":"abc123"}x`, noObject},
		{"a second object is refused", `{"sub":"abc123"}{"sub":"def456"}`, noObject},
		{"a byte order mark is refused", "\ufeff" + `{"sub":"abc123"}`, noObject},
		{"a number beyond float64 is refused, wherever it stands", `{"sub":"abc123","a":[1e400]}`, noObject},
		{"a byte that is not UTF-8 is refused", "{\"sub\":\"abc123\",\"a\":\"\xff\"}", "not UTF-8"},
		{"half a surrogate pair is a replacement character, as ever in Go", `{"sub":"abc123","a":"\ud800"}`, ""},
		{"a depth of thousands is refused", `{"sub":"abc123","a":` + strings.Repeat("[", 20000) + strings.Repeat("]", 20000) + `}`, noObject},
		{"no sub is refused", `{}`, "no sub"},
		{"an empty sub is refused", `{"sub":""}`, "no sub"},
		{"a sub of null is refused", `{"sub":null}`, "no sub"},
		{"a sub that is a number is refused", `{"sub":7}`, "no sub"},
		{"a sub that is a list is refused", `{"sub":["abc123"]}`, "no sub"},
		{"SUB is not sub", `{"SUB":"abc123"}`, "no sub"},
		{"SUB does not override sub", `{"sub":"abc123","SUB":"def456"}`, ""},
		{"an escaped sub is sub", `{"\u0073ub":"abc123"}`, ""},
		{"of two sub the last one counts", `{"sub":"def456","sub":"abc123"}`, ""},
		{"of two sub the last one counts, which is none", `{"sub":"abc123","sub":7}`, "no sub"},
		{"of two exp the last one counts, which is over", `{"sub":"abc123","exp":1900000000,"exp":1}`, "expired"},
		{"of two exp the last one counts, which is not", `{"sub":"abc123","exp":1,"exp":1900000000}`, ""},
		{"a jti that is text is good", `{"sub":"abc123","jti":"x"}`, ""},
		{"a jti that is a number is refused", `{"sub":"abc123","jti":1}`, "jti is not text"},
		{"a jti of null is refused", `{"sub":"abc123","jti":null}`, "jti is not text"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := opened(t, test.claims, &token.Rules{Leeway: 30}, test.reason)
			if got != nil && got.Subject != "abc123" {
				t.Errorf("it is of %q", got.Subject)
			}
		})
	}
	for _, test := range []struct{ name, segment, reason string }{
		{"padding is refused", encode(`{"sub":"abc123" }`) + "=", "not base64url"},
		{"a line break is refused", encode(`{"sub"`) + "\r\n" + encode(`:"abc123"}`), "not base64url"},
		{"unused bits are refused", strings.TrimSuffix(encode(`{"sub":"abc123"}`), "Q") + "R", "not base64url"},
		{"a dot is refused", encode(`{"sub":"abc123"}`) + ".", "not base64url"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, problem := token.Open(test.segment, &token.Rules{}, now)
			if !strings.Contains(problem, test.reason) {
				t.Errorf("the reason is %q, want %q", problem, test.reason)
			}
		})
	}
}

func TestParties(t *testing.T) {
	const (
		elsewhere = "meant for another audience"
		noAud     = "has no aud"
		noIss     = "iss is not the issuer"
	)
	var (
		nobody = map[string]any{}
		issued = map[string]any{"issuer": "https://id.example.com/"}
		one    = map[string]any{"audience": "app"}
		two    = map[string]any{"audience": []any{"app", "api"}}
	)
	for _, test := range []struct {
		name   string
		rules  map[string]any
		claims string
		reason string
	}{
		{"any issuer where none is configured", nobody, `"iss":"x"`, ""},
		{"but not a number", nobody, `"iss":7`, "iss is not text"},
		{"nor null", nobody, `"iss":null`, "iss is not text"},
		{"the issuer", issued, `"iss":"https://id.example.com/"`, ""},
		{"without its slash it is another one", issued, `"iss":"https://id.example.com"`, noIss},
		{"its case counts", issued, `"iss":"https://ID.example.com/"`, noIss},
		{"a list of issuers is none", issued, `"iss":["https://id.example.com/"]`, "iss is not text"},
		{"none where one is required", issued, `"a":1`, noIss},
		{"an empty one where one is required", issued, `"iss":""`, noIss},
		{"an audience where none is configured", nobody, `"aud":"app"`, elsewhere},
		{"an empty audience is nobody", nobody, `"aud":""`, ""},
		{"an empty list of them too", nobody, `"aud":[]`, ""},
		{"null is no audience, and somebody", nobody, `"aud":null`, elsewhere},
		{"the audience", one, `"aud":"app"`, ""},
		{"in a list", one, `"aud":["app"]`, ""},
		{"in a list with others", one, `"aud":["web","app"]`, ""},
		{"another one", one, `"aud":"web"`, elsewhere},
		{"its case counts too", one, `"aud":"APP"`, elsewhere},
		{"a part of it is another one", one, `"aud":"ap"`, elsewhere},
		{"several in one text are one", one, `"aud":"web,app"`, elsewhere},
		{"a number beside it makes the list none", one, `"aud":["app",7]`, elsewhere},
		{"a list in the list too", one, `"aud":["app",["app"]]`, elsewhere},
		{"a number", one, `"aud":7`, elsewhere},
		{"an object", one, `"aud":{"app":true}`, elsewhere},
		{"none where one is required", one, `"a":1`, noAud},
		{"an empty one where one is required", one, `"aud":""`, noAud},
		{"an empty list where one is required", one, `"aud":[]`, noAud},
		{"null where one is required", one, `"aud":null`, elsewhere},
		{"the first of two that are accepted", two, `"aud":"app"`, ""},
		{"the second", two, `"aud":"api"`, ""},
		{"a third", two, `"aud":"web"`, elsewhere},
		{"both", two, `"aud":["api","app"]`, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			opened(t, `{"sub":"abc123",`+test.claims+`}`, rulesOf(t, test.rules), test.reason)
		})
	}
	for _, test := range []struct{ name, option, claims, reason string }{
		// A token of sub and iat alone is looked at in haste, where nothing else is asked for.
		{"no issuer beside sub and iat", "issuer=x", `"iat":1799999999`, "iss is not the issuer"},
		{"no audience beside sub and iat", "audience=x", `"iat":1799999999`, "has no aud"},
		{"no exp where one is required", "requireExpiry=true", `"iat":1799999999`, "has no exp"},
		{"an exp of null where one is required", "requireExpiry=true", `"exp":null`, "not a date"},
		{"no iat where there is a maxAge", "maxAge=60s", `"exp":1900000000`, "has no iat"},
	} {
		t.Run(test.name, func(t *testing.T) {
			name, value, _ := strings.Cut(test.option, "=")
			opened(t, `{"sub":"abc123",`+test.claims+`}`, rulesOf(t, map[string]any{name: value}), test.reason)
		})
	}
}

func TestSubjects(t *testing.T) {
	for _, test := range []struct {
		name    string
		names   any
		claims  string
		subject string // empty: it is refused
	}{
		{"without the option it is sub", nil, `{"sub":"abc123","client_id":"x"}`, "abc123"},
		{"sub alone is the same", "sub", `{"sub":"abc123"}`, "abc123"},
		{"another claim", "client_id", `{"sub":"x","client_id":"abc123"}`, "abc123"},
		{"sub is not looked at where it is not named", "client_id", `{"sub":"abc123"}`, ""},
		{"the first of several", []any{"client_id", "sub"}, `{"sub":"x","client_id":"abc123"}`, "abc123"},
		{"the second where the first is missing", []any{"client_id", "sub"}, `{"sub":"abc123"}`, "abc123"},
		{"the second where the first is empty", "client_id,sub", `{"sub":"abc123","client_id":""}`, "abc123"},
		{"the second where the first is a number", "client_id,sub", `{"sub":"abc123","client_id":7}`, "abc123"},
		{"the second where the first is null", "client_id,sub", `{"sub":"abc123","client_id":null}`, "abc123"},
		{"a list names nobody", "groups", `{"sub":"x","groups":["abc123"]}`, ""},
		{"a nested claim", "device.id", `{"device":{"id":"abc123"}}`, "abc123"},
		{"a claim with a dot in its name goes before", "device.id", `{"device":{"id":"x"},"device.id":"abc123"}`, "abc123"},
		{"a claim whose name is an address", "https://example.com/device", `{"https://example.com/device":"abc123"}`, "abc123"},
		{"none of them", "a,b,c", `{"sub":"abc123"}`, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			options := map[string]any{}
			if test.names != nil {
				options["token"] = map[string]any{"subject": test.names}
			}
			reason := ""
			if test.subject == "" {
				reason = "none of the claims in token.subject"
			}
			got := opened(t, test.claims, rulesOf(t, options), reason)
			if got != nil && got.Subject != test.subject {
				t.Errorf("it is of %q, want %q", got.Subject, test.subject)
			}
		})
	}
}

func TestMistakesInRules(t *testing.T) {
	for _, test := range []struct {
		name, option string
		value        any
		problem      string
	}{
		{"a maxAge of less than a second", "maxAge", "500ms", "shorter than a second"},
		{"a maxAge of nothing", "maxAge", "0", "shorter than a second"},
		{"a maxAge of a second is none", "maxAge", "1s", ""},
		{"a leeway of more than an hour", "leeway", "61m", "longer than an hour"},
		{"a leeway of an hour is none", "leeway", "1h", ""},
		{"a leeway that is negative", "leeway", "-1s", "negative"},
		{"an audience that is a map", "audience", map[string]any{"app": true}, "a map"},
		{"an issuer that is a list", "issuer", []any{"a", "b"}, "a list"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, problems := read(t, map[string]any{test.option: test.value})
			got := strings.Join(problems, "; ")
			if (got == "") != (test.problem == "") || !strings.Contains(got, test.problem) {
				t.Errorf("the problem is %q, want %q", got, test.problem)
			}
			if test.problem != "" && !strings.HasPrefix(got, test.option+": ") {
				t.Errorf("the problem %q does not name %s", got, test.option)
			}
		})
	}
}
