package main

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"embed"
	"encoding/base64"
	"errors"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"text/template"

	"golang.org/x/net/idna"

	"github.com/getportal/ptlauth/cmd/command"
	"github.com/getportal/ptlauth/cmd/manual"
	"github.com/getportal/ptlauth/cmd/registry"
)

//go:embed init
var initFiles embed.FS

// pluginVersion is that of the plugin that Traefik downloads.
const pluginVersion = "v0.1.0"

const isWindows = runtime.GOOS == "windows"

type initOptions struct {
	URL   string `description:"Where the site will be, as a browser asks for it, such as https://chat.example.com. With http:// it is one on a LAN, without a certificate, and may have a port."`
	Owner string `description:"Whose the secret and the list shall be, where Traefik does not run as root: a number, or two with a colon between, as in user: of a compose file."`
}

func newInit() *command.Command {
	options := &initOptions{URL: "https://chat.example.com"}
	return &command.Command{
		Name:      "init",
		Arguments: "DIR",
		Short:     "makes a secret, an empty list, and the files that say where they are",
		Long: "In DIR are then compose.yml, with Traefik and a small app, to start or to copy from; ptl.yml, which tells ptl where everything is;" +
			" and the folder ptlauth, which Traefik sees: the secret, terminals.json, and dynamic.yml with the middleware. What is there already stays as it is. Then, in DIR: docker compose up -d, and ptl pair --name=phone.",
		Examples: []command.Example{
			{Line: "ptl init site --url=https://chat.example.com", Says: "A site with a name, and a certificate of Let's Encrypt:"},
			{Line: "ptl init site --url=http://nas.lan", Says: "One on a LAN, without a certificate:"},
			{Line: "ptl init site --url=http://127.0.0.1:8080", Says: "One to try it on this machine:"},
		},
		Options: options,
		Run:     func(c *command.Console, arguments []string) error { return initialize(c, options, arguments) },
	}
}

func initialize(c *command.Console, options *initOptions, arguments []string) error {
	if len(arguments) != 1 {
		return command.Errorf(command.Usage, "say where: ptl init DIR")
	}
	u, err := siteURL(options.URL)
	if err != nil {
		return err
	}
	user, group, err := ownerOf(options.Owner)
	if err != nil {
		return err
	}
	if ascii, err := idna.Lookup.ToASCII(u.Hostname()); err == nil && net.ParseIP(u.Hostname()) == nil {
		u.Host = strings.Replace(u.Host, u.Hostname(), ascii, 1) // as browsers send it, and Traefik's rules must have it
	}
	isBeside, err := furnish(c, arguments[0], u)
	if err != nil {
		return err
	}
	if options.Owner != "" {
		seen := filepath.Join(arguments[0], "ptlauth")
		if err := errors.Join(os.Chown(filepath.Join(seen, "secret"), user, group), os.Chown(filepath.Join(seen, "terminals.json"), user, group)); err != nil {
			return err
		}
	}
	noteExposed(c, u, filepath.Join(arguments[0], "ptlauth"))
	noteNext(c, arguments[0], u, isBeside)
	return nil
}

// furnish makes what is not there yet, and reports whether there was a compose file already, without ptlauth.
func furnish(c *command.Console, dir string, u *url.URL) (isBeside bool, err error) {
	seen := filepath.Join(dir, "ptlauth")
	if err := os.MkdirAll(seen, 0o755); err != nil {
		return false, err
	}
	values := map[string]any{
		"URL": u.Scheme + "://" + u.Host, "Host": strings.TrimSuffix(u.Host, ":"+u.Port()), "Port": cmp.Or(u.Port(), "80"),
		"Secure": u.Scheme == "https", "Version": pluginVersion,
	}
	steps := []struct {
		path string
		make func(path string) error
	}{
		{filepath.Join(seen, "secret"), makeSecret},
		{filepath.Join(seen, "terminals.json"), func(path string) error { return (&registry.File{Path: path}).Create() }},
		{filepath.Join(seen, "dynamic.yml"), fromTemplate("dynamic.yml", values)},
		{composeIn(dir), fromTemplate("compose.yml", values)},
		{filepath.Join(dir, "ptl.yml"), fromTemplate("ptl.yml", values)},
	}
	for _, step := range steps {
		err := step.make(step.path)
		switch {
		case errors.Is(err, fs.ErrExist):
			c.Notef("%s is there already, and stays as it is.\n", step.path)
			isBeside = isBeside || step.path == composeIn(dir) && !mentions(step.path, "ptlauth")
		case err != nil:
			return isBeside, err
		default:
			c.Printf("%s\n", step.path)
		}
	}
	return isBeside, nil
}

