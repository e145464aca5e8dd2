package key

import (
	"crypto/x509"
	"encoding/base64"
	"regexp"
	"strings"

	"github.com/getportal/ptlauth/internal/source"
)

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
func parsePEM(content []byte, d spec) ([]*Key, string) {
	text := string(source.Text(content))
	text = strings.ReplaceAll(strings.ReplaceAll(text, `\r`, ""), `\n`, "\n")
	if !strings.Contains(text, "-----BEGIN") {
		return parseBare(text, d)
	}
	// What stands between may not be base64, as of an encrypted one.
	if strings.Contains(text, "PRIVATE KEY-----") { // guard: a private key is refused
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
func parseBare(text string, d spec) ([]*Key, string) {
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

func parseDER(der []byte, isCertificate bool, d spec) ([]*Key, string) {
	public, err := x509.ParsePKIXPublicKey(der)
	if isCertificate {
		certificate, problem := x509.ParseCertificate(der)
		err = problem
		if err == nil {
			public = certificate.PublicKey
		}
	}
	if err != nil {
		return nil, unreadable
	}
	k, problem := fromPublic(public, d.algorithm)
	if problem != "" {
		return nil, problem
	}
	k.ID = d.id
	k.RequireKID = true
	return []*Key{k}, ""
}

func isPrivate(der []byte) bool {
	_, noPKCS8 := x509.ParsePKCS8PrivateKey(der)
	_, noRSA := x509.ParsePKCS1PrivateKey(der)
	_, noEC := x509.ParseECPrivateKey(der)
	return noPKCS8 == nil || noRSA == nil || noEC == nil
}

func unbase64(text string) ([]byte, bool) {
	content, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(spaces.ReplaceAllString(text, ""), "="))
	return content, err == nil && len(content) > 0
}
