// Package apps puts real apps behind ptlauth; what they serve is in this folder.
package apps

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/getportal/ptlauth/e2e/issuer"
	"github.com/getportal/ptlauth/e2e/program"
	"github.com/getportal/ptlauth/e2e/source"
	"github.com/getportal/ptlauth/e2e/traefik"
	"github.com/getportal/ptlauth/e2e/traefik/traefiktest"
)

// What Traefik does to paths before a middleware sees them is as little as can be; the entry points clean do what is usual.
const appsStatic = `
entryPoints:
  web: {http: {sanitizePath: false, encodedCharacters: ALLOWED}}
  clean: {address: "127.0.0.1:0", http: {encodedCharacters: ALLOWED}}
`

const allowed = `{allowEncodedSlash: true, allowEncodedBackSlash: true, allowEncodedNullCharacter: true, ` +
	`allowEncodedSemicolon: true, allowEncodedPercent: true, allowEncodedQuestionMark: true, allowEncodedHash: true}`

// probe is a request line's target with what else decides about the path.
type probe struct {
	target string
	header string // "Name: value", or empty
}

// reply is what came back: status 0 where the server closed the connection instead.
type reply struct {
	status int
	body   string
}

// TestApps asks real apps of six kinds for a private page in every spelling: below a public root, and beside public
// paths of a private one. None comes without a token.
func TestApps(t *testing.T) {
	if testing.Short() {
		t.Skip("starts Traefik and six apps")
	}
	apps := startApps(t)
	secret, tokens := issuer.Keyring(t)
	proxy := traefiktest.Start(t, traefik.Options{Static: strings.ReplaceAll(appsStatic, "ALLOWED", allowed), Dynamic: appsDynamic(secret, apps)})
	ways := []way{
		{"HTTP/1.1", proxy.Addr("web"), false}, {"HTTP/2", proxy.Addr("web"), true},
		{"HTTP/1.1, cleaned by Traefik", proxy.Addr("clean"), false}, {"HTTP/2, cleaned by Traefik", proxy.Addr("clean"), true},
	}
	all := spelledPaths()
	if len(all) < 2000 {
		t.Fatalf("only %d spellings", len(all))
	}
	for name, addr := range apps {
		t.Run(name, func(t *testing.T) {
			testReach(t, addr, all)
			for _, root := range []string{"public", "private"} {
				for _, way := range ways {
					t.Run("below a "+root+" root over "+way.name, func(t *testing.T) {
						testServed(t, way, name+"-"+root, root, tokens["portal"])
						if testNotServed(t, way, name+"-"+root, root, all) < 1000 {
							t.Error("hardly anything was refused: ptlauth was not asked")
						}
						testNotServed(t, way, name+"-"+root, root, rewritten())
					})
				}
			}
		})
	}
}

// testReach wants the spellings to be worth something: many of them, and headers that rewrite, lead to the page where
// nothing is in front of the app.
func testReach(t *testing.T, addr string, all []probe) {
	t.Helper()
	reached := 0
	direct := way{"around ptlauth", addr, false}
	for _, answered := range direct.ask(t, "", "", all) {
		if strings.Contains(answered.body, "PAGE-ADMIN") {
			reached++
		}
	}
	if reached < 100 {
		t.Errorf("around ptlauth only %d of %d spellings lead to the private page", reached, len(all))
	}
	t.Logf("around ptlauth %d of %d spellings lead to the private page", reached, len(all))
}

// testServed wants the plain spellings to be as they should: public ones for everybody, private ones with a token.
func testServed(t *testing.T, way way, router, root, token string) {
	t.Helper()
	public := []probe{{"/share", ""}, {"/share/a%2Bb", ""}, {"/share/b?c=/admin", ""}, {"/user%40host", ""}, {"/x/user%2F-%2Fstate", ""}}
	for i, answered := range way.ask(t, router, "", public) {
		if answered.status != http.StatusOK || !strings.Contains(answered.body, "PAGE-SHARE") {
			t.Errorf("%q is answered %d %.100q", public[i].target, answered.status, answered.body)
		}
	}
	private := []probe{{"/admin", ""}, {"/desk", ""}}
	for i, answered := range way.ask(t, router, "", private) {
		if answered.status != http.StatusUnauthorized {
			t.Errorf("%q without a token is answered %d %.100q", private[i].target, answered.status, answered.body)
		}
	}
	for i, answered := range way.ask(t, router, token, private) {
		if answered.status != http.StatusOK || !strings.Contains(answered.body, "PAGE-ADMIN") {
			t.Errorf("%q with a token is answered %d %.100q", private[i].target, answered.status, answered.body)
		}
	}
}

