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

	"github.com/getportal/ptlauth/cmd/client"
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
		"ttrss": {addr: addr, options: "{" + told + "token: {header: [Authorization, X-Access-Token], basic: true}}"},
		"open":  {addr: addr, options: "{" + told + "paths: [{prefix: /api/, access: public}]}"},
	})
	postgres := startTTRSS(t, addr, h.url("ttrss", "http"))
	token, bob := h.letIn(t, "ttrss", "laptop", "ada"), h.letIn(t, "ttrss", "tablet", "bob")
	laptop, chromium := newBrowser(t, token), newChromium(t, h.url("ttrss", "http"), token)

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
		shared := newBrowser(t, token)
		wantTTRSSUser(t, h, shared, "ada")
		shared.token = bob
		wantTTRSSUser(t, h, shared, "ada")
	})
	t.Run("what its API believes", func(t *testing.T) { testTTRSSAPI(t, h, addr) })
	writeTTRSS(t, postgres, "ada")
	refused := []func(){curlOfTTRSS(t, h), newsboatOfTTRSS(t, h)}
	t.Run("Chromium shows its pages, whose scripts ask for the rest", func(t *testing.T) {
		chromium.sees(t, h.url("ttrss", "http"), "Notes of the house")
	})

	h.throwOut(t, "ttrss", "laptop")
	if status, page := laptop.open(h.url("ttrss", "http") + "/"); status != http.StatusUnauthorized {
		t.Errorf("the browser is answered %d\n%.500s", status, page)
	}
	chromium.sees(t, h.url("ttrss", "http"), "This device is no longer paired")
	for _, want := range refused {
		want()
	}
}

// curlOfTTRSS logs in to its API, and returns what wants curl to be refused.
func curlOfTTRSS(t *testing.T, h *household) func() {
	site, settings := h.url("ttrss", "http"), map[client.Way]string{}
	for _, way := range client.Ways {
		settings[way] = curlSettings(t, h.typed(t, "ttrss", "laptop", "curl", way, site), way)
		t.Run("curl logs in: "+string(way), func(t *testing.T) { wantTTRSSSays(t, h, site, settings[way], ttrssIn) })
	}
	return func() {
		for way, lines := range settings {
			wantTTRSSSays(t, h, site, lines, noToken)
			shows(t, "curl", "tt-rss", way)
		}
	}
}

// newsboatOfTTRSS shows what is in tt-rss, and returns what wants newsboat to be refused.
func newsboatOfTTRSS(t *testing.T, h *household) func() {
	const account = "urls-source \"ttrss\"\nttrss-login \"ada\"\nttrss-password \"anything\"\nttrss-url \"URL\"\n"
	site := h.url("ttrss", "http")
	password, cookie := h.typed(t, "ttrss", "laptop", "newsboat", client.Basic, site), h.typed(t, "ttrss", "laptop", "newsboat", client.Cookie, site)
	readers := map[client.Way]*newsboat{
		client.Basic:  newNewsboat(t, h, strings.ReplaceAll(account, "URL", strings.TrimSpace(password.Text)), "", ""),
		client.Cookie: newNewsboat(t, h, strings.ReplaceAll(account, "URL", site), "", cookie.Text),
	}
	for way, reader := range readers {
		t.Run("newsboat shows what is in tt-rss: "+string(way), func(t *testing.T) { wantUnread(t, reader, "1 unread articles") })
	}
	return func() {
		for way, reader := range readers {
			if said, _ := reader.reload(t, 1); !strings.Contains(said, "Authentication failed.") {
				t.Errorf("newsboat says %q", said)
			}
			shows(t, "newsboat", "tt-rss", way)
		}
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

// ttrssLogin are lines for curl with which its API is told a name and any password; ttrssIn and ttrssOut are what it answers.
const (
	ttrssLogin = `data = "{\"op\": \"login\", \"user\": \"ada\", \"password\": \"anything\"}"` + "\n"
	ttrssIn    = `"session_id":"`
	ttrssOut   = `"error":"LOGIN_ERROR"`
)

func wantTTRSSSays(t *testing.T, h *household, at, settings, want string) {
	t.Helper()
	config := source.Named(t, "curl.config", ttrssLogin+settings)
	if said := h.run(t, desk(t), 0, program.Need(t, "curl", "curl"), "-sS", "--config", config, at+"/api/"); !strings.Contains(said, want) {
		t.Errorf("curl says %q, want %q", said, want)
	}
}

func testTTRSSAPI(t *testing.T, h *household, addr string) {
	forged := ""
	for _, spelling := range visitor.Spellings("Remote-User") {
		forged += `header = "` + spelling + `: ada"` + "\n"
	}
	private, open := h.url("ttrss", "http"), h.url("open", "http")
	for name, test := range map[string]struct{ at, settings, want string }{
		"no token":                              {private, "", noToken},
		"no token, and a public API":            {open, "", ttrssOut},
		"a forged name, and a public API":       {open, forged, ttrssOut},
		"a forged name, around ptlauth":         {"http://" + addr, forged, ttrssIn},
		"a name in Authorization, and no token": {private, `user = "ada:anything"`, noToken},
		// So no path of tt-rss may be public: its plugin takes this for proven by the web server.
		"a name in Authorization, and a public API": {open, `user = "ada:anything"`, ttrssIn},
	} {
		t.Run(name, func(t *testing.T) { wantTTRSSSays(t, h, test.at, test.settings, test.want) })
	}
}

// writeTTRSS puts an article into somebody's feeds: tt-rss itself fetches from the ports 80 and 443 alone.
func writeTTRSS(t *testing.T, postgres, user string) {
	t.Helper()
	query(t, postgres, "ttrss", "--command", strings.ReplaceAll(`
		WITH f AS (INSERT INTO ttrss_feeds (owner_uid, title, feed_url) SELECT id, 'Notes of the house', 'https://notes.example.com/' FROM ttrss_users WHERE login = 'USER' RETURNING id, owner_uid),
		e AS (INSERT INTO ttrss_entries (title, guid, link, updated, content, content_hash, date_entered, date_updated) VALUES ('The dentist has called', '1', 'https://notes.example.com/1', now(), 'Call back.', '1', now(), now()) RETURNING id)
		INSERT INTO ttrss_user_entries (ref_id, uuid, feed_id, owner_uid, unread, tag_cache, label_cache) SELECT e.id, '', f.id, f.owner_uid, true, '', '' FROM e, f`, "USER", user))
}
