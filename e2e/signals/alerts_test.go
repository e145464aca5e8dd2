package signals

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/getportal/ptlauth/e2e/issuer"
	"github.com/getportal/ptlauth/e2e/poll"
	"github.com/getportal/ptlauth/e2e/program"
	"github.com/getportal/ptlauth/e2e/source"
	"github.com/getportal/ptlauth/e2e/traefik"
	"github.com/getportal/ptlauth/e2e/traefik/traefiktest"
	"github.com/getportal/ptlauth/e2e/visitor"
	"github.com/getportal/ptlauth/e2e/witness"
)

const alerting = `
http:
  middlewares:
    auth: {plugin: {ptlauth: {secretFile: SECRET, refresh: 100ms, terminals: {file: TERMINALS}}}}
  routers:
    app: {rule: PathPrefix("/"), service: app, middlewares: [auth]}
  services:
    app: {loadBalancer: {servers: [{url: "APP"}]}}
`

// TestAlertRules is what Prometheus itself says of the rules.
func TestAlertRules(t *testing.T) {
	promtool := program.Need(t, "promtool", "prometheus")
	dir := t.TempDir()
	write(t, filepath.Join(dir, "ptlauth.rules.yml"), block(t, "Alerts", "yaml", "groups:"))
	write(t, filepath.Join(dir, "prometheus.yml"), block(t, "Metrics", "yaml", "scrape_configs:"))
	for _, args := range [][]string{{"check", "rules", "ptlauth.rules.yml"}, {"check", "config", "prometheus.yml"}} {
		command := exec.CommandContext(t.Context(), promtool, args...)
		command.Dir = dir
		if out, err := command.CombinedOutput(); err != nil {
			t.Errorf("%v: %s", args, out)
		}
	}
}

