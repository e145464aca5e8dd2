package option_test

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/getportal/ptlauth/internal/option"
)

type (
	dict = map[string]interface{}
	list = []interface{}
)

// reading opens options and reads them, and returns the problems.
func reading(options interface{}, read func(*option.Section)) []string {
	report := &option.Report{}
	read(option.Open(report, "", options))
	return linesOf(report)
}

func linesOf(report *option.Report) []string {
	var lines []string
	for _, problem := range report.Problems() {
		lines = append(lines, option.Line(problem))
	}
	return lines
}

// told compares problems with what one must hold; empty: there are none.
func told(t *testing.T, problems []string, want string) {
	t.Helper()
	got := strings.Join(problems, "; ")
	if (got == "") != (want == "") || !strings.Contains(got, want) {
		t.Errorf("the problem is %q, want %q", got, want)
	}
}

func TestText(t *testing.T) {
	for _, test := range []struct {
		name          string
		value         interface{}
		want, problem string
	}{
		{"absent", nil, "fallback", ""},
		{"text", "a, b ", "a, b ", ""},
		{"empty text", "", "", ""},
		{"true, as Kubernetes delivers it", true, "true", ""},
		{"a number, as Kubernetes delivers it", 7.0, "7", ""},
		{"a fraction", 1.5, "1.5", ""},
		{"a large number without an exponent", 1e20, "100000000000000000000", ""},
		{"an int", 7, "7", ""},
		{"an int64", int64(-7), "-7", ""},
		{"a uint64", uint64(1 << 63), "9223372036854775808", ""},
		{"an empty list is empty text", list{}, "", ""},
		{"a list", list{"a"}, "fallback", "name: is a list where one text belongs"},
		{"a list of texts", []string{"a", "b"}, "fallback", "name: is a list"},
		{"a map", dict{"a": "b"}, "fallback", "name: is a map"},
		{"a date, unquoted in TOML", time.Unix(0, 0), "fallback", "name: is a date (quote it"},
		{"anything else", struct{}{}, "fallback", "of an unexpected type"},
	} {
		t.Run(test.name, func(t *testing.T) {
			problems := reading(dict{"name": test.value}, func(s *option.Section) {
				if got := s.Text("name", "fallback"); got != test.want {
					t.Errorf("got %q, want %q", got, test.want)
				}
			})
			told(t, problems, test.problem)
		})
	}
}

func TestBool(t *testing.T) {
	for _, test := range []struct {
		name  string
		value interface{}
		want  string // true, false or a problem
	}{
		{"true", true, "true"},
		{"false", false, "false"},
		{"as text, as labels, KV stores and YAML deliver it", "true", "true"},
		{"in capitals", "TRUE", "true"},
		{"in Python's spelling", "False", "false"},
		{"with white space", " true\n", "true"},
		{"1", "1", "true"},
		{"0 as a number", 0.0, "false"},
		{"t", "t", "true"},
		{"yes is neither", "yes", "problem"},
		{"on is neither", "on", "problem"},
		{"2 is neither", 2, "problem"},
		{"empty text is neither", "", "problem"},
		{"a list is neither", list{true}, "problem"},
		{"a map is neither", dict{"true": true}, "problem"},
	} {
		for _, fallback := range []bool{true, false} {
			t.Run(test.name, func(t *testing.T) {
				got, problem := !fallback, ""
				problems := reading(dict{"name": test.value}, func(s *option.Section) { got = s.Bool("name", fallback) })
				want := test.want == "true"
				if test.want == "problem" {
					want, problem = fallback, "name: is neither true nor false"
				}
				if got != want {
					t.Errorf("got %t, want %t", got, want)
				}
				told(t, problems, problem)
			})
		}
	}
	t.Run("absent", func(t *testing.T) {
		told(t, reading(dict{}, func(s *option.Section) {
			if !s.Bool("name", true) || s.Bool("name", false) {
				t.Error("the default does not take its place")
			}
		}), "")
	})
}

