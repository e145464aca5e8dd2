package clients

import (
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/getportal/ptlauth/e2e/program"
	"github.com/getportal/ptlauth/e2e/source"
	"github.com/getportal/ptlauth/e2e/visitor"
)

const ttrssFiles = "/usr/share/tt-rss" // Debian's

// startTTRSS starts Debian's Tiny Tiny RSS at an address, seen at another, with its plugin auth_remote, and returns the
// folder of the socket of its PostgreSQL.
func startTTRSS(t *testing.T, addr, seenAt string) string {
	t.Helper()
	php, postgres := needTTRSS(t), startPostgres(t, "ttrss")
	query(t, postgres, "ttrss", "--file="+ttrssFiles+"/schema/ttrss_schema_pgsql.sql")
	dir, as := folderOfNobody(t)
	// Debian's own configuration is in the tree, by a link.
	must(t, dir, append(as, "cp", "-rL", "--no-preserve=mode", ttrssFiles+"/www", dir+"/www")...)
	configuration, err := os.ReadFile("/etc/tt-rss/config.php")
	if err != nil {
		t.Fatal(err)
	}
	for _, folder := range []string{"lock", "cache", "cache/images", "cache/upload", "cache/export"} {
		must(t, dir, append(as, "mkdir", filepath.Join(dir, folder))...)
	}
	written := replaced(t, string(configuration), map[string]string{
		`include_once('/etc/tt-rss/database.php');`: `$dbtype = 'pgsql'; $dbserver = '` + postgres + `'; $dbport = ''; $dbuser = 'postgres'; $dbname = 'ttrss'; $dbpass = '';`,
		`'%SELF_URL_PATH'`:                          `'` + seenAt + `/'`,
		`'/var/lib/tt-rss'`:                         `'` + dir + `/lock'`,
		`'/var/cache/tt-rss'`:                       `'` + dir + `/cache'`,
		`'auth_internal, note'`:                     `'auth_remote, note'`,
	})
	if err := os.WriteFile(filepath.Join(dir, "www", "config.php"), []byte(written), 0o644); err != nil {
		t.Fatal(err)
	}
	words := append(as, php, "-q", "-d", "display_errors=0", "-d", "log_errors=1", "-S", addr, "-t", filepath.Join(dir, "www"))
	program.Spawn(t, addr, words[0], words[1:]...)
	return postgres
}

// needTTRSS returns PHP, with what tt-rss wants.
func needTTRSS(t *testing.T) string {
	t.Helper()
	if _, err := os.Stat(ttrssFiles); err != nil {
		program.Need(t, "tt-rss", "tt-rss dbconfig-no-thanks")
	}
	php := program.Need(t, "php", "php-cli")
	if exec.Command(php, "-r", "exit(extension_loaded('pdo_pgsql') ? 0 : 1);").Run() != nil {
		program.Need(t, "php-pgsql", "php-pgsql")
	}
	return php
}

// replaced is a text with parts replaced, each of which must be there once.
func replaced(t *testing.T, text string, parts map[string]string) string {
	t.Helper()
	for before, after := range parts {
		if strings.Count(text, before) != 1 {
			t.Fatalf("%q is not there once in\n%s", before, text)
		}
		text = strings.ReplaceAll(text, before, after)
	}
	return text
}

// TestTTRSS asks it as a browser, and as programs that use its API, which believes what ptlauth says too.
func TestTTRSS(t *testing.T) {
	addr := program.UnusedAddr(t)
	const told = `headers: {Remote-User: "{auth.user}"}, `
	h := newHousehold(t, map[string]app{
		"ttrss": {addr: addr, options: "{" + told + "token: {header: X-Access-Token}}"},
		"open":  {addr: addr, options: "{" + told + "paths: [{prefix: /api/, access: public}]}"},
	})
	postgres := startTTRSS(t, addr, h.url("ttrss", "http"))
	ada, bob := h.letIn(t, "ttrss", "laptop", "ada"), h.letIn(t, "ttrss", "tablet", "bob")
	laptop := newBrowser(t, ada)

	t.Run("a browser comes to its feeds without a login page", func(t *testing.T) {
		status, page := laptop.open(h.url("ttrss", "http") + "/")
		if status != http.StatusOK || !strings.Contains(page, `id="feedTree"`) || strings.Contains(page, "password") {
			t.Errorf("%d\n%s", status, page)
		}
		wantTTRSSUser(t, h, laptop, "ada")
		wantTTRSSUser(t, h, newBrowser(t, bob), "bob")
		// What a person switches on in the preferences.
		csrf := regexp.MustCompile(`__csrf_token = "([0-9a-f]+)"`).FindStringSubmatch(page)
		laptop.post(h.url("ttrss", "http")+"/backend.php", url.Values{"op": {"rpc"}, "method": {"setpref"}, "key": {"ENABLE_API_ACCESS"}, "value": {"true"}, "csrf_token": {csrf[1]}})
	})
	if t.Failed() {
		return
	}
	t.Run("a session of its own goes on as the old user", func(t *testing.T) {
		shared := newBrowser(t, ada)
		wantTTRSSUser(t, h, shared, "ada")
		shared.token = bob
		wantTTRSSUser(t, h, shared, "ada")
	})
	t.Run("its API believes the token, whatever password it is told", func(t *testing.T) { testTTRSSAPI(t, h, addr, ada) })
	t.Run("newsboat", func(t *testing.T) { testTTRSSNewsboat(t, h, postgres, ada) })

	h.throwOut(t, "ttrss", "laptop")
	if status, page := laptop.open(h.url("ttrss", "http") + "/"); status != http.StatusUnauthorized {
		t.Errorf("the browser is answered %d\n%.500s", status, page)
	}
}

