package page

import (
	"strconv"
	"strings"
)

// texts are all that pages say in one language. In them, {site} is the host's name, in any
// place of a sentence but the first; or thisSite.
type texts struct {
	tag   string // BCP 47
	pages map[Name]words

	thisSite, anotherApp string // instead of a name
	on                   string // between a browser's name and a system's
	contact              string // with {contact}

	haveCode, haveLink string // on a page without an app: what to do with them
	firstByCode        string // what an owner does of whom no device is paired
	inApp              string // with {app}: a browser inside another app is none to pair
	alreadyPaired      string // with {paired}: as what the browser is paired so far
	wasPaired          string // with {paired}: as what it was paired until now

	code, codeHint string // the field
	noScript       string // where a link's code is, for browsers without script
	look           string // what is pressed first

	pair, cancel, again, open, signOut string // what is pressed; open has {site}

	device, user, site, browser, since string // before facts

	locked, lockedText, deleteOne, deleteAllText, deleteAll string // about a planted cookie

	date   string // with {day}, {month} and {year}
	first  string // the first day of a month
	months []string
}

// words are those of one page.
type words struct {
	title string
	text  string // what has happened
	next  string // what can be done, where nothing better is known
}

// languages is every language; the first is spoken to whoever wants none of them.
var languages = []*texts{english}

const (
	maxLanguages = 16
	maxAccepted  = 1 << 10
)

// choose returns the language that a browser prefers, by its Accept-Language (RFC 9110
// §12.5.4). Of a dialect the language is spoken.
func choose(lines []string) *texts {
	accepted := strings.ToLower(strings.Join(lines, ","))
	if len(accepted) > maxAccepted {
		accepted = accepted[:maxAccepted]
	}
	best, most := languages[0], 0.0
	for _, item := range strings.SplitN(accepted, ",", maxLanguages+1) {
		tag, parameter, _ := strings.Cut(item, ";")
		quality := weight(parameter)
		if quality <= most {
			continue
		}
		t := speak(strings.TrimSpace(tag))
		if t != nil {
			best, most = t, quality
		}
	}
	return best
}

// weight is how much a language is wanted, from 0 to 1.
func weight(parameter string) float64 {
	name, value, _ := strings.Cut(strings.TrimSpace(parameter), "=")
	if strings.TrimSpace(name) != "q" {
		return 1
	}
	quality, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
	if err != nil || !(quality >= 0 && quality <= 1) {
		return 0
	}
	return quality
}

// speak is the language of a tag such as de-AT; nil: it is none of ours.
func speak(tag string) *texts {
	primary, _, _ := strings.Cut(tag, "-")
	for _, t := range languages {
		if t.tag == primary {
			return t
		}
	}
	return nil
}
