package token_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"hash"
	"strings"
	"sync"
	"testing"

	"github.com/getportal/ptlauth/internal/key"
	"github.com/getportal/ptlauth/internal/option"
	"github.com/getportal/ptlauth/internal/token"
)

// now is when all is decided, in seconds since 1970.
const now = 1800000000

const (
	secret = "an-example-secret-that-is-long-enough-to-be-one-for-HS512-as-well"
	other  = "another-example-secret-that-is-long-enough-for-HS512-to-be-a-key-"
)

// What a token says where the test is about something else.
const (
	usual  = `{"alg":"HS256","typ":"JWT"}`
	claims = `{"sub":"abc123","iat":1799999999}`
)

// signer makes the third segment for the first two.
type signer func(signed string) string

// made is a token with that header and those claims.
func made(header, claims string, sign signer) string {
	signed := encode(header) + "." + encode(claims)
	return signed + "." + sign(signed)
}

func encode(text string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(text))
}

func hmacOf(of func() hash.Hash, secret string) signer {
	return func(signed string) string {
		mac := hmac.New(of, []byte(secret))
		mac.Write([]byte(signed))
		return encode(string(mac.Sum(nil)))
	}
}

var hs256 = hmacOf(sha256.New, secret)

// with always gives the same signature, be it good or not.
func with(signature string) signer {
	return func(string) string { return signature }
}

// pairs are the private keys; making them takes most of the time, so it is done once.
var pairs = sync.OnceValue(func() struct {
	rsa *rsa.PrivateKey
	ec  *ecdsa.PrivateKey
	ed  ed25519.PrivateKey
} {
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	ecKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	_, edKey, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		panic(err)
	}
	return struct {
		rsa *rsa.PrivateKey
		ec  *ecdsa.PrivateKey
		ed  ed25519.PrivateKey
	}{rsaKey, ecKey, edKey}
})

func rs256(signed string) string {
	digest := sha256.Sum256([]byte(signed))
	signature, err := rsa.SignPKCS1v15(rand.Reader, pairs().rsa, crypto.SHA256, digest[:])
	return must(signature, err)
}

// ps256 signs with a salt of that many bytes.
func ps256(salt int) signer {
	return func(signed string) string {
		digest := sha256.Sum256([]byte(signed))
		signature, err := rsa.SignPSS(rand.Reader, pairs().rsa, crypto.SHA256, digest[:], &rsa.PSSOptions{SaltLength: salt})
		return must(signature, err)
	}
}

func es256(signed string) string {
	digest := sha256.Sum256([]byte(signed))
	r, s, err := ecdsa.Sign(rand.Reader, pairs().ec, digest[:])
	if err != nil {
		panic(err)
	}
	signature := make([]byte, 64)
	r.FillBytes(signature[:32])
	s.FillBytes(signature[32:])
	return encode(string(signature))
}

// es256DER signs as TLS does, and JWS does not (RFC 7518 §3.4).
func es256DER(signed string) string {
	digest := sha256.Sum256([]byte(signed))
	signature, err := ecdsa.SignASN1(rand.Reader, pairs().ec, digest[:])
	return must(signature, err)
}

func ed25519Of(signed string) string {
	return encode(string(ed25519.Sign(pairs().ed, []byte(signed))))
}

func must(signature []byte, err error) string {
	if err != nil {
		panic(err)
	}
	return encode(string(signature))
}

