package issuer

import (
	"testing"
	"time"

	"github.com/getportal/ptlauth/e2e/source"
	"github.com/getportal/ptlauth/internal/corpustest"
)

// Keyring returns the path of the portal's secret, and the corpus's tokens by name.
func Keyring(t *testing.T) (string, map[string]string) {
	t.Helper()
	all, err := corpustest.Load("../../testdata", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	tokens, err := all.Ring.Mint(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return source.Named(t, "secret", all.Ring.Secrets["portal"]), tokens
}