func TestDuration(t *testing.T) {
	const (
		fallback = 42 * time.Second
		none     = "name: is not a length of time"
		absurd   = "name: is negative or longer than anything sensible"
	)
	for _, test := range []struct {
		name    string
		value   interface{}
		want    time.Duration
		problem string
	}{
		{"absent", nil, fallback, ""},
		{"seconds", "30s", 30 * time.Second, ""},
		{"several units", "1h30m", 90 * time.Minute, ""},
		{"less than a second", "100ms", 100 * time.Millisecond, ""},
		{"plain seconds", "30", 30 * time.Second, ""},
		{"plain seconds as a number, as Kubernetes delivers it", 30.0, 30 * time.Second, ""},
		{"plain seconds as an int", 30, 30 * time.Second, ""},
		{"nothing", "0", 0, ""},
		{"white space", " 5m ", 5 * time.Minute, ""},
		{"ten digits of seconds", "9223372036", 9223372036 * time.Second, ""},
		{"eleven digits", "10000000000", fallback, absurd},
		{"so many that they would wrap", "18446744073", fallback, absurd},
		{"so many that they would wrap twice", "20000000000", fallback, absurd},
		{"a long one with a unit", "100000000ms", 100000 * time.Second, ""},
		{"ten digits that wrap", "9999999999", fallback, absurd},
		{"negative", "-1s", fallback, absurd},
		{"negative seconds", -30.0, fallback, absurd},
		{"a fraction of seconds", 1.5, fallback, none},
		{"days", "1d", fallback, none},
		{"words", "5 minutes", fallback, none},
		{"empty text", "", fallback, none},
		{"true", true, fallback, none},
		{"a list", list{"5m"}, fallback, none},
		{"a map", dict{"seconds": 5}, fallback, none},
		{"more hours than there are", "9999999999h", fallback, none},
	} {
		t.Run(test.name, func(t *testing.T) {
			problems := reading(dict{"name": test.value}, func(s *option.Section) {
				if got := s.Duration("name", fallback); got != test.want {
					t.Errorf("got %s, want %s", got, test.want)
				}
			})
			told(t, problems, test.problem)
		})
	}
}

func TestTexts(t *testing.T) {
	for _, test := range []struct {
		name    string
		value   interface{}
		want    []string
		problem string
	}{
		{"absent", nil, nil, ""},
		{"one text", "a", []string{"a"}, ""},
		{"commas between, as labels and KV stores have them", "a, b,c", []string{"a", "b", "c"}, ""},
		{"empty ones are left out", ",a,,", []string{"a"}, ""},
		{"a list, as YAML and Kubernetes deliver it", list{"a", "b"}, []string{"a", "b"}, ""},
		{"a list of texts", []string{"a", "b"}, []string{"a", "b"}, ""},
		{"a comma in a member of a list is its own", list{"a,b"}, []string{"a,b"}, ""},
		{"white space and what is empty in a list", list{" a ", "", " "}, []string{"a"}, ""},
		{"numbers and booleans", list{1.0, true}, []string{"1", "true"}, ""},
		{"a number alone", 8.0, []string{"8"}, ""},
		{"empty text, as YAML delivers an empty list", "", nil, ""},
		{"an empty list", list{}, nil, ""},
		{"a list with a map", list{"a", dict{"b": "c"}}, nil, "name: is a list where a text or a list of texts belongs"},
		{"a list with null", list{"a", nil}, nil, "name: is a list"},
		{"a map", dict{"a": "b"}, nil, "name: is a map"},
	} {
		t.Run(test.name, func(t *testing.T) {
			problems := reading(dict{"name": test.value}, func(s *option.Section) {
				if got := s.Texts("name"); !reflect.DeepEqual(got, test.want) {
					t.Errorf("got %q, want %q", got, test.want)
				}
			})
			told(t, problems, test.problem)
		})
	}
}

