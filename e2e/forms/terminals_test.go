package forms

import (
	"bytes"
	"fmt"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/getportal/ptlauth/e2e/decode"
	"github.com/getportal/ptlauth/e2e/interpreted"
	"github.com/getportal/ptlauth/e2e/issuer"
	"github.com/getportal/ptlauth/e2e/poll"
	"github.com/getportal/ptlauth/e2e/program"
	"github.com/getportal/ptlauth/e2e/source"
	"github.com/getportal/ptlauth/e2e/traefik"
	"github.com/getportal/ptlauth/e2e/visitor"
	"github.com/getportal/ptlauth/e2e/witness"
)

// TestTerminalForms says who may enter in each form in which users write it.
func TestTerminalForms(t *testing.T) {
	secret := strings.Repeat("0123456789abcdef", 4)
	secretFile := source.Named(t, "secret", secret)
	yaml := func(terminals string) string {
		return "http: {middlewares: {auth: {plugin: {ptlauth: {secretFile: FILE" + terminals + "}}}}}"
	}
	toml := func(more string) string {
		return "[http.middlewares.auth.plugin.ptlauth]\nsecretFile = 'FILE'\n" + more
	}
	kubernetes := func(terminals string) string {
		return "{kind: Middleware, metadata: {name: auth}, spec: {plugin: {ptlauth: {secretFile: FILE" + terminals + "}}}}"
	}
	lines := func(more string) string { return "secretFile=FILE\n" + more }
	forms := map[string]struct {
		decode decoder
		text   func(string) string
	}{
		"YAML": {decode.YAML, yaml}, "TOML": {decode.TOML, toml}, "Kubernetes": {decode.Kubernetes, kubernetes},
		"labels": {writings[3].decode, lines}, "KV": {writings[4].decode, lines},
	}
	const (
		section    = "[http.middlewares.auth.plugin.ptlauth.terminals"
		remedies   = "does not say who may enter: list the devices (terminals.paired, terminals.file or terminals.url), or write `terminals: any`"
		stands     = "`any` stands alone"
		incomplete = "lists no device that is complete"
	)
	type writing map[string]string // by form; a form that cannot say it is left out
	for _, test := range []struct {
		name    string
		writing writing
		// What the devices k7p2x9 and phone7 and another one get; 503 for all where there is only one.
		statuses []int
		user     string // of k7p2x9
		log      string
	}{
		{"absent", writing{"YAML": "", "TOML": "", "Kubernetes": "", "labels": "", "KV": ""}, []int{503}, "", "terminals: " + remedies},
		{"all entries commented out", writing{
			"YAML": ", terminals: ", "TOML": section + "]\n", "Kubernetes": ", terminals: ", "labels": "terminals=\n", "KV": "terminals=\n",
		}, []int{503}, "", "terminals: " + remedies},
		{"a list of the wrong table", writing{"TOML": "[[terminals.paired]]\nid = 'k7p2x9'\n"}, []int{503}, "", "terminals: " + remedies},
		{"an empty list", writing{
			"YAML": ", terminals: {paired: []}", "TOML": section + "]\npaired = []\n", "Kubernetes": ", terminals: {paired: []}",
			"labels": "terminals.paired=\n", "KV": "terminals/paired=\n",
		}, []int{503}, "", "terminals.paired: " + remedies},
		{"an empty map", writing{
			"YAML": ", terminals: {paired: {}}", "TOML": section + ".paired]\n", "Kubernetes": ", terminals: {paired: {}}", "KV": "terminals/paired/=\n",
		}, []int{503}, "", "terminals.paired: " + remedies},
		{"any", writing{
			"YAML": ", terminals: Any", "TOML": "terminals = 'any'\n", "Kubernetes": ", terminals: any", "labels": "terminals=any\n", "KV": "terminals=ANY\n",
		}, []int{200, 200, 200}, "k7p2x9", ""},
		{"any in a list", writing{
			"YAML": ", terminals: [any]", "TOML": "terminals = ['any']\n", "Kubernetes": ", terminals: [any]", "labels": "terminals[0]=any\n",
		}, []int{503}, "", stands},
		{"any among the paired", writing{
			"YAML": ", terminals: {paired: any}", "TOML": section + "]\npaired = 'any'\n", "Kubernetes": ", terminals: {paired: [any]}",
			"labels": "terminals.paired=any\n", "KV": "terminals/paired=any\n",
		}, []int{503}, "", stands},
		{"a map", writing{
			"YAML":       ", terminals: {paired: {k7p2x9: {name: Laptop, user: ann}, phone7: {name: Phone}}}",
			"TOML":       section + ".paired.k7p2x9]\nname = 'Laptop'\nuser = 'ann'\n" + section + ".paired.phone7]\nname = 'Phone'\n",
			"Kubernetes": ", terminals: {paired: {k7p2x9: {name: Laptop, user: ann}, phone7: {name: Phone}}}",
			"labels":     "terminals.paired.k7p2x9.name=Laptop\nterminals.paired.k7p2x9.user=ann\nterminals.paired.phone7.name=Phone\n",
			"KV":         "terminals/paired/k7p2x9/name=Laptop\nterminals/paired/k7p2x9/user=ann\nterminals/paired/phone7/name=Phone\n",
		}, []int{200, 200, 401}, "ann", ""},
		{"a map with ids below other names", writing{
			"YAML":       ", terminals: {paired: {1: {id: k7p2x9, user: ann}, phone: {id: phone7}}}",
			"TOML":       section + ".paired.1]\nid = 'k7p2x9'\nuser = 'ann'\n" + section + ".paired.phone]\nid = 'phone7'\n",
			"Kubernetes": ", terminals: {paired: {1: {id: k7p2x9, user: ann}, phone: {id: phone7}}}",
			"labels":     "terminals.paired.1.id=k7p2x9\nterminals.paired.1.user=ann\nterminals.paired.phone.id=phone7\n",
			"KV":         "terminals/paired/1/id=k7p2x9\nterminals/paired/1/user=ann\nterminals/paired/phone/id=phone7\n",
		}, []int{200, 200, 401}, "ann", ""},
		{"an entry without members", writing{
			"YAML": ", terminals: {paired: {k7p2x9: {}, phone7: {name: Phone}}}", "TOML": section + ".paired.k7p2x9]\n" + section + ".paired.phone7]\nname = 'Phone'\n",
			"Kubernetes": ", terminals: {paired: {k7p2x9: , phone7: {name: Phone}}}", "labels": "terminals.paired.k7p2x9=\nterminals.paired.phone7.name=Phone\n",
			"KV": "terminals/paired/k7p2x9/=\nterminals/paired/phone7/name=Phone\n",
		}, []int{401, 200, 401}, "", "terminals.paired.k7p2x9: has neither `name` nor `user`"},
		{"an id of digits", writing{
			"YAML": ", terminals: {paired: {123456: {user: ann}, phone7: {name: Phone}}}",
		}, []int{503}, "", "terminals.paired.<int Value>: is a number or a date in YAML: quote it"},
		{"an id of digits, which makes a list of all", writing{
			"KV": "terminals/paired/123456/user=ann\nterminals/paired/phone7/name=Phone\n",
		}, []int{503}, "", "terminals.paired: " + incomplete},
		{"ids that differ in case alone", writing{
			"YAML": ", terminals: {paired: {k7p2x9: {user: ann}, K7P2X9: {user: ben}}}", "Kubernetes": ", terminals: {paired: {k7p2x9: {user: ann}, K7P2X9: {user: ben}}}",
			"TOML": section + ".paired.k7p2x9]\nuser = 'ann'\n" + section + ".paired.K7P2X9]\nuser = 'ben'\n",
		}, []int{503}, "", "in case alone"},
		{"ids that differ in case alone, which are merged", writing{
			"labels": "terminals.paired.k7p2x9.user=ann\nterminals.paired.K7P2X9.name=Ben's\n", "KV": "terminals/paired/k7p2x9/user=ann\nterminals/paired/K7P2X9/name=Ben's\n",
		}, []int{401, 401, 401}, "", ""},
		{"a list and a map", writing{
			"labels": "terminals.paired[0].id=k7p2x9\nterminals.paired.phone7.name=Phone\nterminals.paired[1].name=Tablet\n",
		}, []int{503}, "", "terminals.paired.[1]: is an entry of a list beside those of a map"},
	} {
		for form, written := range test.writing {
			t.Run(test.name+" in "+form, func(t *testing.T) {
				middlewares, err := forms[form].decode(strings.ReplaceAll(forms[form].text(written), "FILE", secretFile))
				if err != nil {
					t.Fatal(err)
				}
				var log bytes.Buffer
				plugin, err := interpreted.Load(interpreted.Options{Log: &log})
				if err != nil {
					t.Fatal(err)
				}
				app := new(witness.App)
				handler, err := plugin.New(t.Context(), app, middlewares["auth"], "auth@test")
				if err != nil {
					t.Fatal(err)
				}
				for i, id := range []string{"k7p2x9", "phone7", "tablet"} {
					want := test.statuses[min(i, len(test.statuses)-1)]
					if got := visitor.StatusOf(handler, http.Header{"Cookie": {"authorization=" + issuer.SignHS256(t, secret, id)}}); got != want {
						t.Errorf("%s got %d, want %d\n%s", id, got, want, log.String())
					} else if id == "k7p2x9" && got == http.StatusOK && app.Header.Get("X-Ptl-User") != test.user {
						t.Errorf("its user is %q, want %q", app.Header.Get("X-Ptl-User"), test.user)
					}
				}
				if got := log.String(); !strings.Contains(got, test.log) || strings.Count(got, `"level":"error"`) != min(len(test.log), 1) {
					t.Errorf("the log says %q, want one line with %q", got, test.log)
				}
			})
		}
	}
}

