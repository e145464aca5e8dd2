package denial

import (
	"net/http"
	"strings"
)

// MayAsk reports whether whoever asks may be asked for a password in return: a program that
// is no browser. A browser would show its own box to a person who has none.
//
// Browsers say what a request is for (Fetch Metadata §2), except over plain HTTP. So do
// programs that are made of them, as no page may: without CORS a page can have nothing but GET,
// HEAD and POST sent (Fetch §2.2.1). Of these, Thunderbird alone is known by its name: over
// plain HTTP, its calendar names an Origin as a page's script does.
func MayAsk(r *http.Request) bool {
	h := r.Header
	agent := strings.Join(h["User-Agent"], "")
	mode := strings.Join(h["Sec-Fetch-Mode"], "")
	isThunderbird := strings.Contains(agent, " Thunderbird/")
	switch {
	case mode == "no-cors":
		return !strings.Contains(byPages, r.Method) || isThunderbird && strings.Join(h["Sec-Fetch-Dest"], "") == "empty"
	case mode != "" || h["Sec-Fetch-Site"] != nil || h["Sec-Fetch-Dest"] != nil:
		return false
	case isThunderbird:
		return true
	}
	return h["Origin"] == nil && h["Referer"] == nil && !(strings.Contains(byPages, r.Method) && isBrowser(agent))
}

// byPages are the methods of pages and their scripts. Old browsers name no Origin by any of
// them (Firefox until 65, Internet Explorer); by others, no browser has done without.
const byPages = "GET HEAD POST PUT PATCH DELETE"

// isBrowser is for browsers of all kinds, and for what plays Safari's films and shows Safari's
// box for it.
func isBrowser(agent string) bool {
	return strings.HasPrefix(agent, "Mozilla/") || strings.HasPrefix(agent, "Opera/") || strings.HasPrefix(agent, "AppleCoreMedia/")
}
