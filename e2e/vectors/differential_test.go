package vectors

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// now is when all is decided.
const now = 1800000000

// setup is one configuration, as ptlauth reads it and as the other side does.
type setup struct {
	config    map[string]interface{}
	signers   []signer
	issuer    string
	audience  []string
	leeway    int64
	maxAge    int64
	mustEnd   bool
	decide    func(string, int64) string // interpreted
	decideToo func(string, int64) string // native
}

// rule is one way in which ptlauth is stricter than go-jose: it refuses every token of which holds is true.
type rule struct {
	name  string
	holds func(s *setup, v view) bool
}

// view is what can be read of a token, as leniently as may be.
type view struct {
	text           string
	parts          []string
	header, claims map[string]any
	payload        []byte
}

var rules = []rule{
	{"longer than 8 KiB", func(_ *setup, v view) bool { return len(v.text) > 8<<10 }},
	{"a line break in the base64", func(_ *setup, v view) bool { return strings.ContainsAny(v.text, "\r\n") }},
	{"unused bits in the base64", func(_ *setup, v view) bool {
		return slices.ContainsFunc(v.parts, func(part string) bool {
			content, err := base64.RawURLEncoding.DecodeString(part)
			return err == nil && !strings.ContainsAny(part, "\r\n") && base64.RawURLEncoding.EncodeToString(content) != part
		})
	}},
	{"crit or b64 in the header", func(_ *setup, v view) bool { return has(v.header, "crit") || has(v.header, "b64") }},
	{"a kid that is not text", func(_ *setup, v view) bool { return has(v.header, "kid") && !isText(v.header["kid"]) }},
	{"an empty kid, where the key has one", func(s *setup, v view) bool {
		return v.header["kid"] == "" && s.signedOnlyBy(v, func(k signer) bool { return k.id != "" })
	}},
	{"no kid, where the operator gave the key one", func(s *setup, v view) bool {
		return !has(v.header, "kid") && s.signedOnlyBy(v, func(k signer) bool { return k.strict })
	}},
	{"a salt that is not as long as the hash (RFC 7518 §3.5)", func(s *setup, v view) bool {
		algorithm, _ := v.header["alg"].(string)
		if len(v.parts) != 3 || !strings.HasPrefix(algorithm, "PS") || hashes[algorithm[2:]] == 0 {
			return false
		}
		signature, _ := base64.RawURLEncoding.DecodeString(v.parts[2])
		hash := hashes[algorithm[2:]]
		digest := hash.New()
		digest.Write([]byte(v.parts[0] + "." + v.parts[1]))
		return !slices.ContainsFunc(s.of(v), func(k signer) bool {
			options := &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}
			return rsa.VerifyPSS(k.public.(*rsa.PublicKey), hash, digest.Sum(nil), signature, options) == nil
		})
	}},
	{"claims that are not UTF-8 (RFC 8259 §8.1)", func(_ *setup, v view) bool { return !utf8.Valid(v.payload) }},
	{"claims that are null", func(_ *setup, v view) bool { return string(bytes.TrimSpace(v.payload)) == "null" }},
	{"a number beyond float64", func(_ *setup, v view) bool {
		var any map[string]any
		return v.claims != nil && json.Unmarshal(v.payload, &any) != nil
	}},
	{"no sub, or an empty one", func(_ *setup, v view) bool {
		return v.claims != nil && (!isText(v.claims["sub"]) || v.claims["sub"] == "")
	}},
	{"a date that is null", func(_ *setup, v view) bool { return v.isDate(func(d any) bool { return d == nil }) }},
	{"a date below 1", func(_ *setup, v view) bool {
		return v.isDate(func(d any) bool { f, isNumber := d.(float64); return isNumber && f < 1 })
	}},
	{"a date from 2⁵³ on", func(_ *setup, v view) bool {
		return v.isDate(func(d any) bool { f, isNumber := d.(float64); return isNumber && f >= 1<<53 })
	}},
	{"the very second of its exp (RFC 7519 §4.1.4: on or after)", func(s *setup, v view) bool {
		f, isNumber := v.claims["exp"].(float64)
		return isNumber && int64(f) == now-s.leeway
	}},
	{"an iss or jti that is null", func(_ *setup, v view) bool {
		return has(v.claims, "iss") && v.claims["iss"] == nil || has(v.claims, "jti") && v.claims["jti"] == nil
	}},
	{"an aud where none is configured (RFC 7519 §4.1.3)", func(s *setup, v view) bool {
		list, isList := v.claims["aud"].([]any)
		return len(s.audience) == 0 && has(v.claims, "aud") && v.claims["aud"] != "" && (!isList || len(list) > 0)
	}},
}

