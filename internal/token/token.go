// Package token decides whether a JWT is good: signature first, then header, then
// claims (RFC 7519, RFC 8725). Package key verifies the signature. The rest is done
// by hand on maps: under Yaegi, golang-jwt decodes nothing into a struct and so
// checks no expiry there, and it knows no leeway.
package token

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/getportal/ptlauth/internal/key"
	"github.com/getportal/ptlauth/internal/option"
)

// MaxLength bounds a token, in bytes; a longer one is refused unread.
const MaxLength = 8 << 10

// Rules are what a token's claims must satisfy.
type Rules struct {
	Issuer        string
	Audience      []string
	RequireExpiry bool
	MaxAge        int64 // seconds; 0: any
	Leeway        int64 // seconds
	Require       []Requirement

	subjects []string // the claims of which the first that is text is the subject; nil: sub

	plain bool // nothing is asked for but that a token is of its time
}

// Token is a verified token.
type Token struct {
	Subject string
	// Until is the time from which the token is not good any more, in seconds since
	// 1970; 0: it does not end.
	Until int64

	claims  map[string]interface{} // numbers are float64 until somebody asks for their digits
	content []byte                 // the claims as they came; nil once somebody has
}

// base64 without padding, and strict: unused bits must be zero, so that a token has
// one spelling. It skips line breaks all the same; then the length is not that of the
// content, which is (8n+5)/6.
var encoding = base64.RawURLEncoding.Strict()

// Read reads what is required of a token.
func Read(top *option.Section) *Rules {
	rules := &Rules{
		Issuer:        top.Text("issuer", ""),
		Audience:      top.Texts("audience"),
		RequireExpiry: top.Bool("requireExpiry", false),
		MaxAge:        int64(top.Duration("maxAge", 0) / time.Second),
		Leeway:        int64(top.Duration("leeway", 30*time.Second) / time.Second),
		Require:       readRequire(top),
	}
	rules.plain = rules.Issuer == "" && len(rules.Audience) == 0 && !rules.RequireExpiry && rules.MaxAge == 0
	if top.Has("maxAge") && rules.MaxAge == 0 {
		top.Problem("maxAge", "is shorter than a second: no token could be that young; leave it out for any age")
	}
	if rules.Leeway > 3600 {
		top.Problem("leeway", "is longer than an hour: it is for clocks that differ by seconds")
	}
	return rules
}

// ReadSubject reads which claim names the terminal, in the section `token`.
func ReadSubject(rules *Rules, s *option.Section) {
	names := s.Texts("subject")
	if len(names) != 1 || names[0] != "sub" {
		rules.subjects = names
	}
}

// Verify returns the token if it is good at that time, in seconds since 1970, else
// the reason why it is not, which quotes nothing of it.
func Verify(text string, keys []*key.Key, rules *Rules, now int64) (*Token, string) {
	segment, problem := Signed(text, keys)
	if problem != "" {
		return nil, problem
	}
	return Open(segment, rules, now)
}

// Signed returns the second segment of a JWS in compact form (RFC 7515 §7.1) whose
// signature is of one of the keys, else the reason why it is not.
func Signed(text string, keys []*key.Key) (string, string) {
	last := strings.LastIndexByte(text, '.')
	if last < 0 {
		return signedByAny(text, last, keys)
	}
	if len(keys) != 1 {
		return signedByAny(text, last, keys)
	}
	if len(text) > MaxLength { // guard: a token of more than 8 KiB is refused
		return signedByAny(text, last, keys)
	}
	only := keys[0]
	if only.HeaderPrefix == "" {
		return signedByAny(text, last, keys)
	}
	signed := text[:last]
	// A forgery is told by its signature alone, without a look at what it says.
	if !key.Verify(only, signed, text[last+1:]) { // guard: the signature is verified
		if len(text)-last == usualLength {
			if text[0] == 'e' {
				return "", NotTheKeys
			}
		}
		return "", damage(text, only.Algorithm)
	}
	segment, ok := strings.CutPrefix(signed, only.HeaderPrefix)
	if ok {
		return segment, ""
	}
	return signedOddly(text, last, only)
}

// NotTheKeys is the reason why a forgery is refused.
const NotTheKeys = "the signature is not the key's: the token was made with another secret, or changed"

// usualLength is an HS256 signature with the dot before it. A forgery that looks like a
// token costs no closer look.
const usualLength = 1 + 43

// lengths are those of a shared secret's signatures, in characters.
var lengths = map[string]int{"HS256": 43, "HS384": 64, "HS512": 86}

