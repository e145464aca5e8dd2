//go:build unix

package main

import (
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/getportal/ptlauth/e2e/program"
	"github.com/getportal/ptlauth/e2e/visitor"
)

// TestDemo does what a person would: runs the demo, follows what it prints, and presses Ctrl-C.
func TestDemo(t *testing.T) {
	if testing.Short() {
		t.Skip("starts Traefik")
	}
	d := start(t, "PORT=0")
	link := d.Await(t, `http://127\.0\.0\.1:\d+/\.ptl/pair\S*#\S+`)
	address := regexp.MustCompile(`^http://[^/]+`).FindString(link)
	phone := visitor.NewPerson(t, "")
	socket := func() (*websocket.Conn, int) {
		conn, response, err := websocket.Dial(t.Context(), strings.Replace(address, "http", "ws", 1)+"/echo", &websocket.DialOptions{HTTPClient: phone.Client()})
		if response == nil {
			t.Fatal(err)
		}
		return conn, response.StatusCode
	}

	d.Await(t, `▀|█|▄`) // the QR code
	d.Await(t, `\b[0-9A-Z]{5}-[0-9A-Z]{5}\b`)
	if page := phone.Visit(address + "/"); page.Status != 401 || strings.Contains(page.Text, "Hello") {
		t.Fatalf("nobody is paired, and got %d\n%s", page.Status, page.Text)
	}
	question, _ := phone.Pair(link)
	if !strings.Contains(question.Text, "Your phone") || !strings.Contains(question.Text, "Chrome on Android") {
		t.Errorf("the question is\n%s", question.Text)
	}
	if page := phone.Visit(address + "/"); page.Status != 200 || !strings.Contains(page.Text, "<h1>Hello, ada</h1>") {
		t.Fatalf("after pairing: %d\n%s", page.Status, page.Text)
	}
	d.Await(t, `Chrome on Android, 127\.0\.0\.1 is in\. Was that you\?`)
	d.Type(t, "\n")
	d.Await(t, `Ctrl-C ends it\.`)

	conn, status := socket()
	if status != 101 {
		t.Fatalf("a WebSocket of the phone: %d", status)
	}
	defer conn.CloseNow()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := conn.Write(ctx, websocket.MessageText, []byte("hello")); err != nil {
		t.Fatal(err)
	}
	if _, answer, err := conn.Read(ctx); err != nil || string(answer) != "ada: hello" {
		t.Fatalf("the WebSocket answers %q, %v", answer, err)
	}

	t.Run("each curl line does what is written above it", func(t *testing.T) {
		program.Need(t, "curl", "curl")
		lines := regexp.MustCompile(`(?m)^(.+)\n  (curl .+)$`).FindAllStringSubmatch(d.Text(), -1)
		if len(lines) != 2 {
			t.Fatalf("%d curl lines in\n%s", len(lines), d.Text())
		}
		for _, line := range lines {
			status := regexp.MustCompile(`\b[2-5]\d\d\b`).FindString(line[1])
			answer := d.shell(t, line[2])
			if !strings.HasPrefix(answer, "HTTP/1.1 "+status+" ") || strings.Contains(answer, "Hello") {
				t.Errorf("%s\n%s\nanswers\n%s", line[1], line[2], answer)
			}
		}
	})

	t.Run("what is thrown out in another terminal is out, though its page is open", func(t *testing.T) {
		folder := d.command(t, `cd \S+`)
		if table := d.shell(t, folder+"\n"+d.command(t, `\./ptl terminals`)); !strings.Contains(table, "Your phone") || !strings.Contains(table, "ada") {
			t.Errorf("who is in:\n%s", table)
		}
		d.shell(t, folder+"\n"+d.command(t, `\./ptl unpair .+`))
		if _, _, err := conn.Read(ctx); err == nil || ctx.Err() != nil {
			t.Errorf("the WebSocket is still open: %v", err)
		}
		if page := phone.Visit(address + "/"); page.Status != 401 || strings.Contains(page.Text, "Hello") || !strings.Contains(page.Text, `name="code"`) {
			t.Errorf("the next click: %d\n%s", page.Status, page.Text)
		}
		if _, status := socket(); status != 401 {
			t.Errorf("another WebSocket: %d", status)
		}
	})

	t.Run("another device is let in from another terminal", func(t *testing.T) {
		other := program.NewScreen(t, ".", os.Environ(), "sh", "-c", d.command(t, `cd \S+`)+"\nexec "+d.command(t, `\./ptl pair .+`))
		visitor.NewPerson(t, "").Pair(other.Await(t, `http://\S+/\.ptl/pair\S*#\S+`))
		other.Await(t, `Was that you\?`)
		other.Type(t, "\n")
		if code := other.End(t, 10*time.Second); code != 0 {
			t.Errorf("exit %d\n%s", code, other.Text())
		}
	})

	t.Run("Ctrl-C leaves nothing behind", d.interrupt)
}

// TestDemoUnused ends the demo while it waits for a device.
func TestDemoUnused(t *testing.T) {
	if testing.Short() {
		t.Skip("starts Traefik")
	}
	d := start(t, "PORT=0")
	d.Await(t, `/\.ptl/pair\S*#\S+`)
	d.interrupt(t)
}

func TestListenAddress(t *testing.T) {
	own, err := ownAddress()
	if err != nil {
		t.Skip("this machine is in no network: ", err)
	}
	for lan, want := range map[string]string{"": "127.0.0.1", "127.0.0.2": "127.0.0.2", "1": own, "yes": own} {
		t.Setenv("LAN", lan)
		for _, port := range []string{"", "0"} {
			t.Setenv("PORT", port)
			address, err := listenAddress()
			if err != nil {
				t.Fatal(err)
			}
			if host, port, _ := net.SplitHostPort(address); host != want || port == "0" {
				t.Errorf("with LAN=%q it listens on %s, not on %s", lan, address, want)
			}
		}
	}
}

// running is a demo, on a terminal of its own.
type running struct {
	*program.Screen
	temp string // where it makes its files
}

func start(t *testing.T, env ...string) *running {
	t.Helper()
	return startAs(t, "", env...)
}

// startAs starts it with an argument, if there is one.
func startAs(t *testing.T, argument string, env ...string) *running {
	t.Helper()
	dir := t.TempDir()
	binary, temp := filepath.Join(dir, "demo"), filepath.Join(dir, "temp")
	if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if err := os.Mkdir(temp, 0o700); err != nil {
		t.Fatal(err)
	}
	return &running{program.NewScreen(t, ".", append(append(os.Environ(), "LAN=", "TMPDIR="+temp), env...), append([]string{binary}, strings.Fields(argument)...)...), temp}
}

// command is what stands alone on a line that it has printed.
func (d *running) command(t *testing.T, pattern string) string {
	t.Helper()
	match := regexp.MustCompile(`(?m)^  (` + pattern + `)$`).FindStringSubmatch(d.Text())
	if match == nil {
		t.Fatalf("%s is not in\n%s", pattern, d.Text())
	}
	return match[1]
}

func (d *running) shell(t *testing.T, commands string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "sh", "-euc", commands)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s\n%s", err, commands, out)
	}
	return string(out)
}

func (d *running) interrupt(t *testing.T) {
	d.Type(t, "\x03")
	if code := d.End(t, 15*time.Second); code != 0 {
		t.Errorf("exit %d\n%s", code, d.Text())
	}
	if err := syscall.Kill(-d.Process(), 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("a process is left: %v", err)
	}
	left, err := os.ReadDir(d.temp)
	if err != nil || len(left) > 0 {
		t.Errorf("left in the temporary directory: %v %v", left, err)
	}
}
