package pairing

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/getportal/ptlauth/internal/terminal"
)

// emptyDesk forgets what was taken and guessed, before and after a test.
func emptyDesk(t *testing.T) {
	t.Helper()
	forget := func() {
		spent = map[string]*Use{}
		guesses = map[string]*guess{}
	}
	forget()
	t.Cleanup(forget)
}

func TestOneOfManyTakesACode(t *testing.T) {
	emptyDesk(t)
	one := &terminal.Terminal{ID: "k7p2x9", Pairing: "watch", Ends: time.Now().Unix() + 60}
	var taken atomic.Int32
	var all sync.WaitGroup
	for i := range 100 {
		all.Add(1)
		go func() {
			defer all.Done()
			if Take(one, fmt.Sprint("nonce ", i), Use{At: int64(i)}) != nil {
				taken.Add(1)
			}
		}()
	}
	all.Wait()
	if taken.Load() != 1 {
		t.Errorf("%d browsers have taken one code", taken.Load())
	}
}

func TestALostAnswerIsGivenAgainForAMinute(t *testing.T) {
	emptyDesk(t)
	one := &terminal.Terminal{ID: "k7p2x9", Pairing: "watch", Ends: 5000}
	for _, test := range []struct {
		name, nonce string
		at          int64
		want        bool
	}{
		{"the first browser takes the code", "planted", 1000, true},
		{"and again at once, with the same answer", "planted", 1001, true},
		{"also a minute later", "planted", 1060, true},
		{"then not, whoever knows its nonce", "planted", 1061, false},
		{"nor until the code ends", "planted", 4999, false},
		{"another browser never", "another", 1001, false},
	} {
		if free := IsFree(one, test.nonce, test.at); free != test.want {
			t.Errorf("%s: it is told that the code is free: %t", test.name, free)
		}
		use := Take(one, test.nonce, Use{At: test.at})
		if (use != nil) != test.want || use != nil && use.At != 1000 {
			t.Errorf("%s: got %+v", test.name, use)
		}
	}
}

func TestSpentCodesAreBounded(t *testing.T) {
	emptyDesk(t)
	now := time.Now().Unix()
	pair := func(id string, ends int64) *Use {
		return Take(&terminal.Terminal{Pairing: id, Ends: ends}, "nonce", Use{At: now})
	}
	for i := range maxSpent {
		if pair(fmt.Sprint(i), now+60) == nil {
			t.Fatalf("number %d is refused", i)
		}
	}
	if pair("one more", now+60) != nil {
		t.Error("more are taken than can be remembered, so that one could be taken twice")
	}
	for _, use := range spent {
		use.ends = now - spentFor - 1
	}
	if pair("later", now+60) == nil || len(spent) != 1 {
		t.Errorf("those that have ended are still remembered: %d", len(spent))
	}
}

func TestAddressesThatGuessAreBounded(t *testing.T) {
	emptyDesk(t)
	for i := range 3 * maxAddresses {
		CountWrong(fmt.Sprint("address ", i), 1000)
		if len(guesses) > maxAddresses {
			t.Fatalf("%d addresses are remembered", len(guesses))
		}
	}
	for range maxWrong {
		CountWrong("a guesser", 1000)
	}
	for now, want := range map[int64]int64{1000: 60, 1059: 1, 1060: 0} {
		if got := WaitFor("a guesser", now); got != want {
			t.Errorf("at %d it has to wait for %d s, want %d", now, got, want)
		}
	}
	if WaitFor("somebody else", 1000) != 0 {
		t.Error("somebody else has to wait")
	}
}

func TestFrom(t *testing.T) {
	for name, test := range map[string]struct {
		remote    string
		forwarded []string
		want      string
	}{
		"the connection's":                          {"192.0.2.1:4711", nil, "192.0.2.1"},
		"what a trusted proxy says":                 {"10.0.0.1:80", []string{"192.0.2.1"}, "192.0.2.1"},
		"the last that it says":                     {"10.0.0.1:80", []string{"1.1.1.1, 192.0.2.1"}, "192.0.2.1"},
		"of several lines the last":                 {"10.0.0.1:80", []string{"1.1.1.1", "192.0.2.1"}, "192.0.2.1"},
		"with a port":                               {"10.0.0.1:80", []string{"192.0.2.1:4711"}, "192.0.2.1"},
		"an IPv6 address is its network":            {"[2001:db8:1:2:3::4]:80", nil, "2001:db8:1:2::/64"},
		"an IPv4 address in IPv6 is itself":         {"[::ffff:192.0.2.1]:80", nil, "192.0.2.1"},
		"a zone says nothing":                       {"[fe80::1%eth0]:80", nil, "fe80::/64"},
		"what is no address is one with all others": {"10.0.0.1:80", []string{"unknown"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := &http.Request{RemoteAddr: test.remote, Header: http.Header{}}
			if test.forwarded != nil {
				r.Header["X-Forwarded-For"] = test.forwarded
			}
			if got := From(r); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

// FuzzFrom wants an address, or nothing, whatever a proxy says.
func FuzzFrom(f *testing.F) {
	for _, seed := range []string{"192.0.2.1", "1.1.1.1, [2001:db8::1]:80", "fe80::1%eth0", "", ",", "::ffff:1.2.3.4", strings.Repeat("1", 100_000)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, forwarded string) {
		got := From(&http.Request{RemoteAddr: "10.0.0.1:80", Header: http.Header{"X-Forwarded-For": {forwarded}}})
		address, _, _ := strings.Cut(got, "/")
		if _, err := netip.ParseAddr(address); got != "" && err != nil {
			t.Errorf("%q is taken for an address", got)
		}
	})
}

// FuzzForm wants every form to be read within its bounds, or refused.
func FuzzForm(f *testing.F) {
	for _, seed := range []string{"code=7K2P9-XQRWT&do=pair", "code=%zz", "a;b", "", strings.Repeat("a=1&", 2000), "code=\x00"} {
		f.Add(seed, "application/x-www-form-urlencoded")
	}
	f.Add("{}", "application/json")
	f.Fuzz(func(t *testing.T, body, kind string) {
		r := httptest.NewRequest(http.MethodPost, "/.ptl/pair?code=7K2P9XQRWT", strings.NewReader(body))
		r.Header.Set("Content-Type", kind)
		fields, status := ReadForm(httptest.NewRecorder(), r)
		switch {
		case status != 0 && (fields != nil || status < 400):
			t.Errorf("refused with %d, and read all the same: %v", status, fields)
		case len(body) > maxForm && status == 0:
			t.Errorf("%d bytes are read", len(body))
		}
		code := Fold(fields.Get("code"))
		if code != "" && (len(code) != LongLength && len(code) != ShortLength || strings.Trim(code, Alphabet) != "") {
			t.Errorf("%q is taken for a code", code)
		}
	})
}
