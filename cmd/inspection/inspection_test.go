package inspection_test

import (
	"encoding/base64"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v4"

	"github.com/getportal/ptlauth/cmd/inspection"
	"github.com/getportal/ptlauth/internal/option"
	"github.com/getportal/ptlauth/internal/policy"
)

const (
	secret  = "0123456789abcdef0123456789abcdef0123456789abcdef"
	another = "fedcba9876543210fedcba9876543210fedcba9876543210"
)

func sign(t *testing.T, with string, claims jwt.MapClaims) string {
	t.Helper()
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(with))
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// look makes the world of a phone whose middleware has these options beside.
func look(t *testing.T, options map[string]any) *inspection.World {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte(secret), 0o600); err != nil {
		t.Fatal(err)
	}
	all := map[string]any{"secretFile": path, "terminals": map[string]any{"paired": []any{
		map[string]any{"id": "phone", "name": "Ann's phone", "user": "ann"},
	}}}
	maps.Copy(all, options)
	report := &option.Report{}
	p := policy.Read(all, report)
	policy.Open(p, report)
	if len(report.Problems()) > 0 {
		t.Fatal(report)
	}
	return inspection.Look(p)
}

func TestChecks(t *testing.T) {
	now := time.Now().Unix()
	strict := map[string]any{
		"issuer": "https://login.example.com", "audience": "app", "requireExpiry": true, "maxAge": "1h",
		"require": map[string]any{"groups": "family", "level": "1"},
	}
	complete := func(changes jwt.MapClaims) jwt.MapClaims {
		claims := jwt.MapClaims{"sub": "phone", "iat": now, "exp": now + 600, "iss": "https://login.example.com", "aud": "app", "groups": []string{"family"}, "level": 1}
		for name, value := range changes {
			claims[name] = value
			if value == nil {
				delete(claims, name)
			}
		}
		return claims
	}
	for _, test := range []struct {
		name    string
		options map[string]any
		claims  jwt.MapClaims
		failed  string // the names of the checks that fail
		status  int
	}{
		{"what a device needs is enough", nil, jwt.MapClaims{"sub": "phone", "iat": now}, "", 200},
		{"what is complete passes all", strict, complete(nil), "", 200},
		{"an expired one fails for that alone", strict, complete(jwt.MapClaims{"exp": now - 3600}), "exp", 401},
		{"one without an end, where one is required", strict, complete(jwt.MapClaims{"exp": nil}), "exp", 401},
		{"one of tomorrow", nil, jwt.MapClaims{"sub": "phone", "iat": now + 86400}, "iat", 401},
		{"one that does not begin yet", nil, jwt.MapClaims{"sub": "phone", "nbf": now + 86400}, "nbf", 401},
		{"one that is too old", strict, complete(jwt.MapClaims{"iat": now - 7200}), "maxAge", 401},
		{"one of another issuer", strict, complete(jwt.MapClaims{"iss": "https://evil.example"}), "iss", 401},
		{"one for another audience", strict, complete(jwt.MapClaims{"aud": "other"}), "aud", 401},
		{"one with an audience where none is configured", nil, jwt.MapClaims{"sub": "phone", "aud": "app"}, "aud", 401},
		{"one whose jti is a number", nil, jwt.MapClaims{"sub": "phone", "jti": 1}, "jti", 401},
		{"one of a device that was taken out", nil, jwt.MapClaims{"sub": "tablet"}, "terminal", 401},
		{"one without a sub", nil, jwt.MapClaims{"iat": now}, "subject", 401},
		{"one requirement is told apart from the other", strict, complete(jwt.MapClaims{"level": 2}), "require.level", 403},
		{"a claim that no header can carry", map[string]any{"headers": map[string]any{"X-Role": "{claims.role}"}}, jwt.MapClaims{"sub": "phone", "role": "a\nb"}, "headers", 403},
		{"everything that is wrong is said at once", strict, complete(jwt.MapClaims{"sub": "tablet", "exp": now - 3600, "iss": "x", "aud": "y", "groups": nil}), "exp iss aud terminal require.groups", 401},
	} {
		t.Run(test.name, func(t *testing.T) {
			world := look(t, test.options)
			for name, key := range map[string]string{"": secret, "signature ": another} {
				got, err := inspection.Inspect(world, sign(t, key, test.claims), "/")
				if err != nil {
					t.Fatal(err)
				}
				want, status := strings.TrimSpace(name+test.failed), test.status
				if name != "" {
					status = 401
				}
				if failed := failedOf(got); failed != want || got.Status != status || got.Good != (want == "") {
					t.Errorf("failed %q with %d, good %v; want %q, %d", failed, got.Status, got.Good, want, status)
				}
			}
		})
	}
}