// strange are characters that no token has.
var strange = regexp.MustCompile(`[^\w.-]`)

// damage says what is wrong with the shape of a token whose signature is not good, where
// copying it explains that; else that the signature is not the key's. It quotes nothing of
// the token. The algorithm is empty where several keys were tried.
func damage(text, algorithm string) string {
	problem := shapeProblem(text)
	if problem != "" {
		return problem
	}
	length := len(text) - strings.LastIndexByte(text, '.') - 1
	switch {
	case strings.ContainsAny(text, `"'`):
		return "there are quotation marks around or in the token: leave them out"
	case strings.Contains(text, "%"):
		return "the token was escaped on its way (%0A is a line break, %20 a space): send it without"
	case strings.ContainsAny(text, " \t\r\n"):
		return "there is white space in the token: leave it out"
	case strange.MatchString(text):
		return "there are characters in the token that none has: it was changed on its way"
	case algorithm == "":
		return "the signature is of none of the keys: the token was made with another one, or changed"
	case lengths[algorithm] != 0 && lengths[algorithm] != length:
		return "the token's signature is not as long as the key's: its end was cut off or added to, or its alg is not the key's"
	}
	return NotTheKeys
}

// shapeProblem is told before the signature where that is more work to verify. A JWE has
// five segments.
func shapeProblem(text string) string {
	if len(text) > MaxLength {
		return "the token is longer than 8 KiB"
	}
	if strings.Count(text, ".") != 2 { // guard: a token has three segments
		return "the token is not three segments with a dot between: part of it is missing, or it is no JWT"
	}
	return ""
}

// signedOddly reads a header that is not the usual one, of a token whose signature is that of a
// key without an id.
func signedOddly(text string, last int, k *key.Key) (string, string) {
	problem := shapeProblem(text)
	if problem != "" {
		return "", problem
	}
	first := strings.IndexByte(text, '.')
	h, problem := readHeader(text[:first])
	if problem == "" && !mayBeOf(h, k) {
		problem = "the token's alg is not the key's"
	}
	return text[first+1 : last], problem
}

// signedByAny chooses among keys by what the token's header says.
func signedByAny(text string, last int, keys []*key.Key) (string, string) {
	problem := shapeProblem(text)
	if problem != "" {
		return "", problem
	}
	first := strings.IndexByte(text, '.')
	h, problem := readHeader(text[:first])
	if problem != "" && strange.MatchString(text) {
		problem = damage(text, "")
	}
	if problem != "" {
		return "", problem
	}
	reason := NoKey
	for _, k := range keys {
		if !mayBeOf(h, k) {
			continue
		}
		if key.Verify(k, text[:last], text[last+1:]) {
			return text[first+1 : last], ""
		}
		reason = damage(text, "")
	}
	return "", reason
}

// NoKey is the reason why a token is refused that names a key which nobody has.
const NoKey = "the token's alg and kid are of none of the keys"

// header is what is read of a token's first segment. Whatever else it names (jku, x5u,
// jwk, x5c) is never looked at.
type header struct {
	algorithm string
	id        interface{} // text; nil: it names none
}

func readHeader(segment string) (header, string) {
	content, err := encoding.DecodeString(segment)
	if err != nil || (len(content)*8+5)/6 != len(segment) {
		return header{}, "the token's header is not base64url"
	}
	var fields map[string]interface{}
	err = json.Unmarshal(content, &fields)
	if err != nil || fields == nil {
		return header{}, "the token's header is not a JSON object"
	}
	// RFC 7515 §4.1.11: extensions that are not understood must be refused; none is
	// understood here. b64 without crit would change what was signed (RFC 7797).
	_, critical := fields["crit"]
	_, unencoded := fields["b64"]
	if critical || unencoded { // guard: extensions are refused
		return header{}, "the token's header demands an extension"
	}
	algorithm, ok := fields["alg"].(string)
	if !ok {
		return header{}, "the token's alg is missing or not text"
	}
	id, present := fields["kid"]
	_, ok = id.(string)
	if present && !ok {
		return header{}, "the token's kid is not text"
	}
	return header{algorithm: algorithm, id: id}, ""
}

// mayBeOf reports whether a token with that header may be of the key.
func mayBeOf(h header, k *key.Key) bool {
	// guard: the algorithm is the key's
	if h.algorithm != k.Algorithm && (h.algorithm != "Ed25519" || k.Algorithm != "EdDSA") {
		return false
	}
	if h.id == nil || k.ID == "" {
		return k.ID == "" || !k.RequireKID
	}
	return h.id == k.ID // guard: kid is text, and the key's
}

