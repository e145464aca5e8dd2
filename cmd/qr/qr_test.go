package qr

import (
	"strings"
	"testing"
)

const link = "https://chat.example.com/.ptl/pair#Z0EKTZ81HWMRC396FK3H4Z94F9"

// TestScreen: every line brings its own colours, so that a camera reads it on a dark screen as on a light one.
func TestScreen(t *testing.T) {
	lines := strings.Split(strings.TrimSuffix(Screen(link, 80), "\n"), "\n")
	for i, line := range lines {
		inner := strings.TrimSuffix(strings.TrimPrefix(line, colours), reset)
		if len(inner)+len(colours)+len(reset) != len(line) || strings.Trim(inner, " █▀▄") != "" || len([]rune(inner)) != 41 {
			t.Errorf("line %d is %q", i+1, line)
		}
		isMargin := i < 2 || i >= len(lines)-2
		if isMargin != (strings.TrimSpace(inner) == "") || !strings.HasPrefix(inner, "    ") || !strings.HasSuffix(inner, "    ") {
			t.Errorf("line %d has no margin of four modules: %q", i+1, inner)
		}
	}
	if Screen(link, 40) != "" {
		t.Error("it is drawn on a screen that is too narrow")
	}
}

// TestPNG: there is a picture.
func TestPNG(t *testing.T) {
	picture, err := PNG(link)
	if err != nil || !strings.HasPrefix(string(picture), "\x89PNG") {
		t.Errorf("%.8q, %v", picture, err)
	}
}
