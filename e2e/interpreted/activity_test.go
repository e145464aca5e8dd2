package interpreted

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v4"
)

// activityCases are what Portal must be told of uses. Each is a case of testdata/mutations.json.
var activityCases = []struct {
	name    string
	targets []string // what is asked for; TOKEN stands for a token
	want    []string // what Portal is told, in any order
}{
	{
		"a token in the query is not in the address that Portal is told",
		[]string{"http://a.example.com/x?a=1&token=TOKEN&b=2"}, []string{"a.example.com /x?a=1&b=2"},
	},
	{
		"of an app that is used often, Portal is told once in an interval",
		[]string{"http://a.example.com/1", "http://a.example.com/2", "http://b.example.com/3", "http://a.example.com/4"},
		[]string{"a.example.com /1", "b.example.com /3"},
	},
	{
		"a host in capital letters, or with a port, is the same app",
		[]string{"http://a.example.com/1", "http://A.EXAMPLE.COM/2", "http://a.example.com:8080/3"}, []string{"a.example.com /1"},
	},
	{
		"of an address that is very long, Portal is told the host alone",
		[]string{"http://a.example.com/" + strings.Repeat("x", 3000)}, []string{"a.example.com /"},
	},
	{
		"where Portal's answer leads elsewhere, nobody is told there",
		[]string{"http://elsewhere.example.com/x"}, []string{"elsewhere.example.com /x"},
	},
	{
		"a Portal that does not answer is told of 32 apps at once, and no more",
		hosts("http://slow-%d.example.com/", 40), hosts("slow-%d.example.com /", 32),
	},
}

func hosts(format string, n int) []string {
	texts := make([]string, n)
	for i := range texts {
		texts[i] = fmt.Sprintf(format, i)
	}
	return texts
}

func TestActivity(t *testing.T) {
	for _, c := range activityCases {
		t.Run(c.name, func(t *testing.T) {
			plugin, err := Load(Options{Log: io.Discard})
			if err != nil {
				t.Fatal(err)
			}
			for _, problem := range judgeActivity(t, plugin, c.name) {
				t.Error(problem)
			}
		})
	}
}

// judgeActivity runs a case, and says what is wrong with what Portal was told.
func judgeActivity(t *testing.T, plugin *Plugin, name string) []string {
	t.Helper()
	for _, c := range activityCases {
		if c.name != name {
			continue
		}
		told := tellOf(t, plugin, c.targets, len(c.want))
		want := slices.Clone(c.want)
		slices.Sort(told)
		slices.Sort(want)
		if !slices.Equal(told, want) {
			return []string{fmt.Sprintf("Portal is told %q, want %q", told, want)}
		}
		return nil
	}
	t.Fatalf("there is no case called %q", name)
	return nil
}

// tellOf asks for the targets, and returns what Portal is told: the hosts and addresses, and the cookies that are wrong.
func tellOf(t *testing.T, plugin *Plugin, targets []string, least int) []string {
	t.Helper()
	secretFile := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secretFile, []byte(secret), 0o600); err != nil {
		t.Fatal(err)
	}
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"sub": "abc123", "iat": 1700000000}).SignedString([]byte(secret))
	if err != nil {
		t.Fatal(err)
	}
	var mutex sync.Mutex
	var told []string
	ctx, release := context.WithCancel(t.Context())
	defer release()
	portal := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		use := r.Header.Get("X-Forwarded-Host") + " " + r.Header.Get("X-Forwarded-Uri")
		if r.URL.Path != "/told" || r.Header.Get("Cookie") != "authorization="+token {
			use += " at " + r.URL.Path + " with " + r.Header.Get("Cookie")
		}
		mutex.Lock()
		told = append(told, use)
		mutex.Unlock()
		switch {
		case strings.HasPrefix(use, "slow"):
			<-ctx.Done()
		case strings.HasPrefix(use, "elsewhere"):
			http.Redirect(w, r, "/elsewhere", http.StatusFound)
		}
	}))
	defer portal.Close()
	defer release()
	// A use that is decided by what is kept is not told of; with such a `refresh` nothing is kept.
	handler, err := plugin.New(t.Context(), http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}), map[string]any{
		"secretFile": secretFile, "terminals": "any", "refresh": "2m", "token": map[string]any{"query": "token"},
		"activity": map[string]any{"url": portal.URL + "/told", "interval": "1m"},
	}, "auth@file")
	if err != nil {
		t.Fatal(err)
	}
	for _, target := range targets {
		r := httptest.NewRequest(http.MethodGet, strings.ReplaceAll(target, "TOKEN", token), nil)
		if !strings.Contains(target, "TOKEN") {
			r.Header.Set("Cookie", "authorization="+token)
		}
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if w.Code != http.StatusOK {
			t.Fatalf("%.100s: got %d", target, w.Code)
		}
	}
	count := func() int {
		mutex.Lock()
		defer mutex.Unlock()
		return len(told)
	}
	for end := time.Now().Add(5 * time.Second); count() < least && time.Now().Before(end); {
		time.Sleep(5 * time.Millisecond)
	}
	// What is told beyond that comes at once.
	time.Sleep(200 * time.Millisecond)
	mutex.Lock()
	defer mutex.Unlock()
	return slices.Clone(told)
}
