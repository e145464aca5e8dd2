package main

import (
	"bytes"
	_ "embed"
	"html/template"
	"net/http"
	"net/url"
	"strings"
)

//go:embed pair.html
var pairSource string

var pairPage = template.Must(template.New("pair").Parse(pairSource))

const loginPath = "/demo-login"

// pairing is the page that loginURL leads to: whoever presses its button gets the
// terminal's token as a cookie. That is for this demo, which listens on this machine
// alone; the real thing would have to ask who is there.
func pairing(device, token string) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+loginPath, func(w http.ResponseWriter, r *http.Request) {
		var html bytes.Buffer
		if err := pairPage.Execute(&html, map[string]string{"Device": device, "Next": localPath(r.FormValue("next"))}); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Write(html.Bytes())
	})
	mux.HandleFunc("POST "+loginPath, func(w http.ResponseWriter, r *http.Request) {
		http.SetCookie(w, &http.Cookie{Name: "authorization", Value: token, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode})
		http.Redirect(w, r, localPath(r.FormValue("next")), http.StatusSeeOther)
	})
	return http.NewCrossOriginProtection().Handler(mux)
}

// localPath keeps of a URL what stays on this host, so that next is no open redirect.
func localPath(next string) string {
	u, err := url.Parse(next)
	if err != nil || !strings.HasPrefix(u.Path, "/") || strings.HasPrefix(u.Path, "//") {
		return "/"
	}
	return u.RequestURI()
}
