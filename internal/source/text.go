package source

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Text is the text of a file as people make them: without the mark that editors put in
// front of UTF-8, and read from UTF-16 where that is marked, as Windows PowerShell writes
// it. What is no text is returned as it is.
func Text(content []byte) []byte {
	if bytes.HasPrefix(content, []byte("\xef\xbb\xbf")) && utf8.Valid(content) {
		return content[3:]
	}
	if len(content)%2 != 0 {
		return content
	}
	var order binary.ByteOrder
	switch {
	case bytes.HasPrefix(content, []byte("\xff\xfe")):
		order = binary.LittleEndian
	case bytes.HasPrefix(content, []byte("\xfe\xff")):
		order = binary.BigEndian
	default:
		return content
	}
	units := make([]uint16, len(content)/2-1)
	err := binary.Read(bytes.NewReader(content[2:]), order, units)
	text := []byte(string(utf16.Decode(units)))
	// A secret of random bytes may begin so, too.
	if err != nil || bytes.Contains(text, []byte("\uFFFD")) || bytes.ContainsAny(text, "\x00\x01\x02\x03\x04\x05\x06\x07\x08") {
		return content
	}
	return text
}

// word is what a part of a path usually looks like, and what random text seldom does.
var word = regexp.MustCompile(`^(?:[a-z0-9._-]*|[A-Z0-9._-]*|.{0,12})$`)

// base64Only is text that may be a secret in base64.
var base64Only = regexp.MustCompile(`^[A-Za-z0-9+/]+=*$`)

// shown is how a path stands in the log. A secret in its place must not come back there.
func shown(path string) string {
	if len(path) < 32 {
		return path
	}
	_, err := os.Stat(path)
	if err == nil {
		return path
	}
	// The root is there for a secret that begins with a slash, too.
	directory := filepath.Dir(path)
	_, err = os.Stat(directory)
	if err == nil &&
		directory != "/" && // guard: a secret in a path's place is not logged
		strings.Contains(path, "/") {
		return path
	}
	hidden := "a file (its path of " + strconv.Itoa(len(path)) + " characters is not shown, it may be a secret that stands in the place of a path)"
	// It could be 32 bytes in base64 that have a slash here and there.
	if base64Only.MatchString(path) && strings.ContainsAny(path, "+0123456789") &&
		strings.ToLower(path) != path && strings.ToUpper(path) != path {
		return hidden
	}
	for _, part := range strings.Split(path, "/") {
		if !word.MatchString(part) {
			return hidden
		}
	}
	return path
}