// TestAlerts: what goes wrong is told, by a real Prometheus and mtail, and what is well again is not.
func TestAlerts(t *testing.T) {
	if testing.Short() {
		t.Skip("starts Traefik")
	}
	mtail := program.Need(t, "mtail", "mtail")
	dir := t.TempDir()
	log, rules := filepath.Join(dir, "traefik.log"), block(t, "Alerts", "yaml", "groups:")
	secret := issuer.NewSecret()
	list := source.Named(t, "terminals.json", terminals)
	good := strings.NewReplacer("SECRET", source.Named(t, "secret", secret), "TERMINALS", list, "APP", witness.Listen(t, new(witness.App))).Replace(alerting)
	configuration := static(t, block(t, "Metrics", "yaml", "metrics:"), strings.ReplaceAll(block(t, "Alerts", "yaml", "log:"), "/var/log/traefik/traefik.log", log))
	configuration["api"] = map[string]any{"insecure": true, "dashboard": false}
	proxy := traefiktest.Start(t, traefik.Options{Static: marshal(t, configuration), Dynamic: good})

	write(t, filepath.Join(dir, "ptlauth.mtail"), block(t, "Alerts", "text", "counter"))
	counting := program.UnusedAddr(t)
	_, port, _ := net.SplitHostPort(counting)
	command := strings.Fields(strings.NewReplacer("/var/log/traefik/traefik.log", log, "ptlauth.mtail", filepath.Join(dir, "ptlauth.mtail"), "3903", port).
		Replace(block(t, "Alerts", "sh", "mtail")))
	program.Spawn(t, counting, mtail, append(command[1:], "--address=127.0.0.1", "--poll_interval=100ms", "--poll_log_interval=100ms", "--logtostderr")...)

	// Nobody waits for minutes here.
	for _, pause := range []string{"for: 1m", "[5m]", "[1h]"} {
		if !strings.Contains(rules, pause) {
			t.Fatalf("the rules say nothing of %s", pause)
		}
	}
	rules = strings.NewReplacer("for: 1m", "for: 1s", "[5m]", "[5s]", "[1h]", "[10s]").Replace(rules)
	metrics := newPrometheus(t, rules, "traefik:8080", proxy.Addr("traefik"), "mtail:3903", counting)
	cookie := http.Header{"Cookie": {"authorization=" + issuer.SignHS256(t, secret, "k7p2x9")}}
	firing := func(t *testing.T, within time.Duration, status int, want ...string) {
		t.Helper()
		poll.Until(t, within, func() string {
			if got, _ := visitor.Ask(t, proxy.URL("web"), "app.example.com", cookie); got != status {
				return fmt.Sprintf("got %d", got)
			}
			var data struct {
				Alerts []struct {
					State  string
					Labels map[string]string
				}
			}
			metrics.ask(t, "/api/v1/alerts", &data)
			got := []string{}
			for _, alert := range data.Alerts {
				if alert.State == "firing" {
					got = append(got, alert.Labels["alertname"])
				}
			}
			slices.Sort(got)
			if !slices.Equal(got, want) {
				text, _ := os.ReadFile(log)
				return fmt.Sprintf("it tells of %v, want %v; the log has\n%s", got, want, text)
			}
			return ""
		})
	}
	reload := func(t *testing.T, text string) {
		t.Helper()
		if err := proxy.Reload(t.Context(), text); err != nil {
			t.Fatal(err)
		}
	}

	t.Run("nothing is told while all is well", func(t *testing.T) {
		poll.Until(t, 30*time.Second, func() string {
			if got := metrics.query(t, `count_over_time(up[10s]) > 5`, "job"); len(got) < 2 {
				return fmt.Sprintf("Prometheus has asked nobody but %v", got)
			}
			return ""
		})
		firing(t, time.Second, http.StatusOK)
	})
	t.Run("a list that cannot be read is told of for as long as that is so, though everybody stays in", func(t *testing.T) {
		write(t, list, "[{")
		firing(t, 20*time.Second, http.StatusOK, "ListOrKeyUnreadable", "PtlauthComplains")
		firing(t, 30*time.Second, http.StatusOK, "ListOrKeyUnreadable")
		write(t, list, terminals)
		firing(t, 30*time.Second, http.StatusOK)
	})
	t.Run("a mistake in the configuration is told", func(t *testing.T) {
		reload(t, strings.Replace(good, "refresh: 100ms", "refrehs: 100ms", 1))
		firing(t, 30*time.Second, http.StatusServiceUnavailable, "NobodyMayEnter", "PtlauthComplains")
		reload(t, good)
		firing(t, 30*time.Second, http.StatusOK)
	})
	t.Run("a router that Traefik leaves out is told", func(t *testing.T) {
		reload(t, strings.Replace(good, "plugin: {ptlauth:", "plugin: {ptlaut:", 1))
		firing(t, 30*time.Second, http.StatusNotFound, "RouterLeftOut")
		reload(t, good)
		firing(t, 30*time.Second, http.StatusOK)
	})
	t.Run("the page's command finds all of them", func(t *testing.T) {
		program.Need(t, "jq", "jq")
		out, err := exec.CommandContext(t.Context(), "sh", "-euc", strings.ReplaceAll(block(t, "Alerts", "sh", "jq"), "/var/log/traefik/traefik.log", log)).CombinedOutput()
		for _, line := range []string{list + " is not a JSON list", list + " is in order again", "auth@file is misconfigured", " app@file plugin: unknown plugin type: ptlaut\n"} {
			if err != nil || !strings.Contains(string(out), line) {
				t.Errorf("%v, and no %q in\n%s", err, line, out)
			}
		}
	})
	t.Run("a Traefik that has ended is told", func(t *testing.T) {
		proxy.Stop()
		poll.Until(t, 30*time.Second, func() string {
			var data json.RawMessage
			metrics.ask(t, "/api/v1/alerts", &data)
			if !strings.Contains(string(data), `"alertname":"TraefikUnseen"`) || !strings.Contains(string(data), "traefik cannot be asked") {
				return string(data)
			}
			return ""
		})
	})
}