// composeIn is the compose file of a folder, which Docker finds by any of four names: one more beside it would hide it.
func composeIn(dir string) string {
	for _, name := range []string{"compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml"} {
		if path := filepath.Join(dir, name); exists(path) {
			return path
		}
	}
	return filepath.Join(dir, "compose.yml")
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func mentions(path, word string) bool {
	content, err := os.ReadFile(path)
	return err == nil && bytes.Contains(content, []byte(word))
}

// noteNext says what there is to do now.
func noteNext(c *command.Console, dir string, u *url.URL, isBeside bool) {
	if u.Scheme == "https" && isInner(u.Hostname()) {
		c.Notef("Let's Encrypt gives no certificate for %s, which is no public name: use http:// on a LAN which you trust, or give Traefik a certificate of your own.\n", u.Hostname())
	}
	if strings.HasSuffix(u.Hostname(), ".example.com") {
		c.Notef("%s is an example: put your own name for it into compose.yml and ptl.yml, or begin anew with --url=URL.\n", u.Hostname())
	}
	if isBeside {
		c.Notef("What your compose file needs beside what it has: https://github.com/getportal/ptlauth#in-a-traefik-that-you-have\n")
		return
	}
	first := ""
	if filepath.Clean(dir) != "." {
		first = "cd " + quoted(dir) + " && "
	}
	c.Notef("Next: %sdocker compose up -d && ptl pair --name=\"Your phone\"\n", first)
}

// quoted is a path as a shell takes it.
func quoted(path string) string {
	if strings.Trim(path, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_./") == "" {
		return path
	}
	return manual.Quoted(path)
}

// isInner reports whether a host is one that nobody outside knows.
func isInner(host string) bool {
	if ip := net.ParseIP(host); ip != nil {
		return ip.IsPrivate() || ip.IsLoopback() || ip.IsLinkLocalUnicast()
	}
	last := host[strings.LastIndexByte(host, '.')+1:]
	return last == host || slices.Contains([]string{"lan", "local", "localhost", "internal", "home", "test"}, last) || strings.HasSuffix(host, ".home.arpa")
}

// noteExposed says who could get in with what only the operator should have.
func noteExposed(c *command.Console, u *url.URL, seen string) {
	if u.Scheme == "http" && !isOwn(u.Hostname()) {
		c.Notef("Without https, whoever listens in the network between sees the cookies, and can use them: let that be a LAN which you trust.\n")
	}
	if isWindows {
		c.Notef("On Windows whoever may read the folder %s may read the secret in it: let that be you and Traefik's user alone (its properties, Security).\n", seen)
	}
}

// siteURL reads where the site will be, and says which part of it cannot be.
func siteURL(address string) (*url.URL, error) {
	u, err := url.Parse(address)
	objection := ""
	switch {
	case err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "":
		objection = "it should begin with https:// or http://, and have a host"
	case u.User != nil:
		objection = "it should have no name and no password before the host"
	case strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "":
		objection = "it should have no path, and nothing else behind the host: the whole host is the site's"
	case u.Scheme == "https" && u.Port() == "443", u.Scheme == "http" && u.Port() == "80":
		u.Host = strings.TrimSuffix(u.Host, ":"+u.Port()) // as browsers write it
	case u.Scheme == "https" && u.Port() != "":
		objection = "with https it should have no port: Let's Encrypt looks for the site at 443 before it gives a certificate"
	}
	if port, err := strconv.Atoi(cmp.Or(u.Port(), "80")); objection == "" && (err != nil || port < 1 || port > 65535) {
		objection = "its port should be a number from 1 to 65535"
	}
	if objection != "" {
		return nil, command.Errorf(command.Usage, "url is %q, and should be as a browser asks for the site, such as https://chat.example.com: %s", address, objection)
	}
	return u, nil
}

// isOwn reports whether a host is this machine, as itself knows it.
func isOwn(host string) bool {
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}

// ownerOf reads USER or USER:GROUP.
func ownerOf(owner string) (user, group int, err error) {
	if owner == "" {
		return 0, 0, nil
	}
	if isWindows {
		return 0, 0, command.Errorf(command.Usage, "on Windows a file has no owner by number: leave out --owner, and let Traefik's user read the folder ptlauth")
	}
	first, second, isPair := strings.Cut(owner, ":")
	if !isPair {
		second = first
	}
	user, err = strconv.Atoi(first)
	group, groupErr := strconv.Atoi(second)
	if err != nil || groupErr != nil || user < 0 || group < 0 {
		return 0, 0, command.Errorf(command.Usage, "owner is %q, and should be one number, or two with a colon between: --owner=65532:65532", owner)
	}
	return user, group, nil
}

// secretBytes make 86 characters.
const secretBytes = 64

func makeSecret(path string) error {
	secret := make([]byte, secretBytes)
	if _, err := rand.Read(secret); err != nil {
		return err
	}
	return create(path, 0o600, []byte(base64.RawURLEncoding.EncodeToString(secret)))
}

func fromTemplate(name string, values any) func(path string) error {
	return func(path string) error {
		parsed, err := template.ParseFS(initFiles, "init/"+name)
		if err != nil {
			return err
		}
		var content bytes.Buffer
		if err := parsed.Execute(&content, values); err != nil {
			return err
		}
		return create(path, 0o644, content.Bytes())
	}
}

// create writes a file where there is none.
func create(path string, mode fs.FileMode, content []byte) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
	if err != nil {
		return err
	}
	_, err = file.Write(content)
	return errors.Join(err, file.Sync(), file.Close())
}
