package convos_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/coder/websocket/wsjson"

	"github.com/getportal/ptlauth/e2e/convos"
)

const admin = "ada@example.com"

func TestWhoAmI(t *testing.T) {
	tests := []struct {
		name   string
		header http.Header
		status int
		email  string
	}{
		{"nobody without the header", nil, 401, ""},
		{"the first user must be the admin to the letter", http.Header{"X-Ptl-User": {"ADA@example.com"}}, 401, ""},
		{"the admin", http.Header{"X-Ptl-User": {admin}}, 200, admin},
		{"a known user, lower-cased and trimmed", http.Header{"X-Ptl-User": {" ADA@example.com "}}, 200, admin},
		{"the header twice is a new user", http.Header{"X-Ptl-User": {admin, admin}}, 200, admin + ", " + admin},
		{"no email address", http.Header{"X-Ptl-User": {"nobody"}}, 500, ""},
		{"an underscore is another header", http.Header{"X_Ptl_User": {admin}}, 401, ""},
	}
	app := convos.New("X-Ptl-User", admin)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := httptest.NewRequest("GET", "/api/user", nil)
			r.Header = test.header
			w := httptest.NewRecorder()
			app.ServeHTTP(w, r)
			var body struct{ Email string }
			if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil {
				t.Fatal(err)
			}
			if w.Code != test.status || body.Email != test.email {
				t.Errorf("got %d %q, want %d %q", w.Code, body.Email, test.status, test.email)
			}
		})
	}
	if got, want := app.Users(), []string{admin, admin + ", " + admin}; !slices.Equal(got, want) {
		t.Errorf("users %q, want %q", got, want)
	}
}

func TestATrailerIsBelieved(t *testing.T) {
	server := httptest.NewServer(convos.New("X-Ptl-User", admin))
	defer server.Close()
	r, err := http.NewRequest("GET", server.URL+"/api/user", strings.NewReader("x"))
	if err != nil {
		t.Fatal(err)
	}
	r.ContentLength = -1
	r.Trailer = http.Header{"X-Ptl-User": {admin}}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusOK {
		t.Errorf("got %d, want 200", response.StatusCode)
	}
}

func TestEvents(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	server := httptest.NewServer(convos.New("X-Ptl-User", admin))
	defer server.Close()
	dial := func(header http.Header) *websocket.Conn {
		conn, _, err := websocket.Dial(ctx, server.URL+"/events", &websocket.DialOptions{HTTPHeader: header})
		if err != nil {
			t.Fatal(err)
		}
		return conn
	}

	nobody := dial(nil)
	defer nobody.CloseNow()
	if _, _, err := nobody.Read(ctx); websocket.CloseStatus(err) != websocket.StatusPolicyViolation {
		t.Errorf("without the header: %v, want a close with 1008", err)
	}

	user := dial(http.Header{"X-Ptl-User": {admin}})
	defer user.CloseNow()
	if err := user.Write(ctx, websocket.MessageText, []byte("hello")); err != nil {
		t.Fatal(err)
	}
	var got convos.Event
	if err := wsjson.Read(ctx, user, &got); err != nil {
		t.Fatal(err)
	}
	if want := (convos.Event{Email: admin, Message: "hello"}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
