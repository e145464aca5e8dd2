package clients

import (
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/getportal/ptlauth/cmd/client"
	"github.com/getportal/ptlauth/e2e/program"
	"github.com/getportal/ptlauth/e2e/source"
)

const dokuwikiFiles = "/usr/share/dokuwiki" // Debian's

// startDokuWiki starts Debian's DokuWiki at an address, with the plugin and the settings of docs/apps.md, and returns the folder of its pages.
func startDokuWiki(t *testing.T, addr string) string {
	t.Helper()
	if _, err := os.Stat(dokuwikiFiles); err != nil {
		program.Need(t, "dokuwiki", "dokuwiki")
	}
	php := program.Need(t, "php", "php-cli")
	dir, as := folderOfNobody(t)
	// The plugin testing is root's alone, in Debian.
	const unpack = `mkdir conf www && tar --create --dereference --exclude=./lib/plugins/testing --directory="$1" . | tar --extract --directory=www && mkdir www/lib/plugins/authptl`
	must(t, dir, append(as, "sh", "-c", unpack, "sh", dokuwikiFiles)...)
	for _, folder := range []string{"attic", "cache", "index", "locks", "log", "media", "media_attic", "media_meta", "meta", "pages", "tmp"} {
		must(t, dir, append(as, "mkdir", "-p", filepath.Join(dir, "data", folder))...)
	}
	files, err := filepath.Glob("/etc/dokuwiki/*.conf")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range append(files, "/etc/dokuwiki/dokuwiki.php", "/etc/dokuwiki/license.php", "/etc/dokuwiki/plugins.php", "/etc/dokuwiki/plugins.required.php", "/etc/dokuwiki/mediameta.php", "/etc/dokuwiki/manifest.json") {
		must(t, dir, append(as, "cp", name, dir+"/conf/")...)
	}
	page, err := os.ReadFile(appsPage)
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(page), "\n### DokuWiki\n")
	blocks := regexp.MustCompile("(?s)```php\n(.*?)```").FindAllStringSubmatch(section, 2)
	for name, content := range map[string]string{
		"www/inc/preload.php":              "<?php\nif (!defined('DOKU_CONF')) { define('DOKU_CONF', '" + dir + "/conf/'); }\n",
		"www/lib/plugins/authptl/auth.php": blocks[0][1],
		"conf/local.php":                   "<?php\n$conf['savedir'] = '" + dir + "/data';\n" + blocks[1][1],
		"conf/acl.auth.php":                "* @ALL 0\n* @user 8\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	words := append(as, php, "-q", "-d", "display_errors=0", "-d", "log_errors=1", "-S", addr, "-t", dir+"/www")
	program.Spawn(t, addr, words[0], words[1:]...)
	return filepath.Join(dir, "data")
}

// TestDokuWiki has people write pages of a wiki, and programs too.
func TestDokuWiki(t *testing.T) {
	addr := program.UnusedAddr(t)
	h := newHousehold(t, map[string]app{"wiki": {addr: addr, options: `{headers: {X-Remote-User: "{auth.user}"}, token: {header: [Authorization, X-Access-Token], basic: true}}`}})
	data := startDokuWiki(t, addr)
	site := h.url("wiki", "http")
	token, bob := h.letIn(t, "wiki", "laptop", "ada"), h.letIn(t, "wiki", "tablet", "bob")
	laptop := newBrowser(t, token)

	t.Run("a browser writes a page as who it is, and follows when that changes", func(t *testing.T) {
		_, page := laptop.open(site + "/doku.php?id=notes&do=edit")
		form := url.Values{"id": {"notes"}, "do[save]": {"1"}, "wikitext": {"Call the dentist."}, "summary": {"x"}, "changecheck": {""}, "rev": {"0"}, "prefix": {"."}, "suffix": {""}}
		if sectok := regexp.MustCompile(`name="sectok" value="([^"]+)"`).FindStringSubmatch(page); sectok != nil {
			form.Set("sectok", sectok[1])
		}
		if status, page := laptop.post(site+"/doku.php", form); status != http.StatusOK {
			t.Errorf("%d\n%s", status, page)
		}
		wantWritten(t, data, "notes", "ada", "Call the dentist.")
		wantWikiUser(t, laptop, site, "ada")
		laptop.token = bob
		wantWikiUser(t, laptop, site, "bob")
		laptop.token = token
	})
	writes := map[client.Way]func(t *testing.T, page, want string){}
	for _, way := range client.Ways {
		writes[way] = writeToWiki(t, h, way)
		t.Run("a program writes a page: "+string(way), func(t *testing.T) {
			writes[way](t, "by-"+string(way), "<boolean>1</boolean>")
			wantWritten(t, data, "by-"+string(way), "ada", "Call back.")
		})
	}
	h.throwOut(t, "wiki", "laptop")
	if status, page := laptop.open(site + "/doku.php?id=notes"); status != http.StatusUnauthorized {
		t.Errorf("the browser is answered %d\n%.500s", status, page)
	}
	for way, write := range writes {
		write(t, "out-"+string(way), noToken)
		shows(t, "curl", "DokuWiki", way)
	}
}

// writeToWiki has ptl say how curl carries the token, and returns what writes a page with it.
func writeToWiki(t *testing.T, h *household, way client.Way) func(t *testing.T, page, want string) {
	t.Helper()
	what := h.typed(t, "wiki", "laptop", "curl", way, h.url("wiki", "http"))
	config := source.Named(t, "curl.config", curlSettings(t, what, way))
	return func(t *testing.T, page, want string) {
		t.Helper()
		call := "<methodCall><methodName>wiki.putPage</methodName><params><param><value><string>" + page +
			"</string></value></param><param><value><string>Call back.</string></value></param><param><value><struct></struct></value></param></params></methodCall>"
		if said := h.run(t, desk(t), 0, program.Need(t, "curl", "curl"), "-sS", "--config", config, "--header", "Content-Type: text/xml", "--data", call, h.url("wiki", "http")+"/lib/exe/xmlrpc.php"); !strings.Contains(said, want) {
			t.Errorf("curl says %q, want %q", said, want)
		}
	}
}

// wantWritten wants a page to be there, written by somebody.
func wantWritten(t *testing.T, data, page, user, text string) {
	t.Helper()
	written, err := os.ReadFile(filepath.Join(data, "pages", page+".txt"))
	changes, _ := os.ReadFile(filepath.Join(data, "meta", page+".changes"))
	if err != nil || !strings.Contains(string(written), text) || !strings.Contains(string(changes), "\t"+user+"\t") {
		t.Errorf("%v: the page is %q, and its changes are %q", err, written, changes)
	}
}

// wantWikiUser wants a page to say who somebody is.
func wantWikiUser(t *testing.T, b *browser, site, user string) {
	t.Helper()
	if status, page := b.open(site + "/doku.php?id=notes"); status != http.StatusOK || !strings.Contains(page, "<bdi>"+user+"</bdi>") {
		t.Errorf("%d, and the page is not %s's\n%s", status, user, page)
	}
}
