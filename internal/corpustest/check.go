package corpustest

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// Target is what a case is run against.
type Target struct {
	// Addr takes HTTP/1.1, and HTTP/2 without TLS unless HTTP2 speaks it with TLS only.
	Addr string
	// HTTP2 runs each case over HTTP/2 too, where it has such a form; see [NewHTTP2].
	HTTP2 *http.Transport
	// Recorder is the app.
	Recorder *Recorder
	// Log returns what the case's middleware has logged since it was made.
	Log func() string
	// Asked takes the users whom an access log would name since the last time; nil: nobody looks at each request.
	Asked func() []string
}

// shortest is the length from which on a text is looked for as a leak: a shorter one may stand anywhere.
const shortest = 8

type send func(*Request) (*Response, error)

// Run runs one case: over HTTP/1.1, again because the second time the token is remembered, and over HTTP/2. Steps are
// run once.
func Run(t *testing.T, c *Case, runtime string, target Target) {
	t.Helper()
	for _, problem := range Problems(c, runtime, target) {
		t.Errorf("%s: %s", c, problem)
	}
}

// Problems runs one case and returns what did not come of it as it must.
func Problems(c *Case, runtime string, target Target) []string {
	if !c.meantFor(runtime) || target.Recorder == nil || target.Log == nil {
		return []string{"the runner runs a case that is not meant for it, or without recorder or log"}
	}
	// Minted anew, so that a token that expires in three seconds does so three seconds from now.
	tokens, err := c.ring.Mint(time.Now())
	if err != nil {
		return []string{err.Error()}
	}
	e := c.expander(tokens)
	one := func(r *Request) (*Response, error) { return sendHTTP1(target.Addr, r, c.ID) }
	two := func(r *Request) (*Response, error) { return sendHTTP2(target.HTTP2, target.Addr, r, c.ID) }
	problems := c.round("over HTTP/1.1", one, e, target)
	if c.Request != nil {
		problems = append(problems, c.round("over HTTP/1.1, the second time", one, e, target)...)
	}
	if target.HTTP2 != nil && c.hasHTTP2() {
		problems = append(problems, c.round("over HTTP/2", two, e, target)...)
	}
	return problems
}

func (c *Case) round(how string, send send, e *expander, target Target) (problems []string) {
	var sockets []*socket
	defer func() {
		for _, s := range sockets {
			s.conn.Close()
		}
	}()
	for i, step := range c.steps() {
		at := how
		if len(c.Steps) > 0 {
			at = fmt.Sprintf("%s, step %d", how, i+1)
		}
		found, s := c.step(step, sockets, send, e, target)
		for _, problem := range found {
			problems = append(problems, at+": "+problem)
		}
		if s != nil {
			sockets = append(sockets, s)
		}
	}
	return problems
}

func (c *Case) step(s Step, sockets []*socket, send send, e *expander, target Target) ([]string, *socket) {
	if err := write(c.dir, s.Write, e); err != nil {
		return []string{err.Error()}, nil
	}
	if s.Socket != "" {
		return s.look(sockets), nil
	}
	time.Sleep(time.Duration(s.Wait))
	e.used = nil
	request := e.request(s.Request)
	x := &exchange{request: request, sent: slices.Clone(e.used), expect: e.expect(s.Expect), tokens: e.tokens, secrets: e.secrets}
	for deadline := time.Now().Add(time.Duration(s.Within)); ; time.Sleep(20 * time.Millisecond) {
		target.Recorder.Take()
		if target.Asked != nil {
			target.Asked()
		}
		var err error
		if x.response, err = send(request); err != nil {
			return []string{err.Error()}, nil
		}
		if slices.Contains(x.expect.Status, x.response.Status) || time.Now().After(deadline) {
			break
		}
		if x.response.socket != nil {
			x.response.socket.conn.Close()
		}
	}
	var problems []string
	if x.response.socket != nil {
		if err := x.response.socket.echo(); err != nil {
			problems = append(problems, "the WebSocket does not echo: "+err.Error())
		}
	}
	x.recorded = target.Recorder.Take()
	if target.Asked != nil && x.response.socket == nil {
		x.asked = target.Asked()
	}
	x.log = x.await(target.Log)
	return append(problems, x.check()...), x.response.socket
}

func (s Step) look(sockets []*socket) []string {
	if len(sockets) == 0 {
		return []string{"no step before has opened a WebSocket"}
	}
	last := sockets[len(sockets)-1]
	if s.Socket == "closed" {
		if err := last.closed(time.Duration(s.Wait)); err != nil {
			return []string{"the WebSocket is " + err.Error()}
		}
		return nil
	}
	time.Sleep(time.Duration(s.Wait))
	if err := last.echo(); err != nil {
		return []string{"the WebSocket is not open: " + err.Error()}
	}
	return nil
}

