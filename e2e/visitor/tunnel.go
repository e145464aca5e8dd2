package visitor

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"testing"
)

// Tunnel returns the address of an HTTP proxy that leads every host to one address: for programs that resolve names by
// themselves, which are told of it by HTTPS_PROXY or HTTP_PROXY.
func Tunnel(t *testing.T, address string) string {
	t.Helper()
	plain := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.Out.URL.Host = address // and the header Host as it came
	}}
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodConnect {
			plain.ServeHTTP(w, r)
			return
		}
		there, err := new(net.Dialer).DialContext(r.Context(), "tcp", address)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		here, early, err := http.NewResponseController(w).Hijack()
		if err != nil {
			there.Close()
			return
		}
		io.WriteString(here, "HTTP/1.1 200 OK\r\n\r\n")
		go func() {
			defer there.Close()
			io.Copy(there, early)
		}()
		defer here.Close()
		io.Copy(here, there)
	}))
	t.Cleanup(proxy.Close)
	return proxy.URL
}
