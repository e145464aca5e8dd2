package interpreted

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/getportal/ptlauth/internal/pairing"
)

// TestOneBrowserTakesACode: of 60 browsers that press Pair at once with the same codes, at three routers, while others guess,
// one gets in; and it gets its answer again where the middleware was made anew.
func TestOneBrowserTakesACode(t *testing.T) {
	const link, short, browsers = "0123456789ABCDEFGHJKMNPQRS", "7K2P9XQRWT", 60
	const secret = "a-secret-for-tests-0123456789-abcdefghijklmnopqrstuvwxyz"
	config := map[string]any{
		"secretFile": fileOf(t, secret), "pairing": true,
		"terminals": map[string]any{"file": awaiting(t, secret, link, short)},
	}
	plugin, err := Load(Options{})
	if err != nil {
		t.Fatal(err)
	}
	routers := make([]http.Handler, 3)
	for i := range routers {
		if routers[i], err = plugin.New(t.Context(), http.NotFoundHandler(), config, fmt.Sprint("auth", i)); err != nil {
			t.Fatal(err)
		}
	}
	statuses := make([]int, browsers)
	var all sync.WaitGroup
	for i := range browsers {
		all.Go(func() {
			code := []string{link, short}[i%2]
			statuses[i] = press(routers[i%3], code, i)
		})
		all.Go(func() {
			if status := press(routers[i%3], fmt.Sprintf("%010d", i), i%7); status != http.StatusForbidden && status != http.StatusTooManyRequests {
				t.Errorf("a guess is answered %d", status)
			}
		})
	}
	all.Wait()
	winner := -1
	for i, status := range statuses {
		switch {
		case status == http.StatusSeeOther && winner >= 0:
			t.Errorf("browsers %d and %d are both in", winner, i)
		case status == http.StatusSeeOther:
			winner = i
		case status != http.StatusForbidden && status != http.StatusTooManyRequests:
			t.Errorf("browser %d is answered %d", i, status)
		}
	}
	if winner < 0 {
		t.Fatal("no browser is in")
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	again, err := plugin.New(ctx, http.NotFoundHandler(), config, "auth0")
	if err != nil {
		t.Fatal(err)
	}
	if status := press(again, link, winner); status != http.StatusSeeOther {
		t.Errorf("after a reload, whose answer was lost is answered %d", status)
	}
	if status := press(again, link, browsers); status != http.StatusForbidden {
		t.Errorf("after a reload, another browser is answered %d", status)
	}
}

// awaiting is a list with one terminal, whose codes these are.
func awaiting(t *testing.T, secret, link, short string) string {
	t.Helper()
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte("ptlauth pairing 1"))
	key := mac.Sum(nil)
	text, err := json.Marshal([]any{map[string]any{"id": "k7p2x9", "name": "kitchen tablet", "pairing": map[string]any{
		"ends": time.Now().Add(10 * time.Minute).Unix(), "link": pairing.MAC(key, pairing.Link, link),
		"code": pairing.MAC(key, pairing.Short, short), "watch": pairing.MAC(key, pairing.Watch, link),
	}}})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "terminals.json")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// press presses Pair in a browser of that number, which has an address of its own, and returns the status.
func press(handler http.Handler, code string, browser int) int {
	r := httptest.NewRequest(http.MethodPost, "http://chat.example.com/.ptl/pair", strings.NewReader(url.Values{"do": {"pair"}, "code": {code}}.Encode()))
	r.RemoteAddr = fmt.Sprintf("198.51.100.%d:4711", browser)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	r.Header.Set("Cookie", fmt.Sprintf("ptl-pairing=browser-%d", browser))
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	return w.Code
}
