package clients

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/getportal/ptlauth/e2e/program"
	"github.com/getportal/ptlauth/e2e/source"
)

// realm is a Kerberos realm with the user ada and the service HTTP/localhost, whose keys are in the file keytab.
type realm struct{ dir string }

const (
	krb5Conf = `
[libdefaults]
default_realm = HOME
dns_canonicalize_hostname = false
dns_lookup_kdc = false
rdns = false
[realms]
HOME = {
  kdc = ADDR
}
`
	kdcConf = `
[realms]
HOME = {
  database_name = DIR/principals
  key_stash_file = DIR/stash
  acl_file = DIR/acl
  kdc_listen = ADDR
  kdc_tcp_listen = ADDR
}
`
)

// startRealm starts a realm.
func startRealm(t *testing.T) *realm {
	t.Helper()
	server, addr, dir := program.Need(t, "krb5kdc", "krb5-kdc"), program.UnusedAddr(t), t.TempDir()
	r := &realm{dir}
	for name, text := range map[string]string{"krb5.conf": krb5Conf, "kdc.conf": kdcConf} {
		source.Replace(t, filepath.Join(dir, name), strings.NewReplacer("ADDR", addr, "DIR", dir).Replace(text))
	}
	for _, line := range []string{
		"kdb5_util create -s -P master -r HOME", `kadmin.local -q "addprinc -pw tickets ada"`, `kadmin.local -q "addprinc -randkey HTTP/localhost"`,
		`kadmin.local -q "ktadd -k ` + r.dir + `/keytab HTTP/localhost"`,
	} {
		cmd := exec.CommandContext(t.Context(), "sh", "-c", line)
		cmd.Env = append(os.Environ(), r.environment()...)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", line, err, out)
		}
	}
	program.Spawn(t, addr, "env", append(r.environment(), server, "-n")...)
	return r
}

// environment is what a program needs to find the realm.
func (r *realm) environment() []string {
	return []string{"KRB5_CONFIG=" + r.dir + "/krb5.conf", "KRB5_KDC_PROFILE=" + r.dir + "/kdc.conf", "KRB5CCNAME=FILE:" + r.dir + "/tickets"}
}

func (r *realm) read(t *testing.T, name string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(r.dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// TestNegotiate: a Kerberos ticket gets to the app beside the token, and the app's answer to it back.
func TestNegotiate(t *testing.T) {
	if testing.Short() {
		t.Skip("starts Kerberos, Apache and Traefik")
	}
	curl, kinit := program.Need(t, "curl", "curl"), program.Need(t, "kinit", "krb5-user")
	program.Need(t, "kadmin.local", "krb5-admin-server")
	if _, err := os.Stat(modules + "/mod_auth_gssapi.so"); err != nil {
		program.Need(t, "mod_auth_gssapi.so", "libapache2-mod-auth-gssapi")
	}
	home := startRealm(t)
	apache := startApacheIn(t, home)
	h := newHousehold(t, map[string]app{"own": {addr: apache.own, options: everyWay}})
	token := h.letIn(t, "own", "ada's", "ada")
	env := desk(t, append(home.environment(), "CURL_CA_BUNDLE="+h.authority)...)
	h.run(t, env, 0, "sh", "-c", `echo tickets | "$1" ada`, "sh", kinit)
	_, port, _ := strings.Cut(h.proxy.Addr("own"), ":")
	page := "http://localhost:" + port + "/negotiate/page"
	for _, header := range []string{"X-Access-Token: " + token, "Cookie: authorization=" + token} {
		said := h.run(t, env, 0, curl, "-sSi", "--negotiate", "-u", ":", "-H", header, page)
		if !strings.HasSuffix(said, "behind Negotiate\n") || !strings.Contains(said, "\nWww-Authenticate: Negotiate ") {
			t.Errorf("curl is answered\n%s", said)
		}
	}
	if said := h.run(t, env, 0, curl, "-sSi", "--negotiate", "-u", ":", page); !strings.HasPrefix(said, "HTTP/1.1 401") || strings.Contains(said, "Negotiate") {
		t.Errorf("without a token, curl is answered\n%s", said)
	}
}
