// Package page is a stub.
package page

import (
	"html"
	"net/http"
)

type Name string

const (
	LeaveAsk Name = "leaveAsk"
	Left     Name = "left"
	Device   Name = "device"
	NotKept  Name = "notKept"
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
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	if r.Method != "HEAD" {
		_, _ = w.Write([]byte(string(name) + " " + html.EscapeString(d.Terminal) + " " + html.EscapeString(d.User)))
	}
}
