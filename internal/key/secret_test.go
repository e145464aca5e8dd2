package key

import (
	"encoding/base64"
	"strings"
	"testing"
)

const spki = "MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE="

// TestSecretRefused: what others know, or may, is no secret, in whatever spelling.
func TestSecretRefused(t *testing.T) {
	pem := "-----BEGIN PUBLIC KEY-----\n" + spki + "\n-----END PUBLIC KEY-----\n"
	der, _ := base64.StdEncoding.DecodeString(spki)
	for _, test := range []struct {
		name, content string
		encoded       bool
		problem       string
	}{
		{"an example's secret", published, false, "an example's"},
		{"an example's secret, encoded", base64.StdEncoding.EncodeToString([]byte(published)), true, "an example's"},
		{"an example's secret that is taken for base64", published, true, "an example's"},
		{"a public key in PEM", pem, false, "not a shared secret"},
		{"a public key in PEM, encoded", base64.StdEncoding.EncodeToString([]byte(pem)), true, "not a shared secret"},
		{"a public key in base64 alone", spki, false, "not a shared secret"},
		{"a public key in base64 alone, decoded", spki, true, "not a shared secret"},
		{"a public key in DER", string(der), false, "not a shared secret"},
		{"a JWK", `{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}`, false, "not a shared secret"},
		{"a JWK Set", `{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`, false, "not a shared secret"},
		{"a public key of OpenSSH's", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBm/RAlphM3+hUG6wWfcO5bIUIaqMLa2ywxcOK1wMWbh ben@laptop", false, "not a shared secret"},
	} {
		t.Run(test.name, func(t *testing.T) {
			keys, problem := parseSecret([]byte(test.content), spec{base64: test.encoded})
			if len(keys) != 0 || !strings.Contains(problem, test.problem) {
				t.Errorf("%d keys, and %q", len(keys), problem)
			}
		})
	}
}

// TestSecretInBase64 reads what `openssl rand -base64 64` writes, which is two lines.
func TestSecretInBase64(t *testing.T) {
	bytes := strings.Repeat("\xff\x00secret", 8)
	text := base64.StdEncoding.EncodeToString([]byte(bytes))
	for name, content := range map[string]string{
		"on one line":            text + "\n",
		"broken after 64":        text[:64] + "\n" + text[64:] + "\n",
		"with CR LF":             text[:64] + "\r\n" + text[64:] + "\r\n",
		"with a blank behind it": text + " \n",
		"in the other alphabet":  base64.RawURLEncoding.EncodeToString([]byte(bytes)),
	} {
		t.Run(name, func(t *testing.T) {
			keys, problem := parseSecret([]byte(content), spec{base64: true})
			if problem != "" || len(keys) != 1 || string(keys[0].secret) != bytes {
				t.Errorf("%d keys, and %q", len(keys), problem)
			}
		})
	}
}
