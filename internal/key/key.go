// Package key holds the keys that a token's signature may be verified with. A key's
// configuration names its algorithm; a token never chooses (RFC 8725 §3.1).
package key

import (
	"crypto/rsa"

	"github.com/golang-jwt/jwt/v4"
)

// Key verifies signatures of one algorithm.
type Key struct {
	// Algorithm is the `alg` that a token's header must name (RFC 7518 §3.1).
	Algorithm string
	// ID is the `kid` that a token's header must name, if it names one; empty: any.
	ID string
	// Strict demands that the token names the ID.
	Strict bool

	family string      // HS, RS, PS, ES or Ed
	public interface{} // as golang-jwt takes it: []byte, *rsa.PublicKey, *ecdsa.PublicKey, ed25519.PublicKey
}

// IsShared tells whether the key is a shared secret.
func IsShared(k *Key) bool {
	return k.family == "HS"
}

// Verify tells whether the key made that signature over the signed text, which is
// the token up to its second dot. golang-jwt decodes, and compares in constant time.
func Verify(k *Key, signed, signature string) bool {
	switch k.family {
	case "HS":
		return methodHS[k.Algorithm].Verify(signed, signature, k.public) == nil
	case "RS":
		return methodRS[k.Algorithm].Verify(signed, signature, k.public) == nil
	case "PS":
		return methodPS[k.Algorithm].Verify(signed, signature, k.public) == nil
	case "ES":
		return methodES[k.Algorithm].Verify(signed, signature, k.public) == nil
	case "Ed":
		return jwt.SigningMethodEdDSA.Verify(signed, signature, k.public) == nil
	}
	return false
}

var methodHS = map[string]*jwt.SigningMethodHMAC{
	"HS256": jwt.SigningMethodHS256, "HS384": jwt.SigningMethodHS384, "HS512": jwt.SigningMethodHS512,
}

var methodRS = map[string]*jwt.SigningMethodRSA{
	"RS256": jwt.SigningMethodRS256, "RS384": jwt.SigningMethodRS384, "RS512": jwt.SigningMethodRS512,
}

var methodES = map[string]*jwt.SigningMethodECDSA{
	"ES256": jwt.SigningMethodES256, "ES384": jwt.SigningMethodES384, "ES512": jwt.SigningMethodES512,
}

var methodPS = map[string]*jwt.SigningMethodRSAPSS{
	"PS256": strictSalt(jwt.SigningMethodPS256),
	"PS384": strictSalt(jwt.SigningMethodPS384),
	"PS512": strictSalt(jwt.SigningMethodPS512),
}

// strictSalt demands a salt as long as the hash (RFC 7518 §3.5); golang-jwt takes any.
func strictSalt(m *jwt.SigningMethodRSAPSS) *jwt.SigningMethodRSAPSS {
	return &jwt.SigningMethodRSAPSS{
		SigningMethodRSA: m.SigningMethodRSA,
		Options:          m.Options,
		VerifyOptions:    &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash},
	}
}