// testNotServed returns how many of the requests were refused for want of a token.
func testNotServed(t *testing.T, way way, router, root string, all []probe) int {
	t.Helper()
	refused := 0
	for i, answered := range way.ask(t, router, "", all) {
		if strings.Contains(answered.body, "PAGE-ADMIN") || root == "private" && strings.Contains(answered.body, "PAGE-ROOT") {
			t.Errorf("%q %s is answered %d %.100q", all[i].target, all[i].header, answered.status, answered.body)
		}
		if answered.status == http.StatusUnauthorized {
			refused++
		}
	}
	return refused
}

// startApps starts the apps and returns their addresses.
func startApps(t *testing.T) map[string]string {
	t.Helper()
	folder, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	apps := map[string]string{}
	run := func(name, server string, args func(addr string) []string) {
		addr := program.UnusedAddr(t)
		apps[name] = addr
		program.Spawn(t, addr, server, args(addr)...)
	}
	program.Need(t, "mojo", "libmojolicious-perl")
	run("mojolicious", program.Need(t, "perl", "perl"), func(addr string) []string {
		return []string{filepath.Join(folder, "mojo.pl"), "daemon", "-m", "production", "-l", "http://" + addr}
	})
	python := program.Need(t, "/usr/bin/python3", "python3")
	if exec.Command(python, "-c", "import werkzeug").Run() != nil {
		program.Need(t, "werkzeug", "python3-werkzeug")
	}
	run("werkzeug", python, func(addr string) []string { return []string{"-B", filepath.Join(folder, "werkzeug_app.py"), addr} })
	run("gunicorn", python, func(addr string) []string {
		return []string{"-B", program.Need(t, "gunicorn", "gunicorn"), "--bind", addr, "--chdir", folder, "--threads", "4", "--log-level", "critical", "gunicorn_app:app"}
	})
	run("node", program.Need(t, "node", "nodejs"), func(addr string) []string { return []string{filepath.Join(folder, "node.js"), addr} })
	run("php", program.Need(t, "php", "php-cli"), func(addr string) []string { return []string{"-q", "-S", addr, "-t", filepath.Join(folder, "php")} })
	backend := program.UnusedAddr(t)
	// Without this it ends after 500 requests.
	program.Spawn(t, backend, "env", "PHP_FCGI_MAX_REQUESTS=0", program.Need(t, "php-cgi", "php-cgi"), "-b", backend)
	run("nginx", program.Need(t, "nginx", "nginx-light"), func(addr string) []string { return []string{"-c", nginxConf(t, folder, addr, backend)} })
	return apps
}

func nginxConf(t *testing.T, folder, addr, backend string) string {
	t.Helper()
	conf, err := os.ReadFile(filepath.Join(folder, "nginx.conf"))
	if err != nil {
		t.Fatal(err)
	}
	return source.Named(t, "nginx.conf", strings.NewReplacer("FOLDER", t.TempDir(), "LISTEN", addr, "BACKEND", backend, "PAGES", filepath.Join(folder, "php")).Replace(string(conf)))
}

func appsDynamic(secret string, apps map[string]string) string {
	var routers, services strings.Builder
	for name, addr := range apps {
		for _, root := range []string{"public", "private"} {
			fmt.Fprintf(&routers, "    %s-%s: {rule: \"Header(`App`, `%[1]s-%[2]s`)\", service: %[1]s, middlewares: [%[2]s], entryPoints: [web, clean]}\n", name, root)
		}
		fmt.Fprintf(&services, "    %s: {loadBalancer: {servers: [{url: \"http://%s\"}]}}\n", name, addr)
	}
	return strings.NewReplacer("SECRET", secret, "ROUTERS", routers.String(), "SERVICES", services.String()).Replace(`
http:
  middlewares:
    public:
      plugin:
        ptlauth:
          secretFile: SECRET
          terminals: any
          paths: [{prefix: /, access: public}, {prefix: /admin}, {prefix: /desk}]
    private:
      plugin:
        ptlauth:
          secretFile: SECRET
          terminals: any
          paths: [{prefix: /share, access: public}, {prefix: /x/, access: public}, {prefix: /user, access: public}]
  routers:
ROUTERS
  services:
SERVICES
`)
}

