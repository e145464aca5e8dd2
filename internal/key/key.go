// Package key holds the keys that a token's signature may be verified with. A
// key's configuration names its algorithm; a token never chooses.
package key

import (
	"encoding/base64"
	"os"
	"strconv"
	"strings"

	"github.com/golang-jwt/jwt/v4"

	"github.com/getportal/ptlauth/internal/option"
	"github.com/getportal/ptlauth/internal/source"
)

// Key verifies signatures of one algorithm.
type Key struct {
	// Option is the full name of the option that configured the key.
	Option string
	// Algorithm is the `alg` that a token's header must name (RFC 7518 §3.1).
	Algorithm string
	// ID is the `kid` that a token's header must name; empty: any.
	ID string

	hmac   *jwt.SigningMethodHMAC
	secret interface{} // []byte, as golang-jwt takes it; nil while the file has none
	base64 bool
	file   *source.File
}

// sources are the options of which each key has exactly one.
var sources = []string{"secret", "secretFile", "secretEnv", "publicKey", "publicKeyFile", "jwksFile", "jwksURL"}

// shortest is the least length of an HMAC key in bytes: that of the hash (RFC 7518 §3.2).
var shortest = map[string]int{"HS256": 32, "HS384": 48, "HS512": 64}

// Read reads `secretFile` and the list `keys`.
func Read(top *option.Section) []*Key {
	var keys []*Key
	path := strings.TrimSpace(top.Text("secretFile", ""))
	if path != "" {
		k := &Key{Option: "secretFile", Algorithm: "HS256", hmac: jwt.SigningMethodHS256}
		readFile(k, top, path)
		keys = append(keys, k)
	} else if top.Has("secretFile") {
		top.Problem("secretFile", "is empty: write the path of the file that holds the secret")
	}
	given := top.Has("keys")
	for _, s := range top.Sections("keys") {
		k := readKey(s)
		if k != nil {
			keys = append(keys, k)
		}
	}
	if path == "" && !given && !top.Has("secretFile") {
		top.Problem("secretFile", "is missing, and so is `keys`: write the path of the file that holds the tokens' secret")
	} else if given && len(keys) == 0 {
		top.Problem("keys", "no token could be verified: add a key, such as secretFile: /run/secrets/ptlauth")
	}
	return keys
}

func readKey(s *option.Section) *Key {
	k := &Key{Option: s.Path, ID: s.Text("id", "")}
	algorithm := s.Text("algorithm", "HS256")
	encoded := s.Bool("secretBase64", false)
	var named []string
	for _, name := range sources {
		value := s.Value(name)
		if value != nil {
			named = append(named, name)
		}
	}
	s.Unknown()
	if len(named) == 0 {
		return reported(s, "", "has no source: give it one of "+strings.Join(sources[:3], ", "))
	}
	if len(named) > 1 {
		return reported(s, "", "has several sources: keep one of "+strings.Join(named, ", "))
	}
	k.Algorithm = algorithm
	k.hmac = method(algorithm)
	if k.hmac == nil {
		return reported(s, "algorithm", "is not supported: write HS256, HS384 or HS512")
	}
	k.base64 = encoded
	name := named[0]
	text := s.Text(name, "")
	switch name {
	case "secret":
		return fixed(k, s, name, text)
	case "secretEnv":
		value, ok := os.LookupEnv(text)
		if !ok || text == "" {
			return reported(s, name, "names an environment variable that Traefik does not have: set it, or use secretFile")
		}
		return fixed(k, s, name, value)
	case "secretFile":
		path := strings.TrimSpace(text)
		if path == "" {
			return reported(s, name, "is empty: write the path of the file that holds the secret")
		}
		readFile(k, s, path)
		return k
	}
	return reported(s, name, "is not supported yet: use secret, secretFile or secretEnv")
}

func reported(s *option.Section, name, text string) *Key {
	s.Problem(name, text)
	return nil
}

func method(algorithm string) *jwt.SigningMethodHMAC {
	switch algorithm {
	case "HS256":
		return jwt.SigningMethodHS256
	case "HS384":
		return jwt.SigningMethodHS384
	case "HS512":
		return jwt.SigningMethodHS512
	}
	return nil
}

// fixed sets a secret that does not change while Traefik runs.
func fixed(k *Key, s *option.Section, name, text string) *Key {
	secret, problem := decode(k, []byte(text))
	if problem != "" {
		s.Problem(name, problem)
		return nil
	}
	k.secret = secret
	return k
}

func readFile(k *Key, s *option.Section, path string) {
	// A secret in the place of its file's name must not come back in a log line.
	if !strings.ContainsAny(path, `/\`) && len(path) >= 32 {
		s.Problem("secretFile", "does not look like a path: write the secret into a file, and the file's path here")
		return
	}
	kind := "secret " + k.Algorithm
	if k.base64 {
		kind += " base64"
	}
	k.file = source.Open(kind, path, checker(k))
}

func checker(k *Key) source.Check {
	return func(content []byte) string {
		_, problem := decode(k, content)
		return problem
	}
}

// decode turns what was configured into the HMAC key: its bytes as they are, without
// the newline that editors leave at the end.
func decode(k *Key, content []byte) ([]byte, string) {
	text := strings.TrimRight(string(content), "\r\n")
	if strings.Contains(text, "-----BEGIN") {
		// A public key as HMAC secret would let anyone who knows it sign (CVE-2015-9235).
		return nil, "holds a PEM key or certificate, not a shared secret: use publicKey or publicKeyFile for that"
	}
	secret := []byte(text)
	if k.base64 {
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
	least := shortest[k.Algorithm]
	if len(secret) < least {
		return nil, "holds " + strconv.Itoa(len(secret)) + " bytes, and " + k.Algorithm + " needs at least " +
			strconv.Itoa(least) + ": make a longer one, such as with openssl rand -hex 64"
	}
	return secret, ""
}

// Look reads the files of the keys again, and returns the keys that are ready. An
// unreadable one does not keep the others from verifying.
func Look(keys []*Key) []*Key {
	ready := make([]*Key, 0, len(keys))
	for _, k := range keys {
		if k.file == nil {
			ready = append(ready, k)
			continue
		}
		source.Look(k.file)
		content, version := source.Content(k.file)
		if version == 0 {
			continue
		}
		secret, _ := decode(k, content)
		current := *k
		current.secret = secret
		ready = append(ready, &current)
	}
	return ready
}

// Verify tells whether the key made that signature over the signed text, which is
// the token up to its second dot. golang-jwt decodes and compares in constant time.
func Verify(k *Key, signed, signature string) bool {
	return k.hmac.Verify(signed, signature, k.secret) == nil
}
