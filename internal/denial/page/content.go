package page

import (
	"bytes"
	"html"
	"regexp"
	"strings"
	"sync"
	"text/template"
)

// layout is what stands on a page under its title: .Name's page, in the words .T, of .D. Nothing
// from outside is written here: it is filled in at the end, where places such as {site} stand.
const layout = `
{{- define "paragraph"}}{{with .}}<p>{{.}}</p>
{{end}}{{end}}

{{- define "notice"}}<p class="notice">{{.}}</p>
{{end}}

{{- define "in app"}}{{if .D.InApp}}{{template "notice" .T.inApp}}{{end}}{{end}}

{{- define "paired already"}}{{if .D.Paired}}{{template "notice" .T.alreadyPaired}}{{end}}{{end}}

{{- /* It asks for a code, which is looked at before anything happens. Whoever opens this address in a real browser, and
not inside an app, needs the code there. */ -}}
{{define "form"}}<form method="post" action="{base}pair"{{if .D.InApp}} data-keep{{end}}>
<label for="code">{{.T.code}}</label>
<input id="code" name="code" value="{code}" required maxlength="128" autocomplete="off" autocapitalize="characters" autocorrect="off" spellcheck="false" enterkeyhint="go" aria-describedby="hint"
{{- if eq .Name "pair" "wrong"}} autofocus{{end}}{{if eq .Name "wrong"}} aria-invalid="true"{{end}}>
<p id="hint">{{.T.codeHint}}</p>
<input type="hidden" name="next" value="{next}">
<button>{{.T.look}}</button>
</form>
{{end}}

{{- /* It moves the code from the link into the form, where there is none yet. */ -}}
{{define "script"}}<script>` + script + `</script>
{{end}}

{{- define "code"}}{{if not .D.Code}}{{template "script"}}{{end}}{{end}}

{{- define "again"}}<p><a class="button" href="{base}pair">{{.T.again}}</a></p>
{{end}}

{{- define "delete"}}<form method="post" action="{base}out">
<input type="hidden" name="delete" value="{{end}}

{{- define "facts"}}<dl>
{{if .D.Terminal}}<div><dt>{{.T.device}}</dt><dd>{terminal}</dd></div>
{{end}}{{if .D.User}}<div><dt>{{.T.user}}</dt><dd>{user}</dd></div>
{{end}}{{if .D.Host}}<div><dt>{{.T.site}}</dt><dd>{site}</dd></div>
{{end}}{{if .D.Browser}}<div><dt>{{.T.browser}}</dt><dd>{browser}</dd></div>
{{end}}{{if .D.Since}}<div><dt>{{.T.since}}</dt><dd>{since}</dd></div>
{{end}}</dl>
{{end}}

{{- /* How the device is paired. */ -}}
{{define "ways in"}}
{{- if .D.HasForm}}{{template "paragraph" .T.haveCode}}{{template "in app" .}}{{template "form" .}}
{{- else if .CanPair}}{{template "paragraph" .T.haveLink}}{{template "in app" .}}<p><a class="button" href="{pairURL}">{{.T.pair}}</a></p>
{{else}}{{template "paragraph" .Next}}{{end}}{{end}}

{{- /* A cookie may keep the one of a pairing from being seen. */ -}}
{{define "obstacle"}}
{{- if and .D.Locked .IsPairing}}<h2>{{.T.locked}}</h2>
{{template "paragraph" .T.lockedText}}{{template "delete"}}all">
<button class="second">{{.T.deleteOne}}</button>
</form>
{{if .D.Secure}}{{template "paragraph" .T.deleteAllText}}{{template "delete"}}site">
<button class="second">{{.T.deleteAll}}</button>
</form>
{{end}}{{end}}{{end -}}

<h1>{{.Title}}</h1>
{{template "paragraph" .Text}}
{{- if eq .Name "refused" "unpaired"}}{{template "ways in" .}}{{template "obstacle" .}}
{{- else if eq .Name "nobody"}}{{if .IsPairing}}{{template "paragraph" .T.firstByCode}}{{end}}{{template "ways in" .}}
{{- else if eq .Name "pair"}}{{template "in app" .}}{{template "paired already" .}}{{template "form" .}}<noscript>{{template "paragraph" .T.noScript}}</noscript>
{{template "code" .}}
{{- else if eq .Name "confirm"}}{{template "facts" .}}{{template "paired already" .}}{{template "paragraph" .Next}}{{template "in app" .}}
{{- /* The second press is the one that pairs. */ -}}
<form method="post" action="{base}pair">
<input type="hidden" name="code" value="{code}">
<input type="hidden" name="next" value="{next}">
<input type="hidden" name="do" value="pair">
<button>{{.T.pair}}</button>
</form>
<p><a href="pair">{{.T.cancel}}</a></p>
{{template "script"}}
{{- else if eq .Name "device"}}{{template "facts" .}}{{if .D.Paired}}{{template "notice" .T.wasPaired}}{{end}}
{{- if .CanGoOn}}<p><a class="button" href="{next}">{{.T.open}}</a></p>
{{end}}<p><a href="out">{{.T.signOut}}</a></p>
{{else}}{{template "paragraph" .Next}}
{{- if eq .Name "wrong" "slow"}}{{template "form" .}}{{template "code" .}}
{{- else if eq .Name "not kept"}}{{template "again" .}}{{template "obstacle" .}}
{{- else if eq .Name "left" "deleted"}}{{template "again" .}}
{{- else if eq .Name "leave ask"}}<form method="post" action="{base}out">
<button>{{.T.signOut}}</button>
</form>
<p><a href="./">{{.T.cancel}}</a></p>
{{end}}{{end}}</main>
{{if .D.Contact}}<footer>
{{template "paragraph" .T.contact}}</footer>
{{end}}`

// laidOut is the layout, which is read when somebody sees a page: a start is not to wait for it.
var (
	laidOut *template.Template
	once    sync.Once
)

func layOut() {
	laidOut = template.Must(template.New("page").Parse(layout))
}

// content is all of a page from its title on, with the places that are to be filled.
func content(t texts, name Name, d *Data) string {
	once.Do(layOut)
	var text bytes.Buffer
	_ = laidOut.Execute(&text, map[string]interface{}{
		"Name": string(name), "T": t, "D": d,
		"Title": t[string(name)+".title"], "Text": t[string(name)+".text"], "Next": t[string(name)+".next"],
		"CanPair": isPlace(d.PairURL), "CanGoOn": isPlace(d.Next),
		"IsPairing": d.HasForm || d.PairURL != "" || d.Base != "", // devices are paired by a code
	})
	return text.String()
}

// mail is an address as people give it.
var mail = regexp.MustCompile(`^[^\s@<>"?&%]+@[^\s@<>"?&%]+$`)

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