// pemOf is a public key as an operator configures it.
func pemOf(public any) string {
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		panic(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

// entry is one of the option `keys`.
type entry = map[string]any

// keysOf are the keys of such entries, as ptlauth has them at a request.
func keysOf(t testing.TB, entries ...entry) []*key.Key {
	t.Helper()
	var list []any
	for _, e := range entries {
		list = append(list, e)
	}
	report := &option.Report{}
	keys, complete := key.Ready(key.Read(option.Open(report, "", map[string]any{"keys": list})))
	if !complete || len(report.Problems()) > 0 {
		t.Fatalf("the keys cannot be used: %s", report)
	}
	return keys
}

// judged compares what Verify says of a token with what it should; no reason: it is good.
func judged(t *testing.T, text string, keys []*key.Key, reason string) {
	t.Helper()
	verified, got := token.Verify(text, keys, &token.Rules{Leeway: 30}, now)
	if (got == "") != (reason == "") || !strings.Contains(got, reason) {
		t.Errorf("the reason is %q, want %q", got, reason)
	}
	if (verified != nil) != (got == "") || verified != nil && verified.Subject != "abc123" {
		t.Errorf("it is of %v, and the reason is %q", verified, got)
	}
}

const (
	anothers = "the signature is not the key's"
	length   = "is not as long as the key's"
	wrongAlg = "the token's alg is not the key's"
	noAlg    = "alg is missing or not text"
	segments = "not three segments"
)

func TestAlgorithmOfASharedSecret(t *testing.T) {
	keys := keysOf(t, entry{"secret": secret})
	for _, test := range []struct{ name, text, reason string }{
		{"the key's algorithm is good", made(usual, claims, hs256), ""},
		{"the members of the header may stand in another order", made(`{"typ":"JWT","alg":"HS256"}`, claims, hs256), ""},
		{"the header may have white space", made("{ \"alg\" : \"HS256\" }\n", claims, hs256), ""},
		{"another secret is refused", made(usual, claims, hmacOf(sha256.New, other)), anothers},
		{"an empty secret is refused", made(usual, claims, hmacOf(sha256.New, "")), anothers},
		{"HS384 of the same secret is refused", made(`{"alg":"HS384"}`, claims, hmacOf(sha512.New384, secret)), length},
		{"HS512 of the same secret is refused", made(`{"alg":"HS512"}`, claims, hmacOf(sha512.New, secret)), length},
		{"a longer hash under HS256 is refused", made(usual, claims, hmacOf(sha512.New, secret)), length},
		{"a good HMAC under another name is refused", made(`{"alg":"HS512"}`, claims, hs256), wrongAlg},
		{"a good HMAC that says RS256 is refused", made(`{"alg":"RS256"}`, claims, hs256), wrongAlg},
		{"none without a signature is refused", made(`{"alg":"none"}`, claims, with("")), length},
		{"none with a good signature is refused", made(`{"alg":"none"}`, claims, hs256), wrongAlg},
		{"nOnE with a good signature is refused", made(`{"alg":"nOnE"}`, claims, hs256), wrongAlg},
		{"hs256 is not HS256", made(`{"alg":"hs256"}`, claims, hs256), wrongAlg},
		{"white space around HS256 is not HS256", made(`{"alg":" HS256"}`, claims, hs256), wrongAlg},
		{"Ed25519 is a name of EdDSA alone", made(`{"alg":"Ed25519"}`, claims, hs256), wrongAlg},
		{"an empty alg is refused", made(`{"alg":""}`, claims, hs256), wrongAlg},
		{"no alg is refused", made(`{"typ":"JWT"}`, claims, hs256), noAlg},
		{"ALG is not alg", made(`{"ALG":"HS256"}`, claims, hs256), noAlg},
		{"an alg of null is refused", made(`{"alg":null}`, claims, hs256), noAlg},
		{"an alg that is a number is refused", made(`{"alg":256}`, claims, hs256), noAlg},
		{"an alg that is a list is refused", made(`{"alg":["HS256"]}`, claims, hs256), noAlg},
		{"of two alg the last one counts, and is good", made(`{"alg":"none","alg":"HS256"}`, claims, hs256), ""},
		{"of two alg the last one counts, and is refused", made(`{"alg":"HS256","alg":"none"}`, claims, hs256), wrongAlg},
	} {
		t.Run(test.name, func(t *testing.T) { judged(t, test.text, keys, test.reason) })
	}
}

func TestAlgorithmOfAPublicKey(t *testing.T) {
	const refused = "the signature is not the key's|none of the keys|alg and kid"
	elliptic, edwards, rsaKey := &pairs().ec.PublicKey, pairs().ed.Public(), &pairs().rsa.PublicKey
	confused := func(public any) (string, string) {
		text := pemOf(public)
		block, _ := pem.Decode([]byte(text))
		return text, string(block.Bytes)
	}
	ecPEM, ecDER := confused(elliptic)
	rsaPEM, rsaDER := confused(rsaKey)
	for _, test := range []struct {
		name, text string
		key        entry
		isGood     bool
	}{
		{"ES256 is good", made(`{"alg":"ES256"}`, claims, es256), entry{"publicKey": ecPEM}, true},
		{"EdDSA is good", made(`{"alg":"EdDSA"}`, claims, ed25519Of), entry{"publicKey": pemOf(edwards)}, true},
		{"Ed25519, its newer name, is good (RFC 9864)", made(`{"alg":"Ed25519"}`, claims, ed25519Of), entry{"publicKey": pemOf(edwards)}, true},
		{"RS256 is good", made(`{"alg":"RS256"}`, claims, rs256), entry{"publicKey": rsaPEM}, true},
		{"PS256 is good", made(`{"alg":"PS256"}`, claims, ps256(32)), entry{"publicKey": rsaPEM, "algorithm": "PS256"}, true},
		{"an HMAC with the PEM of an ES256 key is refused", made(usual, claims, hmacOf(sha256.New, ecPEM)), entry{"publicKey": ecPEM}, false},
		{"an HMAC with its PEM less the last line break is refused", made(usual, claims, hmacOf(sha256.New, strings.TrimSpace(ecPEM))), entry{"publicKey": ecPEM}, false},
		{"an HMAC with its DER is refused", made(usual, claims, hmacOf(sha256.New, ecDER)), entry{"publicKey": ecPEM}, false},
		{"an HMAC with it that says ES256 is refused", made(`{"alg":"ES256"}`, claims, hmacOf(sha256.New, ecPEM)), entry{"publicKey": ecPEM}, false},
		{"an HMAC with the PEM of an RSA key is refused", made(usual, claims, hmacOf(sha256.New, rsaPEM)), entry{"publicKey": rsaPEM}, false},
		{"an HMAC with its DER that says RS256 is refused", made(`{"alg":"RS256"}`, claims, hmacOf(sha256.New, rsaDER)), entry{"publicKey": rsaPEM}, false},
		{"none is refused", made(`{"alg":"none"}`, claims, with("")), entry{"publicKey": ecPEM}, false},
		{"a good signature that says none is refused", made(`{"alg":"none"}`, claims, es256), entry{"publicKey": ecPEM}, false},
		{"a good signature that says ES384 is refused", made(`{"alg":"ES384"}`, claims, es256), entry{"publicKey": ecPEM}, false},
		{"a signature of zeros is refused (CVE-2022-21449)", made(`{"alg":"ES256"}`, claims, with(encode(strings.Repeat("\x00", 64)))), entry{"publicKey": ecPEM}, false},
		{"a signature as TLS has it is refused", made(`{"alg":"ES256"}`, claims, es256DER), entry{"publicKey": ecPEM}, false},
		{"RS256 is refused where PS256 is configured", made(`{"alg":"RS256"}`, claims, rs256), entry{"publicKey": rsaPEM, "algorithm": "PS256"}, false},
		{"and under its name", made(`{"alg":"PS256"}`, claims, rs256), entry{"publicKey": rsaPEM, "algorithm": "PS256"}, false},
		{"PS256 is refused where RS256 is configured", made(`{"alg":"PS256"}`, claims, ps256(32)), entry{"publicKey": rsaPEM}, false},
		{"PS256 with a salt of another length is refused", made(`{"alg":"PS256"}`, claims, ps256(20)), entry{"publicKey": rsaPEM, "algorithm": "PS256"}, false},
		{"a line break in the signature is refused", made(`{"alg":"ES256"}`, claims, func(s string) string { s = es256(s); return s[:40] + "\n" + s[40:] }), entry{"publicKey": ecPEM}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			keys := keysOf(t, test.key)
			if test.isGood {
				judged(t, test.text, keys, "")
				return
			}
			_, reason := token.Verify(test.text, keys, &token.Rules{}, now)
			if reason == "" {
				t.Errorf("it is good, want it refused as %s", refused)
			}
		})
	}
}

func TestKeyID(t *testing.T) {
	const notText = "the token's kid is not text"
	named := func(kid string) string { return made(`{"alg":"HS256","kid":`+kid+`}`, claims, hs256) }
	without := made(usual, claims, hs256)
	ec := entry{"publicKey": pemOf(&pairs().ec.PublicKey), "id": "c"}
	for _, test := range []struct {
		name, text, reason string
		keys               []entry
	}{
		{"any kid is good for a key without an id", named(`"../../dev/null"`), "", []entry{{"secret": secret}}},
		{"an empty one too", named(`""`), "", []entry{{"secret": secret}}},
		{"but none that is a number", named(`7`), notText, []entry{{"secret": secret}}},
		{"nor null", named(`null`), notText, []entry{{"secret": secret}}},
		{"nor an object", named(`{}`), notText, []entry{{"secret": secret}}},
		{"the key's id is good", named(`"a"`), "", []entry{{"secret": secret, "id": "a"}}},
		{"another is refused", named(`"b"`), token.NoKey, []entry{{"secret": secret, "id": "a"}}},
		{"its case counts", named(`"A"`), token.NoKey, []entry{{"secret": secret, "id": "a"}}},
		{"an empty one is refused", named(`""`), token.NoKey, []entry{{"secret": secret, "id": "a"}}},
		{"none is refused", without, token.NoKey, []entry{{"secret": secret, "id": "a"}}},
		{"of two keys the one that is named is taken", named(`"b"`), "", []entry{{"secret": other, "id": "a"}, {"secret": secret, "id": "b"}}},
		{"of two keys the other one is not taken", named(`"a"`), "none of the keys", []entry{{"secret": other, "id": "a"}, {"secret": secret, "id": "b"}}},
		{"of two keys of one id both are tried", named(`"a"`), "", []entry{{"secret": other, "id": "a"}, {"secret": secret, "id": "a"}}},
		{"of two keys without an id both are tried", without, "", []entry{{"secret": other}, {"secret": secret}}},
		{"a key without an id is tried too", named(`"b"`), "", []entry{{"secret": other, "id": "a"}, {"secret": secret}}},
		{"of keys of several kinds none is taken for another's algorithm", named(`"c"`), token.NoKey, []entry{{"secret": secret, "id": "a"}, ec}},
		{"of keys of several kinds the right one is taken", made(`{"alg":"ES256","kid":"c"}`, claims, es256), "", []entry{{"secret": secret, "id": "a"}, ec}},
		{"where none of the keys made it that is said", made(usual, claims, hmacOf(sha256.New, "x")), "is of none of the keys", []entry{{"secret": other}, {"secret": secret}}},
	} {
		t.Run(test.name, func(t *testing.T) { judged(t, test.text, keysOf(t, test.keys...), test.reason) })
	}
	t.Run("without a key nothing is good", func(t *testing.T) { judged(t, without, nil, token.NoKey) })
	t.Run("a key of a set may do without a kid", func(t *testing.T) {
		k := *keysOf(t, entry{"secret": secret, "id": "a"})[0]
		k.RequireKID = false
		judged(t, without, []*key.Key{&k}, "")
		judged(t, named(`"b"`), []*key.Key{&k}, token.NoKey)
	})
}

func TestHeaderShapes(t *testing.T) {
	const (
		noObject  = "the token's header is not a JSON object"
		noBase64  = "the token's header is not base64url"
		extension = "the token's header demands an extension"
	)
	keys := keysOf(t, entry{"secret": secret})
	for _, test := range []struct{ name, header, reason string }{
		{"null is refused", `null`, noObject},
		{"a list is refused", `[{"alg":"HS256"}]`, noObject},
		{"text is refused", `"HS256"`, noObject},
		{"nothing is refused", ``, noObject},
		{"what breaks off is refused", `{"alg":"HS256"`, noObject},
		{"something behind it is refused", `{"alg":"HS256"}{}`, noObject},
		{"a byte order mark is refused", "\ufeff" + `{"alg":"HS256"}`, noObject},
		{"a comment is refused", `{"alg":"HS256"/**/}`, noObject},
		{"single quotes are refused", `{'alg':'HS256'}`, noObject},
		{"crit is refused", `{"alg":"HS256","crit":["exp"],"exp":1}`, extension},
		{"an empty crit is refused", `{"alg":"HS256","crit":[]}`, extension},
		{"a crit of null is refused", `{"alg":"HS256","crit":null}`, extension},
		{"b64 of false is refused", `{"alg":"HS256","b64":false}`, extension},
		{"b64 of true is refused", `{"alg":"HS256","b64":true}`, extension},
		{"both are refused", `{"alg":"HS256","b64":false,"crit":["b64"]}`, extension},
		{"an escaped crit is crit", `{"alg":"HS256","\u0063rit":["b64"]}`, extension},
		{"any typ is good", `{"alg":"HS256","typ":7}`, ""},
		{"addresses and keys in it are not looked at", `{"alg":"HS256","jku":"http://127.0.0.1:1/","x5u":7,"jwk":{"kty":"oct","k":""},"x5c":[]}`, ""},
		{"an escaped alg is alg", `{"\u0061lg":"HS256"}`, ""},
	} {
		t.Run(test.name, func(t *testing.T) { judged(t, made(test.header, claims, hs256), keys, test.reason) })
	}
	for _, test := range []struct{ name, segment, reason string }{
		{"padding is refused", base64.URLEncoding.EncodeToString([]byte(`{"alg":"HS256"} `)), noBase64},
		{"the standard alphabet is refused", base64.RawStdEncoding.EncodeToString([]byte(`{"alg":"HS256","a":"?>~"}`)), noBase64},
		{"unused bits are refused", strings.TrimSuffix(encode(`{"alg":"HS256"} `), "A") + "B", noBase64},
		{"a line break is refused", encode(`{"alg"`) + "\n" + encode(`:"HS256"}`), noBase64},
		{"a length that none has is refused", encode(`{"alg":"HS256"}`) + "A", noBase64},
	} {
		t.Run(test.name, func(t *testing.T) {
			signed := test.segment + "." + encode(claims)
			if test.segment == encode(`{"alg":"HS256"}`) {
				t.Fatal("the segment is spelt as it should be")
			}
			judged(t, signed+"."+hs256(signed), keys, test.reason)
		})
	}
}

func TestSegments(t *testing.T) {
	keys := keysOf(t, entry{"secret": secret})
	good := made(usual, claims, hs256)
	signed := func(text string) string { return text + "." + hs256(text) }
	// long is a token of that many bytes.
	long := func(bytes int) string {
		rest := bytes - len(made(usual, `{"sub":"abc123","x":""}`, hs256))
		for n := rest*3/4 - 2; ; n++ {
			text := made(usual, `{"sub":"abc123","x":"`+strings.Repeat("x", n)+`"}`, hs256)
			if len(text) >= bytes {
				return text
			}
		}
	}
	for _, test := range []struct{ name, text, reason string }{
		{"nothing is refused", "", segments},
		{"a dot is refused", ".", segments},
		{"two dots are refused", "..", length},
		{"three dots are refused", "...", segments},
		{"a word is refused", "x", segments},
		{"two segments are refused", good[:strings.LastIndexByte(good, '.')], segments},
		{"four segments are refused", good + ".e30", segments},
		{"five, as an encrypted token has, are refused", "a.b.c.d.e", segments},
		{"a dot behind is refused", good + ".", segments},
		{"a dot in front is refused", "." + good, segments},
		{"one segment with a good signature is refused", signed(encode(usual)), segments},
		{"three segments with a good signature are refused", signed(encode(usual) + "." + encode(claims) + ".e30"), "not base64url"},
		{"a header alone with a good signature is refused", signed(encode(usual) + "."), "not a JSON object"},
		{"claims alone with a good signature are refused", signed("." + encode(claims)), "not a JSON object"},
		{"an empty signature is refused", good[:strings.LastIndexByte(good, '.')+1], length},
		{"half a signature is refused", good[:len(good)-20], length},
		{"a changed signature is refused", good[:len(good)-2] + "AA", anothers},
		{"padding behind it is refused", good + "=", "characters in the token that none has"},
		{"quotation marks around it are named", `"` + good + `"`, "quotation marks"},
		{"an escape is named", good + "%0A", "escaped on its way"},
		{"a space is named", good + " ", "white space"},
		{"a line break is named", good[:len(good)-9] + "\n" + good[len(good)-9:], "white space"},
		{"8 KiB are good", long(8 << 10), ""},
		{"more than 8 KiB are refused", long(8<<10 + 1), "longer than 8 KiB"},
		{"a flood of dots is refused", strings.Repeat(".", 1<<20), "longer than 8 KiB"},
	} {
		t.Run(test.name, func(t *testing.T) { judged(t, test.text, keys, test.reason) })
	}
	t.Run("so it is where there are several keys", func(t *testing.T) {
		several := keysOf(t, entry{"secret": other}, entry{"secret": secret})
		judged(t, long(8<<10), several, "")
		judged(t, long(8<<10+1), several, "longer than 8 KiB")
	})
	if len(long(8<<10)) != 8<<10 || len(long(8<<10+1)) != 8<<10+1 {
		t.Errorf("the long tokens are of %d and %d bytes", len(long(8<<10)), len(long(8<<10+1)))
	}
}

func TestReasonsQuoteNothing(t *testing.T) {
	keys := keysOf(t, entry{"secret": secret})
	for _, text := range []string{
		made(`{"alg":"mallory"}`, claims, hs256), made(`{"alg":"HS256","kid":{"mallory":1}}`, claims, hs256), made(usual, `{"sub":"mallory","exp":"mallory"}`, hs256),
		made(usual, `{"sub":["mallory"]}`, hs256), made(usual, `mallory`, hs256), "mallory", "mallory.mallory.mallory", `"mallory"..`, "mallory%0A..", "mallory ..",
	} {
		_, reason := token.Verify(text, keys, &token.Rules{Issuer: "somebody", Audience: []string{"something"}}, now)
		if reason == "" || strings.Contains(reason, "mallory") {
			t.Errorf("the reason why %q is refused is %q", text, reason)
		}
	}
}