// Open reads the second segment of a token whose signature is good, and returns the
// token if it is good at that time, in seconds since 1970, else the reason.
func Open(segment string, rules *Rules, now int64) (*Token, string) {
	content, err := encoding.DecodeString(segment)
	if err != nil ||
		(len(content)*8+5)/6 != len(segment) { // guard: line breaks are not skipped
		return nil, "the token's claims are not base64url"
	}
	if !utf8.Valid(content) {
		return nil, "the token's claims are not UTF-8"
	}
	var claims map[string]interface{}
	err = json.Unmarshal(content, &claims)
	if err != nil || claims == nil {
		return nil, "the token's claims are not a JSON object"
	}
	subject, _ := claims["sub"].(string)
	if subject == "" || // guard: sub must be text
		rules.subjects != nil {
		return openElsewhere(claims, content, rules, now)
	}
	t := &Token{Subject: subject, claims: claims, content: content}
	// Portal's own tokens hold sub and iat, and nothing else is asked of them.
	if rules.plain && len(claims) == 2 {
		issued, ok := claims["iat"].(float64)
		if ok && issued >= 1 && issued <= float64(now+rules.Leeway) {
			return t, ""
		}
	}
	return complete(t, rules, now)
}

// openElsewhere opens a token whose subject is the first of the claims that is text.
func openElsewhere(claims map[string]interface{}, content []byte, rules *Rules, now int64) (*Token, string) {
	if rules.subjects == nil {
		return nil, "the token has no sub, or one that is not text; token.subject may name another claim"
	}
	for _, name := range rules.subjects {
		subject := textOf(claims, name)
		if subject != "" {
			return complete(&Token{Subject: subject, claims: claims, content: content}, rules, now)
		}
	}
	return nil, "the token has none of the claims in token.subject as text"
}

// textOf is a claim that is text; empty where there is none.
func textOf(claims map[string]interface{}, name string) string {
	value, _ := Claim(claims, name)
	text, _ := value.(string)
	return text
}

// Digits are the claims with every number as json.Number, as it stands in the token: a
// float64 would make another one of 9007199254740993. Only few tokens' numbers are asked
// for, once all else is checked, so the others are not parsed twice.
func Digits(t *Token) map[string]interface{} {
	if t.content == nil {
		return t.claims
	}
	var claims map[string]interface{}
	// Open has parsed it to its end already, more strictly.
	decoder := json.NewDecoder(bytes.NewReader(t.content))
	decoder.UseNumber() // guard: numbers are compared by their digits
	if decoder.Decode(&claims) != nil {
		claims = nil
	}
	t.claims = claims
	t.content = nil
	return claims
}

// Issued is when the token was issued, by its iat, in seconds since 1970; 0: it does not say.
func Issued(t *Token) int64 {
	value := t.claims["iat"]
	digits, ok := value.(json.Number)
	if ok {
		f, _ := digits.Float64()
		return date(f)
	}
	return date(value)
}

// Claims are those of a token that satisfies the rules, as far as one that we make can, for
// that subject, issued at that time, in seconds since 1970.
func Claims(rules *Rules, subject string, at int64) map[string]interface{} {
	claims := map[string]interface{}{"iat": at}
	if rules.Issuer != "" {
		claims["iss"] = rules.Issuer
	}
	if len(rules.Audience) > 0 {
		claims["aud"] = rules.Audience[0]
	}
	claims[SubjectClaim(rules)] = subject
	return claims
}

// SubjectClaim is the claim that names the terminal in a token that we make.
func SubjectClaim(rules *Rules) string {
	if len(rules.subjects) > 0 {
		return rules.subjects[0]
	}
	return "sub"
}

// IsBare reports whether a token that satisfies the rules says nothing but whose it is, when
// it was issued, and what the rules ask of every token.
func IsBare(t *Token, rules *Rules) bool {
	// Its subject is one of the two.
	return len(t.claims) == 2 && rules.subjects == nil && Issued(t) > 0 || isBare(t, rules)
}

func isBare(t *Token, rules *Rules) bool {
	subject := SubjectClaim(rules)
	known := 0
	text, ok := t.claims[subject].(string)
	if ok && text == t.Subject {
		known++
	}
	if Issued(t) > 0 {
		known++
	}
	issuer, ok := t.claims["iss"].(string)
	if ok && rules.Issuer != "" && issuer == rules.Issuer && subject != "iss" {
		known++
	}
	audience, ok := t.claims["aud"].(string)
	if ok && len(rules.Audience) > 0 && audience == rules.Audience[0] {
		known++
	}
	return known == len(t.claims)
}

