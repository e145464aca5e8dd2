package key

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"math/big"
	"strconv"
)

// shortestRSA is the least length of an RSA key in bits (RFC 7518 §3.3).
const shortestRSA = 2048

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
		return &Key{Algorithm: "EdDSA", ed: edKey}, ""
	}
	return nil, "holds a key of a kind that is not supported: use RSA, P-256, P-384, P-521 or Ed25519"
}

func fromRSA(public *rsa.PublicKey, algorithm string) (*Key, string) {
	if public.N.BitLen() < shortestRSA { // guard: a short RSA key is refused
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
	return &Key{Algorithm: algorithm, rsa: public}, ""
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
	return &Key{Algorithm: own, ecdsa: public}, ""
}