func TestNames(t *testing.T) {
	t.Run("case does not count", func(t *testing.T) {
		told(t, reading(dict{"SecretFILE": "x"}, func(s *option.Section) {
			if s.Text("secretFile", "") != "x" || !s.Has("secretfile") || s.Value("SECRETFILE") != "x" {
				t.Error("it is not found in other case")
			}
			s.Unknown()
		}), "")
	})
	t.Run("what is given twice is reported", func(t *testing.T) {
		told(t, reading(dict{"a": "x", "A": "y"}, func(s *option.Section) { s.Text("a", "") }), "a: is given twice")
	})
	t.Run("null is absent", func(t *testing.T) {
		told(t, reading(dict{"a": nil}, func(s *option.Section) {
			if s.Has("a") || s.Text("a", "x") != "x" || s.Unknown() {
				t.Error("it is there")
			}
		}), "")
	})
	t.Run("empty text is given", func(t *testing.T) {
		told(t, reading(dict{"a": ""}, func(s *option.Section) {
			if !s.Has("a") || s.Text("a", "x") != "" {
				t.Error("it is not there")
			}
		}), "")
	})
	t.Run("what is no map is reported and empty", func(t *testing.T) {
		report := &option.Report{}
		s := option.Open(report, "token", "ptl")
		if s.Has("cookie") || s.Text("cookie", "x") != "x" {
			t.Error("there is something")
		}
		told(t, linesOf(report), "token: is text where options of its own belong: write it as token.NAME: VALUE")
	})
	for _, entries := range []interface{}{dict{"a": "x"}, map[string]string{"a": "x"}, map[interface{}]interface{}{"a": "x"}} {
		told(t, reading(entries, func(s *option.Section) {
			if s.Text("a", "") != "x" {
				t.Errorf("%T is not read", entries)
			}
		}), "")
	}
}

func TestUnknown(t *testing.T) {
	read := []string{"secretFile", "keys", "token", "trustedOrigins", "crossOriginProtection", "leeway"}
	for _, test := range []struct{ name, option, want string }{
		{"a known one", "keys", ""},
		{"in other case", "KEYS", ""},
		{"a letter too few", "secretFil", "unknown option `secretFil`: did you mean `secretFile`?"},
		{"a letter too many", "keyss", "did you mean `keys`?"},
		{"two letters changed", "sekretFyle", "did you mean `secretFile`?"},
		{"one that begins like one", "trusted", "did you mean `trustedOrigins`?"},
		{"one that goes on", "leewaySeconds", "did you mean `leeway`?"},
		{"with a hyphen", "secret-file", "did you mean `secretFile`?"},
		{"one like none", "zebra", "the options here are crossOriginProtection, keys, leeway, secretFile, token, trustedOrigins"},
		{"one that is empty", "", "unknown option ``"},
		{"one that is not ASCII", "schlüssel", "unknown option `schlüssel`"},
	} {
		t.Run(test.name, func(t *testing.T) {
			problems := reading(dict{test.option: "x"}, func(s *option.Section) {
				for _, name := range read {
					s.Value(name)
				}
				if s.Unknown() != (test.want != "") {
					t.Error("it does not say whether there is one")
				}
			})
			told(t, problems, test.want)
		})
	}
	t.Run("the nearest is meant, in whichever order they are read", func(t *testing.T) {
		for _, names := range [][]string{{"fresh", "refresh"}, {"refresh", "fresh"}} {
			told(t, reading(dict{"refrsh": 1}, func(s *option.Section) {
				s.Value(names[0])
				s.Value(names[1])
				s.Unknown()
			}), "did you mean `refresh`?")
		}
	})
	t.Run("by its full name, as it was spelt, in order", func(t *testing.T) {
		problems := reading(dict{"token": dict{"Zebra": 1, "Ape": 2}}, func(s *option.Section) {
			token := s.Section("token")
			token.Text("cookie", "")
			token.Unknown()
		})
		if len(problems) != 2 || !strings.Contains(problems[0], "`token.Ape`") || !strings.Contains(problems[1], "`token.Zebra`") {
			t.Errorf("the problems are %q", problems)
		}
	})
}

// TestSections is of lists of groups, TestEntries of those that may be maps by name.
func TestSections(t *testing.T) {
	for _, test := range []struct {
		name    string
		value   interface{}
		want    string
		problem string
	}{
		{"absent", nil, "", ""},
		{"empty text, as YAML delivers an empty list", "", "", ""},
		{"a list", list{dict{"id": "a"}, dict{"id": 7.0}}, "keys[0]:a keys[1]:7 ", ""},
		{"a list of maps", []map[string]interface{}{{"id": "a"}}, "keys[0]:a ", ""},
		{"null in a list", list{nil, dict{"id": "a"}}, "keys[1]:a ", "keys[0]: is empty: fill it or take it out"},
		{"text in a list", list{"a"}, "keys[0]: ", "keys[0]: is text where options of its own belong"},
		{"a map", dict{"id": "a"}, "", "keys: is a map where a list belongs: begin each entry with a dash (labels: keys[0].NAME=VALUE)"},
		{"text", "a", "", "keys: is text where a list belongs"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := ""
			problems := reading(dict{"keys": test.value}, func(s *option.Section) {
				for _, section := range s.Sections("keys") {
					got += section.Path + ":" + section.Text("id", "") + " "
				}
			})
			if got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
			told(t, problems, test.problem)
		})
	}
}

