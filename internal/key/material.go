package key

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"math/big"
	"strconv"
	"strings"
)

// shortest is the least length of an HMAC key in bytes: that of the hash (RFC 7518 §3.2).
var shortest = map[string]int{"HS256": 32, "HS384": 48, "HS512": 64}

// published once stood in the example of Traefik's plugin catalog, for everybody to sign with.
const published = "an-example-secret-that-is-long-enough-and-that-you-replace"

// shortestRSA is the least length of an RSA key in bits (RFC 7518 §3.3).
const shortestRSA = 2048

var (
	algorithmsHS = []string{"HS256", "HS384", "HS512"}
	algorithmsPK = []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}
)

func algorithmsFor(name string) []string {
	if strings.HasPrefix(name, "secret") {
		return algorithmsHS
	}
	return algorithmsPK
}

func isKnown(algorithm, name string) bool {
	if algorithm == "" {
		return true
	}
	for _, known := range algorithmsFor(name) {
		if algorithm == known {
			return true
		}
	}
	return false
}

// parseSecret turns what was configured into an HMAC key: its bytes as they are,
// without the newline that editors leave at the end.
func parseSecret(content []byte, d demand) ([]*Key, string) {
	text := strings.TrimRight(string(content), "\r\n")
	if strings.Contains(text, "-----BEGIN") {
		// Whoever knows a public key that serves as a secret can sign (CVE-2015-9235).
		return nil, "holds a PEM key or certificate, not a shared secret: use publicKey or publicKeyFile for that"
	}
	secret := []byte(text)
	if d.base64 {
		var err error
		text = strings.TrimRight(text, "=")
		if strings.ContainsAny(text, "+/") {
			secret, err = base64.RawStdEncoding.DecodeString(text)
		} else {
			secret, err = base64.RawURLEncoding.DecodeString(text)
		}
		if err != nil {
			return nil, "is not base64: encode it, or leave out secretBase64"
		}
	}
	if string(secret) == published {
		return nil, "is an example's, which everybody knows: make one of your own, such as with openssl rand -hex 64"
	}
	algorithm := d.algorithm
	if algorithm == "" {
		algorithm = "HS256"
	}
	least := shortest[algorithm]
	if len(secret) < least {
		return nil, "holds " + strconv.Itoa(len(secret)) + " bytes, and " + algorithm + " needs at least " +
			strconv.Itoa(least) + ": make a longer one, such as with openssl rand -hex 64"
	}
	k := &Key{Algorithm: algorithm, ID: d.id, Strict: true, secret: secret}
	k.hash = hashOf(k)
	if d.id == "" {
		k.Usual = usual[algorithm]
	}
	return []*Key{k}, ""
}

// parsePEM reads the public key (PKIX) or certificate in a PEM text.
func parsePEM(content []byte, d demand) ([]*Key, string) {
	block, rest := pem.Decode(content)
	if block == nil {
		return nil, "is not PEM: it should begin with -----BEGIN PUBLIC KEY-----"
	}
	var public interface{}
	var err error
	switch {
	case strings.Contains(block.Type, "PRIVATE"):
		return nil, "holds a private key: put the public one in its place, and the private one where nobody else can read it"
	case block.Type == "CERTIFICATE":
		certificate, problem := x509.ParseCertificate(block.Bytes)
		err = problem
		if err == nil {
			public = certificate.PublicKey
		}
	case block.Type == "PUBLIC KEY":
		public, err = x509.ParsePKIXPublicKey(block.Bytes)
		another, _ := pem.Decode(rest)
		if another != nil {
			return nil, "holds several keys: give each an entry of its own"
		}
	default:
		return nil, "is neither a PUBLIC KEY nor a CERTIFICATE in PEM: convert it, such as with openssl pkey -pubin -pubout"
	}
	if err != nil {
		return nil, "holds a key that cannot be read: is it whole?"
	}
	k, problem := fromPublic(public, d.algorithm)
	if problem != "" {
		return nil, problem
	}
	k.ID = d.id
	k.Strict = true
	return []*Key{k}, ""
}

// fromPublic makes a key of what crypto/x509 returns; the algorithm may be empty.
func fromPublic(public interface{}, algorithm string) (*Key, string) {
	rsaKey, ok := public.(*rsa.PublicKey)
	if ok {
		return fromRSA(rsaKey, algorithm)
	}
	ecKey, ok := public.(*ecdsa.PublicKey)
	if ok {
		return fromEC(ecKey, algorithm)
	}
	edKey, ok := public.(ed25519.PublicKey)
	if ok {
		if algorithm != "" && algorithm != "EdDSA" {
			return nil, "holds an Ed25519 key, which is for EdDSA, not for " + algorithm
		}
		return &Key{Algorithm: "EdDSA", family: "Ed", public: edKey}, ""
	}
	return nil, "holds a key of a kind that is not supported: use RSA, P-256, P-384, P-521 or Ed25519"
}

func fromRSA(public *rsa.PublicKey, algorithm string) (*Key, string) {
	if public.N.BitLen() < shortestRSA {
		return nil, "holds an RSA key of " + strconv.Itoa(public.N.BitLen()) + " bits: make one of 2048 or more"
	}
	if public.E < 3 || public.E%2 == 0 || public.N.Bit(0) == 0 {
		return nil, "holds an RSA key that is not one"
	}
	if isROCA(public.N) {
		return nil, "holds an RSA key that can be broken (CVE-2017-15361): make a new one elsewhere"
	}
	if algorithm == "" {
		algorithm = "RS256"
	}
	if algorithm[:2] != "RS" && algorithm[:2] != "PS" {
		return nil, "holds an RSA key, which is for RS256 and its like, not for " + algorithm
	}
	return &Key{Algorithm: algorithm, family: algorithm[:2], public: public}, ""
}

// tellingPrimes are those among the first 38 whose residues tell most.
var tellingPrimes = []int64{11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157}

// isROCA tells the keys that Infineon's library made, whose factors can be found: they are a power of 65537 modulo
// every small prime (CVE-2017-15361). Another key is all that once in 2²⁷.
func isROCA(n *big.Int) bool {
	for _, prime := range tellingPrimes {
		rest := new(big.Int).Mod(n, big.NewInt(prime)).Int64()
		power := int64(1)
		for power != rest {
			power = power * 65537 % prime
			if power == 1 {
				return false
			}
		}
	}
	return true
}

var algorithmOf = map[string]string{"P-256": "ES256", "P-384": "ES384", "P-521": "ES512"}

func fromEC(public *ecdsa.PublicKey, algorithm string) (*Key, string) {
	own := algorithmOf[public.Curve.Params().Name]
	if own == "" {
		return nil, "holds a key on a curve that is not supported: use P-256, P-384 or P-521"
	}
	if algorithm != "" && algorithm != own {
		return nil, "holds a key that is for " + own + ", not for " + algorithm
	}
	return &Key{Algorithm: own, family: "ES", public: public}, ""
}
