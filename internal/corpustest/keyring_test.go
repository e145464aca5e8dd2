package corpustest

import (
	"encoding/base64"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func ring(t *testing.T) *Keyring {
	t.Helper()
	k := new(Keyring)
	if err := decodeFile(filepath.Join(testdata, "keyring.json"), k); err != nil {
		t.Fatal(err)
	}
	return k
}

func minted(t *testing.T, k *Keyring) map[string]string {
	t.Helper()
	tokens, err := k.Mint(time.Unix(1750000000, 0))
	if err != nil {
		t.Fatal(err)
	}
	return tokens
}

func TestPortalsTokenIsMintedToTheLetter(t *testing.T) {
	tokens := minted(t, ring(t))
	if tokens["portal"] != tokens["portal-minted"] || len(tokens["portal"]) < 100 {
		t.Errorf("minted %s, want %s", tokens["portal-minted"], tokens["portal"])
	}
}

func TestTokensAreWhatTheirNamesSay(t *testing.T) {
	tokens := minted(t, ring(t))
	for name, want := range map[string]string{
		"expired":       `{"alg":"HS256","typ":"JWT"} {"sub":"abc123","iat":1749992800,"exp":1749996400}`,
		"duplicate-sub": `{"alg":"HS256","typ":"JWT"} {"sub":"def456","sub":"abc123","iat":1700000000}`,
		"None":          `{"alg":"None","typ":"JWT"} {"sub":"abc123"}`,
		"exp-1e300":     `{"alg":"HS256","typ":"JWT"} {"sub":"abc123","exp":1e300}`,
		"payload-empty": `{"alg":"HS256","typ":"JWT"} `,
		"nested":        `{"alg":"HS256","typ":"JWT","cty":"JWT"} ` + tokens["portal"],
		"sub-crlf":      `{"alg":"HS256","typ":"JWT"} {"sub":"abc123\r\nX-Ptl-User: admin","iat":1700000000}`,
	} {
		parts := strings.Split(tokens[name], ".")
		header, err := base64.RawURLEncoding.DecodeString(parts[0])
		if err != nil {
			t.Error(err)
		}
		claims, err := base64.RawURLEncoding.DecodeString(parts[1])
		if err != nil {
			t.Error(err)
		}
		if got := string(header) + " " + string(claims); got != want || len(parts) != 3 {
			t.Errorf("%s holds %s, want %s", name, got, want)
		}
	}
	for name, size := range map[string]int{"portal-minted": 32, "hs384-signed": 48, "hs512-signed": 64, "none": 0} {
		signature := tokens[name][strings.LastIndexByte(tokens[name], '.')+1:]
		if n := base64.RawURLEncoding.DecodedLen(len(signature)); n != size {
			t.Errorf("%s has a signature of %d bytes, want %d", name, n, size)
		}
	}
	if n := len(tokens["nine-kib"]); n < 9<<10 || n > 10<<10 {
		t.Errorf("nine-kib has %d bytes", n)
	}
}

func TestEachEditIsTheOneItSays(t *testing.T) {
	tokens := minted(t, ring(t))
	const head, signature = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhYmMxMjMiLCJpYXQiOjE3MDAwMDAwMDB9",
		"Gnfv6BUClC_veqpPWoOPezWnRvd3xcONJ6uryID396g"
	for name, want := range map[string]string{
		"flipped":                   head + ".Gnfv6BUClC_veqpPWoOPezWnRvd3xcONJ6uryID396A",
		"unused-bits":               head + ".Gnfv6BUClC_veqpPWoOPezWnRvd3xcONJ6uryID396h",
		"truncated":                 head + "." + signature[:21],
		"cut-short":                 head + "." + signature[:42],
		"empty-signature":           head + ".",
		"trailing-dot":              head + "." + signature + ".",
		"two-segments":              head,
		"four-segments":             head + "." + signature + "." + signature,
		"newline-inside":            head + "." + signature[:21] + "\n" + signature[21:],
		"padded-signature":          head + "." + signature + "=",
		"standard-base64-signature": head + "." + strings.ReplaceAll(signature, "_", "/"),
		"swapped-signature":         head + tokens["other-terminal"][strings.LastIndexByte(tokens["other-terminal"], '.'):],
	} {
		if tokens[name] != want {
			t.Errorf("%s is %s, want %s", name, tokens[name], want)
		}
	}
	// Where the header or the claims are spelled otherwise, the signature is made for that spelling.
	for name, mark := range map[string]string{"padded-claims": "=", "standard-base64-claims": "/"} {
		cut := strings.LastIndexByte(tokens[name], '.')
		input := tokens[name][:cut]
		signed, err := (&mint{ring: ring(t)}).sign(input, Token{Key: "portal"})
		if err != nil {
			t.Fatal(err)
		}
		plain := strings.NewReplacer("=", "", "+", "-", "/", "_").Replace(tokens[name][cut:])
		if !strings.Contains(input, mark) || signed != input+plain {
			t.Errorf("%s is %s", name, tokens[name])
		}
	}
}

func TestAMistakeInTheKeyringIsReported(t *testing.T) {
	raw := "a.b.AAAA"
	for name, test := range map[string]struct {
		token Token
		want  string
	}{
		"an unknown key":           {Token{Claims: []byte(`{}`), Key: "nobody"}, `no secret "nobody"`},
		"an unknown algorithm":     {Token{Claims: []byte(`{}`), Key: "k", Alg: "HS1"}, `no algorithm "HS1"`},
		"no claims":                {Token{Key: "k"}, "claims: wants either"},
		"an unknown token":         {Token{From: "nobody", Edit: "padding"}, `"nobody" is unknown`},
		"a token made from itself": {Token{From: "x", Edit: "padding"}, "made from itself"},
		"an unknown edit":          {Token{From: "raw", Edit: "shuffle"}, `unknown edit "shuffle"`},
		"an edit without effect":   {Token{From: "raw", Edit: "padding"}, "changes nothing"},
		"no unused bits":           {Token{From: "raw", Edit: "unused-bits"}, "no unused bits"},
	} {
		k := &Keyring{Secrets: map[string]string{"k": "s"}, Tokens: map[string]Token{"raw": {Raw: &raw}, "x": test.token}}
		if name == "an edit without effect" {
			even := "aaaa.bbbb.AAAA"
			k.Tokens["raw"] = Token{Raw: &even}
		}
		if _, err := k.Mint(time.Now()); err == nil || !strings.Contains(fmt.Sprint(err), test.want) {
			t.Errorf("%s: the error is %v, which lacks %q", name, err, test.want)
		}
	}
}
