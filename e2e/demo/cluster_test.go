//go:build unix

package main

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/getportal/ptlauth/e2e/poll"
	"github.com/getportal/ptlauth/e2e/program"
	"github.com/getportal/ptlauth/e2e/visitor"
)

// TestDemoCluster does what a person would: runs the demo with three Traefiks, follows what it prints, and presses Ctrl-C.
func TestDemoCluster(t *testing.T) {
	if testing.Short() {
		t.Skip("starts Traefik")
	}
	program.Need(t, "redis-server", "redis-server")
	program.Need(t, "haproxy", "haproxy")
	program.Need(t, "curl", "curl")
	d := startAs(t, "cluster", "PORT=0")
	link := d.Await(t, `http://127\.0\.0\.1:\d+/\.ptl/pair\S*#\S+`)
	address := regexp.MustCompile(`^http://[^/]+`).FindString(link)
	phone := visitor.NewPerson(t, "")
	if page := phone.Visit(address + "/"); page.Status != 401 || strings.Contains(page.Text, "Hello") {
		t.Fatalf("nobody is paired, and got %d\n%s", page.Status, page.Text)
	}
	phone.Pair(link)
	d.Await(t, `Chrome on Android, 127\.0\.0\.1 is in\. Was that you\?`)
	d.Type(t, "\n")
	d.Await(t, `Ctrl-C ends it\.`)

	by := regexp.MustCompile(`(?s)X-Traefik.{0,200}?\b(one|two|three)\b`)
	asked := func(path string) map[string]int {
		all := map[string]int{}
		for range 12 {
			page := phone.Visit(address + path)
			name := by.FindStringSubmatch(page.Text)
			if page.Status != 200 || !strings.Contains(page.Text, "<h1>Hello, ada</h1>") || name == nil {
				t.Fatalf("%s: %d\n%s", path, page.Status, page.Text)
			}
			all[name[1]]++
		}
		return all
	}
	for _, path := range []string{"/", "/two/"} {
		if all := asked(path); len(all) != 3 {
			t.Errorf("%s was asked by %v", path, all)
		}
	}
	socket := func() *websocket.Conn {
		conn, _, err := websocket.Dial(t.Context(), strings.Replace(address, "http", "ws", 1)+"/echo", &websocket.DialOptions{HTTPClient: phone.Client()})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.CloseNow() })
		return conn
	}
	t.Run("one Traefik dies, and nobody notices", func(t *testing.T) {
		d.shell(t, d.command(t, `kill -9 \d+`))
		if all := asked("/"); len(all) != 2 {
			t.Errorf("the app was asked by %v", all)
		}
	})
	t.Run("what is thrown out is out of all of them, though its page is open", func(t *testing.T) {
		folder := d.command(t, `cd \S+`)
		open := []*websocket.Conn{socket(), socket(), socket(), socket()}
		if table := d.shell(t, folder+"\n"+d.command(t, `\./ptl terminals`)); !strings.Contains(table, "Your phone") || !strings.Contains(table, "ada") {
			t.Errorf("who is in:\n%s", table)
		}
		if keys := d.shell(t, d.command(t, `redis-cli .+`)); !strings.Contains(keys, "/terminals/paired/") {
			t.Errorf("in Redis are\n%s", keys)
		}
		// Without a second device, the middleware would answer 503, and HAProxy with it.
		other := program.NewScreen(t, ".", nil, "sh", "-c", folder+"\nexec "+d.command(t, `\./ptl pair .+`))
		tablet := visitor.NewPerson(t, "")
		tablet.Pair(other.Await(t, `http://\S+/\.ptl/pair\S*#\S+`))
		other.Await(t, `Was that you\?`)
		other.Type(t, "\n")
		if code := other.End(t, 10*time.Second); code != 0 {
			t.Errorf("exit %d\n%s", code, other.Text())
		}
		d.shell(t, folder+"\n"+d.command(t, `\./ptl unpair .+`))
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		for _, conn := range open {
			if _, _, err := conn.Read(ctx); err == nil || ctx.Err() != nil {
				t.Errorf("the WebSocket is still open: %v", err)
			}
		}
		for range 6 {
			if page := phone.Visit(address + "/"); page.Status != 401 || !strings.Contains(page.Text, `name="code"`) {
				t.Errorf("the next click: %d\n%s", page.Status, page.Text)
			}
		}
		if answer := d.shell(t, d.command(t, `curl .+`)); !strings.HasPrefix(answer, "HTTP/1.1 401 ") {
			t.Errorf("without a token\n%s", answer)
		}
		poll.Until(t, 30*time.Second, func() string {
			if page := tablet.Visit(address + "/"); page.Status != 200 {
				return fmt.Sprintf("the tablet got %d", page.Status)
			}
			return ""
		})
	})
	t.Run("Ctrl-C leaves nothing behind", d.interrupt)
}
