//go:build unix

package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// TestDemo does what a person would: runs the demo, follows what it prints, and presses Ctrl-C.
func TestDemo(t *testing.T) {
	if testing.Short() {
		t.Skip("starts Traefik")
	}
	dir := t.TempDir()
	binary, temp := filepath.Join(dir, "demo"), filepath.Join(dir, "temp")
	if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if err := os.Mkdir(temp, 0o700); err != nil {
		t.Fatal(err)
	}
	var out output
	cmd := exec.Command(binary)
	cmd.Env = append(os.Environ(), "PORT=0", "TMPDIR="+temp)
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	exited := make(chan error, 1)
	go func() { exited <- cmd.Wait() }()
	t.Cleanup(func() { syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) })
	for !strings.Contains(out.String(), "Ctrl-C ends it.") {
		select {
		case err := <-exited:
			t.Fatalf("ended: %v\n%s", err, out.String())
		case <-time.After(20 * time.Millisecond):
		}
	}

	address := regexp.MustCompile(`http://127\.0\.0\.1:\d+`).FindString(out.String())

	t.Run("each curl line does what is written above it", func(t *testing.T) {
		if _, err := exec.LookPath("curl"); err != nil {
			t.Skip(err)
		}
		lines := regexp.MustCompile(`(?m)^(.+)\n  (curl .+)$`).FindAllStringSubmatch(out.String(), -1)
		if len(lines) != 4 {
			t.Fatalf("%d curl lines in\n%s", len(lines), out.String())
		}
		for _, line := range lines {
			status := regexp.MustCompile(`\b[2-5]\d\d\b`).FindString(line[1])
			answer, err := exec.Command("sh", "-c", line[2]).Output()
			if err != nil {
				t.Fatalf("%s: %v", line[2], err)
			}
			if !strings.HasPrefix(string(answer), "HTTP/1.1 "+status+" ") {
				t.Errorf("%s\n%s\nanswers\n%s", line[1], line[2], answer)
			}
			if in := strings.Contains(string(answer), "Hello, ada, on Your laptop!"); in != (status == "200") {
				t.Errorf("%s\nanswers\n%s", line[2], answer)
			}
			if strings.Contains(string(answer), "mallory") || strings.Contains(string(answer), "authorization=") {
				t.Errorf("%s\nlets through\n%s", line[2], answer)
			}
		}
	})

	t.Run("a browser is sent to the pairing page, and back with a cookie", func(t *testing.T) {
		jar, err := cookiejar.New(nil)
		if err != nil {
			t.Fatal(err)
		}
		browser := &http.Client{Jar: jar}
		visit := func(r *http.Request, err error) (*url.URL, string) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Accept", "text/html")
			response, err := browser.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			body, err := io.ReadAll(response.Body)
			if err != nil {
				t.Fatal(err)
			}
			return response.Request.URL, string(body)
		}

		at, body := visit(http.NewRequest("GET", address+"/?from=afar", nil))
		if at.Path != loginPath || !strings.Contains(body, "Pair this browser") {
			t.Fatalf("at %s:\n%s", at, body)
		}
		next := regexp.MustCompile(`name="next" value="(.*)"`).FindStringSubmatch(body)
		if next == nil {
			t.Fatal(body)
		}
		post, err := http.NewRequest("POST", at.String(), strings.NewReader(url.Values{"next": {next[1]}}.Encode()))
		if err == nil {
			post.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}
		at, body = visit(post, err)
		if at.RequestURI() != "/?from=afar" || !strings.Contains(body, "<h1>Hello, ada</h1>") {
			t.Errorf("at %s:\n%s", at, body)
		}

		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		conn, _, err := websocket.Dial(ctx, address+"/echo", &websocket.DialOptions{HTTPClient: browser})
		if err != nil {
			t.Fatal(err)
		}
		defer conn.CloseNow()
		if err := conn.Write(ctx, websocket.MessageText, []byte("hello")); err != nil {
			t.Fatal(err)
		}
		if _, answer, err := conn.Read(ctx); err != nil || string(answer) != "ada: hello" {
			t.Errorf("the WebSocket answers %q, %v", answer, err)
		}
		if _, response, err := websocket.Dial(ctx, address+"/echo", nil); err == nil || response == nil || response.StatusCode != 401 {
			t.Errorf("a WebSocket without the cookie: %v", err)
		}
	})

	t.Run("Ctrl-C leaves nothing behind", func(t *testing.T) {
		if err := syscall.Kill(-cmd.Process.Pid, syscall.SIGINT); err != nil { // the group, as a terminal does
			t.Fatal(err)
		}
		select {
		case err := <-exited:
			if err != nil {
				t.Errorf("%v\n%s", err, out.String())
			}
		case <-time.After(10 * time.Second):
			t.Fatal("it is still there after ten seconds")
		}
		if err := syscall.Kill(-cmd.Process.Pid, 0); !errors.Is(err, syscall.ESRCH) {
			t.Errorf("a process is left: %v", err)
		}
		left, err := os.ReadDir(temp)
		if err != nil || len(left) > 0 {
			t.Errorf("left in the temporary directory: %v %v", left, err)
		}
	})
}

func TestLocalPath(t *testing.T) {
	for next, want := range map[string]string{
		"http://127.0.0.1:8080/a?b=c":  "/a?b=c",
		"/a?b=c":                       "/a?b=c",
		"https://elsewhere.example":    "/",
		"https://elsewhere.example//a": "/",
		"//elsewhere.example/a":        "/a",
		"///elsewhere.example":         "/",
		`/\elsewhere.example`:          "/%5Celsewhere.example",
		"/%2felsewhere.example":        "/",
		"javascript:alert(1)":          "/",
		"":                             "/",
		"%":                            "/",
	} {
		if got := localPath(next); got != want {
			t.Errorf("localPath(%q) = %q, want %q", next, got, want)
		}
	}
}

type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}
