// Command demo shows ptlauth at work, with Go and nothing else: a Traefik with the plugin, a small app
// behind it, and ptl, by which a phone is let in and thrown out.
//
// LAN=1 lets the devices of the local network reach it, LAN=ADDRESS by that address of this machine.
// PORT chooses the port, TRAEFIK a binary to use instead of building one.
//
// With the argument cluster there are three Traefiks instead, which Redis configures, behind HAProxy.
package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	"github.com/getportal/ptlauth/e2e/demo/app"
	"github.com/getportal/ptlauth/e2e/traefik"
)

const (
	device = "Your phone"
	user   = "ada"
)

func main() {
	demo := show
	if len(os.Args) == 2 && os.Args[1] == "cluster" {
		demo = showCluster
	}
	if err := run(demo, os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

func run(demo func(ctx context.Context, dir string, stdout, progress io.Writer) error, stdout, progress io.Writer) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	dir, err := os.MkdirTemp("", "ptlauth-demo-")
	if err != nil {
		return err
	}
	err = demo(ctx, dir, stdout, progress)
	if ctx.Err() != nil {
		err = nil // ended on request, however far it had come
	}
	return errors.Join(err, os.RemoveAll(dir))
}

// show is the demo itself, until ctx ends. In dir it puts ptl, and what ptl and the plugin read.
func show(ctx context.Context, dir string, stdout, progress io.Writer) error {
	address, err := listenAddress()
	if err != nil {
		return err
	}
	appURL, closeApp, err := serve(app.New())
	if err != nil {
		return err
	}
	defer closeApp()
	url := "http://" + address
	configuration := fmt.Sprintf(dynamic, appURL, filepath.Join(dir, "secret"), filepath.Join(dir, "list", "terminals.json"))
	if err := furnish(dir, map[string]string{
		"secret":              rand.Text() + rand.Text(),
		"list/terminals.json": "[]\n",
		"dynamic.yml":         configuration,
		"ptl.yml":             fmt.Sprintf("url: %s\ndynamic: %s\n", url, filepath.Join(dir, "dynamic.yml")),
	}); err != nil {
		return err
	}
	if err := build(ctx, dir, progress); err != nil {
		return err
	}
	proxy, err := traefik.Start(ctx, traefik.Options{
		Progress: progress,
		Static:   fmt.Sprintf("entryPoints: {web: {address: %q}}", address),
		Dynamic:  configuration,
	})
	if err != nil {
		return err
	}
	defer proxy.Stop()

	fmt.Fprintf(stdout, welcome, url, reach(address))
	if err := pair(ctx, dir); err != nil || ctx.Err() != nil {
		return err
	}
	fmt.Fprintf(stdout, guide, url, dir, device, user)
	<-ctx.Done()
	return nil
}

const dynamic = `
http:
  routers:
    app: {entryPoints: [web], rule: PathPrefix("/"), middlewares: [auth], service: app}
  services:
    app: {loadBalancer: {servers: [{url: %q}]}}
  middlewares:
    auth:
      plugin:
        ptlauth:
          secretFile: %q
          terminals: {file: %q}
          pairing: true
`

// furnish writes what ptl and the plugin read, such as a secret, a list without a device, and where these are.
func furnish(dir string, files map[string]string) error {
	for name, content := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// build puts ptl into dir, made of this repository.
func build(ctx context.Context, dir string, progress io.Writer) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-buildvcs=false", "-modfile=dev.mod", "-o", dir+string(filepath.Separator), "./ptl")
	cmd.Dir = filepath.Join(repository(), "cmd")
	cmd.Stdout, cmd.Stderr = progress, progress
	return cmd.Run()
}

// repository is this one's folder.
func repository() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(file), "..", "..")
}

// pair runs ptl until a device is in, the code has ended unused, or ctx ends. What it says is all there is
// to say of that, so that only a ptl that cannot be run is an error.
func pair(ctx context.Context, dir string) error {
	cmd := exec.CommandContext(ctx, filepath.Join(dir, "ptl"), "pair", "--name", device, "--user", user)
	cmd.Dir = dir
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 5 * time.Second
	err := cmd.Run()
	var ended *exec.ExitError
	if errors.As(err, &ended) {
		return nil
	}
	return err
}

const welcome = `
An app without a login of its own is at %[1]s, and ptlauth lets nobody in yet.
%[2]s
`

const guide = `
What else to try, in another terminal:
  cd %[2]s

Who is in:
  ./ptl terminals

Throw the phone out, while its page is open: its WebSocket ends, and the next click meets the page for pairing.
  ./ptl unpair '%[3]s'

Let another device in.
  ./ptl pair --name 'Kitchen tablet' --user %[4]s

Without a token: 401, and the app never heard of it.
  curl -i %[1]s/

With a name of one's own choosing instead of a token: 401.
  curl -i -H 'X-Ptl-User: mallory' -H 'X_Ptl_User: mallory' %[1]s/

Ctrl-C ends it.
`

// reach says who can reach that address, because a phone that scans a code should be one of them.
func reach(address string) string {
	host, _, _ := net.SplitHostPort(address)
	if net.ParseIP(host).IsLoopback() {
		return "Only browsers on this machine reach it. For a phone in the same network: make demo LAN=1"
	}
	return "Everyone in the same network reaches it, unless a firewall is in the way. There is no HTTPS: it is for looking at."
}

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

// listenAddress is where the demo is: on PORT, else on 8080, else on any free port; of this machine alone,
// unless LAN says otherwise.
func listenAddress() (string, error) {
	host := "127.0.0.1"
	switch lan := os.Getenv("LAN"); {
	case net.ParseIP(lan) != nil:
		host = lan
	case lan != "":
		own, err := ownAddress()
		if err != nil {
			return "", err
		}
		host = own
	}
	port := os.Getenv("PORT")
	if port != "" {
		return free(host, port)
	}
	if address, err := free(host, "8080"); err == nil {
		return address, nil
	}
	return free(host, "0")
}

func free(host, port string) (string, error) {
	listener, err := net.Listen("tcp", net.JoinHostPort(host, port))
	if err != nil {
		return "", err
	}
	defer listener.Close()
	return listener.Addr().String(), nil
}

// ownAddress is this machine's in the network by which it reaches others. Nothing is sent to find it out:
// 192.0.2.1 is nobody's (RFC 5737).
func ownAddress() (string, error) {
	conn, err := net.Dial("udp", "192.0.2.1:9")
	if err != nil {
		return "", fmt.Errorf("this machine's address in its network cannot be told (%w): write it, as in LAN=192.168.1.20", err)
	}
	defer conn.Close()
	return conn.LocalAddr().(*net.UDPAddr).IP.String(), nil
}
