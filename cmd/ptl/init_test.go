package main

import (
	"cmp"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/getportal/ptlauth/cmd/command"
	"github.com/getportal/ptlauth/cmd/settings"
)

// TestInit: what it makes is what the middleware and `ptl check` want, and what is there stays.
func TestInit(t *testing.T) {
	for _, address := range []string{"https://chat.example.com", "http://nas.lan", "http://127.0.0.1:8080"} {
		t.Run(address, func(t *testing.T) {
			s := &testSite{dir: t.TempDir()}
			said, remark := s.run(t, command.Done, "init", "mine", "--url="+address)
			if strings.Contains(remark, "whoever listens in the network") != (address == "http://nas.lan") {
				t.Errorf("remarked is %q", remark)
			}
			if !strings.HasSuffix(remark, "Next: cd mine && docker compose up -d && ptl pair --name=\"Your phone\"\n") {
				t.Errorf("what is to be done next is not at the end of %q", remark)
			}
			s.dir = filepath.Join(s.dir, "mine")
			if strings.Count(said, "\n") != 5 {
				t.Errorf("said is\n%s", said)
			}
			u := must(t, address)
			compose := s.read(t, "compose.yml")
			if !strings.Contains(compose, "rule: Host(`"+u.Hostname()+"`)") || u.Scheme == "http" && !strings.Contains(compose, `["`+cmp.Or(u.Port(), "80")+`:80"]`) {
				t.Errorf("compose.yml is\n%s", compose)
			}
			secret := s.read(t, "ptlauth/secret")
			info, err := os.Stat(s.path("ptlauth/secret"))
			if err != nil || info.Mode().Perm() != 0o600 || len(secret) != 86 || strings.Trim(secret, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
				t.Errorf("the secret has %d characters, and is %v, %v", len(secret), info.Mode(), err)
			}
			out, notes := s.run(t, command.Done, "check", "compose.yml", "ptlauth/dynamic.yml")
			if out != "" {
				t.Errorf("ptl check says\n%s%s", out, notes)
			}
			_, notes = s.run(t, command.Done, "terminals")
			if !strings.HasPrefix(notes, "Nobody is paired.") {
				t.Errorf("ptl terminals says %q", notes)
			}
			place, err := placeOf(&settings.Site{URL: address, Dynamic: s.path("ptlauth/dynamic.yml")})
			if err != nil || place.site.Page() != address+"/.ptl/pair" {
				t.Errorf("devices are paired at %v, %v", place, err)
			}
			s.run(t, command.Done, "token", "--name=script")
			s.run(t, command.Done, "init", ".", "--url=https://other.example.com")
			s.wantList(t, false, "script")
			if s.read(t, "ptlauth/secret") != secret || !strings.Contains(s.read(t, "ptl.yml"), address) {
				t.Error("what was there has been changed")
			}
		})
	}
}

// TestInitMistakes: what cannot be an address or an owner is said.
func TestInitMistakes(t *testing.T) {
	s := &testSite{dir: t.TempDir()}
	for argument, want := range map[string]string{
		"--url=chat.example.com": "url is \"chat.example.com\"", "--url=ftp://example.com": "begin with https:// or http://",
		"--url=https://example.com/chat": "should have no path", "--url=http://example.com/?x": "should have no path",
		"--url=https://ann:secret@example.com": "no password before the host",
		"--url=https://example.com:8443":       "Let's Encrypt looks for the site at 443", "--url=http://example.com:99999": "from 1 to 65535",
		"--owner=me": "should be one number, or two",
	} {
		if _, notes := s.run(t, command.Usage, "init", "mine", argument); !strings.Contains(notes, want) {
			t.Errorf("%s: said is %q", argument, notes)
		}
	}
	s.run(t, command.Usage, "init")
}

// TestInitNames: a host is written as browsers and Traefik know it, and where nobody gives a certificate for it, that is said.
func TestInitNames(t *testing.T) {
	for address, want := range map[string]struct{ host, remark string }{
		"https://bücher.example": {"xn--bcher-kva.example", ""},
		"https://nas.lan":        {"nas.lan", "gives no certificate for nas.lan"},
		"https://192.168.1.5":    {"192.168.1.5", "gives no certificate for 192.168.1.5"},
		"https://nas":            {"nas", "gives no certificate for nas"},
		"http://nas":             {"nas", ""},
	} {
		s := &testSite{dir: t.TempDir()}
		_, remark := s.run(t, command.Done, "init", ".", "--url="+address)
		if strings.Contains(remark, "gives no certificate") != (want.remark != "") || !strings.Contains(remark, want.remark) || !strings.Contains(remark, "Next: docker") {
			t.Errorf("%s: remarked is %q", address, remark)
		}
		if !strings.Contains(s.read(t, "compose.yml"), "Host(`"+want.host+"`)") || !strings.Contains(s.read(t, "ptl.yml"), "://"+want.host+"\n") {
			t.Errorf("%s: made are\n%s%s", address, s.read(t, "compose.yml"), s.read(t, "ptl.yml"))
		}
	}
}

// TestInitBeside: a compose file that is there stays, and is hidden by none.
func TestInitBeside(t *testing.T) {
	for _, name := range []string{"compose.yml", "compose.yaml", "docker-compose.yml", "docker-compose.yaml"} {
		s := &testSite{dir: t.TempDir()}
		if err := os.WriteFile(s.path(name), []byte("services: {}\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, remark := s.run(t, command.Done, "init", "."); !strings.Contains(remark, name+" is there already") || !strings.HasSuffix(remark, "#in-a-traefik-that-you-have\n") || strings.Contains(remark, "Next:") {
			t.Errorf("%s: remarked is %q", name, remark)
		}
		if all, err := filepath.Glob(s.path("*compose.*")); err != nil || len(all) != 1 || s.read(t, name) != "services: {}\n" {
			t.Errorf("%s is hidden by another one: %q, %v", name, all, err)
		}
	}
}
