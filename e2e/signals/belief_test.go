package signals

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"maps"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/getportal/ptlauth/e2e/poll"
)

// TestWhatCannotBeBelieved: docs/operations.md says where Traefik shows what a client says of itself, and what must not be
// kept. It is so, and where the page says that it is not, nobody forged is named.
func TestWhatCannotBeBelieved(t *testing.T) {
	if testing.Short() {
		t.Skip("starts Traefik")
	}
	s := newStage(t, map[string]any{
		"tracing": map[string]any{
			"capturedRequestHeaders": []string{"X-Ptl-User", "Cookie"},
			"otlp":                   map[string]any{"http": map[string]any{"endpoint": "RECEIVER/v1/traces"}},
		},
		"metrics": map[string]any{"prometheus": map[string]any{"addEntryPointsLabels": true, "addRoutersLabels": true, "headerLabels": map[string]any{"user": "X-Ptl-User"}}},
	})
	metrics := newPrometheus(t, "", "traefik:8080", s.proxy.Addr("traefik"))
	door := s.doors[0]
	counted := func(t *testing.T, expression string) {
		t.Helper()
		poll.Until(t, 20*time.Second, func() string {
			if got := metrics.query(t, expression, "user"); len(got) == 0 {
				return "Prometheus has no " + expression
			}
			return ""
		})
	}

	for _, path := range []string{
		"/app", "/app/public", "/mirrored", "/compress-before", "/retry-behind", "/buffering-behind", "/strip-behind", "/replace-behind", "/compress-behind",
	} {
		t.Run("no address names anybody at "+path, func(t *testing.T) { s.wantNames(t, path, "Ada%20Lovelace", "-") })
	}
	t.Run("nor does one over HTTP/2", func(t *testing.T) {
		for authority, target := range map[string]string{
			forged + ":x@app.example.com": "/app/two",
			"app.example.com":             "https://" + forged + ":x@app.example.com/app/two",
		} {
			s.rawHTTP2(t, authority, target, "q4m8zt")
		}
		s.doors[2].Ask(t, http.StatusOK, "GET /app/three", s.lying("q4m8zt"))
		s.logged(t, "/app/three")
		text, err := os.ReadFile(s.log)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			if strings.Contains(line, forged) {
				t.Errorf("the log names him: %s", line)
			}
		}
	})
	changing := []string{"/https-before", "/strip-before", "/replace-before"}
	if os.Getenv("TRAEFIK_VERSION") == "v3.6" {
		changing = changing[:1] // there the others change the address in place
	}
	for _, path := range changing {
		t.Run("where metrics and traces are on, an address does behind what changes it at "+path, func(t *testing.T) { s.wantNames(t, path, forged, forged) })
	}
	for _, path := range []string{"/retry-before", "/buffering-before"} {
		t.Run("an address does behind what copies the request at "+path, func(t *testing.T) {
			s.wantNames(t, path, forged, forged)
			s.raw(t, path, "q4m8zt")
			counted(t, `traefik_router_requests_total{user="`+forged+`",router=~".*`+path[1:]+`@file"}`)
			if _, client := s.receiver.await(t, path); attribute(client, userAttribute) != "Ada Lovelace" {
				t.Errorf("the span is %v", client)
			}
		})
	}
	t.Run("at a router without ptlauth all of them name whom the client says", func(t *testing.T) {
		s.raw(t, "/open", "")
		line := s.logged(t, "/open")
		_, client := s.receiver.await(t, "/open")
		if line["ClientUsername"] != forged || line["request_X-Ptl-Client-Id"] != forged || attribute(client, userAttribute) != forged {
			t.Errorf("the log says %v, and the span %v", line, client)
		}
		counted(t, `traefik_service_requests_total{user="`+forged+`",service="open@file"}`)
	})
	t.Run("unless they are switched off there", func(t *testing.T) {
		s.raw(t, "/quiet/1", "")
		door.Ask(t, http.StatusUnauthorized, "GET /app/after", nil)
		s.logged(t, "/app/after")
		s.receiver.await(t, "/app/after")
		if s.keeps(t, "/quiet") || strings.Contains(s.receiver.everything(), "/quiet") {
			t.Error("it is logged or traced")
		}
	})
	t.Run("an entry point counts whatever user a client says where there is no router", func(t *testing.T) {
		door.Ask(t, http.StatusNotFound, "GET /nowhere", http.Header{"X-Ptl-User": {"anybody"}})
		counted(t, `traefik_entrypoint_requests_total{user="anybody",code="404"}`)
	})
	t.Run("the entry point's span has what the client sent, the token too", func(t *testing.T) {
		door.Ask(t, http.StatusOK, "GET /app/captured", s.lying("k7p2x9"))
		server, client := s.receiver.await(t, "/app/captured")
		if attribute(server, userAttribute) != forged || !strings.Contains(attribute(server, "http.request.header.cookie"), s.tokens["k7p2x9"]) {
			t.Errorf("it is %v", server)
		}
		if attribute(client, userAttribute) != "you@example.com" || attribute(client, "http.request.header.cookie") != "" {
			t.Errorf("the other one is %v", client)
		}
	})
	t.Run("what services behind ptlauth counted names nobody forged", func(t *testing.T) {
		if got := metrics.query(t, `traefik_service_requests_total{user=~"`+forged+`|anybody",service!="open@file"}`, "service"); len(got) > 0 {
			t.Errorf("it does: %v", got)
		}
		if got := metrics.query(t, `traefik_router_requests_total{user=~"`+forged+`|anybody",router!~".*(retry-before|buffering-before|open)@file"}`, "router"); len(got) > 0 {
			t.Errorf("it does: %v", got)
		}
	})
}

