package key

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"strconv"
	"strings"

	"github.com/getportal/ptlauth/internal/journal"
	"github.com/getportal/ptlauth/internal/source"
)

// maxSet bounds how many keys of a set are used, and maxTried how many may have to be tried
// for a token that names none: in a larger set, a token must.
const (
	maxSet   = 256
	maxTried = 32
)

// parseSet reads a JWK Set (RFC 7517 §5), or a JWK alone. A key that is not for verifying,
// or that is not understood, is passed over, as §5 says; a set without any usable one is no
// good.
func parseSet(content []byte, d spec) ([]*Key, string) {
	var set map[string]interface{}
	err := json.Unmarshal(source.Text(content), &set)
	if err != nil || set == nil {
		return nil, "is not a JWK Set: it should be {\"keys\": […]}"
	}
	members, ok := set["keys"].([]interface{})
	if !ok && set["kty"] != nil {
		members = []interface{}{set}
		ok = true
	}
	if !ok {
		return nil, "is not a JWK Set: it has no list called keys"
	}
	if len(members) > maxSet {
		return nil, "has more than 256 keys"
	}
	keys, problems := usable(members, d)
	if len(keys) == 0 {
		return nil, "has no key that can verify here (" + strings.Join(problems, "; ") + "): it needs RSA of 2048 bits or more, P-256, P-384, P-521 or Ed25519, for signatures"
	}
	tell(problems)
	if len(keys) > maxTried { // guard: in a large set a token names its key
		for _, k := range keys {
			k.RequireKID = true
		}
	}
	return keys, ""
}

// maxProblems bounds how many keys are spoken of in one line.
const maxProblems = 8

// usable are the keys that can verify, and what is wrong with the others.
func usable(members []interface{}, d spec) ([]*Key, []string) {
	var keys []*Key
	var problems []string
	for i, member := range members {
		fields := fieldsOf(member)
		k, problem := fromJWK(fields, d)
		if problem == "" {
			keys = append(keys, k)
		} else if len(problems) < maxProblems {
			problems = append(problems, "key "+strconv.Itoa(i+1)+named(fields)+" "+problem)
		}
	}
	if len(members) == 0 {
		problems = append(problems, "it is empty")
	}
	return keys, problems
}

// maxKID bounds how much of a kid stands in the log, in bytes.
const maxKID = 64

// named is a key's kid as it may stand in the log; empty where it has none.
func named(fields map[string]interface{}) string {
	id := text(fields, "kid")
	if id == "" {
		return ""
	}
	if len(id) > maxKID {
		id = id[:maxKID]
	}
	return " (kid " + strconv.QuoteToASCII(id) + ")"
}

// tell logs what is wrong with keys of a set of which others serve. Keys that are for
// something else are in order: identity providers have one for encryption.
func tell(problems []string) {
	var wrong []string
	for _, problem := range problems {
		if !strings.HasSuffix(problem, otherUse) && !strings.HasSuffix(problem, otherAlgorithm) && !strings.HasSuffix(problem, otherID) {
			wrong = append(wrong, problem)
		}
	}
	if len(wrong) > 0 {
		journal.Error("a JWK Set has keys that cannot verify here, and its others serve: " + strings.Join(wrong, "; "))
	}
}

const (
	otherUse       = "is not for verifying signatures (use, key_ops)"
	otherAlgorithm = "is for another algorithm than `algorithm` says"
	otherID        = "has another kid than `id` says"
)

// fieldsOf is a function of its own because in a loop a failed assertion would leave the
// value of the key before under Yaegi. nil: it is no object.
func fieldsOf(member interface{}) map[string]interface{} {
	fields, _ := member.(map[string]interface{})
	return fields
}

// fromJWK makes a key that verifies signatures as demanded, or says why it is none.
func fromJWK(fields map[string]interface{}, d spec) (*Key, string) {
	if fields == nil {
		return nil, "is not an object"
	}
	if !isForVerifying(fields) {
		return nil, otherUse
	}
	if fields["d"] != nil { // guard: a private key in a set is refused
		return nil, "is a private key: leave out all but its public members, and keep the private one where nobody else can read it"
	}
	public := publicOf(fields)
	if public == nil {
		return nil, "is of a kind that is not supported, or not whole (kty, crv, n, e, x, y)"
	}
	algorithm := d.algorithm
	if !isAbsent(fields, "alg") {
		own := text(fields, "alg")
		if own == "Ed25519" {
			own = "EdDSA"
		}
		if own == "" || !isKnown(own, "jwks") {
			return nil, "has an alg that is not supported"
		}
		if algorithm != "" && algorithm != own {
			return nil, otherAlgorithm
		}
		algorithm = own
	}
	k, problem := fromPublic(public, algorithm)
	if problem != "" {
		return nil, problem
	}
	if !isAbsent(fields, "kid") {
		k.ID = text(fields, "kid")
		if k.ID == "" {
			return nil, "has a kid that is not text"
		}
	}
	if d.id != "" {
		if k.ID != d.id {
			return nil, otherID
		}
		k.RequireKID = true
	}
	return k, ""
}

// isAbsent reports whether a parameter is not there, or says nothing.
func isAbsent(fields map[string]interface{}, name string) bool {
	switch v := fields[name].(type) {
	case nil:
		return true
	case string:
		return v == ""
	case []interface{}:
		return len(v) == 0
	}
	return false
}

// isForVerifying reads `use` and `key_ops` (RFC 7517 §4.2, §4.3).
func isForVerifying(fields map[string]interface{}) bool {
	if !isAbsent(fields, "use") && text(fields, "use") != "sig" {
		return false
	}
	if isAbsent(fields, "key_ops") {
		return true
	}
	list, _ := fields["key_ops"].([]interface{})
	for _, operation := range list {
		if operation == "verify" {
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

var curves = map[string]elliptic.Curve{"P-256": elliptic.P256(), "P-384": elliptic.P384(), "P-521": elliptic.P521()}

func pointOf(fields map[string]interface{}) interface{} {
	curve, isKnown := curves[text(fields, "crv")]
	x := number(fields["x"])
	y := number(fields["y"])
	if !isKnown || x == nil || y == nil {
		return nil
	}
	public := &ecdsa.PublicKey{Curve: curve, X: x, Y: y}
	_, err := public.ECDH()
	if err != nil { // The point is not on the curve.
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

// alphabet makes base64url of base64.
var alphabet = strings.NewReplacer("+", "-", "/", "_")

func octets(value interface{}) []byte {
	text, _ := value.(string)
	// Padding and the standard alphabet say the same.
	content, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(alphabet.Replace(text), "="))
	if err != nil {
		return nil
	}
	return content
}
