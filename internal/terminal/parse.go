package terminal

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/getportal/ptlauth/internal/source"
)

// maxTerminals bounds how many terminals a list has.
const maxTerminals = 500_000

// notList begins what is said of a content that is no list.
const notList = `is not a JSON list of terminals, such as [{"id": "abc123", "name": "phone"}]: `

// Parse reads a JSON array of terminals, as Portal's own terminals endpoint returns it.
// Members other than id, name, user and pairing are not looked at. One entry that is not as it
// should be spoils the list: it may have been written by half.
//
// A list may be long, so the standard library does what is done for each entry, and the
// interpreter as little as can be. How many there are is found out first, in no memory.
func Parse(content []byte) (interface{}, string) {
	content = source.Text(content)
	if !utf8.Valid(content) {
		return nil, "is not UTF-8: it should be a JSON list of terminals"
	}
	problem := noList(content)
	if problem != "" {
		return nil, problem
	}
	var shape []struct{}
	err := json.Unmarshal(content, &shape)
	if err != nil {
		return nil, flawIn(content, err)
	}
	if len(shape) > maxTerminals {
		return nil, "lists more than " + strconv.Itoa(maxTerminals) + " terminals: put the right list in its place"
	}
	list := make([]*Terminal, 0, len(shape))
	err = json.Unmarshal(content, &list)
	if err != nil {
		return nil, flawIn(content, err)
	}
	return index(content, list)
}

// index makes the registry of a list.
func index(content []byte, list []*Terminal) (interface{}, string) {
	r := &Registry{byID: make(map[string]*Terminal, len(list))}
	for i, t := range list {
		id := ""
		if t != nil {
			id = strings.TrimSpace(t.ID)
		}
		if id == "" {
			return nil, "has a terminal without an id, or with one that is not text: number " + strconv.Itoa(i+1) + " (line " + lineOf(content, i) + ")"
		}
		t.ID = id
		t.Name = strings.TrimSpace(t.Name)
		t.User = strings.TrimSpace(t.User)
		r.byID[id] = t
		if t.Codes != nil {
			var members map[string]interface{}
			_ = json.Unmarshal(t.Codes, &members)
			t.Codes = nil
			addCodes(r, t, members)
		}
	}
	if len(r.byID) < len(list) { // guard: one id is one terminal's
		return nil, twice(content, list)
	}
	problem := userSlip(content, list)
	if problem != "" {
		return nil, problem
	}
	return r, ""
}

// noList says what a content is that does not begin as a list.
func noList(content []byte) string {
	start := bytes.TrimLeft(content, " \t\r\n")
	if len(start) == 0 {
		return notList + "it is empty (a list with nobody in it is [])"
	}
	what := ""
	switch {
	case start[0] == '[':
		return ""
	case start[0] == '{':
		var first json.RawMessage
		if json.NewDecoder(bytes.NewReader(start)).Decode(&first) != nil { // It is not a whole one.
			return flawIn(content, json.Unmarshal(content, &struct{}{}))
		}
		what = " begins an object: write [ before it and ] after it, if it is a terminal"
	case start[0] == '<':
		return notList + "it is a page, such as an error's or a login's"
	case isComment(start[0]):
		what = " is a comment, which JSON does not have: take it out"
	default:
		what = " does not begin with [ (YAML and other formats are not read)"
	}
	return notList + "line " + lineAt(content, len(content)-len(start)) + what
}

func isComment(c byte) bool {
	return c == '/' || c == '#'
}

// flawIn says in which line a list is not as it should be, and why.
func flawIn(content []byte, err error) string {
	wrongType, ok := err.(*json.UnmarshalTypeError) //nolint:errorlint // Unmarshal wraps nothing.
	if ok {
		return wrongEntry(content, wrongType)
	}
	flaw, isSyntax := err.(*json.SyntaxError) //nolint:errorlint // as above
	if !isSyntax || flaw.Offset < 1 || flaw.Offset > int64(len(content)) {
		return notList + "it cannot be read"
	}
	return noJSON(content, flaw)
}