// spelledPaths are targets that some app may take for /admin or /desk.
func spelledPaths() []probe {
	words := spelledWords("admin")
	words = append(words, spelledWords("desk")...)
	var targets []string
	add := func(target string) { targets = append(targets, target) }
	for _, word := range words {
		add("/" + word)
		add("http://app.example.com/" + word)
		add("x:" + word)
		add("/share/../" + word)
	}
	few := []string{"admin", "%61dmin", "%2561dmin", "ADMIN", "desk", "de%E2%84%AA", "des%E2%84%AA", "de\u017fk", "%44esk"}
	for _, word := range few {
		for _, before := range beforeWord {
			add(before + word)
			add("http://app.example.com" + before + word)
		}
		for _, behind := range behindWord {
			add("/" + word + behind)
		}
		for _, form := range []string{"x:%s", "x:/%s", "x://h/%s", "urn:%s", "http:%s", "http:/%s", "http:///%s", "http://u:p@h/%s", "//h/%s", "file:///%s", "%s", "*%s", "*/%s", "?/%s", "?%s", "#/%s", "\\%s", "./%s", "../%s", "x:?/%s", "x:..%2f%s", "X:%s", "https://h/%s", "ws://h/%s", "http://h/share/../%s", "http://h//%s", "http://h\\%s", "http://h?/%s", "http://h%2f%s"} {
			add(strings.ReplaceAll(form, "%s", word))
		}
	}
	add("*")
	seen := map[string]bool{}
	var all []probe
	for _, target := range targets {
		if !seen[target] {
			seen[target] = true
			all = append(all, probe{target, ""})
		}
	}
	return all
}

var beforeWord = []string{
	"//", "///", "/./", "/.//", "/%2e/", "/%2E/", "/%2e%2e/", "/../", "/x/../", "/page/%2e%2e/", "/page/.%2e/", "/page/%2e./", "/page/..%2f", "/page%2f../", "/page%2f%2e%2e%2f",
	"/\\", "/%5c", "/%5C", "/%5c/", "/;/", "/;x/", "/page/..;/", "/page/..;x/", "/page;/../", "/%3b/", "/page/..%3b/", "/%09/", "/%00/", "/%20/", "/%20", "/%0a", "/%0d", "/%09", "/%00", "/.%00/", "/page%00/../",
	"/share/../", "/share/..%2f", "/share/..%2F", "/share/%2e%2e/", "/share/%2E%2E/", "/share%2f..%2f", "/share%2f../", "/share\\..\\", "/share/..\\", "/share/..%5c", "/share%5c..%5c", "/share/..;/", "/share;/../", "/share/;/../",
	"/share?/../", "/share%3f/../", "/share#/../", "/share%23/../", "/share//../", "/share/x/../../", "/share/./../", "/share/%252e%252e/", "/share/%252e%252e%252f", "/share/..%252f", "/share/%25252e%25252e/", "/share/%c0%ae%c0%ae/", "/share/..%c0%af", "/share/..%c1%9c",
	"/share/%e0%80%ae%e0%80%ae/", "/share/%uff0e%uff0e/", "/share/%u002e%u002e/", "/share/%ef%bc%8e%ef%bc%8e/", "/share/..%ef%bc%8f", "/share/.%09./", "/share/.%0a./", "/share/..%00/", "/share/..%0d/", "/share/..%20/", "/share/...//", "/share/....//", "/share/..././",
	"/share..%2f", "/share../", "/share/..", "/share%2e%2e/", "/x/../", "/x/..%2f", "/x%2f..%2f", "/x/%2e%2e%2f", "/user/../", "/user/..%2f", "/user@host/../", "/user%40host/..%2f", "/%e2%80%8b", "/%ef%bb%bf", "/%c2%a0", "/%c2%ad",
}

var behindWord = []string{
	"/", "//", "/.", "/x", "/x/..", "/%2e", "/%2e%2e/admin", "%2f", "%2F", "%2f%2f", "%00", "%00x", "%20", "%09", "%0a", "%0d", "%0d%0a", ";", ";x=1", ";/", "%3b", "%3bx", "?", "?x", "?/share", "%3f", "%3fx", "%3F", "#", "#x", "%23", "%23x", ".", "..", ".php", ".html",
	".json", "/index.php", "/index.php/x", "/INDEX.PHP", "\\", "%5c", "~", "%7f", "%80", "%ff", "%c0%80", "%e2%80%8b", "%ef%bb%bf", "+", "*", ":", "%3a", "::$DATA", ":$i30:$INDEX_ALLOCATION", "%2500", "%252f", "%253f", "%2523", "%253b", "&", "&x", "=", ",", "|", "%7c", "%22", "'", "%60", "%3c", "%3e",
}

