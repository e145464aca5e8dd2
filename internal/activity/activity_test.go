package activity_test

import (
	"bytes"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/getportal/ptlauth/internal/activity"
	"github.com/getportal/ptlauth/internal/option"
)

// receiver is a Portal that is told, and what it was told.
type receiver struct {
	server *httptest.Server
	told   chan *http.Request
}

// newReceiver answers as the handler does, once it has noted the request.
func newReceiver(t *testing.T, handler http.HandlerFunc) *receiver {
	t.Helper()
	r := &receiver{told: make(chan *http.Request, 1000)}
	r.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		r.told <- request
		if handler != nil {
			handler(w, request)
		}
	}))
	t.Cleanup(r.server.Close)
	return r
}

// read is the section `activity` as an operator configures it.
func read(t *testing.T, options map[string]any) (*activity.Receiver, string) {
	t.Helper()
	report := &option.Report{}
	r := activity.Read(option.Open(report, "", map[string]any{"activity": options}))
	return r, told(report)
}

func (r *receiver) every(t *testing.T, interval string) *activity.Receiver {
	t.Helper()
	configured, problem := read(t, map[string]any{"url": r.server.URL + "/used", "interval": interval})
	if problem != "" {
		t.Fatal(problem)
	}
	return configured
}

// next is the next request that it was told by.
func (r *receiver) next(t *testing.T) *http.Request {
	t.Helper()
	select {
	case request := <-r.told:
		return request
	case <-time.After(5 * time.Second):
		t.Fatal("nothing is told")
		return nil
	}
}

// nothing fails if there is a further one.
func (r *receiver) nothing(t *testing.T) {
	t.Helper()
	select {
	case request := <-r.told:
		t.Errorf("%q is told too", request.Header)
	case <-time.After(20 * time.Millisecond):
	}
}

func TestRead(t *testing.T) {
	for _, test := range []struct {
		name, url, interval, problem string
	}{
		{"an address", "http://portal/used", "5s", ""},
		{"the shortest interval", "http://portal/used", "100ms", ""},
		{"a shorter interval", "http://portal/used", "99ms", "activity.interval: is shorter than 100ms"},
		{"plain seconds", "http://portal/used", "7", ""},
		{"no address", "", "5s", "activity.url: is not an address"},
		{"a path", "/used", "5s", "activity.url: is not an address"},
		{"another scheme", "ftp://portal/", "5s", "activity.url: is not an address"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, problem := read(t, map[string]any{"url": test.url, "interval": test.interval})
			if (problem == "") != (test.problem == "") || !strings.Contains(problem, test.problem) {
				t.Errorf("the problem is %q, want %q", problem, test.problem)
			}
		})
	}
	t.Run("five seconds by default", func(t *testing.T) {
		if r, problem := read(t, map[string]any{"url": "http://portal/used"}); problem != "" || r.Interval != 5*time.Second {
			t.Errorf("it is %s, %q", r.Interval, problem)
		}
	})
	t.Run("an option that nobody knows", func(t *testing.T) {
		if _, problem := read(t, map[string]any{"url": "http://portal/", "intervall": "5s"}); !strings.Contains(problem, "did you mean `interval`?") {
			t.Errorf("the problem is %q", problem)
		}
	})
	t.Run("without the section there is nobody to tell", func(t *testing.T) {
		if activity.Read(option.Open(&option.Report{}, "", nil)) != nil {
			t.Error("there is")
		}
	})
}

