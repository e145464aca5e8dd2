package client

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
)

// obscured is the key that rclone hides passwords with, the same in every copy of it: it keeps them from being read over a
// shoulder, and no more (rclone help flags; `rclone reveal` undoes it).
const obscured = "9c935b48730a554d6bfd7c63c886a92bd390198eb8128afbf4de162b8b95f638"

// obscure is a password as rclone.conf wants it: AES-256 in counter mode with the counter in front, in base64.
func obscure(password string) (string, error) {
	key, err := hex.DecodeString(obscured)
	if err != nil {
		return "", err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return "", err
	}
	sealed := make([]byte, aes.BlockSize+len(password))
	if _, err := rand.Read(sealed[:aes.BlockSize]); err != nil {
		return "", err
	}
	cipher.NewCTR(block, sealed[:aes.BlockSize]).XORKeyStream(sealed[aes.BlockSize:], []byte(password))
	return base64.RawURLEncoding.EncodeToString(sealed), nil
}
