package wire

import (
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/getportal/ptlauth/e2e/issuer"
	"github.com/getportal/ptlauth/e2e/traefik"
	"github.com/getportal/ptlauth/e2e/traefik/traefiktest"
)

// TestAPI: Traefik's own API shows a middleware's configuration to whoever reaches it, but not what stands in files.
func TestAPI(t *testing.T) {
	if testing.Short() {
		t.Skip("starts Traefik")
	}
	secret, _ := issuer.Keyring(t)
	proxy := traefiktest.Start(t, traefik.Options{Dynamic: strings.ReplaceAll(`
http:
  middlewares:
    auth: {plugin: {ptlauth: {secretFile: "SECRET", terminals: any}}}
  services:
    app: {loadBalancer: {servers: [{url: "http://127.0.0.1:9"}]}}
  routers:
    app: {rule: PathPrefix("/"), service: app, middlewares: [auth], entryPoints: [web]}
`, "SECRET", secret)})
	content, err := os.ReadFile(secret)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Timeout: 10 * time.Second}
	for _, path := range []string{"/api/rawdata", "/api/http/middlewares/auth@file", "/api/http/routers/app@file"} {
		response, err := client.Get(proxy.URL("traefik") + path)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		_ = response.Body.Close()
		if err != nil || response.StatusCode != http.StatusOK || !strings.Contains(string(body), "auth@file") {
			t.Fatalf("%s: %d, %v: %.300s", path, response.StatusCode, err, body)
		}
		if strings.Contains(string(body), string(content)) {
			t.Errorf("%s shows the secret", path)
		}
	}
}