func TestTell(t *testing.T) {
	use := activity.Use{Host: "chat.example.com", URI: "/room?a=b", Method: "POST", Proto: "https", Cookie: "authorization=secret"}
	for _, test := range []struct {
		name   string
		change func(*activity.Use)
		want   []string // host, address, method, scheme, cookie; nil: nothing is told
	}{
		{"as ForwardAuth tells it", func(*activity.Use) {}, []string{"chat.example.com", "/room?a=b", "POST", "https", "authorization=secret"}},
		{"without a cookie for who is anonymous", func(u *activity.Use) { u.Cookie = "" }, []string{"chat.example.com", "/room?a=b", "POST", "https", ""}},
		{"a long address is left out", func(u *activity.Use) { u.URI = "/" + strings.Repeat("a", 2000) }, []string{"chat.example.com", "/", "POST", "https", "authorization=secret"}},
		{"one that is just not too long is not", func(u *activity.Use) { u.URI = "/" + strings.Repeat("a", 1999) }, []string{"chat.example.com", "/" + strings.Repeat("a", 1999), "POST", "https", "authorization=secret"}},
		{"a host with a port", func(u *activity.Use) { u.Host = "chat.example.com:8443" }, []string{"chat.example.com:8443", "/room?a=b", "POST", "https", "authorization=secret"}},
		{"what is no host is not told", func(u *activity.Use) { u.Host = "chat.example.com/x" }, nil},
		{"nor what names none", func(u *activity.Use) { u.Host = "" }, nil},
		{"unless the app is told apart by its name", func(u *activity.Use) { u.Host, u.App = "", "chat" }, []string{"", "/room?a=b", "POST", "https", "authorization=secret"}},
		{"the longest method is", func(u *activity.Use) { u.Method = strings.Repeat("A", 32) }, []string{"chat.example.com", "/room?a=b", strings.Repeat("A", 32), "https", "authorization=secret"}},
		{"a long method is not told", func(u *activity.Use) { u.Method = strings.Repeat("A", 33) }, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := newReceiver(t, nil)
			changed := use
			test.change(&changed)
			activity.Tell(r.every(t, "1h"), changed)
			if test.want == nil {
				r.nothing(t)
				return
			}
			h := r.next(t).Header
			got := []string{h.Get("X-Forwarded-Host"), h.Get("X-Forwarded-Uri"), h.Get("X-Forwarded-Method"), h.Get("X-Forwarded-Proto"), h.Get("Cookie")}
			if strings.Join(got, "|") != strings.Join(test.want, "|") {
				t.Errorf("got %q, want %q", got, test.want)
			}
			for name := range h {
				if !strings.HasPrefix(name, "X-Forwarded-") && name != "Cookie" && name != "User-Agent" && name != "Accept-Encoding" {
					t.Errorf("%s is told too", name)
				}
			}
		})
	}
}

// TestOncePerApp is of uses that are told by one call.
func TestOncePerApp(t *testing.T) {
	for _, test := range []struct {
		name  string
		uses  []activity.Use
		calls int
	}{
		{"the same host", []activity.Use{{Host: "a"}, {Host: "a"}}, 1},
		{"in other case", []activity.Use{{Host: "a"}, {Host: "A"}}, 1},
		{"with a port, which any client may choose", []activity.Use{{Host: "a"}, {Host: "a:1"}, {Host: "a:2"}}, 1},
		{"with a dot behind", []activity.Use{{Host: "a"}, {Host: "a."}}, 1},
		{"IPv6 with a port", []activity.Use{{Host: "[::1]"}, {Host: "[::1]:8080"}}, 1},
		{"other paths, methods and people", []activity.Use{{Host: "a", URI: "/b"}, {Host: "a", URI: "/c", Method: "PUT", Cookie: "x=y"}}, 1},
		{"another host", []activity.Use{{Host: "a"}, {Host: "b"}}, 2},
		{"another IPv6 address", []activity.Use{{Host: "[::1]"}, {Host: "[::2]"}}, 2},
		{"the same app by two hosts", []activity.Use{{App: "a", Host: "b"}, {App: "a", Host: "c"}}, 1},
		{"two apps by one host", []activity.Use{{App: "a", Host: "c"}, {App: "b", Host: "c"}}, 2},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := newReceiver(t, nil)
			configured := r.every(t, "1h")
			for _, u := range test.uses {
				activity.Tell(configured, u)
			}
			for i := 0; i < test.calls; i++ {
				r.next(t)
			}
			r.nothing(t)
		})
	}
	t.Run("a hundred at once", func(t *testing.T) {
		r := newReceiver(t, nil)
		configured := r.every(t, "1h")
		var all sync.WaitGroup
		for i := 0; i < 100; i++ {
			all.Add(1)
			go func() {
				defer all.Done()
				activity.Tell(configured, activity.Use{Host: "a", Cookie: "x=y"})
			}()
		}
		all.Wait()
		r.next(t)
		r.nothing(t)
	})
	t.Run("again after the interval", func(t *testing.T) {
		r := newReceiver(t, nil)
		configured := r.every(t, "100ms")
		activity.Tell(configured, activity.Use{Host: "a"})
		r.next(t)
		time.Sleep(120 * time.Millisecond)
		activity.Tell(configured, activity.Use{Host: "a"})
		r.next(t)
	})
	t.Run("two receivers are told apart", func(t *testing.T) {
		first, second := newReceiver(t, nil), newReceiver(t, nil)
		activity.Tell(first.every(t, "1h"), activity.Use{Host: "a"})
		activity.Tell(second.every(t, "1h"), activity.Use{Host: "a"})
		first.next(t)
		second.next(t)
	})
}

