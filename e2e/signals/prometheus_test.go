package signals

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/getportal/ptlauth/e2e/poll"
	"github.com/getportal/ptlauth/e2e/program"
)

// prometheus is a real one, which asks several times a second.
type prometheus struct{ addr string }

// newPrometheus starts it as the page says, but for where the others are found, with that file of rules.
func newPrometheus(t *testing.T, rules string, targets ...string) prometheus {
	t.Helper()
	binary := program.Need(t, "prometheus", "prometheus")
	dir := t.TempDir()
	configuration := strings.NewReplacer(targets...).Replace(block(t, "Metrics", "yaml", "scrape_configs:"))
	write(t, filepath.Join(dir, "prometheus.yml"), "global: {scrape_interval: 200ms, scrape_timeout: 200ms, evaluation_interval: 200ms}\n"+configuration)
	write(t, filepath.Join(dir, "ptlauth.rules.yml"), rules)
	p := prometheus{program.UnusedAddr(t)}
	program.Spawn(t, p.addr, binary, "--config.file="+filepath.Join(dir, "prometheus.yml"), "--web.listen-address="+p.addr,
		"--storage.tsdb.path="+filepath.Join(dir, "data"), "--log.level=warn")
	return p
}

// ask asks the API, and returns the member `data` of what it answers.
func (p prometheus) ask(t *testing.T, path string, into any) {
	t.Helper()
	poll.Until(t, 20*time.Second, func() string {
		response, err := http.Get("http://" + p.addr + path)
		if err != nil {
			return err.Error()
		}
		defer response.Body.Close()
		text, err := io.ReadAll(response.Body)
		if err != nil {
			return err.Error()
		}
		answer := struct{ Data any }{into}
		if response.StatusCode != http.StatusOK {
			return response.Status + " " + string(text)
		}
		if err := json.Unmarshal(text, &answer); err != nil {
			return err.Error()
		}
		return ""
	})
}

// query returns the values of an expression now, by the labels of that name.
func (p prometheus) query(t *testing.T, expression string, label ...string) map[string]string {
	t.Helper()
	var data struct {
		Result []struct {
			Metric map[string]string
			Value  [2]any
		}
	}
	p.ask(t, "/api/v1/query?query="+url.QueryEscape(expression), &data)
	values := map[string]string{}
	for _, one := range data.Result {
		var key []string
		for _, name := range label {
			key = append(key, one.Metric[name])
		}
		values[strings.Join(key, " ")], _ = one.Value[1].(string)
	}
	return values
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
