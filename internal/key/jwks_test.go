package key

import (
	"bytes"
	"log"
	"strings"
	"testing"
)

// TestSetTells: of a set that serves, what is wrong with its other keys is logged, and
// nothing of those that are for something else.
func TestSetTells(t *testing.T) {
	const good = `{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}`
	for _, test := range []struct{ name, other, told string }{
		{"a key that is not whole is told by its kid", `{"kty":"RSA","kid":"a\u001bb","e":"AQAB"}`, `key 2 (kid "a\x1bb") is of a kind`},
		{"a long kid is cut", `{"kty":"RSA","kid":"` + strings.Repeat("k", 900) + `"}`, `(kid "` + strings.Repeat("k", maxKID) + `")`},
		{"a key for encryption is in order", `{"kty":"RSA","use":"enc","kid":"e"}`, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			var out bytes.Buffer
			before := log.Writer()
			log.SetOutput(&out)
			keys, problem := parseSet([]byte(`{"keys":[`+good+`,`+test.other+`]}`), spec{})
			log.SetOutput(before)
			if len(keys) != 1 || problem != "" {
				t.Errorf("%d keys, and %q", len(keys), problem)
			}
			if !strings.Contains(out.String(), test.told) || (test.told == "") != (out.Len() == 0) {
				t.Errorf("logged %q", out.String())
			}
		})
	}
}
