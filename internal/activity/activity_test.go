package activity

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestNameOf(t *testing.T) {
	for _, test := range []struct{ name, host, want string }{
		{"a host is itself", "chat.example.com", "chat.example.com"},
		{"in small letters", "Chat.Example.COM", "chat.example.com"},
		{"a port is nobody's own", "chat.example.com:8443", "chat.example.com"},
		{"nor is what only stands where a port would", "chat.example.com:anything", "chat.example.com"},
		{"an address may be in brackets", "[2001:db8::1]:443", "[2001:db8::1]"},
		{"a host with a blank is none", "chat example", ""},
		{"a long one is none", strings.Repeat("a", 400), ""},
		{"none is none", "", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := nameOf(Use{Host: test.host}); got != test.want {
				t.Errorf("it is %q, want %q", got, test.want)
			}
		})
	}
	if got := nameOf(Use{App: "chat", Host: "any thing"}); got != "chat" {
		t.Errorf("an app of a Portal is %q", got)
	}
}

// TestFlood: a flood of hosts makes a bounded number of calls, and the apps in use are told of all the same.
func TestFlood(t *testing.T) {
	var asked sync.Map
	count := 0
	var counting sync.Mutex
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		counting.Lock()
		count++
		counting.Unlock()
		n, _ := asked.LoadOrStore(r.Header.Get("X-Forwarded-Host"), new(int))
		counting.Lock()
		*n.(*int)++
		counting.Unlock()
	}))
	defer server.Close()
	r := &Receiver{address: server.URL, Interval: 200 * time.Millisecond}
	Tell(r, Use{Host: "chat.example.com"})
	end := time.Now().Add(time.Second)
	for i := 0; time.Now().Before(end); i++ {
		Tell(r, Use{Host: fmt.Sprintf("host-%d.example.com", i)})
		Tell(r, Use{Host: fmt.Sprintf("chat.example.com:%d", i), URI: strings.Repeat("a", 1<<16)})
		time.Sleep(100 * time.Microsecond)
	}
	time.Sleep(100 * time.Millisecond)
	counting.Lock()
	defer counting.Unlock()
	if most := 7 * (newcomers + 1); count > most {
		t.Errorf("%d calls, want at most %d", count, most)
	}
	chat := 0
	asked.Range(func(host, n any) bool {
		if strings.HasPrefix(host.(string), "chat.example.com") {
			chat += *n.(*int)
		}
		return true
	})
	if chat < 3 || chat > 7 {
		t.Errorf("of the app in use was told %d times in a second, want about 5", chat)
	}
}
