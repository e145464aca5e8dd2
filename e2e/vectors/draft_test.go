package vectors

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	mathrand "math/rand/v2"
	"slices"
	"strconv"
	"strings"
)

// signer is a key that both sides know.
type signer struct {
	algorithm string
	id        string
	strict    bool // a token must name the id
	private   any
	public    any
}

// member is a name and a JSON text: an object may hold a name twice.
type member struct{ name, value string }

// draft is a token in the making, one field for each layer.
type draft struct {
	*mathrand.Rand
	setup  *setup
	signer signer
	salt   int // of RSASSA-PSS; 0: as long as the hash
	header []member
	claims []member
	// texts turns the JSON texts into others, before they are encoded and signed.
	texts func(header, claims string) (string, string)
	// spell turns the two encoded segments into others, before they are signed.
	spell func(header, claims string) (string, string)
	// forge makes the signature instead of the signer.
	forge func(signed string) []byte
	// after turns the token into another.
	after func(token string) string
	// laxer tells which things are in the token that go-jose refuses and ptlauth may take: it must then decide as on
	// the twin, which is without them.
	laxer []string
	made  []string
}

func (d *draft) pick(texts ...string) string { return texts[d.IntN(len(texts))] }

func encode(content string) string { return base64.RawURLEncoding.EncodeToString([]byte(content)) }

// token is what the draft makes.
func (d *draft) token(header, claims []member) string {
	first, second := object(header), object(claims)
	if d.texts != nil {
		first, second = d.texts(first, second)
	}
	first, second = encode(first), encode(second)
	if d.spell != nil {
		first, second = d.spell(first, second)
	}
	signed := first + "." + second
	forge := d.forge
	if forge == nil {
		forge = func(signed string) []byte { return sign(d.signer, signed, d.salt) }
	}
	token := signed + "." + encode(string(forge(signed)))
	if d.after != nil {
		token = d.after(token)
	}
	return token
}

func object(members []member) string {
	texts := make([]string, len(members))
	for i, m := range members {
		texts[i] = m.name + ":" + m.value
	}
	return "{" + strings.Join(texts, ",") + "}"
}

// set gives a member a value, or takes it out when that is empty.
func set(members []member, name, value string) []member {
	var others []member
	done := false
	for _, m := range members {
		if !m.is(name) {
			others = append(others, m)
		} else if value != "" && !done {
			others = append(others, member{m.name, value})
			done = true
		}
	}
	if value != "" && !done {
		others = append(others, member{quote(name), value})
	}
	return others
}

// twin keeps the last of each name, none that is never read, and what makes the whole no JSON.
func twin(members []member) []member {
	var kept []member
	for i, m := range members {
		again := slices.ContainsFunc(members[i+1:], func(later member) bool { return later.is(m.text()) })
		if !again && !m.is("jwk") && !m.is("x5c") && !m.is("nonce") || !json.Valid([]byte(m.value)) {
			kept = append(kept, m)
		}
	}
	return kept
}

// text is the name without its escapes.
func (m member) text() string { return must(strconv.Unquote(m.name)) }

func (m member) is(name string) bool { return m.text() == name }

func quote(text string) string { return `"` + text + `"` }

var hashes = map[string]crypto.Hash{"256": crypto.SHA256, "384": crypto.SHA384, "512": crypto.SHA512}

// sign makes a signature as its algorithm says, without a library for tokens.
func sign(s signer, signed string, salt int) []byte {
	if s.algorithm == "EdDSA" {
		return ed25519.Sign(s.private.(ed25519.PrivateKey), []byte(signed))
	}
	hash := hashes[s.algorithm[2:]]
	digest := hash.New()
	digest.Write([]byte(signed))
	sum := digest.Sum(nil)
	switch key := s.private.(type) {
	case []byte:
		mac := hmac.New(hash.New, key)
		mac.Write([]byte(signed))
		return mac.Sum(nil)
	case *rsa.PrivateKey:
		if s.algorithm[:2] == "RS" {
			return must(rsa.SignPKCS1v15(nil, key, hash, sum))
		}
		if salt == 0 {
			salt = rsa.PSSSaltLengthEqualsHash
		}
		return must(rsa.SignPSS(rand.Reader, key, hash, sum, &rsa.PSSOptions{SaltLength: salt, Hash: hash}))
	case *ecdsa.PrivateKey:
		r, s := must2(ecdsa.Sign(rand.Reader, key, sum))
		return join(key, r, s)
	}
	panic(fmt.Sprintf("no signature of %T", s.private))
}

// join is the form of RFC 7518 §3.4.
func join(key *ecdsa.PrivateKey, r, s *big.Int) []byte {
	size := (key.Curve.Params().BitSize + 7) / 8
	both := make([]byte, 2*size)
	r.FillBytes(both[:size])
	s.FillBytes(both[size:])
	return both
}

// inDER is the form of an ECDSA signature that everything but JWS uses.
func inDER(signature []byte) []byte {
	half := len(signature) / 2
	return must(asn1.Marshal(struct{ R, S *big.Int }{
		new(big.Int).SetBytes(signature[:half]), new(big.Int).SetBytes(signature[half:]),
	}))
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func must2[T, U any](first T, second U, err error) (T, U) {
	if err != nil {
		panic(err)
	}
	return first, second
}
