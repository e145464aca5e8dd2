package header

import (
	"log"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"
)

// loose reads a name as the most careless app could, told apart from Fold by how it is written.
func loose(name string) string {
	words := strings.FieldsFunc(strings.ToLower(name), func(r rune) bool {
		return !unicode.IsDigit(r) && (r < 'a' || r > 'z')
	})
	return strings.Join(words, "-") + "-"
}

// FuzzClean: whatever a client calls its header, none is left that an app could take for Portal's or for an injected one.
func FuzzClean(f *testing.F) {
	for _, name := range []string{"X-Ptl-User", "x_ptl_user", "X~Ptl~User", "X--Ptl--User", "X.Remote.User", "X-Remote-User!", "_X-Ptl-User", "X-Ptl", "Accept", "X-Ptlx", "Connection", "Upgrade"} {
		f.Add(name, "admin", "upgrade", "websocket")
	}
	f.Add("A", "b", "x-remote-user, upgrade", "h2c")
	guard := NewStripper(Names{Injected: []string{"X-Remote-User", "Authorization"}, Strip: &Strip{}})
	f.Fuzz(func(t *testing.T, name, value, connection, upgrade string) {
		h := http.Header{name: {value}, "Connection": {connection}, "Upgrade": {upgrade}, "Accept": {"*/*"}}
		// Names that Go's server refuses never get here.
		for _, c := range []byte(name) {
			if !strings.ContainsRune(NameBytes, rune(c)) {
				t.Skip()
			}
		}
		if name == "" {
			t.Skip()
		}
		unusual := h.WriteSubset(guard.Fails, guard.Harmless) != nil
		Clean(guard, h)
		for left := range h {
			folded := loose(left)
			if strings.HasPrefix(folded, "x-ptl-") || folded == "x-remote-user-" || folded == "authorization-" {
				t.Errorf("%q is left", left)
			}
			if left == name && !guard.Harmless[http.CanonicalHeaderKey(name)] && !unusual {
				t.Errorf("%q went by without a look", left)
			}
		}
		if h["Accept"] == nil {
			t.Error("Accept is gone")
		}
		if c := h["Connection"]; c != nil && (len(c) != 1 || c[0] != "Upgrade" || len(h["Upgrade"]) != 1 || h["Upgrade"][0] != "websocket") {
			t.Errorf("Connection is %q, Upgrade %q", c, h["Upgrade"])
		}
		if h["Connection"] == nil && h["Upgrade"] != nil {
			t.Errorf("Upgrade is %q without Connection", h["Upgrade"])
		}
	})
}

// TestFoldEach: names that are folded together come out as each alone.
func TestFoldEach(t *testing.T) {
	for _, names := range [][]string{
		{"X_Ptl_User", "A"}, {"---", "X-Ptl-User"}, {"X-Ptl-User", "---", "_a_"}, {"-", "--", "-"}, {"X--Ptl.User!", "!X-Ptl-User"}, {"A"}, {"-"},
	} {
		var want []string
		for _, name := range names {
			want = append(want, Fold(name))
			if loose(name) != Fold(name)+"-" && Fold(name) != "" {
				t.Errorf("%q is folded to %q", name, Fold(name))
			}
		}
		if got := foldEach(names); !slices.Equal(got, want) {
			t.Errorf("%q are folded to %q, want %q", names, got, want)
		}
	}
}

func TestClean(t *testing.T) {
	page := http.Header{"Upgrade-Insecure-Requests": {"1"}, "Accept": {"text/html"}}
	stream := http.Header{"Accept": {"text/event-stream"}, "Cache-Control": {"no-cache"}}
	names := http.Header{}
	for i := range MaxNames + 1 {
		names["X-N"+strconv.Itoa(i)] = []string{"1"}
	}
	for _, test := range []struct {
		name   string
		header http.Header
		more   http.Header
		want   bool
	}{
		{"a program", http.Header{"X-App": {"1"}}, nil, false},
		{"a page in a window of its own", page, http.Header{"Sec-Fetch-Dest": {"document"}}, false},
		{"a page that is loaded again", page, http.Header{"Sec-Fetch-Dest": {"document"}, "Cache-Control": {"max-age=0"}}, false},
		{"a page over plain HTTP, where browsers do not say what for", page, nil, false},
		{"a page in a frame", page, http.Header{"Sec-Fetch-Dest": {"iframe"}}, true},
		{"a page in what nobody knows", page, http.Header{"Sec-Fetch-Dest": {"hologram"}}, true},
		{"an event stream", stream, nil, true},
		{"an answer that must be new", http.Header{"Cache-Control": {"no-cache"}, "Accept": {"*/*"}}, nil, false},
		{"a WebSocket", http.Header{"Connection": {"Upgrade"}, "Upgrade": {"websocket"}}, nil, true},
		{"a WebSocket that names very many options", http.Header{"Connection": {strings.Repeat("upgrade,", 200)}, "Upgrade": {"websocket"}}, nil, false},
		{"another upgrade", http.Header{"Connection": {"Upgrade"}, "Upgrade": {"h2c"}}, nil, false},
		{"more names than anybody sends", names, nil, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := test.header.Clone()
			for name, values := range test.more {
				h[name] = values
			}
			if got := Clean(NewStripper(Names{Strip: &Strip{}}), h); got != test.want {
				t.Errorf("it may ask for more than an answer: %t, want %t", got, test.want)
			}
		})
	}
}

func TestValueProblem(t *testing.T) {
	for _, test := range []struct {
		name, value string
		good        bool
	}{
		{"plain text", "abc123", true},
		{"text that is not ASCII", "Küche", true},
		{"white space within", "Ana's phone", true},
		{"nothing", "", true},
		{"a line feed", "a\nX: b", false},
		{"a carriage return", "a\rb", false},
		{"a NUL", "a\x00", false},
		{"a DEL", "a\x7f", false},
		{"a tab", "a\tb", false},
		{"a space in front", " a", false},
		{"a space behind", "a ", false},
		{"a kibibyte", strings.Repeat("a", 1024), true},
		{"more than that", strings.Repeat("a", 1025), false},
	} {
		t.Run(test.name, func(t *testing.T) {
			if problem := ValueProblem(test.value); (problem == "") != test.good {
				t.Errorf("problem: %q", problem)
			}
		})
	}
}

func TestTheOperatorIsToldOfAMiddlewareInFront(t *testing.T) {
	var lines strings.Builder
	log.SetOutput(&lines)
	t.Cleanup(func() { log.SetOutput(os.Stderr) })
	guard := NewStripper(Names{Strip: &Strip{}})
	for _, name := range []string{"X-Pomerium-Claim-Email", "X-Pomerium-Claim-Groups", "x_pomerium_claim_anything", "Tailscale-User-Login", "X-Own"} {
		for range 3 {
			Clean(guard, http.Header{name: {"forged-value"}})
		}
	}
	for text, times := range map[string]int{"[-X-Pomerium-Claim-*]": 1, "[-Tailscale-User-*]": 1, "\n": 2, "forged-value": 0} {
		if n := strings.Count(lines.String(), text); n != times {
			t.Errorf("the log holds %q %d times, want %d: %s", text, n, times, lines.String())
		}
	}
}

// BenchmarkNames is what a request with so many names costs.
func BenchmarkNames(b *testing.B) {
	for _, n := range []int{16, MaxNames, 140_000} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			guard := NewStripper(Names{Strip: &Strip{}})
			h := http.Header{}
			for i := range n {
				h["X-N"+strconv.Itoa(i)] = []string{"1"}
			}
			for range b.N {
				Clean(guard, h)
			}
		})
	}
}
