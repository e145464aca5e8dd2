// Package qr draws QR codes on screens.
package qr

import (
	"fmt"
	"strings"

	"github.com/skip2/go-qrcode"
)

const (
	// Whatever the theme: black on white, of the 256 colours that no theme changes.
	colours = "\x1b[38;5;16;48;5;231m"
	reset   = "\x1b[0m"
	// pngSize is the side of a picture, in pixels.
	pngSize = 512
)

// Screen is a QR code of half blocks, in lines for a screen that is dark or light; empty where the screen has less than so
// many columns, or the text is too long for a code.
func Screen(text string, columns int) string {
	code, err := qrcode.New(text, qrcode.Low)
	if err != nil {
		return ""
	}
	modules := code.Bitmap() // true is black; its margin is included
	if len(modules) > columns {
		return ""
	}
	var b strings.Builder
	for y := 0; y < len(modules); y += 2 {
		b.WriteString(colours)
		for x := range modules[y] {
			b.WriteString(halves(modules[y][x], y+1 < len(modules) && modules[y+1][x]))
		}
		b.WriteString(reset + "\n")
	}
	return b.String()
}

func halves(upper, lower bool) string {
	switch {
	case upper && lower:
		return "█"
	case upper:
		return "▀"
	case lower:
		return "▄"
	}
	return " "
}

// PNG is a picture of a QR code.
func PNG(text string) ([]byte, error) {
	picture, err := qrcode.Encode(text, qrcode.Medium, pngSize)
	if err != nil {
		return nil, fmt.Errorf("the link cannot be drawn: %w", err)
	}
	return picture, nil
}
