package vectors

import (
	"crypto/ecdsa"
	"crypto/rsa"
	"math/big"
	"strconv"
	"strings"
)

// mutation changes a draft in one layer.
type mutation struct {
	name  string
	apply func(d *draft)
}

var mutations = []mutation{
	// claims
	{"a claim of another kind", func(d *draft) {
		name := d.pick("sub", "iss", "aud", "exp", "nbf", "iat", "jti", "other")
		d.claims = set(d.claims, name, d.pick("null", "0", "-1", "1", "0.5", "1.5", "-0", "1e300", "1e400", "-1e300", "9007199254740992",
			"9007199254740991", `""`, `"text"`, `"1800000100"`, "[]", `["text"]`, `["text",1]`, `[null]`, `[""]`, "{}", `{"a":{"b":[1]}}`, "true"))
	}},
	{"a date that is none", func(d *draft) {
		d.claims = set(d.claims, d.pick("nbf", "iat", "exp"), d.pick("null", "0", "0.9", "-1", "9007199254740992", "1e300"))
	}},
	{"null for a text", func(d *draft) { d.claims = set(d.claims, d.pick("iss", "jti"), "null") }},
	{"a number beyond float64", func(d *draft) { d.claims = set(d.claims, "other", d.pick("1e400", "-1e400", "[1e309]")) }},
	{"null for the claims", func(d *draft) {
		d.texts = func(header, _ string) (string, string) { return header, d.pick("null", " null\n") }
	}},
	{"a claim left out", func(d *draft) {
		d.claims = set(d.claims, d.pick("sub", "iss", "aud", "exp", "nbf", "iat", "jti"), "")
	}},
	{"a time at a limit", func(d *draft) {
		limits := []int64{-d.setup.leeway, d.setup.leeway, 0, -d.setup.maxAge, -d.setup.maxAge - d.setup.leeway}
		at := now + limits[d.IntN(len(limits))] + int64(d.IntN(3)) - 1
		value := strconv.FormatInt(at, 10) + d.pick("", "", ".0", ".9")
		d.claims = set(d.claims, d.pick("exp", "nbf", "iat"), value)
	}},
	{"expired at this second", func(d *draft) {
		d.claims = set(d.claims, "exp", strconv.FormatInt(now-d.setup.leeway, 10))
	}},
	{"another issuer or audience", func(d *draft) {
		d.claims = set(d.claims, d.pick("iss", "aud"), d.pick(`"issuer"`, `"Issuer"`, `"app"`, `["x","app"]`, `["x","other app"]`, `["x"]`, `"issuer "`, `"iss\u0075er"`))
	}},
	{"a subject in letters of another case", func(d *draft) {
		d.claims = set(d.claims, d.pick("SUB", "Sub", "EXP", "Iss"), d.pick(`"admin"`, "1"))
	}},
	{"a name with an escape", func(d *draft) {
		for i, m := range d.claims {
			if m.is("sub") {
				d.claims[i].name = `"s\u0075b"`
			}
		}
	}},
	{"a subject of odd characters", func(d *draft) {
		d.claims = set(d.claims, "sub", d.pick(`"\ud800"`, `"a\u0000b"`, "\"a\xffb\"", "\"\xc0\xaf\"", `"ü"`, `"a\nb"`, "\"a\nb\"", `"\x"`))
	}},

	// header
	{"another alg in the header", func(d *draft) {
		d.header = set(d.header, "alg", d.pick(`"none"`, `"None"`, `"HS256"`, `"HS384"`, `"HS512"`, `"RS256"`, `"PS256"`, `"PS384"`, `"ES256"`, `"EdDSA"`, `"hs256"`,
			`"ES256K"`, `"Ed25519"`, `""`, "null", "1", `["HS256"]`, `{}`))
	}},
	{"no alg", func(d *draft) { d.header = set(d.header, "alg", "") }},
	{"another kid", func(d *draft) {
		d.header = set(d.header, "kid", d.pick(`"stranger"`, `""`, "null", "1", "{}", `"../../dev/null"`, quote(d.setup.signers[d.IntN(len(d.setup.signers))].id)))
	}},
	{"a kid that names none", func(d *draft) { d.header = set(d.header, "kid", d.pick(`""`, "null")) }},
	{"no kid", func(d *draft) { d.header = set(d.header, "kid", "") }},
	{"a header that nobody reads", func(d *draft) {
		d.header = set(d.header, d.pick("typ", "cty", "jku", "x5u", "x5t", "other"), d.pick(`"JWT"`, `"at+jwt"`, `"https://evil.example/keys"`, "1", "null", "{}"))
	}},
	{"a key in the header", func(d *draft) {
		d.header = set(d.header, "jwk", `{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}`)
	}},
	{"a key in the header that is none", func(d *draft) {
		d.header = set(d.header, d.pick("jwk", "x5c", "nonce"), d.pick("1", `{"kty":"x"}`, `["x"]`))
		d.laxer = append(d.laxer, neverRead)
	}},
	{"an extension", func(d *draft) {
		d.header = set(d.header, "crit", d.pick(`["b64"]`, `["exp"]`, `["other"]`, "[]", "null", `"b64"`))
		if d.IntN(2) == 0 {
			d.header = set(d.header, "b64", d.pick("true", "false", "null", "0"))
		}
	}},
	{"b64 without crit", func(d *draft) { d.header = set(d.header, "b64", d.pick("true", "false", "null")) }},

	// JSON text
	{"white space in the JSON", func(d *draft) {
		d.texts = func(header, claims string) (string, string) {
			space := d.pick(" ", "\r\n\t", "\n")
			return strings.ReplaceAll(header, ":", space+":"+space) + space, space + strings.ReplaceAll(claims, ",", space+","+space)
		}
	}},
	{"a name twice", func(d *draft) {
		name := d.pick("sub", "sub", "exp", "iat", "aud")
		d.claims = append([]member{{quote(name), d.pick(`"first"`, "1", "null", "1800000050")}}, d.claims...)
		if d.IntN(2) == 0 {
			d.claims = append(d.claims, member{quote(name), d.pick(`"second"`, "1", "null", "1800000050")})
		}
		if d.IntN(4) == 0 {
			d.header = append([]member{{`"alg"`, d.pick(`"none"`, `"HS256"`)}}, d.header...)
		}
		d.laxer = append(d.laxer, lastCounts)
	}},
	{"no JSON, or no object", func(d *draft) {
		text := d.pick("null", "[]", `"sub"`, "1", "true", "", "{", "{}", "\xef\xbb\xbf{}", `{"sub":"a"}{}`, `{"sub":"a"} x`, `{"sub":'a'}`, `{sub:"a"}`, `{"sub":"a",}`, "/**/{}")
		where := d.IntN(4)
		d.texts = func(header, claims string) (string, string) {
			if where == 0 {
				return text, claims
			}
			return header, text
		}
	}},
	{"much JSON", func(d *draft) {
		d.claims = set(d.claims, "other", d.pick(`"`+strings.Repeat("a", 5900)+`"`, `"`+strings.Repeat("a", 6200)+`"`,
			strings.Repeat("[", 1500)+strings.Repeat("]", 1500), strings.Repeat("[", 1500)))
	}},

	// signature
	{"the signature of another key", func(d *draft) {
		other := d.setup.signers[d.IntN(len(d.setup.signers))]
		d.forge = func(signed string) []byte { return sign(other, signed, 0) }
	}},
	{"a public key for a secret", func(d *draft) {
		public, algorithm := []byte(publicPEM), d.pick("HS256", "HS384", "HS512")
		d.header = set(d.header, "alg", quote(algorithm))
		d.forge = func(signed string) []byte { return sign(signer{algorithm: algorithm, private: public}, signed, 0) }
	}},
	{"no signature", func(d *draft) { d.forge = func(string) []byte { return nil } }},
	{"a signature of zeros", func(d *draft) {
		d.forge = func(signed string) []byte { return make([]byte, len(sign(d.signer, signed, 0))) }
	}},
	{"a signature longer or shorter", func(d *draft) {
		how := d.IntN(4)
		d.forge = func(signed string) []byte {
			signature := sign(d.signer, signed, 0)
			return [][]byte{append([]byte{0}, signature...), append(signature, 0), signature[1:], signature[:len(signature)-1]}[how]
		}
	}},
	{"a signature in another form", func(d *draft) {
		switch key := d.signer.private.(type) {
		case *ecdsa.PrivateKey:
			how := d.IntN(3)
			d.forge = func(signed string) []byte {
				signature := sign(d.signer, signed, 0)
				half := len(signature) / 2
				switch how {
				case 0:
					return inDER(signature)
				case 1:
					order := key.Params().N
					return join(key, order, order)
				}
				// The other of the two signatures: both are good.
				s := new(big.Int).SetBytes(signature[half:])
				return join(key, new(big.Int).SetBytes(signature[:half]), s.Sub(key.Params().N, s))
			}
		case *rsa.PrivateKey:
			d.salt = []int{1, 20, 31, 100, rsa.PSSSaltLengthAuto + 33}[d.IntN(5)]
		}
	}},

	// base64 and segments
	{"a bit of the token", after(func(d *draft, token string) string {
		changed := []byte(token)
		changed[d.IntN(len(changed))] ^= 1 << d.IntN(8)
		return string(changed)
	})},
	{"unused bits", after(func(d *draft, token string) string {
		parts := strings.Split(token, ".")
		i := d.IntN(len(parts))
		parts[i] = withUnusedBit(parts[i])
		return strings.Join(parts, ".")
	})},
	{"an encoding that is not base64url, and signed", func(d *draft) {
		change := []func(string) string{
			withUnusedBit,
			func(segment string) string { return segment + strings.Repeat("=", -len(segment)&3) },
			func(segment string) string { return segment[:8] + "\n" + segment[8:] },
			func(segment string) string { return segment + " " },
			func(segment string) string { return segment + "#" },
		}[d.IntN(5)]
		inHeader := d.IntN(2) == 0
		d.spell = func(header, claims string) (string, string) {
			if inHeader && len(header) > 8 {
				return change(header), claims
			} else if len(claims) > 8 {
				return header, change(claims)
			}
			return header, claims
		}
	}},
	{"padding", after(func(d *draft, token string) string {
		parts := strings.Split(token, ".")
		i := d.IntN(len(parts))
		parts[i] += d.pick("=", "==", strings.Repeat("=", -len(parts[i])&3))
		return strings.Join(parts, ".")
	})},
	{"the other alphabet", after(func(_ *draft, token string) string {
		return strings.NewReplacer("-", "+", "_", "/").Replace(token)
	})},
	{"a character put in", after(func(d *draft, token string) string {
		at := []int{0, len(token), d.IntN(len(token) + 1)}[d.IntN(3)]
		return token[:at] + d.pick("\n", "\r\n", "\r", " ", "\t", "\x00", ".", "é", "?", "%2e", ",") + token[at:]
	})},
	{"other segments", after(func(d *draft, token string) string {
		parts := append(strings.Split(token, "."), "", "")
		return d.pick(token+".", "."+token, token+"."+parts[1], parts[0]+"."+parts[1], parts[0]+"."+parts[1]+".", parts[0]+".."+parts[2],
			"."+parts[1]+"."+parts[2], parts[1]+"."+parts[0]+"."+parts[2], token+"."+token, "", ".", "..", parts[0], strings.Repeat(".", 4000),
			`{"payload":"`+parts[1]+`","protected":"`+parts[0]+`","signature":"`+parts[2]+`"}`)
	})},
	{"cut short", after(func(d *draft, token string) string { return token[:d.IntN(len(token)+1)] })},
}

// withUnusedBit sets the lowest bit of the last character, which says nothing unless the length is a multiple of four.
func withUnusedBit(segment string) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	if segment == "" {
		return segment
	}
	end := len(segment) - 1
	at := strings.IndexByte(alphabet, segment[end])
	return segment[:end] + string(alphabet[max(at, 0)^1])
}

// after makes one of several changes to the finished token.
func after(change func(d *draft, token string) string) func(*draft) {
	return func(d *draft) {
		before := d.after
		d.after = func(token string) string {
			if before != nil {
				token = before(token)
			}
			if token == "" {
				return token
			}
			return change(d, token)
		}
	}
}