// The ways in which ptlauth is the laxer one, as the RFCs allow.
const (
	// RFC 7515 §4 and RFC 7519 §4: refuse, or take the last.
	lastCounts = "of a name twice, the last counts"
	// RFC 7515 §4: what is not understood is ignored.
	neverRead = "a jwk, x5c or nonce in the header is never read"
)

// publicPEM is a public key that attackers know.
var publicPEM string

// TestDifferential has ptlauth and go-jose decide on the same tokens by the same rules. The same seed makes the same
// drafts; the keys are new in each run.
func TestDifferential(t *testing.T) {
	number := setting(t, "PTLAUTH_DIFFERENTIAL", 3000)
	seed := setting(t, "PTLAUTH_SEED", 1)
	t.Logf("%d tokens, PTLAUTH_SEED=%d", number, seed)
	random := mathrand.New(mathrand.NewPCG(uint64(seed), 0))
	setups := makeSetups(t)

	hits, allowed, used := map[string]int{}, map[string]int{}, map[string]int{}
	both, neither, stricter := 0, 0, 0
	for range number {
		d := newDraft(random, setups[random.IntN(len(setups))])
		for _, name := range d.made {
			used[name]++
		}
		text := d.token(d.header, d.claims)
		reason, same := d.setup.decide(text, now), d.setup.decideToo(text, now)
		err := d.setup.judge(text)
		about := fmt.Sprintf("\n%q\nof %q, configured as %v\nptlauth: %q, go-jose: %v", text, d.made, d.setup.config, reason, err)
		if reason != same {
			t.Fatalf("natively, the reason is %q: %s", same, about)
		}
		views := []view{look(text)}
		if d.laxer != nil && err != nil {
			judged := d.token(twin(d.header), twin(d.claims))
			views = append(views, look(judged))
			err = d.setup.judge(judged)
			for _, name := range d.laxer {
				if reason == "" && err == nil {
					allowed[name]++
				}
			}
		}
		applied := 0
		for _, rule := range rules {
			if slices.ContainsFunc(views, func(v view) bool { return rule.holds(d.setup, v) }) {
				applied++
				if reason == "" {
					t.Fatalf("accepted against the rule %q: %s", rule.name, about)
				}
				if err == nil {
					hits[rule.name]++
				}
			}
		}
		switch {
		case reason == "" && err == nil:
			both++
		case reason != "" && err != nil:
			neither++
		case reason == "":
			t.Fatalf("ptlauth is the laxer one: %s", about)
		case applied == 0:
			t.Fatalf("ptlauth is stricter, and no rule says so: %s", about)
		default:
			stricter++
		}
	}
	t.Logf("%d accepted by both, %d refused by both, %d refused by ptlauth alone", both, neither, stricter)
	for _, rule := range rules {
		t.Logf("%6d %s", hits[rule.name], rule.name)
		if hits[rule.name] == 0 {
			t.Errorf("no token met the rule %q", rule.name)
		}
	}
	for _, name := range []string{lastCounts, neverRead} {
		t.Logf("%6d refused by go-jose alone: %s", allowed[name], name)
		if allowed[name] == 0 {
			t.Errorf("no token met %q", name)
		}
	}
	for _, mutation := range mutations {
		if used[mutation.name] == 0 {
			t.Errorf("no token was made with %q", mutation.name)
		}
	}
	if both < number/10 || neither < number/10 {
		t.Error("the tokens are too much alike")
	}
}

func setting(t *testing.T, name string, otherwise int) int {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	number, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return number
}

