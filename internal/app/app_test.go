package app

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/getportal/ptlauth/internal/access"
	"github.com/getportal/ptlauth/internal/header"
	"github.com/getportal/ptlauth/internal/identity"
	"github.com/getportal/ptlauth/internal/portal"
)

// FuzzParse: whatever an app_meta.json holds, no path is open that it does not itself call public, and what is sent to
// the app are headers that a proxy may send.
func FuzzParse(f *testing.F) {
	for _, text := range []string{
		`{"paths":{"":{"access":"private","headers":{"X-Ptl-User":"{{ portal.id[:6] }}@example.com"}}}}`,
		`{"paths":{"/public/":{"access":"public"},"/public/admin":{"access":"private"},"":{"access":"peer"}}}`,
		`{"paths":{"/":{"access":"public","headers":{"Cookie":"x","X Y":"z","X-Name":"{{auth.client_name}}","X-N":7,"":""}}}}`,
		`{"paths":{"/a":{"access":"PUBLIC"}}}`, `{"paths":{"/a":7}}`, `{"paths":{}}`, `{"paths":[]}`, `{}`, `null`, `[`, "{\"paths\":{\"\xff\":{\"access\":\"public\"}}}",
		`{"paths":{"/a":{"access":"public"},"/a":{"access":"private"}},"PATHS":{"/b":{"access":"public"}}}`,
	} {
		f.Add([]byte(text), "/public/style.css")
	}
	about := &portal.Portal{ID: "abcdefghij", Domain: "abcdef.example.com"}
	f.Fuzz(func(t *testing.T, content []byte, path string) {
		value, problem := parse(content, t.Name(), about)
		rules, _ := value.(*Rules)
		if (problem == "") != (rules != nil) {
			t.Fatalf("rules %v and the problem %q", rules, problem)
		}
		if rules == nil {
			return
		}
		var meta struct {
			Paths map[string]struct{ Access string } `json:"paths"`
		}
		// A name may be there in two spellings, of which this reads the last: it is left to the rules.
		one := json.Unmarshal(content, &meta) == nil && strings.Count(strings.ToLower(string(content)), `"paths"`) == 1 &&
			strings.Count(strings.ToLower(string(content)), `"access"`) == len(meta.Paths)
		for _, rule := range rules.Access {
			public := false
			for prefix, said := range meta.Paths {
				decoded, err := url.PathUnescape(prefix)
				public = public || said.Access == "public" && (decoded == rule.Prefix || err != nil && prefix == rule.Prefix)
			}
			if one && rule.Access == access.Public && !public {
				t.Errorf("%q is public", rule.Prefix)
			}
			for _, h := range rule.Headers {
				if header.NameProblem(h.Name) != "" {
					t.Errorf("%q is sent at %q", h.Name, rule.Prefix)
				}
			}
		}
		if last := rules.Access[len(rules.Access)-1]; last.Prefix != "" {
			t.Errorf("nothing holds for the other paths than %q", last.Prefix)
		}
		address, err := url.ParseRequestURI(path)
		if err != nil {
			return
		}
		rule := access.Find(rules.Access, &http.Request{URL: address, RequestURI: path})
		if rule.Access == access.Public && !strings.HasPrefix(address.Path, rule.Prefix) {
			t.Errorf("%q is public by the rule of %q", path, rule.Prefix)
		}
		for _, who := range []*identity.Visitor{identity.Anonymous, identity.NewVisitor("abc123", "abc123", "phone", nil)} {
			set, problem := access.Values(rule, who)
			if problem != "" {
				continue
			}
			for i, name := range set.Names {
				if value := set.Values[i]; header.ValueProblem(value) != "" || value == "" {
					t.Errorf("%s is %q", name, value)
				}
			}
		}
	})
}

// TestManyPaths: whoever writes an app does not keep Traefik busy with it.
func TestManyPaths(t *testing.T) {
	for _, test := range []struct {
		name    string
		count   int
		problem string
	}{
		{"as many as any app has", maxPaths, ""},
		{"one more", maxPaths + 1, "has more than 256 `paths`"},
	} {
		t.Run(test.name, func(t *testing.T) {
			paths := map[string]any{}
			for i := range test.count {
				paths["/"+strings.Repeat("a", i)] = map[string]any{"access": []string{"public", "private"}[i%2]}
			}
			content, err := json.Marshal(map[string]any{"paths": paths})
			if err != nil {
				t.Fatal(err)
			}
			_, problem := parse(content, t.Name(), &portal.Portal{})
			if !strings.Contains(problem, test.problem) || (problem == "") != (test.problem == "") {
				t.Errorf("the problem is %q", problem)
			}
		})
	}
}