// TestAccessLogAlone: without metrics and traces the request that the log has is the one that ptlauth has.
func TestAccessLogAlone(t *testing.T) {
	if testing.Short() {
		t.Skip("starts Traefik")
	}
	s := newStage(t, map[string]any{"metrics": nil, "tracing": nil})
	for _, path := range []string{
		"/app", "/mirrored", "/https-before", "/strip-before", "/replace-before", "/compress-before",
		"/retry-behind", "/buffering-behind", "/strip-behind", "/replace-behind", "/compress-behind",
	} {
		t.Run("no address names anybody at "+path, func(t *testing.T) { s.wantNames(t, path, "Ada%20Lovelace", "-") })
	}
	for _, path := range []string{"/retry-before", "/buffering-before"} {
		t.Run("one does behind what copies the request at "+path, func(t *testing.T) { s.wantNames(t, path, forged, forged) })
	}
	t.Run("redirectScheme behind ptlauth takes the name out", func(t *testing.T) { s.wantNames(t, "/https-behind", "-", "-") })
}

// TestCommonFormat: whatever a user is called, a line stays one, and its fields where they are.
func TestCommonFormat(t *testing.T) {
	if testing.Short() {
		t.Skip("starts Traefik")
	}
	s := newStage(t, map[string]any{"accessLog": map[string]any{"filePath": "LOG", "format": "common"}, "metrics": nil, "tracing": nil})
	for terminal, path := range map[string]string{"k7p2x9": "/app/1", "q4m8zt": "/app/2", "w3n5yb": "/app/3", "": "/app/4"} {
		s.raw(t, path, terminal)
	}
	line := regexp.MustCompile(`^127\.0\.0\.1 - (\S+) \[[^\]]+\] "GET (\S+) HTTP/1\.1" (\d+) \d+ "-" "-" \d+ "app@file" "[^" ]+" \d+ms\n$`)
	poll.Until(t, 10*time.Second, func() string {
		text, err := os.ReadFile(s.log)
		if err != nil {
			return err.Error()
		}
		got := map[string]string{}
		for one := range strings.Lines(string(text)) {
			fields := line.FindStringSubmatch(one)
			if fields == nil {
				return "a line is " + one
			}
			got[fields[2]] = fields[3] + " " + fields[1]
		}
		want := map[string]string{
			"/app/1": "200 you@example.com", "/app/2": "200 Ada%20Lovelace", "/app/4": "401 -",
			"/app/3": "200 x%20[01/Jan/2026:00:00:00%20+0000]%20%22GET%20/%20HTTP/1.1%22%20200",
		}
		if !maps.Equal(got, want) {
			return fmt.Sprintf("got %v", got)
		}
		return ""
	})
	t.Run("the page's command finds what somebody did", func(t *testing.T) {
		out := s.typed(t, block(t, "Access log", "sh", "awk"))
		if strings.Count(out, "\n") != 1 || !strings.Contains(out, "GET /app/1") {
			t.Errorf("it says\n%s", out)
		}
	})
}

// wantNames looks whom the log names of a terminal, and of nobody, who ask for an address with another user in it.
func (s *stage) wantNames(t *testing.T, path, terminal, nobody string) {
	t.Helper()
	s.raw(t, path+"/terminal", "q4m8zt")
	s.raw(t, path+"/nobody", "")
	for page, want := range map[string]string{"/terminal": terminal, "/nobody": nobody} {
		if got := s.logged(t, path+page)["ClientUsername"]; got != want {
			t.Errorf("the log names %v of %s, want %s", got, page, want)
		}
	}
}

// rawHTTP2 asks for an authority and a target that no client would send, and waits for whatever comes of it.
func (s *stage) rawHTTP2(t *testing.T, authority, target, terminal string) {
	t.Helper()
	conn, err := tls.Dial("tcp", s.proxy.Addr("websecure"), &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	var block bytes.Buffer
	encoder := hpack.NewEncoder(&block)
	for _, field := range [][2]string{
		{":method", "GET"}, {":scheme", "https"}, {":authority", authority}, {":path", target},
		{"cookie", "authorization=" + s.tokens[terminal]}, {"x-ptl-user", forged},
	} {
		if err := encoder.WriteField(hpack.HeaderField{Name: field[0], Value: field[1]}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := conn.Write([]byte(http2.ClientPreface)); err != nil {
		t.Fatal(err)
	}
	framer := http2.NewFramer(conn, conn)
	if err := framer.WriteSettings(); err != nil {
		t.Fatal(err)
	}
	if err := framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block.Bytes(), EndStream: true, EndHeaders: true}); err != nil {
		t.Fatal(err)
	}
	for {
		frame, err := framer.ReadFrame()
		if err != nil {
			t.Fatal(err)
		}
		_, isReset := frame.(*http2.RSTStreamFrame)
		if isReset || frame.Header().StreamID == 1 && frame.Header().Flags.Has(http2.FlagDataEndStream) {
			return
		}
	}
}
