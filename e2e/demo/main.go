// Command demo shows ptlauth at work, with Go and nothing else: a Traefik with the
// plugin, a small app behind it, and a terminal that is paired already.
//
// PORT chooses the port, TRAEFIK a binary to use instead of building one.
package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/golang-jwt/jwt/v4"

	"github.com/getportal/ptlauth/e2e/demo/app"
	"github.com/getportal/ptlauth/e2e/traefik"
)

const (
	terminal = "k7p2x9"
	device   = "Your laptop"
	user     = "ada"
)

func main() {
	if err := run(os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

func run(stdout, progress io.Writer) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	dir, err := os.MkdirTemp("", "ptlauth-demo-")
	if err != nil {
		return err
	}
	err = show(ctx, filepath.Join(dir, "secret"), stdout, progress)
	if ctx.Err() != nil {
		err = nil // ended on request, however far it had come
	}
	return errors.Join(err, os.RemoveAll(dir))
}

// show is the demo itself, until ctx ends.
func show(ctx context.Context, secretFile string, stdout, progress io.Writer) error {
	token, err := issue(secretFile)
	if err != nil {
		return err
	}
	appURL, closeApp, err := serve(app.New())
	if err != nil {
		return err
	}
	defer closeApp()
	pairingURL, closePairing, err := serve(pairing(device, token))
	if err != nil {
		return err
	}
	defer closePairing()

	address, err := listenAddress()
	if err != nil {
		return err
	}
	url := "http://" + address
	proxy, err := traefik.Start(ctx, traefik.Options{
		Progress: progress,
		Static:   fmt.Sprintf("entryPoints: {web: {address: %q}}", address),
		Dynamic:  fmt.Sprintf(dynamic, appURL, loginPath, pairingURL, secretFile, terminal, device, user, url+loginPath),
	})
	if err != nil {
		return err
	}
	defer proxy.Stop()

	fmt.Fprintf(stdout, guide, url, token)
	<-ctx.Done()
	return nil
}

// issue makes up a secret, writes it into a file, and returns the terminal's token.
func issue(secretFile string) (string, error) {
	random := make([]byte, 64)
	rand.Read(random)
	secret := []byte(base64.RawURLEncoding.EncodeToString(random)) // its text is the key, as on Portal
	if err := os.WriteFile(secretFile, secret, 0o600); err != nil {
		return "", err
	}
	return jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"sub": terminal, "iat": time.Now().Unix()}).SignedString(secret)
}

const dynamic = `
http:
  routers:
    app:
      entryPoints: [web]
      rule: PathPrefix("/")
      middlewares: [auth]
      service: app
    pairing:
      entryPoints: [web]
      rule: Path(%[2]q)
      service: pairing
  services:
    app:
      loadBalancer: {servers: [{url: %[1]q}]}
    pairing:
      loadBalancer: {servers: [{url: %[3]q}]}
  middlewares:
    auth:
      plugin:
        ptlauth:
          secretFile: %[4]q
          terminals:
            paired: [{id: %[5]q, name: %[6]q, user: %[7]q}]
          loginURL: "%[8]s?next={url}"
`

const guide = `
Open this in a browser, which is sent to a page that pairs it:
  %[1]s

With curl: 200, greeted by name.
  curl -i -b 'authorization=%[2]s' %[1]s/

Without a token: 401, and the app never heard of it.
  curl -i %[1]s/

With a name of one's own choosing instead of a token: 401.
  curl -i -H 'X-Ptl-User: mallory' -H 'X_Ptl_User: mallory' %[1]s/

With both: 200, and the app was sent no mallory.
  curl -i -b 'authorization=%[2]s' -H 'X-Ptl-User: mallory' -H 'X_Ptl_User: mallory' %[1]s/

Ctrl-C ends it.
`

// serve runs a handler on a free port of this machine until it is closed.
func serve(handler http.Handler) (url string, stop func() error, err error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	go server.Serve(listener)
	return "http://" + listener.Addr().String(), server.Close, nil
}

// listenAddress is PORT, else 8080, else any free port, on this machine alone.
func listenAddress() (string, error) {
	port := cmp.Or(os.Getenv("PORT"), "8080")
	listener, err := net.Listen("tcp", "127.0.0.1:"+port)
	if err != nil && os.Getenv("PORT") == "" {
		listener, err = net.Listen("tcp", "127.0.0.1:0")
	}
	if err != nil {
		return "", err
	}
	defer listener.Close()
	return listener.Addr().String(), nil
}