func complete(t *Token, rules *Rules, now int64) (*Token, string) {
	problem := timeProblem(t, rules, now)
	if problem == "" {
		problem = partyProblem(t.claims, rules)
	}
	if problem != "" {
		return nil, problem
	}
	return t, ""
}

// timeProblem checks exp, nbf and iat (RFC 7519 §4.1.4 to §4.1.6) and sets Until.
func timeProblem(t *Token, rules *Rules, now int64) string {
	issued, present := t.claims["iat"]
	iat := int64(0)
	if present {
		iat = date(issued)
		if iat <= 0 {
			return "the token's iat " + dateProblem(iat)
		}
		if iat > now+rules.Leeway { // guard: a token from the future is refused
			return "the token was issued in the future (iat)"
		}
	}
	_, expires := t.claims["exp"]
	_, begins := t.claims["nbf"]
	if expires || begins {
		problem := spanProblem(t, rules, now)
		if problem != "" {
			return problem
		}
	}
	if rules.RequireExpiry && !expires {
		return "the token has no exp, and requireExpiry is set"
	}
	if rules.MaxAge > 0 {
		return ageProblem(t, rules, iat, now)
	}
	return ""
}

func spanProblem(t *Token, rules *Rules, now int64) string {
	value, present := t.claims["exp"]
	if present {
		exp := date(value)
		if exp <= 0 {
			return "the token's exp " + dateProblem(exp)
		}
		if exp+rules.Leeway <= now { // guard: an expired token is refused
			return "the token has expired"
		}
		t.Until = exp + rules.Leeway
	}
	value, present = t.claims["nbf"]
	if present {
		nbf := date(value)
		if nbf <= 0 {
			return "the token's nbf " + dateProblem(nbf)
		}
		if nbf > now+rules.Leeway {
			return "the token is not valid yet (nbf)"
		}
	}
	return ""
}

func ageProblem(t *Token, rules *Rules, iat, now int64) string {
	if iat == 0 {
		return "the token has no iat, and maxAge is set"
	}
	oldest := iat + rules.MaxAge + rules.Leeway
	if oldest <= now {
		return "the token is older than maxAge"
	}
	if t.Until == 0 || oldest < t.Until {
		t.Until = oldest
	}
	return ""
}

// lastDate is the end of the year 9999, in seconds since 1970. Milliseconds in the place
// of seconds are later from the year 1978 on.
const lastDate = 253402300799

// date reads a NumericDate in seconds since 1970 (RFC 7519 §2); 0 where it is none, -1
// where it lies beyond the year 9999. What lies outside 0 < f < 2⁵³ is none: converting it
// would give different numbers on different machines.
func date(value interface{}) int64 {
	f, ok := value.(float64)
	if !ok || f < 1 || f >= 1<<53 {
		return 0
	}
	if f > lastDate { // guard: milliseconds are no seconds
		return -1
	}
	return int64(f)
}

func dateProblem(date int64) string {
	if date < 0 {
		return "lies beyond the year 9999: it must be in seconds, not milliseconds"
	}
	return "is not a date"
}

// partyProblem checks iss, aud and jti.
func partyProblem(claims map[string]interface{}, rules *Rules) string {
	value, present := claims["iss"]
	issuer, ok := value.(string)
	if present && !ok {
		return "the token's iss is not text"
	}
	if rules.Issuer != "" && issuer != rules.Issuer {
		return "the token's iss is not the issuer"
	}
	value, present = claims["jti"]
	_, ok = value.(string)
	if present && !ok {
		return "the token's jti is not text"
	}
	audience, present := claims["aud"]
	if present && !isNobody(audience) {
		// RFC 7519 §4.1.3: who does not find himself in aud must refuse.
		if !isAmong(audience, rules.Audience) { // guard: a token for another audience is refused
			return "the token is meant for another audience"
		}
	} else if len(rules.Audience) > 0 {
		return "the token has no aud, and audience is set"
	}
	return ""
}

func isNobody(audience interface{}) bool {
	switch v := audience.(type) {
	case string:
		return v == ""
	case []interface{}:
		return len(v) == 0
	}
	return false
}

func isAmong(audience interface{}, accepted []string) bool {
	found := false
	for _, member := range members(audience) {
		text, ok := member.(string)
		if !ok {
			return false
		}
		for _, name := range accepted {
			if text == name {
				found = true
			}
		}
	}
	return found
}
