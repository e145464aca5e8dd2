// Package site asks the middleware where it answers: what became of a code, and whether a terminal is admitted.
package site

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"

	"github.com/getportal/ptlauth/cmd/command"
	"github.com/getportal/ptlauth/internal/pairing"
)

const (
	// timeout bounds one question.
	timeout = 5 * time.Second
	// starting is how long Traefik may need until it answers for its routers.
	starting = 10 * time.Second
	// certifying is how long Traefik may need until Let's Encrypt has given it a certificate.
	certifying = 30 * time.Second
	// traefiksOwn is the name in the certificate that it shows until then.
	traefiksOwn = "TRAEFIK DEFAULT CERT"
	// listening is how long nobody may listen: between a Traefik that is started and its port are moments.
	listening = 3 * time.Second
	// maxAnswer bounds what is read of an answer, in bytes.
	maxAnswer = 64 << 10
)

// refusedOnWindows is WSAECONNREFUSED, which is not syscall.ECONNREFUSED there, and no error elsewhere.
const refusedOnWindows = syscall.Errno(10061)

// Site is where a middleware answers its own paths.
type Site struct {
	base   *url.URL // of the own paths, with a slash at its end
	client *http.Client
	// isByHost reports that the host is the one that pairing.host names, whatever the url is.
	isByHost bool
	// Ahead is how far the clock of what answered last is ahead of this machine's, to a second.
	Ahead time.Duration
}

// New is the site at that address, whose middleware pairs as the settings say. Each question has a connection of its own,
// so that a balancer leads it to every Traefik in turn.
func New(address string, s *pairing.Settings) (*Site, error) {
	if address == "" && s.Host != "" {
		address = "https://" + s.Host
	}
	if address == "" {
		return nil, command.Errorf(command.Usage, "it is not said where the site is: write `url` into ptl.yml, or --url=URL, such as https://chat.example.com")
	}
	base, err := parsed(address)
	if err != nil {
		return nil, err
	}
	if s.Host != "" {
		base = &url.URL{Scheme: base.Scheme, Host: s.Host}
	}
	found := at(&url.URL{Scheme: base.Scheme, Host: base.Host, Path: strings.TrimSuffix(base.Path, "/") + s.Path})
	found.isByHost = s.Host != ""
	return found, nil
}

// App is an app behind a middleware that answers no paths of its own: whom it admits, a page of the app says.
func App(address string) (*Site, error) {
	if address == "" {
		return nil, command.Errorf(command.Usage, "it is not said where the app is: write `url` into ptl.yml, or --url=URL, such as https://chat.example.com")
	}
	page, err := parsed(address)
	if err != nil {
		return nil, err
	}
	return at(page), nil
}

func parsed(address string) (*url.URL, error) {
	base, err := url.Parse(address)
	if err != nil || base.Scheme != "https" && base.Scheme != "http" || base.Host == "" || base.User != nil {
		return nil, command.Errorf(command.Usage, "url is %q, and should be as a browser asks for the site, such as https://chat.example.com", address)
	}
	return base, nil
}

