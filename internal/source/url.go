package source

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const (
	// requestTimeout bounds one request, body included.
	requestTimeout = 5 * time.Second
	// minPause and maxPause bound the pause after failures, which doubles with each;
	// maxCache bounds how long a Cache-Control is honoured.
	minPause = 250 * time.Millisecond
	maxPause = 30 * time.Second
	maxCache = time.Hour
	// forcedInterval is the least time between two looks out of turn.
	forcedInterval = 30 * time.Second
	// maxRedirects is how many redirects of one request are followed.
	maxRedirects = 3
)

// client asks for no compression: a few bytes of it could make a whole limit's worth.
var client = &http.Client{
	Timeout:       requestTimeout,
	CheckRedirect: checkRedirect,
	Transport: &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DisableCompression:     true,
		ForceAttemptHTTP2:      true,
		MaxIdleConnsPerHost:    1,
		IdleConnTimeout:        90 * time.Second,
		MaxResponseHeaderBytes: 64 << 10,
	},
}

// What redirects may be followed no further; the words stand in the log.
var (
	errInsecure  = errors.New("redirects from https to http, where others could answer in its place")
	errRedirects = errors.New("redirects more than " + strconv.Itoa(maxRedirects) + " times")
)

func checkRedirect(r *http.Request, via []*http.Request) error {
	if via[len(via)-1].URL.Scheme == "https" && r.URL.Scheme != "https" {
		return errInsecure
	}
	if len(via) > maxRedirects {
		return errRedirects
	}
	return nil
}

// lookAtURL asks the server on a goroutine of its own. A server that fails is asked at
// longer and longer intervals.
func lookAtURL(s *Source, refresh time.Duration) {
	now := time.Now()
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.used = now
	if s.inFlight == nil && !now.Before(s.next) {
		landed := start(s, now)
		fetchBeside(s, landed, refresh)
	}
}

// Again asks the URLs among them out of turn, because somebody needs what they may have by
// now, and waits for that a moment. It reports whether there are any: a flood of requests makes
// each be asked once in 30 s, and what that brings is for all of them.
func Again(sources []*Source) bool {
	var asked []*Source
	isAny := false
	now := time.Now()
	for _, s := range sources {
		if s.address == "" {
			continue
		}
		isAny = true
		s.mutex.Lock()
		if s.lastForced.IsZero() || now.Sub(s.lastForced) >= forcedInterval {
			s.lastForced = now
			s.next = now
			s.forced = true
		}
		if s.forced {
			asked = append(asked, s)
		}
		s.mutex.Unlock()
	}
	WaitAgain(Look(asked, 0))
	return isAny
}

// fetchBeside fetches on a goroutine of its own, where a panic would end Traefik. Under
// Yaegi, recover works in a closure and in no other deferred function.
func fetchBeside(s *Source, landed context.CancelFunc, refresh time.Duration) {
	go func() {
		defer landed()
		defer func() {
			if recover() != nil {
				settle(s, nil, bug)
				finish(s, maxPause, true)
			}
		}()
		fetch(s, refresh)
	}()
}

func fetch(s *Source, refresh time.Duration) {
	s.mutex.Lock()
	tag := s.tag
	pause := minPause
	for i := 0; i < s.failures && pause < maxPause; i++ {
		pause *= 2
	}
	s.mutex.Unlock()
	if pause > maxPause {
		pause = maxPause
	}
	content, fresh, age, problem := ask(s.address, tag, s.limit)
	problem = settle(s, content, problem)
	if problem != "" {
		finish(s, pause, true)
		return
	}
	s.mutex.Lock()
	s.tag = fresh
	s.mutex.Unlock()
	// Several routers look at once: a quarter of refresh is soon enough for them all.
	pause = refresh / 4
	if s.caching && age > pause {
		pause = age
	}
	finish(s, pause, false)
}