// noJSON says where and why a content is no JSON.
func noJSON(content []byte, flaw *json.SyntaxError) string {
	at := int(flaw.Offset) - 1
	where := "line " + lineAt(content, at)
	before := bytes.TrimRight(content[:at], " \t\r\n")
	c := content[at]
	what := " is no JSON: a quote, a comma or a bracket is missing there or before, or one is too many"
	switch {
	case strings.HasPrefix(flaw.Error(), "unexpected end"):
		return notList + "it ends in " + where + ", before it is complete (it may have been written by half)"
	case isComment(c):
		what = " has a comment, which JSON does not have: take it out"
	case (c == ']' || c == '}') && bytes.HasSuffix(before, []byte(",")):
		what = " closes a bracket after a comma: take out the comma, which stands between entries only"
	case c == '\'':
		what = " has text in single quotes: JSON's are double ones"
	case strings.HasSuffix(flaw.Error(), "exceeded max depth"):
		what = " has more brackets in each other than any list"
	case strings.HasSuffix(flaw.Error(), "after top-level value"):
		what = " goes on after the list has ended"
	}
	return notList + where + what
}

// wrongEntry says what an entry is that is not as it should be.
func wrongEntry(content []byte, flaw *json.UnmarshalTypeError) string {
	where := " (line " + lineAt(content, int(flaw.Offset)-1) + ")"
	lower := strings.ToLower(flaw.Field)
	switch {
	case flaw.Field == "":
		return "has an entry that is " + kindOf(flaw.Value) + " and not an object" + where
	case flaw.Field == "id":
		return "has a terminal without an id, or with one that is not text: it is " + kindOf(flaw.Value) + where
	case flaw.Field != lower:
		return "has a terminal with `" + lower + "` in capital letters" + where + ": write `" + lower + "`"
	}
	return "has a terminal whose `" + lower + "` is " + kindOf(flaw.Value) + where + ": write a text, in quotes"
}

// kindOf names a JSON value by encoding/json's word for it.
func kindOf(value string) string {
	word, _, _ := strings.Cut(value, " ")
	switch word {
	case "bool":
		return "true or false"
	case "array":
		return "a list"
	case "object":
		return "an object"
	}
	return "a " + word
}

// twice says which entries have one id.
func twice(content []byte, list []*Terminal) string {
	numbers := map[string]int{}
	for i, t := range list {
		first := numbers[t.ID]
		if first > 0 {
			return "lists one id twice, in lines " + lineOf(content, first-1) + " and " + lineOf(content, i) + ": keep one of the two"
		}
		numbers[t.ID] = i + 1
	}
	return "lists one id twice: keep one of the two"
}

// slip is a member that is taken for `user`; it is searched for only where the word is.
var slip = regexp.MustCompile(`"username"[ \t\r\n]*:`)

// userSlip finds what would make each device a user of its own without a word.
func userSlip(content []byte, list []*Terminal) string {
	if !bytes.Contains(content, []byte(`"username"`)) {
		return ""
	}
	at := slip.FindIndex(content)
	if at == nil {
		return ""
	}
	for _, t := range list {
		if t.User != "" {
			return ""
		}
	}
	return "has `username` (line " + lineAt(content, at[0]) + ") and nowhere `user`: write `user`, else each device is a user of its own"
}

// lineAt is the number of the line in which a byte stands.
func lineAt(content []byte, at int) string {
	if at < 0 || at > len(content) {
		at = 0
	}
	return strconv.Itoa(bytes.Count(content[:at], []byte("\n")) + 1)
}

// lineOf is the number of the line in which an entry ends.
func lineOf(content []byte, number int) string {
	decoder := json.NewDecoder(bytes.NewReader(content))
	_, _ = decoder.Token()
	var entry json.RawMessage
	for i := 0; i <= number; i++ {
		_ = decoder.Decode(&entry)
	}
	return lineAt(content, int(decoder.InputOffset()))
}
