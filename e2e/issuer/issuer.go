// Package issuer makes secrets, keys and tokens.
package issuer

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v4"
)

// NewSecret is a shared secret that nobody has had before.
func NewSecret() string { return rand.Text() + rand.Text() }

// Sign makes a terminal's token; kid may be empty.
func Sign(t *testing.T, method jwt.SigningMethod, key any, kid, terminal string) string {
	t.Helper()
	token := jwt.NewWithClaims(method, jwt.MapClaims{"sub": terminal, "iat": time.Now().Unix() - 10})
	if kid != "" {
		token.Header["kid"] = kid
	}
	text, err := token.SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// SignHS256 makes a terminal's token by a shared secret.
func SignHS256(t *testing.T, secret, terminal string) string {
	t.Helper()
	return Sign(t, jwt.SigningMethodHS256, []byte(secret), "", terminal)
}

// Issuer makes tokens by a key that a JWK Set publishes.
type Issuer struct {
	KID    string
	Method jwt.SigningMethod
	Key    any
	public map[string]string
}

func base64URL(n *big.Int, size int) string {
	return base64.RawURLEncoding.EncodeToString(n.FillBytes(make([]byte, size)))
}

// NewRSA returns an issuer of RS256 tokens.
func NewRSA(t *testing.T, kid string) Issuer {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return Issuer{kid, jwt.SigningMethodRS256, key, map[string]string{
		"kty": "RSA", "kid": kid, "n": base64URL(key.N, 256), "e": "AQAB", "use": "sig", "alg": "RS256",
	}}
}

// NewEC returns an issuer of ES256 tokens.
func NewEC(t *testing.T, kid string) Issuer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return Issuer{kid, jwt.SigningMethodES256, key, map[string]string{
		"kty": "EC", "kid": kid, "crv": "P-256", "x": base64URL(key.X, 32), "y": base64URL(key.Y, 32),
	}}
}

// Token makes a terminal's token.
func (i Issuer) Token(t *testing.T, terminal string) string {
	t.Helper()
	return Sign(t, i.Method, i.Key, i.KID, terminal)
}

// KeySet is the JWK Set of these issuers.
func KeySet(issuers ...Issuer) string {
	keys := []map[string]string{}
	for _, i := range issuers {
		keys = append(keys, i.public)
	}
	text, _ := json.Marshal(map[string]any{"keys": keys})
	return string(text)
}