func finish(s *Source, pause time.Duration, failed bool) {
	now := time.Now()
	s.mutex.Lock()
	s.inFlight = nil
	s.forced = false
	s.finished = now
	s.next = now.Add(pause)
	if failed {
		s.failures++
	} else {
		s.failures = 0
	}
	s.mutex.Unlock()
}

// ask returns the content (nil when it is the one of that tag), its tag, how long it
// may be kept, and what went wrong.
func ask(address, tag string, limit int) ([]byte, string, time.Duration, string) {
	request, err := http.NewRequest(http.MethodGet, address, nil)
	if err != nil {
		return nil, "", 0, "is not an address that can be asked"
	}
	request.Header.Set("Accept", "application/json")
	if tag != "" {
		request.Header.Set("If-None-Match", tag)
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, "", 0, unreachable(cause(err))
	}
	defer func() { _ = response.Body.Close() }()
	age := maxAge(response.Header.Get("Cache-Control"))
	if response.StatusCode == http.StatusNotModified && tag != "" {
		return nil, tag, age, ""
	}
	if response.StatusCode != http.StatusOK {
		return nil, "", 0, "answers " + strconv.Itoa(response.StatusCode) + " instead of 200"
	}
	if response.Header.Get("Content-Encoding") != "" {
		return nil, "", 0, "answers compressed, for which it was not asked: switch that off at its server"
	}
	content, err := readAll(response.Body, response.ContentLength, limit)
	if err != nil {
		return nil, "", 0, "breaks off (" + cause(err) + ")"
	}
	if len(content) > limit {
		return nil, "", 0, tooLarge(limit)
	}
	return content, response.Header.Get("ETag"), age, ""
}

// cause is the innermost error: the outer ones quote the address, and a port that is
// another one each time.
func cause(err error) string {
	outer, ok := err.(*url.Error) //nolint:errorlint // client.Do returns nothing else, and errors.As costs the interpreter a wrapper.
	if ok && outer.Timeout() {
		return "no answer in " + requestTimeout.String()
	}
	for inner := errors.Unwrap(err); inner != nil; inner = errors.Unwrap(err) {
		err = inner
	}
	return err.Error()
}

// expired is how crypto/x509 begins; it goes on with the time, another one each time.
const expired = "x509: certificate has expired or is not yet valid"

// unreachable says what to do where there was no answer.
func unreachable(cause string) string {
	switch {
	case cause == errInsecure.Error() || cause == errRedirects.Error():
		return cause + ": write the https address that answers"
	case strings.HasPrefix(cause, "failed to parse Location"):
		// It quotes the address.
		return "redirects to what is no address: write the one that answers"
	case strings.HasPrefix(cause, expired):
		return "cannot be trusted (" + expired + "): renew its certificate, or set the clock of Traefik's machine"
	case strings.HasPrefix(cause, "x509: certificate signed by unknown authority"):
		return "cannot be trusted (" + cause + "): set SSL_CERT_FILE in Traefik's environment to a file with the certificate of the authority that signed it (of the server itself, if it did that), and restart Traefik"
	case strings.HasPrefix(cause, "x509: "):
		return "cannot be trusted (" + cause + "): write the address with a name that its certificate is for, or give it another certificate"
	case strings.Contains(cause, "server gave HTTP response to HTTPS client"):
		return "cannot be reached (" + cause + "): write http:// if it is meant to be without TLS, or correct the port"
	}
	return "cannot be reached (" + cause + "): start its server, or correct the address"
}

func maxAge(control string) time.Duration {
	for _, part := range strings.Split(strings.ToLower(control), ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		if name != "max-age" {
			continue
		}
		seconds, err := strconv.Atoi(value)
		if err != nil || seconds < 0 {
			return 0
		}
		if seconds > int(maxCache/time.Second) {
			return maxCache
		}
		return time.Duration(seconds) * time.Second
	}
	return 0
}

// withoutSecrets is an address as it may stand in a log.
func withoutSecrets(address string) string {
	parsed, err := url.Parse(address)
	if err != nil {
		return "the URL"
	}
	return parsed.Scheme + "://" + parsed.Host + parsed.EscapedPath()
}