// exchange is a request, what was expected of it, and what came of it on both sides.
type exchange struct {
	request  *Request
	sent     []string // names of tokens
	expect   *Expect
	tokens   map[string]string
	secrets  map[string]string
	response *Response
	recorded []Recorded
	asked    []string
	log      string
	problems []string
}

// await gives a log that is written behind the scenes some time to hold what is expected of it.
func (x *exchange) await(log func() string) string {
	for deadline := time.Now().Add(2 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		text := log()
		missing := func(problem string) bool { return !strings.Contains(text, problem) }
		if !slices.ContainsFunc(x.expect.Problems, missing) || time.Now().After(deadline) {
			return text
		}
	}
}

func (x *exchange) check() []string {
	x.checkResponse()
	x.checkReach()
	for _, one := range x.recorded {
		x.checkHeaders(one)
		x.checkForwarded(one)
	}
	x.checkAsked()
	x.checkLog()
	x.checkLeaks()
	return x.problems
}

func (x *exchange) complain(format string, args ...any) {
	x.problems = append(x.problems, fmt.Sprintf(format, args...))
}

func (x *exchange) checkResponse() {
	r := x.response
	if !slices.Contains(x.expect.Status, r.Status) {
		x.complain("status %d, want %v; body %.200q", r.Status, []int(x.expect.Status), r.Body)
	}
	for name, want := range x.expect.Response {
		if complaint := want.complain(r.Header.Values(name)); complaint != "" {
			x.complain("the response's %s %s", name, complaint)
		}
	}
	for _, text := range x.expect.Body {
		if !bytes.Contains(r.Body, []byte(text)) {
			x.complain("the response's body lacks %q: %.400q", text, r.Body)
		}
	}
	switch r.Status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusServiceUnavailable:
		if !strings.Contains(strings.Join(r.Header.Values("Cache-Control"), ","), "no-store") {
			x.complain("a denial may be cached: Cache-Control is %q", r.Header.Values("Cache-Control"))
		}
	}
}

func (x *exchange) checkReach() {
	want := 0
	if reached := x.reached(); reached {
		want = max(1, x.expect.Attempts)
	}
	if len(x.recorded) != want {
		x.complain("the app got %d requests, want %d: %.300q", len(x.recorded), want, raws(x.recorded))
	}
}

func (x *exchange) reached() bool {
	if x.expect.Reached != nil {
		return *x.expect.Reached
	}
	return x.response.Status == http.StatusOK || x.response.Status == http.StatusSwitchingProtocols
}

// checkHeaders holds the app's header and trailer lines against those that the case names; of the names that an app may
// read as X-Ptl-… there must be no others.
func (x *exchange) checkHeaders(one Recorded) {
	fields := slices.Concat(one.Header, one.Trailer)
	named := map[string]bool{}
	for name, want := range x.expect.named() {
		named[fold(name)] = true
		var values []string
		for _, f := range fields {
			if fold(f.Name) != fold(name) {
				continue
			}
			if !strings.EqualFold(f.Name, name) {
				x.complain("the app got %s spelled %q", name, f.Name)
				continue
			}
			values = append(values, f.Value)
		}
		if complaint := want.complain(values); complaint != "" {
			x.complain("at the app %s %s", name, complaint)
		}
	}
	for _, f := range fields {
		if strings.HasPrefix(fold(f.Name), "x-ptl-") && !named[fold(f.Name)] {
			x.complain("the app got %q: %q, which the case does not name", f.Name, f.Value)
		}
	}
}

// named are the app's headers that the case speaks of.
func (x *Expect) named() map[string]Want {
	all := map[string]Want{}
	switch x.As {
	case "":
	case "anonymous":
		all["X-Ptl-Client-Type"] = exactly("anonymous")
	default:
		all["X-Ptl-Client-Type"], all["X-Ptl-User"], all["X-Ptl-Client-Id"] = exactly("terminal"), exactly(x.As), exactly(x.As)
	}
	for name, want := range x.App {
		for other := range all {
			if fold(other) == fold(name) {
				delete(all, other)
			}
		}
		all[name] = want
	}
	if x.Cookie.stated {
		all["Cookie"] = x.Cookie
	}
	return all
}

func exactly(value string) Want { return Want{Exactly: []string{value}} }

// fold is the name as the loosest app reads it.
func fold(name string) string {
	var b strings.Builder
	dash := false
	for _, c := range []byte(strings.ToLower(name)) {
		if c >= 'a' && c <= 'z' || c >= '0' && c <= '9' {
			b.WriteByte(c)
			dash = false
		} else if !dash {
			b.WriteByte('-')
			dash = true
		}
	}
	return b.String()
}

