package clients

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/getportal/ptlauth/cmd/client"
	"github.com/getportal/ptlauth/e2e/program"
	"github.com/getportal/ptlauth/e2e/witness"
)

// everyWay are options of a middleware that looks for tokens wherever a program may have them.
const everyWay = `token: {basic: true, header: [Authorization, X-Access-Token]}`

// TestCurl fetches a page by what is in a file of its own, and TestWget does.
func TestCurl(t *testing.T) {
	program.Need(t, "curl", "curl")
	h := newHousehold(t, map[string]app{"app": {addr: startPage(t), options: everyWay}})
	h.inEachWay(t, "app", "a page", "curl", func(t *testing.T, d *desktop) {
		if said := d.run(t, 0, d.then()+" -sS"); said != "hello, ada\n" {
			t.Errorf("it says %q", said)
		}
		d.refused(t, 22, d.then()+" -sSf", "The requested URL returned error: 401")
	})
}

// TestUserNames: whatever stands before the token, it is the token that says who it is.
func TestUserNames(t *testing.T) {
	program.Need(t, "curl", "curl")
	h := newHousehold(t, map[string]app{"app": {addr: startPage(t), options: everyWay}})
	h.letIn(t, "app", "laptop", "ada")
	d := h.newDesktop(t, "app", "laptop", h.url("app", "http"))
	d.have(t, h.typed(t, "app", "laptop", "password", client.Basic, d.site))
	id, token := d.typed.Fields[1].Value, d.typed.Fields[2].Value
	for _, test := range []struct{ name, credentials, want string }{
		{"the terminal's id", id + ":" + token, "hello, ada\n"},
		{"no name", ":" + token, "hello, ada\n"},
		{"somebody else's name", "bob:" + token, "hello, ada\n"},
		{"a name in another script", "Åda Лавлейс:" + token, "hello, ada\n"},
		{"the id once more in the password", "bob:" + id + ":" + token, "hello, ada\n"},
		{"another terminal's id in the password", "bob:k7p2x9:" + token, "hello, ada\n"},
		{"the token as the name", token + ":", "401"},
		{"a good name, and no token", id + ":letmein", "401"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if said := d.run(t, 0, "curl -sS -u '"+test.credentials+"' "+d.site+"/"); !strings.Contains(said, test.want) || (test.want == "401") == strings.Contains(said, "hello") {
				t.Errorf("it says %q, want %q", said, test.want)
			}
		})
	}
}

func TestWget(t *testing.T) {
	program.Need(t, "wget", "wget")
	h := newHousehold(t, map[string]app{"app": {addr: startPage(t), options: everyWay}})
	h.inEachWay(t, "app", "a page", "wget", func(t *testing.T, d *desktop) {
		line := d.then() + " -nv -O page --ca-certificate=" + h.authority
		d.run(t, 0, line)
		if said := d.run(t, 0, "cat page"); said != "hello, ada\n" {
			t.Errorf("it says %q", said)
		}
		d.refused(t, 6, line, "Authentication Failed")
	})
}

// startPage serves a page that says who asks, and returns its host and port.
func startPage(t *testing.T) string {
	t.Helper()
	return strings.TrimPrefix(witness.Listen(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "hello, %s\n", r.Header.Get("X-Ptl-User"))
	})), "http://")
}
