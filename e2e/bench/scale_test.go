package main

import (
	"os"
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestScale has the program measure little, which it can only where devices get in, and those who are taken out do not; and
// finds in docs/scale.md what the program writes.
func TestScale(t *testing.T) {
	if testing.Short() {
		t.Skip("starts Traefik")
	}
	s := &scale{dir: t.TempDir(), devices: []int{10, 100}, routers: []int{2}, requests: 20, rounds: 1, settles: 100 * time.Millisecond, sample: true}
	if err := s.measure(t.Context()); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile("../../docs/scale.md")
	if err != nil {
		t.Fatal(err)
	}
	page := string(content)
	for _, heading := range regexp.MustCompile(`(?m)^(?:## .+|\|.+\|\n\|---.*)$`).FindAllString(s.text.String(), -1) {
		heading = strings.NewReplacer("with 10 |", "with 1,000 |", "reload of 100 |", "reload of 100,000 |").Replace(heading)
		if !strings.Contains(page, heading) {
			t.Errorf("docs/scale.md is of another program: it lacks\n%s", heading)
		}
	}
	if strings.Contains(s.text.String(), "NaN") || strings.Contains(s.text.String(), "Inf") || strings.Contains(s.text.String(), "not measured") {
		t.Errorf("it writes\n%s", s.text.String())
	}
	for name, want := range map[string]string{"10 devices in each place": `(?m)^\| 10 \|`, "100 devices in each place": `(?m)^\| 100 \|`} {
		if n := len(regexp.MustCompile(want).FindAllString(s.text.String(), -1)); n < len(s.places())-1 {
			t.Errorf("%s: %d rows in\n%s", name, n, s.text.String())
		}
	}
}
