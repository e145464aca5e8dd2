package vectors

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
)

// FuzzToken: whatever a token's header, claims and end are, ptlauth accepts it only if go-jose does, by the same rules. It
// is signed with one of the keys, so that more than its signature is looked at.
func FuzzToken(f *testing.F) {
	setups := makeSetups(f)
	for at, s := range setups {
		for i, k := range s.signers {
			header := `{"alg":"` + k.algorithm + `","typ":"JWT"`
			if k.id != "" {
				header += `,"kid":"` + k.id + `"`
			}
			header += "}"
			f.Add(at, i, header, `{"sub":"abc123","iat":1799999940,"exp":1800000060,"iss":"issuer","aud":["app"]}`, "")
			f.Add(at, i, strings.Replace(header, "}", `,"crit":["b64"]}`, 1), `{"sub":"abc123","exp":1e300,"nbf":null}`, "")
			f.Add(at, i, `{"alg":"none"}`, `{"sub":7,"exp":1799999969,"aud":"app"}`, "=")
			f.Add(at, i, header, `{"sub":"abc123","sub":"def456","SUB":"x","iat":1800000031.5}`, ".e30")
		}
	}
	f.Fuzz(func(t *testing.T, at, which int, header, claims, tail string) {
		if at < 0 || which < 0 {
			t.Skip()
		}
		s := setups[at%len(setups)]
		k := s.signers[which%len(s.signers)]
		text := signedText(k, header, claims) + tail
		reason := s.decideToo(text, now)
		if reason != "" || s.judge(text) == nil {
			return
		}
		// RFC 7515 §4: what ptlauth never reads, and all but the last of a name twice, go-jose may mind.
		plain := signedText(k, canonical(header, "jwk", "x5c", "nonce"), canonical(claims)) + tail
		if err := s.judge(plain); err != nil {
			t.Errorf("ptlauth accepts %q of %s and %s, configured as %v; go-jose: %v", text, header, claims, s.config, err)
		}
	})
}

func signedText(k signer, header, claims string) string {
	signed := encode(header) + "." + encode(claims)
	return signed + "." + encode(string(sign(k, signed, 0)))
}

// canonical is a JSON object with each name once and without some; a text that is none stays.
func canonical(text string, without ...string) string {
	var members map[string]json.RawMessage
	if json.Unmarshal([]byte(text), &members) != nil {
		return text
	}
	maps.DeleteFunc(members, func(name string, _ json.RawMessage) bool { return slices.Contains(without, name) })
	plain, err := json.Marshal(members)
	if err != nil {
		return text
	}
	return string(plain)
}