// newDraft makes a token that is good, and changes none to three things about it.
func newDraft(random *mathrand.Rand, s *setup) *draft {
	d := &draft{Rand: random, setup: s, signer: s.signers[random.IntN(len(s.signers))]}
	d.header = []member{{`"alg"`, quote(d.signer.algorithm)}, {`"typ"`, `"JWT"`}}
	if d.signer.id != "" {
		d.header = append(d.header, member{`"kid"`, quote(d.signer.id)})
	}
	d.claims = []member{{`"sub"`, `"abc123"`}, {`"iat"`, strconv.Itoa(now - 60)}}
	if s.mustEnd || random.IntN(2) == 0 {
		d.claims = append(d.claims, member{`"exp"`, strconv.Itoa(now + 60)})
	}
	if s.issuer != "" {
		d.claims = append(d.claims, member{`"iss"`, quote(s.issuer)})
	}
	if len(s.audience) > 0 {
		d.claims = append(d.claims, member{`"aud"`, quote(s.audience[0])})
	}
	for range []int{0, 1, 1, 1, 1, 1, 2, 2, 2, 3}[random.IntN(10)] {
		m := mutations[random.IntN(len(mutations))]
		d.made = append(d.made, m.name)
		m.apply(d)
	}
	if d.laxer != nil {
		d.spell, d.after = nil, nil // the twin would not be changed in the same way
	}
	return d
}

// judge decides with go-jose.
func (s *setup) judge(text string) error {
	var algorithms []jose.SignatureAlgorithm
	for _, k := range s.signers {
		algorithms = append(algorithms, jose.SignatureAlgorithm(k.algorithm))
	}
	parsed, err := jwt.ParseSigned(text, algorithms)
	if err != nil {
		return err
	}
	head := parsed.Headers[0]
	err = errors.New("no key")
	for _, k := range s.signers {
		if k.algorithm != head.Algorithm || k.id != "" && head.KeyID != "" && k.id != head.KeyID {
			continue
		}
		var claims jwt.Claims
		if err = parsed.Claims(k.public, &claims); err == nil {
			return s.judgeClaims(claims)
		}
	}
	return err
}

func (s *setup) judgeClaims(claims jwt.Claims) error {
	if s.mustEnd && claims.Expiry == nil {
		return errors.New("no exp")
	}
	if s.maxAge > 0 && (claims.IssuedAt == nil || int64(*claims.IssuedAt)+s.maxAge+s.leeway <= now) {
		return errors.New("too old")
	}
	expected := jwt.Expected{Issuer: s.issuer, AnyAudience: s.audience, Time: time.Unix(now, 0)}
	return claims.ValidateWithLeeway(expected, time.Duration(s.leeway)*time.Second)
}

// of are the keys of the token's algorithm.
func (s *setup) of(v view) []signer {
	var found []signer
	for _, k := range s.signers {
		if k.algorithm == v.header["alg"] {
			found = append(found, k)
		}
	}
	return found
}

// signedOnlyBy reports whether the signature is of a key, and only of such.
func (s *setup) signedOnlyBy(v view, such func(signer) bool) bool {
	algorithm, _ := v.header["alg"].(string)
	parsed, err := jose.ParseSignedCompact(v.text, []jose.SignatureAlgorithm{jose.SignatureAlgorithm(algorithm)})
	if err != nil {
		return false
	}
	found := false
	for _, k := range s.of(v) {
		if _, err := parsed.Verify(k.public); err == nil {
			if !such(k) {
				return false
			}
			found = true
		}
	}
	return found
}

func look(text string) view {
	v := view{text: text, parts: strings.Split(text, ".")}
	if len(v.parts) < 2 {
		return v
	}
	content, _ := base64.RawURLEncoding.DecodeString(v.parts[0])
	_ = json.Unmarshal(content, &v.header)
	v.payload, _ = base64.RawURLEncoding.DecodeString(v.parts[1])
	decoder := json.NewDecoder(bytes.NewReader(v.payload))
	decoder.UseNumber()
	if decoder.Decode(&v.claims) != nil {
		v.claims = nil
	}
	for name, value := range v.claims {
		if number, isNumber := value.(json.Number); isNumber {
			v.claims[name], _ = number.Float64()
		}
	}
	return v
}

