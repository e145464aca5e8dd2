package pairing

import (
	"encoding/base64"
	"encoding/json"

	"github.com/getportal/ptlauth/internal/key"
	"github.com/getportal/ptlauth/internal/token"
)

// Token makes a token.
func Token(keys []*key.Key, rules *token.Rules, subject string, at int64) string {
	for _, k := range keys {
		if !key.IsShared(k) {
			continue
		}
		header := map[string]interface{}{"alg": k.Algorithm, "typ": "JWT"}
		if k.ID != "" {
			header["kid"] = k.ID
		}
		head, _ := json.Marshal(header)
		claims, _ := json.Marshal(map[string]interface{}{"sub": subject, "iat": at})
		signed := base64.RawURLEncoding.EncodeToString(head) + "." + base64.RawURLEncoding.EncodeToString(claims)
		return signed + "." + key.Sign(k, signed)
	}
	return ""
}
