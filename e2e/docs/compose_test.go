package docs

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/coder/websocket/wsjson"
	"github.com/traefik/traefik/v3/pkg/config/dynamic"
	"github.com/traefik/traefik/v3/pkg/config/label"
	"gopkg.in/yaml.v3"

	"github.com/getportal/ptlauth/e2e/convos"
	"github.com/getportal/ptlauth/e2e/issuer"
	"github.com/getportal/ptlauth/e2e/program"
	"github.com/getportal/ptlauth/e2e/traefik"
	"github.com/getportal/ptlauth/e2e/visitor"
)

// TestCompose runs what demo/compose.yml describes, with Convos played by a stand-in: Traefik with those flags, the
// router of those labels, and the middleware of demo/ptlauth/dynamic.yml. What demo/README.md says to type is typed.
func TestCompose(t *testing.T) {
	if testing.Short() {
		t.Skip("starts Traefik")
	}
	const host = "chat.example.com"
	project := composed(t, "../../demo/compose.yml")
	service := project.Services["convos"]
	if len(service.Ports) > 0 {
		t.Errorf("Convos can be reached around Traefik, through %v", service.Ports)
	}
	admin := *service.Environment["CONVOS_ADMIN"]
	app := convos.New(*service.Environment["CONVOS_AUTH_HEADER"], admin)
	backend := httptest.NewServer(app)
	t.Cleanup(backend.Close)

	commands := fencedBlocks(t, "../../demo/README.md")
	if len(commands) != 3 {
		t.Fatalf("demo/README.md has the commands %q", commands)
	}
	folder, env := furnished(t, "../../demo", commands[0].text)
	proxied := project.Services["traefik"]
	if v := mounted(t, proxied, "/etc/ptlauth"); !v.ReadOnly || filepath.Base(v.Source) != "ptlauth" || !slices.Contains(proxied.Command, "--providers.file.filename=/etc/ptlauth/dynamic.yml") {
		t.Errorf("Traefik has %+v, and %q", v, proxied.Command)
	}
	certificate, key := issuer.Certificate(t, host)
	proxy, err := traefik.Start(t.Context(), traefik.Options{
		Static: staticFrom(t, proxied.Command),
		Dynamic: strings.ReplaceAll(dynamicFrom(t, service.Labels, backend.URL), "/etc/ptlauth", filepath.Join(folder, "ptlauth")) +
			fmt.Sprintf("tls: {stores: {default: {defaultCertificate: {certFile: %q, keyFile: %q}}}}\n", certificate, key),
		Progress: os.Stderr,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(proxy.Stop)

	env = append(env, "SSL_CERT_FILE="+certificate, "HTTPS_PROXY="+visitor.Tunnel(t, proxy.Addr("https")))
	phone := visitor.NewPerson(t, proxy.Addr("https"))
	pairing := program.NewScreen(t, folder, env, "sh", "-ec", commands[1].text)
	phone.Pair(pairing.Await(t, `https://`+host+`/\.ptl/pair\S*#\S+`))
	pairing.Await(t, `Was that you\?`)
	pairing.Type(t, "\n")
	if code := pairing.End(t, 10*time.Second); code != 0 {
		t.Fatalf("exit %d\n%s", code, pairing.Text())
	}
	token := phone.Cookie("https://"+host+"/", "authorization")
	transport := &http.Transport{
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, proxy.Addr("https"))
		},
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
	}
	t.Cleanup(transport.CloseIdleConnections)
	client := &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	cookie := http.Header{"Cookie": {"authorization=" + token}}
	with := func(extra http.Header) http.Header {
		header := cookie.Clone()
		maps.Copy(header, extra)
		return header
	}
	get := func(t *testing.T, path string, header http.Header, trailer http.Header) (int, string) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), "GET", "https://"+host+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if trailer != nil {
			r.Body, r.ContentLength, r.Trailer = io.NopCloser(strings.NewReader("x")), -1, trailer
		}
		maps.Copy(r.Header, header)
		response, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		var user struct{ Email string }
		body, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		_ = json.Unmarshal(body, &user)
		return response.StatusCode, user.Email
	}

	t.Run("a terminal is its user, who is Convos' admin", func(t *testing.T) {
		if status, email := get(t, "/api/user", cookie, nil); status != 200 || email != admin {
			t.Errorf("got %d %q, want 200 %q", status, email, admin)
		}
	})

	t.Run("without a token nothing reaches Convos", func(t *testing.T) {
		before := app.Requests()
		for _, path := range []string{"/", "/api/user", "/events", "/public/../api/user", "/assets/../api/user", "/Assets/", "/assets/%2e%2e/api/user"} {
			if status, _ := get(t, path, nil, nil); status != 401 {
				t.Errorf("%s: got %d, want 401", path, status)
			}
		}
		if seen := app.Requests() - before; seen > 0 {
			t.Errorf("Convos saw %d requests", seen)
		}
	})

	t.Run("what a browser installs the app with needs no cookie, and is nobody's", func(t *testing.T) {
		if status, _ := get(t, "/assets/site.webmanifest", http.Header{"X-Ptl-User": {admin}, "X-Request-Base": {"https://mallory.example"}}, nil); status != 200 {
			t.Errorf("got %d", status)
		}
		if base := app.Base(); base == "https://mallory.example" || len(app.Users()) != 1 {
			t.Errorf("Convos thinks that it lives at %q, and has the users %q", base, app.Users())
		}
	})
	t.Run("the address to sign out is where demo/README.md says", func(t *testing.T) {
		address := regexp.MustCompile(`Sign a browser out at (\S+)\.\s`).FindStringSubmatch(text(t, "../../demo/README.md"))
		if address == nil {
			t.Fatal("it says none")
		}
		other := visitor.NewPerson(t, proxy.Addr("https"))
		if page := other.Visit(address[1]); page.Status != 200 {
			t.Errorf("got %d\n%s", page.Status, page.Text)
		}
	})

	const mallory = "mallory@example.com"
	forgeries := map[string]http.Header{
		"as it is":          {"X-Ptl-User": {mallory}},
		"in lower case":     {"x-ptl-user": {mallory}},
		"with underscores":  {"X_Ptl_User": {mallory}},
		"with one":          {"X-Ptl_User": {mallory}},
		"with dots":         {"X.Ptl.User": {mallory}},
		"with tildes":       {"X~Ptl~User": {mallory}},
		"with two dashes":   {"X--Ptl-User": {mallory}},
		"with a mark":       {"X-Ptl-User!": {mallory}},
		"twice":             {"X-Ptl-User": {mallory, mallory}},
		"in every spelling": {"X-Ptl-User": {mallory}, "x-ptl-user": {mallory}, "X_Ptl_User": {mallory}},
	}
	for name, forged := range forgeries {
		t.Run("a forged X-Ptl-User "+name+" is not believed", func(t *testing.T) {
			before := app.Requests()
			if status, _ := get(t, "/api/user", forged, nil); status != 401 {
				t.Errorf("without a token: got %d, want 401", status)
			}
			if seen := app.Requests() - before; seen > 0 {
				t.Errorf("without a token: Convos saw %d requests", seen)
			}
			if status, email := get(t, "/api/user", with(forged), nil); status != 200 || email != admin {
				t.Errorf("with a token: got %d %q, want 200 %q", status, email, admin)
			}
		})
	}
	t.Run("a forged trailer is not believed", func(t *testing.T) {
		forged := http.Header{"X-Ptl-User": {mallory}}
		if status, _ := get(t, "/api/user", nil, forged); status != 401 {
			t.Errorf("without a token: got %d, want 401", status)
		}
		if status, email := get(t, "/api/user", cookie, forged); status != 200 || email != admin {
			t.Errorf("with a token: got %d %q, want 200 %q", status, email, admin)
		}
	})
	t.Run("a client does not tell Convos its address", func(t *testing.T) {
		get(t, "/", with(http.Header{"X-Request-Base": {"https://mallory.example"}}), nil)
		if got, want := app.Base(), "https://"+host; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	})

	t.Run("a WebSocket", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		dial := func(header http.Header) (*websocket.Conn, int) {
			conn, response, err := websocket.Dial(ctx, "wss://"+host+"/events", &websocket.DialOptions{HTTPClient: client, HTTPHeader: header})
			if response == nil {
				t.Fatal(err)
			}
			return conn, response.StatusCode
		}
		refused := func(name string, header http.Header, want int) {
			t.Run(name, func(t *testing.T) {
				before := app.Requests()
				if _, status := dial(header); status != want {
					t.Errorf("got %d, want %d", status, want)
				}
				if seen := app.Requests() - before; seen > 0 {
					t.Errorf("Convos saw %d requests", seen)
				}
			})
		}
		refused("without a token is refused before its upgrade", nil, 401)
		refused("with a forged name is refused", http.Header{"X-Ptl-User": {admin}}, 401)
		refused("that another app's page opened is refused", with(http.Header{"Origin": {"https://notes.example.com"}}), 403)

		t.Run("with a token stays open, and Convos knows whose it is", func(t *testing.T) {
			conn, status := dial(with(http.Header{"Origin": {"https://" + host}, "X-Ptl-User": {mallory}}))
			if status != 101 {
				t.Fatalf("got %d, want 101", status)
			}
			defer conn.CloseNow()
			for _, message := range []string{"one", "two"} {
				if err := conn.Write(ctx, websocket.MessageText, []byte(message)); err != nil {
					t.Fatal(err)
				}
				var got convos.Event
				if err := wsjson.Read(ctx, conn, &got); err != nil {
					t.Fatal(err)
				}
				if want := (convos.Event{Email: admin, Message: message}); got != want {
					t.Errorf("got %+v, want %+v", got, want)
				}
				time.Sleep(100 * time.Millisecond)
			}
		})
	})

	t.Run("plain HTTP is redirected", func(t *testing.T) {
		r, err := http.NewRequestWithContext(t.Context(), "GET", proxy.URL("http")+"/chat", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = host
		direct := &http.Client{CheckRedirect: client.CheckRedirect}
		response, err := direct.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if location := response.Header.Get("Location"); response.StatusCode/100 != 3 || !strings.HasPrefix(location, "https://"+host) {
			t.Errorf("got %d to %q", response.StatusCode, location)
		}
	})

	t.Run("a phone that is thrown out is out of what it has open, too", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		conn, _, err := websocket.Dial(ctx, "wss://"+host+"/events", &websocket.DialOptions{HTTPClient: client, HTTPHeader: with(http.Header{"Origin": {"https://" + host}})})
		if err != nil {
			t.Fatal(err)
		}
		defer conn.CloseNow()
		unpair := program.NewScreen(t, folder, env, "sh", "-ec", commands[2].text)
		if code := unpair.End(t, 20*time.Second); code != 0 {
			t.Fatalf("exit %d\n%s", code, unpair.Text())
		}
		if _, _, err := conn.Read(ctx); err == nil || ctx.Err() != nil {
			t.Errorf("the WebSocket is still open: %v", err)
		}
		if status, _ := get(t, "/api/user", cookie, nil); status != 401 {
			t.Errorf("got %d", status)
		}
	})

	if got := app.Users(); !slices.Equal(got, []string{admin}) {
		t.Errorf("Convos has the users %q, want only %q", got, admin)
	}
}

