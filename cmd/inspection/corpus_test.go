package inspection_test

import (
	"context"
	"encoding/json"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/getportal/ptlauth"
	"github.com/getportal/ptlauth/cmd/inspection"
	"github.com/getportal/ptlauth/internal/corpustest"
	"github.com/getportal/ptlauth/internal/option"
	"github.com/getportal/ptlauth/internal/policy"
)

// TestCorpus holds what is inspected against what is admitted: for each configuration of the corpus that is without a
// mistake, with each token of the keyring, and with what each request of the corpus carries.
func TestCorpus(t *testing.T) {
	silence(t)
	all, err := corpustest.Load("../../testdata", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	tokens := mint(t, all)
	if testing.Short() {
		tokens = tokens[:20]
	}
	seen := map[string]bool{}
	verdicts, good := 0, 0
	for _, c := range all.Cases {
		if err := c.WriteFiles(); err != nil {
			t.Fatal(err)
		}
		d := door(t, c)
		if d == nil {
			continue
		}
		pasted := requestsOf(t, c)
		if key := keyOf(c); !seen[key] {
			seen[key] = true
			for _, token := range tokens {
				pasted = append(pasted, visit{token, "/"})
				if d.config.Apps != nil {
					pasted = append(pasted, visit{token, "http://mock_app.example.com/"}, visit{token, "http://convos.example.com/public"}, visit{token, "http://none.example.com/"})
				}
			}
		}
		for _, v := range pasted {
			verdict, err := inspection.Inspect(d.world, v.pasted, v.path)
			if err != nil {
				continue
			}
			verdicts++
			if verdict.Good {
				good++
			}
			compare(t, c, d, v, verdict)
		}
	}
	t.Logf("%d verdicts about %d configurations, %d good", verdicts, len(seen), good)
	if good < 300 || verdicts-good < 1000 {
		t.Errorf("only %d verdicts, %d of them good", verdicts, good)
	}
}

type visit struct{ pasted, path string }

// compare holds a verdict against what the middleware itself does with the same visit.
func compare(t *testing.T, c *corpustest.Case, d *doors, v visit, verdict *inspection.Verdict) {
	t.Helper()
	if d.config.Apps != nil && !strings.HasPrefix(v.path, "http") {
		return // Nobody asks no app.
	}
	if d.config.Shadow != strings.Contains(strings.Join(verdict.Remarks, ""), "lets every request through as it came") {
		t.Errorf("%s: what is said of shadow mode is %q", c, verdict.Remarks)
	}
	admitted, status := d.try(t, v)
	if admitted != verdict.Good || !admitted && status != 200 && status != verdict.Status {
		t.Errorf("%s: the middleware answers %d, admitted %v; inspected: %v %d, %s\n%s %q", c, status, admitted, verdict.Good, verdict.Status, verdict.Reason, v.path, v.pasted)
	}
	if len(verdict.Tokens) != 1 {
		return
	}
	flawless := true
	for _, check := range verdict.Tokens[0].Checks {
		if check.Result != inspection.Passed {
			flawless = false
		}
		if check.Result == inspection.Failed && check.Text == "" {
			t.Errorf("%s: %s failed without a reason", c, check.Name)
		}
	}
	if flawless != verdict.Good && !(flawless && strings.Contains(verdict.Reason, "for peers")) {
		t.Errorf("%s: good is %v, and the checks are %+v\n%s %q, %s", c, verdict.Good, verdict.Tokens[0].Checks, v.path, v.pasted, verdict.Reason)
	}
	text, err := json.Marshal(verdict)
	if err != nil {
		t.Fatal(err)
	}
	if i := strings.LastIndexByte(v.pasted, '.'); i >= 0 && len(v.pasted)-i > 20 && strings.Contains(string(text), v.pasted[i+1:]) {
		t.Errorf("%s: the signature is in %s", c, text)
	}
}

// pageOf is an address, where that says the same as the path.
func pageOf(host, path string) string {
	page := "http://" + host + path
	parsed, err := url.ParseRequestURI(page)
	if err != nil || parsed.RequestURI() != path {
		return path
	}
	return page
}

// doors are a middleware, and what is known of it.
type doors struct {
	world    *inspection.World
	handler  http.Handler
	config   *policy.Policy
	admitted bool
}

// door makes a middleware of a case; nil: its configuration has a mistake.
func door(t *testing.T, c *corpustest.Case) *doors {
	t.Helper()
	report := &option.Report{}
	p := policy.Read(c.Middleware, report)
	policy.Open(p, report)
	if len(report.Problems()) > 0 {
		return nil
	}
	d := &doors{config: p, world: inspection.Look(p)}
	app := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { d.admitted = r.Response != nil })
	var config ptlauth.Config
	decode(t, &config, c.Middleware)
	config.Shadow = nil // What it would do without is what is inspected.
	handler, err := ptlauth.New(context.Background(), app, &config, "inspected "+c.ID)
	if err != nil {
		t.Fatal(err)
	}
	d.handler = handler
	return d
}

