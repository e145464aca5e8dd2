package page

import (
	"encoding/json"
	"strconv"
	"strings"
	"sync"
)

// texts are all that pages say in one language, by what they say it for: `PAGE.title`,
// `PAGE.text` (what has happened) and `PAGE.next` (what can be done, where nothing better is
// known), `month.1` to `month.12`, and single words. In them, {site} is the host's name, in any
// place of a sentence but the first, or thisSite; and some have places of their own.
type texts = map[string]string

// sources are every language by its tag (BCP 47); English is spoken to whoever wants none.
var sources = map[string]string{"en": english, "de": german, "fr": french, "es": spanish}

// read are those that somebody has spoken.
var read sync.Map // texts, by tag

// speak returns what is said in a language of which there is a source.
func speak(tag string) texts {
	known, ok := read.Load(tag)
	if ok {
		return known.(map[string]string)
	}
	t := map[string]string{}
	err := json.Unmarshal([]byte(sources[tag]), &t)
	if err != nil {
		return t
	}
	read.Store(tag, t)
	return t
}

const (
	maxLanguages = 16
	maxAccepted  = 1 << 10
)

// choose returns the language that a browser prefers, by its Accept-Language (RFC 9110
// §12.5.4).
func choose(lines []string) texts {
	accepted := strings.ToLower(strings.Join(lines, ","))
	if len(accepted) > maxAccepted { // guard: an Accept-Language is looked at up to 1 KiB
		accepted = accepted[:maxAccepted]
	}
	best, most := "en", 0.0
	for _, item := range strings.SplitN(accepted, ",", maxLanguages+1) {
		tag, parameter, _ := strings.Cut(item, ";")
		quality := weight(parameter)
		if quality <= most {
			continue
		}
		// Of a dialect such as de-AT the language is spoken.
		primary, _, _ := strings.Cut(strings.TrimSpace(tag), "-")
		if sources[primary] != "" {
			best = primary
			most = quality
		}
	}
	return speak(best)
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