// TestTerminalsInRedis takes devices out of a real Redis key by key while they keep asking: none gets in
// once Traefik has applied that it is out, none becomes another user, and none is kept out by another's
// change.
func TestTerminalsInRedis(t *testing.T) {
	if testing.Short() {
		t.Skip("starts Traefik")
	}
	redis := program.NewRedis(t)
	secret := strings.Repeat("0123456789abcdef", 4)
	secretFile := source.Named(t, "secret", secret)
	app := new(witness.App)
	forms := []string{"list", "map"}
	for key, value := range prefixed("traefik/http/", "services/app/loadBalancer/servers/0/url="+witness.Listen(t, app)+"\n") {
		redis.Do(t, "SET", key, value)
	}
	users := map[string]string{"laptop": "ann", "phone7": "ben", "tablet": "carl"}
	ids := slices.Sorted(maps.Keys(users))
	// keys are those of a device, in the order in which they are deleted.
	keys := func(form, id string, order ...string) []string {
		var all []string
		for _, member := range order {
			if form == "list" {
				all = append(all, fmt.Sprintf("%sterminals/paired/%d/%s", prefix(form), slices.Index(ids, id), member))
			} else if member != "id" {
				all = append(all, prefix(form)+"terminals/paired/"+id+"/"+member)
			}
		}
		return all
	}
	for _, form := range forms {
		router := "traefik/http/routers/" + form + "/"
		redis.Do(t, "MSET", router+"rule", "Host(`"+form+".example.com`)", router+"service", "app", router+"middlewares/0", form, prefix(form)+"secretFile", secretFile)
		for _, id := range ids {
			for _, key := range keys(form, id, "id", "name", "user") {
				redis.Do(t, "SET", key, map[string]string{"id": id, "name": "a " + id, "user": users[id]}[key[strings.LastIndex(key, "/")+1:]])
			}
		}
	}
	proxy, err := traefik.Start(t.Context(), traefik.Options{
		Static: "providers: {providersThrottleDuration: 100ms, redis: {endpoints: ['" + redis.Addr + "']}}", Progress: os.Stderr,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(proxy.Stop)

	// as asks once for a device, and returns its user at the app; else the status.
	as := func(t *testing.T, form, id string) string {
		t.Helper()
		app.Header = nil
		status, _ := visitor.Ask(t, proxy.URL("web"), form+".example.com", http.Header{"Cookie": {"authorization=" + issuer.SignHS256(t, secret, id)}})
		if status != http.StatusOK {
			return fmt.Sprint(status)
		}
		return app.Header.Get("X-Ptl-User")
	}
	// becomes asks until a device gets one of what it should, and then for a while that it stays so.
	// Until then it may get what it got before, and the others always get their users.
	becomes := func(t *testing.T, form, id string, before, want []string, others map[string]string) {
		t.Helper()
		settled := 0
		poll.Until(t, 20*time.Second, func() string {
			for other, user := range others {
				if got := as(t, form, other); got != user {
					t.Fatalf("%s: %s got %s instead of %s", form, other, got, user)
				}
			}
			got := as(t, form, id)
			if slices.Contains(want, got) {
				settled++
			} else if settled > 0 || !slices.Contains(before, got) {
				t.Fatalf("%s: %s got %s, want %q", form, id, got, want)
			}
			if settled < 10 {
				return fmt.Sprintf("%s: %s got %s, want %q", form, id, got, want)
			}
			return ""
		})
	}
	for _, form := range forms {
		poll.Until(t, 20*time.Second, func() string {
			if got := as(t, form, "tablet"); got != "carl" {
				return form + ": the tablet got " + got
			}
			return ""
		})
		t.Run("taken out of a "+form, func(t *testing.T) {
			out := []string{"401"}
			stay := maps.Clone(users)
			for _, device := range []struct {
				id    string
				order []string
			}{
				{"phone7", []string{"user", "name", "id"}}, // its user first
				{"laptop", []string{"name", "id", "user"}},
				{"tablet", []string{"id", "user", "name"}}, // the last one
			} {
				delete(stay, device.id)
				if len(stay) == 0 {
					out = []string{"401", "503"}
				}
				before := []string{users[device.id]}
				for _, key := range keys(form, device.id, device.order...) {
					redis.Do(t, "DEL", key)
					want := out
					if strings.HasSuffix(key, "/name") && before[0] == users[device.id] {
						want = before
					}
					becomes(t, form, device.id, before, want, stay)
					before = want
				}
			}
			for id := range users {
				poll.Until(t, 5*time.Second, func() string {
					if got := as(t, form, id); got != "503" {
						return "without any device " + id + " got " + got
					}
					return ""
				})
			}
			if lines := proxy.LogLines(`"level":"error"`, form+"@redis", "does not say who may enter"); len(lines) != 1 {
				t.Errorf("want one line on what to do, got %q", lines)
			}
		})
	}
}

// prefix is that of a middleware's options.
func prefix(name string) string {
	return strings.Replace(kvPrefix, "/auth/", "/"+name+"/", 1)
}
