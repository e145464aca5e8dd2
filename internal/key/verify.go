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
	switch k.family {
	case "Ed":
		return verifyEd(k, signed, made)
	case "ES":
		return verifyES(k, signed, made)
	case "RS":
		return verifyRS(k, signed, made)
	case "PS":
		return verifyPS(k, signed, made)
	}
	return false
}

var digests = map[string]crypto.Hash{
	"RS256": crypto.SHA256, "PS256": crypto.SHA256, "ES256": crypto.SHA256,
	"RS384": crypto.SHA384, "PS384": crypto.SHA384, "ES384": crypto.SHA384,
	"RS512": crypto.SHA512, "PS512": crypto.SHA512, "ES512": crypto.SHA512,
}

func digest(k *Key, signed string) []byte {
	h := digests[k.Algorithm].New()
	_, _ = io.WriteString(h, signed)
	return h.Sum(nil)
}

// verifyEd verifies by RFC 8037 §3.1.
func verifyEd(k *Key, signed string, made []byte) bool {
	public, ok := k.public.(ed25519.PublicKey)
	return ok && len(public) == ed25519.PublicKeySize && ed25519.Verify(public, []byte(signed), made)
}

// verifyES verifies by RFC 7518 §3.4: two numbers, each as long as the curve's.
func verifyES(k *Key, signed string, made []byte) bool {
	public, ok := k.public.(*ecdsa.PublicKey)
	if !ok {
		return false
	}
	size := (public.Curve.Params().BitSize + 7) / 8
	if len(made) != 2*size {
		return false
	}
	return ecdsa.Verify(public, digest(k, signed), new(big.Int).SetBytes(made[:size]), new(big.Int).SetBytes(made[size:]))
}

// verifyRS verifies by RFC 7518 §3.3.
func verifyRS(k *Key, signed string, made []byte) bool {
	public, ok := k.public.(*rsa.PublicKey)
	return ok && rsa.VerifyPKCS1v15(public, digests[k.Algorithm], digest(k, signed), made) == nil
}

// salt is that of RFC 7518 §3.5.
var salt = &rsa.PSSOptions{
	SaltLength: rsa.PSSSaltLengthEqualsHash, // guard: PSS salts are as long as the hash
}

func verifyPS(k *Key, signed string, made []byte) bool {
	public, ok := k.public.(*rsa.PublicKey)
	return ok && rsa.VerifyPSS(public, digests[k.Algorithm], digest(k, signed), made, salt) == nil
}
