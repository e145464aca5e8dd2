package key

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/base64"
	"io"
	"math/big"
	"strings"
)

// strict is base64 without padding, whose unused bits are zero. It skips line breaks.
var strict = base64.RawURLEncoding.Strict() // guard: of a public key's signature too

// verifyPublic verifies natively: golang-jwt, interpreted, takes longer for the way there than
// the signature does.
func verifyPublic(k *Key, signed, signature string) bool {
	made, err := strict.DecodeString(signature)
	if err != nil || strings.ContainsAny(signature, "\r\n") {
		return false
	}
	if k.ed != nil { // RFC 8037 §3.1
		return ed25519.Verify(k.ed, []byte(signed), made)
	}
	h := digests[k.Algorithm[2:]]
	digest := h.New()
	_, _ = io.WriteString(digest, signed)
	sum := digest.Sum(nil)
	switch k.Algorithm[:2] {
	case "ES": // RFC 7518 §3.4: two numbers, each as long as the curve's.
		size := (k.ecdsa.Curve.Params().BitSize + 7) / 8
		return len(made) == 2*size && ecdsa.Verify(k.ecdsa, sum, new(big.Int).SetBytes(made[:size]), new(big.Int).SetBytes(made[size:]))
	case "RS": // RFC 7518 §3.3
		return rsa.VerifyPKCS1v15(k.rsa, h, sum, made) == nil
	case "PS": // RFC 7518 §3.5
		return rsa.VerifyPSS(k.rsa, h, sum, made, salt) == nil
	}
	return false
}

// digests are the hashes by the end of the algorithm's name.
var digests = map[string]crypto.Hash{"256": crypto.SHA256, "384": crypto.SHA384, "512": crypto.SHA512}

var salt = &rsa.PSSOptions{
	SaltLength: rsa.PSSSaltLengthEqualsHash, // guard: PSS salts are as long as the hash
}
