package corpustest

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Keyring holds the secrets, the files and the tokens that cases refer to.
type Keyring struct {
	Secrets map[string]string   `json:"secrets"`
	Files   map[string]*Content `json:"files"`
	Tokens  map[string]Token    `json:"tokens"`
}

// Token says how to make one: Raw as it stands, From another with an Edit, or a header and claims signed with a secret.
type Token struct {
	Raw        *string         `json:"raw"`
	Header     json.RawMessage `json:"header"`
	HeaderText *string         `json:"headerText"`
	Claims     json.RawMessage `json:"claims"`
	ClaimsText *string         `json:"claimsText"`
	Key        string          `json:"key"`
	Alg        string          `json:"alg"`
	From       string          `json:"from"`
	Edit       string          `json:"edit"`
}

// fromNow stands for a time, in seconds from now.
var fromNow = regexp.MustCompile(`\{"now": *(-?\d+)\}`)

func timesFromNow(text string, at time.Time) string {
	return fromNow.ReplaceAllStringFunc(text, func(match string) string {
		offset, _ := strconv.ParseInt(fromNow.FindStringSubmatch(match)[1], 10, 64)
		return strconv.FormatInt(at.Unix()+offset, 10)
	})
}

// Mint makes every token of the keyring, as of the given time.
func (k *Keyring) Mint(at time.Time) (map[string]string, error) {
	m := &mint{ring: k, at: at, done: map[string]string{}, doing: map[string]bool{}}
	for name := range k.Tokens {
		if _, err := m.token(name); err != nil {
			return nil, fmt.Errorf("token %q: %w", name, err)
		}
	}
	return m.done, nil
}

type mint struct {
	ring  *Keyring
	at    time.Time
	done  map[string]string
	doing map[string]bool
}

func (m *mint) token(name string) (string, error) {
	if token, ok := m.done[name]; ok {
		return token, nil
	}
	spec, ok := m.ring.Tokens[name]
	if !ok || m.doing[name] {
		return "", fmt.Errorf("%q is unknown or made from itself", name)
	}
	m.doing[name] = true
	token, err := m.make(spec)
	if err == nil {
		m.done[name] = token
	}
	return token, err
}

func (m *mint) make(t Token) (string, error) {
	switch {
	case t.Raw != nil:
		return m.expand(*t.Raw)
	case t.From != "":
		token, err := m.token(t.From)
		if err != nil {
			return "", err
		}
		return m.edit(token, t)
	}
	if t.Alg == "" {
		t.Alg = "HS256"
	}
	header := `{"alg":"` + t.Alg + `","typ":"JWT"}`
	header, err := m.part(t.Header, t.HeaderText, &header)
	if err != nil {
		return "", fmt.Errorf("header: %w", err)
	}
	claims, err := m.part(t.Claims, t.ClaimsText, nil)
	if err != nil {
		return "", fmt.Errorf("claims: %w", err)
	}
	return m.sign(encode(header)+"."+encode(claims), t)
}

// part keeps the order and the repetitions of a JSON text's keys.
func (m *mint) part(value json.RawMessage, text, otherwise *string) (string, error) {
	switch {
	case value != nil && text == nil:
		var compact bytes.Buffer
		if err := json.Compact(&compact, value); err != nil {
			return "", err
		}
		return m.expand(timesFromNow(compact.String(), m.at))
	case value == nil && text != nil:
		return m.expand(*text)
	case value == nil && otherwise != nil:
		return *otherwise, nil
	default:
		return "", errors.New("wants either the value or its text")
	}
}

func (m *mint) expand(s string) (string, error) {
	for _, match := range reference.FindAllStringSubmatch(s, -1) {
		if name, ok := strings.CutPrefix(match[1], "token."); ok {
			if _, err := m.token(name); err != nil {
				return "", err
			}
		}
	}
	e := &expander{secrets: m.ring.Secrets, tokens: m.done}
	return e.text(s), e.err
}

