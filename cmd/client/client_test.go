package client_test

import (
	"net/url"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"github.com/getportal/ptlauth/cmd/client"
)

const token = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJrN3AyeDkifQ.c2lnbmF0dXJl"

var everything = client.Carriers{Basic: true, Headers: []string{"Authorization", "X-Access-Token"}, Cookie: "authorization"}

func address(t *testing.T, text string) *url.URL {
	t.Helper()
	at := client.Address(text)
	if at == nil {
		t.Fatalf("%s is no address", text)
	}
	return at
}

// TestAll fills in everything that is known of every client.
func TestAll(t *testing.T) {
	filled := client.Fill(address(t, "https://my-app.example.com:8443/dav"), "k7p2x9", token, everything)
	var names []string
	for _, c := range client.All {
		if slices.Contains(names, c.Name) || c.Title == "" {
			t.Errorf("%s is there twice, or has no title", c.Name)
		}
		names = append(names, c.Name)
		if (len(c.Forms) == 0) == (c.Instead == "") {
			t.Errorf("%s either carries a token, or it is said what to do instead", c.Name)
		}
		var ways []client.Way
		for _, form := range c.Forms {
			if slices.Contains(ways, form.Way) || !slices.Contains(client.Ways, form.Way) || form.Where == "" {
				t.Errorf("%s: %q is there twice, or unknown, or nobody knows where", c.Name, form.Way)
			}
			ways = append(ways, form.Way)
			if (form.Text == "") == (len(form.Fields) == 0) {
				t.Errorf("%s, %s: it is either a text or fields", c.Name, form.Way)
			}
			all := ""
			texts := []string{form.Text, form.Then}
			for _, field := range form.Fields {
				texts = append(texts, field.Value)
			}
			for _, text := range texts {
				one, err := filled.Text(text)
				if err != nil {
					t.Errorf("%s, %s: %v", c.Name, form.Way, err)
				}
				all += one + "\n"
			}
			if !strings.Contains(all, token) && !strings.Contains(form.Text, "obscure") || strings.Contains(all, "<no value>") {
				t.Errorf("%s, %s: there is no token in\n%s", c.Name, form.Way, all)
			}
		}
	}
}