// TestServerThatHangs: nobody waits for it, and it is asked no more than so often at once.
func TestServerThatHangs(t *testing.T) {
	activity.Fresh(t)
	over := make(chan struct{})
	r := newReceiver(t, func(_ http.ResponseWriter, request *http.Request) {
		select {
		case <-over:
		case <-request.Context().Done():
		}
	})
	defer activity.Fresh(t)
	defer close(over)
	configured := r.every(t, "100ms")
	tell := func(prefix string, cookie string) {
		for i := 0; i < 100; i++ {
			activity.Tell(configured, activity.Use{Host: prefix + strings.Repeat("x", i), Cookie: cookie})
		}
	}
	start := time.Now()
	tell("a", "")
	for i := 0; i < 16; i++ {
		r.next(t)
	}
	r.nothing(t)
	tell("b", "x=y")
	for i := 0; i < 16; i++ {
		if r.next(t).Header.Get("Cookie") == "" {
			t.Error("a visitor's app takes the place of a terminal's")
		}
	}
	time.Sleep(110 * time.Millisecond) // an interval, after which a call that is under way still is
	tell("a", "")
	tell("b", "x=y")
	r.nothing(t)
	if took := time.Since(start); took > 2*time.Second {
		t.Errorf("it took %s to tell", took)
	}
}

// TestNothingElseIsTold is of who else might learn a terminal's token.
func TestNothingElseIsTold(t *testing.T) {
	for _, test := range []struct {
		name    string
		handler http.HandlerFunc
		line    string
	}{
		{"an answer", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }, ""},
		{"a refusal is the receiver's own affair", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) }, ""},
		{"a failure is logged", func(w http.ResponseWriter, r *http.Request) {
			http.Error(w, r.Header.Get("Cookie"), http.StatusBadGateway)
		}, "activity.url answers 502; apps may be stopped while they are in use"},
		{"so is the least of them", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) }, "activity.url answers 500"},
		{"an end without an answer is logged", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "activity.url cannot be reached"},
	} {
		t.Run(test.name, func(t *testing.T) {
			lines := captured(t)
			r := newReceiver(t, test.handler)
			activity.Tell(r.every(t, "1h"), activity.Use{Host: "chat.example.com", URI: "/?token=a-secret", Cookie: "authorization=a-secret"})
			r.next(t)
			text := ""
			for deadline := time.Now().Add(5 * time.Second); test.line != "" && text == "" && time.Now().Before(deadline); time.Sleep(time.Millisecond) {
				text = lines()
			}
			time.Sleep(20 * time.Millisecond)
			text = lines()
			if (text == "") != (test.line == "") || !strings.Contains(text, test.line) || strings.Contains(text, "a-secret") || strings.Contains(text, r.server.URL) {
				t.Errorf("logged is %q, want %q", text, test.line)
			}
		})
	}
	t.Run("a redirect is not followed", func(t *testing.T) {
		elsewhere := newReceiver(t, nil)
		r := newReceiver(t, func(w http.ResponseWriter, request *http.Request) {
			http.Redirect(w, request, elsewhere.server.URL, http.StatusFound)
		})
		activity.Tell(r.every(t, "1h"), activity.Use{Host: "a", Cookie: "authorization=a-secret"})
		r.next(t)
		elsewhere.nothing(t)
		r.nothing(t)
	})
}

// captured diverts the log, and returns what reads it.
func captured(t *testing.T) func() string {
	t.Helper()
	var mutex sync.Mutex
	var lines bytes.Buffer
	before := log.Writer()
	log.SetOutput(writer(func(text []byte) (int, error) {
		mutex.Lock()
		defer mutex.Unlock()
		return lines.Write(text)
	}))
	t.Cleanup(func() { log.SetOutput(before) })
	return func() string {
		mutex.Lock()
		defer mutex.Unlock()
		return lines.String()
	}
}

type writer func([]byte) (int, error)

func (w writer) Write(text []byte) (int, error) { return w(text) }

// told are all problems, as they stand in the log.
func told(report *option.Report) string {
	if len(report.Problems()) == 0 {
		return ""
	}
	return report.String()
}