func at(base *url.URL) *Site {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.DisableKeepAlives = true
	return &Site{base: base, client: &http.Client{
		Transport:     transport,
		Timeout:       timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Page is where a short code is typed.
func (s *Site) Page() string { return s.base.JoinPath(pairing.Pair).String() }

// Link pairs whoever opens it. The code stands where no server, log or referrer sees it.
func (s *Site) Link(code string) string { return s.Page() + "#" + code }

// Host is how a person knows the site.
func (s *Site) Host() string { return s.base.Host }

// Use is what became of a code.
type Use struct {
	State   string `json:"state"` // pairing.Unknown, pairing.Waiting or pairing.Taken
	At      int64  `json:"at,omitempty"`
	Browser string `json:"browser,omitempty"`
	Address string `json:"address,omitempty"`
}

// Trouble is that a site does not answer as it should.
type Trouble struct {
	text     string
	IsClosed bool // it answers 503, as to everybody where the list has nobody
	// Patience is for how long it may be otherwise in a moment; 0: not without a person.
	Patience time.Duration
}

func (t *Trouble) Error() string { return t.text }

func troublef(patience time.Duration, format string, values ...any) error {
	return &Trouble{text: fmt.Sprintf(format, values...), Patience: patience}
}

// Ask finds out what became of the codes that belong to a watch code. An error is a *Trouble.
func (s *Site) Ask(ctx context.Context, watch string) (*Use, error) {
	address := s.base.JoinPath(pairing.Used).String()
	form := url.Values{"watch": {watch}}.Encode()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader(form))
	if err != nil {
		return nil, troublef(0, "%s", err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	response, content, err := s.do(request)
	if err != nil {
		return nil, err
	}
	use := &Use{}
	isJSON := strings.HasPrefix(response.Header.Get("Content-Type"), "application/json")
	if response.StatusCode != http.StatusOK || !isJSON || json.Unmarshal(content, use) != nil {
		return nil, told(address, response)
	}
	switch use.State {
	case pairing.Unknown, pairing.Waiting, pairing.Taken:
		return use, nil
	}
	return nil, told(address, response)
}

// Who is as whom the middleware admits a terminal.
type Who struct{ ID, Name, User string }

// Who finds out as whom a terminal's token is admitted; nil: it is not. An error is a *Trouble.
func (s *Site) Who(ctx context.Context, cookie, token string) (*Who, error) {
	address := s.base.JoinPath(pairing.Me).String()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, troublef(0, "%s", err)
	}
	request.AddCookie(&http.Cookie{Name: cookie, Value: token})
	response, content, err := s.do(request)
	if err != nil {
		return nil, err
	}
	who := &Who{}
	switch {
	case response.StatusCode == http.StatusUnauthorized:
		return nil, nil
	case response.StatusCode == http.StatusOK && json.Unmarshal(content, who) == nil && who.ID != "":
		return who, nil
	}
	return nil, told(address, response)
}

// IsClosed reports whether an error is that the middleware answers 503, as it does to everybody where its list has nobody.
func IsClosed(err error) bool {
	var trouble *Trouble
	return errors.As(err, &trouble) && trouble.IsClosed
}

// Admits reports whether the app can be seen with a terminal's token in that cookie, or, where there is none, in
// Authorization; without a token, by everybody. An error is a *Trouble.
func (s *Site) Admits(ctx context.Context, cookie, token string) (bool, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodHead, s.base.String(), nil)
	if err != nil {
		return false, troublef(0, "%s", err)
	}
	switch {
	case token == "":
	case cookie != "":
		request.AddCookie(&http.Cookie{Name: cookie, Value: token})
	default:
		request.Header.Set("Authorization", "Bearer "+token)
	}
	response, _, err := s.do(request)
	switch {
	case err != nil:
		return false, err
	case response.StatusCode == http.StatusUnauthorized && strings.Contains(response.Header.Get("WWW-Authenticate"), `realm="ptlauth"`):
		return false, nil
	case response.StatusCode >= 500 || response.StatusCode == http.StatusTooManyRequests:
		return false, told(s.base.String(), response)
	}
	return true, nil
}

func (s *Site) do(request *http.Request) (*http.Response, []byte, error) {
	response, err := s.client.Do(request)
	if err != nil {
		return nil, nil, s.unreached(err)
	}
	defer response.Body.Close()
	if date, err := http.ParseTime(response.Header.Get("Date")); err == nil {
		s.Ahead = time.Until(date).Round(time.Second)
	}
	content, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return nil, nil, s.unreached(err)
	}
	return response, content, nil
}

// unreached says why nobody answers.
func (s *Site) unreached(err error) error {
	base, correct := s.base, "correct `url` in ptl.yml, or write --url=URL"
	if s.isByHost {
		correct = "give it the address of Traefik, or correct `pairing.host` in the middleware"
	}
	var failed *url.Error
	if errors.As(err, &failed) {
		err = failed.Err
	}
	var name *net.DNSError
	var authority x509.UnknownAuthorityError
	var host x509.HostnameError
	var record tls.RecordHeaderError
	switch {
	case errors.As(err, &name) && name.IsNotFound:
		return troublef(0, "there is no host %s, as far as this machine knows: %s", base.Hostname(), correct)
	case errors.As(err, &authority):
		return troublef(0, "%s has a certificate of an authority that this machine does not know; if it is yours, SSL_CERT_FILE=PATH says where its certificate is", base.Host)
	case errors.As(err, &host) && host.Certificate.Subject.CommonName == traefiksOwn:
		return troublef(certifying, "Traefik has no certificate for %s yet (if that stays so, its log says why: Let's Encrypt must find it under that name, at port 443)", base.Hostname())
	case errors.As(err, &host):
		return troublef(starting, "%s has a certificate for another name (is that the site? Traefik shows its own until it has the right one)", base.Host)
	case errors.As(err, &record), strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"):
		return troublef(0, "%s does not speak HTTPS: write http:// in `url`, or another port", base.Host)
	case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, refusedOnWindows):
		return troublef(listening, "%s does not answer, because nothing listens there (connection refused): start Traefik, or %s", base.Host, correct)
	}
	return troublef(starting, "%s does not answer (%s): is that the site? If not, %s", base.Host, err, correct)
}

// told says what an answer means that is not the middleware's.
func told(address string, response *http.Response) error {
	status := response.StatusCode
	location := response.Header.Get("Location")
	switch {
	case status >= 500 || status == http.StatusTooManyRequests:
		return &Trouble{
			text:     fmt.Sprintf("%s answers %d: Traefik or the middleware is not ready (its log says why)", address, status),
			IsClosed: status == http.StatusServiceUnavailable, Patience: starting,
		}
	case status == http.StatusNotFound:
		return troublef(starting, "%s answers 404: Traefik has no router for that host yet, or the router has no middleware with pairing.enabled, or what answers is not Traefik (look at the router, and at `url`)", address)
	case status >= 300 && status < 400 && location != "":
		return troublef(0, "%s leads to %s: write the address to which it leads into `url`", address, command.Shown(location))
	case status == http.StatusOK:
		return troublef(0, "%s is answered by something else than the middleware: look whether the router of that host has it, with pairing.enabled, and at `url`", address)
	}
	return troublef(0, "%s answers %d: look whether the router of that host has the middleware, with pairing.enabled, and at `url`", address, status)
}
