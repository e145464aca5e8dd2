package terminal

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/getportal/ptlauth/internal/source"
)

func TestParse(t *testing.T) {
	for _, test := range []struct {
		name, content string
		want          string // id=name/user of each, in the order of ids
		problem       string // how it ends, or a part of it
	}{
		{"as Portal returns it", `[{"id":"abc123","name":"phone","icon":"x","last_connection":null,"extra":[{"id":5}]}]`, "abc123=phone/", ""},
		{"blanks around texts", `[{"id":" a ","name":"b ","user":"\tc"}]`, "a=b/c", ""},
		{"null for what is not there", `[{"id":"a","name":null,"user":null}]`, "a=/", ""},
		{"an empty list", " [ ] \n", "", ""},
		{"a byte order mark", "\ufeff[{\"id\":\"a\"}]", "a=/", ""},
		{"UTF-16", string(inUTF16("[{\"id\":\"a\",\"name\":\"Küche\"}]")), "a=Küche/", ""},
		{"a device called username", `[{"id":"a","name":"username"}]`, "a=username/", ""},
		{"another program's username beside the user", `[{"id":"a","username":"x","user":"ben"}]`, "a=/ben", ""},
		{"escapes in a member's name", `[{"\u0069d":"a"}]`, "a=/", ""},

		{"nothing", "", "", "it is empty (a list with nobody in it is [])"},
		{"null", "null", "", "line 1 does not begin with ["},
		{"what begins as an object and is none", "\n{bad", "", "line 2 is no JSON: a quote"},
		{"half an object", `{"id": "a"`, "", "it ends in line 1, before it is complete"},
		{"terminals without brackets around them", `{"id": "a"}, {"id": "b"}`, "", "line 1 begins an object: write [ before it and ] after it"},
		{"an object", "\n{\"detail\": \"Not Found\"}", "", "line 2 begins an object"},
		{"a page", "<!doctype html>", "", "it is a page"},
		{"YAML", "- id: abc123\n  name: phone\n", "", "line 1 does not begin with [ (YAML and other formats are not read)"},
		{"a comment before the list", "// my devices\n[]", "", "line 1 is a comment"},
		{"a comment in the list", "[\n  # the phone\n  {\"id\": \"a\"}\n]", "", "line 2 has a comment"},
		{"a comma before the end of the list", "[\n  {\"id\": \"a\"},\n]", "", "line 3 closes a bracket after a comma"},
		{"a comma before the end of an entry", "[\n  {\"id\": \"a\", }\n]", "", "line 2 closes a bracket after a comma"},
		{"no comma between entries", "[\n  {\"id\": \"a\"}\n  {\"id\": \"b\"}\n]", "", "line 3 is no JSON"},
		{"single quotes", "[{'id': 'a'}]", "", "line 1 has text in single quotes"},
		{"half of it", "[{\"id\": \"a\"},\n{\"id\"", "", "it ends in line 2, before it is complete"},
		{"something after the list", "[]\n[]", "", "line 2 goes on after the list has ended"},
		{"half a million brackets", strings.Repeat("[", 500_000), "", "more brackets in each other"},
		{"no UTF-8", "[{\"id\":\"\xff\"}]", "", "is not UTF-8: it should be a JSON list of terminals"},
		{"a text for an entry", "[{\"id\":\"a\"},\n\"b\"]", "", "an entry that is a string and not an object (line 2)"},
		{"a list for an entry", "[[]]", "", "an entry that is a list and not an object (line 1)"},
		{"null for an entry", "[\n{\"id\":\"a\"},\nnull]", "", "a terminal without an id, or with one that is not text: number 2 (line 3)"},
		{"an entry without an id", "[{\"id\":\"a\"},\n{\"name\":\"b\"}]", "", "a terminal without an id, or with one that is not text: number 2 (line 2)"},
		{"a blank id", `[{"id":" "}]`, "", "number 1 (line 1)"},
		{"a number for an id", "[\n{\"id\":7}]", "", "one that is not text: it is a number (line 2)"},
		{"a number for a user", "[\n{\"id\":\"a\",\"user\":7}]", "", "`user` is a number (line 2): write a text, in quotes"},
		{"an object for a name", `[{"id":"a","name":{}}]`, "", "`name` is an object (line 1)"},
		{"an id in capital letters", `[{"ID":"a"}]`, "", "`id` in capital letters (line 1): write `id`"},
		{"a user in capital letters beside another", `[{"id":"a","user":"ben","User":"root"}]`, "", "`user` in capital letters"},
		{"a user with a long s", "[{\"id\":\"a\",\"u\u017fer\":\"root\"}]", "", "`user` in capital letters"},
		{"one id twice", "[{\"id\":\"a\",\"user\":\"b\"},\n{\"id\":\"c\"},\n{\"id\":\" a\"}]", "", "lists one id twice, in lines 1 and 3"},
		{"username for user", "[\n{\"id\":\"a\",\"username\" : \"ben\"}]", "", "has `username` (line 2) and nowhere `user`"},
		{"too many", "[" + strings.Repeat("{},", maxTerminals) + "{}]", "", "lists more than 500000 terminals"},
	} {
		t.Run(test.name, func(t *testing.T) {
			value, problem := Parse([]byte(test.content))
			if test.problem != "" {
				if value != nil || !strings.Contains(problem, test.problem) || len(problem) > 300 {
					t.Errorf("got %v and %q, want %q", value, problem, test.problem)
				}
				return
			}
			if problem != "" {
				t.Fatal(problem)
			}
			got := ""
			for _, terminal := range value.(*Registry).byID {
				got += fmt.Sprintf("%s=%s/%s", terminal.ID, terminal.Name, terminal.User)
			}
			if got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func inUTF16(text string) []byte {
	content := []byte("\xfe\xff")
	for _, unit := range utf16.Encode([]rune(text)) {
		content = append(content, byte(unit>>8), byte(unit))
	}
	return content
}

// FuzzParse: a list is taken if it is JSON and each entry keeps our rules, and then says just what it says.
func FuzzParse(f *testing.F) {
	for _, text := range []string{
		`[{"id":"abc123","name":"phone"}]`, `[]`, `null`, `[null]`, `[{"id":1}]`, `{"id":"a"}`, `[{"ID":"a"}]`, "[{\"id\":\"\xff\"}]",
		`[{"id":"a"},{"id":"a","user":"b"}]`, `[{"id":"a","id":null,"Id":[7]}]`, `[{"id":"\ud800"},]`, `[{"id":"a","username":""}]`, "\xff\xfe[\x00]\x00",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		want, ok := plainly(source.Text(content))
		value, problem := Parse(content)
		if (problem == "") != ok || (value != nil) != ok {
			t.Fatalf("the problem is %q, and by encoding/json it is taken: %t", problem, ok)
		}
		if !ok {
			return
		}
		r := value.(*Registry)
		if len(r.byID) != len(want) {
			t.Fatalf("got %d terminals, want %d", len(r.byID), len(want))
		}
		for id, terminal := range want {
			if got := Find(r, id); got == nil || !reflect.DeepEqual(*got, terminal) {
				t.Errorf("%q is %+v, want %+v", id, got, terminal)
			}
		}
		if Find(r, "") != nil {
			t.Error("who has no id is paired")
		}
	})
}

// plainly reads a list member by member.
func plainly(content []byte) (map[string]Terminal, bool) {
	if !utf8.Valid(content) || !json.Valid(content) {
		return nil, false
	}
	decoder := json.NewDecoder(bytes.NewReader(content))
	if token, _ := decoder.Token(); token != json.Delim('[') {
		return nil, false
	}
	all, slip, users := map[string]Terminal{}, false, false
	for decoder.More() {
		if token, _ := decoder.Token(); token != json.Delim('{') {
			return nil, false
		}
		var entry Terminal
		fields := map[string]*string{"id": &entry.ID, "name": &entry.Name, "user": &entry.User}
		for decoder.More() {
			token, _ := decoder.Token()
			name := token.(string)
			var raw json.RawMessage
			_ = decoder.Decode(&raw)
			var value any = 0.0 // as a number that is too large
			_ = json.Unmarshal(raw, &value)
			slip = slip || name == "username"
			for known, field := range fields {
				text, isText := value.(string)
				_, isList := value.([]any)
				switch {
				case !strings.EqualFold(name, known) || value == nil:
				case name == known && isText:
					*field = strings.TrimSpace(text)
				case name == known || !isList:
					return nil, false
				}
			}
		}
		_, _ = decoder.Token()
		if _, twice := all[entry.ID]; twice || entry.ID == "" {
			return nil, false
		}
		users = users || entry.User != ""
		all[entry.ID] = entry
	}
	// The word is found as it is usually written.
	return all, users || !slip || !bytes.Contains(content, []byte(`"username"`))
}

func BenchmarkParse(b *testing.B) {
	var list strings.Builder
	for i := range 350_000 {
		fmt.Fprintf(&list, `,{"id": "id%06d", "name": "device number %06d", "icon": "smartphone", "x": 1}`, i, i)
	}
	content := []byte("[" + list.String()[1:] + "]")
	b.ResetTimer()
	for range b.N {
		if _, problem := Parse(content); problem != "" {
			b.Fatal(problem)
		}
	}
}