// furnished types commands, of which Docker's do nothing, in a copy of a folder of this repository that is as a clone has
// it. It returns the folder, and an environment with ptl in it.
func furnished(t *testing.T, source, commands string) (folder string, env []string) {
	t.Helper()
	folder, env = t.TempDir(), program.WithPtl(t)
	files := strings.Fields(run(t, source, "git", "ls-files"))
	for _, file := range files {
		to := filepath.Join(folder, file)
		if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(to, []byte(text(t, filepath.Join(source, file))), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	command := exec.CommandContext(t.Context(), "sh", "-ec", "docker() { test \"$*\" = 'compose up -d'; }\n"+commands)
	command.Dir, command.Env = folder, env
	if out, err := command.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s\n%s", err, commands, out)
	}
	return folder, env
}

// staticFrom turns Traefik's flags into the file that says the same, on free ports and
// without a Docker to ask.
func staticFrom(t *testing.T, flags []string) string {
	t.Helper()
	static := fromFlags(append(slices.Clone(flags),
		"--providers.docker.endpoint=tcp://127.0.0.1:1",
		"--entryPoints.http.address=127.0.0.1:0",
		"--entryPoints.https.address=127.0.0.1:0",
		"--certificatesResolvers.letsencrypt.acme.storage="+filepath.Join(t.TempDir(), "acme.json"),
	))
	delete(static["providers"].(map[string]any), "file") // the test's own
	text, err := yaml.Marshal(static)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// fromFlags nests what Traefik's flags say, as its file does.
func fromFlags(flags []string) map[string]any {
	static := map[string]any{}
	for _, flag := range flags {
		option, value, _ := strings.Cut(strings.TrimPrefix(flag, "--"), "=")
		path := strings.Split(option, ".")
		at := static
		for _, name := range path[:len(path)-1] {
			if at[name] == nil {
				at[name] = map[string]any{}
			}
			at = at[name].(map[string]any)
		}
		at[path[len(path)-1]] = value
	}
	return static
}

// dynamicFrom adds the routers and services of a container's labels to demo/ptlauth/dynamic.yml,
// as the Docker provider would, but for what only the Internet and Docker have.
func dynamicFrom(t *testing.T, labels map[string]string, server string) string {
	t.Helper()
	labels = maps.Clone(labels)
	delete(labels, "traefik.enable") // the provider's, not the configuration's
	decoded, err := label.DecodeConfiguration(labels)
	if err != nil {
		t.Fatal(err)
	}
	for _, router := range decoded.HTTP.Routers {
		if router.TLS == nil || router.TLS.CertResolver != "letsencrypt" {
			t.Errorf("the router's TLS is %+v", router.TLS)
			continue
		}
		router.TLS.CertResolver = ""
	}
	for _, service := range decoded.HTTP.Services {
		if port := service.LoadBalancer.Servers[0].Port; port != "3000" {
			t.Errorf("the service's port is %q", port)
		}
		service.LoadBalancer.Servers = []dynamic.Server{{URL: server}}
	}

	var configuration map[string]map[string]any
	read(t, "../../demo/ptlauth/dynamic.yml", &configuration)
	configuration["http"]["routers"] = decoded.HTTP.Routers
	configuration["http"]["services"] = decoded.HTTP.Services
	text, err := yaml.Marshal(configuration)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func read(t *testing.T, path string, into any) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(text, into); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}