// try sends the same visit through the middleware.
func (d *doors) try(t *testing.T, v visit) (bool, int) {
	t.Helper()
	r, err := inspection.Request(d.config.Locations, v.pasted, v.path)
	if err != nil {
		t.Fatal(err)
	}
	d.admitted = false
	w := httptest.NewRecorder()
	d.handler.ServeHTTP(w, r.WithContext(t.Context()))
	return d.admitted, w.Code
}

// requestsOf are what the requests of a case carry, as far as it can be pasted.
func requestsOf(t *testing.T, c *corpustest.Case) []visit {
	t.Helper()
	var visits []visit
	requests := []*corpustest.Request{c.Request}
	for _, step := range c.Steps {
		if step.Write == nil {
			requests = append(requests, step.Request)
		}
	}
	for _, r := range requests {
		if r == nil || r.Raw != "" || r.Method != "" && r.Method != "GET" {
			continue
		}
		path := r.Path
		if path == "" {
			path = "/"
		}
		host := "chat.example.com"
		var lines []string
		if len(r.Cookies) > 0 {
			lines = append(lines, "Cookie: "+strings.Join(r.Cookies, "; "))
		}
		for _, header := range r.Headers {
			name, _, _ := strings.Cut(header, ":")
			if strings.EqualFold(name, "host") {
				host = strings.TrimSpace(header[len("host:"):])
			}
			if slices.Contains([]string{"cookie", "authorization", "x-token"}, strings.ToLower(name)) {
				lines = append(lines, header)
			}
		}
		if len(lines) > 0 {
			pasted, err := c.Expand(strings.Join(lines, "\n"))
			if err != nil {
				t.Fatal(err)
			}
			if path, err = c.Expand(path); err != nil {
				t.Fatal(err)
			}
			visits = append(visits, visit{pasted, pageOf(host, path)})
		}
	}
	return visits
}

// mint makes each token of the keyring.
func mint(t *testing.T, all *corpustest.Corpus) []string {
	t.Helper()
	minted, err := all.Ring.Mint(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	var tokens []string
	for _, token := range minted {
		tokens = append(tokens, token)
	}
	slices.Sort(tokens)
	return tokens
}

// keyOf tells configurations apart, whose folders differ by the case's name alone.
func keyOf(c *corpustest.Case) string {
	text, _ := json.Marshal([]any{c.Middleware, c.Files})
	return strings.ReplaceAll(string(text), c.ID, "")
}

// decode fills the configuration as Traefik does.
func decode(t *testing.T, config *ptlauth.Config, options map[string]any) {
	t.Helper()
	text, err := json.Marshal(options)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, config); err != nil {
		t.Fatal(err)
	}
}

// silence drops what the middlewares log; they go on looking at their files for a while after the test.
func silence(t *testing.T) {
	t.Helper()
	stdout := os.Stdout
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	os.Stdout = null
	log.SetOutput(io.Discard)
	t.Cleanup(func() {
		os.Stdout = stdout
		null.Close()
	})
}
