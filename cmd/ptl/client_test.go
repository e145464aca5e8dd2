package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/getportal/ptlauth/cmd/command"
)

// TestLackingLines writes what ptl says that the configuration lacks into it, as somebody would, and asks again.
func TestLackingLines(t *testing.T) {
	const (
		yaml   = "http:\n  middlewares:\n    auth:\n      plugin:\n        ptlauth:\n          secretFile: secret\n          terminals: {file: terminals.json}\n"
		toml   = "[http.middlewares.auth.plugin.ptlauth]\nsecretFile = \"secret\"\n[http.middlewares.auth.plugin.ptlauth.terminals]\nfile = \"terminals.json\"\n"
		labels = "services:\n  traefik:\n    image: traefik:v3.7\n    labels:\n      traefik.http.middlewares.auth.plugin.ptlauth.secretFile: secret\n      traefik.http.middlewares.auth.plugin.ptlauth.terminals.file: terminals.json\n"
	)
	for _, test := range []struct{ name, file, content, indent, program, way string }{
		{"a password in YAML", "dynamic.yml", yaml, "          ", "davx5", ""},
		{"a password in TOML", "dynamic.toml", toml, "", "davx5", ""},
		{"a password in labels", "compose.yml", labels, "      ", "davx5", ""},
		{"a header in YAML", "dynamic.yml", yaml, "          ", "immich", ""},
		{"a header in TOML", "dynamic.toml", toml, "", "immich", ""},
		{"a header in labels", "compose.yml", labels, "      ", "immich", ""},
		{"Authorization in YAML", "dynamic.yml", yaml, "          ", "git", "bearer"},
		{"one more header beside a group in TOML", "dynamic.toml", toml + "[[http.middlewares.auth.plugin.ptlauth.token.header]]\nname = \"Authorization\"\n", "", "immich", ""},
		{"one more header beside a group in labels", "compose.yml", labels + "      traefik.http.middlewares.auth.plugin.ptlauth.token.header[0].name: Authorization\n", "      ", "immich", ""},
		{"a password beside a header in YAML", "dynamic.yml", yaml + "          token:\n            header: Authorization\n", "            ", "davx5", ""},
		{"the cookie in YAML", "dynamic.yml", yaml + "          token:\n            header: Authorization\n            cookie: \"\"\n", "            ", "curl", "cookie"},
		{"one more header in TOML", "dynamic.toml", toml + "[http.middlewares.auth.plugin.ptlauth.token]\nheader = \"Authorization\"\n", "", "immich", ""},
		{"a header beside passwords in YAML", "dynamic.yml", yaml + "          token:\n            basic: true\n", "            ", "immich", ""},
		{"a header beside passwords in TOML", "dynamic.toml", toml + "[http.middlewares.auth.plugin.ptlauth.token]\nbasic = true\n", "", "immich", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, test.file)
			write := func(name, content string) {
				t.Helper()
				if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			write("secret", "0123456789abcdef0123456789abcdef0123456789abcdef")
			write("terminals.json", `[{"id": "k7p2x9"}]`)
			write(test.file, test.content)
			write("ptl.yml", "url: https://app.example.com\ndynamic: "+test.file+"\nsecretFile: secret\nregistry: terminals.json\n")
			ask := func() (command.Exit, string, string) {
				var out, err bytes.Buffer
				exit := run(&command.Console{In: strings.NewReader(""), Out: &out, Err: &err}, []string{"token", "k7p2x9", "--for=" + test.program, "--way=" + test.way, "--configFile=" + filepath.Join(dir, "ptl.yml")})
				return exit, out.String(), err.String()
			}
			exit, said, complaint := ask()
			_, lines, hasLines := strings.Cut(complaint, "\n\n")
			if exit != command.Usage || said != "" || !hasLines {
				t.Fatalf("exit %d: %s%s", exit, said, complaint)
			}
			content := test.content
			if strings.Contains(complaint, "in the place of what stands there") {
				for line := range strings.Lines(content) {
					if option, _, _ := strings.Cut(lines, " "); strings.HasPrefix(line, test.indent+option) {
						content = strings.Replace(content, line, "", 1)
					}
				}
			}
			for line := range strings.Lines(strings.TrimRight(lines, "\n") + "\n") {
				content += test.indent + line
			}
			write(test.file, content)
			if exit, said, complaint := ask(); exit != command.Done || !strings.Contains(said, "eyJ") {
				t.Errorf("exit %d: %s%s\nof %s\n%s", exit, said, complaint, path, content)
			}
		})
	}
}
