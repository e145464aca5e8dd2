package pairing

import (
	"encoding/base64"
	"encoding/json"

	"github.com/getportal/ptlauth/internal/key"
	"github.com/getportal/ptlauth/internal/token"
)

// Token makes the token of a terminal, issued at that time, in seconds since 1970, with the
// first shared secret among the keys; empty where there is none. It says whose it is, when it
// was issued, and what the rules ask of every token; it does not end.
func Token(keys []*key.Key, rules *token.Rules, subject string, at int64) string {
	return Signed(keys, token.Claims(rules, subject, at))
}

// Signed makes the token that says these claims, as Token does.
func Signed(keys []*key.Key, claims map[string]interface{}) string {
	for _, k := range keys {
		if !key.IsShared(k) {
			continue
		}
		header := map[string]interface{}{"alg": k.Algorithm, "typ": "JWT"}
		if k.ID != "" {
			header["kid"] = k.ID
		}
		signed := segment(header) + "." + segment(claims)
		return signed + "." + key.Sign(k, signed)
	}
	return ""
}

func segment(members map[string]interface{}) string {
	text, err := json.Marshal(members)
	if err != nil {
		return ""
	}
	return base64.RawURLEncoding.EncodeToString(text)
}

// Sample is a token as Token makes it, judged by the rules; else why it is not good. No secret
// is needed for that.
func Sample(rules *token.Rules, at int64) (*token.Token, string) {
	return Judged(rules, token.Claims(rules, "abc123", at), at)
}

// Judged is the token that says these claims, judged by the rules as Sample does.
func Judged(rules *token.Rules, claims map[string]interface{}, at int64) (*token.Token, string) {
	t, problem := token.Open(segment(claims), rules, at)
	if problem != "" {
		return nil, problem
	}
	unmet := token.Unmet(rules.Require, t)
	if unmet != "" {
		return nil, "it does not satisfy require." + unmet
	}
	return t, ""
}
