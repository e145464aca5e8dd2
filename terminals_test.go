package ptlauth

import (
	"bytes"
	"context"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v4"
)

// TestUserTakenOut takes devices out key by key, as in a KV store: while it goes, no device becomes
// another user, and the others stay.
func TestUserTakenOut(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret")
	key := strings.Repeat("0123456789abcdef", 4)
	if err := os.WriteFile(secret, []byte(key), 0o600); err != nil {
		t.Fatal(err)
	}
	logged := new(bytes.Buffer)
	log.SetOutput(logged)
	t.Cleanup(func() { log.SetOutput(os.Stderr) })

	type group = map[string]interface{}
	phone := group{"name": "phone", "user": "ben"}
	list := func(laptop group) interface{} {
		entries := []interface{}{group{"id": "phone7", "name": "phone", "user": "ben"}}
		if laptop != nil {
			entries = append(entries, laptop)
		}
		return group{"paired": entries}
	}
	byID := func(laptop group) interface{} {
		entries := group{"phone7": phone}
		if laptop != nil {
			entries["k7p2x9"] = laptop
		}
		return group{"paired": entries}
	}
	const gone = ": its `user` is gone, so the device is nobody's"
	for _, step := range []struct {
		name      string
		terminals interface{}
		user      string // the laptop's; empty: it is refused
		log       string
	}{
		{"both are in", byID(group{"name": "laptop", "user": "ana"}), "ana", ""},
		{"without its name it is the same user", byID(group{"user": "ana"}), "ana", ""},
		{"with it again", byID(group{"name": "laptop", "user": "ana"}), "ana", ""},
		{"without its user it is nobody", byID(group{"name": "laptop"}), "", "terminals.paired.k7p2x9" + gone},
		{"for another router as well", byID(group{"name": "laptop"}), "", ""},
		{"with an empty user as well", byID(group{"name": "laptop", "user": ""}), "", "terminals.paired.k7p2x9.user: is empty"},
		{"without the empty user as well", byID(group{"name": "laptop"}), "", "terminals.paired.k7p2x9" + gone},
		{"without anything it is out", byID(nil), "", ""},
		{"a device that never had a user is its own", byID(group{"name": "laptop"}), "k7p2x9", ""},
		{"in a list it is in", list(group{"id": "k7p2x9", "name": "laptop", "user": "ana"}), "ana", ""},
		{"in a list without its user it is nobody", list(group{"id": "k7p2x9", "name": "laptop"}), "", "terminals.paired[1]" + gone},
		{"as a user of its own it is in", list(group{"id": "k7p2x9", "name": "laptop", "user": "k7p2x9"}), "k7p2x9", ""},
		{"in a list without its id it is nobody", list(group{"name": "laptop", "user": "ana"}), "", "terminals.paired[1]: has no `id`"},
		{"any admits it, which is logged", "any", "k7p2x9", "terminals: is `any` now, after a list"},
		{"for another router it is not logged again", "any", "k7p2x9", ""},
	} {
		t.Run(step.name, func(t *testing.T) {
			logged.Reset()
			var got http.Header
			app := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = r.Header })
			handler, err := New(context.Background(), app, &Config{SecretFile: secret, Terminals: step.terminals}, "taken-out@redis")
			if err != nil {
				t.Fatal(err)
			}
			user := func(id string) string {
				token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"sub": id}).SignedString([]byte(key))
				if err != nil {
					t.Fatal(err)
				}
				got = nil
				r := httptest.NewRequest(http.MethodGet, "/", nil)
				r.Header.Set("Cookie", "authorization="+token)
				w := httptest.NewRecorder()
				handler.ServeHTTP(w, r)
				if (w.Code == http.StatusOK) != (got != nil) || w.Code != http.StatusOK && w.Code != http.StatusUnauthorized {
					t.Fatalf("%s got %d, and the app %v", id, w.Code, got)
				}
				return got.Get("X-Ptl-User")
			}
			if got := user("k7p2x9"); got != step.user {
				t.Errorf("the laptop's user is %q, want %q", got, step.user)
			}
			if got := user("phone7"); step.terminals != "any" && got != "ben" {
				t.Errorf("the phone's user is %q", got)
			}
			if got := logged.String(); !strings.Contains(got, step.log) || (got == "") != (step.log == "") {
				t.Errorf("the log says %q, want %q", got, step.log)
			}
		})
	}
}
