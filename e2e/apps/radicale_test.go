package apps

import (
	"fmt"
	"maps"
	"net/http"
	"strings"
	"testing"

	"github.com/getportal/ptlauth/e2e/issuer"
	"github.com/getportal/ptlauth/e2e/radicale"
	"github.com/getportal/ptlauth/e2e/traefik"
	"github.com/getportal/ptlauth/e2e/traefik/traefiktest"
	"github.com/getportal/ptlauth/e2e/visitor"
)

const appointment = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//ptlauth//test//EN\r\nBEGIN:VEVENT\r\nUID:1\r\n" +
	"DTSTAMP:20260102T030405Z\r\nDTSTART:20260102T100000Z\r\nSUMMARY:See the dentist\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"

// TestRadicale protects a calendar server that believes X-Remote-User, and X_Remote_User as well: it is a WSGI app.
func TestRadicale(t *testing.T) {
	if testing.Short() {
		t.Skip("starts Traefik")
	}
	addr, _ := radicale.Start(t, radicale.ByHeader)

	secret, tokens := issuer.Keyring(t)
	proxy := traefiktest.Start(t, traefik.Options{Dynamic: strings.NewReplacer("SECRET", secret, "RADICALE", addr).Replace(`
http:
  middlewares:
    auth:
      plugin:
        ptlauth:
          secretFile: SECRET
          terminals: {paired: [{id: abc123}, {id: def456}]}
          headers: {X-Remote-User: "{auth.user}"}
  routers:
    radicale: {rule: PathPrefix("/"), service: radicale, middlewares: [auth]}
  services:
    radicale: {loadBalancer: {servers: [{url: "http://RADICALE"}]}}
`)})
	around := visitor.Doors(t, proxy)[0]
	around.URL = "http://" + addr
	as := func(token string) http.Header { return http.Header{"Cookie": {"authorization=" + tokens[token]}} }

	for _, door := range visitor.Doors(t, proxy) {
		calendar := fmt.Sprintf("/abc123/calendar-%d-%t/", door.Major, strings.HasPrefix(door.URL, "https"))
		event := calendar + "1.ics"

		t.Run("a paired device keeps a calendar over "+door.Name, func(t *testing.T) {
			door.Ask(t, http.StatusCreated, "MKCALENDAR "+calendar, as("portal"))
			door.Ask(t, http.StatusCreated, "PUT "+event, as("portal"), visitor.WithBody(appointment))
			if _, body := door.Ask(t, http.StatusOK, "GET "+event, as("portal")); !strings.Contains(body, "SUMMARY:See the dentist") {
				t.Errorf("the event reads %q", body)
			}
			if _, body := door.Ask(t, http.StatusMultiStatus, "PROPFIND /abc123/", as("portal"), depth1); !strings.Contains(body, calendar) {
				t.Errorf("the calendar is not listed: %s", body)
			}
		})

		t.Run("without a token nothing of Radicale is seen over "+door.Name, func(t *testing.T) {
			for _, path := range []string{"/", "/.well-known/caldav", calendar, event} {
				for _, method := range []string{"GET", "PROPFIND", "OPTIONS", "PUT", "DELETE"} {
					door.Ask(t, http.StatusUnauthorized, method+" "+path, nil)
				}
			}
		})

		for _, spelling := range visitor.Spellings("X-Remote-User") {
			t.Run("a forged "+spelling+" is not believed over "+door.Name, func(t *testing.T) {
				claim := http.Header{spelling: {"abc123"}}
				door.Ask(t, http.StatusUnauthorized, "GET "+event, claim)
				door.Ask(t, http.StatusUnauthorized, "DELETE "+event, claim)

				maps.Copy(claim, as("other-terminal"))
				door.Ask(t, http.StatusForbidden, "GET "+event, claim)
				door.Ask(t, http.StatusForbidden, "PUT "+event, claim, visitor.WithBody(strings.Replace(appointment, "dentist", "locksmith", 1)))
				door.Ask(t, http.StatusForbidden, "DELETE "+calendar, claim)
				if _, body := door.Ask(t, http.StatusMultiStatus, "PROPFIND /", claim, depth1); !strings.Contains(body, "/def456/") || strings.Contains(body, "/abc123/") {
					t.Errorf("Radicale takes def456 for somebody else: %s", body)
				}

				maps.Copy(claim, as("portal"))
				claim[spelling] = []string{"def456"}
				if _, body := door.Ask(t, http.StatusOK, "GET "+event, claim); !strings.Contains(body, "SUMMARY:See the dentist") {
					t.Errorf("the event reads %q", body)
				}
			})
		}
		for _, believed := range []string{"X-Remote-User", "X_Remote_User", "x-remote_user"} {
			t.Run("around ptlauth Radicale believes "+believed+", seen over "+door.Name, func(t *testing.T) {
				around.Ask(t, http.StatusOK, "GET "+event, http.Header{believed: {"abc123"}})
			})
		}
	}
}

func depth1(r *http.Request) { r.Header.Set("Depth", "1") }
