package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/getportal/ptlauth/cmd/command"
	"github.com/getportal/ptlauth/cmd/registry"
)

// TestManyAtOnce starts 1,000 ptl on one list, half of them to let a device in and half to throw one out: every yes is true.
func TestManyAtOnce(t *testing.T) {
	count, atOnce := 1000, 100
	if testing.Short() {
		count = 40
	}
	s := newTestSite(t, "          refresh: 500ms\n")
	file := &registry.File{Path: s.path("ptlauth/terminals.json")}
	err := file.Change(t.Context(), func(l *registry.List) error {
		for i := range count / 2 {
			l.Add(l.NewID(), fmt.Sprintf("old %d", i), "", nil)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	// Whoever is not in yet cannot be seen to be out.
	token, _ := s.run(t, command.Done, "token", "old 0")
	first := newDevice(t, s.url)
	first.client.Jar.SetCookies(must(t, s.url), cookie(strings.TrimSpace(token)))
	for tries := 0; first.visit(t) != 200; tries++ {
		if tries == 200 {
			t.Fatal("who is on the list is not in")
		}
		time.Sleep(50 * time.Millisecond)
	}
	stop := make(chan struct{})
	var reading, working sync.WaitGroup
	reading.Add(1)
	go func() {
		defer reading.Done()
		for {
			select {
			case <-stop:
				return
			case <-time.After(time.Millisecond):
				if _, err := file.Read(); err != nil {
					t.Errorf("whoever reads meanwhile gets: %v", err)
					return
				}
			}
		}
	}()
	slots := make(chan struct{}, atOnce)
	devices, out := make([]*device, count), make([]bool, count)
	for i := range count {
		working.Add(1)
		slots <- struct{}{}
		go func() {
			defer func() { <-slots; working.Done() }()
			if i%2 == 0 {
				devices[i] = s.letIn(t, fmt.Sprintf("new %d", i/2))
				return
			}
			cmd := exec.Command("ptl", "unpair", fmt.Sprintf("old %d", i/2))
			cmd.Dir = s.dir
			said, err := cmd.CombinedOutput()
			out[i] = err == nil && strings.HasSuffix(string(said), "is out.\n")
			if !out[i] {
				t.Errorf("old %d: %v, %s", i/2, err, said)
			}
		}()
	}
	working.Wait()
	close(stop)
	reading.Wait()
	names := map[string]bool{}
	for _, terminal := range s.list(t).Terminals {
		names[terminal.Name()] = true
	}
	for i := range count {
		switch {
		case devices[i] != nil && (!names[fmt.Sprintf("new %d", i/2)] || devices[i].visit(t) != 200):
			t.Errorf("new %d is said to be in, and is not", i/2)
		case out[i] && names[fmt.Sprintf("old %d", i/2)]:
			t.Errorf("old %d is said to be out, and is on the list", i/2)
		}
	}
	if len(names) != count/2 {
		t.Errorf("%d terminals are on the list, want %d", len(names), count/2)
	}
}

// letIn has ptl make a link, and a device use it; nil: ptl does not say that it is in.
func (s *testSite) letIn(t testing.TB, name string) *device {
	t.Helper()
	cmd := exec.Command("ptl", "pair", "--json", "--name="+name)
	cmd.Dir = s.dir
	var notes strings.Builder
	cmd.Stderr = &notes
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Error(err)
		return nil
	}
	if err := cmd.Start(); err != nil {
		t.Error(err)
		return nil
	}
	lines := bufio.NewScanner(out)
	d := newDevice(t, s.url)
	said := map[string]any{}
	for lines.Scan() {
		clear(said)
		if err := json.Unmarshal(lines.Bytes(), &said); err != nil {
			t.Errorf("%s: %v", lines.Text(), err)
		}
		if said["state"] == "waiting" {
			d.pair(t, codeIn(fmt.Sprint(said["link"])))
		}
	}
	if err := cmd.Wait(); err != nil || said["state"] != "used" {
		t.Errorf("%s: %v, %s", name, err, notes.String())
		return nil
	}
	return d
}

// TestKilled kills ptl at many moments of letting in and throwing out: what is on the list can be read, nobody else is missing, and the next one goes on.
func TestKilled(t *testing.T) {
	moments := 200
	if testing.Short() {
		moments = 20
	}
	s := newTestSite(t, "")
	s.run(t, command.Done, "token", "--name=stays")
	began := time.Now()
	s.run(t, command.Done, "token", "--name=measure")
	whole := time.Since(began)
	done := 0
	for i := range moments {
		args := []string{"token", fmt.Sprintf("--name=killed %d", i)}
		if all := s.list(t).Terminals; i%2 == 1 && len(all) > 2 {
			// Nobody can be asked then, so that what is left to kill is the change itself.
			args = []string{"unpair", all[2].ID(), "--dynamic=none"}
		}
		cmd := exec.Command("ptl", args...)
		cmd.Dir = s.dir
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(whole * time.Duration(i) / time.Duration(moments) * 5 / 4)
		_ = cmd.Process.Kill()
		if cmd.Wait() == nil {
			done++
		}
		if s.list(t).Terminals[0].Name() != "stays" {
			t.Fatalf("after number %d the list is\n%s", i, s.read(t, "ptlauth/terminals.json"))
		}
	}
	if done == 0 || done == moments {
		t.Logf("of %d, %d had their end before they were killed", moments, done)
	}
	s.run(t, command.Done, "token", "--name=last")
	if left, err := exec.Command("sh", "-c", "ls -A "+s.path("ptlauth")).Output(); err != nil || strings.Contains(string(left), ".terminals.json") {
		t.Errorf("left behind is %s, %v", left, err)
	}
}
