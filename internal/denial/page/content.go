package page

import (
	"html"
	"regexp"
	"strings"
)

// words are those of one page.
type words struct {
	title, text, next string
}

// content is what stands on a page under its title.
func content(t texts, name Name, d *Data) string {
	w := words{title: t[string(name)+".title"], text: t[string(name)+".text"], next: t[string(name)+".next"]}
	top := "<h1>" + w.title + "</h1>\n" + paragraph(w.text)
	switch name {
	case Refused, Unpaired:
		return top + waysIn(t, w, d) + obstacle(t, d)
	case Nobody:
		return top + first(t, w, d)
	case Pair:
		return top + inApp(t, d) + alreadyPaired(t, d) + form(t, d, " autofocus") + noScript(t) + code(d)
	case Wrong:
		return top + paragraph(w.next) + form(t, d, ` autofocus aria-invalid="true"`) + code(d)
	case Slow:
		return top + paragraph(w.next) + form(t, d, "") + code(d)
	case Confirm:
		return top + facts(t, d) + alreadyPaired(t, d) + paragraph(w.next) + inApp(t, d) + confirm(t) + withScript
	case NotKept:
		return top + paragraph(w.next) + link("{base}pair", t["again"]) + obstacle(t, d)
	case Device:
		return top + facts(t, d) + wasPaired(t, d) + ways(t, d)
	case LeaveAsk:
		return top + paragraph(w.next) + press("out", "", t["signOut"]) + back("./", t["cancel"])
	case Left, Deleted:
		return top + paragraph(w.next) + link("{base}pair", t["again"])
	}
	return top + paragraph(w.next)
}

func paragraph(text string) string {
	if text == "" {
		return ""
	}
	return "<p>" + text + "</p>\n"
}

func notice(text string) string {
	return `<p class="notice">` + text + "</p>\n"
}

// isPairing reports whether devices are paired by a code.
func isPairing(d *Data) bool {
	return d.HasForm || d.PairURL != "" || d.Base != ""
}

// waysIn says how the device is paired.
func waysIn(t texts, w words, d *Data) string {
	switch {
	case d.HasForm:
		return paragraph(t["haveCode"]) + inApp(t, d) + form(t, d, "")
	case isPlace(d.PairURL):
		return paragraph(t["haveLink"]) + inApp(t, d) + link("{pairURL}", t["pair"])
	}
	return paragraph(w.next)
}

// first says how the first device is paired.
func first(t texts, w words, d *Data) string {
	if isPairing(d) {
		return paragraph(t["firstByCode"]) + waysIn(t, w, d)
	}
	return paragraph(w.next)
}

func inApp(t texts, d *Data) string {
	if d.InApp == "" {
		return ""
	}
	return notice(t["inApp"])
}

func alreadyPaired(t texts, d *Data) string {
	if d.Paired == "" {
		return ""
	}
	return notice(t["alreadyPaired"])
}

func wasPaired(t texts, d *Data) string {
	if d.Paired == "" {
		return ""
	}
	return notice(t["wasPaired"])
}

// form asks for a code, which is looked at before anything happens. What more its field has
// is ours.
func form(t texts, d *Data, more string) string {
	keeps := ""
	if d.InApp != "" {
		keeps = " data-keep" // Whoever opens this address in a real browser needs the code there.
	}
	return `<form method="post" action="{base}pair"` + keeps + `>
<label for="code">` + t["code"] + `</label>
<input id="code" name="code" value="{code}" required maxlength="128" autocomplete="off" autocapitalize="characters" autocorrect="off" spellcheck="false" enterkeyhint="go" aria-describedby="hint"` + more + `>
<p id="hint">` + t["codeHint"] + `</p>
<input type="hidden" name="next" value="{next}">
<button>` + t["look"] + `</button>
</form>
`
}

// code moves the code from the link into the form, where there is none yet.
func code(d *Data) string {
	if d.Code != "" {
		return ""
	}
	return withScript
}

const withScript = "<script>" + script + "</script>\n"

func noScript(t texts) string {
	return "<noscript>" + paragraph(t["noScript"]) + "</noscript>\n"
}

// confirm is the second press, the one that pairs.
func confirm(t texts) string {
	return press("pair", `<input type="hidden" name="code" value="{code}">
<input type="hidden" name="next" value="{next}">
<input type="hidden" name="do" value="pair">
`, t["pair"]) + back("pair", t["cancel"])
}

// press is a button that does something at one of the own paths.
func press(path, fields, label string) string {
	return `<form method="post" action="{base}` + path + `">
` + fields + "<button>" + label + "</button>\n</form>\n"
}

// link looks like a button, and only leads elsewhere.
func link(address, label string) string {
	return `<p><a class="button" href="` + address + `">` + label + "</a></p>\n"
}

func back(address, label string) string {
	return `<p><a href="` + address + `">` + label + "</a></p>\n"
}

// ways lead from the page of this device to the site and out.
func ways(t texts, d *Data) string {
	out := back("out", t["signOut"])
	if isPlace(d.Next) {
		return link("{next}", t["open"]) + out
	}
	return out
}

// obstacle offers to delete a cookie that may keep the one of a pairing from being seen.
func obstacle(t texts, d *Data) string {
	if !d.Locked || !isPairing(d) {
		return ""
	}
	one := "<h2>" + t["locked"] + "</h2>\n" + paragraph(t["lockedText"]) + second("all", t["deleteOne"])
	if d.Secure {
		return one + paragraph(t["deleteAllText"]) + second("site", t["deleteAll"])
	}
	return one
}

// second is a button that deletes cookies.
func second(what, label string) string {
	return `<form method="post" action="{base}out">
<input type="hidden" name="delete" value="` + what + `">
<button class="second">` + label + "</button>\n</form>\n"
}

// facts say whom the code, or the cookie, is for.
func facts(t texts, d *Data) string {
	list := fact(t["device"], "{terminal}", d.Terminal) + fact(t["user"], "{user}", d.User) +
		fact(t["site"], "{site}", d.Host) + fact(t["browser"], "{browser}", d.Browser)
	if d.Since != 0 {
		list += fact(t["since"], "{since}", " ")
	}
	return "<dl>\n" + list + "</dl>\n"
}

func fact(label, place, value string) string {
	if value == "" {
		return ""
	}
	return "<div><dt>" + label + "</dt><dd>" + place + "</dd></div>\n"
}

func footer(t texts, d *Data) string {
	if d.Contact == "" {
		return ""
	}
	return "<footer>\n" + paragraph(t["contact"]) + "</footer>\n"
}

// mail is an address as people give it.
var mail = regexp.MustCompile(`^[^\s@<>"?&%]{1,64}@[^\s@<>"?&%]{1,255}$`)

// contact is what the operator says, as a link where it is an address.
func contact(text string) string {
	shown := apart(text)
	switch {
	case mail.MatchString(text):
		return `<a href="mailto:` + html.EscapeString(text) + `">` + shown + "</a>"
	case isAddress(text) && !strings.ContainsAny(text, " \t\r\n"):
		return `<a href="` + html.EscapeString(text) + `">` + shown + "</a>"
	}
	return shown
}

// isPlace reports whether a link may lead there: to a page here or elsewhere, and to no script.
func isPlace(text string) bool {
	isHere := strings.HasPrefix(text, "./") ||
		strings.HasPrefix(text, "/") && !strings.HasPrefix(text, "//") && !strings.HasPrefix(text, `/\`)
	return isHere || isAddress(text)
}

func isAddress(text string) bool {
	return strings.HasPrefix(text, "https://") || strings.HasPrefix(text, "http://")
}
