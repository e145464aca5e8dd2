// Package header keeps the headers of a request honest: names that claim an
// identity are taken out however they are spelled, hop-by-hop headers cannot
// reach past the proxy, and only header-safe text is put in.
package header

import (
	"io"
	"net/http"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// IsReserved reports whether a folded name belongs to Portal.
func IsReserved(folded string) bool {
	return strings.HasPrefix(folded+"-", "x-ptl-")
}

// folding makes small letters of capitals, and blanks of what may come to a backend as a dash:
// all characters of a name (RFC 9110 §5.6.2) but letters and digits.
var folding = strings.NewReplacer(strings.Split("AaBbCcDdEeFfGgHhIiJjKkLlMmNnOoPpQqRrSsTtUuVvWwXxYyZz! # $ % & ' * + - . ^ _ ` | ~ ", "")...)

// Fold is the name as the most careless backend reads it: lower case, every run of
// characters other than letters and digits one dash, and none around it. CGI, WSGI, Rack and
// PHP read X_Ptl_User as X-Ptl-User (CVE-2025-64484, GHSA-f59h-q822-g45g,
// CVE-2026-54763, CVE-2015-0219).
func Fold(name string) string {
	return strings.Join(strings.Fields(folding.Replace(name)), "-")
}

// foldEach folds names of a request all at once: a few calls for each cost the interpreter more
// than the names do. None holds a NUL, nor anything else that is no token: Go's server sees to it.
func foldEach(names []string) []string {
	text := Fold(strings.Join(names, "\x00"))
	text = strings.ReplaceAll(strings.ReplaceAll(text, "-\x00", "\x00"), "\x00-", "\x00")
	return strings.Split(text, "\x00")
}

// Stripper is what a middleware knows of header names before any request comes.
type Stripper struct {
	// Harmless are the names of an ordinary browser's request that need no look: one
	// native call reports whether a request has others.
	Harmless map[string]bool
	// Fails refuses every byte, so that writing to it fails if there is any.
	Fails io.Writer

	injected  map[string]bool // folded
	strip     *Strip
	pages     bool            // pages ask for more than an answer
	rewriting bool            // names that say another path are taken out
	kept      map[string]bool // canonical: the headers that carry a token, which are read first, then taken out

	// learned are the usual names and harmless ones that requests brought along, so that
	// an app's own headers cost a look once.
	learned atomic.Value // map[string]bool, which does not change
	mutex   sync.Mutex
	last    time.Time
}

const (
	// MaxNames bounds how many names a request may have: each costs the interpreter a look.
	MaxNames = 256
	// maxLearned bounds how many names are learned before all are forgotten, and
	// longestLearned their length: names that are made up must not fill the memory.
	maxLearned      = 64
	maxLearnedBytes = 64
	// maxTold is how many of a request's names that were taken out may be told of.
	maxTold = 8
	// learnInterval is the least time between two lessons, each of which copies all names.
	learnInterval = 10 * time.Millisecond
)

// usual are canonical names that claim nothing and steer no proxy, by their folded ones. They
// are made once: a thousand routers need a guard each.
var usual = foldAll(`
	Accept Accept-Encoding Accept-Language Authorization
	Content-Encoding Content-Language Content-Length Content-Type Cookie
	Dnt If-Match If-Modified-Since If-None-Match If-Range
	If-Unmodified-Since Origin Priority Range Referer
	Sec-Ch-Ua Sec-Ch-Ua-Arch Sec-Ch-Ua-Bitness Sec-Ch-Ua-Full-Version-List
	Sec-Ch-Ua-Mobile Sec-Ch-Ua-Model Sec-Ch-Ua-Platform
	Sec-Ch-Ua-Platform-Version Sec-Fetch-Dest Sec-Fetch-Mode Sec-Fetch-Site
	Sec-Fetch-Storage-Access Sec-Fetch-User Sec-Gpc Sec-Purpose
	User-Agent X-Csrf-Token X-Forwarded-For X-Forwarded-Host
	X-Forwarded-Port X-Forwarded-Proto X-Forwarded-Server X-Real-Ip
	X-Requested-With
`)

// SetOf are the words of a text: as a list in Go, each would make every start slower.
func SetOf(text string) map[string]bool {
	set := map[string]bool{}
	for _, word := range strings.Fields(text) {
		set[word] = true
	}
	return set
}

func foldAll(names string) map[string]string {
	folded := map[string]string{}
	for _, name := range strings.Fields(names) {
		folded[Fold(name)] = name
	}
	return folded
}

// Names are the headers that a middleware takes out of every request, besides X-Ptl-*.
type Names struct {
	Injected []string // whatever it may inject
	Strip    *Strip
	// Rewriting reports that public and private paths are told apart, so that nothing may
	// say another path.
	Rewriting bool
	// Pages reports that a page may be asked for once more, with another token.
	Pages bool
	// Tokens are the canonical names of the headers that carry a token.
	Tokens []string
}

// NewStripper makes the stripper of a middleware that takes those names out.
func NewStripper(names Names) *Stripper {
	g := &Stripper{Harmless: map[string]bool{}, injected: map[string]bool{}, strip: names.Strip, rewriting: names.Rewriting, pages: names.Pages, kept: SetOf(strings.Join(names.Tokens, " "))}
	for _, name := range names.Injected {
		g.injected[Fold(name)] = true
	}
	for folded, name := range usual {
		if !g.injected[folded] && !g.kept[name] && (g.strip.more == nil || !g.strip.more.MatchString(folded)) {
			g.Harmless[name] = true
		}
	}
	reader, writer := io.Pipe()
	_ = reader.Close()
	g.Fails = writer
	return g
}

// Clean looks at every name that is not usual: one that claims an identity is
// deleted, and the connection's own headers are rebuilt. It reports whether the request
// may ask for more than an answer: for a WebSocket, a page in a frame, or an event stream;
// whether a header may carry a token, so that more than the Cookie line decides; or whether it
// has more than MaxNames, and is to be refused as it is. A page in a window of its own, loaded
// again or not, asks for no more.
func Clean(g *Stripper, h http.Header) bool {
	if len(h) > MaxNames {
		return true
	}
	learned, ok := g.learned.Load().(map[string]bool)
	if (!ok || h.WriteSubset(g.Fails, learned) != nil) && cleanAll(g, h, learned) {
		return true
	}
	if h["Upgrade"] != nil || h["Upgrade-Insecure-Requests"] != nil || h["Cache-Control"] != nil {
		return asksMore(g, h)
	}
	return false
}

// cleanAll looks at every name but those that may carry a token, in that spelling alone, and
// reports whether one of these is there.
func cleanAll(g *Stripper, h http.Header, learned map[string]bool) bool {
	if learned == nil {
		learned = g.Harmless
	}
	carriers := http.Header{}
	for name := range g.kept {
		if h[name] != nil {
			carriers[name] = h[name]
			delete(h, name)
		}
	}
	if len(carriers) == 0 || h.WriteSubset(g.Fails, learned) != nil {
		cleanSlow(g, h)
		rebuildConnection(h) // guard: Connection is rebuilt, only a WebSocket upgrades
	}
	for name, values := range carriers {
		h[name] = values
	}
	return len(carriers) > 0 // guard: what may carry a token is looked at
}

// asksMore looks closer at what most pages bring along.
func asksMore(g *Stripper, h http.Header) bool {
	destination := h["Sec-Fetch-Dest"]
	if h["Upgrade"] != nil ||
		h["Upgrade-Insecure-Requests"] != nil && (g.pages || len(destination) > 0 && destination[0] != "document") {
		return true
	}
	accept := h["Accept"]
	return h["Cache-Control"] != nil && len(accept) > 0 && strings.Contains(accept[0], "text/event-stream")
}

func cleanSlow(g *Stripper, h http.Header) {
	usual, injected := g.Harmless, g.injected
	var names, harmless, foreign []string
	for name := range h {
		if !usual[name] {
			names = append(names, name)
		}
	}
	folded := foldEach(names)
	for i, name := range names {
		if IsReserved(folded[i]) || // guard: X-Ptl-* in any spelling is taken out
			injected[folded[i]] { // guard: whatever may be injected is taken out
			delete(h, name)
		} else if isForeign(g, name, folded[i]) {
			delete(h, name)
			if len(foreign) < maxTold {
				foreign = append(foreign, folded[i])
			}
		} else if len(name) <= maxLearnedBytes &&
			!hopByHop[name] { // guard: what acts between two hops is looked at each time
			harmless = append(harmless, name)
		}
	}
	for _, name := range foreign {
		tell(name)
	}
	if harmless != nil {
		learn(g, harmless)
	}
}

// Claims are the names of the headers that say who asks, however they are spelled; none where
// there are more than MaxNames.
func Claims(g *Stripper, h http.Header) []string {
	var names []string
	for name := range h {
		folded := Fold(name)
		if len(h) <= MaxNames && (IsReserved(folded) || g.injected[folded] || identity.MatchString(folded)) {
			names = append(names, name)
		}
	}
	return names
}

// Empty takes every header out of a request that is refused.
func Empty(h http.Header) {
	// A loop over as many as a client sends would be the interpreter's.
	reflect.ValueOf(h).Clear()
}

// isForeign reports whether an app may believe a header that is none of ours, by its name
// and that name folded.
func isForeign(g *Stripper, name, folded string) bool {
	s := g.strip
	// guard: what apps believe beside our header is taken out
	if identity.MatchString(folded) && (s.less == nil || !s.less.MatchString(folded)) {
		return true
	}
	// guard: nothing says another path where public and private mix
	if g.rewriting && rewrites.MatchString(folded) && (folded != forwardedPrefix ||
		name != "X-Forwarded-Prefix") { // guard: a prefix of the client's own is not Traefik's
		return true
	}
	return s.more != nil && s.more.MatchString(folded)
}

// hopByHop are the names that rebuildConnection looks at in every request.
var hopByHop = SetOf("Connection Upgrade Http2-Settings")

// learn adds names to those that need no look. The map is read without a lock, and is
// therefore replaced.
func learn(g *Stripper, names []string) {
	g.mutex.Lock()
	defer g.mutex.Unlock()
	if time.Since(g.last) < learnInterval {
		return
	}
	g.last = time.Now()
	known, ok := g.learned.Load().(map[string]bool)
	if !ok || len(known)+len(names) > len(g.Harmless)+maxLearned {
		known = g.Harmless
	}
	more := make(map[string]bool, len(g.Harmless)+maxLearned)
	for name := range known {
		more[name] = true
	}
	for _, name := range names {
		if len(more) < len(g.Harmless)+maxLearned {
			more[name] = true
		}
	}
	g.learned.Store(more)
}

// rebuildConnection lets a WebSocket through and nothing else that acts between two
// hops: a client's Connection could name an injected header, which the proxy would
// then drop (CVE-2024-45410, CVE-2025-48865), and any other Upgrade opens a tunnel
// behind every middleware once the app agrees (CVE-2026-88008).
func rebuildConnection(h http.Header) {
	if IsWebSocket(h) {
		h["Connection"] = []string{"Upgrade"}
		h["Upgrade"] = []string{"websocket"}
	} else {
		delete(h, "Connection")
		delete(h, "Upgrade")
	}
	delete(h, "Http2-Settings")
}

// maxConnection bounds a Connection that is looked at, in bytes: a WebSocket's names one option
// or two, and each costs the interpreter a step.
const maxConnection = 1 << 10

// IsWebSocket reports whether the request asks to become a WebSocket (RFC 6455 §4.1).
func IsWebSocket(h http.Header) bool {
	upgrade := h["Upgrade"]
	if len(upgrade) != 1 || !strings.EqualFold(strings.TrimSpace(upgrade[0]), "websocket") {
		return false
	}
	options := strings.ToLower(strings.Join(h["Connection"], ","))
	if len(options) > maxConnection {
		return false
	}
	for _, option := range strings.Split(options, ",") {
		if strings.TrimSpace(option) == "upgrade" {
			return true
		}
	}
	return false
}

// controls are the bytes that no value may hold: CR, LF and NUL end a header line
// in some proxy or app (traefik#13624), the others have no business there.
const controls = "\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f" +
	"\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19\x1a\x1b\x1c\x1d\x1e\x1f\x7f"

// maxValue bounds an injected value, in bytes.
const maxValue = 1024

// ValueProblem says why a value cannot be sent as it is; empty when it can. White
// space around a value would be lost on the way, and another name arrive.
func ValueProblem(value string) string {
	if strings.ContainsAny(value, controls) { // guard: no value holds a control character
		return "holds a control character"
	}
	if value != "" && (value[0] == ' ' || value[len(value)-1] == ' ') {
		return "begins or ends with white space"
	}
	if len(value) > maxValue {
		return "is longer than 1 KiB"
	}
	return ""
}

// NameBytes are those of a token (RFC 9110 §5.6.2), such as a header's name or a method.
const NameBytes = "!#$%&'*+-.^_`|~0123456789" +
	"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

// steering are names that a proxy or the connection itself acts upon. By the last six, a page in
// a frame, another origin's, and an event stream are known.
var steering = SetOf(steeringNames)

const steeringNames = `
	connection content-length cookie expect host http2-settings keep-alive te trailer transfer-encoding upgrade
	sec-websocket-key sec-websocket-version sec-websocket-accept sec-websocket-extensions sec-websocket-protocol
	upgrade-insecure-requests cache-control origin sec-fetch-dest sec-fetch-mode sec-fetch-site
`

// NameProblem says why a header of that name cannot be injected; empty when it can.
func NameProblem(name string) string {
	if name == "" || strings.Trim(name, NameBytes) != "" || Fold(name) == "" {
		return "is not a header name: use letters, digits and dashes"
	}
	if steering[Fold(name)] || strings.HasPrefix(Fold(name), "proxy-") {
		return "steers the connection and cannot be injected: choose another name"
	}
	return ""
}
