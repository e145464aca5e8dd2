package source

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const (
	// slowest bounds one request, body included.
	slowest = 5 * time.Second
	// longest bounds the pause after failures, and how long a Cache-Control is honoured.
	longestPause = 30 * time.Second
	longestCache = time.Hour
	// between is the least time between two looks out of turn.
	between = 30 * time.Second
)

var client = &http.Client{Timeout: slowest}

// lookAtURL asks the server on a goroutine of its own and waits for it a moment, so
// that what is decided next rests on what holds now. A server that fails is asked at
// longer and longer intervals, and nobody waits for it.
func lookAtURL(s *Source, refresh time.Duration) {
	now := time.Now()
	s.mutex.Lock()
	s.used = now
	if s.flight == nil && !now.Before(s.next) {
		ctx, landed := context.WithCancel(context.Background())
		s.flight = ctx
		s.patient = now.Add(patience)
		fetchInBackground(s, landed, refresh)
	}
	flight := s.flight
	until := s.patient
	failing := s.failures > 0
	s.mutex.Unlock()
	if flight != nil && !failing {
		wait(flight, until)
	}
}

// Again makes the next look at a URL ask it out of turn, at most once in 30 s, because
// somebody needs what it may have by now. It tells whether to look: others may have
// asked for the same reason a moment ago.
func Again(s *Source) bool {
	if s.address == "" {
		return false
	}
	now := time.Now()
	s.mutex.Lock()
	if s.again.IsZero() || now.Sub(s.again) >= between {
		s.again = now
		s.next = now
	}
	s.mutex.Unlock()
	return true
}

// wait has no select: under Yaegi, all goroutines at the same one share its channels.
func wait(flight context.Context, until time.Time) {
	ctx, cancel := context.WithDeadline(flight, until)
	defer cancel()
	<-ctx.Done()
}

func fetchInBackground(s *Source, landed context.CancelFunc, refresh time.Duration) {
	go func() {
		defer landed()
		// A panic on this goroutine would end Traefik. Under Yaegi, recover works in a
		// closure and in no other deferred function.
		defer func() {
			if recover() != nil {
				land(s, longestPause, true)
				settle(s, nil, bug)
			}
		}()
		fetch(s, refresh)
	}()
}

func fetch(s *Source, refresh time.Duration) {
	s.mutex.Lock()
	tag := s.tag
	pause := refresh
	for i := 0; i < s.failures && pause < longestPause; i++ {
		pause *= 2
	}
	s.mutex.Unlock()
	if pause > longestPause {
		pause = longestPause
	}
	content, fresh, age, problem := ask(s.address, tag)
	problem = settle(s, content, problem)
	if problem != "" {
		land(s, pause, true)
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
	land(s, pause, false)
}

func land(s *Source, pause time.Duration, failed bool) {
	s.mutex.Lock()
	s.flight = nil
	s.next = time.Now().Add(pause)
	if failed {
		s.failures++
	} else {
		s.failures = 0
	}
	s.mutex.Unlock()
}

// ask returns the content (nil when it is the one of that tag), its tag, how long it
// may be kept, and what went wrong.
func ask(address, tag string) ([]byte, string, time.Duration, string) {
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
		return nil, "", 0, "cannot be reached (" + cause(err) + "): start its server, or correct the address"
	}
	defer func() { _ = response.Body.Close() }()
	age := maxAge(response.Header.Get("Cache-Control"))
	if response.StatusCode == http.StatusNotModified && tag != "" {
		return nil, tag, age, ""
	}
	if response.StatusCode != http.StatusOK {
		return nil, "", 0, "answers " + strconv.Itoa(response.StatusCode) + " instead of 200"
	}
	content, err := io.ReadAll(io.LimitReader(response.Body, limit+1))
	if err != nil {
		return nil, "", 0, "breaks off (" + cause(err) + ")"
	}
	if len(content) > limit {
		return nil, "", 0, tooLarge()
	}
	return content, response.Header.Get("ETag"), age, ""
}

// cause is the innermost error: the outer ones quote the address, and a port that is
// another one each time.
func cause(err error) string {
	outer, ok := err.(*url.Error) //nolint:errorlint // client.Do returns nothing else, and errors.As costs the interpreter a wrapper.
	if ok && outer.Timeout() {
		return "no answer in " + slowest.String()
	}
	for inner := errors.Unwrap(err); inner != nil; inner = errors.Unwrap(err) {
		err = inner
	}
	return err.Error()
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
		if seconds > int(longestCache/time.Second) {
			return longestCache
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
