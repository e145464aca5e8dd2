package key

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"math/big"
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

// canonical is an algorithm as RFC 7518 spells it. Ed25519 is the newer name of EdDSA with
// such a key (RFC 9864 §2.2), which is the only one here.
func canonical(algorithm string) string {
	if strings.EqualFold(algorithm, "EdDSA") || strings.EqualFold(algorithm, "Ed25519") {
		return "EdDSA"
	}
	return strings.ToUpper(algorithm)
}

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
	case strings.Contains("\"'`", quote) && len(text) > 1 && strings.HasSuffix(text, quote):
		return "has quotes around the secret: take them off" + remedy
	case assignment.MatchString(text):
		return "is a line NAME=VALUE, as of an environment file: leave the value alone in it" + remedy
	}
	return ""
}

// parseSecret turns what was configured into an HMAC key: its bytes as they are,
// without the newline that editors leave at the end.
func parseSecret(content []byte, d demand) ([]*Key, string) {
	text := strings.TrimRight(string(source.Text(content)), "\r\n")
	if text == "" {
		return nil, "is empty: whoever makes the tokens (on a Portal, its core) writes the secret there; if that is you, make one, such as with openssl rand -hex 64"
	}
	if strings.Contains(text, "-----BEGIN") {
		// Whoever knows a public key that serves as a secret can sign (CVE-2015-9235).
		return nil, "holds a PEM key or certificate, not a shared secret: use publicKey or publicKeyFile for that"
	}
	problem := writingProblem(text)
	if problem != "" {
		return nil, problem
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

// block is a PEM block, however its lines are broken.
var block = regexp.MustCompile(`-----BEGIN ([A-Z0-9 ]+)-----([^-]*)-----END ([A-Z0-9 ]+)-----`)

const (
	noPEM      = "is not PEM: it should begin with -----BEGIN PUBLIC KEY----- or -----BEGIN CERTIFICATE-----"
	unreadable = "holds a key that cannot be read: is it whole?"
)

var spaces = regexp.MustCompile(`\s+`)

// parsePEM reads the public key (PKIX) or certificate in a PEM text: also with its lines in
// one, indented, or with \n written out, as it comes out of environment variables and YAML;
// or in base64 alone, as Keycloak shows it.
func parsePEM(content []byte, d demand) ([]*Key, string) {
	text := string(source.Text(content))
	text = strings.ReplaceAll(strings.ReplaceAll(text, `\r`, ""), `\n`, "\n")
	if !strings.Contains(text, "-----BEGIN") {
		return parseBare(text, d)
	}
	// What stands between may not be base64, as of an encrypted one.
	if strings.Contains(text, "PRIVATE KEY-----") {
		return nil, "holds a private key: put the public one in its place, and the private one where nobody else can read it"
	}
	blocks := block.FindAllStringSubmatch(text, 9)
	if len(blocks) == 0 {
		return nil, "begins with -----BEGIN and has no -----END behind it, or something in between that is no base64: is it whole?"
	}
	kind := blocks[0][1]
	if kind != blocks[0][3] || kind != "CERTIFICATE" && kind != "PUBLIC KEY" {
		return nil, "is neither a PUBLIC KEY nor a CERTIFICATE in PEM: convert it, such as with openssl pkey -pubin -pubout (openssl rsa -RSAPublicKey_in -pubout for an RSA PUBLIC KEY)"
	}
	if kind == "PUBLIC KEY" && len(blocks) > 1 {
		return nil, "holds several keys: give each an entry of its own"
	}
	der, ok := unbase64(blocks[0][2])
	if !ok {
		return nil, unreadable
	}
	return parseDER(der, kind == "CERTIFICATE", d)
}

// parseBare reads base64 without the lines around it.
func parseBare(text string, d demand) ([]*Key, string) {
	text = strings.TrimSpace(text)
	der, ok := unbase64(text)
	switch {
	case text == "":
		return nil, "is empty: put a public key in PEM there, which begins with -----BEGIN PUBLIC KEY-----"
	case strings.HasPrefix(text, "{"):
		return nil, "is JSON: use jwksFile for a JWK or a JWK Set"
	case strings.HasPrefix(text, "ssh-") || strings.HasPrefix(text, "ecdsa-sha2-"):
		return nil, "is a key in OpenSSH's form: convert it, such as with ssh-keygen -e -m PKCS8 -f FILE"
	case !ok:
		return nil, noPEM
	}
	if isPrivate(der) {
		return nil, "holds a private key: put the public one in its place, and the private one where nobody else can read it"
	}
	_, err := x509.ParseCertificate(der)
	keys, problem := parseDER(der, err == nil, d)
	if problem == unreadable {
		problem = noPEM
	}
	return keys, problem
}

func parseDER(der []byte, isCertificate bool, d demand) ([]*Key, string) {
	public, err := publicIn(der, isCertificate)
	if err != nil {
		return nil, unreadable
	}
	k, problem := fromPublic(public, d.algorithm)
	if problem != "" {
		return nil, problem
	}
	k.ID = d.id
	k.Strict = true
	return []*Key{k}, ""
}

func publicIn(der []byte, isCertificate bool) (interface{}, error) {
	if !isCertificate {
		return x509.ParsePKIXPublicKey(der)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	return certificate.PublicKey, nil
}

func isPrivate(der []byte) bool {
	_, err := x509.ParsePKCS8PrivateKey(der)
	if err == nil {
		return true
	}
	_, err = x509.ParsePKCS1PrivateKey(der)
	if err == nil {
		return true
	}
	_, err = x509.ParseECPrivateKey(der)
	return err == nil
}

func unbase64(text string) ([]byte, bool) {
	content, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(spaces.ReplaceAllString(text, ""), "="))
	return content, err == nil && len(content) > 0
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
