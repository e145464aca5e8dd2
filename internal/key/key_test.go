package key

import (
	"crypto/ed25519"
	"testing"
)

// strong reports whether a key is one that may verify at all.
func strong(k *Key) bool {
	if k.secret != nil {
		return k.rsa == nil && k.ecdsa == nil && k.ed == nil && len(k.secret) >= shortest[k.Algorithm]
	}
	switch family := k.Algorithm[:2]; family {
	case "RS", "PS":
		return k.rsa.N.BitLen() >= 2048 && k.rsa.E >= 3
	case "ES":
		_, err := k.ecdsa.ECDH()
		return err == nil && algorithmOf[k.ecdsa.Curve.Params().Name] == k.Algorithm
	case "Ed":
		return k.Algorithm == "EdDSA" && len(k.ed) == ed25519.PublicKeySize
	}
	return false
}

// FuzzParse: whatever stands in a key's place, what comes of it is a strong key of a known algorithm, and verifies no
// empty signature.
func FuzzParse(f *testing.F) {
	for _, text := range []string{
		"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", "c2hvcnQ=", "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----",
		`{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`,
		`{"keys":[{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0","kid":"1"}]}`,
		`{"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB"}]}`, `{"keys":null}`, `{"keys":[{"kty":1,"alg":2,"kid":{},"use":[],"key_ops":"verify"}]}`,
		"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----",
	} {
		f.Add([]byte(text), "", false)
		f.Add([]byte(text), "ES256", true)
	}
	f.Fuzz(func(t *testing.T, content []byte, algorithm string, encoded bool) {
		for _, name := range origins {
			if !isKnown(algorithm, name) {
				continue
			}
			value, problem := parser(name, spec{algorithm: algorithm, base64: encoded})(content)
			keys, _ := value.([]*Key)
			if (problem == "") != (len(keys) > 0) {
				t.Errorf("%s: %d keys and the problem %q", name, len(keys), problem)
			}
			for _, k := range keys {
				if !strong(k) || algorithm != "" && k.Algorithm != algorithm {
					t.Errorf("%s: %+v", name, k)
				}
				if Verify(k, "a.b", "") || Verify(k, "a.b", "AA") || Verify(k, "", "") {
					t.Errorf("%s: %+v verifies nothing at all", name, k)
				}
			}
		}
	})
}
