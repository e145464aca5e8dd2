package page

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// names are all pages.
var names = []Name{
	Refused, Unpaired, Nobody, Forbidden, NoApp, Method, TooManyHeaders, NotReady,
	Pair, Confirm, Wrong, Slow, NotKept, Device, LeaveAsk, Left,
}

// TestLanguages: whatever one language says, every other one says too, with the same places to fill.
func TestLanguages(t *testing.T) {
	places := regexp.MustCompile(`\{\w+\}`)
	reference := speak("en")
	for tag := range sources {
		t.Run(tag, func(t *testing.T) {
			said := speak(tag)
			if said["tag"] != tag || len(said) != len(reference) {
				t.Errorf("it is called %q, and says %d texts, where English says %d", said["tag"], len(said), len(reference))
			}
			for key, english := range reference {
				text := said[key]
				if (text == "") != (english == "") {
					t.Errorf("%s is %q, where English says %q", key, text, english)
				}
				found, wanted := places.FindAllString(text, -1), places.FindAllString(english, -1)
				slices.Sort(found)
				slices.Sort(wanted)
				if !slices.Equal(found, wanted) {
					t.Errorf("%s has %q to fill, where English has %q", key, found, wanted)
				}
			}
			for _, name := range names {
				if said[string(name)+".title"] == "" {
					t.Errorf("%s has no title", name)
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
		{"German", "de-AT,de;q=0.9,en;q=0.8", "de"},
		{"the one that is wanted most", "en;q=0.5, fr;q=0.9, es;q=0.7", "fr"},
		{"the first of ours", "nl,es;q=0.8,en;q=0.5", "es"},
		{"what is not wanted is not spoken", "de;q=0, fr;q=0.1", "fr"},
		{"capital letters", "DE", "de"},
		{"quality that is no number is none", "en;q=much", "en"},
		{"a flood of languages", strings.Repeat("x,", 100000), "en"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := choose([]string{test.accepted})["tag"]; got != test.want {
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
			if strings.Contains(w.Body.String(), "<b>") || !strings.Contains(w.Body.String(), "chat.example.com") && strings.Contains(speak("en")[string(name)+".title"], "{site}") {
				t.Errorf("got %s", w.Body)
			}
		})
	}
}