// TestNeeds: each way is chosen only where the middleware looks for tokens there.
func TestNeeds(t *testing.T) {
	for _, test := range []struct {
		name   string
		client string
		has    client.Carriers
		way    client.Way
		want   client.Way // empty: none
	}{
		{"a password where Basic is on", "davx5", everything, "", client.Basic},
		{"none where it is off", "davx5", client.Carriers{Headers: everything.Headers, Cookie: "authorization"}, "", ""},
		{"the best way first", "rclone", everything, "", client.Basic},
		{"the next best where that is off", "rclone", client.Carriers{Headers: []string{"Authorization"}, Cookie: "authorization"}, "", client.Bearer},
		{"the cookie where nothing else is on", "rclone", client.Carriers{Cookie: "authorization"}, "", client.Cookie},
		{"the one that is named", "rclone", everything, client.Cookie, client.Cookie},
		{"none where the one that is named is off", "rclone", client.Carriers{Cookie: "authorization"}, client.Basic, ""},
		{"a header that is not the app's own", "immich", everything, "", client.Header},
		{"no Authorization where the app has its own", "immich", client.Carriers{Headers: []string{"Authorization"}}, "", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := client.Way("")
			if form := client.Find(test.client).Choose(test.has, test.way); form != nil {
				got = form.Way
			}
			if got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestFill(t *testing.T) {
	f := client.Fill(address(t, "http://[::1]:8080/a b"), "of:a person", token, everything)
	if f.URL != "http://[::1]:8080/a%20b/" || f.Host != "[::1]:8080" || f.Name != "::1" || f.Path != "/a%20b" || f.Short != "site" || f.User != "ptl" {
		t.Errorf("got %+v", f)
	}
	f = client.Fill(address(t, "https://my-app.example.com?x=1#y"), "k7p2x9", token, everything)
	if f.URL != "https://my-app.example.com/" || f.Short != "my_app" || f.User != "k7p2x9" || f.Header != "X-Access-Token" {
		t.Errorf("got %+v", f)
	}
	for _, wrong := range []string{"", "app.example.com", "ftp://a", "https://", "https://a:b@c/", "https://a\"b/", "https://a b/", "https://a/%zz", "https://a:x/", "https://a]b/", "https://<a>/"} {
		if at := client.Address(wrong); at != nil {
			t.Errorf("%q is taken for the address %s", wrong, at)
		}
	}
}

var groups = client.Carriers{Headers: []string{"X-Mine"}, HasGroups: true, HasSection: true}

// TestLines reads what is to be written into a configuration as what reads it would.
func TestLines(t *testing.T) {
	for _, test := range []struct {
		name     string
		way      client.Way
		language string
		has      client.Carriers
		want     string
	}{
		{"a password, in YAML", client.Basic, client.YAML, client.Carriers{}, "token:\n  basic: true\n"},
		{"a password, as a label", client.Basic, client.Labels, client.Carriers{}, "traefik.http.middlewares.auth.plugin.ptlauth.token.basic: \"true\"\n"},
		{"a password, in TOML", client.Basic, client.TOML, client.Carriers{}, "[http.middlewares.auth.plugin.ptlauth.token]\nbasic = true\n"},
		{"a header, in YAML", client.Header, client.YAML, client.Carriers{}, "token:\n  header: X-Access-Token\n"},
		{"one more header, in YAML", client.Header, client.YAML, client.Carriers{Headers: []string{"Authorization"}}, "token:\n  header: Authorization,X-Access-Token\n"},
		{"a header where something else is said, in YAML", client.Header, client.YAML, client.Carriers{Basic: true, HasSection: true}, "header: X-Access-Token\n"},
		{"a header where something else is said, in TOML", client.Header, client.TOML, client.Carriers{Basic: true, HasSection: true}, "header = \"X-Access-Token\"\n"},
		{"Authorization, in TOML", client.Bearer, client.TOML, client.Carriers{}, "[http.middlewares.auth.plugin.ptlauth.token]\nheader = \"Authorization\"\n"},
		{"one more header beside groups, in YAML", client.Header, client.YAML, groups, "header: # besides the others\n  - name: X-Access-Token\n"},
		{"one more header beside groups, as a label", client.Bearer, client.Labels, groups, "traefik.http.middlewares.auth.plugin.ptlauth.token.header[1].name: Authorization\n"},
		{"one more header beside groups, in TOML", client.Header, client.TOML, groups, "[[http.middlewares.auth.plugin.ptlauth.token.header]]\nname = \"X-Access-Token\"\n"},
		{"the cookie, as a label", client.Cookie, client.Labels, client.Carriers{}, "traefik.http.middlewares.auth.plugin.ptlauth.token.cookie: \"authorization\"\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := test.has.Lines(test.way, test.language, "auth")
			if got != test.want {
				t.Errorf("got\n%s", got)
			}
			if err := yaml.Unmarshal([]byte(got), &map[string]any{}); err != nil && test.language != client.TOML {
				t.Error(err)
			}
		})
	}
}

// TestObscure has rclone read what ptl hides for it.
func TestObscure(t *testing.T) {
	rclone, err := exec.LookPath("rclone")
	if err != nil && os.Getenv("PTLAUTH_NO_SKIP") == "" {
		t.Skip(err)
	}
	hidden, err := client.Fill(address(t, "https://a/"), "k7p2x9", token, everything).Text("{{obscure .Token}}")
	if err != nil || strings.Contains(hidden, token) {
		t.Fatal(hidden, err)
	}
	out, err := exec.Command(rclone, "reveal", hidden).CombinedOutput()
	if err != nil || strings.TrimSpace(string(out)) != token {
		t.Errorf("rclone reads %s (%v)", out, err)
	}
}

// TestHomepage reads what Homepage is told as it does.
func TestHomepage(t *testing.T) {
	filled := client.Fill(address(t, "https://app.example.com"), "k7p2x9", token, everything)
	for _, form := range client.Find("homepage").Forms {
		text, err := filled.Text(form.Text)
		if err != nil {
			t.Fatal(err)
		}
		var got struct {
			Widget struct {
				Type, URL, Username, Password string
				Headers                       map[string]string
			}
		}
		if err := yaml.Unmarshal([]byte(text), &got); err != nil {
			t.Errorf("%s: %v\n%s", form.Way, err, text)
		}
		w := got.Widget
		want := map[client.Way]bool{
			client.Basic:  w.Username == "k7p2x9" && w.Password == token,
			client.Bearer: w.Headers["Authorization"] == "Bearer "+token,
			client.Header: w.Headers["X-Access-Token"] == "Bearer "+token,
			client.Cookie: w.Headers["Cookie"] == "authorization="+token,
		}
		if w.Type != "customapi" || w.URL != "https://app.example.com/" || !want[form.Way] {
			t.Errorf("%s: Homepage reads %+v", form.Way, w)
		}
	}
}
