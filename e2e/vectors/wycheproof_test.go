package vectors

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/c2sp/wycheproof"
)

// group is a group of Wycheproof's vectors: whole tokens with a JWK, or messages and signatures with a key.
type group struct {
	Public, Private json.RawMessage
	PublicKeyPem    string
	KeySize         int
	TagSize         int
	Tests           []struct {
		TcID     int
		Result   string
		Comment  string
		JWS      json.RawMessage
		Key, Msg string
		Sig, Tag string
	}
}

// count is what came of a file's vectors: all of them, so that none goes missing.
type count struct {
	accepted, refused int            // as Wycheproof wants it
	deviations        int            // against it, each with its reason
	keys              int            // vectors whose key is refused as such, among them all
	leftOut           map[string]int // by reason
}

func (c count) String() string {
	text := fmt.Sprintf("%d valid accepted, %d invalid refused, %d deviations", c.accepted, c.refused, c.deviations)
	if c.keys > 0 {
		text += fmt.Sprintf(", for %d the key is refused", c.keys)
	}
	for _, reason := range slices.Sorted(maps.Keys(c.leftOut)) {
		text += fmt.Sprintf(", %d left out: %s", c.leftOut[reason], reason)
	}
	return text
}

// tokenFiles are Wycheproof's files of tokens, with what ptlauth decides otherwise and why.
var tokenFiles = []struct {
	name       string
	want       count
	deviations map[int]string
}{
	{
		name: "json_web_signature_test.json",
		want: count{accepted: 40, refused: 353, deviations: 8, keys: 6},
		deviations: map[int]string{
			346: "refused: the key's alg is PS256, the token's PS384", 350: "refused, as 346",
			347: "refused: the key's alg is ES521, which does not exist", 351: "refused, as 347",
			367: sameAs357, 370: sameAs357,
			372: "refused: the header is not base64url", 373: "refused: the payload is not base64url",
		},
	},
	{
		name: "json_web_key_test.json",
		want: count{accepted: 5, refused: 20, deviations: 1, keys: 18},
		deviations: map[int]string{
			4: "accepted: where an operator gives two secrets the same id, either may verify",
		},
	},
	{
		name: "json_web_crypto_test.json",
		want: count{accepted: 4, refused: 45, keys: 1, leftOut: map[string]int{"a JWE": 34}},
	},
}

const (
	sameAs357 = "accepted: the text is that of 357, which is valid; the padding of which the comment speaks is not there"
)

func TestWycheproofTokens(t *testing.T) {
	for _, runtime := range runtimes(t) {
		for _, file := range tokenFiles {
			t.Run(runtime.name+"/"+file.name, func(t *testing.T) {
				got := count{leftOut: map[string]int{}}
				for _, group := range readGroups(t, file.name) {
					jwk := group.Public
					if jwk == nil {
						jwk = group.Private
					}
					decide, problem := runtime.decide(configured(t, jwk))
					for _, test := range group.Tests {
						if test.JWS == nil {
							got.leftOut["a JWE"]++
							continue
						}
						// A key that New refuses verifies nothing: it answers 503.
						reason := problem
						if problem != "" {
							got.keys++
						} else {
							reason = decide(textOf(test.JWS), atTheTime)
						}
						got.note(t, test.TcID, test.Comment, test.Result, isSigned(reason), reason, file.deviations)
					}
				}
				got.check(t, file.want)
			})
		}
	}
}

// configured is the configuration of a JWK or of a set: one of secrets becomes as many entries, since what is in a JWK
// Set is public.
func configured(t *testing.T, jwk json.RawMessage) map[string]interface{} {
	t.Helper()
	var set struct {
		Keys []json.RawMessage
	}
	if err := json.Unmarshal(jwk, &set); err != nil {
		t.Fatal(err)
	}
	var entries []map[string]interface{}
	for _, member := range set.Keys {
		secret := entry(t, member, "")
		if secret["secret"] != nil {
			entries = append(entries, secret)
		}
	}
	if len(entries) == 0 || len(entries) < len(set.Keys) {
		return keys(entry(t, jwk, ""))
	}
	return keys(entries...)
}

// note counts one vector, and fails for one that turns out otherwise than it should.
func (c *count) note(t *testing.T, id int, comment, result string, accepted bool, reason string, deviations map[int]string) {
	t.Helper()
	why, deviates := deviations[id]
	switch {
	case result != "valid" && result != "invalid":
		t.Errorf("%d %s: the result is %q", id, comment, result)
	case deviates && accepted == (result == "valid"):
		t.Errorf("%d %s: no deviation (%s)", id, comment, why)
	case deviates:
		c.deviations++
	case accepted != (result == "valid"):
		t.Errorf("%d %s: %s, and got %q", id, comment, result, reason)
	case accepted:
		c.accepted++
	default:
		c.refused++
	}
}

func (c *count) check(t *testing.T, want count) {
	t.Helper()
	t.Log(c)
	if c.String() != want.String() {
		t.Errorf("want %v", want)
	}
}

