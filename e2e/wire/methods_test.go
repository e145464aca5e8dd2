package wire

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/getportal/ptlauth/e2e/issuer"
	"github.com/getportal/ptlauth/e2e/traefik"
	"github.com/getportal/ptlauth/e2e/traefik/traefiktest"
)

const methodsConfiguration = `
http:
  middlewares:
    auth: {plugin: {ptlauth: {secretFile: SECRET, terminals: any, paths: [{prefix: /public, access: public}]}}}
  routers:
    app: {rule: PathPrefix("/"), service: app, middlewares: [auth]}
  services:
    app: {loadBalancer: {servers: [{url: "http://APP"}]}}
`

// TestMethods: over HTTP/2 and HTTP/3 a method may hold whatever a header may. Traefik's fast proxy writes it as it is in front of the
// path, so that an app may read another request line than the one that was judged.
func TestMethods(t *testing.T) {
	if testing.Short() {
		t.Skip("starts Traefik")
	}
	for name, experimental := range map[string]string{"default proxy": "{}", "fast proxy": "{fastProxy: {debug: true}}"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			secret, tokens := issuer.Keyring(t)
			app, lines := careless(t)
			proxy := traefiktest.Start(t, traefik.Options{
				Static:  "{experimental: " + experimental + "}",
				Dynamic: strings.NewReplacer("SECRET", secret, "APP", app).Replace(methodsConfiguration),
			})
			cookie := hpack.HeaderField{Name: "cookie", Value: "authorization=" + tokens["portal"]}
			for _, method := range []string{"GET /private HTTP/1.1", "GET /private?", "GET\t/private", "GET ", " GET", "G\xc2\x9bT", "GET,POST", "G(T)"} {
				t.Run("none that is no word reaches the app: "+strconv.Quote(method), func(t *testing.T) {
					for _, more := range [][]hpack.HeaderField{nil, {cookie}} {
						if status := askHTTP2(t, proxy.URL("websecure"), method, "/public", more...); status != http.StatusMethodNotAllowed {
							t.Errorf("got %d", status)
						}
					}
					select {
					case line := <-lines:
						t.Errorf("the app got %q", line)
					default:
					}
				})
			}
			for _, method := range []string{"GET", "PROPFIND", "M-SEARCH", "X!#$%&'*+.^_`|~9"} {
				t.Run("any word does: "+method, func(t *testing.T) {
					if status := askHTTP2(t, proxy.URL("websecure"), method, "/public"); status != http.StatusOK {
						t.Errorf("got %d", status)
					}
					<-lines
				})
			}
		})
	}
}

// careless is an app that takes any request line. It returns its address, and each line that it got.
func careless(t *testing.T) (string, <-chan string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	lines := make(chan string, 100)
	serve := func(conn net.Conn) {
		defer conn.Close()
		in := bufio.NewReader(conn)
		for first := true; ; {
			line, err := in.ReadString('\n')
			if err != nil {
				return
			}
			if first {
				lines <- strings.TrimSpace(line)
			}
			first = line == "\r\n"
			if first {
				_, _ = conn.Write([]byte("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"))
			}
		}
	}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go serve(conn)
		}
	}()
	return listener.Addr().String(), lines
}

// askHTTP2 sends a request that no client would make, and returns the status.
func askHTTP2(t *testing.T, url, method, path string, more ...hpack.HeaderField) int {
	t.Helper()
	address := strings.TrimPrefix(url, "https://")
	conn, err := tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
	var head bytes.Buffer
	encoder := hpack.NewEncoder(&head)
	for _, field := range append([]hpack.HeaderField{
		{Name: ":method", Value: method}, {Name: ":scheme", Value: "https"}, {Name: ":authority", Value: address}, {Name: ":path", Value: path},
	}, more...) {
		if err := encoder.WriteField(field); err != nil {
			t.Fatal(err)
		}
	}
	framer := http2.NewFramer(conn, conn)
	framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	_, err = conn.Write([]byte(http2.ClientPreface))
	err = errors.Join(err, framer.WriteSettings(), framer.WriteHeaders(http2.HeadersFrameParam{
		StreamID: 1, BlockFragment: head.Bytes(), EndStream: true, EndHeaders: true,
	}))
	for err == nil {
		var frame http2.Frame
		frame, err = framer.ReadFrame()
		switch f := frame.(type) {
		case *http2.MetaHeadersFrame:
			status, _ := strconv.Atoi(f.PseudoValue("status"))
			return status
		case *http2.RSTStreamFrame:
			return 0
		}
	}
	t.Fatal(err)
	return 0
}
