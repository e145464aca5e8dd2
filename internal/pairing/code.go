// Package pairing lets a person's device in by a link or a code that is good once.
//
// Whoever pairs (`ptl`) writes the device into the list of terminals, with what its codes
// can be recognised by, and the codes themselves nowhere.
package pairing

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"io"
	"strings"

	"github.com/getportal/ptlauth/internal/key"
)

// Kind is what a code is good for.
type Kind string

const (
	// Link is in a link: 26 characters, 130 bits.
	Link Kind = "link"
	// Short is typed by a person: 10 characters, 50 bits.
	Short Kind = "code"
	// Watch stays with whoever pairs, and tells what became of the other two: 26 characters.
	Watch Kind = "watch"
)

const (
	// LongLength is the length of a link's code and of a watch code, in characters.
	LongLength = 26
	// ShortLength is that of a code that is typed.
	ShortLength = 10
	// Alphabet is what codes are made of: Crockford's base 32, without look-alikes.
	Alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
)

// typed is how people write a code, and how it is meant.
var typed = strings.NewReplacer(
	" ", "", "-", "", "\u2010", "", "\u2011", "", "\u2013", "", "\u00a0", "", "\t", "", "\r", "", "\n", "",
	"O", "0", "I", "1", "L", "1",
)

// maxTyped bounds what is looked at as a code, in bytes.
const maxTyped = 128

// Fold returns a code as it was made, whatever case, blanks and hyphens it was typed with;
// empty where it can be none.
func Fold(text string) string {
	if len(text) > maxTyped {
		return ""
	}
	code := typed.Replace(strings.ToUpper(text))
	if len(code) != LongLength && len(code) != ShortLength || strings.Trim(code, Alphabet) != "" {
		return ""
	}
	return code
}

// Key derives what codes are recognised with from a shared secret; nil where the key is a
// public one.
func Key(k *key.Key) []byte {
	return key.Derive(k, "ptlauth pairing 1")
}

// MAC is what a code is recognised by in the list of terminals: HMAC-SHA-256 with a key of
// Key, in base64url, 43 characters.
func MAC(pairingKey []byte, kind Kind, code string) string {
	mac := hmac.New(sha256.New, pairingKey)
	_, _ = io.WriteString(mac, "ptlauth pairing "+string(kind)+"\n"+code)
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}