// spelledWords are spellings of a word's letters.
func spelledWords(word string) []string {
	var words []string
	for mask := range 1 << len(word) {
		var upper, low, high, twice strings.Builder
		for i := range len(word) {
			c := word[i]
			if mask>>i&1 == 0 {
				for _, b := range []*strings.Builder{&upper, &low, &high, &twice} {
					b.WriteByte(c)
				}
				continue
			}
			upper.WriteByte(c - 'a' + 'A')
			fmt.Fprintf(&low, "%%%02x", c)
			fmt.Fprintf(&high, "%%%02X", c-'a'+'A')
			fmt.Fprintf(&twice, "%%25%02x", c)
		}
		words = append(words, upper.String(), low.String(), high.String(), twice.String())
	}
	for i := range len(word) {
		for _, other := range otherLetters(word[i]) {
			words = append(words, word[:i]+other+word[i+1:], word[:i]+url.PathEscape(other)+word[i+1:], strings.ToUpper(word[:i])+url.PathEscape(other)+strings.ToUpper(word[i+1:]))
		}
		c := word[i]
		for _, format := range []string{"%%25%%2525%02x", "%%u00%02x", "%%%%%02x", "%%c1%%%02x", "%%e0%%81%%%02x", "%%f0%%80%%81%%%02x", "&#x%02x;", "\\x%02x", "%%ef%%bd%%%02x"} {
			value := c
			if strings.Contains(format, "%%c1") || strings.Contains(format, "%%81") {
				value = c + 0x40
			} else if strings.Contains(format, "%%bd") {
				value = c + 0x20
			}
			words = append(words, word[:i]+fmt.Sprintf(format, value)+word[i+1:])
		}
	}
	return words
}

// otherLetters are characters that some folding or normalisation makes this letter of.
func otherLetters(c byte) []string {
	others := []string{string(rune(c) - 'a' + 'ａ'), string(rune(c) - 'a' + 'Ａ'), string(c) + "\u200b", "\u00ad" + string(c), string(c) + "\u0301"}
	switch c {
	case 'i':
		others = append(others, "ı", "İ", "ⅰ", "ᵢ", "і")
	case 'k':
		others = append(others, "\u212a", "ᵏ", "к")
	case 's':
		others = append(others, "ſ", "ˢ", "ѕ")
	case 'a':
		others = append(others, "ª", "ᵃ", "а")
	}
	return others
}

// rewritten are public pages with headers by which an app may take them for a private one.
func rewritten() []probe {
	var all []probe
	for _, name := range []string{"X-Original-URL", "X-Original-Url", "X-Rewrite-URL", "x-rewrite-url", "X_Original_URL", "X-Original-URI", "Path-Info", "PATH_INFO", "X-Path-Info", "Request-Uri", "X-Http-Path-Info"} {
		for _, value := range []string{"/admin", "/%61dmin", "admin", "//admin", "http://app.example.com/admin", "/desk", "/ADMIN"} {
			for _, path := range []string{"/", "/share", "/share/x", "/x/y", "/user@host"} {
				all = append(all, probe{path, name + ": " + value})
			}
		}
	}
	for _, name := range []string{"SCRIPT_NAME", "Script-Name", "script_name", "Script_Name", "X-Script-Name", "X_SCRIPT_NAME", "x-script_name", "X-Forwarded-Prefix", "X_Forwarded_Prefix", "X-Forwarded-Path", "X-Forwarded-Uri"} {
		for _, prefix := range []string{"/share", "/x", "/user", "/page", "/share/x"} {
			for _, behind := range []string{"/admin", "/desk", "/", "/%61dmin"} {
				all = append(all, probe{prefix + behind, name + ": " + prefix})
			}
		}
	}
	return all
}

// way is how requests go: to which address, and in which protocol, without TLS.
type way struct {
	name, addr string
	two        bool
}

// ask sends the requests on a few connections and returns the answers in their order.
func (w way) ask(t *testing.T, app, token string, all []probe) []reply {
	t.Helper()
	answers := make([]reply, len(all))
	var group sync.WaitGroup
	const connections = 4
	for first := range connections {
		group.Go(func() {
			c := &client{addr: w.addr, app: app, token: token, two: w.two}
			defer c.close()
			for i := first; i < len(all); i += connections {
				one, err := c.ask(all[i])
				if err != nil {
					t.Errorf("%q over %s: %v", all[i].target, w.name, err)
					return
				}
				answers[i] = one
			}
		})
	}
	group.Wait()
	return answers
}

