package extractor

import (
	"regexp"
	"strings"
)

// Cut returns the values of every cookie of the name in a Cookie line, and the
// line without them, every other cookie byte for byte. Semicolons divide even within
// quotes: an app that divides there would otherwise still see the token. The third
// result is false where the name comes too often for the line to be searched.
func Cut(c *Locations, line string) ([]string, string, bool) {
	if !strings.Contains(line, c.Cookie) {
		return nil, line, true
	}
	places, ok := places(c, line)
	if !ok {
		return nil, "", false
	}
	if places == nil {
		return nil, line, true
	}
	var values, kept []string
	from := 0 // line[from:] is not in kept yet
	for _, place := range places {
		kept = append(kept, line[from:place[0]])
		value, _, _ := strings.Cut(line[place[1]:], ";")
		values = append(values, unwrap(value))
		from = place[1] + len(value)
		if from < len(line) {
			from++
		}
	}
	kept = append(kept, line[from:])
	// The separators that stood around the cookies are gone; those between the others stay.
	rest := strings.TrimRight(strings.TrimLeft(strings.Join(kept, ""), " \t"), " \t;")
	return values, rest, true
}

// places are where each cookie of the name begins, behind its semicolon, and where its
// value does.
func places(c *Locations, line string) ([][]int, bool) {
	if strings.Count(line, c.Cookie) > maxMentions {
		return placesSlow(c, line)
	}
	var found [][]int
	at := 0
	for {
		i := strings.Index(line[at:], c.Cookie)
		if i < 0 {
			return found, true
		}
		start := at + len(strings.TrimRight(line[at:at+i], " \t"))
		at += i + len(c.Cookie)
		value := strings.TrimLeft(line[at:], " \t")
		if (start == 0 || line[start-1] == ';') && strings.HasPrefix(value, "=") {
			at = len(line) - len(value) + 1
			found = append(found, []int{start, at})
		}
	}
}

// placesSlow is for a name that is in most lines. An expression costs forty times as
// much as a search for a text.
func placesSlow(c *Locations, line string) ([][]int, bool) {
	if len(line) > maxSearched {
		return nil, false
	}
	found := c.cookie.FindAllStringIndex(line, maxMentions+1)
	if len(found) > maxMentions {
		return nil, false
	}
	for _, place := range found {
		if line[place[0]] == ';' {
			place[0]++
		}
	}
	return found, true
}

// unwrap is a cookie's value without what libraries write around a token: quotes, and
// the scheme, of which they escape the space (js-cookie#422; a form's escaping is +).
func unwrap(value string) string {
	value = strings.Trim(value, " \t")
	if strings.HasPrefix(value, "e") {
		return value
	}
	value = unquote(unquote(value, `"`), "%22")
	return value[len(scheme.FindString(value)):]
}

// scheme has few blanks: an expression would take longer for a megabyte of them than Traefik for ten
// requests.
var scheme = regexp.MustCompile(`^(?i:bearer)(?:[ \t+]|%20){1,16}`) // guard: of the blanks behind Bearer few are read

func unquote(value, quote string) string {
	if len(value) >= 2*len(quote) && strings.HasPrefix(value, quote) && strings.HasSuffix(value, quote) {
		return value[len(quote) : len(value)-len(quote)]
	}
	return value
}
