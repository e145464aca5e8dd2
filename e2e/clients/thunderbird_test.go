package clients

import (
	"bytes"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/getportal/ptlauth/cmd/client"
	"github.com/getportal/ptlauth/e2e/poll"
	"github.com/getportal/ptlauth/e2e/program"
	"github.com/getportal/ptlauth/e2e/radicale"
	"github.com/getportal/ptlauth/e2e/source"
)

// everyday keeps Thunderbird from asking what is asked once. Its calendar is looked at when it starts.
const everyday = `
user_pref("mail.provider.suppress_dialog_on_startup", true);
user_pref("mail.shell.checkDefaultClient", false);
user_pref("datareporting.policy.dataSubmissionPolicyBypassNotification", true);
user_pref("calendar.timezone.local", "UTC");
user_pref("calendar.registry.diary.type", "caldav");
user_pref("calendar.registry.diary.name", "Diary");
user_pref("calendar.registry.diary.cache.enabled", true);
user_pref("calendar.registry.diary.uri", %q);
`

const dentist = `BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//ptlauth//EN
BEGIN:VEVENT
UID:dentist
DTSTAMP:20261126T000000Z
DTSTART:20261224T100000Z
DTEND:20261224T110000Z
SUMMARY:Dentist
END:VEVENT
END:VCALENDAR
`

// TestThunderbird: its calendar names its own address as the Origin of what it asks for, and Sec-Fetch-Site as a page's script
// does. It is asked for a password nevertheless, without which it sends none.
func TestThunderbird(t *testing.T) {
	thunderbird := program.Need(t, "thunderbird", "thunderbird")
	addr, stored := radicale.Start(t, radicale.ByHeader)
	h := newHousehold(t, map[string]app{"calendar": {addr: addr, options: "headers: {X-Remote-User: '{auth.user}'}\n" + everyWay}})
	shows(t, "thunderbird", "Radicale", client.Basic)
	h.letIn(t, "calendar", "thunderbird", "ada")
	d := h.newDesktop(t, "calendar", "thunderbird", h.url("calendar", "http"))
	d.typed = h.typed(t, d.app, d.name, "thunderbird", client.Basic, d.site)
	diary := filepath.Join(stored, "ada", "diary")
	if err := os.MkdirAll(diary, 0o700); err != nil {
		t.Fatal(err)
	}
	source.Replace(t, filepath.Join(diary, ".Radicale.props"), `{"tag": "VCALENDAR"}`)
	source.Replace(t, filepath.Join(diary, "dentist.ics"), dentist)

	in := d.thunderbird(t, thunderbird, "in")
	poll.Until(t, time.Minute, func() string {
		if !hasRead(in, "Dentist") {
			return "Thunderbird has not read what is in the calendar"
		}
		return ""
	})
	h.throwOut(t, d.app, d.name)
	refused := func() int { return len(h.proxy.LogLines("answered 401 to PROPFIND", "the terminal is not paired")) }
	before := refused()
	out := d.thunderbird(t, thunderbird, "out")
	poll.Until(t, time.Minute, func() string {
		if refused() == before {
			return "Thunderbird, thrown out, has not asked again"
		}
		return ""
	})
	if hasRead(out, "Dentist") {
		t.Error("Thunderbird, thrown out, has read what is in the calendar")
	}
}

// hasRead reports whether what Thunderbird keeps in a folder has a text. Its files come and go.
func hasRead(folder, text string) bool {
	files, _ := filepath.Glob(filepath.Join(folder, "cache.sqlite*"))
	return slices.ContainsFunc(files, func(file string) bool {
		content, _ := os.ReadFile(file)
		return bytes.Contains(content, []byte(text))
	})
}

// thunderbird starts Thunderbird with a calendar and what ptl has printed to be typed, and returns the folder in which it keeps
// what it has read.
func (d *desktop) thunderbird(t *testing.T, path, profile string) string {
	t.Helper()
	site, err := url.Parse(d.site)
	if err != nil {
		t.Fatal(err)
	}
	// In the address, it is typed before it is asked for; it is sent when it is.
	fields := map[string]string{}
	for _, field := range d.typed.Fields {
		fields[field.Name] = field.Value
	}
	site.Path, site.User = "/ada/diary/", url.UserPassword(fields["Username"], fields["Password"])
	d.write(t, profile+"/user.js", fmt.Sprintf(everyday, site))
	cmd := exec.CommandContext(t.Context(), path, "--headless", "--no-remote", "--profile", filepath.Join(d.home, profile))
	cmd.Env = append(d.environment, "MOZ_HEADLESS=1")
	cmd.WaitDelay = 5 * time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Wait() })
	return filepath.Join(d.home, profile, "calendar-data")
}
