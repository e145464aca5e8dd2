// Package page is a stub.
package page

import (
	"html"
	"net/http"
)

type Name string

const (
	Refused        Name = "refused"
	Unpaired       Name = "unpaired"
	Forbidden      Name = "forbidden"
	NoApp          Name = "noApp"
	TooManyHeaders Name = "tooManyHeaders"
	Method         Name = "method"
	NotReady       Name = "notReady"
	Nobody         Name = "nobody"
	Pair           Name = "pair"
	Confirm        Name = "confirm"
	Wrong          Name = "wrong"
	Slow           Name = "slow"
	NotKept        Name = "notKept"
	Device         Name = "device"
	LeaveAsk       Name = "leaveAsk"
	Left           Name = "left"
)

type Data struct {
	Host           string
	Browser        string
	InApp          string
	Terminal, User string
	Paired         string
	Since          int64
	Code, Next     string
	Base           string
	HasForm        bool
	PairURL        string
	Contact        string
	Locked         bool
	Secure         bool
}

func Write(w http.ResponseWriter, r *http.Request, status int, name Name, d *Data) {
	w.Header().Set("Referrer-Policy", "same-origin")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	if r.Method != "HEAD" {
		_, _ = w.Write([]byte(string(name) + " <form> " + html.EscapeString(d.Terminal) + " " + html.EscapeString(d.User)))
	}
}

func Browser(userAgent string) string { return "a browser" }

func InApp(userAgent string) string { return "" }