// checkForwarded holds what the app got against what was sent: the body, the target, and no token.
func (x *exchange) checkForwarded(one Recorded) {
	whole := x.request.Raw == "" && !x.request.has("Transfer-Encoding")
	if whole && x.response.Status == http.StatusOK && string(one.Body) != x.request.Body {
		x.complain("the app got the body %.100q, sent was %.100q", one.Body, x.request.Body)
	}
	if x.expect.Target != "" && one.Target != x.expect.Target {
		x.complain("the app was asked for %q, want %q", one.Target, x.expect.Target)
	}
	allowed := x.expect.Sees
	rest := slices.Concat(one.Raw, passwords(one.Header))
	if x.expect.Forwarded {
		allowed = append(slices.Clone(allowed), x.sent...)
		if !slices.ContainsFunc(x.sent, func(name string) bool { return bytes.Contains(rest, []byte(x.tokens[name])) }) {
			x.complain("the app did not get the token")
		}
	}
	for _, name := range allowed {
		rest = bytes.ReplaceAll(rest, []byte(x.tokens[name]), nil)
	}
	var found []string
	for name, token := range x.tokens {
		if leaks(string(rest), token) {
			found = append(found, name)
		}
	}
	if len(found) > 0 {
		slices.Sort(found)
		x.complain("the app got a token, or its signature, of %q: %.1000q", found, one.Raw)
	}
}

// Nobody is whom Traefik's access log names where nobody was recognised.
const Nobody = "-"

// checkAsked looks at whom an access log would name.
func (x *exchange) checkAsked() {
	want := x.expect.user(x.response.Status)
	for _, user := range x.asked {
		if want != "" && user != want {
			x.complain("an access log would name %q, want %q", user, want)
		}
	}
}

// user is whom an access log names of a request with that answer; empty: the case does not say.
func (x *Expect) user(status int) string {
	switch {
	case x.User != "":
		return x.User
	case status >= http.StatusBadRequest || x.As == "anonymous":
		return Nobody
	}
	for name := range x.App {
		if fold(name) == "x-ptl-user" {
			return ""
		}
	}
	return x.As
}

// Users are whom the access log may name of a case's requests; all of them are known, or nothing is known.
func (c *Case) Users() map[string]bool {
	users := map[string]bool{}
	for _, step := range c.steps() {
		if step.Expect == nil {
			continue
		}
		for _, status := range step.Expect.Status {
			user := step.Expect.user(status)
			if user == "" || strings.Contains(user, "${") {
				return nil
			}
			users[user] = true
		}
	}
	return users
}

func (x *exchange) checkLog() {
	for _, problem := range x.expect.Problems {
		if !strings.Contains(x.log, problem) {
			x.complain("the log lacks %q: %q", problem, x.log)
		}
	}
	for _, panicked := range []string{"panic serving", "Recovered from panic"} {
		if strings.Contains(x.log, panicked) {
			x.complain("a panic: %s", x.log)
		}
	}
}

// checkLeaks looks for secrets and sent tokens in what the client and the operator may read.
func (x *exchange) checkLeaks() {
	for place, text := range map[string]string{"response": string(x.response.Raw), "log": x.log} {
		for _, name := range x.sent {
			if leaks(text, x.tokens[name]) {
				x.complain("the %s holds the token %q, or its signature: %.1000q", place, name, text)
			}
		}
		for _, line := range x.request.Headers {
			_, credentials, ok := strings.Cut(line, "Basic ")
			if ok && len(credentials) >= shortest && strings.Contains(text, credentials) {
				x.complain("the %s holds a user name and a password: %.1000q", place, text)
			}
		}
		for name, secret := range x.secrets {
			// Of a PEM file, any line is too much.
			for _, line := range strings.Split(secret, "\n") {
				if len(line) >= shortest && !strings.HasPrefix(line, "-----") && strings.Contains(text, line) {
					x.complain("the %s holds the secret %q: %.1000q", place, name, text)
				}
			}
		}
	}
}

// passwords are what is in Authorization: Basic, in plain text.
func passwords(fields []Field) []byte {
	var all []byte
	for _, f := range fields {
		scheme, credentials, _ := strings.Cut(f.Value, " ")
		if strings.EqualFold(f.Name, "Authorization") && strings.EqualFold(scheme, "Basic") {
			// Whatever can be read before something that cannot counts too.
			plain, _ := base64.RawStdEncoding.DecodeString(strings.TrimRight(credentials, "= "))
			all = append(append(all, '\n'), plain...)
		}
	}
	return all
}

func leaks(text, token string) bool {
	signature := token[strings.LastIndexByte(token, '.')+1:]
	return len(token) >= shortest && strings.Contains(text, token) ||
		len(signature) >= shortest && strings.Contains(text, signature)
}

func raws(recorded []Recorded) []string {
	var out []string
	for _, one := range recorded {
		out = append(out, string(one.Raw))
	}
	return out
}
