package clients

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/getportal/ptlauth/cmd/client"
	"github.com/getportal/ptlauth/e2e/source"
)

// startFeed serves a feed of two articles, and returns its host and port.
func startFeed(t *testing.T) string {
	t.Helper()
	server := httptest.NewServer(http.FileServer(http.Dir("testdata/feed")))
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

// TestFeed reads a feed that this household alone may read.
func TestFeed(t *testing.T) {
	h := newHousehold(t, map[string]app{"notes": {addr: startFeed(t), options: "token: {basic: true}"}})
	h.letIn(t, "notes", "laptop", "ada")
	readers := map[string]*newsboat{}
	for _, scheme := range []string{"http", "https"} {
		password, cookie := h.typed(t, "notes", "laptop", "newsboat", client.Basic, h.url("notes", scheme)+"/basic.xml"), h.typed(t, "notes", "laptop", "newsboat", client.Cookie, h.url("notes", scheme))
		readers["the token as a password, over "+scheme] = newNewsboat(t, h, "", password.Text, "")
		readers["the token in its cookies, over "+scheme] = newNewsboat(t, h, "", h.url("notes", scheme)+"/basic.xml\n", cookie.Text)
	}
	for name, reader := range readers {
		t.Run("newsboat has "+name, func(t *testing.T) { wantUnread(t, reader, "2 unread articles") })
	}
	h.throwOut(t, "notes", "laptop")
	for _, reader := range readers {
		if said, noted := reader.reload(t, 0); !strings.Contains(noted, "HTTP response code said error 401") {
			t.Errorf("newsboat says %q, and notes %q", said, noted)
		}
	}
	shows(t, "newsboat", "a feed", client.Basic)
	shows(t, "newsboat", "a feed", client.Cookie)
}

func wantUnread(t *testing.T, reader *newsboat, want string) {
	t.Helper()
	if said, noted := reader.reload(t, 0); !strings.Contains(said, want) || noted != "" {
		t.Errorf("newsboat says %q, and notes %q", said, noted)
	}
}

// noToken is what ptlauth answers to programs that it refuses.
const noToken = `"detail":"Unauthorized"`

// curlSettings are lines of a file for curl --config with what ptl has printed for it.
func curlSettings(t *testing.T, what *typed, way client.Way) string {
	t.Helper()
	if way == client.Basic { // printed is what is named here
		return "netrc-file = \"" + source.Named(t, "token.netrc", what.Text) + "\"\n"
	}
	return what.Text
}
