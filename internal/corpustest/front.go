//go:build go1.24

package corpustest

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"time"
)

// NewHTTP2 returns a transport that speaks HTTP/2 without TLS from the first byte on, and adds nothing to a request.
func NewHTTP2() *http.Transport {
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	return &http.Transport{Protocols: protocols, DisableCompression: true}
}

func scheme(transport *http.Transport) string {
	if p := transport.Protocols; p != nil && p.UnencryptedHTTP2() {
		return "http"
	}
	return "https"
}

// Serve puts the handler on a port that takes HTTP/1.1 and HTTP/2, as Traefik's entry points do.
func Serve(handler http.Handler) *httptest.Server {
	server := httptest.NewUnstartedServer(handler)
	server.Config.Protocols = new(http.Protocols)
	server.Config.Protocols.SetHTTP1(true)
	server.Config.Protocols.SetUnencryptedHTTP2(true)
	server.Start()
	return server
}

// Proxy passes requests on to the recorder as Traefik's default proxy does: the target comes from RequestURI, not from
// URL, and the forwarding headers stay.
func Proxy(r *Recorder) http.Handler {
	return &httputil.ReverseProxy{
		FlushInterval: -1,
		Transport:     &http.Transport{DisableCompression: true},
		Rewrite: func(pr *httputil.ProxyRequest) {
			u := pr.Out.URL
			if parsed, err := url.ParseRequestURI(pr.Out.RequestURI); err == nil {
				u = parsed
			}
			pr.Out.URL = &url.URL{
				Scheme: "http", Host: r.Addr(), Path: u.Path, RawPath: u.RawPath,
				RawQuery: strings.ReplaceAll(u.RawQuery, ";", "&"),
			}
			pr.Out.RequestURI = ""
			for _, name := range []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto"} {
				if values, ok := pr.In.Header[name]; ok {
					pr.Out.Header[name] = values
				}
			}
			if _, ok := pr.Out.Header["User-Agent"]; !ok {
				pr.Out.Header.Set("User-Agent", "")
			}
		},
	}
}

// entrance notes of each request whom Traefik's access log would name: it looks at the address that it has passed on, once
// all is done.
type entrance struct {
	next     http.Handler
	mutex    sync.Mutex
	underWay int
	users    []string
}

func (e *entrance) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	e.mutex.Lock()
	e.underWay++
	e.mutex.Unlock()
	defer func() {
		e.mutex.Lock()
		defer e.mutex.Unlock()
		e.underWay--
		user := r.URL.User.Username()
		if user == "" {
			user = Nobody
		}
		e.users = append(e.users, user)
	}()
	e.next.ServeHTTP(w, r)
}

// asked takes whom it has noted since the last time. A client may have its answer a moment before all is done; what has
// not ended by then goes on, as a WebSocket does.
func (e *entrance) asked() []string {
	const moment = 100 * time.Millisecond
	for deadline := time.Now().Add(moment); ; time.Sleep(time.Millisecond) {
		e.mutex.Lock()
		if e.underWay == 0 || time.Now().After(deadline) {
			users := e.users
			e.users = nil
			e.mutex.Unlock()
			return users
		}
		e.mutex.Unlock()
	}
}
