package origin

import "net/http"

// Frames are the destinations of a navigation inside another page (Fetch §2.2.5). A page
// around the app can have its user click what it covers (CWE-1021). Nothing else tells of it:
// Safari sends no Upgrade-Insecure-Requests over https, nor Firefox for an object or embed.
var Frames = map[string]bool{"iframe": true, "frame": true, "embed": true, "object": true, "fencedframe": true}

// IsFramed reports whether a browser says that the page is to be shown inside another one.
func IsFramed(h http.Header) bool {
	destination := h["Sec-Fetch-Dest"]
	return len(destination) > 0 && Frames[destination[0]]
}

// Restrict has the browser refuse to show the response around which a page of another origin
// stands. A frame that begins on a public page goes on to private ones as same-origin.
func Restrict(g *Guard, response http.Header) {
	if !g.off {
		response["Content-Security-Policy"] = append(response["Content-Security-Policy"], g.ancestors)
	}
}
