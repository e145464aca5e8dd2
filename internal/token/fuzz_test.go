package token_test

import (
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v4"

	"github.com/getportal/ptlauth/internal/token"
)

// FuzzToken: whatever a token's header and claims say, and whatever its segments are, Verify does not panic, and what it
// accepts golang-jwt accepts too, with one algorithm, one key and strict base64.
func FuzzToken(f *testing.F) {
	for _, seed := range [][3]string{
		{usual, claims, made(usual, claims, hs256)},
		{`{"alg":"none"}`, `{"sub":"abc123","exp":1e300}`, made(`{"alg":"none"}`, claims, with(""))},
		{`{"alg":"HS256","kid":null,"crit":["b64"],"b64":false}`, `{"sub":"abc123","sub":"x","exp":1,"exp":1800000001}`, encode(usual) + "." + encode(claims)},
		{`{"alg":"HS512","alg":"HS256"}`, `{"sub":"abc123","nbf":1800000000.5,"iat":"1"}`, "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.."},
		{"null", `null`, "...."},
		{"{\"alg\":\"HS256\"}\n", "{\"sub\":\"\xff\"}", encode(usual) + "\n." + encode(claims)},
	} {
		f.Add(seed[0], seed[1], seed[2])
	}
	keys := keysOf(f, entry{"secret": secret})
	several := keysOf(f, entry{"secret": other, "id": "a"}, entry{"secret": secret, "id": "b"}, entry{"secret": secret})
	rules := &token.Rules{}
	jwt.TimeFunc = func() time.Time { return time.Unix(now, 0) }
	parser := jwt.NewParser(jwt.WithValidMethods([]string{"HS256"}))
	secretOf := func(*jwt.Token) (interface{}, error) { return []byte(secret), nil }
	f.Fuzz(func(t *testing.T, header, claims, raw string) {
		for _, text := range []string{made(header, claims, hs256), raw, raw + "." + hs256(raw)} {
			verified, reason := token.Verify(text, keys, rules, now)
			again, _ := token.Verify(text, several, rules, now)
			if verified == nil && again == nil {
				if reason == "" {
					t.Errorf("%q is refused without a reason", text)
				}
				continue
			}
			parsed, err := parser.Parse(text, secretOf)
			if err != nil {
				t.Fatalf("%q of %q and %q is accepted; golang-jwt: %v", text, header, claims, err)
			}
			named := parsed.Claims.(jwt.MapClaims)["sub"]
			if verified == nil || verified.Subject != named {
				t.Errorf("%q is of %v, and of %v for golang-jwt", text, verified, named)
			}
		}
	})
}
