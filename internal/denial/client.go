package denial

import (
	"net/http"
	"strings"
)

// MayAsk reports whether whoever asks may be asked for a password in return: a program that
// is no browser. A browser would show its own box to a person who has none.
//
// Browsers say what a request is for (Fetch Metadata §2), except over plain HTTP; calendar
// apps made of browsers do so too. No page can have anything but GET, HEAD and POST sent
// without CORS, nor by other methods without an Origin (Fetch §2.2.1, §3.2): such is a program.
func MayAsk(r *http.Request) bool {
	h := r.Header
	if h["Origin"] != nil {
		return false
	}
	agent := strings.Join(h["User-Agent"], "")
	mode := strings.Join(h["Sec-Fetch-Mode"], "")
	switch {
	case r.Method != "GET" && r.Method != "HEAD" && r.Method != "POST":
		return mode == "" && h["Sec-Fetch-Site"] == nil || mode == "no-cors"
	case strings.Contains(agent, " Thunderbird/"):
		return mode != "navigate"
	}
	return mode == "" && h["Sec-Fetch-Site"] == nil && h["Sec-Fetch-Dest"] == nil &&
		!strings.HasPrefix(agent, "Mozilla/")
}