func (v view) isDate(holds func(any) bool) bool {
	for _, name := range []string{"exp", "nbf", "iat"} {
		if has(v.claims, name) && holds(v.claims[name]) {
			return true
		}
	}
	return false
}

func has(fields map[string]any, name string) bool {
	_, present := fields[name]
	return present
}

func isText(value any) bool {
	_, is := value.(string)
	return is
}

// makeSetups makes two sets of keys, the usual one and one of every algorithm, each with several rules.
func makeSetups(t testing.TB) []*setup {
	t.Helper()
	shared, another := make([]byte, 64), make([]byte, 64)
	_, _ = rand.Read(shared)
	_, _ = rand.Read(another)
	rsaKey := must(rsa.GenerateKey(rand.Reader, 2048))
	edPublic, edKey := must2(ed25519.GenerateKey(rand.Reader))

	secret := func(key []byte, algorithm, id string) map[string]interface{} {
		made := map[string]interface{}{"secret": base64.StdEncoding.EncodeToString(key), "secretBase64": true, "algorithm": algorithm}
		if id != "" {
			made["id"] = id
		}
		return made
	}
	alone := []signer{{"HS256", "", false, shared, shared}}
	all := []signer{{"HS256", "hs256", true, shared, shared}, {"HS256", "", false, another, another}, {"HS384", "hs384", true, shared, shared}, {"HS512", "", false, another, another}}
	entries := []map[string]interface{}{secret(shared, "HS256", "hs256"), secret(another, "HS256", ""), secret(shared, "HS384", "hs384"), secret(another, "HS512", "")}

	set := jose.JSONWebKeySet{}
	published := func(algorithm, id string, private, public any) {
		all = append(all, signer{algorithm, id, false, private, public})
		set.Keys = append(set.Keys, jose.JSONWebKey{Key: public, KeyID: id, Algorithm: algorithm, Use: "sig"})
	}
	for _, algorithm := range []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"} {
		published(algorithm, strings.ToLower(algorithm), rsaKey, &rsaKey.PublicKey)
	}
	for _, ec := range []struct {
		algorithm, id string
		curve         elliptic.Curve
	}{{"ES256", "es256", elliptic.P256()}, {"ES384", "es384", elliptic.P384()}, {"ES512", "", elliptic.P521()}} {
		key := must(ecdsa.GenerateKey(ec.curve, rand.Reader))
		published(ec.algorithm, ec.id, key, &key.PublicKey)
	}
	jwks := must(json.Marshal(set))
	entries = append(entries, entry(t, jwks, ""))

	edJWK := must(json.Marshal(jose.JSONWebKey{Key: edPublic}))
	all = append(all, signer{"EdDSA", "ed", true, edKey, edPublic})
	entries = append(entries, map[string]interface{}{"publicKey": inPEM(t, edJWK), "id": "ed"})
	publicPEM = inPEM(t, must(json.Marshal(jose.JSONWebKey{Key: &rsaKey.PublicKey})))

	interpreted, err := interpret()
	if err != nil {
		t.Fatal(err)
	}
	var setups []*setup
	for _, s := range []setup{
		{leeway: 30},
		{leeway: 0, issuer: "issuer"},
		{leeway: 30, audience: []string{"app", "other app"}},
		{leeway: 5, issuer: "issuer", audience: []string{"app"}, maxAge: 3600, mustEnd: true},
	} {
		for _, signers := range [][]signer{alone, all} {
			made := s
			made.signers = signers
			made.config = keys(entries...)
			if len(signers) == 1 {
				made.config = keys(secret(shared, "HS256", ""))
			}
			made.config["leeway"] = strconv.FormatInt(s.leeway, 10)
			if s.issuer != "" {
				made.config["issuer"] = s.issuer
			}
			if s.audience != nil {
				made.config["audience"] = strings.Join(s.audience, ",")
			}
			if s.maxAge != 0 {
				made.config["maxAge"] = strconv.FormatInt(s.maxAge, 10)
			}
			made.config["requireExpiry"] = s.mustEnd
			made.decide = opened(t, interpreted, made.config)
			made.decideToo = opened(t, runtime{decide: Decide}, made.config)
			setups = append(setups, &made)
		}
	}
	return setups
}
