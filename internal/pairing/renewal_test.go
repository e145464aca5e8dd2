package pairing

import (
	"net/http/httptest"
	"strconv"
	"testing"
	"time"
)

// forgetRenewals is a process that has just begun.
func forgetRenewals() {
	renewed.mutex.Lock()
	defer renewed.mutex.Unlock()
	renewed.began, renewed.now, renewed.before = time.Time{}, nil, nil
}

func TestMayRenew(t *testing.T) {
	forgetRenewals()
	t.Cleanup(forgetRenewals)
	at := time.Unix(1764115200, 0)
	for _, test := range []struct {
		name  string
		token string
		after time.Duration
		want  bool
	}{
		{"a token may be made anew", "a.b.c", 0, true},
		{"but not twice", "a.b.c", time.Second, false},
		{"another one may", "a.b.d", time.Second, true},
		{"nor within the hour", "a.b.c", 59 * time.Minute, false},
		{"nor at its end, of an interval that began before", "a.b.d", time.Hour, false},
		{"later it may again", "a.b.c", 3 * time.Hour, true},
		{"after a long time too", "a.b.c", 30 * time.Hour, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := MayRenew("", test.token, at.Add(test.after)); got != test.want {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
	t.Run("for one purpose it may where it was for another", func(t *testing.T) {
		if !MayRenew("elsewhere ", "a.b.c", at.Add(30*time.Hour)) {
			t.Error("it may not")
		}
	})
}

func TestMayRenewIsBounded(t *testing.T) {
	forgetRenewals()
	t.Cleanup(forgetRenewals)
	at := time.Unix(1764115200, 0)
	for i := range maxRenewed {
		if !MayRenew("", "a.b."+strconv.Itoa(i), at) {
			t.Fatalf("token %d may not", i)
		}
	}
	if MayRenew("", "a.b.more", at) {
		t.Error("more than can be noted may be made anew, and so again and again")
	}
	if !MayRenew("", "a.b.more", at.Add(renewalInterval)) {
		t.Error("nor may they later")
	}
}

func TestSamePage(t *testing.T) {
	for _, test := range []struct{ name, target, prefix, want string }{
		{"a page", "/a/b", "", "./b"},
		{"a folder", "/a/b/", "", "./"},
		{"the first page", "/", "", "./"},
		{"a page with a query", "/a/b?c=d", "", "?c=d"},
		{"a page with an empty query", "/a/b?", "", "?"},
		{"a hash sign that is data stays in the query", "/a?b%23c#d", "", "?b%23c%23d"},
		{"a colon in a segment is no scheme", "/javascript:alert(1)", "", "./javascript:alert(1)"},
		{"two slashes lead to no other host", "//evil.example.com", "", "./evil.example.com"},
		{"what is escaped stays so", "/a%2fb/c%20d", "", "./c%20d"},
		{"a path that stripPrefix has shortened", "/a", "/app", "./a"},
		{"one of which it has left nothing", "/", "/app", "?"},
		{"a dot segment would lead elsewhere", "/a/%2E.", "", ""},
		{"a single dot too", "/a/.", "", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := httptest.NewRequest("GET", test.target, nil)
			if test.prefix != "" {
				r.Header.Set("X-Forwarded-Prefix", test.prefix)
			}
			if got := SamePage(r); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}
