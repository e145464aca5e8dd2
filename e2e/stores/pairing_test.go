package stores

import (
	"bufio"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/getportal/ptlauth/e2e/poll"
	"github.com/getportal/ptlauth/e2e/visitor"
	"github.com/getportal/ptlauth/internal/pairing"
)

// inviting is a `ptl pair` that waits.
type inviting struct {
	command *exec.Cmd
	lines   *bufio.Reader
	notes   strings.Builder
	id      string
	link    string
}

// invite returns what has failed.
func (s *site) invite(args ...string) (*inviting, error) {
	i := &inviting{command: s.command(append([]string{"pair", "--json"}, args...)...)}
	i.command.Stderr = &i.notes
	out, err := i.command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := i.command.Start(); err != nil {
		return nil, err
	}
	i.lines = bufio.NewReader(out)
	said, err := i.next()
	if err != nil || said.State != "waiting" {
		return nil, fmt.Errorf("ptl says %+v, %w: %s", said, err, i.notes.String())
	}
	i.id, i.link = said.ID, said.Link
	return i, nil
}

type said struct {
	State, ID, Link, Browser, Address string
	At                                int64
}

func (i *inviting) next() (said, error) {
	s := said{}
	line, err := i.lines.ReadString('\n')
	if err == nil {
		err = json.Unmarshal([]byte(line), &s)
	}
	return s, err
}

// letIn has ptl make a link and somebody use it, and returns that browser's token, once ptl says that it is in.
func (s *site) letIn(t *testing.T, args ...string) (string, error) {
	i, err := s.invite(args...)
	if err != nil {
		return "", err
	}
	person := visitor.NewPerson(t, "")
	if _, end := person.Pair(i.link); end.Status != http.StatusOK {
		return "", fmt.Errorf("pairing ends with %d", end.Status)
	}
	used, err := i.next()
	if waited := i.command.Wait(); err != nil || waited != nil || used.State != "used" || used.ID != i.id {
		return "", fmt.Errorf("ptl says %+v, and ends with %v, %v: %s", used, err, waited, i.notes.String()) //nolint:errorlint // either may be nil
	}
	return person.Cookie(s.proxy.URL("web"), "authorization"), nil
}

// devices are the keys of the store's devices by their ids; of each, by member.
func (s *site) devices(t *testing.T) map[string]map[string]string {
	t.Helper()
	all := map[string]map[string]string{}
	for key, value := range s.get(t, paired) {
		id, member, _ := strings.Cut(strings.TrimPrefix(key, paired), "/")
		if all[id] == nil {
			all[id] = map[string]string{}
		}
		all[id][member] = value
	}
	return all
}

// part says what is missing of a device.
func part(device map[string]string) string {
	codes := 0
	for member := range device {
		if strings.HasPrefix(member, "pairing/") {
			codes++
		}
	}
	if device["name"] == "" || device["user"] == "" || codes != 0 && codes != 4 {
		return fmt.Sprintf("%q alone", device)
	}
	return ""
}

// pairs lets a browser in by a code, from a link to a sign of it in the store.
func pairs(t *testing.T, s *site, others map[string]string) {
	defer s.watch(t, others)()
	began := time.Now()
	i, err := s.invite("--name=phone", "--user=carl")
	if err != nil {
		t.Fatal(err)
	}
	shown := time.Since(began)
	if got := s.devices(t)[i.id]; part(got) != "" || got["pairing/ends"] == "" {
		t.Errorf("of whom ptl waits for, the store has %q", got)
	}
	if table, _ := s.ptl(t, "terminals"); !strings.Contains(table, i.id+"  phone") || !strings.Contains(table, " min") {
		t.Errorf("ptl terminals says\n%s", table)
	}
	phone := visitor.NewPerson(t, "")
	question, end := phone.Pair(i.link)
	if end.Status != http.StatusOK || !strings.Contains(question.Text, "<bdi>phone</bdi>") || !strings.Contains(question.Text, "<bdi>carl</bdi>") {
		t.Fatalf("pairing ends with %d, after\n%s", end.Status, question.Text)
	}
	if home := phone.Visit(s.proxy.URL("web") + "/"); home.Text != "carl/phone" {
		t.Errorf("the app answers %d: %s", home.Status, home.Text)
	}
	used, err := i.next()
	if err != nil || used.State != "used" || used.Browser != "Chrome on Android" || used.Address != "127.0.0.1" {
		t.Errorf("ptl says %+v, %v", used, err)
	}
	if err := i.command.Wait(); err != nil {
		t.Errorf("ptl ends with %v: %s", err, i.notes.String())
	}
	if got := s.devices(t)[i.id]; part(got) != "" || got["pairing/ends"] != "" || got["since"] != fmt.Sprint(used.At) {
		t.Errorf("of whom ptl says that it is in, the store has %q", got)
	}
	if table, _ := s.ptl(t, "terminals"); strings.Contains(table, " min") || !strings.Contains(table, time.Unix(used.At, 0).Format("2006-01-02 15:04")) {
		t.Errorf("then ptl terminals says\n%s", table)
	}
	poll.Until(t, 10*time.Second, func() string {
		if page := phone.Visit(s.proxy.URL("web") + "/.ptl/"); !strings.Contains(page.Text, time.Unix(used.At, 0).UTC().Format("2006-01-02")) {
			return "its page says\n" + page.Text
		}
		return ""
	})
	if _, said := s.ptl(t, "unpair", "phone"); said != "phone ("+i.id+") is out.\n" {
		t.Errorf("ptl unpair says %q", said)
	}
	if home := phone.Visit(s.proxy.URL("web") + "/"); home.Status != http.StatusUnauthorized {
		t.Errorf("who is said to be out gets %d: %s", home.Status, home.Text)
	}
	if got := s.devices(t)[i.id]; got != nil {
		t.Errorf("the store has %q left of it", got)
	}
	t.Logf("the code is shown after %s", shown.Round(time.Millisecond))
}

