// Package key holds the keys that a token's signature may be verified with. A key's
// configuration names its algorithm; a token never chooses (RFC 8725 §3.1).
package key

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"hash"
	"io"
	"strings"
)

// Key verifies signatures of one algorithm.
type Key struct {
	// Algorithm is the `alg` that a token's header must name (RFC 7518 §3.1).
	Algorithm string
	// ID is the `kid` that a token's header must name, if it names one; empty: any.
	ID string
	// RequireKID demands that the token names the ID.
	RequireKID bool

	// HeaderPrefix is how nearly all tokens of a shared secret begin, dot included, so that their
	// header needs no reading; empty where it must be read because of the ID.
	HeaderPrefix string

	hash   func() hash.Hash
	secret []byte // nil: it is a public key, one of these
	rsa    *rsa.PublicKey
	ecdsa  *ecdsa.PublicKey
	ed     ed25519.PublicKey
}

// Verify reports whether the key made that signature over the signed text, which is
// the token up to its second dot.
func Verify(k *Key, signed, signature string) bool {
	if k.secret == nil {
		return verifyPublic(k, signed, signature)
	}
	// Text is compared with text: the same bytes in another spelling are another signature.
	mac := hmac.New(k.hash, k.secret)
	_, _ = io.WriteString(mac, signed)
	// guard: base64 has one spelling
	return hmac.Equal(base64.RawURLEncoding.AppendEncode(nil, mac.Sum(nil)), []byte(signature))
}

// Sign makes the signature of that text, which is the token up to its second dot; empty
// where the key is a public one.
func Sign(k *Key, signed string) string {
	if k.secret == nil {
		return ""
	}
	mac := hmac.New(k.hash, k.secret)
	_, _ = io.WriteString(mac, signed)
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// IsShared reports whether the key is a shared secret, so that what it verifies it could have
// signed.
func IsShared(k *Key) bool {
	return k.secret != nil
}

// Derive makes a key for another purpose of a shared secret: HMAC-SHA-256 of that label; nil
// where the key is a public one.
func Derive(k *Key, label string) []byte {
	if k.secret == nil {
		return nil
	}
	mac := hmac.New(sha256.New, k.secret)
	_, _ = io.WriteString(mac, label)
	return mac.Sum(nil)
}

// algorithmsFor are those that a key from the option of that name can have, five letters each,
// with commas between.
func algorithmsFor(name string) string {
	if strings.HasPrefix(name, "secret") {
		return "HS256, HS384, HS512"
	}
	return "RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512, EdDSA"
}

func isKnown(algorithm, name string) bool {
	return algorithm == "" ||
		len(algorithm) == 5 && !strings.ContainsAny(algorithm, ", ") && strings.Contains(algorithmsFor(name), algorithm)
}

// canonical is an algorithm as RFC 7518 spells it. Ed25519 is the newer name of EdDSA with
// such a key (RFC 9864 §2.2), which is the only one here.
func canonical(algorithm string) string {
	if strings.EqualFold(algorithm, "EdDSA") || strings.EqualFold(algorithm, "Ed25519") {
		return "EdDSA"
	}
	return strings.ToUpper(algorithm)
}

// usual are {"alg":"HS256","typ":"JWT"} and its like.
var usual = map[string]string{
	"HS256": "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.",
	"HS384": "eyJhbGciOiJIUzM4NCIsInR5cCI6IkpXVCJ9.",
	"HS512": "eyJhbGciOiJIUzUxMiIsInR5cCI6IkpXVCJ9.",
}

func hashOf(k *Key) func() hash.Hash {
	switch k.Algorithm {
	case "HS384":
		return sha512.New384
	case "HS512":
		return sha512.New
	}
	return sha256.New
}
