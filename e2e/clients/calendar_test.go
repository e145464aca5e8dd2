package clients

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/getportal/ptlauth/cmd/client"
	"github.com/getportal/ptlauth/e2e/program"
	"github.com/getportal/ptlauth/e2e/radicale"
)

// TestVdirsyncer: what khal writes on one desk is stored for the user whose token vdirsyncer has, and read on another
// desk of the same user.
func TestVdirsyncer(t *testing.T) {
	program.Need(t, "vdirsyncer", "vdirsyncer")
	program.Need(t, "khal", "khal")
	addr, stored := radicale.Start(t, radicale.ByHeader)
	h := newHousehold(t, map[string]app{"calendar": {addr: addr, options: "headers: {X-Remote-User: '{auth.user}'}\n" + everyWay}})
	shows(t, "khal", "Radicale", client.Basic)
	h.inEachWay(t, "calendar", "Radicale", "vdirsyncer", func(t *testing.T, here *desktop) {
		diary, _, _ := strings.Cut(here.site, ":")
		here.keepDiary(t, diary)
		here.sync(t)
		here.run(t, 0, "khal new -a "+diary+" 2026-12-24 10:00 11:00 Dentist")
		here.sync(t)
		if events := grep(t, filepath.Join(stored, "ada", diary), "SUMMARY:Dentist"); len(events) != 1 {
			t.Errorf("Radicale has it in %q", events)
		}

		h.letIn(t, "calendar", "another "+here.name, "ada")
		there := h.newDesktop(t, "calendar", "another "+here.name, here.site)
		there.have(t, h.typed(t, "calendar", there.name, "khal", client.Basic, there.site))
		there.keepDiary(t, diary)
		there.sync(t)
		if said := there.run(t, 0, "khal list 2026-12-24 1d"); !strings.Contains(said, "10:00-11:00 Dentist") {
			t.Errorf("on the other desk khal says %q", said)
		}
		here.refused(t, 1, "vdirsyncer sync", "401, message='Unauthorized'")
		there.refused(t, 1, "vdirsyncer sync", "401, message='Unauthorized'")
	})
}

// keepDiary prepares khal and vdirsyncer for a calendar. ptl has told vdirsyncer all but the authority that nobody knows.
func (d *desktop) keepDiary(t *testing.T, name string) {
	t.Helper()
	d.write(t, ".local/share/calendars/"+name+"/.keep", "")
	d.write(t, ".config/khal/config", `
[calendars]
[[all]]
path = ~/.local/share/calendars/*
type = discover
[locale]
timeformat = %H:%M
dateformat = %Y-%m-%d
longdateformat = %Y-%m-%d
datetimeformat = %Y-%m-%d %H:%M
longdatetimeformat = %Y-%m-%d %H:%M
`)
	verify := ""
	if strings.HasPrefix(d.site, "https") {
		verify = fmt.Sprintf("verify = %q\n", d.h.authority)
	}
	d.write(t, ".config/vdirsyncer/config", d.typed.Text+verify)
}

// sync types what ptl has printed to be typed, and says yes to each calendar that is on one side alone.
func (d *desktop) sync(t *testing.T) {
	t.Helper()
	const line = "vdirsyncer discover && vdirsyncer sync"
	if !strings.Contains(d.typed.Then, line) {
		t.Errorf("ptl says to type %q", d.typed.Then)
	}
	d.run(t, 0, "yes | "+line)
}