func failedOf(v *inspection.Verdict) string {
	var names []string
	for _, token := range v.Tokens {
		for _, check := range token.Checks {
			if check.Result == inspection.Failed {
				names = append(names, check.Name)
			}
		}
	}
	return strings.Join(names, " ")
}

func TestPaste(t *testing.T) {
	good := sign(t, secret, jwt.MapClaims{"sub": "phone"})
	byHeader := map[string]any{"token": map[string]any{"header": "Authorization"}}
	headerAlone := map[string]any{"token": map[string]any{"cookie": "", "header": "X-Token"}}
	byQuery := map[string]any{"token": map[string]any{"query": "t"}}
	byPassword := map[string]any{"token": map[string]any{"basic": true}}
	passwordAlone := map[string]any{"token": map[string]any{"cookie": "", "basic": true}}
	severalHeaders := map[string]any{"token": map[string]any{"header": []any{"Authorization", "X-Token"}}}
	queryAlone := map[string]any{"token": map[string]any{"cookie": "", "query": "t"}}
	for _, test := range []struct {
		name    string
		options map[string]any
		pasted  string
		good    bool
		reason  string
	}{
		{"a token alone", nil, good, true, ""},
		{"with a line break at its end", nil, good + "\n", true, ""},
		{"a pair of name and token", nil, "authorization=" + good, true, ""},
		{"a line of a request", nil, "Cookie: a=b; authorization=" + good + "; c=d", true, ""},
		{"a line of an answer", nil, "Set-Cookie: authorization=" + good + "; Path=/; HttpOnly", true, ""},
		{"with the scheme, as a cookie may hold it", nil, "Bearer " + good, true, ""},
		{"with the scheme, for a header", byHeader, "Bearer " + good, true, ""},
		{"the whole header", byHeader, "Authorization: Bearer " + good, true, ""},
		{"a token alone, for a header", headerAlone, good, true, ""},
		{"an address, for a parameter", byQuery, "https://app.example.com/x?a=b&t=" + good, true, ""},
		{"a token alone, for a parameter", queryAlone, good, true, ""},
		{"a header that is not looked at", nil, "Authorization: Bearer " + good, false, "token.header: Authorization"},
		{"a cookie of another name", nil, "Cookie: session=" + good, false, "one came in a cookie of another name"},
		{"nothing", nil, " ", false, "that cookie is there, and empty"},
		{"half a token", nil, good[:len(good)-9], false, "cut off"},
		{"two that are the same device's", nil, "Cookie: authorization=" + good + "; authorization=" + good, true, ""},
		{"a user name and a password", byPassword, "k7p2x9:" + good, true, ""},
		{"a password behind no user name", byPassword, ":" + good, true, ""},
		{"the whole header with a password", byPassword, "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte("ann:"+good)), true, ""},
		{"a token alone, for a password", passwordAlone, good, true, ""},
		{"with the scheme, where a password is looked at", byPassword, "Bearer " + good, true, ""},
		{"a password that is not looked at", nil, "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte("ann:"+good)), false, "token.basic: true"},
		{"a token in the second header", severalHeaders, "X-Token: " + good, true, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := inspection.Inspect(look(t, test.options), test.pasted, "/")
			if err != nil {
				t.Fatal(err)
			}
			if got.Good != test.good || !strings.Contains(got.Reason, test.reason) {
				t.Errorf("good is %v, because %q", got.Good, got.Reason)
			}
			if test.good && (got.Terminal == nil || got.Terminal.ID != "phone" || got.Sent["X-Ptl-User"] != "ann") {
				t.Errorf("it is taken for %+v, and the app is sent %v", got.Terminal, got.Sent)
			}
		})
	}
	t.Run("a token that was copied in two lines", func(t *testing.T) {
		for _, pasted := range []string{good[:20] + "\n" + good[20:], good[:20] + " " + good[20:] + "\n"} {
			got, err := inspection.Inspect(look(t, nil), pasted, "/")
			if err != nil || got.Good || len(got.Remarks) != 1 || !strings.Contains(got.Remarks[0], "take it out") {
				t.Errorf("got %+v, %v", got, err)
			}
		}
	})
	t.Run("a path that is public, and one that is none", func(t *testing.T) {
		world := look(t, map[string]any{"paths": []any{map[string]any{"prefix": "/open/", "access": "public"}}})
		got, err := inspection.Inspect(world, "x", "/open/a")
		if err != nil || got.Good || len(got.Remarks) != 1 || !strings.Contains(got.Remarks[0], "the path is public") {
			t.Errorf("got %+v, %v", got, err)
		}
		if _, err := inspection.Inspect(world, good, "open"); err == nil {
			t.Error("a path without a slash is taken")
		}
	})
	t.Run("a path that ptlauth answers itself", func(t *testing.T) {
		list := filepath.Join(t.TempDir(), "terminals.json")
		if err := os.WriteFile(list, []byte(`[{"id":"phone"}]`), 0o600); err != nil {
			t.Fatal(err)
		}
		world := look(t, map[string]any{"pairing": true, "terminals": map[string]any{"file": list}})
		if _, err := inspection.Inspect(world, good, "/.ptl/me"); err == nil {
			t.Error("it is taken for an app's")
		}
		if got, err := inspection.Inspect(world, good, "/.ptl/other"); err != nil || !got.Good {
			t.Errorf("a path beside it is not: %+v, %v", got, err)
		}
	})
	t.Run("a secret that cannot be read", func(t *testing.T) {
		got, err := inspection.Inspect(look(t, map[string]any{"secretFile": filepath.Join(t.TempDir(), "missing")}), good, "/")
		if err != nil || got.Good || got.Status != 503 {
			t.Errorf("got %+v, %v", got, err)
		}
	})
}

func TestWrite(t *testing.T) {
	world := look(t, map[string]any{"require": map[string]any{"role": "admin"}})
	for _, test := range []struct {
		name, pasted string
		lines        []string
	}{
		{"a good token", sign(t, secret, jwt.MapClaims{"sub": "phone", "role": "admin"}), []string{
			"✓ signature     by a configured key, HS256", "✓ terminal      phone, Ann's phone, of ann", "✓ require.role",
			"✓ Admitted, as phone (Ann's phone), user ann", "  It does not end by itself.", "  X-Ptl-User: ann",
		}},
		{"a bad one", sign(t, secret, jwt.MapClaims{"sub": "phone", "exp": 1, "role": "x"}), []string{
			"✗ exp           the token has expired", "✗ require.role  the token does not satisfy require.role: its value is none of those accepted",
			"✗ Refused, with 401: the token has expired",
		}},
		{"what would change the screen", sign(t, secret, jwt.MapClaims{"sub": "\x1b[2J\u202e"}), []string{"✓ subject       �[2J�"}},
		{"none", "Cookie: a=b", []string{"✗ Refused, with 401: there is no token in the cookie `authorization`"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			verdict, err := inspection.Inspect(world, test.pasted, "/")
			if err != nil {
				t.Fatal(err)
			}
			var out strings.Builder
			if err := inspection.Write(&out, verdict); err != nil {
				t.Fatal(err)
			}
			for _, line := range test.lines {
				if !strings.Contains("\n"+out.String(), "\n"+line) {
					t.Errorf("there is no line %q in\n%s", line, &out)
				}
			}
			if strings.Contains(out.String(), "\x1b") || strings.Contains(out.String(), test.pasted[strings.LastIndexByte(test.pasted, '.')+1:]+"\n") {
				t.Errorf("it holds the signature or an escape:\n%s", &out)
			}
		})
	}
}