func (m *mint) sign(input string, t Token) (string, error) {
	if t.Alg == "none" {
		return input + ".", nil
	}
	hashes := map[string]func() hash.Hash{"": sha256.New, "HS256": sha256.New, "HS384": sha512.New384, "HS512": sha512.New}
	size, secret := hashes[t.Alg], m.ring.Secrets[t.Key]
	if size == nil || secret == "" {
		return "", fmt.Errorf("no algorithm %q or no secret %q", t.Alg, t.Key)
	}
	mac := hmac.New(size, []byte(secret))
	mac.Write([]byte(input))
	return input + "." + encode(string(mac.Sum(nil))), nil
}

// edit returns a token that differs from the one given, which is a mistake otherwise.
func (m *mint) edit(token string, t Token) (string, error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return "", fmt.Errorf("%q has not three segments", t.From)
	}
	edited, err := m.sever(token, parts, t.Edit)
	if edited == "" && err == nil {
		edited, err = m.signAnew(parts, t)
	}
	if err == nil && edited == token {
		err = fmt.Errorf("%s changes nothing in %q", t.Edit, t.From)
	}
	return edited, err
}

// sever is an edit that leaves the token without a signature of its own; empty: it is none of these.
func (m *mint) sever(token string, parts []string, edit string) (string, error) {
	head, signature := parts[0]+"."+parts[1], parts[2]
	switch name, other, _ := strings.Cut(edit, ":"); name {
	case "flip-last":
		return m.flip(token, 0b100000)
	case "unused-bits":
		if len(signature)%4 == 0 {
			return "", errors.New("the signature has no unused bits")
		}
		return m.flip(token, 1)
	case "truncate-signature":
		return head + "." + signature[:len(signature)/2], nil
	case "drop-last-char":
		return token[:len(token)-1], nil
	case "empty-signature":
		return head + ".", nil
	case "trailing-dot":
		return token + ".", nil
	case "two-segments":
		return head, nil
	case "four-segments":
		return token + "." + signature, nil
	case "newline-inside":
		return head + "." + signature[:len(signature)/2] + "\n" + signature[len(signature)/2:], nil
	case "swap-signature-of":
		from, err := m.token(other)
		if err != nil {
			return "", err
		}
		return head + from[strings.LastIndexByte(from, '.'):], nil
	}
	return "", nil
}

// signAnew is an edit that signs what it changes.
func (m *mint) signAnew(parts []string, t Token) (string, error) {
	head := parts[0] + "." + parts[1]
	switch t.Edit {
	case "padding":
		return m.respell(parts, t, func(s string) string { return s + strings.Repeat("=", -len(s)&3) })
	case "standard-base64":
		return m.respell(parts, t, strings.NewReplacer("-", "+", "_", "/").Replace)
	case "one-signed-segment":
		return m.sign(parts[0], m.ring.Tokens[t.From])
	case "three-signed-segments":
		return m.sign(head+"."+parts[1], m.ring.Tokens[t.From])
	case "newline-signed":
		return m.sign(head[:len(head)-4]+"\n"+head[len(head)-4:], m.ring.Tokens[t.From])
	}
	return "", fmt.Errorf("unknown edit %q", t.Edit)
}

// flip changes bits of the last character's six.
func (m *mint) flip(token string, bits int) (string, error) {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	last := len(token) - 1
	i := strings.IndexByte(alphabet, token[last])
	if i < 0 {
		return "", errors.New("the token does not end in a signature")
	}
	return token[:last] + string(alphabet[i^bits]), nil
}

// respell signs the header and the claims again when their spelling changes, so that nothing but the spelling is wrong.
func (m *mint) respell(parts []string, t Token, spell func(string) string) (string, error) {
	head := spell(parts[0]) + "." + spell(parts[1])
	signature := parts[2]
	if head != parts[0]+"."+parts[1] {
		signed, err := m.sign(head, m.ring.Tokens[t.From])
		if err != nil {
			return "", err
		}
		signature = signed[len(head)+1:]
	}
	return head + "." + spell(signature), nil
}

func encode(s string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(s))
}
