package clients

import (
	"strings"
	"testing"

	"github.com/getportal/ptlauth/e2e/program"
	"github.com/getportal/ptlauth/e2e/witness"
)

// TestCurl gets in with a token in a file that no other user of the machine can read.
func TestCurl(t *testing.T) {
	curl, backend := program.Need(t, "curl", "curl"), new(witness.App)
	h := newHousehold(t, map[string]app{"app": {addr: strings.TrimPrefix(witness.Listen(t, backend), "http://"), options: "token: {header: Authorization}"}})
	token := h.letIn(t, "app", "backup script", "ada")
	for _, scheme := range []string{"http", "https"} {
		address, env := h.url("app", scheme)+"/", desk(t, "SSL_CERT_FILE="+h.authority)
		h.run(t, env, 0, curl, "-sSf", "--oauth2-bearer", token, address)
		if user := backend.Header.Get("X-Ptl-User"); user != "ada" {
			t.Errorf("the app is told that it is %q", user)
		}
	}
	h.throwOut(t, "app", "backup script")
	if said := h.run(t, desk(t), 22, curl, "-sSf", "--oauth2-bearer", token, h.url("app", "http")+"/"); !strings.Contains(said, "401") {
		t.Errorf("curl says %q", said)
	}
}