// client is a connection that sends targets to the letter, which net/http's client does not.
type client struct {
	addr, app, token string
	two              bool

	conn   net.Conn
	reader *bufio.Reader
	framer *http2.Framer
	stream uint32
}

func (c *client) close() {
	if c.conn != nil {
		c.conn.Close()
		c.conn = nil
	}
}

// ask sends a request. A connection that the server closed before is opened again, once: the reply is then its status
// 0 if it closes it for this request too.
func (c *client) ask(one probe) (reply, error) {
	for range 2 {
		fresh := c.conn == nil
		if err := c.open(); err != nil {
			return reply{}, err
		}
		c.conn.SetDeadline(time.Now().Add(20 * time.Second))
		send := c.askOne
		if c.two {
			send = c.askTwo
		}
		answered, err := send(one)
		var timeout net.Error
		if err == nil {
			return answered, nil
		}
		c.close()
		if errors.As(err, &timeout) && timeout.Timeout() {
			return reply{}, err
		}
		if fresh {
			break
		}
	}
	return reply{}, nil
}

func (c *client) open() error {
	if c.conn != nil {
		return nil
	}
	conn, err := net.DialTimeout("tcp", c.addr, 10*time.Second)
	if err != nil {
		return err
	}
	c.conn, c.reader = conn, bufio.NewReader(conn)
	if !c.two {
		return nil
	}
	c.framer, c.stream = http2.NewFramer(conn, c.reader), 1
	c.framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	if _, err := io.WriteString(conn, http2.ClientPreface); err != nil {
		return err
	}
	return c.framer.WriteSettings()
}

func (c *client) askOne(one probe) (reply, error) {
	var b bytes.Buffer
	fmt.Fprintf(&b, "GET %s HTTP/1.1\r\nHost: app.example.com\r\n", one.target)
	if c.app != "" {
		fmt.Fprintf(&b, "App: %s\r\n", c.app)
	}
	if c.token != "" {
		fmt.Fprintf(&b, "Cookie: authorization=%s\r\n", c.token)
	}
	if one.header != "" {
		fmt.Fprintf(&b, "%s\r\n", one.header)
	}
	b.WriteString("\r\n")
	if _, err := c.conn.Write(b.Bytes()); err != nil {
		return reply{}, err
	}
	response, err := http.ReadResponse(c.reader, nil)
	if err != nil {
		return reply{}, err
	}
	body, err := io.ReadAll(response.Body)
	if err != nil || response.Close {
		c.close()
	}
	return reply{response.StatusCode, string(body)}, nil
}

func (c *client) askTwo(one probe) (reply, error) {
	var b bytes.Buffer
	encoder := hpack.NewEncoder(&b)
	field := func(name, value string) { _ = encoder.WriteField(hpack.HeaderField{Name: name, Value: value}) }
	// Indexed fields would need one encoder for the whole connection.
	encoder.SetMaxDynamicTableSize(0)
	field(":method", "GET")
	field(":scheme", "http")
	field(":authority", "app.example.com")
	field(":path", one.target)
	field("app", c.app)
	if c.token != "" {
		field("cookie", "authorization="+c.token)
	}
	if name, value, ok := strings.Cut(one.header, ": "); ok {
		field(strings.ToLower(name), value)
	}
	id := c.stream
	c.stream += 2
	if err := c.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: b.Bytes(), EndStream: true, EndHeaders: true}); err != nil {
		return reply{}, err
	}
	return c.readTwo(id)
}

func (c *client) readTwo(id uint32) (reply, error) {
	var answered reply
	for {
		frame, err := c.framer.ReadFrame()
		if err != nil {
			return reply{}, err
		}
		ended := false
		switch f := frame.(type) {
		case *http2.SettingsFrame:
			if !f.IsAck() {
				err = c.framer.WriteSettingsAck()
			}
		case *http2.PingFrame:
			if !f.IsAck() {
				err = c.framer.WritePing(true, f.Data)
			}
		case *http2.GoAwayFrame:
			return reply{}, fmt.Errorf("the server goes away: %v", f.ErrCode)
		case *http2.RSTStreamFrame:
			return answered, nil
		case *http2.MetaHeadersFrame:
			fmt.Sscan(f.PseudoValue("status"), &answered.status)
			ended = f.StreamEnded()
		case *http2.DataFrame:
			answered.body += string(f.Data())
			ended = f.StreamEnded()
			if len(f.Data()) > 0 {
				err = c.framer.WriteWindowUpdate(0, uint32(len(f.Data())))
			}
		}
		if err != nil || ended && frame.Header().StreamID == id {
			return answered, err
		}
	}
}