// wantTTRSSUser wants the list of feeds that can be saved to be somebody's.
func wantTTRSSUser(t *testing.T, h *household, b *browser, user string) {
	t.Helper()
	b.open(h.url("ttrss", "http") + "/")
	b.open(h.url("ttrss", "http") + "/backend.php?op=opml&method=export")
	if named := b.header.Get("Content-Disposition"); !strings.Contains(named, "tt-rss_"+user+"_") {
		t.Errorf("the file is %q, want %s's", named, user)
	}
}

func testTTRSSAPI(t *testing.T, h *household, addr, token string) {
	curl := program.Need(t, "curl", "curl")
	const login = `data = "{\"op\": \"login\", \"user\": \"ada\", \"password\": \"anything\"}"` + "\n"
	const in, out = `"session_id":"`, `"error":"LOGIN_ERROR"`
	forged := login
	for _, spelling := range visitor.Spellings("Remote-User") {
		forged += `header = "` + spelling + `: ada"` + "\n"
	}
	private, open := h.url("ttrss", "http"), h.url("open", "http")
	for name, test := range map[string]struct{ at, settings, want string }{
		"the token in a cookie":                 {private, login + `cookie = "authorization=` + token + `"`, in},
		"the token in a header":                 {private, login + `header = "X-Access-Token: ` + token + `"`, in},
		"no token":                              {private, login, `"detail":"Unauthorized"`},
		"no token, and a public API":            {open, login, out},
		"a forged name, and a public API":       {open, forged, out},
		"a forged name, around ptlauth":         {"http://" + addr, forged, in},
		"a name in Authorization, and no token": {private, login + `user = "ada:anything"`, `"detail":"Unauthorized"`},
		// So no path of tt-rss may be public: its plugin takes this for proven by the web server.
		"a name in Authorization, and a public API": {open, login + `user = "ada:anything"`, in},
	} {
		t.Run(name, func(t *testing.T) {
			config := source.Named(t, "curl.config", test.settings)
			if said := h.run(t, desk(t), 0, curl, "-sS", "--config", config, test.at+"/api/"); !strings.Contains(said, test.want) {
				t.Errorf("curl says %q, want %q", said, test.want)
			}
		})
	}
}

// testTTRSSNewsboat reads what is in tt-rss with newsboat.
func testTTRSSNewsboat(t *testing.T, h *household, postgres, token string) {
	// It fetches from the ports 80 and 443 alone.
	query(t, postgres, "ttrss", "--command", `
		WITH f AS (INSERT INTO ttrss_feeds (owner_uid, title, feed_url) SELECT id, 'Notes of the house', 'https://notes.example.com/' FROM ttrss_users WHERE login = 'ada' RETURNING id, owner_uid),
		e AS (INSERT INTO ttrss_entries (title, guid, link, updated, content, content_hash, date_entered, date_updated) VALUES ('The dentist has called', '1', 'https://notes.example.com/1', now(), 'Call back.', '1', now(), now()) RETURNING id)
		INSERT INTO ttrss_user_entries (ref_id, uuid, feed_id, owner_uid, unread, tag_cache, label_cache) SELECT e.id, '', f.id, f.owner_uid, true, '', '' FROM e, f`)
	const account = "urls-source \"ttrss\"\nttrss-login \"ada\"\nttrss-password \"anything\"\nttrss-url \"URL\"\n"
	for name, test := range map[string]struct {
		cookie string
		code   int
		want   string
	}{
		"with the token in its cookies": {token, 0, "1 unread articles"},
		"refused":                       {"", 1, "Authentication failed."},
	} {
		t.Run(name, func(t *testing.T) {
			n := newNewsboat(t, strings.ReplaceAll(account, "URL", h.url("ttrss", "http")), "", test.cookie)
			if said := h.run(t, n.environment, test.code, n.words("reload", "print-unread")...); !strings.Contains(said, test.want) {
				t.Errorf("newsboat says %q, want %q", said, test.want)
			}
		})
	}
}
