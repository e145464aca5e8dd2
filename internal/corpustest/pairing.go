package corpustest

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
)

// pairingCode is a case's code for pairing of that kind: link, code or watch. Each run of a case has its own, because what
// was used is remembered.
func pairingCode(dir, kind string) (string, bool) {
	const alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
	length, ok := map[string]int{"link": 26, "code": 10, "watch": 26}[kind]
	sum := sha256.Sum256([]byte(dir + kind))
	code := make([]byte, length)
	for i := range code {
		code[i] = alphabet[sum[i]%32]
	}
	return string(code), ok
}

// pairingMAC is what that code is recognised by in a list of terminals, with that secret.
func pairingMAC(dir, kind, secret string) (string, bool) {
	code, ok := pairingCode(dir, kind)
	sum := func(key, text string) string {
		mac := hmac.New(sha256.New, []byte(key))
		mac.Write([]byte(text))
		return string(mac.Sum(nil))
	}
	mac := sum(sum(secret, "ptlauth pairing 1"), "ptlauth pairing "+kind+"\n"+code)
	return base64.RawURLEncoding.EncodeToString([]byte(mac)), ok && secret != ""
}