// textOf is the token in compact form, or as it stands in the JSON serialization.
func textOf(jws json.RawMessage) string {
	var text string
	if json.Unmarshal(jws, &text) != nil {
		return string(jws)
	}
	return text
}

func readGroups(t *testing.T, name string) []group {
	t.Helper()
	content, err := fs.ReadFile(wycheproof.TestVectors, name)
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		NumberOfTests int
		TestGroups    []group
	}
	if err := json.Unmarshal(content, &file); err != nil {
		t.Fatal(err)
	}
	all := 0
	for _, group := range file.TestGroups {
		all += len(group.Tests)
	}
	if all != file.NumberOfTests || all == 0 {
		t.Fatalf("%d vectors, where the file says %d", all, file.NumberOfTests)
	}
	return file.TestGroups
}

// notOffered are the MACs that no token can have.
var notOffered = map[string]int{"a truncated MAC": 87, "a secret shorter than the hash": 3}

// primitives are Wycheproof's files of bare signatures, for the algorithms that its tokens hardly touch.
var primitives = []struct {
	name, algorithm string
	want            count
}{
	{name: "hmac_sha256_test.json", algorithm: "HS256", want: count{accepted: 30, refused: 54, leftOut: notOffered}},
	{name: "hmac_sha384_test.json", algorithm: "HS384", want: count{accepted: 30, refused: 54, leftOut: notOffered}},
	{name: "hmac_sha512_test.json", algorithm: "HS512", want: count{accepted: 30, refused: 54, leftOut: notOffered}},
	{name: "rsa_signature_2048_sha256_test.json", algorithm: "RS256", want: count{accepted: 9, refused: 250}},
	{name: "rsa_signature_2048_sha384_test.json", algorithm: "RS384", want: count{accepted: 7, refused: 251}},
	{name: "rsa_signature_2048_sha512_test.json", algorithm: "RS512", want: count{accepted: 8, refused: 251}},
	{name: "rsa_pss_2048_sha256_mgf1_32_test.json", algorithm: "PS256", want: count{accepted: 63, refused: 45}},
	{name: "rsa_pss_2048_sha384_mgf1_48_test.json", algorithm: "PS384", want: count{accepted: 95, refused: 46}},
	{name: "rsa_pss_4096_sha512_mgf1_64_test.json", algorithm: "PS512", want: count{accepted: 132, refused: 47}},
	{name: "ecdsa_secp256r1_sha256_p1363_test.json", algorithm: "ES256", want: count{accepted: 169, refused: 83}},
	{name: "ecdsa_secp384r1_sha384_p1363_test.json", algorithm: "ES384", want: count{accepted: 189, refused: 81}},
	{name: "ecdsa_secp521r1_sha512_p1363_test.json", algorithm: "ES512", want: count{accepted: 227, refused: 81}},
	{name: "ed25519_test.json", algorithm: "EdDSA", want: count{accepted: 88, refused: 62}},
}

// decided are the vectors that Wycheproof leaves to the implementation.
var decided = map[string]string{
	// RFC 8017 §8.2.2 allows it for the sake of old signers; no JWT was made by one.
	"Missing NULL in the ASN encoding": "invalid",
}

func TestWycheproofSignatures(t *testing.T) {
	for _, runtime := range runtimes(t) {
		for _, file := range primitives {
			t.Run(runtime.name+"/"+file.name, func(t *testing.T) {
				got := count{leftOut: map[string]int{}}
				for _, group := range readGroups(t, file.name) {
					for _, test := range group.Tests {
						config := map[string]interface{}{"publicKey": group.PublicKeyPem, "algorithm": file.algorithm}
						signature := test.Sig
						if strings.HasPrefix(file.algorithm, "HS") {
							config = map[string]interface{}{"secret": inBase64(t, test.Key), "secretBase64": true, "algorithm": file.algorithm}
							signature = test.Tag
						}
						if group.TagSize != 0 && fmt.Sprintf("HS%d", group.TagSize) != file.algorithm {
							got.leftOut["a truncated MAC"]++
							continue
						}
						if group.TagSize > group.KeySize {
							got.leftOut["a secret shorter than the hash"]++
							continue
						}
						verify, problem := runtime.verify(keys(config))
						if problem != "" {
							t.Fatal(problem)
						}
						message, err := hex.DecodeString(test.Msg)
						if err != nil {
							t.Fatal(err)
						}
						result := test.Result
						if result == "acceptable" {
							result = decided[test.Comment]
						}
						accepted := verify(string(message), inBase64(t, signature))
						got.note(t, test.TcID, test.Comment, result, accepted, "", nil)
					}
				}
				got.check(t, file.want)
			})
		}
	}
}

func inBase64(t *testing.T, digits string) string {
	t.Helper()
	content, err := hex.DecodeString(digits)
	if err != nil {
		t.Fatal(err)
	}
	return base64.RawURLEncoding.EncodeToString(content)
}
