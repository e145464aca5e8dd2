package page

import (
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
)

// names are all pages.
var names = []Name{
	Refused, Unpaired, Nobody, Forbidden, NoApp, Method, TooManyHeaders, NotReady,
	Pair, Confirm, Wrong, Slow, NotKept, Device, LeaveAsk, Left,
}

// TestLanguages: whatever one language says, every other one says too.
func TestLanguages(t *testing.T) {
	for _, spoken := range languages {
		t.Run(spoken.tag, func(t *testing.T) {
			all := reflect.ValueOf(*spoken)
			for i := range all.NumField() {
				if all.Field(i).IsZero() {
					t.Errorf("%s is missing", all.Type().Field(i).Name)
				}
			}
			if len(spoken.pages) != len(names) || len(spoken.months) != 12 {
				t.Errorf("there are %d pages and %d months", len(spoken.pages), len(spoken.months))
			}
			for _, name := range names {
				said, reference := spoken.pages[name], english.pages[name]
				if said.title == "" || (said.text == "") != (reference.text == "") || (said.next == "") != (reference.next == "") {
					t.Errorf("%s says %q, where English says %q", name, said, reference)
				}
			}
		})
	}
}

func TestChoose(t *testing.T) {
	for _, test := range []struct {
		name, accepted, want string
	}{
		{"who says nothing is spoken to in English", "", "en"},
		{"who wants none of ours too", "nl, sv;q=0.5", "en"},
		{"English", "en-US,en;q=0.9", "en"},
		{"quality that is no number is none", "en;q=much", "en"},
		{"a flood of languages", strings.Repeat("x,", 100000), "en"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := choose([]string{test.accepted}).tag; got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}

func TestWrite(t *testing.T) {
	for _, name := range names {
		t.Run(string(name), func(t *testing.T) {
			r := httptest.NewRequest("GET", "/", nil)
			w := httptest.NewRecorder()
			Write(w, r, http.StatusTeapot, name, &Data{Host: "chat.example.com", Terminal: `<b>"kitchen" tablet</b>`, Contact: "{code}", Code: "&{user}"})
			if w.Code != http.StatusTeapot || w.Header().Get("Content-Type") != "text/html; charset=utf-8" {
				t.Errorf("got %d, %v", w.Code, w.Header())
			}
			if strings.Contains(w.Body.String(), "<b>") || !strings.Contains(w.Body.String(), "chat.example.com") && strings.Contains(english.pages[name].title, "{site}") {
				t.Errorf("got %s", w.Body)
			}
		})
	}
}
