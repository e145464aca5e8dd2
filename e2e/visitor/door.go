package visitor

import (
	"context"
	"crypto/tls"
	"io"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/quic-go/quic-go/http3"

	"github.com/getportal/ptlauth/e2e/traefik"
)

// AnyCertificate takes Traefik's own certificate.
func AnyCertificate(t *testing.T) *http.Transport {
	t.Helper()
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	t.Cleanup(transport.CloseIdleConnections)
	return transport
}

// Door is a way to ask Traefik: over HTTP/Major at URL.
type Door struct {
	Name, URL string
	Major     int
	Transport http.RoundTripper
}

// Doors are HTTP/1.1 without and with TLS, and HTTP/2 with TLS.
func Doors(t *testing.T, proxy *traefik.Traefik) []Door {
	one, two := new(http.Protocols), new(http.Protocols)
	one.SetHTTP1(true)
	two.SetHTTP2(true)
	open := func(name, entryPoint string, major int, protocols *http.Protocols) Door {
		transport := &http.Transport{
			Protocols: protocols, DisableCompression: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
		}
		t.Cleanup(transport.CloseIdleConnections)
		return Door{name, proxy.URL(entryPoint), major, transport}
	}
	return []Door{
		open("HTTP/1.1", "web", 1, one),
		open("HTTP/1.1 over TLS", "websecure", 1, one),
		open("HTTP/2 over TLS", "websecure", 2, two),
	}
}

// HTTP3 is one more, to an entry point that speaks HTTP/3.
func HTTP3(t *testing.T, proxy *traefik.Traefik) Door {
	transport := &http3.Transport{DisableCompression: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	t.Cleanup(func() { _ = transport.Close() })
	return Door{"HTTP/3", proxy.URL("websecure"), 3, transport}
}

// Ask sends a request ("GET /path") with these header names as they are spelled, and returns the answer and its body.
func (d Door) Ask(t *testing.T, status int, request string, header http.Header, edits ...func(*http.Request)) (*http.Response, string) {
	t.Helper()
	method, path, _ := strings.Cut(request, " ")
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, d.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	maps.Copy(r.Header, header)
	for _, edit := range edits {
		edit(r)
	}
	response, err := d.Transport.RoundTrip(r)
	if err != nil {
		t.Fatalf("%s: %v", request, err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatalf("%s: %v", request, err)
	}
	if response.StatusCode != status || response.ProtoMajor != d.Major {
		t.Errorf("%s: %s %d, want HTTP/%d %d; body %.300q", request, response.Proto, response.StatusCode, d.Major, status, body)
	}
	return response, string(body)
}

// WithBody is an edit that has a request carry a body.
func WithBody(body string) func(*http.Request) {
	return func(r *http.Request) {
		r.Body, r.ContentLength = io.NopCloser(strings.NewReader(body)), int64(len(body))
	}
}

// Spellings are ways to write a dashed name that some app reads as that name.
func Spellings(name string) []string {
	all := []string{name, strings.ToLower(name), strings.ToUpper(name), name + "!", name + "-"}
	for _, separator := range []string{"_", ".", "~", "*", "'", "|", "+", "^", "#", "&", "--", "_-"} {
		last := strings.LastIndexByte(name, '-')
		all = append(all, strings.ReplaceAll(name, "-", separator), strings.ToLower(strings.ReplaceAll(name, "-", separator)),
			name[:last]+separator+name[last+1:])
	}
	return all
}