// takenBack: whoever makes a code and thinks better of it leaves nothing in the store.
func takenBack(t *testing.T, s *site, others map[string]string) {
	defer s.watch(t, others)()
	i, err := s.invite("--name=phone", "--user=carl")
	if err != nil {
		t.Fatal(err)
	}
	if err := i.command.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := i.command.Wait(); err == nil || i.command.ProcessState.ExitCode() != 130 || !strings.Contains(i.notes.String(), "nobody is in") {
		t.Errorf("ptl ends with %v: %s", err, i.notes.String())
	}
	if got := s.devices(t)[i.id]; got != nil {
		t.Errorf("the store has %q left of it", got)
	}
	gone, err := s.invite("--name=phone", "--user=carl")
	if err != nil {
		t.Fatal(err)
	}
	s.ptl(t, "unpair", gone.id)
	if err := gone.command.Wait(); err == nil || !strings.Contains(gone.notes.String(), gone.id+" is not on the list any more") {
		t.Errorf("ptl ends with %v: %s", err, gone.notes.String())
	}
	if got := s.devices(t)[gone.id]; got != nil {
		t.Errorf("the store has %q left of it", got)
	}
}

// reloaded: a code that was taken is taken whatever changes in the store afterwards, and whatever nobody has written to its end.
func reloaded(t *testing.T, s *site, others map[string]string) {
	defer s.watch(t, others)()
	const link, short, watch = "0123456789ABCDEFGHJKMNPQRS", "7K2P9XQRWT", "0123456789ABCDEFGHJKMNPQRT"
	mac := hmac.New(sha256.New, []byte(s.secret))
	mac.Write([]byte("ptlauth pairing 1"))
	k := mac.Sum(nil)
	entry := paired + "byhand/"
	s.put(t, entry+"name", "by hand", entry+"user", "carl", entry+"pairing/ends", fmt.Sprint(time.Now().Add(10*time.Minute).Unix()), entry+"pairing/link", pairing.MAC(k, pairing.Link, link),
		entry+"pairing/code", pairing.MAC(k, pairing.Short, short), entry+"pairing/watch", pairing.MAC(k, pairing.Watch, watch),
		paired+"half/name", "half", paired+"half/user", "carl", paired+"half/pairing/link", "x")
	ask := func() said {
		response, err := http.PostForm(s.proxy.URL("web")+"/.ptl/pair/used", url.Values{"watch": {watch}})
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		content, _ := io.ReadAll(response.Body)
		answer := said{}
		_ = json.Unmarshal(content, &answer)
		return answer
	}
	poll.Until(t, 20*time.Second, func() string {
		if got := ask(); got.State != "waiting" {
			return fmt.Sprintf("whoever watches it learns %+v", got)
		}
		return ""
	})
	phone, other := visitor.NewPerson(t, ""), visitor.NewPerson(t, "")
	question, end := phone.Pair(s.proxy.URL("web") + "/.ptl/pair#" + link)
	if end.Status != http.StatusOK {
		t.Fatalf("pairing ends with %d", end.Status)
	}
	used := ask()
	for round := range 2 {
		token, _ := s.ptl(t, "token", fmt.Sprintf("--name=change %d", round), "--user=dora")
		s.await(t, token, fmt.Sprintf("dora/change %d", round))
		if got := ask(); got.State != "used" || got != used {
			t.Errorf("after a change whoever watches it learns %+v", got)
		}
		again := phone.Send(question, url.Values{"code": {link}, "do": {"pair"}})
		if again.Status != http.StatusOK && time.Since(time.Unix(used.At, 0)) < time.Minute {
			t.Errorf("after a change whose answer was lost gets %d", again.Status)
		}
		form := other.Visit(s.proxy.URL("web") + "/.ptl/pair")
		for _, code := range []string{link, short} {
			if again := other.Send(form, url.Values{"code": {code}, "do": {"pair"}}); again.Status != http.StatusForbidden {
				t.Errorf("after a change another browser gets %d for %s", again.Status, code)
			}
		}
	}
	if home := phone.Visit(s.proxy.URL("web") + "/"); home.Text != "carl/by hand" {
		t.Errorf("the app answers %d: %s", home.Status, home.Text)
	}
	if lines := s.proxy.LogLines("terminals.paired.half.pairing: is not complete"); len(lines) != 1 {
		t.Errorf("of a code that is there by half, the log says %q", lines)
	}
	clearOthers(t, s, others)
}

// emptied: Traefik goes by what it has read last where Redis is empty, and ptl says so. Where etcd is, it throws its routers out.
func emptied(t *testing.T, s *site) {
	s.put(t, options+"pairing/enabled", "true")
	i, err := s.invite("--name=phone", "--user=carl")
	if err != nil {
		t.Fatal(err)
	}
	s.empty(t)
	phone := visitor.NewPerson(t, "")
	if _, end := phone.Pair(i.link); end.Status != http.StatusOK {
		t.Errorf("pairing ends with %d", end.Status)
	}
	if err := i.command.Wait(); err == nil || !strings.Contains(i.notes.String(), "a Traefik may go by what it has read last, so that until the store is filled again "+i.id+" is known to it") {
		t.Errorf("ptl ends with %v: %s", err, i.notes.String())
	}
	if home := phone.Visit(s.proxy.URL("web") + "/"); home.Text != "carl/phone" {
		t.Errorf("the app answers %d: %s", home.Status, home.Text)
	}
}
