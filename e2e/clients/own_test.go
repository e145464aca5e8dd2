package clients

import (
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/getportal/ptlauth/cmd/client"
	"github.com/getportal/ptlauth/e2e/program"
	"github.com/getportal/ptlauth/e2e/radicale"
	"github.com/getportal/ptlauth/e2e/source"
)

const appointment = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//ptlauth//test//EN\r\nBEGIN:VEVENT\r\nUID:1\r\n" +
	"DTSTAMP:20260102T030405Z\r\nDTSTART:20260102T100000Z\r\nSUMMARY:See the dentist\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"

var userLine = regexp.MustCompile(`username = ".*"`)

// TestOwnPasswords: what an app asks for by itself, in Authorization, it gets, while the token comes in another way; and
// without the token the app is not even asked.
func TestOwnPasswords(t *testing.T) {
	for _, name := range []string{"curl", "rclone"} {
		program.Need(t, name, name)
	}
	apache := startApache(t)
	repositories, git := startGit(t, func(r *http.Request) string {
		if user, password, _ := r.BasicAuth(); user == "ada" && password == "her own" {
			return user
		}
		return ""
	})
	addr, stored := radicale.Start(t, "type = htpasswd\nhtpasswd_encryption = plain\nhtpasswd_filename = "+source.Named(t, "passwords", "ada:her own\n"))
	h := newHousehold(t, map[string]app{"own": {addr: apache.own, options: everyWay}, "code": {addr: git, options: everyWay},
		"calendar": {addr: addr, options: everyWay + "\npaths: [{prefix: /ada/, access: public}]"}})
	h.letIn(t, "own", "desk", "ada")
	for _, scheme := range []string{"http", "https"} {
		for _, way := range []client.Way{client.Header, client.Cookie} {
			at := func(t *testing.T, app, program string) *desktop {
				d := h.newDesktop(t, app, "desk", h.url(app, scheme))
				d.have(t, h.typed(t, app, "desk", program, way, d.site))
				return d
			}
			t.Run("over "+scheme+" with the token by "+string(way), func(t *testing.T) {
				t.Parallel()
				t.Run("curl", func(t *testing.T) { ownPages(t, at(t, "own", "curl")) })
				t.Run("git", func(t *testing.T) { ownCode(t, at(t, "code", "git"), repositories) })
				t.Run("rclone", func(t *testing.T) { ownFiles(t, at(t, "own", "rclone"), apache) })
			})
		}
		t.Run("vdirsyncer, which cannot bring both, over "+scheme, func(t *testing.T) {
			t.Parallel()
			ownCalendar(t, h.newDesktop(t, "calendar", "desk", h.url("calendar", scheme)+"/ada/"), stored)
		})
	}
}

// ownPages asks for pages for which Apache wants a password.
func ownPages(t *testing.T, d *desktop) {
	for _, test := range []struct{ options, page, want string }{
		{"--config token.conf --basic -u 'ada:her own'", "basic", "behind Basic\n200"},
		{"--config token.conf --digest -u 'ada:her own'", "digest", "behind Digest\n200"},
		{"--config token.conf --anyauth -u 'ada:her own'", "digest", "behind Digest\n200"},
		{"--config token.conf --basic -u 'ada:not hers'", "basic", "Apache's own\n401"},
		{"--config token.conf --digest -u 'ada:not hers'", "digest", "Digest\n401"},
		{"--config token.conf", "basic", "Apache's own\n401"},
		{"--basic -u 'ada:her own'", "basic", "ptlauth\n401"},
		{"--digest -u 'ada:her own'", "digest", "ptlauth\n401"},
	} {
		said := d.run(t, 0, "curl -sSi -w '%{http_code}' "+test.options+" "+d.site+"/"+test.page+"/page")
		whose, code, _ := strings.Cut(test.want, "\n")
		switch {
		case code == "200" && !strings.HasSuffix(said, test.want),
			code == "401" && (!strings.HasSuffix(said, code) || strings.Contains(said, "behind") || !strings.Contains(said, whose)),
			strings.Contains(said, "Apache/") == (whose == "ptlauth"), strings.Contains(said, `realm="ptlauth"`) != (whose == "ptlauth"):
			t.Errorf("curl %s says\n%s\nwant %q", test.options, said, test.want)
		}
	}
}

// ownCode pushes to a server that wants a password of its own.
func ownCode(t *testing.T, d *desktop, repositories string) {
	d.write(t, ".git-credentials", strings.Replace(d.site, "://", "://ada:her%20own@", 1)+"\n")
	d.run(t, 0, "git config --global credential.helper store")
	branch := strings.NewReplacer("/", "-", "#", "-").Replace(t.Name())
	d.push(t, d.site+"/notes.git", branch)
	if got := d.run(t, 0, "git -C "+repositories+"/notes.git log -1 --format=%s "+branch); got != branch+"\n" {
		t.Errorf("the last commit there is %q", got)
	}
}

// ownFiles copies a file to a server that wants a password of its own.
func ownFiles(t *testing.T, d *desktop, apache *apache) {
	d.write(t, "letters/letter.txt", "Dear Bob")
	own := strings.TrimSpace(d.run(t, 0, "rclone obscure 'her own'"))
	folder := filepath.Base(d.home) + d.site[strings.LastIndex(d.site, ":")+1:]
	d.write(t, ".config/rclone/rclone.conf", strings.Replace(d.typed.Text, d.site+"/", d.site+"/files/", 1)+"user = ada\npass = "+own+"\n")
	d.run(t, 0, "rclone copy letters site:"+folder)
	if got := apache.read(t, "own/files/"+folder+"/letter.txt"); got != "Dear Bob" {
		t.Errorf("what arrives is %q", got)
	}
}

// ownCalendar brings Radicale's own password where ptlauth asks for none: it is no token, and stays.
func ownCalendar(t *testing.T, d *desktop, stored string) {
	t.Helper()
	scheme, _, _ := strings.Cut(d.site, ":")
	d.have(t, d.h.typed(t, "calendar", "desk", "vdirsyncer", client.Basic, d.site))
	d.typed.Text = strings.Replace(d.typed.Text, d.typed.Token, "her own", 1)
	d.typed.Text = userLine.ReplaceAllString(d.typed.Text, `username = "ada"`)
	d.keepDiary(t, scheme)
	d.write(t, ".local/share/calendars/"+scheme+"/event.ics", appointment)
	d.sync(t)
	if events := grep(t, filepath.Join(stored, "ada", scheme), "SUMMARY:See the dentist"); len(events) != 1 {
		t.Errorf("Radicale has it in %q", events)
	}
	if said := d.run(t, 0, "curl -sS -o /dev/null -w '%{http_code}' -u 'ada:her own' "+strings.TrimSuffix(d.site, "ada/")+"bob/"); said != "401" {
		t.Errorf("what is not public is answered %s", said)
	}
}