func TestEntries(t *testing.T) {
	for _, test := range []struct {
		name    string
		value   interface{}
		want    string
		problem string
	}{
		{"absent", nil, "", ""},
		{"an empty map", dict{}, "", ""},
		{"a map, in the order of its names", dict{"b": dict{"user": "ben"}, "a": dict{"user": "ana"}}, "paired.a/a:ana paired.b/b:ben ", ""},
		{"a list", list{dict{"user": "ana"}}, "paired[0]/:ana ", ""},
		{"an empty entry", dict{"a": ""}, "paired.a/a: ", ""},
		{"an entry of null", dict{"a": nil}, "paired.a/a: ", ""},
		{"an entry that is an empty map", dict{"a": dict{}}, "paired.a/a: ", ""},
		{"an entry that is text", dict{"a": "ana", "b": ""}, "paired.b/b: ", "paired.a: is text where options of its own belong"},
		{"an entry of a list that is text", list{"ana"}, "", "paired[0]: is text"},
		{"text", "ana", "", "paired: is text where a list or a map belongs"},
		{"a number", 7.0, "", "paired: is a number where a list or a map belongs"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := ""
			problems := reading(dict{"paired": test.value}, func(s *option.Section) {
				for _, entry := range s.Entries("paired") {
					got += entry.Path + "/" + entry.Key + ":" + entry.Text("user", "") + " "
				}
			})
			if got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
			told(t, problems, test.problem)
		})
	}
}

func TestSection(t *testing.T) {
	told(t, reading(dict{"token": dict{"cookie": "", "x": dict{"y": list{"z"}}}}, func(s *option.Section) {
		inner := s.Section("token").Section("x")
		inner.Problem("y", "is wrong")
		if inner.Name("") != "token.x" || inner.Name("y") != "token.x.y" {
			t.Errorf("it is called %q and %q", inner.Name(""), inner.Name("y"))
		}
		if s.Problems() != 1 {
			t.Errorf("%d problems are counted", s.Problems())
		}
	}), "token.x.y: is wrong")
	told(t, reading(dict{"token": ""}, func(s *option.Section) {
		if s.Section("token").Text("cookie", "x") != "x" {
			t.Error("an empty section is not empty")
		}
	}), "")
}

func TestIsAddress(t *testing.T) {
	for text, want := range map[string]bool{
		"http://a": true, "https://a:8080/b?c": true, "http://[::1]/": true, "": false, "a": false, "a:80": false, "//a": false, "/a": false,
		"http://": false, "https:///a": false, "ftp://a": false, "file:///a": false, "http://a b": false, "http://%zz": false, "redis://a": false,
	} {
		t.Run(text, func(t *testing.T) {
			if got := option.IsAddress(text); got != want {
				t.Errorf("it is %t, want %t", got, want)
			}
		})
	}
}

// TestNoValueIsTold: an option may be a secret that stands in another's place.
func TestNoValueIsTold(t *testing.T) {
	const secret = "a-secret-in-the-wrong-place"
	for _, value := range []interface{}{secret, list{secret}, list{list{secret}}, dict{"a": secret}, dict{"a": list{dict{"b": secret}}}} {
		for _, problem := range reading(dict{"name": value}, func(s *option.Section) {
			s.Text("name", "")
			s.Bool("name", false)
			s.Duration("name", 0)
			s.Texts("name")
			s.Section("name").Text("a", "")
			s.Sections("name")
			s.Entries("name")
		}) {
			if strings.Contains(problem, secret) {
				t.Errorf("the secret is in %q", problem)
			}
		}
	}
}
