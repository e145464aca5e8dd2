package vectors

import (
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"os"
	"testing"

	"github.com/go-jose/go-jose/v4"
)

// published is an example of an RFC.
type published struct {
	Name, Algorithm, Token string
	Key                    json.RawMessage
}

// atTheTime is when the examples of RFC 7515 had not expired.
const atTheTime = 1300819379

func TestPublished(t *testing.T) {
	examples := readPublished(t)
	if len(examples) != 9 {
		t.Fatalf("%d examples, want 9", len(examples))
	}
	for _, runtime := range runtimes(t) {
		for i, example := range examples {
			t.Run(runtime.name+"/"+example.Name, func(t *testing.T) {
				decide := opened(t, runtime, keys(entry(t, example.Key, example.Algorithm)))
				t.Run("is accepted with its key", func(t *testing.T) {
					if reason := decide(example.Token, atTheTime); !isSigned(reason) {
						t.Error(reason)
					}
				})
				if text := inPEM(t, example.Key); text != "" {
					t.Run("is accepted with its key in PEM", func(t *testing.T) {
						decide := opened(t, runtime, keys(map[string]interface{}{"publicKey": text, "algorithm": example.Algorithm}))
						if reason := decide(example.Token, atTheTime); !isSigned(reason) {
							t.Error(reason)
						}
					})
				}
				t.Run("is refused with one bit changed of any character", func(t *testing.T) {
					changed := []byte(example.Token)
					for i := range changed {
						bit := byte(1) << (i % 8) // all eight would take P-521 half a minute
						changed[i] ^= bit
						if reason := decide(string(changed), atTheTime); isSigned(reason) {
							t.Errorf("%q is accepted", changed)
						}
						changed[i] ^= bit
					}
				})
				t.Run("is refused with any other example's key", func(t *testing.T) {
					for j, other := range examples {
						if j == i || string(other.Key) == string(example.Key) && other.Algorithm == example.Algorithm {
							continue
						}
						decide := opened(t, runtime, keys(entry(t, other.Key, other.Algorithm)))
						if reason := decide(example.Token, atTheTime); isSigned(reason) {
							t.Errorf("accepted with the key of %s", other.Name)
						}
					}
				})
				t.Run("is refused with every other example's key together", func(t *testing.T) {
					var others []map[string]interface{}
					for j, other := range examples {
						if j != i {
							others = append(others, entry(t, other.Key, other.Algorithm))
						}
					}
					decide := opened(t, runtime, keys(others...))
					if reason := decide(example.Token, atTheTime); isSigned(reason) {
						t.Error("accepted")
					}
					decide = opened(t, runtime, keys(append(others, entry(t, example.Key, example.Algorithm))...))
					if reason := decide(example.Token, atTheTime); !isSigned(reason) {
						t.Errorf("and refused with its own beside them: %s", reason)
					}
				})
			})
		}
	}
}

// TestPublishedByAnother tells a mistake in the copy from one in ptlauth.
func TestPublishedByAnother(t *testing.T) {
	for _, example := range readPublished(t) {
		t.Run(example.Name, func(t *testing.T) {
			var key jose.JSONWebKey
			if err := json.Unmarshal(example.Key, &key); err != nil {
				t.Fatal(err)
			}
			parsed, err := jose.ParseSigned(example.Token, []jose.SignatureAlgorithm{jose.SignatureAlgorithm(example.Algorithm)})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := parsed.Verify(key.Key); err != nil {
				t.Error(err)
			}
		})
	}
}

func readPublished(t *testing.T) []published {
	t.Helper()
	content, err := os.ReadFile("testdata/rfc.json")
	if err != nil {
		t.Fatal(err)
	}
	var examples []published
	if err := json.Unmarshal(content, &examples); err != nil {
		t.Fatal(err)
	}
	return examples
}

// opened fails the test unless the configuration is in order.
func opened(t testing.TB, runtime runtime, config map[string]interface{}) func(string, int64) string {
	t.Helper()
	decide, problem := runtime.decide(config)
	if problem != "" {
		t.Fatal(problem)
	}
	return decide
}

// inPEM is a public JWK in PEM; empty for a secret.
func inPEM(t testing.TB, jwk json.RawMessage) string {
	t.Helper()
	var key jose.JSONWebKey
	if err := json.Unmarshal(jwk, &key); err != nil {
		t.Fatal(err)
	}
	if _, isSecret := key.Key.([]byte); isSecret {
		return ""
	}
	content, err := x509.MarshalPKIXPublicKey(key.Key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: content}))
}
