package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v4"
	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"ptl": main})
}

// TestScripts types what is in testdata/script into a shell of its own, and reads what ptl answers.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(e *testscript.Env) error {
			e.Setenv("TZ", "UTC")
			return tokens(e)
		},
		UpdateScripts: os.Getenv("UPDATE_SCRIPTS") != "",
	})
}

// tokens are for the terminal k7p2x9, of the secret that is in the scripts, in variables: GOOD with its SIGNATURE, EXPIRED,
// and one for a STRANGER. The file `token` has the good one.
func tokens(e *testscript.Env) error {
	for name, claims := range map[string]jwt.MapClaims{
		"GOOD": {"sub": "k7p2x9"}, "EXPIRED": {"sub": "k7p2x9", "exp": 1}, "STRANGER": {"sub": "stranger"},
	} {
		token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte("0123456789abcdef0123456789abcdef0123456789abcdef"))
		if err != nil {
			return err
		}
		e.Setenv(name, token)
		if name == "GOOD" {
			e.Setenv("SIGNATURE", token[strings.LastIndexByte(token, '.')+1:])
			if err := os.WriteFile(filepath.Join(e.WorkDir, "token"), []byte(token+"\n"), 0o600); err != nil {
				return err
			}
		}
	}
	return nil
}
