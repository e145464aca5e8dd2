package live

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/getportal/ptlauth/e2e/docker"
	"github.com/getportal/ptlauth/e2e/program"
	"github.com/getportal/ptlauth/e2e/traefik"
)

// provider is where Traefik has its dynamic configuration from.
type provider struct {
	name   string
	static string // what Traefik must know
	write  func(t *testing.T, proxy *traefik.Traefik, rules tree)
}

func newFile(*testing.T, string) *provider {
	return &provider{"file", "", func(t *testing.T, proxy *traefik.Traefik, rules tree) {
		t.Helper()
		content := asYAML(t, rules)
		path := filepath.Join(proxy.Dir(), "rules.yml")
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(path, filepath.Join(proxy.Dir(), "dynamic", "rules.yml")); err != nil {
			t.Fatal(err)
		}
	}}
}

func asYAML(t *testing.T, rules tree) string {
	t.Helper()
	content, err := yaml.Marshal(tree{"http": rules})
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// newRedis is a real one, which is told in one transaction what has changed, as an operator would tell it.
func newRedis(t *testing.T, _ string) *provider {
	redis := program.NewRedis(t)
	before := map[string]string{}
	return &provider{"Redis", "providers: {redis: {endpoints: ['" + redis.Addr + "']}}", func(t *testing.T, _ *traefik.Traefik, rules tree) {
		t.Helper()
		after := pairs("traefik/http", rules)
		commands := "MULTI\n"
		for key := range before {
			if _, ok := after[key]; !ok {
				commands += fmt.Sprintf("DEL %q\n", key)
			}
		}
		for key, value := range after {
			if old, ok := before[key]; !ok || old != value {
				commands += fmt.Sprintf("SET %q %q\n", key, value)
			}
		}
		before = after
		if out := redis.Read(t, commands+"EXEC\n"); strings.Contains(out, "ERR") {
			t.Fatalf("Redis says %s", out)
		}
	}}
}

// newDocker has the rules as labels of one container, and the app in another one.
func newDocker(t *testing.T, app string) *provider {
	engine, static := docker.New(t)
	port := app[strings.LastIndex(app, ":")+1:]
	engine.Run("app", app, map[string]string{"traefik.http.services.app.loadBalancer.server.port": port})
	return &provider{"labels", static, func(_ *testing.T, _ *traefik.Traefik, rules tree) {
		delete(rules, "services")
		// A container's labels cannot be changed: another one is made in its place, and for a moment there is none.
		engine.Stop("rules")
		time.Sleep(300 * time.Millisecond)
		engine.Run("rules", ":80", labels("traefik.http", rules))
	}}
}
