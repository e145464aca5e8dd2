// Package page is what a person sees of ptlauth: why the app is not shown, and the pages
// on which a browser is paired and signed out. They have one look, work without script and
// fetch nothing. Each language is a file.
package page

import (
	"html"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Name is one of the pages.
type Name string

// Instead of the app, each with the status that it is for.
const (
	Refused        Name = "refused"  // 401: the device is not paired
	Unpaired       Name = "unpaired" // 401: it was, or has a token that is not good
	Nobody         Name = "nobody"   // 401: no device is
	Forbidden      Name = "forbidden"
	NoApp          Name = "no app"
	Method         Name = "method"
	TooManyHeaders Name = "too many headers"
	NotReady       Name = "not ready" // 503
)

// On the own paths.
const (
	Pair     Name = "pair"      // asks for a code
	Confirm  Name = "confirm"   // says what the code is for, and asks whether that is wanted
	Wrong    Name = "wrong"     // the code is not good
	Slow     Name = "slow"      // 429: there were too many of them
	NotKept  Name = "not kept"  // the cookie did not come back
	Device   Name = "device"    // which device this is
	LeaveAsk Name = "leave ask" // asks whether to sign out
	Left     Name = "left"      // signed out
	Deleted  Name = "deleted"   // a cookie that was in the way is gone
)

// Data is what a page says of the request and of whoever asks. It needs no escaping.
type Data struct {
	Host    string // the site, as the person knows it; empty: it is not named
	Browser string // such as Chrome on Android, as Browser returns it
	InApp   string // the app whose inner browser this is, as InApp returns it

	Terminal, User string // whom the code, or the cookie, is for
	Paired         string // as which terminal this browser is, or was, paired beside that; empty: as none
	Since          int64  // when Terminal was paired, in seconds since 1970; 0: unknown

	Code, Next string // what the form keeps: the code as it was typed, and where to go afterwards
	// Base is the path of the own pages, ending in a slash; empty: this page is one of them.
	Base    string
	HasForm bool   // a denial has the field for a code
	PairURL string // where else devices are paired; empty: here, or nowhere

	IsFirst bool   // no device is paired yet
	Contact string // whom to ask, in the operator's words
	Locked  bool   // a cookie of the name came that nothing of ours can read: it can be deleted
	Secure  bool   // the browser asked by https
}

// policy lets nothing in but the style and the script below.
var policy = "default-src 'none'; style-src " + hash(style) + "; script-src " + hash(script) +
	"; img-src data:; form-action 'self'; base-uri 'none'" + noFrames

const noFrames = "; frame-ancestors 'none'" // guard: no page is shown in a frame

// Write answers with a page, in the language that the browser asks for first.
func Write(w http.ResponseWriter, r *http.Request, status int, name Name, d *Data) {
	t := choose(r.Header["Accept-Language"])
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Language", t["tag"])
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", policy)
	// With no-referrer, the POST of a form carries `Origin: null`.
	h.Set("Referrer-Policy", "same-origin")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Add("Vary", "Accept-Language")
	w.WriteHeader(status)
	if r.Method == "HEAD" {
		return
	}
	title := strings.ReplaceAll(t[string(name)+".title"], "{site}", "{host}")
	// Everything that is not ours is filled in at the end, in one go: so nothing of it is taken
	// for one of the places to fill.
	_, _ = io.WriteString(w, `<!doctype html>
<html lang="`+t["tag"]+head+fill(t, `<title>`+title+`</title>
</head>
<body>
<main>
`+emblem+content(t, name, d)+`</body>
</html>
`, d))
}

// head is all before a title that has nothing to fill.
const head = `">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<link rel="icon" href="data:,">
<style>` + style + `</style>
`

// fill puts in what is said of the request.
func fill(t texts, page string, d *Data) string {
	host, site := t["thisSite"], t["thisSite"]
	if d.Host != "" {
		host = html.EscapeString(d.Host)
		site = apart(d.Host)
	}
	base := ""
	if d.Base != "" { // on this host, whatever a client says
		base = "/" + strings.TrimLeft(d.Base, `/\`)
	}
	app := t["anotherApp"]
	if d.InApp != OtherApp {
		app = apart(d.InApp)
	}
	return strings.NewReplacer(
		"{host}", host, "{site}", site, "{app}", app,
		"{browser}", html.EscapeString(strings.Replace(d.Browser, " on ", " "+t["on"]+" ", 1)),
		"{terminal}", apart(d.Terminal), "{user}", apart(d.User), "{paired}", apart(d.Paired),
		"{since}", date(t, d.Since),
		"{contact}", contact(d.Contact),
		"{base}", html.EscapeString(base),
		"{code}", html.EscapeString(d.Code), "{next}", html.EscapeString(d.Next),
		"{pairURL}", html.EscapeString(d.PairURL),
	).Replace(page)
}

// apart is a text from outside that can change neither the sense nor the direction of the
// sentence around it.
func apart(text string) string {
	escaped := html.EscapeString(text) // guard: what comes from outside is escaped in a page
	return "<bdi>" + escaped + "</bdi>"
}

func date(t texts, seconds int64) string {
	if seconds == 0 {
		return ""
	}
	when := time.Unix(seconds, 0).UTC()
	day := strconv.Itoa(when.Day())
	if day == "1" {
		day = t["first"]
	}
	written := strings.NewReplacer("{day}", day, "{month}", t["month."+strconv.Itoa(int(when.Month()))], "{year}", strconv.Itoa(when.Year())).Replace(t["date"])
	return `<time datetime="` + when.Format("2006-01-02") + `">` + written + "</time>"
}
