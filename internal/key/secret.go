package key

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/getportal/ptlauth/internal/source"
)

// shortest is the least length of an HMAC key in bytes: that of the hash (RFC 7518 §3.2).
var shortest = map[string]int{"HS256": 32, "HS384": 48, "HS512": 64}

// published once stood in the example of Traefik's plugin catalog, for everybody to sign with.
const published = "an-example-secret-that-is-long-enough-and-that-you-replace"

// assignment is a line of an environment file.
var assignment = regexp.MustCompile(`^(?:export[ \t]+)?[A-Z][A-Z0-9_]*=.{8}`)

// writingProblem says what stands around a secret that is text; empty: nothing. Whatever
// does would be part of the secret, and all tokens be of another key.
func writingProblem(text string) string {
	const remedy = "; if that is really part of it, encode it and set secretBase64"
	if !utf8.ValidString(text) || strings.ContainsAny(text, "\x00\x01\x02\x03\x04\x05\x06\x07\x08\x0b\x0c\x0e\x0f\x7f") {
		return ""
	}
	quote := text[:1]
	switch {
	case strings.TrimSpace(text) != text:
		return "has a blank or an empty line around the secret: take it off" + remedy
	case strings.ContainsAny(text, "\r\n"):
		return "holds several lines, where the secret alone belongs: take the others out" + remedy
	case strings.Contains("\"'`", quote) && len(text) > 1 && strings.HasSuffix(text, quote): // guard: what stands around a secret is told
		return "has quotes around the secret: take them off" + remedy
	case assignment.MatchString(text):
		return "is a line NAME=VALUE, as of an environment file: leave the value alone in it" + remedy
	}
	return ""
}

// parseSecret turns what was configured into an HMAC key: its bytes as they are,
// without the newline that editors leave at the end.
func parseSecret(content []byte, d spec) ([]*Key, string) {
	text := strings.TrimRight(string(source.Text(content)), "\r\n")
	if d.base64 {
		// White space is no part of base64, and openssl breaks it after 64 characters.
		text = spaces.ReplaceAllString(text, "")
	}
	if text == "" {
		return nil, "is empty: whoever makes the tokens (on a Portal, its core) writes the secret there; if that is you, make one, such as with openssl rand -hex 64"
	}
	if isNoSecret(text) {
		return nil, notShared
	}
	problem := writingProblem(text)
	if problem != "" {
		return nil, problem
	}
	secret := []byte(text)
	if d.base64 {
		// Both alphabets are read.
		decoded, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(alphabet.Replace(text), "="))
		if err != nil {
			return nil, "is not base64: encode it, or leave out secretBase64"
		}
		secret = decoded
	}
	if isNoSecret(string(secret)) {
		return nil, notShared
	}
	if text == published || string(secret) == published { // guard: a published secret is refused
		return nil, "is an example's, which everybody knows: make one of your own, such as with openssl rand -hex 64"
	}
	return fromSecret(secret, d)
}

const notShared = "holds a public key, a certificate or a private key, not a shared secret: use publicKey, publicKeyFile or jwksFile for a public one"

// isNoSecret reports whether a text is a key of a pair, in PEM, DER, base64 alone, JSON or
// OpenSSH's form. Whoever knows a public key that serves as a secret can sign (CVE-2015-9235).
func isNoSecret(text string) bool {
	if strings.Contains(text, "-----BEGIN") || // guard: a PEM key is no secret
		sshKey.MatchString(text) || isDER([]byte(text)) {
		return true
	}
	der, ok := unbase64(text)
	if ok {
		return isDER(der) // guard: a public key without its PEM lines is no secret
	}
	var fields map[string]interface{}
	return json.Unmarshal([]byte(text), &fields) == nil && (fields["kty"] != nil || fields["keys"] != nil)
}

// sshKey is how a public key in OpenSSH's form begins.
var sshKey = regexp.MustCompile(`^\s*(?:ssh-(?:rsa|dss|ed25519)|ecdsa-sha2-nistp\d+|sk-\S+@openssh\.com) `)

func isDER(der []byte) bool {
	_, noPublic := x509.ParsePKIXPublicKey(der)
	_, noRSA := x509.ParsePKCS1PublicKey(der)
	_, noCertificate := x509.ParseCertificate(der)
	return noPublic == nil || noRSA == nil || noCertificate == nil || isPrivate(der)
}

func fromSecret(secret []byte, d spec) ([]*Key, string) {
	algorithm := d.algorithm
	if algorithm == "" {
		algorithm = "HS256"
	}
	least := shortest[algorithm]
	if len(secret) < least { // guard: a short secret is refused
		return nil, "holds " + strconv.Itoa(len(secret)) + " bytes, and " + algorithm + " needs at least " +
			strconv.Itoa(least) + ": make a longer one, such as with openssl rand -hex 64"
	}
	k := &Key{Algorithm: algorithm, ID: d.id, RequireKID: true, secret: secret}
	k.hash = hashOf(k)
	if d.id == "" {
		k.HeaderPrefix = usual[algorithm]
	}
	return []*Key{k}, ""
}
