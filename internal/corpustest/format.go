package corpustest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Content is a file's text; in JSON a string, or any other value, which then is the text as it stands.
type Content string

// UnmarshalJSON implements [json.Unmarshaler].
func (c *Content) UnmarshalJSON(text []byte) error {
	if text[0] == '"' {
		return json.Unmarshal(text, (*string)(c))
	}
	*c = Content(text)
	return nil
}

// Lines is a text; in JSON a string, or a list of lines, each of which then ends in CR LF.
type Lines string

// UnmarshalJSON implements [json.Unmarshaler].
func (l *Lines) UnmarshalJSON(text []byte) error {
	if text[0] == '"' {
		return json.Unmarshal(text, (*string)(l))
	}
	var lines []string
	if err := json.Unmarshal(text, &lines); err != nil {
		return err
	}
	for _, line := range lines {
		*l += Lines(line + "\r\n")
	}
	return nil
}

// Texts is some texts; in JSON a string or a list.
type Texts []string

// UnmarshalJSON implements [json.Unmarshaler].
func (t *Texts) UnmarshalJSON(text []byte) error {
	return oneOrMore(text, (*[]string)(t))
}

// Statuses are the statuses that will do; in JSON a number or a list. 0 is a connection closed without an answer.
type Statuses []int

// UnmarshalJSON implements [json.Unmarshaler].
func (s *Statuses) UnmarshalJSON(text []byte) error {
	return oneOrMore(text, (*[]int)(s))
}

// Duration is a time to wait, such as "200ms".
type Duration time.Duration

// UnmarshalJSON implements [json.Unmarshaler].
func (d *Duration) UnmarshalJSON(text []byte) error {
	var s string
	if err := json.Unmarshal(text, &s); err != nil {
		return err
	}
	parsed, err := time.ParseDuration(s)
	*d = Duration(parsed)
	return err
}

// Want is what the lines of one header must be; in JSON null (there is none), a text (there is one line), a list (these
// lines), or {"contains": one or more texts}.
type Want struct {
	Exactly  []string
	Contains []string

	stated bool // tells null from nothing said
}

// UnmarshalJSON implements [json.Unmarshaler].
func (w *Want) UnmarshalJSON(text []byte) error {
	*w = Want{stated: true}
	switch text[0] {
	case 'n':
		return nil
	case '{':
		d := json.NewDecoder(bytes.NewReader(text))
		d.DisallowUnknownFields()
		var object struct {
			Contains Texts `json:"contains"`
		}
		err := d.Decode(&object)
		if err == nil && len(object.Contains) == 0 {
			err = errors.New("contains nothing")
		}
		w.Contains = object.Contains
		return err
	default:
		return oneOrMore(text, &w.Exactly)
	}
}

// complain returns what is wrong with lines, or nothing.
func (w Want) complain(lines []string) string {
	for _, text := range w.Contains {
		if !strings.Contains(strings.Join(lines, "\n"), text) {
			return fmt.Sprintf("is %q and lacks %q", lines, text)
		}
	}
	if w.Contains == nil && !slices.Equal(lines, w.Exactly) {
		return fmt.Sprintf("is %q, want %q", lines, w.Exactly)
	}
	return ""
}

func oneOrMore[T any](text []byte, into *[]T) error {
	if text[0] == '[' {
		return json.Unmarshal(text, into)
	}
	var one T
	if err := json.Unmarshal(text, &one); err != nil {
		return err
	}
	*into = []T{one}
	return nil
}
