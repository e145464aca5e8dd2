package source

import (
	"crypto/sha512"
	"encoding/base64"
	"strconv"
	"strings"
	"testing"
)

// TestShown: a secret in the place of a path does not come back in the log.
func TestShown(t *testing.T) {
	for i := 0; i < 50000; i++ {
		sum := sha512.Sum512([]byte(strconv.Itoa(i)))
		for _, length := range []int{32, 48, 64} {
			secret := base64.StdEncoding.EncodeToString(sum[:length])
			if strings.Contains(secret, "/") && shown(secret) == secret {
				t.Fatalf("a secret is shown: %s", secret)
			}
		}
	}
	for _, path := range []string{
		"/run/secrets/ptlauth", "/run/secrets/ptlauth/the-secret-of-all-terminals.txt", "/Users/Ben/Portal/Secrets/ptlauth/secret",
		"/mnt/volume/which/is/not/there/PTLAUTH_SECRET", t.TempDir() + "/ASecretOfWhichTheDirectoryIsThereOnly1",
	} {
		if shown(path) != path {
			t.Errorf("a path is not shown: %s", path)
		}
	}
}
