package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"

	"github.com/getportal/ptlauth/e2e/demo/app"
	"github.com/getportal/ptlauth/e2e/traefik"
)

// showCluster is the demo with three Traefiks, until ctx ends.
func showCluster(ctx context.Context, dir string, stdout, progress io.Writer) error {
	if err := installed(); err != nil {
		return err
	}
	address, err := listenAddress()
	if err != nil {
		return err
	}
	redis, err := free("127.0.0.1", "0")
	if err != nil {
		return err
	}
	url := "http://" + address
	secret := filepath.Join(dir, "secret")
	if err := furnish(dir, map[string]string{
		"secret":      rand.Text() + rand.Text(),
		"redis/empty": "",
		"ptl.yml":     fmt.Sprintf("url: %s\nregistry: redis://%s\nmiddleware: auth\nsecretFile: %s\n", url, redis, secret),
	}); err != nil {
		return err
	}
	if err := build(ctx, dir, progress); err != nil {
		return err
	}
	stopRedis, err := configured(ctx, dir, redis, secret)
	if err != nil {
		return err
	}
	defer stopRedis()
	proxies, err := startAll(ctx, redis, progress)
	for _, proxy := range proxies {
		defer proxy.Stop()
	}
	if err != nil {
		return err
	}
	stopBalancer, err := balanced(ctx, dir, address, proxies)
	if err != nil {
		return err
	}
	defer stopBalancer()

	fmt.Fprintf(stdout, welcomeCluster, url, reach(address))
	if err := pair(ctx, dir); err != nil || ctx.Err() != nil {
		return err
	}
	fmt.Fprintf(stdout, guideCluster, url, dir, device, user, proxies[0].PID(), redis)
	<-ctx.Done()
	return nil
}

// installed says which program is missing.
func installed() error {
	for program, debianPackage := range map[string]string{"redis-server": "redis-server", "redis-cli": "redis-tools", "haproxy": "haproxy"} {
		if _, err := exec.LookPath(program); err != nil {
			return fmt.Errorf("%s is not installed (on Debian: apt-get install %s); with Docker: docker compose -f demo/cluster/compose.yml up", program, debianPackage)
		}
	}
	return nil
}

// balanced starts HAProxy before the Traefiks.
func balanced(ctx context.Context, dir, address string, proxies []*traefik.Traefik) (stop func(), err error) {
	env := []string{"BIND=" + address, "HOST=" + address}
	for i, proxy := range proxies {
		env = append(env, fmt.Sprintf("TRAEFIK_%d=%s", i+1, proxy.Addr("web")))
	}
	return begin(ctx, filepath.Join(dir, "haproxy.log"), address, []string{"haproxy", "-f", clusterFile("haproxy.cfg")}, env...)
}

func clusterFile(name string) string { return filepath.Join(repository(), "demo", "cluster", name) }

// configured starts Redis, with two apps and the middleware in it.
func configured(ctx context.Context, dir, redis, secret string) (stop func(), err error) {
	apps := make([]string, 2)
	closeApps := func() {}
	for i, handler := range []http.Handler{app.New(), http.StripPrefix("/two", app.New())} {
		url, stopApp, err := serve(handler)
		if err != nil {
			return nil, err
		}
		before := closeApps
		closeApps = func() { _ = stopApp(); before() }
		apps[i] = url
	}
	host, port, _ := net.SplitHostPort(redis)
	stopRedis, err := begin(ctx, filepath.Join(dir, "redis.log"), redis, []string{"redis-server", clusterFile("redis.conf"),
		"--bind", host, "--port", port, "--dir", filepath.Join(dir, "redis")})
	if err != nil {
		closeApps()
		return nil, err
	}
	stop = func() { stopRedis(); closeApps() }
	cmd := exec.CommandContext(ctx, "sh", clusterFile("configure.sh"), "-h", host, "-p", port)
	cmd.Env = append(os.Environ(), "SECRET_FILE="+secret, "APP_ONE="+apps[0], "APP_TWO="+apps[1])
	if out, err := cmd.CombinedOutput(); err != nil {
		stop()
		return nil, fmt.Errorf("configure.sh: %w\n%s", err, out)
	}
	return stop, nil
}

// startAll starts three Traefiks, each as demo/cluster/compose.yml says.
func startAll(ctx context.Context, redis string, progress io.Writer) ([]*traefik.Traefik, error) {
	if _, err := traefik.Binary(ctx, "", progress); err != nil {
		return nil, err
	}
	all, errs := make([]*traefik.Traefik, 3), make([]error, 3)
	var group sync.WaitGroup
	for i := range all {
		group.Go(func() {
			all[i], errs[i] = traefik.Start(ctx, traefik.Options{Progress: progress, Static: fmt.Sprintf(
				"{entryPoints: {web: {http: {middlewares: [auth@redis]}, forwardedHeaders: {trustedIPs: [127.0.0.1/32]}}}, providers: {providersThrottleDuration: 2s, redis: {endpoints: [%q]}}}", redis)})
		})
	}
	group.Wait()
	var started []*traefik.Traefik
	for i, proxy := range all {
		if errs[i] == nil {
			started = append(started, proxy)
		}
	}
	for _, err := range errs {
		if err != nil {
			return started, err
		}
	}
	return started, nil
}

// begin runs a program that ends when this one does, however it does, and returns when it listens.
func begin(ctx context.Context, log, listens string, program []string, env ...string) (stop func(), err error) {
	output, err := os.Create(log)
	if err != nil {
		return nil, err
	}
	defer output.Close()
	// The shell sees its input end. Ctrl-C, which it gets too, is this program's to act on.
	const script = `trap "" INT; "$@" </dev/null & cat; kill $!; wait`
	cmd := exec.Command("sh", append([]string{"-c", script, "sh"}, program...)...)
	cmd.Env = append(os.Environ(), env...)
	cmd.Stdout, cmd.Stderr = output, output
	input, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	stop = func() { input.Close(); _ = cmd.Wait() }
	for tries := 0; ; tries++ {
		conn, err := net.DialTimeout("tcp", listens, time.Second)
		if err == nil {
			return stop, conn.Close()
		}
		if tries == 300 || ctx.Err() != nil {
			stop()
			said, _ := os.ReadFile(log)
			return nil, fmt.Errorf("%s does not listen at %s: %w\n%s", program[0], listens, err, said)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

const welcomeCluster = `
Two apps without a login of their own are at %[1]s/ and %[1]s/two/, behind three Traefiks
that Redis configures, and HAProxy, which asks them in turn. ptlauth lets nobody in yet.
%[2]s
`

const guideCluster = `
The apps say by which Traefik they were asked (X-Traefik). What else to try, in another terminal:
  cd %[2]s

Who is in:
  ./ptl terminals

One Traefik dies, and nobody notices: reload the page.
  kill -9 %[5]d

Throw the phone out, of all of them, while its page is open: its WebSocket ends.
  ./ptl unpair '%[3]s'

Let another device in.
  ./ptl pair --name 'Kitchen tablet' --user %[4]s

Without a token: 401, and the app never heard of it.
  curl -i %[1]s/

What the Traefiks read:
  redis-cli -u redis://%[6]s --scan --pattern 'traefik/*'

Ctrl-C ends it.
`
