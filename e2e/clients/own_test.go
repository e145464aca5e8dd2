package clients

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/getportal/ptlauth/e2e/program"
	"github.com/getportal/ptlauth/e2e/source"
)

// TestOwnPasswords: what an app asks for by itself, in Authorization, it gets, while the token comes in another way; and
// without the token it is not even asked.
func TestOwnPasswords(t *testing.T) {
	curl, rclone := program.Need(t, "curl", "curl"), program.Need(t, "rclone", "rclone")
	apache := startApache(t)
	h := newHousehold(t, map[string]app{"own": {addr: apache.own, options: `{token: {header: X-Access-Token}}`}})
	token := h.letIn(t, "own", "ada's", "ada")
	env := desk(t, "CURL_CA_BUNDLE="+h.authority, "SSL_CERT_FILE="+h.authority)
	ways := map[string]string{"a header": "X-Access-Token: " + token, "a cookie": "Cookie: authorization=" + token}
	for _, scheme := range []string{"http", "https"} {
		site := h.url("own", scheme)
		ask := func(t *testing.T, want string, words ...string) {
			t.Helper()
			said := h.run(t, env, 0, append([]string{curl, "-sS", "-w", "%{http_code}", "-o", "-"}, words...)...)
			if !strings.HasSuffix(said, want) {
				t.Errorf("curl %q says %q, want %q", words, said, want)
			}
		}
		for way, header := range ways {
			t.Run(fmt.Sprintf("over %s with the token in %s", scheme, way), func(t *testing.T) {
				ask(t, "behind Basic\n200", "-H", header, "-u", "ada:her own", site+"/basic/page")
				ask(t, "behind Digest\n200", "-H", header, "--digest", "-u", "ada:her own", site+"/digest/page")
				ask(t, "behind Digest\n200", "-H", header, "--anyauth", "-u", "ada:her own", site+"/digest/page")
				ask(t, "401", "-H", header, "-u", "ada:not hers", site+"/basic/page")
				ask(t, "401", "-H", header, "--digest", "-u", "ada:not hers", site+"/digest/page")
				if said := h.run(t, env, 0, curl, "-sSi", "-H", header, site+"/digest/page"); !strings.Contains(said, `Digest realm="digest"`) || strings.Contains(said, "ptlauth") {
					t.Errorf("who has a token is asked for more by Apache alone, and gets\n%s", said)
				}
			})
		}
		t.Run("over "+scheme+" without a token", func(t *testing.T) {
			for page, option := range map[string]string{"basic": "--basic", "digest": "--digest"} {
				said := h.run(t, env, 0, curl, "-sSi", option, "-u", "ada:her own", site+"/"+page+"/page")
				if !strings.Contains(said, "401") || strings.Contains(said, "behind") || strings.Contains(said, "Apache") || strings.Contains(said, "Digest realm") {
					t.Errorf("curl is answered by more than ptlauth:\n%s", said)
				}
			}
		})
		t.Run("git and rclone over "+scheme, func(t *testing.T) {
			desk := newGitDesk(t, h, site, "X-Access-Token: "+token)
			desk.knows(t, "ada", "her own")
			desk.push(t, "/code/notes.git", "over-"+scheme)
			if got := desk.last(t, apache, "over-"+scheme); got != "over-"+scheme+"\n" {
				t.Errorf("the last commit there is %q", got)
			}

			conf := source.Named(t, "rclone.conf", fmt.Sprintf("[site]\ntype = webdav\nurl = %s/files/\nvendor = other\nuser = ada\npass = %s\nheaders = X-Access-Token,%s\n",
				site, strings.TrimSpace(h.run(t, env, 0, rclone, "obscure", "her own")), token))
			h.run(t, env, 0, rclone, "--config", conf, "copy", source.Named(t, scheme+".txt", "Dear Bob"), "site:")
			if got, _ := os.ReadFile(apache.dir + "/own/files/" + scheme + ".txt"); string(got) != "Dear Bob" {
				t.Errorf("what arrives is %q", got)
			}
		})
	}
}
