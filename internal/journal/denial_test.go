package journal_test

import (
	"bytes"
	"io"
	"log"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/getportal/ptlauth/internal/journal"
)

// printed is what is printed meanwhile.
func printed(t *testing.T, print func()) string {
	t.Helper()
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	before := os.Stdout
	os.Stdout = write
	print()
	os.Stdout = before
	write.Close()
	text, err := io.ReadAll(read)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// logged is what is logged meanwhile.
func logged(print func()) string {
	var lines bytes.Buffer
	before := log.Writer()
	log.SetOutput(&lines)
	defer log.SetOutput(before)
	print()
	return lines.String()
}

func TestDenialIsOneLine(t *testing.T) {
	for _, test := range []struct{ name, method, host, target, want string }{
		{"as it is", "GET", "chat.example.com", "/room", "GET chat.example.com/room: it has no token\n"},
		{"a port", "GET", "a:8080", "/", "GET a:8080/: it has no token\n"},
		{"a query, which may hold a token, is left out", "GET", "a", "/room?token=a-secret", "GET a/room: it has no token\n"},
		{"an escaped path stays escaped", "GET", "a", "/%0d%0aptlauth:%1b[2J", "GET a/%0d%0aptlauth:%1b[2J: it has no token\n"},
		{"a host that breaks the line", "GET", "a\r\nptlauth: \x1b[2J", "/", "GET a%0D%0Aptlauth:%20%1B%5B2J/: it has no token\n"},
		{"a host that is not ASCII", "GET", "bücher.example", "/", "GET b%C3%BCcher.example/: it has no token\n"},
		{"a method that is no word", "GET /\u009b", "a", "/", "GET%20%2F%C2%9B a/: it has no token\n"},
		{"a long method", strings.Repeat("A", 1000), "a", "/", strings.Repeat("A", 20) + " a/: it has no token\n"},
		{"a long host", "GET", strings.Repeat("a", 1000), "/", "GET " + strings.Repeat("a", 200) + "/: it has no token\n"},
		{"a long path", "GET", "a", "/" + strings.Repeat("b", 1000), "GET a/" + strings.Repeat("b", 199) + ": it has no token\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			target, err := url.ParseRequestURI(test.target)
			if err != nil {
				t.Fatal(err)
			}
			r := &http.Request{Method: test.method, Host: test.host, URL: target}
			got := printed(t, func() { journal.Denial(journal.DenialLine("auth@file"), 401, r, "it has no token") })
			if want := "ptlauth: auth@file answered 401 to " + test.want; got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

// FuzzDenial: whatever a client asks for makes one short line of visible ASCII.
func FuzzDenial(f *testing.F) {
	f.Add("GET", "a", "/b")
	f.Add("G\nT", "\xff\u2028", "/\u202e%0a")
	f.Fuzz(func(t *testing.T, method, host, target string) {
		parsed, err := url.ParseRequestURI(target)
		// Go's server refuses any other method.
		if err != nil || strings.Trim(method, "ABCDEFGHIJKLMNOPQRSTUVWXYZ-_") != "" {
			t.Skip()
		}
		line := printed(t, func() {
			journal.Denial(journal.DenialLine("auth"), 401, &http.Request{Method: method, Host: host, URL: parsed}, "reason")
		})
		rest, ok := strings.CutSuffix(line, ": reason\n")
		if !ok || len(line) > 500 || strings.IndexFunc(rest, func(r rune) bool { return r < ' ' || r > '~' }) >= 0 {
			t.Errorf("%q", line)
		}
	})
}

func TestErrorOnChange(t *testing.T) {
	type step struct {
		subject, text string
		isTold        bool
	}
	for i, test := range []struct {
		name  string
		steps []step
	}{
		{"a mistake is told once", []step{{"a", "wrong", true}, {"a", "wrong", false}, {"a", "wrong", false}}},
		{"another one is told", []step{{"a", "wrong", true}, {"a", "bad", true}, {"a", "bad", false}}},
		{"and the first one again", []step{{"a", "wrong", true}, {"a", "bad", true}, {"a", "wrong", true}}},
		{"that all is well is not told", []step{{"a", "", false}, {"a", "wrong", true}, {"a", "", false}}},
		{"after that the mistake is told again", []step{{"a", "wrong", true}, {"a", "", false}, {"a", "wrong", true}}},
		{"another subject's is told", []step{{"a", "wrong", true}, {"b", "wrong", true}, {"a", "wrong", false}, {"b", "", false}, {"a", "wrong", false}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			for j, s := range test.steps {
				got := logged(func() { journal.ErrorOnChange(t.Name()+strconv.Itoa(i)+s.subject, s.text) })
				want := ""
				if s.isTold {
					want = "ptlauth: " + s.text + "\n"
				}
				if got != want {
					t.Errorf("step %d: got %q, want %q", j, got, want)
				}
			}
			for _, s := range test.steps {
				journal.ErrorOnChange(t.Name()+strconv.Itoa(i)+s.subject, "")
			}
		})
	}
	t.Run("of many at once one is told", func(t *testing.T) {
		got := logged(func() {
			var all sync.WaitGroup
			for i := 0; i < 50; i++ {
				all.Add(1)
				go func() {
					defer all.Done()
					journal.ErrorOnChange(t.Name(), "wrong")
				}()
			}
			all.Wait()
		})
		if got != "ptlauth: wrong\n" {
			t.Errorf("got %q", got)
		}
		journal.ErrorOnChange(t.Name(), "")
	})
}
