package key

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"math/big"
)

// maxSet bounds how many keys of a set are used: each may have to be tried.
const maxSet = 32

// parseSet reads a JWK Set (RFC 7517 §5). A key that is not for verifying, or that is
// not understood, is passed over, as §5 says; a set without any usable one is no good.
func parseSet(content []byte, d demand) ([]*Key, string) {
	var set map[string]interface{}
	err := json.Unmarshal(content, &set)
	if err != nil || set == nil {
		return nil, "is not a JWK Set: it should be {\"keys\": […]}"
	}
	members, ok := set["keys"].([]interface{})
	if !ok {
		return nil, "is not a JWK Set: it has no list called keys"
	}
	var keys []*Key
	for _, member := range members {
		fields, ok := member.(map[string]interface{})
		if !ok {
			continue
		}
		k := fromJWK(fields, d)
		if k != nil {
			keys = append(keys, k)
		}
	}
	if len(keys) == 0 {
		return nil, "has no key that can verify here: RSA (2048 bits or more), P-256, P-384, P-521 or Ed25519, for signatures"
	}
	if len(keys) > maxSet {
		return nil, "has more than 32 keys"
	}
	return keys, ""
}

// fromJWK returns nil for a key that is not for verifying signatures as demanded.
func fromJWK(fields map[string]interface{}, d demand) *Key {
	if !isForVerifying(fields) {
		return nil
	}
	public := publicOf(fields)
	if public == nil {
		return nil
	}
	algorithm := d.algorithm
	_, present := fields["alg"]
	if present {
		own := text(fields, "alg")
		if own == "" || !isKnown(own, "jwks") || algorithm != "" && algorithm != own {
			return nil
		}
		algorithm = own
	}
	k, problem := fromPublic(public, algorithm)
	if problem != "" {
		return nil
	}
	_, present = fields["kid"]
	if present {
		k.ID = text(fields, "kid")
		if k.ID == "" {
			return nil
		}
	}
	if d.id != "" {
		if k.ID != d.id {
			return nil
		}
		k.Strict = true
	}
	return k
}

// isForVerifying reads `use` and `key_ops` (RFC 7517 §4.2, §4.3).
func isForVerifying(fields map[string]interface{}) bool {
	_, present := fields["use"]
	if present && text(fields, "use") != "sig" {
		return false
	}
	operations, present := fields["key_ops"]
	if !present {
		return true
	}
	list, _ := operations.([]interface{})
	for _, operation := range list {
		name, ok := operation.(string)
		if ok && name == "verify" {
			return true
		}
	}
	return false
}

// text is a parameter that is text; empty when it is not. In a loop, a failed assertion
// would leave the value of the key before under Yaegi.
func text(fields map[string]interface{}, name string) string {
	value, _ := fields[name].(string)
	return value
}

// publicOf reads the parameters of RFC 7518 §6.2, §6.3 and RFC 8037 §2.
func publicOf(fields map[string]interface{}) interface{} {
	switch text(fields, "kty") {
	case "RSA":
		n := number(fields["n"])
		e := number(fields["e"])
		if n == nil || e == nil || !e.IsInt64() || e.Int64() > 1<<31-1 {
			return nil
		}
		return &rsa.PublicKey{N: n, E: int(e.Int64())}
	case "EC":
		return pointOf(fields)
	case "OKP":
		x := octets(fields["x"])
		if text(fields, "crv") != "Ed25519" || len(x) != ed25519.PublicKeySize {
			return nil
		}
		return ed25519.PublicKey(x)
	}
	return nil
}

func pointOf(fields map[string]interface{}) interface{} {
	var curve elliptic.Curve
	switch text(fields, "crv") {
	case "P-256":
		curve = elliptic.P256()
	case "P-384":
		curve = elliptic.P384()
	case "P-521":
		curve = elliptic.P521()
	default:
		return nil
	}
	x := number(fields["x"])
	y := number(fields["y"])
	if x == nil || y == nil {
		return nil
	}
	public := &ecdsa.PublicKey{Curve: curve, X: x, Y: y}
	// ECDH refuses a point that is not on the curve.
	_, err := public.ECDH()
	if err != nil {
		return nil
	}
	return public
}

func number(value interface{}) *big.Int {
	content := octets(value)
	if len(content) == 0 {
		return nil
	}
	return new(big.Int).SetBytes(content)
}

func octets(value interface{}) []byte {
	text, ok := value.(string)
	if !ok {
		return nil
	}
	content, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return nil
	}
	return content
}
