package corpustest

import (
	"encoding/base64"
	"fmt"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"
)

var reference = regexp.MustCompile(`\$\{([^}]*)\}`)

// expander replaces the ${…} of a case's strings. It keeps the first mistake, and which tokens it was asked for.
type expander struct {
	dir     string
	secrets map[string]string
	tokens  map[string]string
	used    []string
	err     error
}

func (c *Case) expander(tokens map[string]string) *expander {
	return &expander{dir: c.dir, secrets: c.ring.Secrets, tokens: tokens}
}

func (e *expander) text(s string) string {
	return reference.ReplaceAllStringFunc(s, func(match string) string {
		name, filter, _ := strings.Cut(match[2:len(match)-1], "|")
		value, ok := e.lookup(name)
		switch {
		case !ok:
		case filter == "":
			return value
		case filter == "query":
			return url.QueryEscape(value)
		case filter == "base64":
			return base64.StdEncoding.EncodeToString([]byte(value))
		case filter == "unpadded":
			return strings.TrimRight(value, "=")
		}
		if e.err == nil {
			e.err = fmt.Errorf("what is %s?", match)
		}
		return match
	})
}

func (e *expander) lookup(name string) (value string, ok bool) {
	if name == "dir" {
		return e.dir, true
	}
	if secret, found := strings.CutPrefix(name, "secret."); found {
		value, ok = e.secrets[secret]
		return value, ok
	}
	if token, found := strings.CutPrefix(name, "token."); found {
		e.used = append(e.used, token)
		value, ok = e.tokens[token]
		return value, ok
	}
	if pair, found := strings.CutPrefix(name, "basic."); found {
		// What stands before the last colon is the user name, with whatever comes with it.
		at := strings.LastIndexByte(pair, ':') + 1
		password, ok := e.lookup("token." + pair[at:])
		return base64.StdEncoding.EncodeToString([]byte(pair[:at] + password)), ok
	}
	if kind, found := strings.CutPrefix(name, "code."); found {
		return pairingCode(e.dir, kind)
	}
	if rest, found := strings.CutPrefix(name, "mac."); found {
		kind, secret, _ := strings.Cut(rest, ".")
		return pairingMAC(e.dir, kind, e.secrets[secret])
	}
	if digits, found := strings.CutPrefix(name, "byte."); found {
		b, err := strconv.ParseUint(digits, 16, 8)
		return string([]byte{byte(b)}), err == nil
	}
	if count, text, found := strings.Cut(name, "*"); found {
		n, err := strconv.Atoi(count)
		if err != nil || n < 0 || n*len(text) > 16<<20 {
			return "", false
		}
		return strings.Repeat(text, n), true
	}
	return "", false
}

func (e *expander) content(c *Content) string {
	if c == nil {
		return ""
	}
	return e.text(timesFromNow(string(*c), time.Now()))
}

func (e *expander) texts(list []string) []string {
	var out []string
	for _, s := range list {
		out = append(out, e.text(s))
	}
	return out
}

// value copies a configuration value, for a plugin may change what it is given.
func (e *expander) value(v any) any {
	switch v := v.(type) {
	case string:
		return e.text(v)
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = e.value(v[i])
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(v))
		for name := range v {
			out[name] = e.value(v[name])
		}
		return out
	default:
		return v
	}
}

func (e *expander) request(r *Request) *Request {
	return &Request{
		Method: r.Method, Path: e.text(r.Path), Headers: e.texts(r.Headers), Cookies: e.texts(r.Cookies),
		Body: e.text(r.Body), Trailers: e.texts(r.Trailers), Raw: Lines(e.text(string(r.Raw))),
	}
}

func (e *expander) expect(x *Expect) *Expect {
	out := *x
	out.As, out.User, out.Target, out.Cookie = e.text(x.As), e.text(x.User), e.text(x.Target), e.want(x.Cookie)
	out.App, out.Response = e.wants(x.App), e.wants(x.Response)
	out.Body, out.Problems = e.texts(x.Body), e.texts(x.Problems)
	for _, name := range x.Sees {
		if _, ok := e.tokens[name]; !ok && e.err == nil {
			e.err = fmt.Errorf("sees: no token is called %q", name)
		}
	}
	return &out
}

func (e *expander) want(w Want) Want {
	return Want{Exactly: e.texts(w.Exactly), Contains: e.texts(w.Contains), stated: w.stated}
}

func (e *expander) wants(all map[string]Want) map[string]Want {
	out := make(map[string]Want, len(all))
	for name, w := range all {
		out[name] = e.want(w)
	}
	return out
}
